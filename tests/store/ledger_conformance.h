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

REGISTER_TYPED_TEST_SUITE_P(LedgerConformance, KeepsTheExecutionRow, RunsABatchFromAppendToDone);

}  // namespace dunlin::store::test
