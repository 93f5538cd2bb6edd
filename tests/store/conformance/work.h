// What is journaled before anything is done: the execution itself, enumerated work, its
// directories. Part of the ledger conformance suite.
#pragma once

#include "store/conformance/suite.h"

namespace dunlin::store::test {

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
  EXPECT_EQ(row->counters.listed_directories, 2);
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

}  // namespace dunlin::store::test
