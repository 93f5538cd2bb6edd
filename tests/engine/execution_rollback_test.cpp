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

// ---- A part ----

TEST_F(ExecutionTest, APartIsTakenBackAndTheExecutionIsAgainWhatItWas) {
  const ExecutionId id = create();
  EXPECT_EQ(run(id).exit_code, 0);
  const Outcome one = take_back(id, {{"path", "item3"}});
  EXPECT_EQ(one.status, ExecutionStatus::completed);
  EXPECT_EQ(one.exit_code, 0);
  ASSERT_TRUE(one.part);
  EXPECT_EQ(one.part->back, 1);
  EXPECT_EQ(script_.undone, std::vector<std::string>{"item3"});
  EXPECT_FALSE(look(id).row.rollback_part);
  EXPECT_EQ(look(id).row.phase, "reporting");
  const Outcome batch = take_back(id, {{"batch", 2}});
  EXPECT_EQ(batch.part->back, 4);
  EXPECT_EQ(take_back(id, {{"item", 10}}).part->back, 1);
  EXPECT_EQ(look(id).row.counters.rolled_back_items, 6);
  EXPECT_EQ(look(id).row.counters.succeeded_items, 4);
  EXPECT_EQ(run(id, Goal::verify).exit_code, 0) << "what was taken back is not missed";

  script_.undone.clear();
  EXPECT_EQ(run(id, Goal::roll_back).status, ExecutionStatus::rolled_back);
  EXPECT_EQ(std::set(script_.undone.begin(), script_.undone.end()),
            (std::set<std::string>{"item1", "item2", "item4", "item9"}));
  EXPECT_TRUE(script_.applied.empty());
  EXPECT_FALSE(engine_->attach(id, Goal::roll_back).ok()) << "nothing is left";
}

TEST_F(ExecutionTest, WhatOthersHaveChangedOfAPartIsLeftAndTriedWhenItIsSaidAgain) {
  const ExecutionId id = create();
  EXPECT_EQ(run(id).exit_code, 0);
  script_.refuses_undo = {"item2"};
  const Outcome first = take_back(id, {{"batch", 1}});
  EXPECT_EQ(first.status, ExecutionStatus::completed);
  EXPECT_EQ(first.exit_code, 1);
  EXPECT_EQ(first.part->back, 3);
  EXPECT_EQ(first.part->left_alone, 1);
  EXPECT_EQ(look(id).error_counts.front().second, 1);
  script_.refuses_undo.clear();
  const Outcome second = take_back(id, {{"batch", 1}});
  EXPECT_EQ(second.exit_code, 0);
  EXPECT_EQ(second.part->back, 1);
  EXPECT_TRUE(look(id).error_counts.empty());
}

TEST_F(ExecutionTest, APartThatWasInterruptedGoesOnWithThatPart) {
  for (const bool killed : {false, true}) {
    SCOPED_TRACE(killed);
    script_.applied.clear();
    const ExecutionId id = create();
    EXPECT_EQ(run(id).exit_code, 0);
    script_.identity = "another disk";
    const Outcome paused = take_back(id, {{"batch", 3}});
    EXPECT_EQ(paused.status, ExecutionStatus::paused);
    EXPECT_EQ(paused.exit_code, 4);
    script_.identity = "roots";
    if (killed) {
      const auto ledger = engine_->state().open_ledger(id);
      const std::int64_t epoch = (*ledger)->take_over("{}").value();
      const auto part = (*ledger)->execution()->rollback_part;
      const std::vector<store::Mutation> rolling{
          store::SetStatus{ExecutionStatus::rolling_back, "rolling_back", "", "test", part}};
      ASSERT_TRUE((*ledger)->apply(epoch, rolling).ok());
    }
    EXPECT_EQ(goal_of(look(id).row), Goal::roll_back);
    ASSERT_TRUE(look(id).row.rollback_part);
    script_.undone.clear();
    const Outcome outcome = run(id, Goal::roll_back);
    EXPECT_EQ(outcome.status, ExecutionStatus::completed);
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_EQ(std::set(script_.undone.begin(), script_.undone.end()),
              (std::set<std::string>{"item10", "item9"}));
    EXPECT_EQ(take_back(id, Json::object()).status, ExecutionStatus::rolled_back);
  }
}

