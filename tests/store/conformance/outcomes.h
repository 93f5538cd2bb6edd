// How items end, and in which counters.
// Part of the ledger conformance suite.
#pragma once

#include <array>

#include "store/conformance/suite.h"

namespace dunlin::store::test {

TYPED_TEST_P(LedgerConformance, KeepsEverythingOfAnOutcome) {
  this->append(1, 6);
  ItemOutcome full = completed(1, 40);
  full.checksum = "md5:00112233445566778899aabbccddeeff xxh3:ffeeddccbbaa99887766554433221100";
  full.proof = Proof::device;
  full.undo = std::string("\0u", 2);
  ItemOutcome odd = completed(2);
  odd.checksum = "sha256:short";
  odd.message = "with a note";
  ItemOutcome bad = failed(3);
  bad.error->native = {"errno", "EACCES"};
  bad.error->with_context("while copying").with_context("while migrating");
  bad.error->possibly_applied = true;
  bad.error->remediation = "do this";
  bad.error->retry_after_ms = 70;
  ItemOutcome why = skipped(4, std::string(300, 'w'));
  ItemOutcome refused = skipped(5, "");
  refused.error = Error(ErrorType::unsupported_item, "a socket");
  this->clock_.advance_ms(90'000);
  must_apply(
      this->ledger(),
      {start({{1, 1}}), RecordIntents{BatchId(1), 1, {{ItemId(6), "old"}, {ItemId(5), "five"}}},
       RecordIntents{BatchId(1), 1, {{ItemId(6), "inode 7"}}},
       RecordOutcomes{BatchId(1), 1, {full, odd, bad, why, refused}}});
  const auto items = this->ledger().items_of(BatchId(1), false);
  ASSERT_EQ(items->size(), 6U);
  EXPECT_EQ(items->at(0).checksum, full.checksum);
  EXPECT_EQ(items->at(0).proof, Proof::device);
  EXPECT_EQ(items->at(0).undo, full.undo);
  EXPECT_EQ(items->at(0).transferred_bytes, 40);
  EXPECT_EQ(items->at(0).ended_ms, this->clock_.wall_ms());
  EXPECT_EQ(items->at(1).checksum, "sha256:short");
  EXPECT_EQ(items->at(1).message, "with a note");
  EXPECT_EQ(items->at(1).transferred_bytes, 100);
  EXPECT_EQ(items->at(2).message, bad.error->message);
  EXPECT_EQ(items->at(3).message, std::string(300, 'w'));
  EXPECT_EQ(items->at(4).message, "a socket");
  EXPECT_EQ(items->at(4).intent, "five");
  EXPECT_EQ(items->at(5).intent, "inode 7");
  EXPECT_EQ(items->at(5).status, ItemStatus::pending);
  EXPECT_EQ(items->at(5).ended_ms, 0);
  const auto errors = this->ledger().errors({}, true);
  ASSERT_EQ(errors->size(), 2U);
  const ErrorRow& error = errors->at(0);
  EXPECT_EQ(error.item, ItemId(3));
  EXPECT_EQ(error.batch, BatchId(1));
  EXPECT_EQ(error.task, TaskId(1));
  EXPECT_EQ(error.attempt, 1);
  EXPECT_EQ(error.name, "item-3");
  EXPECT_EQ(error.time_ms, this->clock_.wall_ms());
  EXPECT_EQ(error.error.text(), bad.error->text());
  EXPECT_EQ(error.error.remediation, "do this");
  EXPECT_TRUE(error.error.possibly_applied);
  EXPECT_EQ(error.error.retry_after_ms, 70);
}

TYPED_TEST_P(LedgerConformance, AnItemThatIsTriedAgainCountsOnce) {
  this->append(1, 2);
  must_apply(this->ledger(),
             {start({{1, 1}}), RecordOutcomes{BatchId(1), 1, {again(2), again(1), again(2)}}});
  EXPECT_EQ(this->counters().retries, 3);
  EXPECT_EQ(this->counters().processed_bytes, 0);
  EXPECT_EQ(this->ledger().items_of(BatchId(1), true)->at(1).attempt, 2);
  EXPECT_EQ(this->ledger().items_of(BatchId(1), true)->at(1).message, "item 2 cannot be read");
  EXPECT_TRUE(this->ledger().errors({}, true)->empty());
  EXPECT_EQ(this->ledger().errors({}, false)->size(), 3U);
  EXPECT_TRUE(this->ledger().error_counts()->empty());
  must_apply(this->ledger(), {end(1, 1, BatchResult::done, {completed(1), completed(2)})});
  EXPECT_EQ(this->counters().succeeded_items, 2);
  EXPECT_EQ(this->ledger().items_of(BatchId(1), false)->at(1).attempt, 2);
}

TYPED_TEST_P(LedgerConformance, AWarningOfAnItemThatHasCompletedIsKeptBesideItsMessage) {
  this->append(1, 3);
  ItemOutcome warned = completed(1);
  warned.error = Error(ErrorType::lost_write, "written twice");
  ItemOutcome noted = completed(2);
  noted.message = "owner not preserved";
  noted.error = warned.error;
  must_apply(this->ledger(),
             {start({{1, 1}}), end(1, 1, BatchResult::done, {warned, noted, completed(3)})});
  EXPECT_EQ(this->counters().succeeded_items, 3);
  EXPECT_EQ(this->counters().failed_items, 0);
  const auto counts = this->ledger().error_counts();
  ASSERT_EQ(counts->size(), 1U);
  EXPECT_EQ(counts->front(), std::pair(std::string("lost_write"), std::int64_t{2}));
  const auto items = this->ledger().items_of(BatchId(1), false);
  EXPECT_EQ(items->at(0).message, "written twice");
  EXPECT_EQ(items->at(0).attempt, 1);
  EXPECT_EQ(items->at(1).message, "owner not preserved");
  EXPECT_EQ(items->at(2).message, "");
  EXPECT_TRUE(this->ledger().check().ok());
}

TYPED_TEST_P(LedgerConformance, RemarksCountWhatItemsThatDidNotFailSay) {
  this->append(1, 6);
  ItemOutcome noted = completed(1);
  noted.message = "owner not preserved";
  ItemOutcome too = completed(2);
  too.message = noted.message;
  must_apply(this->ledger(),
             {start({{1, 1}}), end(1, 1, BatchResult::done,
                                   {noted, too, skipped(3, "unchanged"), failed(4), completed(5),
                                    skipped(6, "owner not preserved")})});
  const auto remarks = this->ledger().remarks();
  ASSERT_EQ(remarks->size(), 3U);
  EXPECT_EQ(remarks->at(0).text, "owner not preserved");
  EXPECT_EQ(remarks->at(0).status, ItemStatus::completed);
  EXPECT_EQ(remarks->at(0).items, 2);
  EXPECT_EQ(remarks->at(1).items + remarks->at(2).items, 2);
}

TYPED_TEST_P(LedgerConformance, RemarksOfWhichThereAreTooManyAreCountedAsOne) {
  constexpr std::int64_t kItems = 400;
  this->append(1, kItems);
  std::vector<ItemOutcome> outcomes;
  for (std::int64_t n = 1; n <= kItems; ++n)
    outcomes.push_back(skipped(n, n % 4 == 0 ? "frequent" : "only of " + std::to_string(n)));
  must_apply(this->ledger(), {start({{1, 1}}), end(1, 1, BatchResult::done, outcomes)});
  const auto remarks = this->ledger().remarks();
  ASSERT_GE(remarks->size(), 3U);
  std::int64_t items = 0;
  std::int64_t together = 0;
  for (std::size_t n = 0; n < remarks->size(); ++n) {
    const Remark& remark = remarks->at(n);
    items += remark.items;
    if (remark.text.empty()) together += remark.items;
    if (remark.text == "frequent") {
      EXPECT_EQ(remark.items, kItems / 4);
    }
    if (n > 0) {
      EXPECT_LE(remark.items, remarks->at(n - 1).items);
    }
  }
  EXPECT_EQ(items, kItems);
  EXPECT_GT(together, 0);
}

TYPED_TEST_P(LedgerConformance, EachItemIsCountedAsWhatItsTaskSays) {
  AppendWork work;
  work.tasks = {task(1), task(2), task(3)};
  work.tasks[1].count_as = CountAs::directories;
  work.tasks[2].count_as = CountAs::steps;
  // Batch 4 waits for batch 3, which fails.
  work.batches = {batch(1, 1, 1, 2), batch(2, 2, 3, 3), batch(3, 3, 6, 2), batch(4, 2, 8, 1, {3})};
  work.complete = true;
  must_apply(this->ledger(), {work});
  EXPECT_EQ(this->ledger().batch(BatchId(2))->count_as, CountAs::directories);
  EXPECT_EQ(this->ledger().tasks(3)->at(2).count_as, CountAs::steps);
  EndBatch broken = end(3, 3, BatchResult::failed, {completed(6)});
  broken.error = Error(ErrorType::write_error, "disk");
  must_apply(
      this->ledger(),
      {start({{1, 1}, {2, 2}, {3, 3}}), end(1, 1, BatchResult::done, {completed(1), failed(2)}),
       end(2, 2, BatchResult::done, {completed(3), failed(4), skipped(5)}), broken});
  EndBatch verified = end(2, 12, BatchResult::done, {}, Pass::verify);
  verified.verified_items = 1;
  EndBatch compared = end(1, 11, BatchResult::done, {}, Pass::verify);
  compared.verified_items = 1;
  must_apply(this->ledger(), {start({{1, 11}, {2, 12}}, Pass::verify), verified, compared});

  Counters counters = this->counters();
  const auto expect = [&](CountAs count_as, const std::array<std::int64_t, 5>& wanted) {
    const OutcomeCounters& members = outcome_counters(count_as);
    const std::array<std::int64_t, 5> found = {counters.*members.total, counters.*members.succeeded,
                                               counters.*members.failed, counters.*members.skipped,
                                               counters.*members.rolled_back};
    EXPECT_EQ(found, wanted) << to_string(count_as);
  };
  expect(CountAs::items, {2, 1, 1, 0, 0});
  expect(CountAs::directories, {4, 1, 1, 2, 0});
  expect(CountAs::steps, {2, 1, 1, 0, 0});
  EXPECT_EQ(counters.verified_items, 1) << "of items alone";
  EXPECT_EQ(all_planned(counters), 8);
  EXPECT_EQ(all_ended(counters), 8) << "planned = succeeded + failed + skipped";
  EXPECT_EQ(all_failed(counters), 3);

  ReopenItems retry{{ItemId(4), ItemId(7)}, ItemStatus::pending, "uid 0 (cli)", {}};
  ReopenItems skip{{ItemId(2)}, ItemStatus::skipped, "uid 0 (cli)", {}};
  must_apply(this->ledger(), {retry, skip});
  counters = this->counters();
  expect(CountAs::items, {2, 1, 0, 1, 0});
  expect(CountAs::directories, {4, 1, 0, 1, 0});  // batch 4 may run again, too
  expect(CountAs::steps, {2, 1, 0, 0, 0});

  ItemOutcome undone = completed(1);
  undone.status = ItemStatus::rolled_back;
  ItemOutcome removed = completed(3);
  removed.status = ItemStatus::rolled_back;
  must_apply(this->ledger(), {start({{1, 21}, {2, 22}}, Pass::undo),
                              end(1, 21, BatchResult::done, {undone}, Pass::undo),
                              end(2, 22, BatchResult::done, {removed}, Pass::undo)});
  counters = this->counters();
  expect(CountAs::items, {2, 0, 0, 1, 1});
  expect(CountAs::directories, {4, 0, 0, 1, 1});
}

TYPED_TEST_P(LedgerConformance, StagedDirectoriesAndStepsCountAsSuch) {
  AppendWork work;
  work.tasks = {task(1), task(2)};
  work.tasks[0].count_as = CountAs::directories;
  work.tasks[1].count_as = CountAs::steps;
  work.batches = {batch(1, 1, 1, 2), batch(2, 2, 3, 2)};
  work.complete = true;
  must_apply(this->ledger(), {work, start({{1, 1}, {2, 2}}),
                              end(1, 1, BatchResult::staged, {completed(1), failed(2)}),
                              end(2, 2, BatchResult::staged, {completed(3), skipped(4)})});
  EXPECT_EQ(all_succeeded(this->counters()), 0) << "may still be lost";
  EXPECT_EQ(this->counters().failed_directories, 1);
  EXPECT_EQ(this->counters().skipped_steps, 1);
  must_apply(this->ledger(), {BeginCommit{}, UnstageAll{}});
  EXPECT_EQ(all_ended(this->counters()), 0);
  must_apply(this->ledger(), {start({{1, 11}, {2, 12}}),
                              end(1, 11, BatchResult::staged, {completed(1), completed(2)}),
                              end(2, 12, BatchResult::staged, {completed(3), completed(4)}),
                              BeginCommit{}, CompleteStaged{}});
  EXPECT_EQ(this->counters().succeeded_directories, 2);
  EXPECT_EQ(this->counters().succeeded_steps, 2);
  EXPECT_EQ(this->counters().succeeded_items, 0);
}

}  // namespace dunlin::store::test
