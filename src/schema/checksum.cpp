#include "schema/checksum.h"

#include <array>

#include "base/hash.h"
#include "sql/script/script_hash.h"

namespace dunlin::schema {

namespace {

/// Name, exact, normalised, statements; what is missing is empty.
std::array<std::string_view, 4> parts_of(std::string_view checksum) {
  std::array<std::string_view, 4> parts;
  for (std::string_view& part : parts) {
    const std::size_t end = checksum.find(':');
    part = checksum.substr(0, end);
    checksum = end == std::string_view::npos ? std::string_view() : checksum.substr(end + 1);
  }
  return parts;
}

}  // namespace

Result<std::string> checksum(sql::Dialect dialect, std::string_view bytes, std::string_view text) {
  DUNLIN_ASSIGN(const sql::ScriptHashes hashes, sql::script_hashes(dialect, bytes, text));
  return std::string(sql::kScriptHashName) + ":" + hashes.exact + ":" + hashes.normalised + ":" +
         hashes.statements;
}

Result<std::string> exact_hash(std::string_view bytes) {
  DUNLIN_ASSIGN(const std::string digest, hash_bytes(HashKind::sha256, bytes));
  return hex(digest);
}

bool is_of(std::string_view recorded, std::string_view exact) {
  const auto parts = parts_of(recorded);
  return parts[0] == sql::kScriptHashName && parts[1] == exact;
}

Change change_between(std::string_view recorded, std::string_view now) {
  if (recorded == now) return Change::none;
  const auto before = parts_of(recorded);
  const auto after = parts_of(now);
  if (before[0] != after[0]) return Change::algorithm;
  if (before[3] != after[3]) return Change::statements;
  return before[2] != after[2] ? Change::text : Change::bytes;
}

}  // namespace dunlin::schema