TEST_F(ExecutionTest, APartThatIsGivenUpLeavesTheExecutionWhatItWas) {
  const ExecutionId id = create();
  script_.lies = {"item5"};
  EXPECT_EQ(run(id).exit_code, 6);
  script_.hold = 1;
  const auto execution = attach(id, Goal::roll_back);
  ASSERT_TRUE(execution->roll_back_part({{"batch", 1}}).ok());
  Outcome outcome;
  std::thread owner([&] { outcome = execution->run(); });
  while (script_.undoing == 0) std::this_thread::yield();
  EXPECT_TRUE(execution->request("cancel", Json::object(), "test")["accepted"].get<bool>());
  owner.join();
  script_.hold = 0;
  EXPECT_EQ(outcome.status, ExecutionStatus::failed);
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_NE(look(id).row.reason_json.find("verification_mismatch"), std::string::npos)
      << "why it had failed is still known";
  EXPECT_EQ(look(id).row.counters.rolled_back_items, 0);
}

TEST_F(ExecutionTest, OfAPausedOneAPartIsTakenBackAndTheRestGoesOn) {
  const ExecutionId id = create();
  script_.held = "item10";
  auto execution = attach(id);
  Outcome outcome;
  std::thread owner([&] { outcome = execution->run(); });
  while (script_.begun < 10) std::this_thread::yield();
  EXPECT_TRUE(execution->request("pause", Json::object(), "test")["accepted"].get<bool>());
  owner.join();
  EXPECT_EQ(outcome.status, ExecutionStatus::paused);
  script_.held.clear();
  execution.reset();
  const Outcome part = take_back(id, {{"batch", 1}});
  EXPECT_EQ(part.status, ExecutionStatus::paused);
  EXPECT_EQ(part.exit_code, 0);
  EXPECT_EQ(part.part->back, 4);
  EXPECT_EQ(goal_of(look(id).row), Goal::migrate);
  EXPECT_EQ(run(id).exit_code, 0);
  EXPECT_EQ(script_.applied.size(), 6U) << "what was taken back is not done again";
}

TEST_F(ExecutionTest, APartThatIsNoneIsRefusedBeforeAnything) {
  const ExecutionId id = create();
  EXPECT_EQ(run(id).exit_code, 0);
  const auto refused = [&](const Json& part) {
    const auto execution = attach(id, Goal::roll_back);
    const Status status = execution->roll_back_part(part);
    return status.ok() ? ErrorType::defect : status.error().type;
  };
  EXPECT_EQ(refused({{"path", "no such item"}}), ErrorType::not_found);
  EXPECT_EQ(refused({{"batch", 99}}), ErrorType::not_found);
  EXPECT_EQ(refused({{"batch", 0}}), ErrorType::invalid_input);
  EXPECT_EQ(refused({{"colour", "red"}}), ErrorType::invalid_input);
  script_.undoes_alone = false;
  EXPECT_EQ(refused({{"path", "item1"}}), ErrorType::not_found);
  script_.undoes_alone = true;
  script_.identity = "another disk";
  EXPECT_EQ(run(id, Goal::roll_back).status, ExecutionStatus::paused);
  EXPECT_EQ(refused({{"path", "item1"}}), ErrorType::invalid_state) << "the whole is under way";
  script_.identity = "roots";
  EXPECT_EQ(run(id, Goal::roll_back).exit_code, 0);
  EXPECT_TRUE(script_.applied.empty());
}

// ---- What is kept for it ----

