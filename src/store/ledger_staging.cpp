// LedgerWriter: commit_scope execution. Batches wait as `staged` for the target's one commit; it
// makes all of them done, or its loss makes all of them pending again.
#include <fmt/format.h>

#include "store/ledger_writer.h"

namespace dunlin::store {

Result<std::vector<std::int64_t>> LedgerWriter::staged_batches() {
  std::vector<std::int64_t> ids;
  DUNLIN_ASSIGN(sql::Statement row,
                database_.cached("SELECT id FROM batch INDEXED BY batch_staged WHERE status = 2"));
  while (true) {
    DUNLIN_ASSIGN(const bool more, row.step());
    if (!more) break;
    ids.push_back(row.column_int64(0));
  }
  return ids;
}

Result<LedgerWriter::Tally> LedgerWriter::kept_tally(const Batch& batch) {
  Tally kept;
  if (!batch.committed || batch.item_count == 0) return kept;
  DUNLIN_ASSIGN(sql::Statement row,
                database_.cached("SELECT total(o.status = 2), total((o.status = 2) * i.size), "
                                 "total(o.status = 5), total((o.status = 5) * i.size), "
                                 "total(coalesce(o.transferred_bytes, i.size)) "
                                 "FROM kept k JOIN item i ON i.id = k.item_id "
                                 "JOIN outcome o ON o.item_id = k.item_id "
                                 "WHERE k.item_id BETWEEN ?1 AND ?2"));
  DUNLIN_ASSIGN(const bool found,
                row.query(batch.first_item, batch.first_item + batch.item_count - 1));
  if (!found) return kept;
  kept.succeeded = row.column_int64(0);
  kept.succeeded_bytes = row.column_int64(1);
  kept.rolled_back = row.column_int64(2);
  kept.other_bytes = row.column_int64(3);
  kept.transferred_bytes = row.column_int64(4);
  return kept;
}

Status LedgerWriter::keep_committed_items(const Batch& batch) {
  if (!batch.committed || batch.item_count == 0) return success();
  return database_.run(
      "INSERT OR IGNORE INTO kept(item_id) SELECT item_id FROM outcome "
      "WHERE item_id BETWEEN ?1 AND ?2 AND status = 2",
      batch.first_item, batch.first_item + batch.item_count - 1);
}

LedgerWriter::Applied LedgerWriter::change(const BeginCommit&) {
  if (state_.committing)
    return Status(Error(ErrorType::invalid_state, "the final commit has begun already"));
  state_.committing = true;
  DUNLIN_TRY(add_audit("engine", "execution.committing",
                       fmt::format("{{\"batches\":{}}}", state_.counters.staged_batches)));
  return success();
}

LedgerWriter::Applied LedgerWriter::change(const CompleteStaged&) {
  DUNLIN_ASSIGN(const std::vector<std::int64_t> ids, staged_batches());
  state_.committing = false;
  for (const std::int64_t id : ids) {
    DUNLIN_ASSIGN(auto batch, find_batch(id));
    DUNLIN_ASSIGN(const Tally kept, kept_tally(*batch));
    state_.counters.*outcome_counters(batch->count_as).succeeded +=
        batch->tally.succeeded - kept.succeeded;
    state_.counters.processed_bytes += batch->tally.succeeded_bytes - kept.succeeded_bytes;
    state_.counters.transferred_bytes += batch->tally.transferred_bytes - kept.transferred_bytes;
    batch->committed = true;
    DUNLIN_TRY(move_batch(*batch, BatchStatus::done));
    DUNLIN_TRY(drop_intents(*batch));
  }
  DUNLIN_TRY(
      add_audit("engine", "execution.committed", fmt::format("{{\"batches\":{}}}", ids.size())));
  return success();
}

LedgerWriter::Applied LedgerWriter::change(const UnstageAll&) {
  DUNLIN_ASSIGN(const std::vector<std::int64_t> ids, staged_batches());
  state_.committing = false;
  for (const std::int64_t id : ids) {
    DUNLIN_ASSIGN(auto batch, find_batch(id));
    DUNLIN_ASSIGN(const Tally kept, kept_tally(*batch));
    const Tally& tally = batch->tally;
    const OutcomeCounters& members = outcome_counters(batch->count_as);
    state_.counters.*members.failed -= tally.failed;
    state_.counters.*members.skipped -= tally.skipped;
    state_.counters.processed_bytes -= tally.other_bytes - kept.other_bytes;
    batch->tally = kept;
    if (batch->item_count > 0) {
      const std::int64_t last = batch->first_item + batch->item_count - 1;
      std::vector<std::int64_t> with_errors;
      {
        DUNLIN_ASSIGN(sql::Statement row,
                      database_.cached("SELECT DISTINCT item_id FROM error WHERE item_id BETWEEN "
                                       "?1 AND ?2 AND final = 1"));
        row.bind(1, batch->first_item).bind(2, last);
        while (true) {
          DUNLIN_ASSIGN(const bool more, row.step());
          if (!more) break;
          with_errors.push_back(row.column_int64(0));
        }
      }
      for (const std::int64_t item : with_errors) DUNLIN_TRY(settle_errors_of_item(item));
      DUNLIN_TRY(
          database_.run("DELETE FROM outcome WHERE item_id BETWEEN ?1 AND ?2 "
                        "AND NOT EXISTS (SELECT 1 FROM kept k WHERE k.item_id = outcome.item_id)",
                        batch->first_item, last));
    }
    DUNLIN_TRY(settle_errors_of_batch(id));
    batch->attempt = 0;
    DUNLIN_TRY(move_batch(*batch, BatchStatus::pending));
  }
  if (!ids.empty()) {
    DUNLIN_TRY(
        add_audit("engine", "execution.unstaged", fmt::format("{{\"batches\":{}}}", ids.size())));
  }
  return success();
}

}  // namespace dunlin::store
