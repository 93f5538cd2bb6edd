#include "flushes.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <future>
#include <map>
#include <optional>
#include <set>

#include "base/check.h"
#include "base/text.h"
#include "database_image.h"
#include "disk.h"
#include "system_calls.h"

namespace dunlin::crash {
namespace {

namespace fsys = std::filesystem;

constexpr int kShownOfARule = 3;

/// The path of an item in hex, from the root of its tree.
constexpr const char* kEndedItems = R"(
  SELECT o.item_id, b.id, t.task_type, hex(i.name), (
    WITH RECURSIVE up(id, path) AS (
      SELECT i.directory_id, '' UNION ALL
      SELECT d.parent, CASE WHEN d.parent > 0 THEN '2F' || hex(d.name) || up.path ELSE up.path END
      FROM up JOIN directory d ON d.id = up.id)
    SELECT path FROM up ORDER BY length(path) DESC LIMIT 1) || '2F' || hex(i.name),
    (SELECT name FROM code WHERE of = 'batch' AND code = b.status), s.name
  FROM outcome o JOIN item i ON i.id = o.item_id
  JOIN batch b ON b.id = (SELECT max(id) FROM batch WHERE first_item <= i.id AND i.id < first_item + item_count)
  JOIN task t ON t.id = b.task_id
  JOIN code s ON s.of = 'item' AND s.code = o.status AND s.name IN ('completed', 'rolled_back'))";

constexpr const char* kExecutingBatches = R"(
  SELECT b.id, b.first_item, b.item_count, EXISTS(SELECT 1 FROM intent WHERE batch_id = b.id)
  FROM batch b WHERE b.status = (SELECT code FROM code WHERE of = 'batch' AND name = 'executing'))";

std::string from_hex(const std::string& text) {
  std::string bytes;
  for (std::size_t at = 0; at + 1 < text.size(); at += 2)
    bytes += static_cast<char>(std::stoi(text.substr(at, 2), nullptr, 16));
  return bytes;
}

/// The item of `.dunlin-<execution>-<epoch>-<item>`, the name of a temporary.
std::optional<std::int64_t> item_of_temporary(const std::string& path) {
  const std::string name = fsys::path(path).filename().string();
  const std::size_t dash = name.rfind('-');
  if (!name.starts_with(".dunlin-") || name.starts_with(".dunlin-undo-")) return std::nullopt;
  const std::string item = name.substr(dash + 1);
  if (item.empty() || item.find_first_not_of("0123456789") != std::string::npos)
    return std::nullopt;
  return std::stoll(item);
}

/// Where a database kind keeps the proof of a finished batch.
struct Target {
  std::string database;  ///< empty: the kind has no target database
  bool schema = false;
};

struct Batch {
  std::int64_t first_item = 0;
  std::int64_t item_count = 0;
  bool intents = false;
};

class Rules {
 public:
  Rules(Disk& disk, FlushTally& tally, std::string work, std::string destination, Target target,
        std::string scratch)
      : disk_(disk),
        tally_(tally),
        work_(std::move(work)),
        destination_(std::move(destination)),
        target_(std::move(target)),
        scratch_(std::move(scratch)) {}

  void begin(const SystemCall& call) {
    if (call.name == "write" && call.has(0, "1<")) {
      for (const char* status : {"completed", "rolled_back"})
        if (call.bytes(1).starts_with(status)) check_told(status);
    }
    for (const std::string& path : names_changed_by(call)) {
      const auto item = item_of_temporary(path);
      if (!item) continue;
      if (call.name.starts_with("rename") || call.name.starts_with("link"))
        check_publish(call, *item);
      else if (!call.name.starts_with("unlink"))
        check_announced(*item);
      break;
    }
    disk_.begin(call);
    if (is_commit_of_ledger(call)) check_outcomes();
  }

  void end(const SystemCall& call) {
    disk_.end(call);
    const bool flush = call.name == "fsync" || call.name == "fdatasync";
    const bool log = flush && call.descriptor_path(0).ends_with("/ledger.db-wal");
    tally_.ledger_flushes += log ? 1 : 0;
    tally_.flushes += flush && !log ? 1 : 0;
    tally_.file_system_flushes += call.name == "syncfs" ? 1 : 0;
  }

  /// A rule that met nothing has shown nothing.
  void check_something_was_seen() {
    if (!disk_.confused_by().empty()) fail("the model cannot follow", disk_.confused_by());
    if (tally_.outcomes == 0) fail("no outcome was seen in the ledger");
    if (target_.database.empty() && tally_.publishes == 0) fail("no rename was seen");
    if (tally_.ledger_flushes == 0) fail("the ledger's log was never flushed");
    for (const auto& [rule, count] : broken_) {
      if (count > kShownOfARule)
        tally_.failures.push_back(rule + ": " + std::to_string(count) + " times in all");
    }
    if (!told_) fail("nobody was told that it has completed");
  }

