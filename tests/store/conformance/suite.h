// The fixture of the ledger conformance suite (ledger_conformance.h): one ledger for each test,
// whose own check() has to pass after it.
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

}  // namespace dunlin::store::test
