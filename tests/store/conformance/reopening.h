// Retry: what has ended is opened again.
// Part of the ledger conformance suite.
#pragma once

#include <array>

#include "store/conformance/suite.h"

namespace dunlin::store::test {

TYPED_TEST_P(LedgerConformance, RetryReopensFailedItemsAndLeavesTheRest) {
  this->append(2, 3);
  must_apply(
      this->ledger(),
      {start({{1, 1}, {2, 1}}), end(1, 1, BatchResult::done, {completed(1), failed(2), failed(3)}),
       end(2, 1, BatchResult::done, {completed(4), completed(5), skipped(6)})});
  EndBatch verified = end(1, 2, BatchResult::done, {}, Pass::verify);
  verified.verified_items = 1;
  must_apply(this->ledger(), {start({{1, 2}}, Pass::verify), verified});
  EXPECT_EQ(this->ledger().error_counts()->at(0),
            (std::pair<std::string, std::int64_t>("permission_denied", 2)));

  must_apply(
      this->ledger(),
      {ReopenItems{{ItemId(2), ItemId(1), ItemId(6), ItemId(99)}, ItemStatus::pending, "me", {}}});
  Counters counters = this->counters();
  EXPECT_EQ(counters.failed_items, 1);
  EXPECT_EQ(counters.succeeded_items, 3);
  EXPECT_EQ(counters.skipped_items, 1) << "skipped for a reason of its own: left alone";
  EXPECT_EQ(counters.ended_batches, 1);
  EXPECT_EQ(counters.verified_batches, 0);
  EXPECT_EQ(counters.verified_items, 0);
  EXPECT_EQ(counters.processed_bytes, 500);
  EXPECT_EQ(ready_ids(this->ledger()), (std::vector<std::int64_t>{1}));
  const auto items = this->ledger().items_of(BatchId(1), true);
  ASSERT_EQ(items->size(), 1U);
  EXPECT_EQ(items->at(0).id, ItemId(2));
  EXPECT_EQ(items->at(0).attempt, 0);
  EXPECT_EQ(this->ledger().error_counts()->at(0).second, 1);
  EXPECT_EQ(this->ledger().errors(Where().item(ItemId(2)), false)->at(0).final, false);
  must_apply(this->ledger(), {start({{1, 3}}), end(1, 3, BatchResult::done, {completed(2)})});
  EXPECT_EQ(this->counters().succeeded_items, 4);

  must_apply(this->ledger(), {ReopenItems{{ItemId(3), ItemId(2)}, ItemStatus::skipped, "me", {}}});
  counters = this->counters();
  EXPECT_EQ(counters.failed_items, 0);
  EXPECT_EQ(counters.skipped_items, 2);
  EXPECT_EQ(counters.succeeded_items, 4);
  EXPECT_EQ(counters.ended_batches, 2) << "skipping opens nothing";
  EXPECT_EQ(this->ledger().items(Where().item(ItemId(3)))->at(0).message, "skipped by me");
  EXPECT_TRUE(this->ledger().error_counts()->empty());
  EXPECT_EQ(refusal(this->ledger(), ReopenItems{{ItemId(3)}, ItemStatus::completed, "me", {}}),
            ErrorType::defect);
}

TYPED_TEST_P(LedgerConformance, ARetryOfSingleItemsAnswersThemUntilTheyAreSkipped) {
  this->append(1, 3);
  const auto answered = [&] {
    std::vector<std::int64_t> ids;
    const auto found = this->ledger().answered_items();
    for (const ItemId item : *found) ids.push_back(item.value);
    return ids;
  };
  must_apply(this->ledger(),
             {start({{1, 1}}), end(1, 1, BatchResult::done, {failed(1), failed(2), failed(3)}),
              ReopenItems{{ItemId(1)}, ItemStatus::pending, "me", {}}});
  EXPECT_TRUE(answered().empty()) << "a retry of whatever has failed is no answer";
  must_apply(this->ledger(),
             {ReopenItems{{ItemId(2), ItemId(3)}, ItemStatus::pending, "me", {}, true}});
  EXPECT_EQ(answered(), (std::vector<std::int64_t>{2, 3}));
  EXPECT_THAT(this->ledger().audit(0, 100)->back().detail_json,
              ::testing::HasSubstr("\"answered\":[2,3]"));
  must_apply(this->ledger(),
             {start({{1, 2}}), end(1, 2, BatchResult::done, {completed(1), failed(2), failed(3)}),
              ReopenItems{{ItemId(3)}, ItemStatus::skipped, "me", {}, true}});
  EXPECT_EQ(answered(), (std::vector<std::int64_t>{2}));
}

TYPED_TEST_P(LedgerConformance, WhatIsDoubtedIsOpenAgainWithAllThatSettlesIt) {
  AppendWork work;
  work.tasks = {task(1), task(2, 1, true)};
  work.batches = {batch(1, 1, 1, 1), batch(2, 1, 2, 3), batch(3, 1, 5, 1), batch(4, 2, 6, 1)};
  work.complete = true;
  ItemOutcome proven = completed(2, 60);
  proven.undo = "undo of 2";
  proven.checksum = "md5:00112233445566778899aabbccddeeff";
  proven.proof = Proof::device;
  proven.message = "without its owner";
  proven.placed_name = "2 beside it";
  proven.kept_bytes = 7;
  must_apply(this->ledger(),
             {SetStatus{}, work, start({{1, 1}, {2, 1}, {3, 1}}),
              RecordIntents{BatchId(2), 1, {{ItemId(2), "intent of 2"}, {ItemId(3), "of 3"}}},
              end(1, 1, BatchResult::done, {completed(1)}),
              end(2, 1, BatchResult::done, {proven, failed(3), skipped(4)}),
              end(3, 1, BatchResult::done, {failed(5)}), start({{4, 1}}),
              end(4, 1, BatchResult::done, {completed(6)})});
  must_apply(this->ledger(), {ReopenItems{{ItemId(5)}, ItemStatus::skipped, "me", {}},
                              SetStatus{ExecutionStatus::completed, "reporting", "", "me"}});
  EXPECT_EQ(this->counters().kept_bytes, 7);

  must_apply(this->ledger(), {DoubtBatches{BatchId(2), "me"}});
  const auto row = this->ledger().execution();
  EXPECT_EQ(row->status, ExecutionStatus::paused);
  EXPECT_EQ(row->phase, "loading");
  EXPECT_EQ(row->counters.succeeded_items, 1);
  EXPECT_EQ(row->counters.failed_items, 0);
  EXPECT_EQ(row->counters.skipped_items, 1) << "by a person";
  EXPECT_EQ(row->counters.kept_bytes, 0);
  EXPECT_EQ(row->counters.transferred_bytes, 100);
  EXPECT_EQ(row->counters.ended_batches, 1);
  EXPECT_TRUE(this->ledger().error_counts()->empty());
  const auto open = this->ledger().open_batches();
  EXPECT_EQ(ids(*open), (std::vector<std::int64_t>{2, 3, 4})) << "a barrier comes after all";
  for (const BatchRow& one : *open) EXPECT_TRUE(one.doubted);
  EXPECT_EQ(open->front().token, 1);
  const auto items = this->ledger().items_of(BatchId(2), true);
  ASSERT_EQ(items->size(), 3U);
  EXPECT_EQ(items->at(0).intent, "undo of 2");
  EXPECT_EQ(items->at(0).checksum, proven.checksum);
  EXPECT_EQ(items->at(0).proof, Proof::device);
  EXPECT_EQ(items->at(0).message, "without its owner");
  EXPECT_EQ(items->at(0).attempt, 0);
  EXPECT_TRUE(items->at(0).placed_name.empty());
  EXPECT_EQ(items->at(1).intent, "of 3") << "a retry may want to know what was begun";
  EXPECT_TRUE(this->ledger().check().ok()) << this->ledger().check().error().text();
  EXPECT_EQ(this->ledger().audit(0, 1000)->back().action, "execution.doubted");

  must_apply(this->ledger(),
             {SetStatus{}, end(2, 1, BatchResult::interrupted, {completed(2, 60)}),
              end(3, 1, BatchResult::done), end(4, 1, BatchResult::interrupted), start({{2, 2}}),
              end(2, 2, BatchResult::done, {completed(3), skipped(4)}), start({{4, 2}})});
  EXPECT_FALSE(this->ledger().batch(BatchId(4))->doubted);
  must_apply(this->ledger(), {end(4, 2, BatchResult::done, {completed(6)})});
  EXPECT_EQ(this->counters().succeeded_items, 4);
  EXPECT_TRUE(this->ledger().check().ok()) << this->ledger().check().error().text();

  EXPECT_EQ(refusal(this->ledger(), DoubtBatches{BatchId(1), "me"}), ErrorType::invalid_state)
      << "while it runs";
  must_apply(this->ledger(), {SetStatus{ExecutionStatus::rolling_back, "rolling_back", "", "me"},
                              SetStatus{ExecutionStatus::paused, "", "", "me"}});
  EXPECT_EQ(refusal(this->ledger(), DoubtBatches{BatchId(1), "me"}), ErrorType::invalid_state)
      << "while it is taken back";
}

TYPED_TEST_P(LedgerConformance, RetryOfAFailedBatchBringsItsDependantsBack) {
  AppendWork work;
  work.tasks = {task(1), task(2, 1, true)};
  work.batches = {batch(1, 1, 1, 1), batch(2, 1, 2, 0), batch(3, 1, 2, 2, {1}),
                  batch(4, 1, 4, 1, {3, 2}), batch(5, 2, 5, 1)};
  work.complete = true;
  EndBatch one = end(1, 1, BatchResult::failed);
  one.error = Error(ErrorType::migration_failed, "one");
  EndBatch two = end(2, 1, BatchResult::failed);
  two.error = Error(ErrorType::migration_failed, "two");
  must_apply(this->ledger(), {work, start({{1, 1}, {2, 1}}), one, two, start({{5, 1}}),
                              end(5, 1, BatchResult::done, {completed(5)})});
  EXPECT_EQ(this->counters().ended_batches, 5);

  must_apply(this->ledger(), {ReopenItems{{ItemId(4)}, ItemStatus::pending, "me", {}}});
  EXPECT_EQ(this->ledger().batch(BatchId(4))->status, BatchStatus::skipped)
      << "its causes still stand";
  must_apply(this->ledger(), {ReopenItems{{ItemId(1)}, ItemStatus::pending, "me", {}}});
  EXPECT_EQ(this->ledger().batch(BatchId(1))->status, BatchStatus::pending);
  EXPECT_EQ(this->ledger().batch(BatchId(3))->status, BatchStatus::pending);
  EXPECT_EQ(this->ledger().batch(BatchId(4))->status, BatchStatus::skipped)
      << "batch 2 still stands as failed";
  EXPECT_EQ(this->ledger().batch(BatchId(5))->status, BatchStatus::done)
      << "an ended barrier stays ended";
  EXPECT_EQ(this->counters().skipped_items, 1);
  EXPECT_EQ(ready_ids(this->ledger()), (std::vector<std::int64_t>{1}));
  must_apply(this->ledger(), {ReopenItems{{}, ItemStatus::pending, "me", {BatchId(2)}}});
  EXPECT_EQ(this->ledger().batch(BatchId(4))->status, BatchStatus::pending);
  EXPECT_EQ(this->counters().ended_batches, 1);
  EXPECT_EQ(this->counters().failed_batches, 0);
  EXPECT_EQ(this->counters().skipped_items, 0);
  EXPECT_TRUE(this->ledger().error_counts()->empty());
  must_apply(this->ledger(),
             {start({{1, 2}, {2, 2}}), end(1, 2, BatchResult::done, {completed(1)}), end(2, 2)});
  EXPECT_EQ(ready_ids(this->ledger()), (std::vector<std::int64_t>{3}));
  EXPECT_GT(this->ledger().batch(BatchId(3))->token, 0)
      << "what came after it has ended meanwhile: it runs as one that was begun before";
}

TYPED_TEST_P(LedgerConformance, ARetryOpensWhatFollowsTheContentsOfItsDirectory) {
  // 1 is the root, 2 is in it, 3 in 2; 4 is beside 2. Items 1 to 4 are in 3, 4, 3 and 1.
  AppendWork work;
  work.tasks = {task(1), task(2, 1, true)};
  work.tasks[1].follows_contents = true;
  const std::array<std::int64_t, 4> parents = {0, 1, 2, 1};
  for (std::size_t n = 0; n < parents.size(); ++n) {
    NewDirectory one;
    one.id = DirectoryId(static_cast<std::int64_t>(n) + 1);
    one.parent = DirectoryId(parents[n]);
    one.name = n == 0 ? "" : "d" + std::to_string(n);
    work.directories.push_back(one);
  }
  work.batches = {batch(1, 1, 1, 4), batch(2, 2, 5, 2), batch(3, 2, 7, 2, {2})};
  const std::array<std::int64_t, 8> directories = {3, 4, 3, 1, 4, 3, 2, 1};
  std::size_t at = 0;
  for (NewBatch& one : work.batches) {
    for (NewItem& item : one.items) item.directory = DirectoryId(directories[at++]);
  }
  work.complete = true;
  must_apply(this->ledger(), {work});
  EXPECT_TRUE(this->ledger().tasks(2)->at(1).follows_contents);
  must_apply(this->ledger(),
             {start({{1, 1}}),
              end(1, 1, BatchResult::done, {failed(1), failed(2), completed(3), completed(4)}),
              start({{2, 2}}), end(2, 2, BatchResult::done, {skipped(5), skipped(6)}),
              start({{3, 3}}), end(3, 3, BatchResult::done, {skipped(7), completed(8)})});
  must_apply(this->ledger(), {ReopenItems{{ItemId(1)}, ItemStatus::pending, "uid 0 (cli)", {}}});

  std::string statuses;
  const auto items = this->ledger().items({});
  for (const ItemRow& item : *items) statuses += std::string(to_string(item.status)) + " ";
  EXPECT_EQ(statuses, "pending failed completed completed skipped pending pending completed ");
  EXPECT_EQ(ready_ids(this->ledger()), (std::vector<std::int64_t>{1})) << "a barrier again";
  must_apply(this->ledger(), {start({{1, 11}}), end(1, 11, BatchResult::done, {completed(1)}),
                              start({{2, 12}}), end(2, 12, BatchResult::done, {completed(6)}),
                              start({{3, 13}}), end(3, 13, BatchResult::done, {completed(7)})});
  EXPECT_EQ(this->counters().skipped_items, 1);
  EXPECT_EQ(this->counters().ended_batches, 3);
}

}  // namespace dunlin::store::test
