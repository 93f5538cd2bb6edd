// A range of rows of one table: how it is named in the ledger, and reading, copying, comparing and
// deleting it.
//
// A range is (low, high] in the order of the table's key, so neighbouring ranges leave no gap and
// do not overlap. All functions work on the connections given, inside whatever transaction is open
// there; they ask the governor and look at cancellation as they go. One thread at a time per
// Database.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "engine/run.h"
#include "sql/catalogue.h"
#include "sql/values.h"

namespace dunlin::records {

struct Range {
  std::string source;  ///< table
  std::string target;  ///< table
  std::string low;     ///< encoded key (sql/values.h), exclusive; empty: from the first row on
  std::string high;    ///< encoded key, inclusive
};

[[nodiscard]] std::string encode(const Range& range);
[[nodiscard]] Result<Range> decode_range(std::string_view payload);

struct RangeTotals {
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
  std::string checksum;
};

/// One table at one side. The shape comes from the source, also for the target: preflight has
/// compared the two.
struct Side {
  sql::Database& database;
  std::string table;
};

/// Calls `row(key, values, bytes)` for each row of the range in key order, both encoded; its error
/// ends the walk.
using RowFunction =
    std::function<Status(std::string_view key, std::string_view values, std::int64_t bytes)>;
[[nodiscard]] Status walk_range(engine::RunContext& context, Side side, const sql::TableInfo& shape,
                                const Range& range, const RowFunction& row);

[[nodiscard]] Result<RangeTotals> sum_range(engine::RunContext& context, Side side,
                                            const sql::TableInfo& shape, const Range& range);
/// Inserts the source's rows at the target; the totals are those of what was written. The caller
/// owns the transaction.
[[nodiscard]] Result<RangeTotals> copy_range(engine::BatchContext& context, Side source,
                                             Side target, const sql::TableInfo& shape,
                                             const Range& range);

struct Comparison {
  std::int64_t equal = 0;
  std::int64_t missing = 0;
  std::int64_t different = 0;
  std::string first;  ///< key of the first row that is missing or different, for people
};
/// Looks each of the source's rows up at the target by its key. Other rows of the target do not
/// count.
[[nodiscard]] Result<Comparison> compare_range(engine::RunContext& context, Side source,
                                               Side target, const sql::TableInfo& shape,
                                               const Range& range);
/// Deletes the source's rows at the target by their keys, and no others.
[[nodiscard]] Status delete_rows_of(engine::RunContext& context, Side source, Side target,
                                    const sql::TableInfo& shape, const Range& range);
/// Deletes everything within the bounds at the target.
[[nodiscard]] Status delete_range(Side target, const sql::TableInfo& shape, const Range& range);

}  // namespace dunlin::records
