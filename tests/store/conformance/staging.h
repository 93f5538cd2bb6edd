// commit_scope execution: what is staged counts when the target has committed.
// Part of the ledger conformance suite.
#pragma once

#include "store/conformance/suite.h"

namespace dunlin::store::test {

TYPED_TEST_P(LedgerConformance, StagedBatchesCountWhenTheTargetHasCommitted) {
  AppendWork work;
  work.tasks = {task(1), task(2, 1, true)};
  work.batches = {batch(1, 1, 1, 2), batch(2, 1, 3, 1, {1}), batch(3, 2, 4, 1)};
  work.complete = true;
  must_apply(this->ledger(), {work, start({{1, 1}}), RecordOutcomes{BatchId(1), 1, {completed(1)}},
                              end(1, 1, BatchResult::staged, {failed(2)})});
  Counters counters = this->counters();
  EXPECT_EQ(counters.succeeded_items, 0);
  EXPECT_EQ(counters.failed_items, 1) << "a failure is known for good";
  EXPECT_EQ(counters.processed_bytes, 100);
  EXPECT_EQ(counters.transferred_bytes, 0);
  EXPECT_EQ(counters.staged_batches, 1);
  EXPECT_EQ(counters.ended_batches, 0);
  EXPECT_EQ(ready_ids(this->ledger()), (std::vector<std::int64_t>{2}))
      << "a staged dependency is enough";
  must_apply(this->ledger(), {start({{2, 1}}), end(2, 1, BatchResult::staged, {completed(3)})});
  EXPECT_EQ(ready_ids(this->ledger()), (std::vector<std::int64_t>{3}))
      << "and so it is for a barrier";
  must_apply(this->ledger(), {start({{3, 1}}), end(3, 1, BatchResult::staged, {completed(4)})});
  EXPECT_EQ(this->ledger().ready({})->unfinished, 0);
  must_apply(this->ledger(), {BeginCommit{}});
  EXPECT_TRUE(this->ledger().execution()->committing);
  EXPECT_EQ(refusal(this->ledger(), BeginCommit{}), ErrorType::invalid_state);
  must_apply(this->ledger(), {CompleteStaged{}});
  counters = this->counters();
  EXPECT_EQ(counters.succeeded_items, 3);
  EXPECT_EQ(counters.processed_bytes, 400);
  EXPECT_EQ(counters.transferred_bytes, 300);
  EXPECT_EQ(counters.staged_batches, 0);
  EXPECT_EQ(counters.ended_batches, 3);
  EXPECT_FALSE(this->ledger().execution()->committing);
  EXPECT_EQ(this->ledger().tasks(1)->at(0).status, TaskStatus::complete);
  EXPECT_EQ(this->ledger().batch(BatchId(3))->status, BatchStatus::done);
}

TYPED_TEST_P(LedgerConformance, UnstagingMakesEverythingPendingAgain) {
  AppendWork work;
  work.tasks = {task(1)};
  work.batches = {batch(1, 1, 1, 3), batch(2, 1, 4, 1, {1}), batch(3, 1, 5, 1)};
  work.complete = true;
  must_apply(this->ledger(), {work, start({{1, 1}}),
                              end(1, 1, BatchResult::staged, {completed(1), failed(2), skipped(3)}),
                              start({{2, 1}}), end(2, 1, BatchResult::staged, {completed(4)}),
                              BeginCommit{}, UnstageAll{}});
  const Counters counters = this->counters();
  EXPECT_EQ(counters.succeeded_items + counters.failed_items + counters.skipped_items, 0);
  EXPECT_EQ(counters.processed_bytes, 0);
  EXPECT_EQ(counters.transferred_bytes, 0);
  EXPECT_EQ(counters.staged_batches, 0);
  EXPECT_EQ(ready_ids(this->ledger()), (std::vector<std::int64_t>{1, 3}))
      << "batch 2 waits for batch 1 again";
  EXPECT_EQ(this->ledger().items_of(BatchId(1), true)->size(), 3U);
  EXPECT_TRUE(this->ledger().errors({}, true)->empty());
  EXPECT_TRUE(this->ledger().error_counts()->empty());
  EXPECT_FALSE(this->ledger().execution()->committing);
  must_apply(this->ledger(), {start({{1, 2}}), end(1, 2, BatchResult::done,
                                                   {completed(1), completed(2), completed(3)})});
}

TYPED_TEST_P(LedgerConformance, ACommitStandsWhenALaterTransactionIsLost) {
  this->append(1, 3);
  must_apply(
      this->ledger(),
      {start({{1, 1}}), end(1, 1, BatchResult::staged, {completed(1), completed(2, 30), failed(3)}),
       BeginCommit{}, CompleteStaged{}, ReopenItems{{ItemId(3)}, ItemStatus::pending, "me", {}},
       start({{1, 2}}), end(1, 2, BatchResult::staged, {completed(3)})});
  EXPECT_EQ(this->counters().succeeded_items, 2) << "item 3 waits for the second commit";
  EXPECT_EQ(this->counters().transferred_bytes, 130);
  EXPECT_EQ(this->counters().processed_bytes, 200);
  const Status staged = this->ledger().check();
  EXPECT_TRUE(staged.ok()) << staged.error().text();
  must_apply(this->ledger(), {UnstageAll{}});
  EXPECT_EQ(this->counters().succeeded_items, 2) << "the first commit holds them";
  const auto open = this->ledger().items_of(BatchId(1), true);
  ASSERT_EQ(open->size(), 1U);
  EXPECT_EQ(open->at(0).id, ItemId(3));
  must_apply(this->ledger(), {start({{1, 3}}), end(1, 3, BatchResult::staged, {completed(3)}),
                              BeginCommit{}, CompleteStaged{}});
  EXPECT_EQ(this->counters().succeeded_items, 3);
  EXPECT_EQ(this->counters().transferred_bytes, 230);
}

}  // namespace dunlin::store::test
