// Values of SQLite rows as bytes: every storage class exactly, whatever the column was declared as.
//
// One encoding serves key bounds in the ledger, the rows on their way and the checksum of a range,
// so that what is written is what was hashed. A value is a type byte (SQLite's codes) and its
// content: integers zigzag, reals their 64 bits, text and blobs with their length (text may hold
// NUL and invalid UTF-8). Values; one thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/binary.h"
#include "base/hash.h"
#include "base/result.h"
#include "sql/sqlite.h"

namespace dunlin::sql {

/// Appends columns [first, first + count) of the statement's present row; returns the bytes of data
/// among them (8 for a number, the length of text and blobs, 0 for NULL).
std::int64_t append_values(ByteWriter& out, const Statement& row, int first, int count);

/// Binds `count` encoded values to the parameters from `first` on, without copying: `in`'s bytes
/// must outlive the step. state_corrupt when the bytes are no values.
[[nodiscard]] Status bind_values(Statement& statement, int first, ByteReader& in, int count);

/// For people: "7", "'abc',2", "x'00ff'"; long values are cut.
[[nodiscard]] std::string show_values(std::string_view encoded);

/// Checksum of a set of rows that does not depend on their order: the sum of the rows' XXH3-128
/// hashes and their number. A sum, not an exclusive or: two equal rows must not cancel out.
class RowSum {
 public:
  [[nodiscard]] static Result<RowSum> create();
  void add(std::string_view encoded_row);
  [[nodiscard]] std::int64_t rows() const { return rows_; }
  /// "rows-xxh3:<32 hex digits>"
  [[nodiscard]] std::string text() const;

 private:
  explicit RowSum(Hasher hasher) : hasher_(std::move(hasher)) {}
  Hasher hasher_;
  std::array<std::uint64_t, 2> sum_{};
  std::int64_t rows_ = 0;
};

}  // namespace dunlin::sql