 private:
  /// The first ones of each rule; the others are counted.
  void fail(const std::string& rule, const std::string& what = {}) {
    const int count = ++broken_[rule];
    if (count <= kShownOfARule)
      tally_.failures.push_back(rule + (what.empty() ? "" : ": ") + shown(what));
  }

  [[nodiscard]] std::string shown(std::string path) const {
    if (path.starts_with(work_)) path.erase(0, work_.size() + 1);
    return printable(path);
  }

  /// Every page in the log of SQLite follows a header of 24 bytes; in that of a transaction's last
  /// page the second number is not zero. (https://sqlite.org/fileformat2.html#wal_frame)
  bool is_commit_of_ledger(const SystemCall& call) {
    const std::string path = call.name == "pwrite64" ? call.descriptor_path(0) : std::string();
    if (!path.ends_with("/ledger.db-wal") || path.find("/.making-") != std::string::npos)
      return false;
    ledger_ = path.substr(0, path.size() - 4);
    const std::string bytes = call.bytes(1);
    if (bytes.size() == 24) {
      commit_header_ = bytes.substr(4, 4) != std::string(4, '\0');
      return false;
    }
    const bool commit = commit_header_ && bytes.size() > 32;
    if (commit) commit_header_ = false;
    tally_.ledger_writes += commit ? 1 : 0;
    return commit;
  }

  [[nodiscard]] std::vector<std::vector<std::string>> ledger(As as, const std::string& sql) const {
    return ask_image(disk_, as, ledger_, scratch_, sql);
  }

  /// The executing batch of an item in the ledger after a power cut.
  const Batch* safe_batch(std::int64_t item) {
    if (known_at_ != disk_.flushes()) {
      known_at_ = disk_.flushes();
      batches_.clear();
      for (const auto& row : ledger(As::after_cut, kExecutingBatches)) {
        Batch batch{std::stoll(row[1]), std::stoll(row[2]), row[3] == "1"};
        batches_.push_back(batch);
      }
    }
    const auto found = std::find_if(batches_.begin(), batches_.end(), [&](const Batch& batch) {
      return item >= batch.first_item && item < batch.first_item + batch.item_count;
    });
    return found == batches_.end() ? nullptr : &*found;
  }

  void check_announced(std::int64_t item) {
    if (safe_batch(item) == nullptr)
      fail("temporary made, its batch not safely executing", "item " + std::to_string(item));
  }

  void check_publish(const SystemCall& call, std::int64_t item) {
    const std::vector<std::string> names = names_changed_by(call);
    for (const std::string& path : names) changed_names_[item].insert(path);
    if (!item_of_temporary(names[0])) return;  // an old version is put aside
    ++tally_.publishes;
    if (!disk_.is_node(names[0])) {
      if (!disk_.content_flushed(names[0])) fail("published, content not flushed", names[1]);
      if (!disk_.metadata_flushed(names[0])) fail("published, metadata not flushed", names[1]);
    }
    const Batch* batch = safe_batch(item);
    if (batch == nullptr || !batch->intents) fail("published, intents not flushed", names[1]);
  }

  void check_outcomes() {
    for (const auto& row : ledger(As::written, kEndedItems)) {
      const std::int64_t item = std::stoll(row[0]);
      // In a database the batch is what is committed, or all of them together: until then an
      // outcome only waits for it.
      if (!target_.database.empty() && row[5] != "done" && row[5] != "undone") continue;
      const bool rolled_back = row[6] == "rolled_back";
      if (!ended_.emplace(item, rolled_back).second) continue;
      ++tally_.outcomes;
      if (!target_.database.empty()) {
        check_target(row[1], from_hex(row[3]), rolled_back);
        continue;
      }
      // The root's own item has no name, nor has that of a directory's times.
      const std::string path = fsys::path(destination_ + from_hex(row[4])).lexically_normal();
      check_place(item, rolled_back ? "" : row[2],
                  path.ends_with('/') ? path.substr(0, path.size() - 1) : path);
    }
  }

  void check_place(std::int64_t item, const std::string& task, const std::string& path) {
    if (!disk_.path_flushed(path)) fail("outcome written, name not flushed", path);
    if (task == "directory_times" && !disk_.metadata_flushed(path))
      fail("outcome written, mode and times not flushed", path);
    if (task != "batch_file_operation") return;
    const auto names = changed_names_.find(item);
    if (!disk_.name_changed(path)) fail("completed without a rename", path);
    if (names == changed_names_.end()) return;  // by a call that a kill cut short
    for (const std::string& name : names->second) {
      if (!disk_.path_flushed(name)) fail("outcome written, name not flushed", name);
    }
  }

