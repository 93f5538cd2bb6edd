// A dry run says what the full run then does, and changes nothing; a rollback gives everything
// back, also when both were killed. Random trees, plans and conflicts, judged from outside.
//
// 100 cases; DUNLIN_FORESIGHT=2000 for as many (DUNLIN_FORESIGHT_FROM=N: from there on),
// DUNLIN_FORESIGHT_SEED=N for one of them. In this
// process, for speed: only those that are killed have one of their own.
#include "e2e/foresight.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <tuple>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "engine/engine.h"
#include "engine/plan.h"
#include "files/files_kind.h"
#include "support/scratch.h"

namespace dunlin::e2e {
namespace {

using engine::Engine;
using engine::Goal;
using store::ExecutionStatus;
using testing::ScratchDirectory;

/// Batch's task, path, name at the destination, status, action, error.
using Line =
    std::tuple<std::string, std::string, std::string, std::string, std::string, std::string>;

class Foresight : public ::testing::Test {
 protected:
  Foresight() { kinds_.add(files::make_files_kind()); }

  [[nodiscard]] std::unique_ptr<Engine> open(const ScratchDirectory& scratch) const {
    auto engine = Engine::open(scratch.file("state"), kinds_, clock_);
    EXPECT_TRUE(engine.ok()) << engine.error().text();
    return engine.ok() ? *std::move(engine) : nullptr;
  }

  /// To its end, whatever that is.
  static engine::Outcome go(Engine& engine, const ExecutionId& id, Goal goal) {
    auto execution = engine.attach(id, goal);
    EXPECT_TRUE(execution.ok()) << execution.error().text();
    return execution.ok() ? (*execution)->run() : engine::Outcome{};
  }

  /// A process of its own does so, and is killed after a while, or earlier by its own end.
  void go_and_be_killed(const ScratchDirectory& scratch, const ExecutionId& id, Goal goal,
                        std::chrono::microseconds after, const Json& part = nullptr) const {
    fork_and_kill(
        [&](Engine& engine) {
          static_cast<void>(goal == Goal::roll_back ? take_back(engine, id, part)
                                                    : go(engine, id, goal));
        },
        scratch, after);
  }
  template <typename Act>
  void fork_and_kill(const Act& act, const ScratchDirectory& scratch,
                     std::chrono::microseconds after) const {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const auto engine = open(scratch);
      act(*engine);
      ::_exit(0);
    }
    std::this_thread::sleep_for(after);
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
  }

  static std::multiset<Line> operations(Engine& engine, const ExecutionId& id) {
    std::multiset<Line> lines;
    const auto ledger = engine.open_ledger(id);
    EXPECT_TRUE(ledger.ok());
    if (!ledger.ok()) return lines;
    std::map<std::int64_t, std::string> errors;
    const auto rows = (*ledger)->errors({}, true);
    if (rows.ok())
      for (const auto& row : *rows) errors[row.item.value] = to_string(row.error.type);
    const auto items = (*ledger)->items({});
    EXPECT_TRUE(items.ok());
    if (!items.ok()) return lines;
    for (const store::ItemRow& item : *items) {
      const auto batch = (*ledger)->batch(item.batch);
      const bool failed = item.status == store::ItemStatus::failed;
      lines.emplace(batch.ok() ? batch->task_type : "", item.directory_path + "/" + item.name,
                    item.placed_name, to_string(item.status), item.action,
                    failed ? errors[item.id.value] : "");
    }
    return lines;
  }

  /// Begun, or (`part` null) gone on with.
  static engine::Outcome take_back(Engine& engine, const ExecutionId& id, const Json& part) {
    auto execution = engine.attach(id, Goal::roll_back);
    EXPECT_TRUE(execution.ok()) << execution.error().text();
    if (!execution.ok()) return {};
    if (!part.is_null()) {
      const Status named = (*execution)->roll_back_part(part);
      EXPECT_TRUE(named.ok()) << named.error().text();
    }
    return (*execution)->run();
  }

