// What every Ledger must do. An implementation passes by instantiating LedgerConformance with a
// factory:
//
//   struct MyFactory { std::unique_ptr<Ledger> make(const ExecutionRow&, const Clock&); };
//   INSTANTIATE_TYPED_TEST_SUITE_P(My, LedgerConformance, MyFactory);
//
// After each test the ledger's own check() has to pass.
#pragma once

#include "store/ledger_fixture.h"

namespace dunlin::store::test {

template <typename Factory>
class LedgerConformance : public ::testing::Test {
 protected:
  void SetUp() override {
    ledger_ = factory_.make(execution_row(clock_.wall_ms()), clock_);
    ASSERT_NE(ledger_, nullptr);
  }
  void TearDown() override {
    if (ledger_ == nullptr) return;
    const Status checked = ledger_->check();
    EXPECT_TRUE(checked.ok()) << checked.error().text();
  }
  Ledger& ledger() { return *ledger_; }
  Counters counters() { return ledger_->execution()->counters; }

  /// Task 1 with batches 1..n of `items` items each.
  void append(std::int64_t batches, std::int64_t items, bool complete = true) {
    AppendWork work;
    work.tasks.push_back(task(1));
    for (std::int64_t i = 0; i < batches; ++i)
      work.batches.push_back(batch(i + 1, 1, i * items + 1, items));
    work.cursor_after = "cursor";
    work.complete = complete;
    must_apply(ledger(), {work});
  }

