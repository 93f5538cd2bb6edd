// copy, move, load, migrate: the one-line forms, each made into a plan by the kind that takes it.
#include "base/leave_to_exit.h"
#include "cli/exit_code.h"
#include "cli/plan_input.h"
#include "cli/shown_text.h"
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

/// What a kind sees of a database and its migrations; nothing is changed, and there is no
/// execution.
Result<int> look(Session& session, const engine::CommandLine& line, const KindFlags& flags,
                 bool judges) {
  DUNLIN_ASSIGN(const engine::Engine* const engine, session.engine());  // who asks may look
  static_cast<void>(engine);
  const engine::Kind* const kind = session.kinds().for_command(line);
  if (kind == nullptr) return Error(ErrorType::invalid_input, "nothing here can migrate schemas");
  engine::CommandLine whole = line;
  DUNLIN_ASSIGN(whole.options, flags.read(kind->name()));
  DUNLIN_ASSIGN(engine::Findings found, kind->look(whole, CancelToken{}));
  const int code = judges && !found.good ? kDifferences : kDone;
  if (session.options().json) {
    session.emit(found.json());
    leave_to_exit(std::move(found));
    return code;
  }
  std::string text = found.text;
  for (const std::string& one : found.differences)
    text += (text.empty() ? "" : "\n") + painted_difference(one, session.out(), "");
  // A file or a pipe gets every byte, a terminal nothing that it would obey.
  if (found.content)
    text += session.out().is_terminal() ? printable_lines(*found.content) : *found.content;
  session.result(text);
  leave_to_exit(std::move(found));
  return code;
}

