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
    state_.counters.succeeded_items += batch->tally.succeeded;
    state_.counters.processed_bytes += batch->tally.succeeded_bytes;
    state_.counters.transferred_bytes += batch->tally.transferred_bytes;
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
    const Tally& tally = batch->tally;
    state_.counters.failed_items -= tally.failed;
    state_.counters.skipped_items -= tally.skipped;
    state_.counters.processed_bytes -= tally.other_bytes;
    batch->tally = Tally{};
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
      DUNLIN_TRY(database_.run("DELETE FROM outcome WHERE item_id BETWEEN ?1 AND ?2",
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
