// A range of rows; see range.h.
#include "records/range.h"

#include "base/binary.h"
#include "base/text.h"

namespace dunlin::records {

namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::int64_t kPermitBytes =
    256 << 10;  // asked for in portions of this size (base/permits.h: at most 1 MiB)
constexpr int kRowsPerCheck = 256;  // far below 100 ms even for rows of a few KiB

std::string placeholders(std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += i == 0 ? "?" : ", ?";
  return text;
}

/// "key > ? AND key <= ?", as row values when the key has several columns.
std::string condition(const sql::TableInfo& shape, const Range& range) {
  const bool several = shape.key.size() > 1;
  const std::string left = several ? "(" + sql::joined(shape.key) + ")" : shape.key.front();
  const std::string right = several ? "(" + placeholders(shape.key.size()) + ")" : "?";
  const std::string low = range.low.empty() ? "" : left + " > " + right + " AND ";
  return low + left + " <= " + right;
}

Status bind_bounds(sql::Statement& statement, const sql::TableInfo& shape, const Range& range) {
  const int width = static_cast<int>(shape.key.size());
  int first = 1;
  if (!range.low.empty()) {
    ByteReader low(range.low);
    DUNLIN_TRY(sql::bind_values(statement, first, low, width));
    first += width;
  }
  ByteReader high(range.high);
  return sql::bind_values(statement, first, high, width);
}

/// "key1 = ? AND key2 = ?"
std::string key_condition(const sql::TableInfo& shape) {
  std::vector<std::string> terms;
  for (const std::string& term : shape.key) terms.push_back(term + " = ?");
  return sql::joined(terms, " AND ");
}

/// Spends permits for bytes already moved, before more are.
class Meter {
 public:
  explicit Meter(engine::RunContext& context) : context_(context) {}
  Status moved(std::int64_t bytes) {
    pending_ += bytes;
    if (++rows_ % kRowsPerCheck == 0) DUNLIN_TRY(context_.cancel().check());
    while (pending_ >= kPermitBytes) {
      DUNLIN_TRY(context_.permits().acquire(kPermitBytes, 1, context_.cancel()));
      pending_ -= kPermitBytes;
    }
    return success();
  }
  Status finish() { return context_.permits().acquire(pending_, 1, context_.cancel()); }

 private:
  engine::RunContext& context_;
  std::int64_t pending_ = 0;
  std::int64_t rows_ = 0;
};

}  // namespace

std::string encode(const Range& range) {
  ByteWriter out;
  out.u8(kVersion).bytes(range.source).bytes(range.target).bytes(range.low).bytes(range.high);
  return out.take();
}

Result<Range> decode_range(std::string_view payload) {
  ByteReader in(payload);
  if (in.u8() != kVersion) in.fail();
  Range range;
  range.source = in.bytes();
  range.target = in.bytes();
  range.low = in.bytes();
  range.high = in.bytes();
  DUNLIN_TRY(in.finish("range of rows"));
  return range;
}

Status walk_range(engine::RunContext& context, Side side, const sql::TableInfo& shape,
                  const Range& range, const RowFunction& row) {
  const std::vector<std::string> values = shape.writable();
  const int width = static_cast<int>(shape.key.size());
  DUNLIN_ASSIGN(
      sql::Statement rows,
      side.database.cached("SELECT " + sql::joined(shape.key) + ", " + sql::joined(values) +
                           " FROM " + sql::quote_identifier(side.table) + " WHERE " +
                           condition(shape, range) + " ORDER BY " + sql::joined(shape.key)));
  DUNLIN_TRY(bind_bounds(rows, shape, range));
  Meter meter(context);
  ByteWriter key_bytes;
  ByteWriter row_bytes;
  DUNLIN_ASSIGN(bool more, rows.step());
  while (more) {
    key_bytes.clear();
    row_bytes.clear();
    sql::append_values(key_bytes, rows, 0, width);
    const std::int64_t bytes =
        sql::append_values(row_bytes, rows, width, static_cast<int>(values.size()));
    DUNLIN_TRY(row(key_bytes.view(), row_bytes.view(), bytes));
    DUNLIN_TRY(meter.moved(bytes));
    DUNLIN_ASSIGN(more, rows.step());
  }
  return meter.finish();
}