  /// What a person may name of what was done: a path, what lies below a directory, a batch.
  static Json random_part(Engine& engine, const ExecutionId& id, Rng& rng) {
    const auto ledger = engine.open_ledger(id);
    store::ItemFilter done;
    done.status = store::ItemStatus::completed;
    const auto items = (*ledger)->items(done);
    std::vector<store::ItemRow> named;
    if (items.ok())
      std::copy_if(items->begin(), items->end(), std::back_inserter(named),
                   [](const store::ItemRow& item) {
                     return !item.name.empty() && item.action != "existing";
                   });
    if (named.empty()) return nullptr;
    const store::ItemRow& item = named[rng.below(named.size())];
    const std::string path =
        item.directory_path.empty() ? item.name : item.directory_path + "/" + item.name;
    switch (rng.below(4)) {
      case 0:
        return {{"path", path}};
      case 1:
        return {{"path", path.substr(0, path.find('/')) + "*"}};
      case 2:
        return {{"path", "*" + item.name}};
      default:
        return {{"item", item.id.value}};
    }
  }

  /// What was done from that batch on is in doubt, settled, and done again where it does not hold.
  static engine::Outcome go_on_from(Engine& engine, const ExecutionId& id, const Json& point) {
    auto execution = engine.attach(id, Goal::migrate);
    EXPECT_TRUE(execution.ok()) << execution.error().text();
    if (!execution.ok()) return {};
    const auto doubted = (*execution)->resume_from(point, "foresight");
    EXPECT_TRUE(doubted.ok()) << doubted.error().text();
    return (*execution)->run();
  }

  void one(std::uint64_t seed);
  void doubt_some(Engine& engine, const ExecutionId& id, const ScratchDirectory& scratch,
                  const std::string& destination, bool move, bool killed, Rng rng);
  void take_back_parts(Engine& engine, const ExecutionId& id, const ScratchDirectory& scratch,
                       const std::string& source, const std::string& destination, bool killed,
                       Rng& rng);
  using View = std::map<std::string, std::string>;  ///< outside_by_path()
  static std::set<std::string> interfere(Engine& engine, const ExecutionId& id,
                                         const std::string& destination, Rng& rng);
  static void expect_only_left(Engine& engine, const ExecutionId& id,
                               const std::set<std::string>& changed, const View& before,
                               const View& now);

