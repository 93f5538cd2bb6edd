// The checksum of a migration as the history keeps it: the three hashes of its up part (schema.md
// S-13), which tell a change of comments or white space from one of statements.
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sql/dialect.h"

namespace dunlin::schema {

/// "NAME:EXACT:NORMALISED:STATEMENTS", the name being that of the algorithm (script_hash.h).
/// `bytes`: as the file has them; `text`: as UTF-8. The splitter's error for what cannot be split.
[[nodiscard]] Result<std::string> checksum(sql::Dialect dialect, std::string_view bytes,
                                           std::string_view text);

/// The first of the three alone, hexadecimal; and whether a recorded checksum has that one.
[[nodiscard]] Result<std::string> exact_hash(std::string_view bytes);
[[nodiscard]] bool is_of(std::string_view recorded, std::string_view exact);

/// How two checksums differ. `algorithm`: nothing can be said.
enum class Change : std::uint8_t { none, bytes, text, statements, algorithm };
[[nodiscard]] Change change_between(std::string_view recorded, std::string_view now);

/// The order of statements changed, a word in one of them: what was applied is not what stands in
/// the file.
[[nodiscard]] constexpr bool is_another(Change change) {
  return change == Change::statements || change == Change::algorithm;
}

}  // namespace dunlin::schema
