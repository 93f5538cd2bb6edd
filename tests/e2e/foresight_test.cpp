// A dry run says what the full run then does, and changes nothing; a rollback gives everything
// back, also when both were killed. Random trees, plans and conflicts, judged from outside.
//
// 100 cases; DUNLIN_FORESIGHT=2000 for as many (DUNLIN_FORESIGHT_FROM=N: from there on),
// DUNLIN_FORESIGHT_SEED=N for one of them. In this
// process, for speed: only those that are killed have one of their own.
#include "e2e/foresight.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
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
                        std::chrono::microseconds after) const {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const auto engine = open(scratch);
      static_cast<void>(go(*engine, id, goal));
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

  void one(std::uint64_t seed);

  engine::KindRegistry kinds_;
  const SystemClock clock_;
};

void Foresight::one(std::uint64_t seed) {
  Rng rng(seed);
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
  // Of a set of hard links some names of which have not been moved, those that come back to another
  // file system are a set of their own (docs/files.md).
  const auto left = outside_view(source, Look::all);
  const bool some_left = std::any_of(left.begin(), left.end(), [](const std::string& line) {
    return line.find(" links ") != std::string::npos;
  });
  const Look look = across && some_left ? Look::without_links : Look::all;
  if (killed) go_and_be_killed(scratch, full, Goal::roll_back, moment());
  const auto back = engine->snapshot(full);
  ASSERT_TRUE(back.ok());
  if (back->shown_status != ExecutionStatus::rolled_back) {
    EXPECT_EQ(go(*engine, full, Goal::roll_back).status, ExecutionStatus::rolled_back);
  }
  EXPECT_EQ(both(look), before.at(look)) << "the rollback has not given everything back";
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
