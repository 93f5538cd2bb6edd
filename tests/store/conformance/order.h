// Which batches may start, and when: priorities, barriers, dependencies, waits.
// Part of the ledger conformance suite.
#pragma once

#include "store/conformance/suite.h"

namespace dunlin::store::test {

TYPED_TEST_P(LedgerConformance, ARetriedBatchWaitsForItsTime) {
  this->append(2, 1);
  EndBatch later = end(1, 1, BatchResult::retry);
  later.not_before_ms = 5000;
  later.error = Error(ErrorType::deadlock_detected, "deadlock");
  must_apply(this->ledger(), {start({{1, 1}}), later});
  ReadyQuery query;
  query.now_ms = 4999;
  auto ready = this->ledger().ready(query);
  EXPECT_EQ(ids(ready->batches), (std::vector<std::int64_t>{2}));
  EXPECT_EQ(ready->next_not_before_ms, 5000);
  EXPECT_EQ(ready->unfinished, 2);
  query.now_ms = 5000;
  ready = this->ledger().ready(query);
  EXPECT_EQ(ids(ready->batches), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(ready->next_not_before_ms, 0);
  EXPECT_EQ(ready->batches[0].attempt, 1);
  EXPECT_EQ(this->counters().retries, 1);
  EXPECT_EQ(this->ledger().errors({}, false)->size(), 1U);
  EXPECT_TRUE(this->ledger().errors({}, true)->empty());
  must_apply(this->ledger(), {start({{1, 2}}), end(1, 2, BatchResult::interrupted)});
  EXPECT_EQ(this->ledger().batch(BatchId(1))->attempt, 1) << "an interruption is no failure";
}

TYPED_TEST_P(LedgerConformance, ReadyFollowsPriorityStageAndId) {
  AppendWork work;
  work.tasks = {task(1, 1), task(2, 0), task(3, 2, false, Priority::immediate)};
  work.batches = {batch(1, 1, 1, 1), batch(2, 2, 2, 1), batch(3, 3, 3, 1), batch(4, 2, 4, 1)};
  must_apply(this->ledger(), {work});
  EXPECT_EQ(ready_ids(this->ledger()), (std::vector<std::int64_t>{3, 2, 4, 1}));
  ReadyQuery query;
  query.limit = 2;
  query.exclude = {BatchId(2)};
  const auto ready = this->ledger().ready(query);
  EXPECT_EQ(ids(ready->batches), (std::vector<std::int64_t>{3, 4}));
  EXPECT_EQ(ready->unfinished, 4);
  EXPECT_EQ(ready->batches[0].task_type, "batch_file_operation");
  EXPECT_EQ(ready->batches[0].stage, 2);
}

TYPED_TEST_P(LedgerConformance, WhatIsHeldWaitsForItsReleaseOrANewOwner) {
  this->append(3, 2);
  must_apply(this->ledger(), {start({{1, 1}, {2, 1}}), end(1, 1, BatchResult::held, {completed(1)}),
                              end(2, 1, BatchResult::held)});
  auto ready = this->ledger().ready({});
  EXPECT_EQ(ids(ready->batches), (std::vector<std::int64_t>{3}));
  EXPECT_EQ(ready->unfinished, 3);
  EXPECT_EQ(ready->held, 2);
  EXPECT_EQ(ready->next_not_before_ms, 0) << "no time lets it go";
  EXPECT_EQ(this->ledger().batch(BatchId(1))->attempt, 0);
  EXPECT_EQ(this->counters().succeeded_items, 1) << "what was done before stays";
  must_apply(this->ledger(), {ReleaseHeld{}});
  ready = this->ledger().ready({});
  EXPECT_EQ(ids(ready->batches), (std::vector<std::int64_t>{1, 2, 3}));
  EXPECT_EQ(ready->held, 0);
  EXPECT_EQ(this->ledger().items_of(BatchId(1), true)->size(), 1U);
  must_apply(this->ledger(), {start({{1, 2}}), end(1, 2, BatchResult::held)});
  EXPECT_TRUE(this->ledger().take_over("{}").ok());
  EXPECT_EQ(this->ledger().ready({})->held, 0);
  EXPECT_EQ(ready_ids(this->ledger()), (std::vector<std::int64_t>{1, 2, 3}));
}

TYPED_TEST_P(LedgerConformance, PrioritiesOfWhatHasNotBegunChange) {
  AppendWork work;
  work.tasks = {task(1), task(2)};
  work.batches = {batch(1, 1, 1, 1), batch(2, 1, 2, 1), batch(3, 2, 3, 1), batch(4, 2, 4, 1)};
  must_apply(this->ledger(), {work, start({{1, 1}})});
  must_apply(this->ledger(), {SetPriority{Priority::immediate, {BatchId(4), BatchId(1)}, {}}});
  EXPECT_EQ(ready_ids(this->ledger()), (std::vector<std::int64_t>{4, 2, 3}));
  must_apply(this->ledger(), {SetPriority{Priority::low, {}, TaskId(1)}});
  EXPECT_EQ(ready_ids(this->ledger()), (std::vector<std::int64_t>{4, 3, 2}));
  AppendWork more;
  more.batches = {batch(5, 1, 5, 1), batch(6, 2, 6, 1)};
  must_apply(this->ledger(), {more});
  EXPECT_EQ(ready_ids(this->ledger()), (std::vector<std::int64_t>{4, 3, 6, 2, 5}))
      << "what is journaled for the task later has its priority";
  EXPECT_EQ(refusal(this->ledger(), SetPriority{Priority::low, {BatchId(9)}, {}}),
            ErrorType::defect);
  EXPECT_EQ(refusal(this->ledger(), SetPriority{Priority::low, {}, TaskId(9)}), ErrorType::defect);
}

TYPED_TEST_P(LedgerConformance, ABarrierWaitsForEnumerationAndAllStagesBelow) {
  AppendWork work;
  work.tasks = {task(1, 0), task(2, 1, true), task(3, 2, true)};
  work.batches = {batch(1, 1, 1, 1), batch(2, 2, 2, 1), batch(3, 3, 3, 0)};
  must_apply(this->ledger(), {work});
  must_apply(this->ledger(), {start({{1, 1}}), end(1, 1, BatchResult::done, {completed(1)})});
  EXPECT_TRUE(ready_ids(this->ledger()).empty()) << "more may be enumerated";
  EXPECT_EQ(refusal(this->ledger(), start({{2, 1}})), ErrorType::invalid_state);
  AppendWork more;
  more.batches = {batch(4, 1, 3, 1)};
  more.complete = true;
  must_apply(this->ledger(), {more});
  EXPECT_EQ(ready_ids(this->ledger()), (std::vector<std::int64_t>{4}));
  must_apply(this->ledger(), {start({{4, 1}}), end(4, 1, BatchResult::done, {failed(3)})});
  EXPECT_EQ(ready_ids(this->ledger()), (std::vector<std::int64_t>{2}));
  must_apply(this->ledger(), {start({{2, 1}}), end(2, 1, BatchResult::done, {completed(2)})});
  EXPECT_EQ(ready_ids(this->ledger()), (std::vector<std::int64_t>{3}));
  must_apply(this->ledger(), {start({{3, 1}}), end(3, 1)});
  EXPECT_EQ(this->ledger().ready({})->unfinished, 0);
}

TYPED_TEST_P(LedgerConformance, DependantsWaitAndAreSkippedWithTheCause) {
  AppendWork work;
  work.tasks = {task(1), task(2)};
  work.batches = {batch(1, 1, 1, 1), batch(2, 1, 2, 1), batch(3, 2, 3, 2, {1, 2, 2}),
                  batch(4, 2, 5, 1, {3}), batch(5, 2, 6, 0, {4})};
  work.complete = true;
  must_apply(this->ledger(), {work});
  EXPECT_EQ(ready_ids(this->ledger()), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(refusal(this->ledger(), start({{3, 1}})), ErrorType::invalid_state);
  must_apply(this->ledger(),
             {start({{1, 1}, {2, 1}}), end(1, 1, BatchResult::done, {completed(1)})});
  EXPECT_TRUE(ready_ids(this->ledger()).empty());
  EndBatch broken = end(2, 1, BatchResult::failed);
  broken.error = Error(ErrorType::migration_failed, "no such table");
  must_apply(this->ledger(), {broken});

  for (const std::int64_t id : {3, 4, 5})
    EXPECT_EQ(this->ledger().batch(BatchId(id))->status, BatchStatus::skipped);
  const Counters counters = this->counters();
  EXPECT_EQ(counters.succeeded_items, 1);
  EXPECT_EQ(counters.failed_items, 1);
  EXPECT_EQ(counters.skipped_items, 3);
  EXPECT_EQ(counters.ended_batches, 5);
  EXPECT_EQ(counters.failed_batches, 1);
  EXPECT_EQ(this->ledger().ready({})->unfinished, 0);
  const auto skipped_items =
      this->ledger().items(Where().status(ItemStatus::skipped).error_type("dependency_failed"));
  ASSERT_EQ(skipped_items->size(), 3U);
  EXPECT_NE(skipped_items->at(2).message.find("batch 2"), std::string::npos)
      << skipped_items->at(2).message;
  EXPECT_NE(skipped_items->at(2).message.find("no such table"), std::string::npos);
  const auto tasks = this->ledger().tasks(10);
  EXPECT_EQ(tasks->at(0).status, TaskStatus::failed);
  EXPECT_EQ(tasks->at(0).error_message, "no such table");
  EXPECT_EQ(tasks->at(1).status, TaskStatus::skipped);
  EXPECT_EQ(this->ledger().items_of(BatchId(2), false)->at(0).message, "no such table");
}

TYPED_TEST_P(LedgerConformance, WorkThatDependsOnAFailureIsSkippedAsItIsAppended) {
  this->append(1, 1, false);
  EndBatch broken = end(1, 1, BatchResult::failed);
  broken.error = Error(ErrorType::migration_failed, "broken");
  must_apply(this->ledger(), {start({{1, 1}}), broken});
  AppendWork work;
  work.batches = {batch(2, 1, 2, 1, {1})};
  must_apply(this->ledger(), {work});
  EXPECT_EQ(this->ledger().batch(BatchId(2))->status, BatchStatus::skipped);
  EXPECT_EQ(this->counters().skipped_items, 1);
  AppendWork ended;
  ended.batches = {batch(3, 1, 3, 1)};
  must_apply(this->ledger(),
             {ended, start({{3, 1}}), end(3, 1, BatchResult::done, {completed(3)})});
  AppendWork after;
  after.batches = {batch(4, 1, 4, 1, {3})};
  must_apply(this->ledger(), {after});
  EXPECT_EQ(ready_ids(this->ledger()), (std::vector<std::int64_t>{4}));
}

TYPED_TEST_P(LedgerConformance, WhatNeedsNothingEndsWithItsAppend) {
  AppendWork work;
  work.tasks = {task(1)};
  work.batches = {batch(1, 1, 1, 3), batch(2, 1, 4, 2), batch(3, 1, 6, 1, {1})};
  work.batches[0].skip_reason = "unchanged";
  work.batches[0].items[1].size = 0;
  must_apply(this->ledger(), {work});
  EXPECT_FALSE(*this->ledger().begun());
  EXPECT_EQ(this->ledger().batch(BatchId(1))->status, BatchStatus::done);
  EXPECT_EQ(ready_ids(this->ledger()), (std::vector<std::int64_t>{2, 3}))
      << "what waits for it need not wait";
  const Counters counters = this->counters();
  EXPECT_EQ(counters.skipped_items, 3);
  EXPECT_EQ(counters.ended_batches, 1);
  EXPECT_EQ(counters.processed_bytes, 200);
  EXPECT_EQ(counters.transferred_bytes, 0);
  const auto items = this->ledger().items_of(BatchId(1), false);
  for (const ItemRow& item : *items) {
    EXPECT_EQ(item.status, ItemStatus::skipped);
    EXPECT_EQ(item.action, "skipped");
    EXPECT_EQ(item.message, "unchanged");
    EXPECT_EQ(item.transferred_bytes, 0);
  }
  ItemFilter unstarted;
  unstarted.unstarted = true;
  unstarted.limit = 2;
  const auto page = this->ledger().items(unstarted);
  ASSERT_EQ(page->size(), 2U);
  EXPECT_EQ(page->back().id, ItemId(5));
  unstarted.after = ItemId(5);
  const auto next = this->ledger().items(unstarted);
  ASSERT_EQ(next->size(), 1U);
  EXPECT_EQ(next->front().id, ItemId(6));
  EXPECT_EQ(next->front().batch, BatchId(3));
  must_apply(this->ledger(), {start({{2, 1}})});
  EXPECT_TRUE(*this->ledger().begun());
}

TYPED_TEST_P(LedgerConformance, WhatIsSkippedAsItIsAppendedWaitsForNone) {
  this->append(1, 1, false);
  AppendWork work;
  work.batches = {batch(2, 1, 2, 1, {1})};
  work.batches[0].skip_reason = "unchanged";
  EXPECT_EQ(refusal(this->ledger(), work), ErrorType::defect);
  work.batches = {batch(2, 1, 2, 0)};
  work.batches[0].skip_reason = "unchanged";
  EXPECT_EQ(refusal(this->ledger(), work), ErrorType::defect);
}

TYPED_TEST_P(LedgerConformance, TaskStatusFollowsItsBatches) {
  AppendWork work;
  work.tasks = {task(1), task(2)};
  work.batches = {batch(1, 1, 1, 1), batch(2, 1, 2, 1)};
  must_apply(this->ledger(), {work});
  const auto status = [&] { return this->ledger().tasks(1)->at(0).status; };
  EXPECT_EQ(status(), TaskStatus::pending);
  EXPECT_EQ(this->ledger().tasks(1)->at(0).uid, "files-1");
  must_apply(this->ledger(), {start({{1, 1}})});
  EXPECT_EQ(status(), TaskStatus::executing);
  must_apply(this->ledger(), {SetStatus{}, SetStatus{ExecutionStatus::paused, "", "", "test"}});
  EXPECT_EQ(status(), TaskStatus::paused);
  must_apply(this->ledger(), {SetStatus{}, end(1, 1, BatchResult::done, {completed(1)}),
                              start({{2, 1}}), end(2, 1, BatchResult::done, {completed(2)})});
  EXPECT_EQ(status(), TaskStatus::executing) << "more may be enumerated";
  AppendWork rest;
  rest.complete = true;
  must_apply(this->ledger(), {rest});
  EXPECT_EQ(status(), TaskStatus::complete);
  EXPECT_EQ(this->ledger().tasks(10)->at(0).ended_batches, 2);
  EXPECT_EQ(this->ledger().tasks(10)->at(0).items, 2);
}

}  // namespace dunlin::store::test
