// Values of SQLite rows as bytes; see values.h.
#include "sql/values.h"

#include <bit>

#include <sqlite3.h>

#include "base/text.h"

namespace dunlin::sql {

std::int64_t append_values(ByteWriter& out, const Statement& row, int first, int count) {
  std::int64_t bytes = 0;
  for (int column = first; column < first + count; ++column) {
    const int type = row.column_type(column);
    out.u8(static_cast<std::uint8_t>(type));
    if (type == SQLITE_INTEGER) {
      out.zigzag(row.column_int64(column));
      bytes += 8;
    } else if (type == SQLITE_FLOAT) {
      out.u64(std::bit_cast<std::uint64_t>(row.column_double(column)));
      bytes += 8;
    } else if (type != SQLITE_NULL) {
      const std::string_view content =
          type == SQLITE_TEXT ? row.column_text(column) : row.column_blob(column);
      out.bytes(content);
      bytes += static_cast<std::int64_t>(content.size());
    }
  }
  return bytes;
}

Status bind_values(Statement& statement, int first, ByteReader& in, int count) {
  for (int index = first; index < first + count; ++index) {
    switch (in.u8()) {
      case SQLITE_INTEGER:
        statement.bind(index, in.zigzag());
        break;
      case SQLITE_FLOAT:
        statement.bind(index, std::bit_cast<double>(in.u64()));
        break;
      case SQLITE_TEXT:
        statement.bind_static(index, in.bytes());
        break;
      case SQLITE_BLOB:
        statement.bind_static(index, Blob{in.bytes()});
        break;
      case SQLITE_NULL:
        statement.bind(index, nullptr);
        break;
      default:
        in.fail();
    }
  }
  if (!in.ok()) return Error(ErrorType::state_corrupt, "stored key values cannot be read");
  return success();
}

std::string show_values(std::string_view encoded) {
  constexpr std::size_t kShown = 40;  // of one value: names of items stay one readable line
  const auto cut = [](std::string_view content) {
    std::string part(content.substr(0, kShown));
    if (part.size() < content.size()) part.append("...");
    return part;
  };
  std::string text;
  ByteReader in(encoded);
  while (in.ok() && in.remaining() > 0) {
    if (!text.empty()) text += ',';
    switch (in.u8()) {
      case SQLITE_INTEGER:
        text += std::to_string(in.zigzag());
        break;
      case SQLITE_FLOAT:
        text += std::to_string(std::bit_cast<double>(in.u64()));
        break;
      case SQLITE_TEXT:
        text += "'" + escape_bytes(cut(in.bytes())) + "'";
        break;
      case SQLITE_BLOB:
        text += "x'" + hex(cut(in.bytes())) + "'";
        break;
      case SQLITE_NULL:
        text += "NULL";
        break;
      default:
        in.fail();
    }
  }
  return text;
}

Result<RowSum> RowSum::create() {
  DUNLIN_ASSIGN(Hasher hasher, Hasher::create(HashKind::xxh3));
  return RowSum(std::move(hasher));
}

void RowSum::add(std::string_view encoded_row) {
  hasher_.reset();
  hasher_.update(encoded_row);
  const std::string digest = hasher_.finish();
  ByteReader in(digest);
  for (std::uint64_t& lane : sum_) lane += in.u64();
  ++rows_;
}

std::string RowSum::text() const {
  ByteWriter out;
  for (const std::uint64_t lane : sum_) out.u64(lane);
  return "rows-xxh3:" + hex(out.view());
}

}  // namespace dunlin::sql