TEST_F(ExecutionTest, WhatIsKeptIsCountedUntilItIsTakenBackOrGivenUp) {
  script_.keeps = 100;
  const ExecutionId id = create();
  EXPECT_EQ(run(id).exit_code, 0);
  EXPECT_EQ(look(id).row.counters.kept_bytes, 1000);
  EXPECT_EQ(take_back(id, {{"batch", 1}}).exit_code, 0);
  EXPECT_EQ(look(id).row.counters.kept_bytes, 600);
  ASSERT_TRUE(engine_->accept(id, "test").ok());
  EXPECT_EQ(look(id).row.counters.kept_bytes, 0);
  EXPECT_TRUE((*engine_->open_ledger(id))->check().ok());
}

TEST_F(ExecutionTest, WhatIsKeptLongerThanItIsToIsGivenUp) {
  script_.keeps = 100;
  Json settings = fast();
  const ExecutionId week = create(settings);
  EXPECT_EQ(run(week).exit_code, 0);
  settings["undo_retention"] = "36h";
  const ExecutionId day = create(settings);
  EXPECT_EQ(run(day).exit_code, 0);
  settings["undo_retention"] = "forever";
  const ExecutionId ever = create(settings);
  EXPECT_EQ(run(ever).exit_code, 0);
  using Numbers = std::vector<std::int64_t>;
  const std::chrono::milliseconds enough(10'000);
  EXPECT_EQ(engine_->expire(enough), Numbers{});
  machine_.slept_ms = 37LL * 3'600'000;
  EXPECT_EQ(engine_->expire(enough), Numbers{2});
  EXPECT_EQ(look(day).undo, Undo::removed);
  EXPECT_FALSE(engine_->attach(day, Goal::roll_back).ok());
  machine_.slept_ms = 8LL * 86'400'000;
  EXPECT_EQ(engine_->expire(enough), Numbers{1});
  EXPECT_EQ(engine_->expire(enough), Numbers{}) << "once";
  machine_.slept_ms = 800LL * 86'400'000;
  EXPECT_EQ(engine_->expire(enough), Numbers{});
  EXPECT_EQ(look(ever).undo, Undo::kept);
  EXPECT_EQ(script_.released, 2);
}

TEST_F(ExecutionTest, ExpiryTakesNoLongerThanItMayAndGoesOnTheNextTime) {
  script_.keeps = 100;
  const ExecutionId id = create();
  EXPECT_EQ(run(id).exit_code, 0);
  machine_.slept_ms = 8LL * 86'400'000;
  script_.release_fails = ErrorType::interrupted;
  EXPECT_TRUE(engine_->expire(std::chrono::milliseconds(20)).empty());
  EXPECT_EQ(look(id).undo, Undo::given_up) << "some of it may be gone";
  script_.release_fails = ErrorType::permission_denied;
  EXPECT_TRUE(engine_->expire(std::chrono::milliseconds(1000)).empty());
  script_.release_fails.reset();
  EXPECT_EQ(engine_->expire(std::chrono::milliseconds(10'000)), std::vector<std::int64_t>{1});
  EXPECT_EQ(look(id).undo, Undo::removed);
}

TEST_F(ExecutionTest, WhatHasNotEndedKeepsWhatItNeeds) {
  script_.keeps = 100;
  const ExecutionId id = create();
  EXPECT_EQ(run(id).exit_code, 0);
  script_.identity = "another disk";
  EXPECT_EQ(run(id, Goal::roll_back).status, ExecutionStatus::paused);
  machine_.slept_ms = 8LL * 86'400'000;
  EXPECT_TRUE(engine_->expire(std::chrono::milliseconds(1000)).empty());
  script_.identity = "roots";
  EXPECT_EQ(run(id, Goal::roll_back).exit_code, 0);
  EXPECT_EQ(look(id).row.counters.kept_bytes, 0);
}

}  // namespace
}  // namespace dunlin::engine
