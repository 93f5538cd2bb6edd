// A whole execution on a real ledger: the host's threads, recovery, retry, control, exit codes.
#include <fcntl.h>
#include <unistd.h>

#include <thread>

#include <sqlite3.h>

#include "engine/execution_fixture.h"

namespace dunlin::engine {
namespace {

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

TEST_F(ExecutionTest, BytesThatAreMovedAgainAreShownOnce) {
  script_.items = 2;
  script_.per_batch = 1;
  script_.failures["item1"] = {ErrorType::connection_reset, ErrorType::connection_reset};
  script_.held = "item2";
  const ExecutionId id = create();
  const auto execution = attach(id);
  std::thread owner([&] { static_cast<void>(execution->run()); });
  while (look(id).row.counters.succeeded_items == 0) std::this_thread::yield();
  EXPECT_EQ(execution->progress().counters.processed_bytes, 10);
  EXPECT_TRUE(execution->request("pause", Json::object(), "test")["accepted"].get<bool>());
  owner.join();
}

TEST_F(ExecutionTest, ANewSizeOfBatchesIsThatOfThoseMadeFromNowOn) {
  script_.per_batch = 0;  // as the settings say
  script_.hold_listing = 1;
  Json settings = fast();
  settings["batch_size"] = 4;
  const ExecutionId id = create(settings);
  const auto execution = attach(id);
  std::thread owner([&] { EXPECT_EQ(execution->run().exit_code, 0); });
  while (script_.listed == 0) std::this_thread::yield();
  // The chunk that waits now was made before.
  const Json answer = execution->request("limits", {{"batch_size", 1}}, "test");
  EXPECT_TRUE(answer["accepted"].get<bool>()) << answer;
  script_.hold_listing = 0;
  owner.join();
  EXPECT_EQ(look(id).row.counters.total_batches, 4);  // 4, 4, 1, 1
  expect_all_applied_once();
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
  const auto answer = engine_->control(id, "skip", Json::object(), Asker::here("test"));
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
  const auto answer = (*other)->control(id, "pause", Json::object(), Asker::here("test"));
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

/// What is asked first waits until it is recorded; meanwhile the owner hears others.
TEST_F(ExecutionTest, ARequestThatCannotBeRecordedYetKeepsTheOwnerFromNobody) {
  script_.hold = 1;
  const ExecutionId id = create();
  const auto execution = attach(id);
  std::thread owner([&] { static_cast<void>(execution->run()); });
  while (script_.begun == 0) std::this_thread::yield();
  sqlite3* other = nullptr;
  const std::string ledger = directory_ + "/state/executions/" + id.value + "/ledger.db";
  ASSERT_EQ(sqlite3_open(ledger.c_str(), &other), SQLITE_OK);
  while (sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) != SQLITE_OK) {
  }
  const auto asked = engine_->control(id, "limits", {{"io", 5}}, Asker::here("test"));
  EXPECT_TRUE(asked.ok());
  EXPECT_FALSE(asked->by_owner) << "it waits as a control row";
  Json limits;
  for (int n = 0; n < 3 && !limits.is_object(); ++n) limits = look(id).limits;  // 300 ms each
  EXPECT_EQ(integer_or(limits, "io", 0), 5) << "and has taken effect";
  sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr);
  sqlite3_close(other);
  script_.hold = 0;
  owner.join();
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
  const auto answer = engine_->control(id, "cancel", Json::object(), Asker::here("test"));
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

TEST_F(ExecutionTest, AnAnswerOutlivesTheProcessThatTookIt) {
  script_.asks = {"item3"};
  const ExecutionId id = create();
  EXPECT_EQ(run(id).exit_code, 1);
  auto answered = attach(id);
  ASSERT_TRUE(answered->reopen_at_start(Json{{"item", 3}}, ItemStatus::pending, "test").ok());
  script_.identity = "another disk";  // so that this process ends before it gets to the item
  EXPECT_EQ(answered->run().status, ExecutionStatus::paused);
  answered.reset();
  script_.identity = "roots";
  EXPECT_EQ(run(id).exit_code, 0) << "it was asked again";
  expect_all_applied_once();
}

TEST_F(ExecutionTest, ARetryOfEverythingIsNoAnswer) {
  script_.asks = {"item3"};
  const ExecutionId id = create();
  EXPECT_EQ(run(id).exit_code, 1);
  auto again = attach(id);
  ASSERT_TRUE(again->reopen_at_start(Json::object(), ItemStatus::pending, "test").ok());
  EXPECT_EQ(again->run().exit_code, 1);
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
