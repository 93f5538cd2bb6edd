// Bookkeeping at the target: which batches of which execution have committed there, and under which
// epoch.
//
// Why: the row about a batch commits in the same transaction as the batch's rows, so the target
// itself tells what is done (records.md R-10), also after the state directory is gone. The epoch
// beside it is the fence: an owner that was stopped and goes on after a take-over finds a newer one
// in its own write transaction and changes nothing. Tables: __dunlin_epochs, __dunlin_batches. One
// thread at a time, as the Database.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "sql/sqlite.h"

namespace dunlin::records {

struct BatchRecord {
  std::string target;  ///< table
  std::string range;   ///< the batch's payload: proves that the record is of this very batch
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
  std::string checksum;  ///< of the rows (sql::RowSum)
};

class Bookkeeping {
 public:
  /// The mark of a whole execution, written by its single commit.
  static constexpr BatchId kExecutionMark{0};

  Bookkeeping(sql::Database& target, ExecutionId execution, std::int64_t epoch)
      : target_(&target), execution_(std::move(execution)), epoch_(epoch) {}

  /// Makes the tables and records this epoch, in a transaction of its own: from here on no older
  /// owner commits anything. stale_owner when a newer epoch is there. Repeatable.
  [[nodiscard]] Status claim();
  /// Inside a write transaction: stale_owner when a newer epoch is recorded, root_changed when none
  /// is (the target is another one, or the execution was released).
  [[nodiscard]] Status check();
  /// nullopt when the batch has not committed; root_changed when the record found is of another
  /// range (a ledger and a target that do not belong together).
  [[nodiscard]] Result<std::optional<BatchRecord>> find(BatchId batch, std::string_view range);
  [[nodiscard]] Status add(BatchId batch, const BatchRecord& record, const Clock& clock);
  [[nodiscard]] Status remove(BatchId batch);
  /// In a transaction of its own: forgets the execution; the tables go with the last one.
  /// Repeatable.
  [[nodiscard]] Status release();

 private:
  sql::Database* target_;
  ExecutionId execution_;
  std::int64_t epoch_;
};

}  // namespace dunlin::records
