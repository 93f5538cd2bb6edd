// A whole execution on a real ledger: the host's threads, recovery, retry, control, exit codes.
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "engine/engine.h"

namespace dunlin::engine {
namespace {

using store::ExecutionStatus;

/// What the tests' kind does with each item, and what it has done: its destination.
struct Script {
  std::int64_t items = 10;
  std::int64_t per_batch = 4;
  CommitScope scope = CommitScope::item;
  std::map<std::string, std::vector<ErrorType>>
      failures;                                      ///< item name -> error of each successive try
  std::set<std::string> lies;                        ///< reported as done, not done
  std::map<std::int64_t, ErrorType> batch_failures;  ///< batch id -> error of its first execute
  bool refuse = false;                               ///< preflight
  std::atomic<int> hold{0};                          ///< items wait while it is above 0
  std::string identity = "roots";

  std::mutex mutex;
  std::map<std::string, int> applied;
  std::set<std::string> staged;
  bool committed = false;
  std::atomic<int> begun{0};
  std::atomic<int> settled{0};
};

/// The machine's clock, whose wall time can be set.
class SetClock final : public Clock {
 public:
  std::int64_t monotonic_ms() const override { return machine_.monotonic_ms(); }
  std::int64_t boottime_ms() const override { return machine_.boottime_ms(); }
  std::int64_t wall_ms() const override { return machine_.wall_ms() + shift_ms; }
  std::atomic<std::int64_t> shift_ms{0};

 private:
  SystemClock machine_;
};

class ScriptedRun final : public Run {
 public:
  explicit ScriptedRun(Script& script) : script_(script) {}
  CommitScope commit_scope() const override { return script_.scope; }
  Truth truth() const override { return Truth::ledger; }
  Result<std::string> root_identity(RunContext&) override { return script_.identity; }
  Result<Analysis> analyse(RunContext&) override { return Analysis{}; }
  Result<std::vector<Problem>> preflight(RunContext&) override {
    std::vector<Problem> problems;
    if (script_.refuse)
      problems.push_back({Error(ErrorType::permission_denied, "not readable"), true, false});
    return problems;
  }
  Status enumerate(EnumerateContext& context) override {
    std::int64_t next = context.cursor().empty() ? 1 : std::stoll(context.cursor());
    TaskId task(1);
    bool first = !context.continued() && next == 1;
    while (true) {
      EnumerateContext::Chunk chunk;
      if (first) {
        task = context.new_task_id();
        NewTask row;
        row.id = task;
        row.task_type = "scripted";
        chunk.tasks.push_back(row);
        NewDirectory root;
        root.id = context.new_directory_id();
        chunk.directories.push_back(root);
      }
      first = false;
      if (next <= script_.items) {
        NewBatch batch;
        batch.id = context.new_batch_id();
        batch.task = task;
        for (std::int64_t n = 0; n < script_.per_batch && next <= script_.items; ++n, ++next) {
          batch.items.push_back(
              {context.new_item_id(), DirectoryId(1), "item" + std::to_string(next), 10, ""});
        }
        chunk.batches.push_back(std::move(batch));
      }
      chunk.cursor_after = std::to_string(next);
      chunk.complete = next > script_.items;
      const bool complete = chunk.complete;
      DUNLIN_TRY(context.commit(std::move(chunk)));
      if (complete) return success();
    }
  }
  Result<std::vector<Operation>> operations(BatchContext&) override {
    return std::vector<Operation>{};
  }

