// Who may write: epochs, tokens, and what a refusal leaves alone.
// Part of the ledger conformance suite.
#pragma once

#include "store/conformance/suite.h"

namespace dunlin::store::test {

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

TYPED_TEST_P(LedgerConformance, AnEmptyGroupIsNothing) {
  const auto applied = this->ledger().apply(0, {});
  ASSERT_TRUE(applied.ok());
  EXPECT_TRUE(applied->empty());
  EXPECT_EQ(*this->ledger().sequence(), 0);
}

}  // namespace dunlin::store::test
