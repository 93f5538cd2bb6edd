// Escapes and encodings. One decoder of UTF-8 serves them all.
#include "base/text.h"

#include <algorithm>
#include <cstdint>

namespace dunlin {
namespace {

struct Character {
  std::size_t size = 0;  ///< bytes; 0: what stands here is no UTF-8
  std::uint32_t code = 0;
};

// Well-formed sequences only: table 3-7 of the Unicode standard.
Character decode(std::string_view bytes, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[at + i]); };
  const unsigned first = byte(0);
  if (first < 0x80U) return {1, first};
  const std::size_t size = first >= 0xf0U ? 4 : first >= 0xe0U ? 3 : 2;
  if (first < 0xc2U || first > 0xf4U || bytes.size() - at < size) return {};
  std::uint32_t code = first & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0U) != 0x80U) return {};
    code = (code << 6U) | (byte(i) & 0x3fU);
  }
  const bool overlong = (size == 3 && code < 0x800U) || (size == 4 && code < 0x10000U);
  const bool surrogate = code >= 0xd800U && code <= 0xdfffU;
  if (overlong || surrogate || code > 0x10ffffU) return {};
  return {size, code};
}

bool is_hidden(std::uint32_t code) {
  if (code < 0x20U || (code >= 0x7fU && code <= 0x9fU)) return true;
  if (code < 0x61cU) return false;
  return code == 0x61cU || code == 0x200eU || code == 0x200fU ||
         (code >= 0x2028U && code <= 0x202eU) || (code >= 0x2066U && code <= 0x2069U);
}

constexpr std::string_view kHexDigits = "0123456789abcdef";

void append_escaped(std::string& out, char c) {
  const auto byte = static_cast<unsigned char>(c);
  out += "\\x";
  out += kHexDigits[byte >> 4U];
  out += kHexDigits[byte & 0xfU];
}

enum class Keep : std::uint8_t { printable_but_backslash, printable, all_utf8 };

/// In each way of keeping. Names are of such characters as a rule, and are escaped for each
/// message.
bool stands_for_itself(char c) {
  return c >= 0x20 && c < 0x7f && c != '\\';
}

std::string escape(std::string_view bytes, Keep keep) {
  std::string out;
  out.reserve(bytes.size());
  for (std::size_t at = 0; at < bytes.size();) {
    const auto end = std::find_if_not(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end(),
                                      stands_for_itself);
    if (const auto plain = static_cast<std::size_t>(end - bytes.begin()) - at; plain > 0) {
      out += bytes.substr(at, plain);
      at += plain;
      continue;
    }
    const Character character = decode(bytes, at);
    const std::size_t size = std::max<std::size_t>(character.size, 1);
    if (character.size == 0 || (keep != Keep::all_utf8 && is_hidden(character.code))) {
      for (std::size_t i = 0; i < size; ++i) append_escaped(out, bytes[at + i]);
    } else if (character.code == '\\' && keep == Keep::printable_but_backslash) {
      out += "\\\\";
    } else {
      out += bytes.substr(at, size);
    }
    at += size;
  }
  return out;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// The byte of two hexadecimal digits, or -1.
int hex_pair(std::string_view text, std::size_t at) {
  if (at + 1 >= text.size()) return -1;
  const int high = hex_value(text[at]);
  const int low = hex_value(text[at + 1]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Optimal string alignment: insert, delete, replace, swap of neighbours; one row per letter, three
// kept.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool equal = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (equal ? 0U : 1U)});
      const bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                           lower(a[i - 2]) == lower(b[j - 1]);
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

template <typename Words>
std::optional<std::string> nearest(std::string_view word, const Words& candidates) {
  constexpr std::size_t kLongest = 128;  // nobody mistypes more, and the cost is quadratic
  std::optional<std::string> best;
  std::size_t best_distance = 0;
  if (word.empty() || word.size() > kLongest) return best;
  for (const auto& candidate : candidates) {
    if (candidate.empty() || candidate.size() > kLongest) continue;
    const std::size_t longer = std::max(word.size(), candidate.size());
    const std::size_t found = distance(word, candidate);
    if (found >= longer || found > std::max<std::size_t>(1, longer / 3)) continue;
    if (!best || found < best_distance) {
      best = std::string(candidate);
      best_distance = found;
    }
  }
  return best;
}

bool is_harmless_in_shell(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("_@%+=:,./-").find(c) != std::string_view::npos;
}

}  // namespace

void append_utf8(std::string& text, std::uint32_t code) {
  const auto put = [&](std::uint32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (code < 0x80U) {
    put(code);
  } else if (code < 0x800U) {
    put(0xC0U | code >> 6U);
    put(0x80U | (code & 0x3FU));
  } else if (code < 0x10000U) {
    put(0xE0U | code >> 12U);
    put(0x80U | (code >> 6U & 0x3FU));
    put(0x80U | (code & 0x3FU));
  } else {
    put(0xF0U | code >> 18U);
    put(0x80U | (code >> 12U & 0x3FU));
    put(0x80U | (code >> 6U & 0x3FU));
    put(0x80U | (code & 0x3FU));
  }
}

bool is_utf8(std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t size = decode(bytes, at).size;
    if (size == 0) return false;
    at += size;
  }
  return true;
}

std::string escape_bytes(std::string_view bytes) {
  return escape(bytes, Keep::printable_but_backslash);
}
std::string printable(std::string_view text) {
  return escape(text, Keep::printable);
}
std::string escape_invalid_utf8(std::string_view bytes) {
  return escape(bytes, Keep::all_utf8);
}

std::optional<std::string> unescape_bytes(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\') {
      out += text[at];
      continue;
    }
    const char kind = at + 1 < text.size() ? text[at + 1] : '\0';
    if (kind == '\\') {
      out += '\\';
      at += 1;
    } else if (const int byte = kind == 'x' ? hex_pair(text, at + 2) : -1; byte >= 0) {
      out += static_cast<char>(byte);
      at += 3;
    } else {
      return std::nullopt;
    }
  }
  return out;
}