Result<RangeTotals> sum_range(engine::RunContext& context, Side side, const sql::TableInfo& shape,
                              const Range& range) {
  DUNLIN_ASSIGN(sql::RowSum sum, sql::RowSum::create());
  RangeTotals totals;
  const auto add = [&](std::string_view, std::string_view values, std::int64_t bytes) -> Status {
    sum.add(values);
    totals.bytes += bytes;
    return success();
  };
  DUNLIN_TRY(walk_range(context, side, shape, range, add));
  totals.rows = sum.rows();
  totals.checksum = sum.text();
  return totals;
}

Result<RangeTotals> copy_range(engine::BatchContext& context, Side source, Side target,
                               const sql::TableInfo& shape, const Range& range) {
  const std::vector<std::string> columns = shape.writable();
  DUNLIN_ASSIGN(sql::Statement insert,
                target.database.cached(
                    "INSERT OR ABORT INTO " + sql::quote_identifier(target.table) + "(" +
                    sql::joined(columns) + ") VALUES(" + placeholders(columns.size()) + ")"));
  DUNLIN_ASSIGN(sql::RowSum sum, sql::RowSum::create());
  RangeTotals totals;
  const auto write = [&](std::string_view, std::string_view values, std::int64_t bytes) -> Status {
    ByteReader in(values);
    DUNLIN_TRY(sql::bind_values(insert, 1, in, static_cast<int>(columns.size())));
    DUNLIN_TRY(insert.run());
    if (target.database.changes() != 1) {
      return Error(ErrorType::constraint_violation,
                   "a trigger of the target refused a row in silence");
    }
    sum.add(values);
    totals.bytes += bytes;
    context.progress(bytes);
    return success();
  };
  DUNLIN_TRY(walk_range(context, source, shape, range, write));
  totals.rows = sum.rows();
  totals.checksum = sum.text();
  return totals;
}

Result<Comparison> compare_range(engine::RunContext& context, Side source, Side target,
                                 const sql::TableInfo& shape, const Range& range) {
  const std::vector<std::string> columns = shape.writable();
  DUNLIN_ASSIGN(sql::Statement lookup,
                target.database.cached("SELECT " + sql::joined(columns) + " FROM " +
                                       sql::quote_identifier(target.table) + " WHERE " +
                                       key_condition(shape)));
  Comparison comparison;
  ByteWriter there;
  const auto look_up = [&](std::string_view key, std::string_view values, std::int64_t) -> Status {
    ByteReader in(key);
    lookup.reset();
    DUNLIN_TRY(sql::bind_values(lookup, 1, in, static_cast<int>(shape.key.size())));
    DUNLIN_ASSIGN(const bool found, lookup.step());
    there.clear();
    if (found) sql::append_values(there, lookup, 0, static_cast<int>(columns.size()));
    const bool same = found && there.view() == values;
    ++(same ? comparison.equal : found ? comparison.different : comparison.missing);
    if (!same && comparison.first.empty()) comparison.first = sql::show_values(key);
    return success();
  };
  DUNLIN_TRY(walk_range(context, source, shape, range, look_up));
  return comparison;
}

Status delete_rows_of(engine::RunContext& context, Side source, Side target,
                      const sql::TableInfo& shape, const Range& range) {
  DUNLIN_ASSIGN(sql::Statement remove,
                target.database.cached("DELETE FROM " + sql::quote_identifier(target.table) +
                                       " WHERE " + key_condition(shape)));
  return walk_range(
      context, source, shape, range,
      [&](std::string_view key, std::string_view, std::int64_t) -> Status {
        ByteReader in(key);
        DUNLIN_TRY(sql::bind_values(remove, 1, in, static_cast<int>(shape.key.size())));
        return remove.run();
      });
}

Status delete_range(Side target, const sql::TableInfo& shape, const Range& range) {
  DUNLIN_ASSIGN(sql::Statement remove,
                target.database.cached("DELETE FROM " + sql::quote_identifier(target.table) +
                                       " WHERE " + condition(shape, range)));
  DUNLIN_TRY(bind_bounds(remove, shape, range));
  return remove.run();
}

}  // namespace dunlin::records
