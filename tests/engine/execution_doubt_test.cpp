// What an execution has done is doubted from a batch or a checkpoint on (engine.md X-12).
#include <gmock/gmock.h>

#include "engine/execution_fixture.h"

namespace dunlin::engine {
namespace {

class DoubtTest : public ExecutionTest {
 protected:
  Result<Execution::Doubted> doubt(const ExecutionId& id, const Json& point) {
    execution_ = attach(id);
    return execution_->resume_from(point, "test");
  }
  /// Goes on with what was doubted.
  Outcome go_on() {
    Outcome outcome = execution_->run();
    execution_.reset();
    return outcome;
  }
  std::unique_ptr<Execution> execution_;
};

TEST_F(DoubtTest, WhatHoldsIsNotAppliedTwiceAndTheRestIs) {
  const ExecutionId id = create();
  ASSERT_EQ(run(id).exit_code, 0);
  const store::Counters before = look(id).row.counters;
  script_.applied.erase("item2");
  script_.applied.erase("item7");
  const auto doubted = doubt(id, {{"batch_number", 2}});
  ASSERT_TRUE(doubted.ok()) << doubted.error().text();
  EXPECT_EQ(doubted->from, BatchId(2));
  EXPECT_EQ(doubted->batches, 2);
  EXPECT_EQ(doubted->items, 6);
  EXPECT_EQ(execution_->progress().counters.succeeded_items, 4)
      << "what it shows goes back with it";
  const int begun = script_.begun;
  EXPECT_EQ(go_on().exit_code, 0);
  EXPECT_EQ(script_.begun - begun, 1);
  EXPECT_EQ(script_.applied["item7"], 1);
  EXPECT_FALSE(script_.applied.contains("item2")) << "what is trusted is not looked at";
  ASSERT_TRUE(doubt(id, {{"batch_number", 1}}).ok());
  EXPECT_EQ(go_on().exit_code, 0);
  EXPECT_EQ(run(id, Goal::verify).exit_code, 0);
  expect_all_applied_once();
  EXPECT_EQ(look(id).row.counters.succeeded_items, before.succeeded_items);
  EXPECT_EQ(look(id).row.counters.processed_bytes, before.processed_bytes);
}

TEST_F(DoubtTest, DiesInBetweenAndIsPausedWithAllThatIsInDoubt) {
  const ExecutionId id = create();
  ASSERT_EQ(run(id).exit_code, 0);
  ASSERT_TRUE(doubt(id, {{"batch_number", 1}}).ok());
  execution_.reset();
  const Snapshot snapshot = look(id);
  EXPECT_EQ(snapshot.row.status, ExecutionStatus::paused);
  EXPECT_EQ(snapshot.row.counters.succeeded_items, 0);
  EXPECT_THAT(snapshot.allowed_verbs, ::testing::Contains("resume"));
  EXPECT_EQ(run(id, Goal::roll_back).status, ExecutionStatus::rolled_back)
      << "what was done is settled before it is taken back";
  EXPECT_TRUE(script_.applied.empty());
}

TEST_F(DoubtTest, ACheckpointIsTrustedAndADamagedOneIsNot) {
  script_.items = 40;
  const ExecutionId id =
      create({{"parallel_batches", 1},
              {"checkpoint", {{"frequency", "every_batch"}, {"keep_last_n", 50}}}});
  ASSERT_EQ(run(id).exit_code, 0);
  const auto ledger = engine_->state().open_ledger(id);
  const auto rows = (*ledger)->checkpoints();
  const auto middle = std::find_if(rows->begin(), rows->end(), [](const auto& row) {
    return !row.pending_batch_ids.empty() && row.pending_batch_ids.front() == 5;
  });
  ASSERT_NE(middle, rows->end());
  const auto doubted = doubt(id, {{"checkpoint_id", middle->id}});
  ASSERT_TRUE(doubted.ok()) << doubted.error().text();
  EXPECT_EQ(doubted->from, BatchId(5));
  EXPECT_EQ(doubted->batches, 6);
  EXPECT_EQ(go_on().exit_code, 0);
  expect_all_applied_once();
}

TEST_F(DoubtTest, WhatIsNoPointOrCannotBeDoubtedIsRefused) {
  const ExecutionId id = create();
  ASSERT_EQ(run(id).exit_code, 0);
  const auto refused = [&](const Json& point) {
    const auto answer = doubt(id, point);
    execution_.reset();
    return answer.ok() ? ErrorType::defect : answer.error().type;
  };
  EXPECT_EQ(refused(Json::object()), ErrorType::invalid_input);
  EXPECT_EQ(refused({{"batch_number", 1}, {"checkpoint_id", 1}}), ErrorType::invalid_input);
  EXPECT_EQ(refused({{"batch_number", 4}}), ErrorType::not_found);
  EXPECT_EQ(refused({{"batch_number", -1}}), ErrorType::not_found);
  EXPECT_EQ(refused({{"checkpoint_id", 77}}), ErrorType::not_found);
  EXPECT_EQ(look(id).row.status, ExecutionStatus::completed);
  script_.scope = CommitScope::execution;
  EXPECT_EQ(refused({{"batch_number", 1}}), ErrorType::invalid_state);
}

}  // namespace
}  // namespace dunlin::engine
