// Status, milestones, errors, checkpoints, the audit chain, and how all that is asked for.
// Part of the ledger conformance suite.
#pragma once

#include "store/conformance/suite.h"

namespace dunlin::store::test {

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

}  // namespace dunlin::store::test
