// copy, move, load, migrate: the one-line forms, each made into a plan by the kind that takes it.
#include "cli/plan_input.h"
#include "cli/start.h"
#include "cli/verb_families.h"

namespace dunlin::cli {

namespace {

struct LineFlags {
  LineFlags(CLI::App& app, std::string_view verb)
      : kind(app, verb),
        settings(app),
        detach(add_flag(app, "--detach", "run in the background, in a process of its own")) {}
  KindFlags kind;
  SettingsFlags settings;
  Flag detach;
};

/// Everything of a one-line form; its flags exist once the verb does.
struct Line {
  std::string verb;
  std::vector<Text> places;
  Texts more_places;               ///< behind those; null: none may follow
  std::vector<std::string> fixed;  ///< words before the places: "up"
  std::unique_ptr<LineFlags> flags;
};

Result<int> run_line(Session& session, const Line& line) {
  engine::CommandLine command{line.verb, line.fixed, {}};
  for (const auto& place : line.places) command.positional.push_back(*place);
  if (line.more_places)
    command.positional.insert(command.positional.end(), line.more_places->begin(),
                              line.more_places->end());
  DUNLIN_ASSIGN(const engine::Plan plan,
                plan_from_line(session, command, line.flags->kind, line.flags->settings));
  return start_plan(session, plan, *line.flags->detach);
}

std::shared_ptr<Line> make_line(std::string verb) {
  auto line = std::make_shared<Line>();
  line->verb = std::move(verb);
  return line;
}

}  // namespace

void add_copy_verbs(Verbs& verbs) {
  auto copy = make_line("copy");
  CLI::App& copy_app = verbs.add(
      "copy", "Copies files, or objects between object stores; proves what it wrote.",
      "dunlin copy /data/photos /mnt/backup           # becomes /mnt/backup/photos\n"
      "dunlin copy /data/photos/ /mnt/backup/photos   # the contents of photos\n"
      "dunlin copy /data/photos /data/music /mnt/backup   # each under its own name\n"
      "dunlin copy /data /mnt/backup --io-limit 100MB/s --detach\n"
      "dunlin copy /data /mnt/backup --conflict skip --max-failures 1%\n"
      "dunlin copy /data /mnt/backup --checksum      # believes no times\n"
      "dunlin copy /data /mnt/backup --test 100      # a sample, and how long all would take\n"
      "dunlin copy /camera/ /data/photos --conflict keep_both   # a (2).jpg beside a.jpg\n"
      "dunlin copy --link /data/photos /data/snapshot           # the same files once more\n"
      "dunlin copy --reflink /data/vm.img /data/vm2.img         # shared blocks, or it fails\n"
      "dunlin copy /data /mnt/usb --preserve no-owner,no-acl\n"
      "dunlin copy ~/src /mnt/backup --exclude '*.o' --exclude /build/ --exclude '!keep.o'\n"
      "dunlin copy /data /mnt/usb --include '*.jpg' --include '/albums/' --max-size 20MiB\n"
      "dunlin copy /data /mnt/usb --file-types image,video --min-size 100kB\n"
      "dunlin copy /recovered /mnt/photos --file-types 'image/jpeg,video/*'   # by what they hold\n"
      "dunlin copy /data /mnt/daily --modified-since 1d\n"
      "dunlin copy -x / /mnt/system          # not what is mounted inside\n"
      "dunlin copy -L ~/site /mnt/web        # what symlinks point to, instead of the links\n"
      "cd /data && find . -newer stamp -print0 | "
      "dunlin copy . /mnt/new --files-from - --from0",
      [copy](Session& session) { return run_line(session, *copy); });
  copy->places = {
      add_place(copy_app, "SRC…",
                "what to copy, one or several; one with a slash at its end: only its contents"),
      add_place(copy_app, "DST", "where to; an existing directory is copied into")};
  copy->more_places = add_more_places(copy_app);
  copy->flags = std::make_unique<LineFlags>(copy_app, "copy");

  auto move = make_line("move");
  CLI::App& move_app = verbs.add(
      "move",
      "Moves files: a rename within one file system, else a copy whose source is removed once it "
      "is "
      "proven.",
      "dunlin move /data/photos /mnt/archive               # becomes /mnt/archive/photos\n"
      "dunlin move /data/inbox/ /mnt/archive/2026          # the contents of inbox\n"
      "dunlin move /data/photos /data/list.txt /mnt/archive   # each under its own name\n"
      "dunlin move /data/photos /mnt/archive --delete-empty-src-dirs",
      [move](Session& session) { return run_line(session, *move); });
  move->places = {
      add_place(move_app, "SRC…",
                "what to move, one or several; one with a slash at its end: only its contents"),
      add_place(move_app, "DST", "where to; an existing directory is moved into")};
  move->more_places = add_more_places(move_app);
  move->flags = std::make_unique<LineFlags>(move_app, "move");

  auto load = make_line("load");
  CLI::App& load_app = verbs.add(
      "load", "Loads rows of tables from one database into another.",
      "dunlin load sqlite:old.db sqlite:new.db --all\n"
      "dunlin load sqlite:old.db sqlite:new.db --table customers\n"
      "dunlin load sqlite:old.db sqlite:new.db --tables customers,orders --batch-size 10000",
      [load](Session& session) { return run_line(session, *load); });
  load->places = {add_place(load_app, "SOURCE", "the database to read"),
                  add_place(load_app, "TARGET", "the database to write")};
  load->flags = std::make_unique<LineFlags>(load_app, "load");

  CLI::App& migrate = verbs.group("migrate", "Brings the schema of a database up to date.");
  auto up = make_line("migrate");
  up->fixed = {"up"};
  CLI::App& up_app = verbs.add(migrate, "up", "Applies every migration that is pending, in order.",
                               "dunlin migrate up --db sqlite:app.db --dir migrations",
                               [up](Session& session) { return run_line(session, *up); });
  up->flags = std::make_unique<LineFlags>(up_app, "migrate");
}

}  // namespace dunlin::cli
