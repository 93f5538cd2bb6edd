// A script's bytes as UTF-8 text: byte order marks taken off, UTF-16 (SSMS writes it) decoded.
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace dunlin::sql {

enum class ScriptEncoding : std::uint8_t { utf8, utf16_le, utf16_be };

struct ScriptText {
  std::string text;  ///< UTF-8 without a mark; line ends as they were
  ScriptEncoding encoding = ScriptEncoding::utf8;
  bool marked = false;  ///< it began with a byte order mark
};

/// invalid_input, naming line and byte, for what is no UTF-8, a NUL byte, half a UTF-16 character.
/// UTF-16 is known by its mark alone. A mark in the midst of the text stays.
[[nodiscard]] Result<ScriptText> script_text(std::string bytes);

}  // namespace dunlin::sql
