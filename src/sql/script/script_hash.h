// The three hashes of a script (schema.md S-13), which tell what kind of change was made to it:
// its bytes, its text without what no server reads, its statements.
// Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "sql/dialect.h"

namespace dunlin::sql {

/// Stored beside the hashes; a change of what is hashed is a new name, and the old stays readable.
inline constexpr std::string_view kScriptHashName = "sha256-script-1";

struct ScriptHashes {
  std::string exact;  ///< SHA-256 of the file's bytes, hexadecimal, as the others
  /// Of the text as UTF-8 without marks, comments, trailing white space, blank lines, and with \n
  /// as its line end.
  std::string normalised;
  /// Of its statements' tokens, each by itself: white space between them does not count, nor do
  /// comments and terminators; words without quotes are alike in either case where the dialect
  /// takes names so (PostgreSQL, SQLite).
  std::string statements;
  bool operator==(const ScriptHashes&) const = default;
};

/// `bytes`: the file as it is; `text`: what script_text() made of it (or a part of it). The error
/// of the splitter, when it cannot be split.
[[nodiscard]] Result<ScriptHashes> script_hashes(Dialect dialect, std::string_view bytes,
                                                 std::string_view text);

}  // namespace dunlin::sql