void add_migrate_verbs(Verbs& verbs, CLI::App& migrate) {
  auto up = make_line("migrate");
  up->fixed = {"up"};
  CLI::App& up_app = verbs.add(
      migrate, "up", "Applies every migration that is pending, in order.",
      "dunlin migrate up --db sqlite:app.db --dir migrations\n"
      "dunlin migrate up --db postgres://anna@db.example/shop --dir migrations\n"
      "dunlin migrate up --db 'postgres://anna@db.example/shop?password=env:SHOP_PASSWORD' "
      "--dir migrations\n"
      "dunlin migrate up --db sqlite:app.db --dir migrations --target 20251119143022\n"
      "dunlin migrate up --db postgres://anna@db.example/shop --dir migrations --tenants 'shop_*'",
      [up](Session& session) { return run_line(session, *up); });
  up->more_places = add_optional_place(up_app, "VERSION", "this one, and what it depends on");
  up->flags = std::make_unique<LineFlags>(up_app, "migrate up");

  auto down = make_line("migrate");
  down->fixed = {"down"};
  CLI::App& down_app = verbs.add(
      migrate, "down", "Takes back what was applied last, by the SQL that was recorded with it.",
      "dunlin migrate down --db sqlite:app.db --dir migrations             # the last one\n"
      "dunlin migrate down --db sqlite:app.db --dir migrations --steps 3\n"
      "dunlin migrate down --db sqlite:app.db --dir migrations --target 20251119120000",
      [down](Session& session) { return run_line(session, *down); });
  down->flags = std::make_unique<LineFlags>(down_app, "migrate down");

  auto redo = make_line("migrate");
  redo->fixed = {"redo"};
  CLI::App& redo_app = verbs.add(
      migrate, "redo", "Takes back what was applied last, and applies it again from its file.",
      "dunlin migrate redo --db sqlite:app.db --dir migrations             # the last one\n"
      "dunlin migrate redo --db sqlite:app.db --dir migrations --steps 3",
      [redo](Session& session) { return run_line(session, *redo); });
  redo->flags = std::make_unique<LineFlags>(redo_app, "migrate redo");

  auto baseline = make_line("migrate");
  baseline->fixed = {"baseline"};
  CLI::App& baseline_app = verbs.add(
      migrate, "baseline",
      "Calls all migrations up to VERSION applied, and runs none: for a database that is there "
      "already.",
      "dunlin migrate baseline 20251119120000 --db postgres://anna@db.example/shop --dir "
      "migrations",
      [baseline](Session& session) { return run_line(session, *baseline); });
  baseline->places = {add_place(baseline_app, "VERSION", "the last one that is called applied")};
  baseline->flags = std::make_unique<LineFlags>(baseline_app, "migrate baseline");

  auto mark = make_line("migrate");
  mark->fixed = {"mark-applied"};
  CLI::App& mark_app =
      verbs.add(migrate, "mark-applied", "Calls one migration applied, and does not run it.",
                "dunlin migrate mark-applied 7 --db sqlite:app.db --dir migrations",
                [mark](Session& session) { return run_line(session, *mark); });
  mark->places = {add_place(mark_app, "VERSION", "the one that is called applied")};
  mark->flags = std::make_unique<LineFlags>(mark_app, "migrate mark-applied");

  auto import = make_line("migrate");
  import->fixed = {"import-history"};
  CLI::App& import_app = verbs.add(
      migrate, "import-history",
      "Takes over the history of golang-migrate, goose, dbmate, Flyway or diesel; runs nothing, "
      "and "
      "changes nothing of theirs.",
      "dunlin migrate import-history --db postgres://anna@db.example/shop --dir migrations",
      [import](Session& session) { return run_line(session, *import); });
  import->flags = std::make_unique<LineFlags>(import_app, "migrate import-history");

  auto flags = std::make_shared<std::unique_ptr<KindFlags>>();
  CLI::App& status_app = verbs.add(
      migrate, "status", "Shows which migrations are applied and which are pending.",
      "dunlin migrate status --db sqlite:app.db --dir migrations\n"
      "dunlin migrate status --db postgres://anna@db.example/shop --dir migrations --json",
      [flags](Session& session) {
        return look(session, {"migrate", {"status"}, {}}, **flags, false);
      });
  *flags = std::make_unique<KindFlags>(status_app, "migrate status");

  auto validates = std::make_shared<std::unique_ptr<KindFlags>>();
  CLI::App& validate_app = verbs.add(
      migrate, "validate", "As status, and ends with 6 when something does not fit together.",
      "dunlin migrate validate --db sqlite:app.db --dir migrations", [validates](Session& session) {
        return look(session, {"migrate", {"validate"}, {}}, **validates, true);
      });
  *validates = std::make_unique<KindFlags>(validate_app, "migrate validate");

  auto shown = std::make_shared<std::unique_ptr<KindFlags>>();
  auto version = std::make_shared<Text>();
  CLI::App& show_app = verbs.add(
      migrate, "show",
      "Prints the SQL of a migration as it was applied, from the log at the database.",
      "dunlin migrate show 7 --db sqlite:app.db                          # what was applied\n"
      "dunlin migrate show 7 --down --db sqlite:app.db > 7.down.sql      # what takes it back\n"
      "dunlin migrate show 7 --diff --db sqlite:app.db --dir migrations  # what changed since",
      [shown, version](Session& session) {
        return look(session, {"migrate", {"show", **version}, {}}, **shown, false);
      });
  *version = add_place(show_app, "VERSION", "the migration's number, or its whole name");
  *shown = std::make_unique<KindFlags>(show_app, "migrate show");

  auto repair = make_line("migrate");
  repair->fixed = {"repair"};
  CLI::App& repair_app =
      verbs.add(migrate, "repair",
                "Takes files that were changed after they had been applied for what was applied.",
                "dunlin migrate repair --db sqlite:app.db --dir migrations\n"
                "dunlin migrate repair 7 --db sqlite:app.db --dir migrations      # this one alone",
                [repair](Session& session) { return run_line(session, *repair); });
  repair->more_places = add_optional_place(repair_app, "VERSION", "this one alone");
  repair->flags = std::make_unique<LineFlags>(repair_app, "migrate repair");
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
  add_migrate_verbs(verbs, migrate);
}

}  // namespace dunlin::cli