  engine::KindRegistry kinds_;
  const SystemClock clock_;
  std::string parts_;  ///< taken back before the rest
  std::string lost_;   ///< by the destination, and doubted
};

void Foresight::one(std::uint64_t seed) {
  Rng rng(seed);
  parts_.clear();
  lost_.clear();
  const ScratchDirectory scratch = ScratchDirectory::in_memory();
  const bool across = rng.chance(0.15);  // another file system
  const ScratchDirectory elsewhere = across ? ScratchDirectory() : ScratchDirectory::in_memory();
  const std::string source = elsewhere.file("source");
  const std::string destination = scratch.file("destination");
  make_random_tree(source, rng, static_cast<int>(rng.between(0, 25)));
  if (rng.chance(0.85)) make_random_tree(destination, rng, static_cast<int>(rng.between(0, 20)));
  const Json document = random_plan(source + "/", destination, rng);
  SCOPED_TRACE("seed " + std::to_string(seed) + ": " + document.dump());
  const auto engine = open(scratch);
  ASSERT_NE(engine, nullptr);
  const auto start = [&](const char* mode) {
    Json with = document;
    with["settings"]["mode"] = mode;
    const auto plan = engine::decode_plan(with, kinds_);
    EXPECT_TRUE(plan.ok()) << plan.error().text();
    const auto id = engine->create(*plan);
    EXPECT_TRUE(id.ok()) << id.error().text();
    return *id;
  };
  const auto both = [&](Look look) {
    return std::pair(outside_view(source, look), outside_view(destination, look));
  };
  const auto untouched = both(Look::untouched);
  const auto before = std::map<Look, std::pair<std::vector<std::string>, std::vector<std::string>>>{
      {Look::all, both(Look::all)}, {Look::without_links, both(Look::without_links)}};
  const View destination_before =
      ::access(destination.c_str(), F_OK) == 0 ? outside_by_path(destination) : View();
  const ExecutionId dry = start("dry_run");
  const engine::Outcome rehearsed = go(*engine, dry, Goal::migrate);
  ASSERT_EQ(both(Look::untouched), untouched) << "the dry run has left a trace";

  const bool killed = rng.chance(0.3);
  const auto moment = [&] { return std::chrono::microseconds(rng.between(500, 25'000)); };
  const ExecutionId full = start("full");
  if (killed) go_and_be_killed(scratch, full, Goal::migrate, moment());
  const auto snapshot = engine->snapshot(full);
  ASSERT_TRUE(snapshot.ok());
  if (snapshot->shown_status != ExecutionStatus::completed) {
    const engine::Outcome done = go(*engine, full, Goal::migrate);
    EXPECT_EQ(done.status, rehearsed.status);
    EXPECT_EQ(done.exit_code, rehearsed.exit_code);
  }
  // Retries of what a kill has interrupted may say "skipped" of what they find to be theirs: the
  // crash loop compares those.
  if (!killed) {
    EXPECT_EQ(operations(*engine, dry), operations(*engine, full));
  }

  if (rehearsed.status != ExecutionStatus::completed) return;
  Rng more(seed ^ 0xd0b7);  // of its own: what follows is the same with it and without
  const bool move = document["strategy"]["operation"] == "move";
  if (more.chance(0.4)) doubt_some(*engine, full, scratch, destination, move, killed, more);
  if (HasFailure()) return;
  // Of a set of hard links some names of which have not been moved, those that come back to another
  // file system are a set of their own (docs/files.md).
  const auto left = outside_view(source, Look::all);
  const bool some_left = std::any_of(left.begin(), left.end(), [](const std::string& line) {
    return line.find(" links ") != std::string::npos;
  });
  const Look look = across && some_left ? Look::without_links : Look::all;
  if (rng.chance(0.5)) take_back_parts(*engine, full, scratch, source, destination, killed, rng);
  const bool linked = document["strategy"]["operation"] == "hardlink";
  const std::set<std::string> changed = rng.chance(0.25) && !linked
                                            ? interfere(*engine, full, destination, rng)
                                            : std::set<std::string>();
  if (killed) go_and_be_killed(scratch, full, Goal::roll_back, moment());
  const auto back = engine->snapshot(full);
  ASSERT_TRUE(back.ok());
  if (back->shown_status != ExecutionStatus::rolled_back) {
    EXPECT_EQ(go(*engine, full, Goal::roll_back).status, ExecutionStatus::rolled_back);
  }
  if (!changed.empty())
    return expect_only_left(*engine, full, changed, destination_before,
                            outside_by_path(destination));
  EXPECT_EQ(both(look), before.at(look))
      << "the rollback has not given everything back; first the parts" << parts_ << "; lost before"
      << lost_;
}

/// Without the numbers that two versions beside each other have got.
std::string without_number(std::string path) {
  for (std::size_t at = path.find(" ("); at != std::string::npos; at = path.find(" (", at)) {
    const std::size_t end = path.find(')', at);
    if (end == std::string::npos) break;
    path.erase(at, end + 1 - at);
  }
  return path;
}

/// In a directory that was set aside for one of `taken`, and has its name again.
bool lies_in_numbered(const std::string& path, const std::set<std::string>& taken) {
  for (std::size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string above = path.substr(0, slash);
    if (above != without_number(above) && taken.contains(without_number(above))) return true;
  }
  return false;
}

/// Others write into some of the files that have come: their paths. Not into one with further
/// names, which are the same file.
std::set<std::string> Foresight::interfere(Engine& engine, const ExecutionId& id,
                                           const std::string& destination, Rng& rng) {
  std::set<std::string> changed;
  const auto ledger = engine.open_ledger(id);
  store::ItemFilter done;
  done.status = store::ItemStatus::completed;
  const auto items = (*ledger)->items(done);
  EXPECT_TRUE(items.ok());
  if (!items.ok()) return changed;
  for (const store::ItemRow& item : *items) {
    const std::string name = item.placed_name.empty() ? item.name : item.placed_name;
    if (name.empty() || !rng.chance(0.2)) continue;
    const std::string path = item.directory_path.empty() ? name : item.directory_path + "/" + name;
    struct stat there{};
    if (::lstat((destination + "/" + path).c_str(), &there) != 0 || !S_ISREG(there.st_mode) ||
        there.st_nlink != 1)
      continue;
    std::ofstream file(destination + "/" + path, std::ios::app);
    file << "somebody's";
    file.close();
    if (file) changed.insert(path);  // some may not be written
  }
  return changed;
}

/// Of what was not changed all is as it was before, but for directories that hold something now.
void Foresight::expect_only_left(Engine& engine, const ExecutionId& id,
                                 const std::set<std::string>& changed, const View& before,
                                 const View& now) {
  const auto is_changed = [&](const std::string& path) {
    const std::string plain = without_number(path);
    return std::any_of(changed.begin(), changed.end(), [&](const std::string& one) {
      return without_number(one) == plain || without_number(one).starts_with(plain + "/") ||
             plain == ".";
    });
  };
  for (const auto& [path, line] : before) {
    if (is_changed(path)) continue;
    const auto found = now.find(path);
    EXPECT_TRUE(found != now.end() && found->second == line)
        << line << " has become " << (found == now.end() ? "nothing" : found->second);
  }
  for (const auto& [path, line] : now) {
    const bool own = path.find(".dunlin-undo-") != std::string::npos;  // the old versions of those
    EXPECT_TRUE(own || before.contains(path) || is_changed(path)) << line << " was not there";
  }
  for (const std::string& path : changed) EXPECT_TRUE(now.contains(path)) << path;
  const auto ledger = engine.open_ledger(id);
  const auto errors = (*ledger)->errors({}, true);
  ASSERT_TRUE(errors.ok());
  for (const std::string& path : changed) {
    EXPECT_TRUE(std::any_of(errors->begin(), errors->end(),
                            [&](const store::ErrorRow& row) {
                              return row.error.type == ErrorType::destination_changed &&
                                     row.error.message.find(path) != std::string::npos;
                            }))
        << path << " is not named";
  }
}

/// The destination loses some of what has come, and holds other bytes under an old time: after that
/// it is what it was.
void Foresight::doubt_some(Engine& engine, const ExecutionId& id, const ScratchDirectory& scratch,
                           const std::string& destination, bool move, bool killed, Rng rng) {
  const auto before = outside_by_path(destination);
  std::int64_t last = 0;
  std::vector<store::ItemRow> done;
  {
    const auto ledger = engine.open_ledger(id);
    const auto ids = (*ledger)->last_ids();
    ASSERT_TRUE(ids.ok());
    last = ids->batch.value;
    store::ItemFilter completed;
    completed.status = store::ItemStatus::completed;
    const auto items = (*ledger)->items(completed);
    ASSERT_TRUE(items.ok());
    done = *items;
  }
  if (last == 0) return;
  const std::int64_t from = rng.chance(0.5) ? 1 : rng.between(1, last);
  for (const store::ItemRow& item : done) {
    const std::string name = item.placed_name.empty() ? item.name : item.placed_name;
    const std::string path =
        destination + "/" + (item.directory_path.empty() ? "" : item.directory_path + "/") + name;
    struct stat there{};
    // Of a move there is nothing to do it again from.
    if (move || name.empty() || item.batch.value < from || ::lstat(path.c_str(), &there) != 0 ||
        S_ISDIR(there.st_mode))
      continue;
    if (rng.chance(0.2)) {
      lost_ += " " + path;
      ASSERT_EQ(::unlink(path.c_str()), 0) << path;
    } else if (S_ISREG(there.st_mode) && there.st_nlink == 1 && there.st_size > 0 &&
               rng.chance(0.15)) {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      if (!file) continue;
      file.put('\x7f');
      file.close();
      const timespec times[2] = {there.st_atim, there.st_mtim};
      ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
      lost_ += " (" + path + ")";
    }
  }
  const Json point = {{"batch_number", from}};
  lost_ += " from " + std::to_string(from);
  if (killed)
    fork_and_kill([&](Engine& own) { static_cast<void>(go_on_from(own, id, point)); }, scratch,
                  std::chrono::microseconds(rng.between(500, 25'000)));
  EXPECT_EQ(go_on_from(engine, id, point).status, ExecutionStatus::completed);
  const auto now = outside_by_path(destination);
  const auto own = [](const std::string& path) { return path.find(".dunlin-") != path.npos; };
  for (const auto& [path, line] : before) {
    const auto found = now.find(path);
    EXPECT_TRUE(own(path) || (found != now.end() && found->second == line))
        << line << " has become " << (found == now.end() ? "nothing" : found->second) << " after"
        << lost_;
  }
  for (const auto& [path, line] : now)
    EXPECT_TRUE(own(path) || before.contains(path)) << line << " was not there before" << lost_;
}

void Foresight::take_back_parts(Engine& engine, const ExecutionId& id,
                                const ScratchDirectory& scratch, const std::string& source,
                                const std::string& destination, bool killed, Rng& rng) {
  for (std::int64_t n = rng.between(1, 2); n > 0; --n) {
    const Json part = random_part(engine, id, rng);
    if (part.is_null()) return;
    SCOPED_TRACE("part " + part.dump());
    parts_ += " " + part.dump();
    const auto at_source = outside_by_path(source);
    const auto at_destination = outside_by_path(destination);
    Json begun = part;
    const auto before = engine.snapshot(id)->row.counters;
    if (killed) {
      go_and_be_killed(scratch, id, Goal::roll_back,
                       std::chrono::microseconds(rng.between(500, 15'000)), part);
      const auto after = engine.snapshot(id);
      ASSERT_TRUE(after.ok());
      if (after->row.rollback_part) begun = nullptr;
      if (!after->row.rollback_part && after->row.counters != before) continue;  // it was faster
    }
    const engine::Outcome outcome = take_back(engine, id, begun);
    if (HasFailure()) return;
    ASSERT_EQ(outcome.status, ExecutionStatus::completed);
    std::set<std::string> taken;
    const auto ledger = engine.open_ledger(id);
    const auto items = (*ledger)->items({});
    ASSERT_TRUE(items.ok());
    for (const store::ItemRow& item : *items) {
      if (item.status == store::ItemStatus::rolled_back)
        taken.insert(without_number(
            item.directory_path.empty() ? item.name : item.directory_path + "/" + item.name));
    }
    // All else is as it was, directories with their times among it.
    const auto now = outside_by_path(destination);
    for (const auto& [path, line] : at_destination) {
      if (taken.contains(without_number(path)) || path.find(".dunlin-") != std::string::npos ||
          lies_in_numbered(path, taken))
        continue;
      const auto found = now.find(path);
      EXPECT_TRUE(found != now.end() && found->second == line)
          << line << " has become " << (found == now.end() ? "nothing" : found->second);
    }
    // What is at the source stays there.
    const auto source_now = outside_by_path(source);
    for (const auto& [path, line] : at_source) EXPECT_TRUE(source_now.contains(path)) << line;
  }
}

TEST_F(Foresight, ADryRunSaysWhatTheFullRunDoesAndARollbackGivesItBack) {
  const char* const one_seed = std::getenv("DUNLIN_FORESIGHT_SEED");
  if (one_seed != nullptr) return one(std::strtoull(one_seed, nullptr, 10));
  const char* const cases = std::getenv("DUNLIN_FORESIGHT");
  const std::uint64_t count = cases != nullptr ? std::strtoull(cases, nullptr, 10) : 100;
  const char* const first = std::getenv("DUNLIN_FORESIGHT_FROM");
  for (std::uint64_t seed = first != nullptr ? std::strtoull(first, nullptr, 10) : 1;
       seed <= count && !HasFailure(); ++seed)
    one(seed);
}

}  // namespace
}  // namespace dunlin::e2e
