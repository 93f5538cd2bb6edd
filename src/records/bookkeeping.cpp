// Bookkeeping at the target; see bookkeeping.h.
#include "records/bookkeeping.h"

#include "base/crash_point.h"

namespace dunlin::records {

namespace {

Error stale(std::int64_t recorded, std::int64_t own) {
  return Error(ErrorType::stale_owner, "the target has epoch " + std::to_string(recorded) +
                                           " of this execution, this process has " +
                                           std::to_string(own));
}

}  // namespace

Status Bookkeeping::claim() {
  DUNLIN_ASSIGN(sql::Transaction transaction, sql::Transaction::begin(*target_));
  DUNLIN_TRY(
      target_->exec("CREATE TABLE IF NOT EXISTS __dunlin_epochs("
                    "execution_id TEXT PRIMARY KEY NOT NULL, epoch INTEGER NOT NULL) WITHOUT ROWID;"
                    "CREATE TABLE IF NOT EXISTS __dunlin_batches("
                    "execution_id TEXT NOT NULL, batch_id INTEGER NOT NULL, epoch INTEGER NOT "
                    "NULL, target TEXT NOT NULL, range BLOB NOT NULL, "
                    "rows INTEGER NOT NULL, bytes INTEGER NOT NULL, checksum TEXT NOT NULL, "
                    "committed_at TEXT NOT NULL, "
                    "PRIMARY KEY(execution_id, batch_id)) WITHOUT ROWID"));
  DUNLIN_ASSIGN(const std::optional<std::int64_t> recorded,
                target_->query_int64("SELECT epoch FROM __dunlin_epochs WHERE execution_id = ?1",
                                     execution_.value));
  if (recorded && *recorded > epoch_) return stale(*recorded, epoch_);
  DUNLIN_TRY(target_->run("INSERT OR REPLACE INTO __dunlin_epochs VALUES(?1, ?2)", execution_.value,
                          epoch_));
  DUNLIN_CRASH_POINT("records.claim.before");
  DUNLIN_TRY(transaction.commit());
  DUNLIN_CRASH_POINT("records.claim.after");
  return success();
}

Status Bookkeeping::check() {
  DUNLIN_ASSIGN(const std::optional<std::int64_t> recorded,
                target_->query_int64("SELECT epoch FROM __dunlin_epochs WHERE execution_id = ?1",
                                     execution_.value));
  if (!recorded) {
    return Error(
        ErrorType::root_changed,
        "the target no longer has the records of this execution: '" + target_->path() + "'");
  }
  if (*recorded != epoch_) return stale(*recorded, epoch_);
  return success();
}

Result<std::optional<BatchRecord>> Bookkeeping::find(BatchId batch, std::string_view range) {
  DUNLIN_ASSIGN(sql::Statement row,
                target_->cached("SELECT target, range, rows, bytes, checksum FROM __dunlin_batches "
                                "WHERE execution_id = ?1 AND batch_id = ?2"));
  DUNLIN_ASSIGN(const bool found, row.query(execution_.value, batch.value));
  if (!found) return std::optional<BatchRecord>{};
  BatchRecord record{row.column_string(0), std::string(row.column_blob(1)), row.column_int64(2),
                     row.column_int64(3), row.column_string(4)};
  if (record.range != range) {
    return Error(ErrorType::root_changed, "the target's record of batch " +
                                              std::to_string(batch.value) +
                                              " is of another range than the ledger's");
  }
  return std::optional(std::move(record));
}

Status Bookkeeping::add(BatchId batch, const BatchRecord& record, const Clock& clock) {
  return target_->run(
      "INSERT OR REPLACE INTO __dunlin_batches VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
      execution_.value, batch.value, epoch_, record.target, sql::Blob{record.range}, record.rows,
      record.bytes, record.checksum, rfc3339(clock.wall_ms()));
}

Status Bookkeeping::remove(BatchId batch) {
  return target_->run("DELETE FROM __dunlin_batches WHERE execution_id = ?1 AND batch_id = ?2",
                      execution_.value, batch.value);
}

Status Bookkeeping::release() {
  DUNLIN_ASSIGN(sql::Transaction transaction, sql::Transaction::begin(*target_));
  DUNLIN_ASSIGN(const std::optional<std::int64_t> table,
                target_->query_int64("SELECT 1 FROM sqlite_master WHERE name = '__dunlin_epochs'"));
  if (!table) return success();
  DUNLIN_ASSIGN(const std::optional<std::int64_t> recorded,
                target_->query_int64("SELECT epoch FROM __dunlin_epochs WHERE execution_id = ?1",
                                     execution_.value));
  if (recorded && *recorded > epoch_) return stale(*recorded, epoch_);
  DUNLIN_TRY(
      target_->run("DELETE FROM __dunlin_batches WHERE execution_id = ?1", execution_.value));
  DUNLIN_TRY(target_->run("DELETE FROM __dunlin_epochs WHERE execution_id = ?1", execution_.value));
  DUNLIN_ASSIGN(const std::optional<std::int64_t> others,
                target_->query_int64("SELECT count(*) FROM __dunlin_epochs"));
  if (others == 0)
    DUNLIN_TRY(target_->exec("DROP TABLE __dunlin_batches; DROP TABLE __dunlin_epochs"));
  DUNLIN_CRASH_POINT("records.release.before");
  DUNLIN_TRY(transaction.commit());
  DUNLIN_CRASH_POINT("records.release.after");
  return success();
}

}  // namespace dunlin::records