  ManualClock clock_;
  Factory factory_;
  std::unique_ptr<Ledger> ledger_;
};

TYPED_TEST_SUITE_P(LedgerConformance);

TYPED_TEST_P(LedgerConformance, KeepsTheExecutionRow) {
  const ExecutionRow wanted = execution_row(this->clock_.wall_ms());
  const auto row = this->ledger().execution();
  ASSERT_TRUE(row.ok()) << row.error().text();
  EXPECT_EQ(row->id, wanted.id);
  EXPECT_EQ(row->plan_id, wanted.plan_id);
  EXPECT_EQ(row->number, 7);
  EXPECT_EQ(row->kind, "files");
  EXPECT_EQ(row->plan_json, wanted.plan_json);
  EXPECT_EQ(row->settings_json, wanted.settings_json);
  EXPECT_EQ(row->mode, "full");
  EXPECT_EQ(row->status, ExecutionStatus::pending);
  EXPECT_EQ(row->claims, wanted.claims);
  EXPECT_EQ(row->counters, Counters{});
  EXPECT_EQ(*this->ledger().sequence(), 0);
}

TYPED_TEST_P(LedgerConformance, RunsABatchFromAppendToDone) {
  this->append(2, 3);
  EXPECT_EQ(ready_ids(this->ledger()), (std::vector<std::int64_t>{1, 2}));
  must_apply(this->ledger(), {start({{1, 10}})});
  EXPECT_EQ(ready_ids(this->ledger()), (std::vector<std::int64_t>{2}));
  EXPECT_EQ(ids(*this->ledger().open_batches()), (std::vector<std::int64_t>{1}));
  RecordOutcomes some{BatchId(1), 10, {completed(2), failed(1)}};
  must_apply(this->ledger(), {some, some});  // repeating is harmless
  EXPECT_EQ(this->counters().succeeded_items, 1);
  EXPECT_EQ(this->counters().failed_items, 1);
  EXPECT_EQ(this->ledger().items_of(BatchId(1), true)->size(), 1U);
  must_apply(this->ledger(),
             {end(1, 10, BatchResult::done, {skipped(3), failed(2)})});  // 2 has ended: left alone

  const Counters counters = this->counters();
  EXPECT_EQ(counters.total_items, 6);
  EXPECT_EQ(counters.total_bytes, 600);
  EXPECT_EQ(counters.succeeded_items, 1);
  EXPECT_EQ(counters.failed_items, 1);
  EXPECT_EQ(counters.skipped_items, 1);
  EXPECT_EQ(counters.processed_bytes, 300);
  EXPECT_EQ(counters.transferred_bytes, 100);
  EXPECT_EQ(counters.total_batches, 2);
  EXPECT_EQ(counters.ended_batches, 1);
  EXPECT_EQ(counters.failed_batches, 0);
  const auto items = this->ledger().items_of(BatchId(1), false);
  ASSERT_EQ(items->size(), 3U);
  EXPECT_EQ(items->at(0).status, ItemStatus::failed);
  EXPECT_EQ(items->at(0).message, "item 1 cannot be read");
  EXPECT_EQ(items->at(0).attempt, 1);
  EXPECT_EQ(items->at(1).status, ItemStatus::completed);
  EXPECT_EQ(items->at(1).action, "created");
  EXPECT_EQ(items->at(1).ended_ms, this->clock_.wall_ms());
  EXPECT_EQ(items->at(2).message, "identical");
  EXPECT_EQ(items->at(2).batch, BatchId(1));
  EXPECT_EQ(this->ledger().batch(BatchId(1))->status, BatchStatus::done);
}

// ---- AppendWork -------------------------------------------------------------------------------

TYPED_TEST_P(LedgerConformance, AppendKeepsWorkCursorAndFrontier) {
  AppendWork work;
  work.tasks = {task(1)};
  NewDirectory root;
  root.id = DirectoryId(1);
  root.open = true;
  NewDirectory sub;
  sub.id = DirectoryId(2);
  sub.parent = DirectoryId(1);
  sub.name = std::string("b\xff\n", 3);
  sub.detail = "mode";
  sub.open = true;
  work.directories = {root, sub};
  NewBatch first = batch(1, 1, 1, 2);
  first.items[0].directory = DirectoryId(1);
  first.items[1].directory = DirectoryId(2);
  first.items[1].name = std::string("x\0y", 3);
  work.batches = {first};
  work.cursor_after = std::string("c\0d", 3);
  must_apply(this->ledger(), {work});

  const auto row = this->ledger().execution();
  EXPECT_EQ(row->cursor, std::string("c\0d", 3));
  EXPECT_FALSE(row->enumeration_complete);
  EXPECT_EQ(row->counters.directories, 2);
  auto open = this->ledger().open_directories(10);
  ASSERT_EQ(open->size(), 2U);
  EXPECT_EQ(open->at(1).path, std::string("b\xff\n", 3));
  EXPECT_EQ(open->at(1).detail, "mode");
  EXPECT_EQ(this->ledger().open_directories(1)->size(), 1U);
  EXPECT_EQ(this->ledger().directories_before({}, 1)->at(0).id, DirectoryId(2));
  const auto first_alone = this->ledger().directories_before(DirectoryId(2), 10);
  ASSERT_EQ(first_alone->size(), 1U);
  EXPECT_EQ(first_alone->at(0).id, DirectoryId(1));
  const auto items = this->ledger().items_of(BatchId(1), true);
  EXPECT_EQ(items->at(1).directory_path, std::string("b\xff\n", 3));
  EXPECT_EQ(items->at(1).name, std::string("x\0y", 3));
  EXPECT_EQ(items->at(1).detail, "d");
  EXPECT_EQ(items->at(1).size, 100);
  EXPECT_EQ(this->ledger().batch(BatchId(1))->payload, "payload 1");
  EXPECT_EQ(this->ledger().batch(BatchId(1))->bytes, 200);

  AppendWork more;
  more.closed_directories = {DirectoryId(1)};
  more.complete = true;
  must_apply(this->ledger(), {more});
  open = this->ledger().open_directories(10);
  ASSERT_EQ(open->size(), 1U);
  EXPECT_EQ(open->at(0).id, DirectoryId(2));
  EXPECT_FALSE(this->ledger().directory(DirectoryId(1))->open);
  const auto last = this->ledger().last_ids();
  EXPECT_EQ(last->task, TaskId(1));
  EXPECT_EQ(last->batch, BatchId(1));
  EXPECT_EQ(last->item, ItemId(2));
  EXPECT_EQ(last->directory, DirectoryId(2));
  EXPECT_EQ(this->ledger().directory(DirectoryId(9)).error().type, ErrorType::not_found);
}

TYPED_TEST_P(LedgerConformance, AppendRefusesIdsThatAreNotNext) {
  this->append(2, 3, false);
  const auto refused = [&](auto&& spoil) {
    AppendWork work;
    work.batches = {batch(3, 1, 7, 2)};
    spoil(work);
    EXPECT_EQ(refusal(this->ledger(), work), ErrorType::defect);
  };
  refused([](AppendWork& work) { work.batches[0].id = BatchId(2); });
  refused([](AppendWork& work) { work.batches[0].id = BatchId(4); });
  refused([](AppendWork& work) { work.batches[0].task = TaskId(2); });
  refused([](AppendWork& work) { work.batches[0].items[1].id = ItemId(9); });
  refused([](AppendWork& work) { work.batches[0].items[0].id = ItemId(6); });
  refused([](AppendWork& work) { work.batches[0].items[0].size = -1; });
  refused([](AppendWork& work) { work.batches[0].items[0].directory = DirectoryId(5); });
  refused([](AppendWork& work) { work.batches[0].depends_on = {BatchId(3)}; });
  refused([](AppendWork& work) { work.batches[0].depends_on = {BatchId(4)}; });
  refused([](AppendWork& work) { work.tasks = {task(3)}; });
  refused([](AppendWork& work) { work.closed_directories = {DirectoryId(1)}; });
  refused([](AppendWork& work) {
    NewDirectory orphan;
    orphan.id = DirectoryId(1);
    orphan.parent = DirectoryId(7);
    work.directories = {orphan};
  });
  AppendWork rest;
  rest.complete = true;
  must_apply(this->ledger(), {rest});
  EXPECT_EQ(refusal(this->ledger(), AppendWork{}), ErrorType::defect) << "nothing after `complete`";
}

TYPED_TEST_P(LedgerConformance, FindsWhatWasJournaledForADirectory) {
  const auto add = [&](std::int64_t id, std::int64_t parent, std::string name, bool open,
                       std::vector<std::string> items, std::vector<DirectoryId> closed = {}) {
    const auto last = *this->ledger().last_ids();
    AppendWork work;
    if (last.task.value == 0) work.tasks = {task(1)};
    NewDirectory one;
    one.id = DirectoryId(id);
    one.parent = DirectoryId(parent);
    one.name = std::move(name);
    one.open = open;
    work.directories = {one};
    NewBatch made = batch(last.batch.value + 1, 1, last.item.value + 1,
                          static_cast<std::int64_t>(items.size()));
    for (std::size_t i = 0; i < items.size(); ++i) {
      made.items[i].directory = DirectoryId(id);
      made.items[i].name = items[i];
    }
    work.batches = {made};
    work.closed_directories = std::move(closed);
    must_apply(this->ledger(), {work});
  };
  Ledger& ledger = this->ledger();
  add(1, 0, "", true, {"a", "b"});
  EXPECT_TRUE(*ledger.has_item(DirectoryId(1), "a"));
  EXPECT_FALSE(*ledger.has_item(DirectoryId(1), "c"));
  add(2, 1, "sub", true, {"c"});
  EXPECT_FALSE(*ledger.has_item(DirectoryId(1), "c")) << "it is in another directory";
  EXPECT_TRUE(*ledger.has_item(DirectoryId(2), "c")) << "journaled after the first question";
  EXPECT_EQ(*ledger.find_directory(DirectoryId(1), "sub"), DirectoryId(2));
  EXPECT_EQ(*ledger.find_directory(DirectoryId(1), "other"), std::nullopt);
  add(3, 2, "deep", false, {"d"}, {DirectoryId(1), DirectoryId(2)});
  EXPECT_TRUE(*ledger.has_item(DirectoryId(1), "b")) << "closed directories still answer";
  EXPECT_TRUE(*ledger.has_item(DirectoryId(3), "d"));
  EXPECT_FALSE(*ledger.has_item(DirectoryId(3), "a"));
  EXPECT_EQ(*ledger.find_directory(DirectoryId(2), "deep"), DirectoryId(3));
  EXPECT_EQ(ledger.directory(DirectoryId(3))->path, "sub/deep");
}

TYPED_TEST_P(LedgerConformance, RemembersTheFirstOfThoseThatShareSomething) {
  Ledger& ledger = this->ledger();
  const std::string odd("\0\xff key", 6);
  AppendWork work;
  work.tasks = {task(1)};
  work.batches = {batch(1, 1, 1, 3)};
  work.first_items = {{odd, ItemId(2)}, {"other", ItemId(3)}};
  must_apply(ledger, {work});
  EXPECT_EQ(*ledger.first_item(odd), ItemId(2));
  EXPECT_EQ(*ledger.first_item("other"), ItemId(3));
  EXPECT_EQ(*ledger.first_item("\0"), std::nullopt);
  AppendWork more;
  more.batches = {batch(2, 1, 4, 1)};
  more.first_items = {{odd, ItemId(4)}};
  EXPECT_EQ(refusal(ledger, more), ErrorType::defect) << "the first stays the first";
  more.first_items = {{"twice", ItemId(4)}, {"twice", ItemId(4)}};
  EXPECT_EQ(refusal(ledger, more), ErrorType::defect);
  more.first_items = {{"third", ItemId(5)}};
  EXPECT_EQ(refusal(ledger, more), ErrorType::defect) << "there is no such item";
  more.first_items = {{"third", ItemId(1)}};
  must_apply(ledger, {more});
  EXPECT_EQ(*ledger.first_item("third"), ItemId(1)) << "of an older chunk";
}

// ---- Starts and ends --------------------------------------------------------------------------

TYPED_TEST_P(LedgerConformance, AStaleEpochChangesNothingAndAllAreRefused) {
  this->append(1, 1);
  EXPECT_EQ(*this->ledger().take_over(R"({"pid":1})"), 1);
  const std::vector<Mutation> mutations{start({{1, 1}}), AddMilestone{"first_byte"}};
  const auto applied = this->ledger().apply(0, mutations);
  ASSERT_TRUE(applied.ok());
  for (const Status& one : *applied) {
    ASSERT_FALSE(one.ok());
    EXPECT_EQ(one.error().type, ErrorType::stale_owner);
  }
  EXPECT_TRUE(this->ledger().milestones()->empty());
  EXPECT_EQ(this->ledger().batch(BatchId(1))->status, BatchStatus::pending);
  EXPECT_EQ(this->ledger().execution()->owner_json, R"({"pid":1})");
  EXPECT_EQ(refusal(this->ledger(), SetPhase{"loading"}, 2), ErrorType::stale_owner)
      << "nor one from the future";
  must_apply(this->ledger(), {start({{1, 1}})}, 1);
}

TYPED_TEST_P(LedgerConformance, ARefusedMutationLeavesTheOthersAlone) {
  this->append(2, 1);
  const std::int64_t sequence = *this->ledger().sequence();
  const std::vector<Mutation> mutations{start({{1, 5}}), start({{1, 6}}), SetPhase{"loading"},
                                        start({{2, 5}, {1, 7}})};
  const auto applied = this->ledger().apply(0, mutations);
  ASSERT_TRUE(applied.ok());
  EXPECT_TRUE(applied->at(0).ok());
  EXPECT_FALSE(applied->at(1).ok());
  EXPECT_TRUE(applied->at(2).ok());
  EXPECT_FALSE(applied->at(3).ok()) << "batch 1 executes already: batch 2 is not started either";
  EXPECT_EQ(*this->ledger().sequence(), sequence + 2);
  EXPECT_EQ(this->ledger().batch(BatchId(1))->token, 5);
  EXPECT_EQ(this->ledger().batch(BatchId(2))->status, BatchStatus::pending);
  EXPECT_EQ(this->ledger().execution()->phase, "loading");
}

TYPED_TEST_P(LedgerConformance, WritesUnderAnotherTokenAreRefused) {
  this->append(2, 2);
  must_apply(this->ledger(), {start({{1, 5}})});
  Ledger& ledger = this->ledger();
  EXPECT_EQ(refusal(ledger, start({{1, 6}})), ErrorType::invalid_state) << "it executes";
  EXPECT_EQ(refusal(ledger, RecordOutcomes{BatchId(1), 4, {completed(1)}}),
            ErrorType::invalid_state);
  EXPECT_EQ(refusal(ledger, RecordIntents{BatchId(1), 6, {}}), ErrorType::invalid_state);
  EXPECT_EQ(refusal(ledger, end(1, 4)), ErrorType::invalid_state);
  EXPECT_EQ(refusal(ledger, end(2, 0)), ErrorType::invalid_state) << "it was never started";
  EXPECT_EQ(refusal(ledger, end(9, 1)), ErrorType::defect);
  EXPECT_EQ(refusal(ledger, RecordOutcomes{BatchId(1), 5, {completed(3)}}), ErrorType::defect)
      << "of batch 2";
  EXPECT_EQ(refusal(ledger, end(1, 5, BatchResult::done, {completed(1)})), ErrorType::defect)
      << "item 2 would be lost";
  EXPECT_EQ(refusal(ledger, end(1, 5, BatchResult::done, {}, Pass::verify)), ErrorType::defect);
  EXPECT_EQ(refusal(ledger, start({{2, 1}, {2, 2}})), ErrorType::defect);
  must_apply(ledger, {end(1, 5, BatchResult::interrupted)});
  EXPECT_EQ(refusal(ledger, start({{1, 5}})), ErrorType::invalid_state)
      << "a token is never used again";
  must_apply(ledger, {start({{1, 6}})});
}

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

TYPED_TEST_P(LedgerConformance, AWaitEndsWithItsOwner) {
  this->append(1, 1);
  EndBatch later = end(1, 1, BatchResult::retry);
  later.not_before_ms = 5000;
  later.error = Error(ErrorType::deadlock_detected, "deadlock");
  must_apply(this->ledger(), {start({{1, 1}}), later});
  ReadyQuery query;
  query.now_ms = 10;  // the clock was set back
  EXPECT_THAT(ids(this->ledger().ready(query)->batches), ::testing::IsEmpty());
  ASSERT_TRUE(this->ledger().take_over("{}").ok());
  EXPECT_EQ(ids(this->ledger().ready(query)->batches), (std::vector<std::int64_t>{1}));
  EXPECT_TRUE(this->ledger().check().ok());
}

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

// ---- Dependencies -----------------------------------------------------------------------------

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

// ---- commit_scope execution -------------------------------------------------------------------

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

// ---- Verify and undo --------------------------------------------------------------------------

TYPED_TEST_P(LedgerConformance, VerifiesWhatIsDoneAndMayBeginAnew) {
  this->append(3, 2);
  must_apply(this->ledger(),
             {start({{1, 1}, {2, 1}}), end(1, 1, BatchResult::done, {completed(1), completed(2)}),
              end(2, 1, BatchResult::done, {completed(3), completed(4)})});
  EXPECT_EQ(ready_ids(this->ledger(), Pass::verify), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(refusal(this->ledger(), start({{3, 1}}, Pass::verify)), ErrorType::invalid_state);
  must_apply(this->ledger(), {start({{1, 2}}, Pass::verify)});
  EXPECT_EQ(this->ledger().open_batches()->at(0).pass, Pass::verify);
  EXPECT_EQ(this->counters().ended_batches, 2) << "verifying does not take a batch back";
  must_apply(this->ledger(), {end(1, 2, BatchResult::interrupted, {}, Pass::verify),
                              start({{1, 3}}, Pass::verify)});
  EndBatch verified = end(1, 3, BatchResult::done, {}, Pass::verify);
  verified.verified_items = 1;
  verified.differences = {{ItemId(2), Error(ErrorType::verification_mismatch, "size differs")}};
  must_apply(this->ledger(), {verified});
  EXPECT_EQ(this->counters().verified_items, 1);
  EXPECT_EQ(this->counters().verified_batches, 1);
  EXPECT_EQ(this->counters().differences, 1);
  EXPECT_TRUE(this->ledger().batch(BatchId(1))->verified);
  EXPECT_EQ(this->ledger().batch(BatchId(1))->status, BatchStatus::done);
  EXPECT_EQ(refusal(this->ledger(), start({{1, 4}}, Pass::verify)), ErrorType::invalid_state);
  EndBatch hopeless = end(2, 2, BatchResult::failed, {}, Pass::verify);
  hopeless.error = Error(ErrorType::permission_denied, "cannot read");
  must_apply(this->ledger(), {start({{2, 2}}, Pass::verify), hopeless});
  ReadyQuery query;
  query.pass = Pass::verify;
  EXPECT_EQ(this->ledger().ready(query)->unfinished, 0)
      << "what cannot be verified is not asked for ever";
  EXPECT_FALSE(this->ledger().batch(BatchId(2))->verified);
  EXPECT_EQ(this->ledger().errors({}, true)->size(), 2U);

  must_apply(this->ledger(), {ResetVerification{}});
  EXPECT_EQ(this->counters().verified_items, 0);
  EXPECT_EQ(this->counters().differences, 0);
  EXPECT_TRUE(this->ledger().errors({}, true)->empty());
  EXPECT_EQ(ready_ids(this->ledger(), Pass::verify), (std::vector<std::int64_t>{1, 2}));
}

TYPED_TEST_P(LedgerConformance, UndoGoesBackwardsAndKeepsWhatWasChangedByOthers) {
  AppendWork work;
  work.tasks = {task(1), task(2, 1, true)};
  work.batches = {batch(1, 1, 1, 1), batch(2, 1, 2, 3, {1}), batch(3, 2, 5, 1), batch(4, 1, 6, 2)};
  work.complete = true;
  must_apply(
      this->ledger(),
      {work, start({{1, 1}, {4, 1}}), end(1, 1, BatchResult::done, {completed(1)}), start({{2, 1}}),
       end(2, 1, BatchResult::done, {completed(2), completed(3), skipped(4)}),
       RecordOutcomes{BatchId(4), 1, {completed(6)}}});
  EndBatch broken = end(4, 1, BatchResult::failed);
  broken.error = Error(ErrorType::write_error, "disk");
  must_apply(this->ledger(),
             {broken, start({{3, 1}}), end(3, 1, BatchResult::done, {completed(5)})});
  EXPECT_EQ(this->counters().succeeded_items, 5);

  EXPECT_EQ(ready_ids(this->ledger(), Pass::undo), (std::vector<std::int64_t>{3}))
      << "the barrier stage first";
  must_apply(this->ledger(), {start({{3, 2}}, Pass::undo)});
  EXPECT_TRUE(ready_ids(this->ledger(), Pass::undo).empty()) << "it is not done yet";
  ItemOutcome back = completed(5);
  back.status = ItemStatus::rolled_back;
  back.action = "removed";
  must_apply(this->ledger(), {end(3, 2, BatchResult::done, {back}, Pass::undo)});
  EXPECT_EQ(ready_ids(this->ledger(), Pass::undo), (std::vector<std::int64_t>{4, 2}))
      << "newest first; what failed half-way has something to take back; batch 1 waits for its "
         "dependant";
  must_apply(this->ledger(),
             {start({{2, 2}}, Pass::undo), end(2, 2, BatchResult::interrupted, {}, Pass::undo)});
  EXPECT_EQ(this->ledger().batch(BatchId(2))->status, BatchStatus::done);
  back.item = ItemId(2);
  ItemOutcome kept = failed(3, ErrorType::destination_changed);
  must_apply(this->ledger(),
             {start({{2, 3}}, Pass::undo), RecordOutcomes{BatchId(2), 3, {back, kept}},
              end(2, 3, BatchResult::done, {back}, Pass::undo)});
  const auto items = this->ledger().items_of(BatchId(2), false);
  EXPECT_EQ(items->at(0).status, ItemStatus::rolled_back);
  EXPECT_EQ(items->at(0).action, "removed");
  EXPECT_EQ(items->at(1).status, ItemStatus::completed) << "it still stands at the destination";
  EXPECT_EQ(items->at(1).message, "item 3 cannot be read");
  EXPECT_EQ(this->counters().rolled_back_items, 2);
  EXPECT_EQ(this->counters().succeeded_items, 3);
  EXPECT_EQ(this->counters().undone_batches, 2);
  EXPECT_EQ(this->counters().failed_batches, 1);
  EXPECT_EQ(this->ledger().errors(Where().error_type("destination_changed"), true)->size(), 1U);
  EXPECT_EQ(ready_ids(this->ledger(), Pass::undo), (std::vector<std::int64_t>{4, 1}));

  EndBatch hopeless = end(4, 2, BatchResult::failed, {}, Pass::undo);
  hopeless.error = Error(ErrorType::permission_denied, "cannot remove");
  must_apply(this->ledger(), {start({{4, 2}}, Pass::undo), hopeless});
  back.item = ItemId(1);
  must_apply(this->ledger(),
             {start({{1, 2}}, Pass::undo), end(1, 2, BatchResult::done, {back}, Pass::undo)});
  ReadyQuery query;
  query.pass = Pass::undo;
  EXPECT_EQ(this->ledger().ready(query)->unfinished, 0);
  EXPECT_EQ(this->ledger().batch(BatchId(4))->status, BatchStatus::failed);
  must_apply(this->ledger(),
             {SetStatus{}, SetStatus{ExecutionStatus::rolling_back, "", "", "test"}});
  EXPECT_EQ(ready_ids(this->ledger(), Pass::undo), (std::vector<std::int64_t>{4}))
      << "a new rollback tries again";
}

// ---- Retry and skip ---------------------------------------------------------------------------

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
}

// ---- The execution as a whole -----------------------------------------------------------------

TYPED_TEST_P(LedgerConformance, FollowsTheStateMachine) {
  using enum ExecutionStatus;
  const auto go = [&](ExecutionStatus to) {
    must_apply(this->ledger(), {SetStatus{to, "", "", "me"}});
  };
  const auto refused = [&](ExecutionStatus to) {
    EXPECT_EQ(refusal(this->ledger(), SetStatus{to, "", "", "me"}), ErrorType::invalid_state)
        << to_string(to);
  };
  const std::int64_t t0 = this->clock_.wall_ms();
  for (const auto to : {pending, paused, completed, failed, rolling_back, rolled_back}) refused(to);
  must_apply(this->ledger(), {SetStatus{running, "loading", "", "me"}});
  EXPECT_EQ(this->ledger().execution()->attempt, 1);
  EXPECT_EQ(this->ledger().execution()->started_ms, t0);
  refused(running);
  this->clock_.advance_ms(1000);
  must_apply(this->ledger(), {SetStatus{paused, "", R"({"type":"disk_full"})", "me"}});
  EXPECT_EQ(this->ledger().execution()->paused_since_ms, t0 + 1000);
  EXPECT_EQ(this->ledger().execution()->reason_json, R"({"type":"disk_full"})");
  EXPECT_EQ(this->ledger().execution()->phase, "loading");
  refused(completed);
  this->clock_.advance_ms(500);
  go(running);
  auto row = *this->ledger().execution();
  EXPECT_EQ(row.attempt, 2);
  EXPECT_EQ(row.paused_ms_total, 500);
  EXPECT_EQ(row.paused_since_ms, 0);
  EXPECT_EQ(row.reason_json, "");
  EXPECT_EQ(row.started_ms, t0);
  go(completed);
  EXPECT_EQ(this->ledger().execution()->ended_ms, t0 + 1500);
  go(running);
  EXPECT_EQ(this->ledger().execution()->ended_ms, 0);
  go(cancelled);
  refused(running);
  go(rolling_back);
  refused(running);
  go(paused);
  go(rolling_back);
  go(rolled_back);
  for (const auto to : {pending, running, paused, completed, failed, cancelled, rolling_back})
    refused(to);
  std::vector<std::string> actions;
  const auto entries = this->ledger().audit(0, 100);
  for (const AuditRow& one : *entries) actions.push_back(one.action);
  EXPECT_EQ(actions,
            (std::vector<std::string>{
                "execution.started", "execution.paused", "execution.resumed", "execution.completed",
                "execution.resumed", "execution.cancelled", "execution.rolling_back",
                "execution.paused", "execution.rolling_back", "execution.rolled_back"}));
  EXPECT_EQ(this->ledger().audit(0, 1)->at(0).actor, "me");
}

TYPED_TEST_P(LedgerConformance, KeepsMilestonesAuditErrorsRootsAndSettings) {
  must_apply(this->ledger(), {AddMilestone{"first_byte"}});
  this->clock_.advance_ms(10);
  must_apply(
      this->ledger(),
      {AddMilestone{"first_byte"}, AddMilestone{"done"}, AddAudit{"uid 0 (cli)", "limits", "{}"},
       AddError{Error(ErrorType::root_changed, "another disk"), {}, {}}, SetRoots{"r1"},
       SetRoots{"r1"}, SetSettings{R"({"batch_size":5})"}, SetPhase{"preflight"}});
  const auto milestones = this->ledger().milestones();
  ASSERT_EQ(milestones->size(), 2U);
  EXPECT_EQ(milestones->at(0).name, "first_byte");
  EXPECT_EQ(milestones->at(0).time_ms + 10, this->clock_.wall_ms())
      << "the first occurrence counts";
  EXPECT_EQ(this->ledger().audit(0, 10)->back().actor, "uid 0 (cli)");
  EXPECT_EQ(this->ledger().errors(Where().error_type("system"), true)->at(0).error.message,
            "another disk");
  EXPECT_TRUE(this->ledger().errors(Where().error_type("transient"), true)->empty());
  EXPECT_TRUE(this->ledger().errors(Where().error_type("no such type'"), true)->empty());
  EXPECT_EQ(refusal(this->ledger(), SetRoots{"r2"}), ErrorType::invalid_state);
  const auto row = this->ledger().execution();
  EXPECT_EQ(row->roots, "r1");
  EXPECT_EQ(row->settings_json, R"({"batch_size":5})");
  EXPECT_EQ(row->phase, "preflight");
  EXPECT_EQ(*this->ledger().sequence(), 9);
}

TYPED_TEST_P(LedgerConformance, FiltersItemsAndErrorsAndPagesThem) {
  this->append(3, 4);
  must_apply(
      this->ledger(),
      {start({{1, 1}, {2, 1}}),
       end(1, 1, BatchResult::done,
           {failed(1), completed(2), failed(3, ErrorType::read_error), skipped(4)}),
       RecordOutcomes{BatchId(2), 1, {failed(5, ErrorType::network_timeout), completed(6)}}});
  const auto found = [&](ItemFilter filter) {
    std::vector<std::int64_t> list;
    const auto items = this->ledger().items(filter);
    EXPECT_TRUE(items.ok()) << items.error().text();
    for (const ItemRow& one : *items) list.push_back(one.id.value);
    return list;
  };
  using Ids = std::vector<std::int64_t>;
  EXPECT_EQ(found(Where().status(ItemStatus::failed)), (Ids{1, 3, 5}));
  EXPECT_EQ(found(Where().status(ItemStatus::failed).batch(BatchId(1))), (Ids{1, 3}));
  EXPECT_EQ(found(Where().status(ItemStatus::failed).after(ItemId(1)).limit(1)), (Ids{3}));
  EXPECT_EQ(found(Where().status(ItemStatus::failed).error_type("read_error")), (Ids{3}));
  EXPECT_EQ(found(Where().error_type("constraint")), (Ids{1, 3}));
  EXPECT_EQ(found(Where().status(ItemStatus::completed)), (Ids{2, 6}));
  EXPECT_EQ(found(Where().status(ItemStatus::skipped)), (Ids{4}));
  EXPECT_EQ(found(Where().status(ItemStatus::executing)), (Ids{7, 8}));
  EXPECT_EQ(found(Where().status(ItemStatus::pending).after(ItemId(8))), (Ids{9, 10, 11, 12}));
  EXPECT_EQ(found(Where().item(ItemId(6))), (Ids{6}));
  EXPECT_EQ(found(Where().after(ItemId(2)).limit(3)), (Ids{3, 4, 5}));
  EXPECT_EQ(this->ledger().items(Where().item(ItemId(6)))->at(0).batch, BatchId(2));
  EXPECT_EQ(this->ledger().errors(Where().batch(BatchId(1)), true)->size(), 2U);
  EXPECT_EQ(this->ledger().errors(Where().item(ItemId(5)), true)->at(0).error.type,
            ErrorType::network_timeout);
  EXPECT_EQ(this->ledger().errors(Where().after(ItemId(1)).limit(1), true)->at(0).id, 2);
  EXPECT_EQ(this->ledger().error_counts()->size(), 3U);
  EXPECT_EQ(this->ledger().items(Where().batch(BatchId(9))).error().type, ErrorType::not_found);
  EXPECT_EQ(this->ledger().items_of(BatchId(9), false).error().type, ErrorType::not_found);
}

TYPED_TEST_P(LedgerConformance, CheckpointsAreDerivedAndTheNewestStays) {
  this->append(3, 2);
  must_apply(this->ledger(),
             {start({{1, 1}, {2, 1}}), end(1, 1, BatchResult::done, {completed(1), failed(2)})});
  must_apply(this->ledger(), {AddCheckpoint{}});
  auto checkpoints = this->ledger().checkpoints();
  ASSERT_EQ(checkpoints->size(), 1U);
  const CheckpointRow& one = checkpoints->at(0);
  EXPECT_TRUE(one.valid);
  EXPECT_EQ(one.last_processed_batch, 1);
  EXPECT_EQ(one.last_processed_record_id, 2);
  EXPECT_EQ(one.pending_batch_ids, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(one.error_summary_json, R"({"permission_denied":1})");
  EXPECT_EQ(one.ledger_sequence, *this->ledger().sequence());
  EXPECT_NE(one.cumulative_stats_json.find(R"("succeeded_items":1)"), std::string::npos);
  for (int i = 0; i < 4; ++i) must_apply(this->ledger(), {AddCheckpoint{3, 1000}});
  EXPECT_EQ(this->ledger().checkpoints()->size(), 3U);
  this->clock_.advance_ms(2000);
  must_apply(this->ledger(), {AddCheckpoint{3, 1000}});
  EXPECT_EQ(this->ledger().checkpoints()->size(), 1U) << "the others expired";
  must_apply(this->ledger(), {AddCheckpoint{0, -5000}});
  EXPECT_EQ(this->ledger().checkpoints()->size(), 1U) << "the newest never does";
}

TYPED_TEST_P(LedgerConformance, TheAuditChainNamesEveryBatch) {
  this->append(2, 2);
  EndBatch broken = end(2, 1, BatchResult::failed);
  broken.error = Error(ErrorType::write_error, "disk");
  must_apply(this->ledger(), {start({{1, 1}, {2, 1}}),
                              end(1, 1, BatchResult::done, {completed(1), skipped(2)}), broken});
  const auto entries = this->ledger().audit(0, 10);
  ASSERT_EQ(entries->size(), 2U);
  EXPECT_EQ(entries->at(0).action, "batch.completed");
  EXPECT_NE(entries->at(0).detail_json.find(R"("actions":{"created":1})"), std::string::npos)
      << entries->at(0).detail_json;
  EXPECT_NE(entries->at(0).detail_json.find(R"("segment":")"), std::string::npos);
  EXPECT_EQ(entries->at(1).action, "batch.failed");
  EXPECT_EQ(entries->at(1).hash.size(), 64U);
  EXPECT_NE(entries->at(0).hash, entries->at(1).hash);
  EXPECT_EQ(this->ledger().audit(1, 10)->size(), 1U);
}

TYPED_TEST_P(LedgerConformance, AnEmptyGroupIsNothing) {
  const auto applied = this->ledger().apply(0, {});
  ASSERT_TRUE(applied.ok());
  EXPECT_TRUE(applied->empty());
  EXPECT_EQ(*this->ledger().sequence(), 0);
}

REGISTER_TYPED_TEST_SUITE_P(
    LedgerConformance, KeepsTheExecutionRow, RunsABatchFromAppendToDone,
    AppendKeepsWorkCursorAndFrontier, AppendRefusesIdsThatAreNotNext,
    FindsWhatWasJournaledForADirectory, RemembersTheFirstOfThoseThatShareSomething,
    AStaleEpochChangesNothingAndAllAreRefused, ARefusedMutationLeavesTheOthersAlone,
    WritesUnderAnotherTokenAreRefused, KeepsEverythingOfAnOutcome, AnItemThatIsTriedAgainCountsOnce,
    ARetriedBatchWaitsForItsTime, AWaitEndsWithItsOwner, ReadyFollowsPriorityStageAndId,
    ABarrierWaitsForEnumerationAndAllStagesBelow, DependantsWaitAndAreSkippedWithTheCause,
    WorkThatDependsOnAFailureIsSkippedAsItIsAppended, TaskStatusFollowsItsBatches,
    StagedBatchesCountWhenTheTargetHasCommitted, UnstagingMakesEverythingPendingAgain,
    ACommitStandsWhenALaterTransactionIsLost, VerifiesWhatIsDoneAndMayBeginAnew,
    UndoGoesBackwardsAndKeepsWhatWasChangedByOthers, RetryReopensFailedItemsAndLeavesTheRest,
    RetryOfAFailedBatchBringsItsDependantsBack, FollowsTheStateMachine,
    KeepsMilestonesAuditErrorsRootsAndSettings, FiltersItemsAndErrorsAndPagesThem,
    CheckpointsAreDerivedAndTheNewestStays, TheAuditChainNamesEveryBatch, AnEmptyGroupIsNothing);

}  // namespace dunlin::store::test