std::string hex(std::string_view bytes) {
  std::string out(bytes.size() * 2, '\0');
  std::size_t at = 0;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out[at++] = kHexDigits[byte >> 4U];
    out[at++] = kHexDigits[byte & 0xfU];
  }
  return out;
}

std::optional<std::string> unhex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 2);
  for (std::size_t at = 0; at < text.size(); at += 2) {
    const int byte = hex_pair(text, at);
    if (byte < 0) return std::nullopt;
    out += static_cast<char>(byte);
  }
  return out;
}

std::string base64_encode(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t have = std::min<std::size_t>(3, bytes.size() - at);
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = (group << 8U) | (i < have ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i)
      out += i <= have ? kBase64[(group >> (18U - 6U * i)) & 0x3fU] : '=';
  }
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t at = 0; at < text.size(); at += 4) {
    const std::size_t pads = at + 4 == text.size() ? padding : 0;
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const std::size_t value = i < 4 - pads ? kBase64.find(text[at + i]) : 0;
      if (value == std::string_view::npos) return std::nullopt;
      group = (group << 6U) | static_cast<std::uint32_t>(value);
    }
    if ((group & ((1U << (8U * pads)) - 1U)) != 0) return std::nullopt;  // bits that no byte uses
    for (std::size_t i = 0; i < 3 - pads; ++i) out += static_cast<char>(group >> (16U - 8U * i));
  }
  return out;
}

std::optional<std::string> nearest_word(std::string_view word,
                                        std::span<const std::string_view> candidates) {
  return nearest(word, candidates);
}
std::optional<std::string> nearest_word(std::string_view word,
                                        const std::vector<std::string>& candidates) {
  return nearest(word, candidates);
}

std::string shell_quote(std::string_view word) {
  if (!word.empty() && std::ranges::all_of(word, is_harmless_in_shell)) return std::string(word);
  const bool shows = printable(word) == word;
  // In $'...' the escapes of escape_bytes mean the same bytes, since every \x has exactly two
  // digits.
  const std::string content = shows ? std::string(word) : escape_bytes(word);
  std::string out = shows ? "'" : "$'";
  for (const char c : content) {
    if (c != '\'') {
      out += c;
    } else {
      out += shows ? "'\\''" : "\\'";
    }
  }
  return out + '\'';
}

std::string shell_join(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) {
    if (!line.empty()) line += ' ';
    line += shell_quote(word);
  }
  return line;
}

}  // namespace dunlin