  void check_target(const std::string& batch, const std::string& name, bool rolled_back) {
    std::string sql = "SELECT 1 FROM __dunlin_batches WHERE batch_id = " + batch;
    if (target_.schema)
      sql = "SELECT 1 FROM __MigrationsHistory WHERE MigrationId = '" + name + "'";
    const bool there = !ask_image(disk_, As::after_cut, target_.database, scratch_, sql).empty();
    if (there == rolled_back)
      fail("outcome written, a power cut takes it from the target", "batch " + batch + " " + name);
  }

  void check_told(const std::string& status) {
    told_ = true;
    const auto rows = ledger(As::after_cut, "SELECT status FROM state");
    if (rows.empty() || rows[0][0] != status)
      fail("the user is told of the end, a power cut takes it from the ledger");
  }

  Disk& disk_;
  FlushTally& tally_;
  const std::string work_;
  const std::string destination_;
  const Target target_;
  const std::string scratch_;
  std::string ledger_;
  bool commit_header_ = false;
  bool told_ = false;
  std::size_t known_at_ = 0;
  std::vector<Batch> batches_;  ///< executing ones, after a power cut
  std::map<std::int64_t, std::set<std::string>> changed_names_;
  std::set<std::pair<std::int64_t, bool>> ended_;
  std::map<std::string, int> broken_;
};

struct Step {
  Moment moment;
  const SystemCall* call;
  bool ends;
};

void play(const Trace& trace, Rules& rules) {
  std::vector<Step> steps;
  for (const SystemCall& call : trace.calls) {
    if (call.returned < 0) continue;
    steps.push_back({call.began, &call, false});
    steps.push_back({call.ended, &call, true});
  }
  std::sort(steps.begin(), steps.end(),
            [](const Step& one, const Step& other) { return one.moment < other.moment; });
  for (const Step& step : steps) step.ends ? rules.end(*step.call) : rules.begin(*step.call);
}