  Status execute(BatchContext& context) override {
    {
      const std::lock_guard lock(script_.mutex);
      if (const auto found = script_.batch_failures.find(context.batch().id.value);
          found != script_.batch_failures.end()) {
        const Error error(found->second, "the batch as a whole");
        script_.batch_failures.erase(found);
        return error;
      }
    }
    DUNLIN_ASSIGN(std::vector<ItemRow> items, context.items());
    return context.for_each_item(items, [&](ItemRow& item) { one(context, item); });
  }
  void one(BatchContext& context, const ItemRow& item) {
    ++script_.begun;
    while (script_.hold > 0) {
      if (context.cancel().wait_for(std::chrono::milliseconds(20))) return;
    }
    ItemOutcome outcome;
    outcome.item = item.id;
    const std::lock_guard lock(script_.mutex);
    auto& failures = script_.failures[item.name];
    if (!failures.empty()) {
      outcome.status = ItemStatus::failed;
      outcome.error = Error(failures.front(), "as scripted");
      failures.erase(failures.begin());
    } else if (script_.scope == CommitScope::execution) {
      script_.staged.insert(item.name);
    } else if (!script_.lies.contains(item.name)) {
      ++script_.applied[item.name];
    }
    outcome.transferred_bytes = 10;
    context.report(std::move(outcome));
  }
  Status settle(BatchContext& context) override {
    ++script_.settled;
    DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
    const std::lock_guard lock(script_.mutex);
    for (const ItemRow& item : items) {
      if (!script_.applied.contains(item.name)) continue;
      ItemOutcome outcome;
      outcome.item = item.id;
      context.report(std::move(outcome));
    }
    return success();
  }
  Status commit(RunContext&) override {
    const std::lock_guard lock(script_.mutex);
    for (const std::string& name : script_.staged) ++script_.applied[name];
    script_.staged.clear();
    script_.committed = true;
    return success();
  }
  Result<bool> committed(RunContext&) override { return script_.committed; }
  void close(RunContext&) override {
    const std::lock_guard lock(script_.mutex);
    script_.staged.clear();
  }
  Status verify(BatchContext& context) override {
    DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
    const std::lock_guard lock(script_.mutex);
    for (const ItemRow& item : items) {
      if (script_.applied.contains(item.name)) {
        context.report_equal(item.id);
      } else {
        context.report_difference(
            item.id, Error(ErrorType::verification_mismatch, item.name + " is not there"));
      }
    }
    return success();
  }
  Status undo(BatchContext& context) override {
    DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
    const std::lock_guard lock(script_.mutex);
    for (const ItemRow& item : items) {
      script_.applied.erase(item.name);
      ItemOutcome outcome;
      outcome.item = item.id;
      outcome.status = ItemStatus::rolled_back;
      context.report(std::move(outcome));
    }
    return success();
  }
  Status release(RunContext&) override { return success(); }
  bool matches(const Selector& selector, const ItemRow& item) const override {
    return item.name == selector.path_glob;
  }

 private:
  Script& script_;
};

class ScriptedKind final : public Kind {
 public:
  explicit ScriptedKind(Script& script) : script_(script) {}
  std::string_view name() const override { return "scripted"; }
  std::string_view item_noun() const override { return "files"; }
  bool accepts(const CommandLine&) const override { return false; }
  Result<Json> plan_for(const CommandLine&) const override { return Json::object(); }
  std::vector<std::string> check(const Json&) const override { return {}; }
  Result<std::vector<Claim>> claims(const Plan& plan) const override {
    return std::vector<Claim>{string_or(plan.document, "claim", "file:/destination")};
  }
  std::string describe(const Plan&) const override { return "a scripted migration"; }
  Json schema() const override { return Json::object(); }
  Result<std::unique_ptr<Run>> open(const Plan&) const override {
    return std::unique_ptr<Run>(std::make_unique<ScriptedRun>(script_));
  }

 private:
  Script& script_;
};

class ExecutionTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "dunlin-engine-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    ::setenv("XDG_RUNTIME_DIR", (directory_ + "/run").c_str(), 1);
    std::filesystem::create_directory(directory_ + "/run");
    std::filesystem::permissions(directory_ + "/run", std::filesystem::perms::owner_all);
    kinds_.add(std::make_unique<ScriptedKind>(script_));
    open();
  }
  void TearDown() override {
    engine_.reset();
    std::filesystem::remove_all(directory_);
  }
  void open() {
    engine_.reset();
    auto opened = Engine::open(directory_ + "/state", kinds_, clock_);
    ASSERT_TRUE(opened.ok()) << opened.error().text();
    engine_ = *std::move(opened);
  }
  Plan plan(Json settings = Json::object()) {
    Json document{{"kind", "scripted"}, {"settings", std::move(settings)}};
    auto decoded = decode_plan(document, kinds_);
    if (!decoded.ok()) {
      // Sections that belong to no kind of this program are the scripted kind's own.
      ADD_FAILURE() << decoded.error().text();
      return {};
    }
    decoded->settings.retry.initial_delay_ms = 1;
    decoded->settings.retry.max_delay_ms = 5;
    return *decoded;
  }
  static Json fast() {
    return Json{
        {"retry_policy", {{"max_attempts", 3}, {"initial_delay_ms", 1}, {"max_delay_ms", 5}}}};
  }
  ExecutionId create(Json settings = fast()) {
    auto id = engine_->create(plan(std::move(settings)));
    EXPECT_TRUE(id.ok()) << id.error().text();
    return id.ok() ? *id : ExecutionId();
  }
  std::unique_ptr<Execution> attach(const ExecutionId& id, Goal goal = Goal::migrate) {
    auto execution = engine_->attach(id, goal);
    EXPECT_TRUE(execution.ok()) << execution.error().text();
    return execution.ok() ? *std::move(execution) : nullptr;
  }
  Outcome run(const ExecutionId& id, Goal goal = Goal::migrate) { return attach(id, goal)->run(); }
  Snapshot look(const ExecutionId& id) {
    auto snapshot = engine_->snapshot(id);
    EXPECT_TRUE(snapshot.ok()) << snapshot.error().text();
    return *snapshot;
  }
  void expect_all_applied_once() {
    EXPECT_EQ(script_.applied.size(), static_cast<std::size_t>(script_.items));
    for (const auto& [name, times] : script_.applied) EXPECT_EQ(times, 1) << name;
  }

