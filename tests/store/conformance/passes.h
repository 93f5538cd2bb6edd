// Verification and undo.
// Part of the ledger conformance suite.
#pragma once

#include "store/conformance/suite.h"

namespace dunlin::store::test {

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

TYPED_TEST_P(LedgerConformance, ARollbackOfAPartLeavesTheRestAndTheExecutionWhatItWas) {
  using To = ExecutionStatus;
  const auto back = [](std::int64_t item) {
    ItemOutcome outcome = completed(item);
    outcome.status = ItemStatus::rolled_back;
    return outcome;
  };
  this->append(3, 2);
  must_apply(this->ledger(), {SetStatus{}, start({{1, 1}, {2, 1}, {3, 1}}),
                              end(1, 1, BatchResult::done, {completed(1), completed(2)}),
                              end(2, 1, BatchResult::done, {completed(3), completed(4)}),
                              end(3, 1, BatchResult::done, {completed(5), completed(6)}),
                              SetStatus{To::completed, "reporting", "", "test"}});
  const RollbackPart part{R"({"path":"x"})", To::completed, "reporting", ""};
  must_apply(this->ledger(), {SetStatus{To::rolling_back, "rolling_back", "", "test", part}});
  EXPECT_EQ(this->ledger().execution()->rollback_part, part);
  EXPECT_EQ(refusal(this->ledger(), SetStatus{To::failed, "", "", "test"}),
            ErrorType::invalid_state)
      << "only back to what it was";
  must_apply(this->ledger(),
             {start({{3, 2}, {2, 2}}, Pass::undo), end(3, 2, BatchResult::done, {}, Pass::undo),
              end(2, 2, BatchResult::done, {back(3)}, Pass::undo)});
  EXPECT_EQ(ready_ids(this->ledger(), Pass::undo), (std::vector<std::int64_t>{1}))
      << "the others have given what they were to";
  EXPECT_EQ(this->ledger().batch(BatchId(2))->status, BatchStatus::done);
  must_apply(this->ledger(), {SetStatus{To::paused, "", "", "test"}});
  EXPECT_EQ(this->ledger().execution()->rollback_part, part) << "over a pause";
  must_apply(this->ledger(), {SetStatus{To::rolling_back, "rolling_back", "", "test", part},
                              start({{1, 2}}, Pass::undo),
                              end(1, 2, BatchResult::done, {back(1), back(2)}, Pass::undo)});
  EXPECT_EQ(this->ledger().batch(BatchId(1))->status, BatchStatus::undone);
  must_apply(this->ledger(), {SetStatus{To::completed, "reporting", "", "test"}});
  EXPECT_FALSE(this->ledger().execution()->rollback_part);
  EXPECT_EQ(this->counters().rolled_back_items, 3);
  EXPECT_EQ(this->counters().undone_batches, 1);
  EXPECT_TRUE(this->ledger().check().ok());
  must_apply(this->ledger(), {SetStatus{To::rolling_back, "rolling_back", "", "test"}});
  EXPECT_EQ(ready_ids(this->ledger(), Pass::undo), (std::vector<std::int64_t>{3, 2}));
  EXPECT_EQ(refusal(this->ledger(), SetStatus{To::completed, "", "", "test"}),
            ErrorType::invalid_state);
}

/// The second has nothing to take back; the third, which is built upon it and so upon the first, is
/// still to be taken back before that.
TYPED_TEST_P(LedgerConformance, ARollbackOfAPartBreaksNoChain) {
  using To = ExecutionStatus;
  AppendWork work;
  work.tasks = {task(1)};
  work.batches = {batch(1, 1, 1, 1), batch(2, 1, 2, 1, {1}), batch(3, 1, 3, 1, {2}),
                  batch(4, 1, 4, 1)};
  work.complete = true;
  ItemOutcome back = completed(4);
  back.status = ItemStatus::rolled_back;
  must_apply(
      this->ledger(),
      {SetStatus{}, work, start({{1, 1}}), end(1, 1, BatchResult::done, {completed(1)}),
       start({{2, 1}}), end(2, 1, BatchResult::done, {skipped(2)}), start({{3, 1}, {4, 1}}),
       end(3, 1, BatchResult::done, {completed(3)}), end(4, 1, BatchResult::done, {completed(4)}),
       SetStatus{To::completed, "reporting", "", "test"}});
  const RollbackPart part{R"({"item":4})", To::completed, "reporting", ""};
  must_apply(this->ledger(),
             {SetStatus{To::rolling_back, "rolling_back", "", "test", part},
              start({{4, 2}, {3, 2}}, Pass::undo), end(4, 2, BatchResult::done, {back}, Pass::undo),
              end(3, 2, BatchResult::done, {}, Pass::undo), start({{2, 2}}, Pass::undo),
              end(2, 2, BatchResult::done, {}, Pass::undo), start({{1, 2}}, Pass::undo),
              end(1, 2, BatchResult::done, {}, Pass::undo),
              SetStatus{To::completed, "reporting", "", "test"}});
  EXPECT_EQ(this->ledger().batch(BatchId(4))->status, BatchStatus::undone);
  must_apply(this->ledger(), {SetStatus{To::rolling_back, "rolling_back", "", "test"}});
  EXPECT_EQ(ready_ids(this->ledger(), Pass::undo), (std::vector<std::int64_t>{3}));
  EXPECT_TRUE(this->ledger().check().ok());
}

TYPED_TEST_P(LedgerConformance, WhatIsKeptForUndoIsCountedUntilItIsTakenBackOrForgotten) {
  this->append(1, 3);
  const auto keeping = [](std::int64_t item, std::int64_t bytes) {
    ItemOutcome outcome = completed(item);
    outcome.kept_bytes = bytes;
    return outcome;
  };
  ItemOutcome back = completed(1);
  back.status = ItemStatus::rolled_back;
  must_apply(this->ledger(),
             {SetStatus{}, start({{1, 1}}),
              end(1, 1, BatchResult::done, {keeping(1, 500), keeping(2, 70), completed(3)})});
  EXPECT_EQ(this->counters().kept_bytes, 570);
  must_apply(this->ledger(), {SetStatus{ExecutionStatus::rolling_back, "", "", "test"},
                              start({{1, 2}}, Pass::undo), RecordOutcomes{BatchId(1), 2, {back}},
                              end(1, 2, BatchResult::interrupted, {back}, Pass::undo)});
  EXPECT_EQ(this->counters().kept_bytes, 70);
  EXPECT_TRUE(this->ledger().check().ok());
  must_apply(this->ledger(), {ForgetKept{}});
  EXPECT_EQ(this->counters().kept_bytes, 0);
  EXPECT_TRUE(this->ledger().check().ok());
}

TYPED_TEST_P(LedgerConformance, AFurtherRollbackTriesWhatTheOneBeforeLeftAloneAndNothingElse) {
  using To = ExecutionStatus;
  const auto go = [&](ExecutionStatus to) {
    must_apply(this->ledger(), {SetStatus{to, "", "", "test"}});
  };
  const auto back = [](std::int64_t item) {
    ItemOutcome outcome = completed(item);
    outcome.status = ItemStatus::rolled_back;
    return outcome;
  };
  const auto refused = [](std::int64_t item) {
    return failed(item, ErrorType::destination_changed);
  };
  const auto undo_errors = [&] {
    return this->ledger().errors(Where().error_type("destination_changed"), true)->size();
  };
  this->append(3, 2);
  go(To::running);
  must_apply(this->ledger(), {start({{1, 1}, {2, 1}, {3, 1}}),
                              end(1, 1, BatchResult::done, {completed(1), completed(2)}),
                              end(2, 1, BatchResult::done, {completed(3), completed(4)}),
                              end(3, 1, BatchResult::done, {completed(5), failed(6)})});
  go(To::completed);
  go(To::rolling_back);
  must_apply(this->ledger(), {start({{1, 2}, {2, 2}, {3, 2}}, Pass::undo),
                              end(1, 2, BatchResult::done, {back(1), back(2)}, Pass::undo),
                              end(2, 2, BatchResult::done, {back(3), refused(4)}, Pass::undo),
                              RecordOutcomes{BatchId(3), 2, {refused(5)}}});
  must_apply(this->ledger(),
             {end(3, 2, BatchResult::interrupted, {}, Pass::undo), start({{3, 3}}, Pass::undo),
              end(3, 3, BatchResult::done, {refused(5)}, Pass::undo)});
  EXPECT_EQ(undo_errors(), 2U) << "once for each item, however often it was tried";
  go(To::rolled_back);
  EXPECT_EQ(this->counters().succeeded_items, 2);
  EXPECT_EQ(this->counters().undone_batches, 3);

  go(To::rolling_back);
  EXPECT_EQ(ready_ids(this->ledger(), Pass::undo), (std::vector<std::int64_t>{3, 2}));
  EXPECT_EQ(this->counters().undone_batches, 1);
  EXPECT_THAT(this->ledger().audit(0, 100)->back().detail_json, ::testing::HasSubstr("\"left\":2"));
  must_apply(this->ledger(), {start({{2, 4}, {3, 4}}, Pass::undo),
                              end(2, 4, BatchResult::done, {back(4)}, Pass::undo),
                              end(3, 4, BatchResult::interrupted, {}, Pass::undo)});
  EXPECT_EQ(undo_errors(), 1U) << "what was taken back is no error any more";
  go(To::paused);
  go(To::rolling_back);
  EXPECT_EQ(ready_ids(this->ledger(), Pass::undo), (std::vector<std::int64_t>{3}));
  must_apply(this->ledger(),
             {start({{3, 5}}, Pass::undo), end(3, 5, BatchResult::done, {refused(5)}, Pass::undo)});
  go(To::rolled_back);
  go(To::rolling_back);
  must_apply(this->ledger(),
             {start({{3, 6}}, Pass::undo), end(3, 6, BatchResult::done, {back(5)}, Pass::undo)});
  go(To::rolled_back);
  EXPECT_EQ(undo_errors(), 0U);
  EXPECT_EQ(this->counters().rolled_back_items, 5);
  EXPECT_EQ(this->counters().failed_items, 1);
  EXPECT_EQ(this->counters().undone_batches, 3);
  EXPECT_EQ(refusal(this->ledger(), SetStatus{To::rolling_back, "", "", "test"}),
            ErrorType::invalid_state)
      << "nothing is left";
}

}  // namespace dunlin::store::test