/// A folder that is removed at the end.
class Folder {
 public:
  explicit Folder(const std::string& parent) : path_(parent + "/dunlin-flushes-XXXXXX") {
    DUNLIN_CHECK(::mkdtemp(path_.data()) != nullptr, "no scratch folder in " + parent);
  }
  ~Folder() {
    std::error_code ignored;
    fsys::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Target target_of(const std::string& scenario, const std::string& work) {
  if (scenario == "schema") return {work + "/app.db", true};
  if (scenario.starts_with("records")) return {work + "/target.db", false};
  return {};
}

/// How a scenario is run.
struct Way {
  std::string kill_at = {};  ///< empty: undisturbed
  bool no_destination = false;
  bool rollback = false;  ///< run, then taken back; the kill comes then
};

/// The scenario in a folder of its own, run once, or until it is killed and then once more.
class TracedRun {
 public:
  TracedRun(const Options& options, const std::string& scenario, const std::string& parent_folder,
            bool no_destination)
      : options_(options), folder_(parent_folder), kind_(make_scenario(scenario)) {
    for (const std::string& path : {work(), home(), runtime()}) {
      fsys::create_directory(path);
      fsys::permissions(path, fsys::perms::owner_all);
    }
    kind_->make_source(work());
    kind_->reset_destination();
    command_ = kind_->command();
    if (!no_destination) return;
    destination_ = work() + "/not/there yet";
    std::replace(command_.begin(), command_.end(), work() + "/destination", destination_);
  }
  [[nodiscard]] const std::string& destination() const { return destination_; }
  [[nodiscard]] std::string work() const { return folder_.path() + "/work"; }
  [[nodiscard]] std::string home() const { return folder_.path() + "/home"; }
  [[nodiscard]] std::string scratch() const { return folder_.path() + "/image"; }

  Status run(const Way& way, Disk& disk, Rules& rules) {
    const std::vector<std::string> rollback{"rollback", "last"};
    Moment from = 0;
    if (way.rollback) {
      DUNLIN_ASSIGN(const Trace first, traced(command_, "", from));
      play(first, rules);
      from = first.ended;
    }
    DUNLIN_ASSIGN(const Trace main, traced(way.rollback ? rollback : command_, way.kill_at, from));
    play(main, rules);
    // A crash point is there or not; how often the ledger flushes depends on its group commits.
    if (!main.killed && way.kill_at.find('.') != std::string::npos)
      return Error(ErrorType::defect, "it was not killed at " + way.kill_at);
    if (main.killed) {
      disk.killed(main.ended, main.cut_short);
      DUNLIN_ASSIGN(const Trace resumed, traced({"resume", "last"}, "", main.ended));
      play(resumed, rules);
    }
    rules.check_something_was_seen();
    return success();
  }

 private:
  [[nodiscard]] std::string runtime() const { return folder_.path() + "/run"; }

  /// `kill_at`: a crash point and its hit, or a system call and which one of it is not reached.
  Result<Trace> traced(std::vector<std::string> command, const std::string& kill_at, Moment from) {
    command.insert(command.begin(), options_.binary);
    command.emplace_back("--no-progress");
    Environment environment{{"DUNLIN_STATE", home() + "/state"},
                            {"DUNLIN_AUDIT_KEY_FILE", folder_.path() + "/audit.key"},
                            {"XDG_RUNTIME_DIR", runtime()}};
    std::vector<std::string> strace_options;
    const std::size_t colon = kill_at.find(':');
    if (kill_at.find('.') != std::string::npos) {
      environment["DUNLIN_CRASH_AT"] = kill_at;
    } else if (!kill_at.empty()) {
      strace_options = {"-e", "inject=" + kill_at.substr(0, colon) +
                                  ":signal=SIGKILL:when=" + kill_at.substr(colon + 1)};
    }
    return trace(command, environment, folder_.path() + "/output", strace_options, from);
  }

  const Options& options_;
  const Folder folder_;
  std::unique_ptr<Scenario> kind_;
  std::vector<std::string> command_;
  std::string destination_ = work() + "/destination";
};

FlushTally check_run(const Options& options, const std::string& scenario, const std::string& folder,
                     const Way& way) {
  FlushTally tally;
  TracedRun run(options, scenario, folder, way.no_destination);
  Disk disk({run.work(), run.home()});
  Rules rules(disk, tally, run.work(), run.destination(), target_of(scenario, run.work()),
              run.scratch());
  const Status ran = run.run(way, disk, rules);
  if (ran.ok()) return tally;
  tally.failures.push_back(ran.error().text());
  tally.not_traced = ran.error().type == ErrorType::preflight_refused;
  return tally;
}

std::vector<Way> ways_of(const std::string& scenario) {
  if (scenario == "files") {
    return {{},
            {"files.publish.after:1"},
            {"fs.exchange.after:1"},
            {"fs.make_directory.after:2"},
            {"fdatasync:20"},
            {"fs.make_directory.after:2", true},
            {"", false, true},
            {"files.undo.after:1", false, true}};
  }
  if (scenario == "schema")
    return {{}, {"schema.commit.after:2"}, {"fdatasync:20"}, {"", false, true}};
  if (scenario == "records")
    return {{}, {"records.commit.after:3"}, {"fdatasync:20"}, {"", false, true}};
  return {{}, {"records.commit.after:1"}};
}

struct Task {
  std::string scenario;
  std::string folder;
  Way way;
};

constexpr const char* kMemory = "/dev/shm";

std::vector<Task> tasks_of(const std::vector<std::string>& scenarios) {
  std::vector<Task> tasks;
  for (const std::string& scenario : scenarios) {
    std::vector<std::string> folders{fsys::temp_directory_path().string()};
    if (scenario == "files" && ::access(kMemory, W_OK) == 0) folders.emplace_back(kMemory);
    for (const std::string& folder : folders)
      for (const Way& way : ways_of(scenario)) tasks.push_back({scenario, folder, way});
  }
  return tasks;
}

}  // namespace

std::vector<FlushTally> check_flushes(const Options& options,
                                      const std::vector<std::string>& scenarios, int jobs) {
  const std::vector<Task> tasks = tasks_of(scenarios);
  std::vector<FlushTally> tallies(tasks.size());
  std::atomic<std::size_t> next = 0;
  std::atomic<bool> traced = true;
  const auto work = [&] {
    for (std::size_t at = next++; at < tasks.size() && traced; at = next++) {
      const Task& task = tasks[at];
      FlushTally& tally = tallies[at];
      tally = check_run(options, task.scenario, task.folder, task.way);
      tally.scenario = task.scenario + (task.folder == kMemory ? " in memory" : "") +
                       (task.way.no_destination ? " to nothing" : "") +
                       (task.way.rollback ? ", rollback" : "") +
                       (task.way.kill_at.empty() ? "" : ", " + task.way.kill_at);
      if (tally.not_traced) traced = false;
    }
  };
  std::vector<std::future<void>> workers;
  workers.reserve(static_cast<std::size_t>(std::max(jobs, 1)));
  for (int job = 0; job < std::max(jobs, 1); ++job)
    workers.push_back(std::async(std::launch::async, work));
  for (auto& worker : workers) worker.get();
  std::erase_if(tallies, [](const FlushTally& tally) { return tally.scenario.empty(); });
  return tallies;
}

}  // namespace dunlin::crash
