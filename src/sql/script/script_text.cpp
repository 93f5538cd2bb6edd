#include "sql/script/script_text.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"

namespace dunlin::sql {
namespace {

constexpr std::string_view kUtf8Mark = "\xEF\xBB\xBF";
constexpr std::string_view kUtf16LeMark = "\xFF\xFE";
constexpr std::string_view kUtf16BeMark = "\xFE\xFF";

Error refused(std::string_view before, std::size_t byte, std::string_view what) {
  return Error(ErrorType::invalid_input,
               fmt::format("line {}: {} (byte {})",
                           1 + std::count(before.begin(), before.end(), '\n'), what, byte));
}

Result<std::string> from_utf16(std::string_view bytes, bool big_endian) {
  std::string text;
  text.reserve(bytes.size());
  const auto unit = [&](std::size_t at) -> std::uint32_t {
    const auto one = static_cast<unsigned char>(bytes[at]);
    const auto two = static_cast<unsigned char>(bytes[at + 1]);
    return big_endian ? one * 256U + two : two * 256U + one;
  };
  for (std::size_t at = 0; at < bytes.size(); at += 2) {
    if (at + 1 == bytes.size())
      return refused(text, at + 2, "half a character of UTF-16 at the end");
    std::uint32_t code = unit(at);
    if (code >= 0xD800U && code < 0xE000U) {
      const bool pair = code < 0xDC00U && at + 3 < bytes.size() && unit(at + 2) >= 0xDC00U &&
                        unit(at + 2) < 0xE000U;
      if (!pair) return refused(text, at + 2, "half of a pair of UTF-16");
      code = 0x10000U + ((code - 0xD800U) << 10U) + (unit(at + 2) - 0xDC00U);
      at += 2;
    }
    append_utf8(text, code);
  }
  return text;
}

/// The first byte that belongs to no UTF-8 character; the text is none as a whole.
std::size_t first_invalid(std::string_view bytes) {
  // Halving: a prefix cut within a character is told apart by trying up to three bytes less.
  const auto holds = [&](std::size_t size) {
    for (std::size_t cut = 0; cut < 4 && cut <= size; ++cut)
      if (is_utf8(bytes.substr(0, size - cut))) return true;
    return false;
  };
  std::size_t good = 0;
  std::size_t bad = bytes.size();
  while (bad - good > 1) {
    const std::size_t middle = good + (bad - good) / 2;
    (holds(middle) ? good : bad) = middle;
  }
  std::size_t at = good;
  while (at > 0 && !is_utf8(bytes.substr(0, at))) --at;
  return at;
}

}  // namespace

Result<ScriptText> script_text(std::string bytes) {
  ScriptText script;
  std::size_t mark = 0;
  if (bytes.starts_with(kUtf16LeMark) || bytes.starts_with(kUtf16BeMark)) {
    const bool big_endian = bytes.starts_with(kUtf16BeMark);
    script.encoding = big_endian ? ScriptEncoding::utf16_be : ScriptEncoding::utf16_le;
    script.marked = true;
    DUNLIN_ASSIGN(script.text, from_utf16(std::string_view(bytes).substr(2), big_endian));
  } else {
    script.text = std::move(bytes);
    if (script.text.starts_with(kUtf8Mark)) {
      script.marked = true;
      mark = kUtf8Mark.size();
      script.text.erase(0, mark);
    }
    if (!is_utf8(script.text)) {
      const std::size_t at = first_invalid(script.text);
      Error error = refused(std::string_view(script.text).substr(0, at), at + mark,
                            fmt::format("the byte 0x{} is no UTF-8",
                                        hex(std::string_view(script.text).substr(at, 1))));
      error.remediation = "`iconv -f WINDOWS-1252 -t UTF-8 FILE` (or whatever it is written in)";
      return error;
    }
  }
  const std::size_t nul = script.text.find('\0');
  if (nul != std::string_view::npos)
    return refused(std::string_view(script.text).substr(0, nul), nul + mark,
                   "a NUL byte: no server takes it in SQL (UTF-16 has to begin with its mark)");
  return script;
}

}  // namespace dunlin::sql
