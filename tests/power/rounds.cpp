// See rounds.h.
#include "rounds.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>

#include "cut.h"
#include "disk_log.h"
#include "exported_disks.h"
#include "ledger_view.h"
#include "support/process.h"
#include "trees.h"

namespace dunlin::power {
namespace {

namespace fsys = std::filesystem;

constexpr testing::milliseconds kPatience{120'000};
constexpr int kPaused = 4;  // exit code, docs/command-line.md
// Before dunlin listens to SIGINT, or when it no longer does: a kill, as any other.
constexpr int kEndedBySigint = 130;
constexpr std::size_t kShownFailures = 12;  // of one cut
/// Half of the cuts fall so near to a flush: there the order of things shows.
constexpr std::int64_t kNearAFlush = 4;
/// Of a resume or rollback, a quarter falls so near to its start: there it settles what it finds,
/// or opens what it will change.
constexpr std::int64_t kNearTheStart = 120;

using Words = std::vector<std::string>;

constexpr double kOfANeighbour = 0.25;

enum class Verb : std::uint8_t { copy, move_within, move_across };

/// The disks of one machine: the first is copied to; the second, if there is one, has the state. A
/// move within has its source on the first, a move across on the second.
struct Machine {
  std::vector<std::string> images;
  Verb verb = Verb::copy;
  [[nodiscard]] bool same_disk() const { return images.size() == 1; }
  [[nodiscard]] bool moves() const { return verb != Verb::copy; }
};

enum class What : std::uint8_t { copy, pause, resume, rollback };

struct Recording {
  What what = What::copy;
  Machine before;
  std::unique_ptr<DiskLog> log;
  std::size_t first = 0;            ///< event at which dunlin was started
  std::optional<std::size_t> told;  ///< from here on the user has been told of its end
  std::string end;                  ///< which is this status
  std::string settings;
};

class Bench {
 public:
  Bench(const Options& options, const FileSystem& file_system)
      : options_(options), file_system_(file_system), rng_(options.seed) {
    tally_.file_system = file_system.name;
    for (const char* const name : {"exported", "first", "second", "source", "home", "run"})
      fsys::create_directories(scratch(name));
    fsys::permissions(scratch("run"), fsys::perms::owner_all);
  }

  Tally run();

 private:
  [[nodiscard]] std::string scratch(const std::string& name) const {
    return options_.scratch + "/" + name;
  }
  [[nodiscard]] std::string destination() const { return scratch("first") + "/destination"; }
  [[nodiscard]] const Trees& trees(const Machine& machine) const {
    return machine.moves() ? moved_ : copied_;
  }
  [[nodiscard]] std::string source(const Machine& machine) const {
    if (!machine.moves()) return copied_.source;
    return scratch(machine.verb == Verb::move_within ? "first" : "second") + "/source";
  }
  [[nodiscard]] std::string state(const Machine& machine) const {
    return scratch(machine.same_disk() ? "first" : "second") + "/state";
  }

  using Mounts = std::vector<std::unique_ptr<Mounted>>;
  [[nodiscard]] Mounts mount(const Machine& machine) const;
  static void unmount(Mounts& mounts);
  [[nodiscard]] Machine copy_of(const Machine& machine, const std::string& name) const;
  [[nodiscard]] Machine fresh(bool same_disk, Verb verb);
  [[nodiscard]] Words first_words(const Machine& machine);
  [[nodiscard]] testing::ProcessOptions dunlin(const Machine& machine, const Words& words) const;
  [[nodiscard]] testing::Finished run_dunlin(const Machine& machine, const Words& words) const;

  std::optional<Recording> record(What what, const Machine& before, const Words& words);
  void record_and_cut(What what, const Machine& before, const Words& words, int cuts);
  [[nodiscard]] testing::Finished run_paused(const Machine& machine, const Words& words,
                                             const ExportedDisks& disks);
  [[nodiscard]] std::unique_ptr<testing::Process> neighbour_that_syncs();
  void check_log(const Recording& recording, const Machine& after);
  void cut_often(const Recording& recording, int cuts);
  [[nodiscard]] std::vector<std::size_t> moments(const Recording& recording, int cuts);
  void after_cut(const Recording& recording, std::size_t event, const Machine& machine,
                 const std::string& title);
  void go_on(const Recording& recording, const Machine& machine, const LedgerView& ledger,
             std::vector<std::string>& failures);
  void take_back(const Machine& machine, std::vector<std::string>& failures);
  void check_taken_back(const Machine& machine, std::vector<std::string>& failures) const;
  void round(const Machine& baseline);

  const Options& options_;
  const FileSystem& file_system_;
  Rng rng_;
  Trees copied_;
  Trees moved_;
  Words last_words_;                    ///< of the last copy or move
  std::uint64_t copy_bytes_ = 0;        ///< that it has logged as a whole
  std::optional<Machine> interesting_;  ///< a cut in the middle: where a resume is recorded
  std::optional<Machine> finished_;     ///< where a rollback is recorded
  Tally tally_;
};

Bench::Mounts Bench::mount(const Machine& machine) const {
  Mounts mounts;
  const char* const points[] = {"first", "second"};
  for (std::size_t n = 0; n < machine.images.size(); ++n)
    mounts.push_back(
        std::make_unique<Mounted>(file_system_.name, machine.images[n], scratch(points[n])));
  return mounts;
}

void Bench::unmount(Mounts& mounts) {
  while (!mounts.empty()) {
    mounts.back()->unmount();
    mounts.pop_back();
  }
}

Machine Bench::copy_of(const Machine& machine, const std::string& name) const {
  Machine copy{{}, machine.verb};
  for (std::size_t n = 0; n < machine.images.size(); ++n) {
    copy.images.push_back(scratch(name + "-" + std::to_string(n)));
    copy_image(machine.images[n], copy.images.back());
  }
  return copy;
}

/// The older destination on a new file system; a second one for the state, empty but for the source
/// of a move.
Machine Bench::fresh(bool same_disk, Verb verb) {
  static const char* const names[] = {"copy", "move-within", "move-across"};
  const std::string name = std::string("baseline-") + names[static_cast<std::size_t>(verb)];
  Machine machine{{scratch(name + (same_disk ? "-one" : "-two"))}, verb};
  if (!same_disk) machine.images.push_back(scratch(name + "-state"));
  for (const std::string& image : machine.images) make_image(file_system_, image);
  Mounts mounts = mount(machine);
  run_tool({"cp", "-a", trees(machine).old, destination()});
  if (machine.moves()) {
    run_tool({"cp", "-a", trees(machine).source, source(machine)});
    for (const std::string& line : source_differences(trees(machine), source(machine)))
      throw std::runtime_error("cp does not make the source of a move: " + line);
  }
  unmount(mounts);
  return machine;
}

testing::ProcessOptions Bench::dunlin(const Machine& machine, const Words& words) const {
  testing::ProcessOptions options;
  options.words = words;
  options.words.insert(options.words.begin(), options_.binary);
  options.words.emplace_back("--no-progress");
  options.environment = {{"DUNLIN_STATE", state(machine)},
                         {"HOME", scratch("home")},
                         {"XDG_RUNTIME_DIR", scratch("run")}};
  return options;
}

testing::Finished Bench::run_dunlin(const Machine& machine, const Words& words) const {
  return testing::run_process(dunlin(machine, words), kPatience);
}

/// Somebody else on the machine, who makes the file systems commit at moments of their own.
std::unique_ptr<testing::Process> Bench::neighbour_that_syncs() {
  const std::string every = "0.0" + std::to_string(rng_.between(1, 9));
  return std::make_unique<testing::Process>(testing::ProcessOptions{
      .words = {"/bin/sh", "-c",
                "while sleep " + every + "; do sync -f '" + scratch("first") + "'; sync -f '" +
                    scratch("second") + "'; done"},
      .environment = {},
      .folder = {}});
}

/// Asked to pause when it has written some part of what the whole copy writes.
testing::Finished Bench::run_paused(const Machine& machine, const Words& words,
                                    const ExportedDisks& disks) {
  testing::Process process(dunlin(machine, words));
  const std::uint64_t enough = disks.log_size() + rng_.below(copy_bytes_ + 1);
  const auto written = [&] { return disks.log_size() >= enough || !process.running(); };
  if (testing::eventually(written, kPatience)) process.signal(SIGINT);
  const auto code = process.wait(kPatience);
  return {code.value_or(-1), process.out(), process.err()};
}

Words Bench::first_words(const Machine& machine) {
  const char* const levels[] = {"full", "basic", "none"};
  const char* const sizes[] = {"10", "25", "60"};
  const char* const transfers[] = {"1", "4", "16"};
  last_words_ = {machine.moves() ? "move" : "copy",
                 source(machine) + "/",
                 destination(),
                 "--verify",
                 levels[rng_.below(machine.verb == Verb::move_across ? 2 : 3)],
                 "--batch-size",
                 sizes[rng_.below(3)],
                 "--concurrency",
                 transfers[rng_.below(3)]};
  if (machine.moves() && rng_.chance(0.5)) last_words_.emplace_back("--delete-empty-src-dirs");
  return last_words_;
}

/// Nothing, and a failure, when dunlin does not end well.
std::optional<Recording> Bench::record(What what, const Machine& before, const Words& words) {
  Recording recording;
  recording.what = what;
  recording.before = before;
  if (before.verb == Verb::move_within) recording.settings = "a move by renames";
  if (before.verb == Verb::move_across) recording.settings = "a move from the second disk";
  for (std::size_t n = what == What::copy || what == What::pause ? 3 : 0; n < words.size(); ++n)
    recording.settings += (recording.settings.empty() ? "" : " ") + words[n];
  const Machine used = copy_of(before, "used");
  std::uint64_t first = 0;
  std::uint64_t told = 0;
  {
    const ExportedDisks disks(scratch("exported"), used.images, scratch("log"));
    Machine exported{{}, used.verb};
    for (std::size_t n = 0; n < used.images.size(); ++n) exported.images.push_back(disks.path(n));
    Mounts mounts = mount(exported);
    const auto neighbour = rng_.chance(kOfANeighbour) ? neighbour_that_syncs() : nullptr;
    recording.settings += neighbour ? ", beside one that syncs" : "";
    first = disks.log_size();
    const testing::Finished done =
        what == What::pause ? run_paused(exported, words, disks) : run_dunlin(exported, words);
    told = disks.log_size();
    if (neighbour) neighbour->signal(SIGKILL);
    if (neighbour && !neighbour->wait()) throw std::runtime_error("sync does not end");
    recording.end = done.code == kPaused     ? "paused"
                    : what == What::rollback ? "rolled_back"
                                             : "completed";
    unmount(mounts);
    const bool cut_short = what == What::pause && done.code == kEndedBySigint;
    if (cut_short) told = 0;
    if (done.code != 0 && !cut_short && !(what == What::pause && done.code == kPaused)) {
      tally_.failures.push_back(file_system_.name + ": dunlin " + words[0] + " ends with " +
                                std::to_string(done.code) + ", undisturbed: " + done.out +
                                done.err);
      return std::nullopt;
    }
  }
  recording.log = std::make_unique<DiskLog>(scratch("log"));
  recording.first = recording.log->events_before(first);
  if (told > 0) recording.told = recording.log->events_before(told);
  check_log(recording, used);
  ++tally_.recordings;
  tally_.events += recording.log->events().size();
  if (what == What::copy) {
    finished_ = copy_of(used, "finished");
    copy_bytes_ = told - first;
  }
  return recording;
}

/// The log is all that happened: nothing lost of it makes the disks as they are.
void Bench::check_log(const Recording& recording, const Machine& after) {
  const Machine base = copy_of(recording.before, "durable");
  const Machine replayed = copy_of(recording.before, "cut");
  Rng unused(1);
  for (std::uint32_t n = 0; n < base.images.size(); ++n) {
    CutDisk disk(*recording.log, n, base.images[n], file_system_);
    disk.advance(recording.log->events().size());
    disk.cut(Loss::none, unused, replayed.images[n]);
    run_tool({"cmp", replayed.images[n], after.images[n]});
  }
}

/// The first flush of the first disk after the longest time without one: whatever was done in it
/// and not flushed is believed for longest.
std::size_t after_the_longest_silence(const Recording& recording) {
  const auto& events = recording.log->events();
  std::size_t found = recording.first;
  std::size_t longest = 0;
  std::size_t since = recording.first;
  for (std::size_t n = recording.first; n < events.size(); ++n) {
    if (events[n].header.kind != EventKind::flush || events[n].header.disk != 0) continue;
    if (n - since > longest) {
      longest = n - since;
      found = n;
    }
    since = n;
  }
  return found;
}

/// Over the whole of it; half of them close to a flush.
std::vector<std::size_t> Bench::moments(const Recording& recording, int cuts) {
  const auto& events = recording.log->events();
  std::vector<std::size_t> flushes;
  for (std::size_t n = recording.first; n < events.size(); ++n) {
    if (events[n].header.kind == EventKind::flush) flushes.push_back(n);
  }
  const auto first = static_cast<std::int64_t>(recording.first);
  const auto last = static_cast<std::int64_t>(events.size());
  std::vector<std::size_t> chosen;
  for (int n = 0; n < cuts; ++n) {
    std::int64_t at = rng_.between(first, last);
    if (n == 0 || (n % 2 == 1 && n > 1 && recording.what == What::pause)) {
      at = static_cast<std::int64_t>(recording.told.value_or(events.size()));
    } else if (n == 1) {
      at = static_cast<std::int64_t>(after_the_longest_silence(recording));
    } else if (n % 4 == 1 && (recording.what == What::resume || recording.what == What::rollback)) {
      at = rng_.between(first, first + kNearTheStart);
    } else if (n % 2 == 0 && !flushes.empty()) {
      at = static_cast<std::int64_t>(flushes[rng_.below(flushes.size())]) +
           rng_.between(-kNearAFlush, kNearAFlush);
    }
    chosen.push_back(static_cast<std::size_t>(std::clamp(at, first, last)));
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

void Bench::record_and_cut(What what, const Machine& before, const Words& words, int cuts) {
  if (cuts <= 0) return;
  if (const auto recording = record(what, before, words)) cut_often(*recording, cuts);
}

void Bench::cut_often(const Recording& recording, int cuts) {
  const Machine base = copy_of(recording.before, "durable");
  std::vector<CutDisk> disks;
  for (std::uint32_t n = 0; n < base.images.size(); ++n)
    disks.emplace_back(*recording.log, n, base.images[n], file_system_);
  for (const std::size_t event : moments(recording, cuts)) {
    Machine machine{{}, recording.before.verb};
    std::string title = file_system_.name + " cut at " + std::to_string(event) + " of " +
                        std::to_string(recording.log->events().size()) + " (" + recording.settings +
                        ")";
    for (std::size_t n = 0; n < disks.size(); ++n) {
      disks[n].advance(event);
      const Loss loss = losses()[rng_.below(losses().size())];
      machine.images.push_back(scratch("cut-" + std::to_string(n)));
      const std::size_t at_stake = disks[n].cut(loss, rng_, machine.images[n]);
      tally_.at_stake += at_stake;
      title += disks.size() == 1 ? ", the only disk" : n == 0 ? ", the first disk" : ", the second";
      title += std::string(" loses ") + to_string(loss) + " of " + std::to_string(at_stake);
    }
    try {
      after_cut(recording, event, machine, title);
    } catch (const std::exception& error) {
      tally_.failures.push_back(title + ": " + error.what());
    }
  }
}

void Bench::after_cut(const Recording& recording, std::size_t event, const Machine& machine,
                      const std::string& title) {
  ++tally_.cuts;
  tally_.on_the_same_disk += machine.same_disk() ? 1 : 0;
  tally_.in_moves += machine.moves() ? 1 : 0;
  tally_.in_recovery += recording.what == What::resume ? 1 : 0;
  tally_.in_rollback += recording.what == What::rollback ? 1 : 0;
  tally_.in_pause += recording.what == What::pause ? 1 : 0;
  const bool may_record = recording.what == What::copy;
  const bool to_keep = !options_.keep.empty() && tally_.failures.empty();
  const Machine kept = may_record || to_keep ? copy_of(machine, "candidate") : Machine{};
  Mounts mounts = mount(machine);
  const LedgerView ledger = read_ledger(state(machine), scratch("ledger"));
  std::vector<std::string> failures;
  if (recording.told && event >= *recording.told && ledger.status != recording.end)
    failures.push_back("the user was told \"" + recording.end + "\", and the ledger says \"" +
                       ledger.status + "\"");
  if (recording.what != What::rollback) {
    const Judgement judgement = judge_cut(trees(machine), destination(), ledger);
    failures.insert(failures.end(), judgement.failures.begin(), judgement.failures.end());
    ++tally_.phases[judgement.phase];
    tally_.completed += judgement.completed;
    tally_.names_ahead += judgement.names_ahead;
    tally_.temporaries += judgement.temporaries;
    const bool open = judgement.temporaries > 0 || judgement.names_ahead > 0;
    if (may_record && open && (!interesting_ || rng_.chance(0.5)))
      interesting_ = copy_of(kept, "interesting");
  }
  go_on(recording, machine, ledger, failures);
  if (to_keep && !failures.empty()) {
    for (const std::string& image : kept.images)
      copy_image(image, options_.keep + "/" + file_system_.name + "-" +
                            fsys::path(image).filename().string());
  }
  unmount(mounts);
  for (std::size_t n = 0; n < std::min(failures.size(), kShownFailures); ++n)
    tally_.failures.push_back(title + ": " + failures[n]);
  if (failures.size() > kShownFailures)
    tally_.failures.push_back(title + ": and " + std::to_string(failures.size() - kShownFailures) +
                              " more");
}

/// The user comes back: what was under way is resumed, or was never begun.
void Bench::go_on(const Recording& recording, const Machine& machine, const LedgerView& ledger,
                  std::vector<std::string>& failures) {
  const auto must = [&](const Words& words) {
    const testing::Finished done = run_dunlin(machine, words);
    if (done.code != 0)
      failures.push_back("dunlin " + words[0] + " ends with " + std::to_string(done.code) + ": " +
                         done.out + done.err);
  };
  if (recording.what == What::rollback) {
    if (ledger.status != "rolled_back") must({"rollback", "last", "--yes"});
    return check_taken_back(machine, failures);
  }
  if (!ledger.there) {
    ++tally_.again;
    must(last_words_);
  } else if (ledger.status != "completed") {
    must({"resume", "last"});
  }
  for (const std::string& difference : copy_differences(trees(machine), destination()))
    failures.push_back("after the resume: " + difference);
  if (machine.moves()) {
    for (const std::string& path : left_at_source(source(machine)))
      failures.push_back("after the resume: still at the source: " + path);
  }
  if (failures.empty() && rng_.chance(0.5)) take_back(machine, failures);
}

void Bench::take_back(const Machine& machine, std::vector<std::string>& failures) {
  ++tally_.rollbacks;
  const testing::Finished done = run_dunlin(machine, {"rollback", "last", "--yes"});
  if (done.code != 0)
    failures.push_back("dunlin rollback ends with " + std::to_string(done.code) + ": " + done.out +
                       done.err);
  check_taken_back(machine, failures);
}

void Bench::check_taken_back(const Machine& machine, std::vector<std::string>& failures) const {
  for (const std::string& difference : rollback_differences(trees(machine), destination()))
    failures.push_back("after the rollback: " + difference);
  if (!machine.moves()) return;
  for (const std::string& difference : source_differences(trees(machine), source(machine)))
    failures.push_back("after the rollback, at the source: " + difference);
}

/// Undisturbed, resumed after a cut, paused, taken back: cuts in each.
void Bench::round(const Machine& baseline) {
  const auto cuts = [&] { return std::min(options_.cuts_each, options_.cuts - tally_.cuts); };
  interesting_.reset();
  finished_.reset();
  record_and_cut(What::copy, baseline, first_words(baseline), cuts());
  if (!finished_) return;
  if (interesting_) {
    const Machine begun = copy_of(*interesting_, "begun");
    record_and_cut(What::resume, begun, {"resume", "last"}, (cuts() + 1) / 2);
  }
  record_and_cut(What::pause, baseline, first_words(baseline), (cuts() + 1) / 2);
  record_and_cut(What::rollback, *finished_, {"rollback", "last", "--yes"}, (cuts() + 1) / 2);
}

Tally Bench::run() {
  // On a file system that keeps everything, so that the scratch folder need not.
  const FileSystem& keeps_all = file_systems().front();
  make_image(keeps_all, scratch("source-image"));
  const Mounted source(keeps_all.name, scratch("source-image"), scratch("source"));
  copied_ = make_trees(scratch("source/copied"), options_.seed, file_system_.refuses, true);
  // `cp -a`, which makes the sources of moves, knows no flags, and fills small holes on XFS.
  moved_ = make_trees(scratch("source/moved"), options_.seed, file_system_.refuses, false);
  const std::vector<Machine> baselines = {fresh(false, Verb::copy), fresh(false, Verb::move_across),
                                          fresh(true, Verb::move_within), fresh(true, Verb::copy)};
  for (std::size_t n = 0; tally_.cuts < options_.cuts; ++n) {
    round(baselines[n % baselines.size()]);
    if (!finished_) break;  // it does not work
  }
  return std::move(tally_);
}

}  // namespace

Tally cut_power(const Options& options, const FileSystem& file_system) {
  return Bench(options, file_system).run();
}

}  // namespace dunlin::power