  Script script_;
  KindRegistry kinds_;
  SetClock machine_;
  SteadyClock clock_{machine_};
  std::string directory_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(ExecutionTest, RunsToItsEnd) {
  const ExecutionId id = create();
  const Outcome outcome = run(id);
  EXPECT_EQ(outcome.status, ExecutionStatus::completed)
      << (outcome.reason ? outcome.reason->text() : "");
  EXPECT_EQ(outcome.exit_code, 0);
  expect_all_applied_once();
  const Snapshot snapshot = look(id);
  EXPECT_EQ(snapshot.row.counters.succeeded_items, 10);
  EXPECT_EQ(snapshot.row.counters.verified_items, 10);
  EXPECT_FALSE(snapshot.live);
}

TEST_F(ExecutionTest, NothingToDoIsDone) {
  script_.items = 0;
  EXPECT_EQ(run(create()).status, ExecutionStatus::completed);
}

TEST_F(ExecutionTest, AWallClockThatIsSetBackDelaysNothingAndMakesNoDurationNegative) {
  for (int n = 1; n <= 10; ++n)
    script_.failures["item" + std::to_string(n)] = {ErrorType::connection_reset};
  const ExecutionId id = create();
  std::atomic<bool> done{false};
  std::thread setter([&] {
    while (!done) {
      machine_.shift_ms -= 60'000;
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  });
  const std::int64_t begun_ms = machine_.monotonic_ms();
  const std::unique_ptr<Execution> execution = attach(id);
  EXPECT_EQ(execution->run().exit_code, 0);
  done = true;
  setter.join();
  const std::int64_t took_ms = machine_.monotonic_ms() - begun_ms;
  expect_all_applied_once();
  const Snapshot snapshot = look(id);
  EXPECT_GE(snapshot.row.ended_ms, snapshot.row.started_ms);
  EXPECT_LE(snapshot.row.ended_ms - snapshot.row.started_ms, took_ms + 1);
  EXPECT_GE(snapshot.progress.average_bytes_per_second.value_or(0), 0);
}

TEST_F(ExecutionTest, TransientFailuresAreTriedAgainAndCountedOnce) {
  script_.failures["item3"] = {ErrorType::connection_reset, ErrorType::network_timeout};
  const ExecutionId id = create();
  EXPECT_EQ(run(id).exit_code, 0);
  expect_all_applied_once();
  EXPECT_EQ(look(id).row.counters.succeeded_items, 10);
  EXPECT_EQ(look(id).row.counters.failed_items, 0);
}

TEST_F(ExecutionTest, AFailingItemDoesNotStopTheOthersAndIsRetriedOnRequest) {
  script_.failures["item3"] = {ErrorType::permission_denied};
  const ExecutionId id = create();
  const Outcome outcome = run(id);
  EXPECT_EQ(outcome.status, ExecutionStatus::completed);
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(look(id).row.counters.failed_items, 1);
  auto again = attach(id);
  const auto reopened =
      again->reopen_at_start(Json{{"type", "permission_denied"}}, ItemStatus::pending, "test");
  ASSERT_TRUE(reopened.ok()) << reopened.error().text();
  EXPECT_EQ(*reopened, 1);
  EXPECT_EQ(again->run().exit_code, 0);
  expect_all_applied_once();
  EXPECT_EQ(look(id).row.counters.failed_items, 0);
}

TEST_F(ExecutionTest, FailedItemsCanBeSkippedWithoutARun) {
  script_.failures["item3"] = {ErrorType::permission_denied};
  const ExecutionId id = create();
  EXPECT_EQ(run(id).exit_code, 1);
  const auto answer = engine_->control(id, "skip", Json::object(), "test");
  ASSERT_TRUE(answer.ok()) << answer.error().text();
  EXPECT_EQ(look(id).row.counters.failed_items, 0);
  EXPECT_EQ(look(id).row.counters.skipped_items, 1);
}

TEST_F(ExecutionTest, ABatchErrorIsTriedAgain) {
  script_.batch_failures[2] = ErrorType::deadlock_detected;
  EXPECT_EQ(run(create()).exit_code, 0);
  expect_all_applied_once();
  EXPECT_EQ(script_.settled, 1) << "before it runs again, what it may have done is looked at";
}

TEST_F(ExecutionTest, ADiskFullPausesAndLosesNothing) {
  script_.failures["item3"] = {ErrorType::disk_full};
  const ExecutionId id = create();
  const Outcome outcome = run(id);
  EXPECT_EQ(outcome.status, ExecutionStatus::paused);
  EXPECT_EQ(outcome.exit_code, 4);
  ASSERT_TRUE(outcome.reason);
  EXPECT_EQ(outcome.reason->type, ErrorType::disk_full);
  EXPECT_EQ(look(id).row.counters.failed_items, 0);
  EXPECT_EQ(run(id).exit_code, 0);
  expect_all_applied_once();
}

TEST_F(ExecutionTest, AFatalErrorFails) {
  script_.batch_failures[1] = ErrorType::auth_failure;
  const ExecutionId id = create();
  const Outcome outcome = run(id);
  EXPECT_EQ(outcome.status, ExecutionStatus::failed);
  EXPECT_EQ(outcome.exit_code, 7);
  EXPECT_EQ(run(id).exit_code, 0) << "and goes on once it is mended";
  expect_all_applied_once();
}

TEST_F(ExecutionTest, PreflightRefuses) {
  script_.refuse = true;
  const Outcome outcome = run(create());
  EXPECT_EQ(outcome.status, ExecutionStatus::failed);
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(outcome.problems.size(), 1U);
  EXPECT_EQ(script_.begun, 0);
}

TEST_F(ExecutionTest, ALieIsFoundByVerification) {
  script_.lies = {"item5"};
  const ExecutionId id = create();
  const Outcome outcome = run(id);
  EXPECT_EQ(outcome.exit_code, 6);
  EXPECT_EQ(look(id).row.counters.differences, 1);
}

TEST_F(ExecutionTest, ARootThatHasChangedPauses) {
  script_.failures["item3"] = {ErrorType::disk_full};
  const ExecutionId id = create();
  EXPECT_EQ(run(id).exit_code, 4);
  script_.identity = "another disk";
  const Outcome outcome = run(id);
  EXPECT_EQ(outcome.status, ExecutionStatus::paused);
  EXPECT_EQ(outcome.reason->type, ErrorType::root_changed);
  script_.identity = "roots";
  EXPECT_EQ(run(id).exit_code, 0);
}

TEST_F(ExecutionTest, PausesFromAnotherEngineAndResumes) {
  script_.hold = 1;
  const ExecutionId id = create();
  auto execution = attach(id);
  Outcome outcome;
  std::thread owner([&] { outcome = execution->run(); });
  while (script_.begun == 0) std::this_thread::yield();
  auto other = Engine::open(directory_ + "/state", kinds_, clock_);
  ASSERT_TRUE(other.ok());
  EXPECT_EQ((*other)->snapshot(id)->shown_status, ExecutionStatus::running);
  const auto answer = (*other)->control(id, "pause", Json::object(), "test");
  ASSERT_TRUE(answer.ok()) << answer.error().text();
  EXPECT_TRUE(answer->by_owner);
  owner.join();
  execution.reset();
  EXPECT_EQ(outcome.status, ExecutionStatus::paused);
  EXPECT_EQ(outcome.exit_code, 4);
  script_.hold = 0;
  EXPECT_EQ(run(id).exit_code, 0);
  expect_all_applied_once();
}

TEST_F(ExecutionTest, ACancelledExecutionStaysSo) {
  script_.hold = 1;
  const ExecutionId id = create();
  auto execution = attach(id);
  Outcome outcome;
  std::thread owner([&] { outcome = execution->run(); });
  while (script_.begun == 0) std::this_thread::yield();
  EXPECT_TRUE(execution->request("cancel", Json::object(), "test")["accepted"].get<bool>());
  owner.join();
  execution.reset();
  EXPECT_EQ(outcome.status, ExecutionStatus::cancelled);
  EXPECT_EQ(engine_->attach(id, Goal::migrate).error().type, ErrorType::invalid_state);
}

TEST_F(ExecutionTest, ACancelWithoutAnOwnerTakesEffectAtOnce) {
  script_.failures["item3"] = {ErrorType::disk_full};
  const ExecutionId id = create();
  EXPECT_EQ(run(id).exit_code, 4);
  const auto answer = engine_->control(id, "cancel", Json::object(), "test");
  ASSERT_TRUE(answer.ok()) << answer.error().text();
  EXPECT_EQ(look(id).row.status, ExecutionStatus::cancelled);
}

TEST_F(ExecutionTest, ACancelGivenWhileTheOwnerWasDeadWins) {
  const ExecutionId id = create();
  store::ControlRow row;
  row.execution = id;
  row.verb = "cancel";
  row.arguments_json = "{}";
  row.actor = "test";
  ASSERT_TRUE(engine_->state().store().add_control(row).ok());
  EXPECT_EQ(run(id).status, ExecutionStatus::cancelled);
  EXPECT_EQ(script_.begun, 0);
  EXPECT_TRUE(engine_->state().store().pending_controls(id)->empty());
}

TEST_F(ExecutionTest, TheDestinationIsNotSharedWithAnotherExecution) {
  script_.failures["item3"] = {ErrorType::disk_full};
  const ExecutionId first = create();
  EXPECT_EQ(run(first).exit_code, 4);
  EXPECT_EQ(engine_->create(plan()).error().type, ErrorType::destination_busy);
  EXPECT_EQ(run(first).exit_code, 0);
  EXPECT_TRUE(engine_->create(plan()).ok());
}

TEST_F(ExecutionTest, WhatDiedBeforeItHadALedgerBlocksNobody) {
  const ExecutionId first = create();
  EXPECT_EQ(run(first).exit_code, 0);
  {
    // As a kill between the line in state.db and the ledger leaves it.
    auto state = store::StateDirectory::open(directory_ + "/state", clock_);
    ASSERT_TRUE(state.ok());
    const auto whole = (*state)->store().execution(first);
    ASSERT_TRUE(whole.ok());
    store::ExecutionSummary unborn = *whole;
    unborn.id = ExecutionId(new_uuid_v7(clock_.wall_ms()));
    unborn.status = ExecutionStatus::pending;
    unborn.number = 0;
    ASSERT_TRUE((*state)->store().put_execution(unborn).ok());
    ASSERT_EQ((*state)->store().executions()->size(), 2U);
  }
  EXPECT_EQ(engine_->list()->size(), 1U);
  EXPECT_EQ(*engine_->resolve("last"), first);
  const ExecutionId next = create();
  EXPECT_EQ(run(next).exit_code, 0);
  EXPECT_EQ(*engine_->resolve("last"), next);
}

TEST_F(ExecutionTest, AProcessThatStandsStillWhileItStartsIsNamed) {
  // The lock belongs to the open file, so another one of this process is as another process.
  const int held = ::open((directory_ + "/state/create.lock").c_str(), O_RDWR | O_CREAT, 0600);
  ASSERT_GE(held, 0);
  struct flock lock{};
  lock.l_type = F_WRLCK;
  ASSERT_EQ(::fcntl(held, F_OFD_SETLK, &lock), 0);
  const auto refused = engine_->create(plan());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().type, ErrorType::lock_held);
  EXPECT_NE(refused.error().text().find("create.lock"), std::string::npos);
  ::close(held);
  EXPECT_EQ(run(create()).exit_code, 0);
}

TEST_F(ExecutionTest, OnlyOneOwner) {
  const ExecutionId id = create();
  const auto owner = attach(id);
  EXPECT_EQ(engine_->attach(id, Goal::migrate).error().type, ErrorType::lock_held);
}

TEST_F(ExecutionTest, OneTransactionForEverythingCommitsOnce) {
  script_.scope = CommitScope::execution;
  const ExecutionId id = create();
  EXPECT_EQ(run(id).exit_code, 0);
  expect_all_applied_once();
  EXPECT_EQ(look(id).row.counters.succeeded_items, 10);
}

TEST_F(ExecutionTest, OneTransactionForEverythingIsGivenUpByAPause) {
  script_.scope = CommitScope::execution;
  script_.failures["item9"] = {ErrorType::disk_full};
  const ExecutionId id = create();
  EXPECT_EQ(run(id).exit_code, 4);
  EXPECT_TRUE(script_.applied.empty());
  EXPECT_TRUE(script_.staged.empty());
  EXPECT_EQ(look(id).row.counters.succeeded_items, 0);
  EXPECT_EQ(run(id).exit_code, 0);
  expect_all_applied_once();
}

TEST_F(ExecutionTest, OneTransactionForEverythingCommitsNothingWhenOneItemHasFailed) {
  script_.scope = CommitScope::execution;
  script_.failures["item3"] = {ErrorType::permission_denied};
  const ExecutionId id = create();
  const Outcome outcome = run(id);
  EXPECT_EQ(outcome.status, ExecutionStatus::failed);
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_TRUE(script_.applied.empty());
  EXPECT_FALSE(script_.committed);
  ASSERT_TRUE(outcome.reason.has_value());
  EXPECT_NE(outcome.reason->remedy("1").find("dunlin resume 1"), std::string::npos)
      << outcome.reason->remedy("1");
  EXPECT_EQ(look(id).row.counters.succeeded_items, 0);
  // The whole is tried again, and the item with it.
  EXPECT_EQ(run(id).exit_code, 0);
  expect_all_applied_once();
  EXPECT_EQ(look(id).row.counters.failed_items, 0);
}

TEST_F(ExecutionTest, OneTransactionForEverythingWaitsForARetryOfAFailedBatch) {
  script_.scope = CommitScope::execution;
  script_.batch_failures[2] = ErrorType::permission_denied;
  const ExecutionId id = create();
  EXPECT_EQ(run(id).exit_code, 1);
  EXPECT_TRUE(script_.applied.empty());
  const Outcome again = run(id);
  EXPECT_EQ(again.exit_code, 1) << "nobody has asked for another try of what failed";
  ASSERT_TRUE(again.reason.has_value());
  EXPECT_NE(again.reason->remedy("1").find("dunlin retry 1"), std::string::npos)
      << again.reason->remedy("1");
  EXPECT_TRUE(script_.applied.empty());
  auto retried = attach(id);
  const auto reopened = retried->reopen_at_start(Json::object(), ItemStatus::pending, "test");
  ASSERT_TRUE(reopened.ok()) << reopened.error().text();
  EXPECT_EQ(retried->run().exit_code, 0);
  expect_all_applied_once();
}

TEST_F(ExecutionTest, RollsBackWhatItDid) {
  const ExecutionId id = create();
  EXPECT_EQ(run(id).exit_code, 0);
  const Outcome outcome = run(id, Goal::roll_back);
  EXPECT_EQ(outcome.status, ExecutionStatus::rolled_back)
      << (outcome.reason ? outcome.reason->text() : "");
  EXPECT_TRUE(script_.applied.empty());
  EXPECT_EQ(look(id).row.counters.rolled_back_items, 10);
}

TEST_F(ExecutionTest, VerifiesAgainLater) {
  const ExecutionId id = create();
  EXPECT_EQ(run(id).exit_code, 0);
  EXPECT_EQ(run(id, Goal::verify).exit_code, 0);
  script_.applied.erase("item2");
  EXPECT_EQ(run(id, Goal::verify).exit_code, 6);
  EXPECT_EQ(look(id).row.counters.differences, 1);
}

TEST_F(ExecutionTest, TooManyFailuresEndIt) {
  script_.items = 100;
  for (int i = 1; i <= 100; ++i)
    script_.failures["item" + std::to_string(i)] = {ErrorType::permission_denied};
  Json settings = fast();
  settings["max_failures"] = 3;
  const Outcome outcome = run(create(settings));
  EXPECT_EQ(outcome.status, ExecutionStatus::failed);
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_LT(script_.begun, 100);
}

}  // namespace
}  // namespace dunlin::engine
