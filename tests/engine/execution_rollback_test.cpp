// What an execution has done is taken back: whole, in several goes, given up in between.
#include <thread>

#include "engine/execution_fixture.h"

namespace dunlin::engine {
namespace {

TEST_F(ExecutionTest, RollsBackWhatItDid) {
  const ExecutionId id = create();
  EXPECT_EQ(run(id).exit_code, 0);
  const Outcome outcome = run(id, Goal::roll_back);
  EXPECT_EQ(outcome.status, ExecutionStatus::rolled_back)
      << (outcome.reason ? outcome.reason->text() : "");
  EXPECT_TRUE(script_.applied.empty());
  EXPECT_EQ(look(id).row.counters.rolled_back_items, 10);
}

TEST_F(ExecutionTest, AFurtherRollbackTakesBackWhatTheFirstLeftAlone) {
  const ExecutionId id = create();
  EXPECT_EQ(run(id).exit_code, 0);
  script_.refuses_undo = {"item2", "item7"};
  const Outcome first = run(id, Goal::roll_back);
  EXPECT_EQ(first.status, ExecutionStatus::rolled_back);
  EXPECT_EQ(first.exit_code, 1);
  EXPECT_EQ(look(id).row.counters.succeeded_items, 2);
  EXPECT_THAT(look(id).allowed_verbs, ::testing::Contains("rollback"));
  EXPECT_EQ(look(id).error_counts.front().second, 2);

  script_.undone.clear();
  script_.refuses_undo = {"item7"};
  const Outcome second = run(id, Goal::roll_back);
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_EQ(std::set(script_.undone.begin(), script_.undone.end()),
            (std::set<std::string>{"item2", "item7"}))
      << "the others are history";
  EXPECT_EQ(script_.applied.size(), 1U);
  EXPECT_EQ(look(id).error_counts.front().second, 1);

  script_.refuses_undo.clear();
  EXPECT_EQ(run(id, Goal::roll_back).exit_code, 0);
  EXPECT_TRUE(script_.applied.empty());
  EXPECT_TRUE(look(id).error_counts.empty());
  EXPECT_THAT(look(id).allowed_verbs, ::testing::Not(::testing::Contains("rollback")));
  const auto fourth = engine_->attach(id, Goal::roll_back);
  ASSERT_FALSE(fourth.ok());
  EXPECT_EQ(fourth.error().type, ErrorType::invalid_state);
}

TEST_F(ExecutionTest, ARollbackThatHasNotEndedIsGoneOnWithOrGivenUpAndNothingElse) {
  for (const bool killed : {false, true}) {
    SCOPED_TRACE(killed);
    const ExecutionId id = create();
    EXPECT_EQ(run(id).exit_code, 0);
    script_.identity = "another disk";
    EXPECT_EQ(run(id, Goal::roll_back).status, ExecutionStatus::paused);
    script_.identity = "roots";
    if (killed) {
      const auto ledger = engine_->state().open_ledger(id);
      const std::int64_t epoch = (*ledger)->take_over("{}").value();
      const std::vector<store::Mutation> rolling{
          store::SetStatus{ExecutionStatus::rolling_back, "rolling_back", "", "test"}};
      const auto set = (*ledger)->apply(epoch, rolling);
      ASSERT_TRUE(set.ok());
    }
    EXPECT_EQ(look(id).allowed_verbs,
              (std::vector<std::string>{"resume", "cancel", "rollback", "limits", "priority"}));
    const auto migration = engine_->attach(id, Goal::migrate);
    ASSERT_FALSE(migration.ok());
    EXPECT_EQ(migration.error().type, ErrorType::invalid_state);
    const auto given_up = engine_->control(id, "cancel", Json::object(), Asker::here("test"));
    ASSERT_TRUE(given_up.ok()) << given_up.error().text();
    EXPECT_EQ(look(id).row.status, ExecutionStatus::cancelled);
    expect_all_applied_once();
    EXPECT_EQ(run(id, Goal::roll_back).status, ExecutionStatus::rolled_back);
    EXPECT_TRUE(script_.applied.empty());
  }
}

TEST_F(ExecutionTest, ARollbackIsCancelledWhileItRuns) {
  const ExecutionId id = create();
  EXPECT_EQ(run(id).exit_code, 0);
  script_.hold = 1;
  auto execution = attach(id, Goal::roll_back);
  Outcome outcome;
  std::thread owner([&] { outcome = execution->run(); });
  while (script_.undoing == 0) std::this_thread::yield();
  EXPECT_TRUE(execution->request("cancel", Json::object(), "test")["accepted"].get<bool>());
  owner.join();
  execution.reset();
  EXPECT_EQ(outcome.status, ExecutionStatus::cancelled);
  expect_all_applied_once();
  script_.hold = 0;
  EXPECT_EQ(run(id, Goal::roll_back).status, ExecutionStatus::rolled_back);
  EXPECT_TRUE(script_.applied.empty());
}

}  // namespace
}  // namespace dunlin::engine
