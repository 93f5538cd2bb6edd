#include "sql/odbc/utf16.h"

#include <cstdint>

#include "base/text.h"

namespace dunlin::sql {
namespace {

constexpr std::uint32_t kBeyondOne = 0x10000;  // what needs two
constexpr std::uint32_t kHigh = 0xD800;
constexpr std::uint32_t kLow = 0xDC00;
constexpr std::uint32_t kBehindSurrogates = 0xE000;
constexpr std::uint32_t kReplacement = 0xFFFD;

}  // namespace

Result<std::vector<SQLWCHAR>> utf16_of(std::string_view utf8) {
  if (!is_utf8(utf8))
    return Error(ErrorType::invalid_input, "a text for the driver is no UTF-8; write it as UTF-8");
  std::vector<SQLWCHAR> out;
  out.reserve(utf8.size());
  for (std::size_t at = 0; at < utf8.size();) {
    const auto first = static_cast<unsigned char>(utf8[at]);
    const std::size_t length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    std::uint32_t code = length == 1 ? first : first & (0xFFU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i)
      code = code << 6U | (static_cast<unsigned char>(utf8[at + i]) & 0x3FU);
    at += length;
    if (code < kBeyondOne) {
      out.push_back(static_cast<SQLWCHAR>(code));
    } else {
      out.push_back(static_cast<SQLWCHAR>(kHigh + ((code - kBeyondOne) >> 10U)));
      out.push_back(static_cast<SQLWCHAR>(kLow + ((code - kBeyondOne) & 0x3FFU)));
    }
  }
  return out;
}

std::string utf8_of(std::span<const SQLWCHAR> utf16) {
  std::string out;
  out.reserve(utf16.size());
  for (std::size_t at = 0; at < utf16.size(); ++at) {
    std::uint32_t code = utf16[at];
    if (code >= kHigh && code < kBehindSurrogates) {
      const bool pair = code < kLow && at + 1 < utf16.size() && utf16[at + 1] >= kLow &&
                        utf16[at + 1] < kBehindSurrogates;
      code = pair ? kBeyondOne + ((code - kHigh) << 10U) + (utf16[++at] - kLow) : kReplacement;
    }
    append_utf8(out, code);
  }
  return out;
}

}  // namespace dunlin::sql
