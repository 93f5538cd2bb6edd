// See text_layout.h. Widths are those of glyph_ranges.h: the C library's wcwidth depends on the
// locale of the process, which we do not set.
#include "cli/text_layout.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <numeric>

#include "cli/glyph_ranges.h"

namespace dunlin::cli {

namespace {

template <std::size_t N>
bool within(const GlyphRange (&ranges)[N], std::uint32_t code) {
  const auto* const after = std::upper_bound(
      std::begin(ranges), std::end(ranges), code,
      [](std::uint32_t value, const GlyphRange& range) { return value < range.first; });
  return after != std::begin(ranges) && code <= std::prev(after)->last;
}

std::size_t columns_of(std::uint32_t code) {
  if (code < 0x300) return code == 0xAD || code >= 0x20 ? 1 : 0;
  return within(kZeroColumns, code) ? 0 : within(kTwoColumns, code) ? 2 : 1;
}

/// One character: its bytes and its columns.
struct Glyph {
  std::size_t bytes = 1;
  std::size_t columns = 1;
};

/// U+FE0F asks for the picture instead of the letter, and a picture is wide. Terminals that do not
/// know this leave a column empty.
constexpr std::string_view kAsPicture = "\xEF\xB8\x8F";

Glyph glyph_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(at) == 0x1B && at + 1 < text.size() && text[at + 1] == '[') {
    std::size_t end = at + 2;
    while (end < text.size() && text[end] != 'm') ++end;
    return {std::min(end + 1, text.size()) - at, 0};
  }
  const std::size_t size = byte(at) < 0x80 ? 1 : byte(at) < 0xE0 ? 2 : byte(at) < 0xF0 ? 3 : 4;
  std::uint32_t code = byte(at);
  if (code >= 0x80) {
    if (code < 0xC0 || at + size > text.size()) return {};
    code &= 0xFFU >> (size + 1);
    for (std::size_t i = 1; i < size; ++i) {
      if ((byte(at + i) & 0xC0) != 0x80) return {};
      code = (code << 6) | (byte(at + i) & 0x3FU);
    }
  }
  const std::size_t columns = columns_of(code);
  if (columns == 1 && text.substr(at + size).starts_with(kAsPicture))
    return {size + kAsPicture.size(), 2};
  return {size, columns};
}

/// The longest start of `text` that takes at most `width` columns.
std::string_view head(std::string_view text, std::size_t width) {
  std::size_t at = 0;
  for (std::size_t used = 0; at < text.size();) {
    const Glyph glyph = glyph_at(text, at);
    if (used + glyph.columns > width) break;
    used += glyph.columns;
    at += glyph.bytes;
  }
  return text.substr(0, at);
}

/// The longest end of `text` that takes at most `width` columns.
std::string_view tail(std::string_view text, std::size_t width) {
  std::size_t left = display_width(text);
  std::size_t at = 0;
  while (at < text.size()) {
    const Glyph glyph = glyph_at(text, at);
    // A mark whose character was cut off would be drawn over what comes before.
    if (left <= width && (glyph.columns > 0 || at == 0)) break;
    left -= glyph.columns;
    at += glyph.bytes;
  }
  return text.substr(at);
}

std::string without_colour(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const Glyph glyph = glyph_at(text, at);
    if (text[at] != '\x1b') out += text.substr(at, glyph.bytes);
    at += glyph.bytes;
  }
  return out;
}

std::string_view ellipsis(Charset charset, std::size_t width) {
  return charset == Charset::utf8 ? "…" : std::string_view("...").substr(0, width);
}

constexpr std::size_t kGap = 2;
constexpr std::size_t kNarrowest = 8;

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t columns = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Glyph glyph = glyph_at(text, at);
    columns += glyph.columns;
    at += glyph.bytes;
  }
  return columns;
}

std::string fit(std::string_view text, std::size_t width, Charset charset) {
  if (display_width(text) <= width) return std::string(text);
  if (width == 0) return "";
  const std::string plain = without_colour(text);
  const std::string_view cut = ellipsis(charset, width);
  return std::string(head(plain, width - display_width(cut))) + std::string(cut);
}

std::string fit_middle(std::string_view text, std::size_t width, Charset charset) {
  if (display_width(text) <= width) return std::string(text);
  if (width == 0) return "";
  const std::string plain = without_colour(text);
  const std::string_view cut = ellipsis(charset, width);
  const std::size_t room = width - display_width(cut);
  const std::size_t front = room / 2;
  return std::string(head(plain, front)) + std::string(cut) +
         std::string(tail(plain, room - front));
}

std::vector<std::string> wrap(std::string_view text, std::size_t width) {
  std::vector<std::string> lines;
  while (width > 0 && display_width(text) > width) {
    // One more than there is room for: a blank there ends the line.
    std::size_t cut = head(text, width + 1).rfind(' ');
    if (cut == std::string_view::npos || text.find_first_not_of(' ') > cut) {
      cut = text.find(' ', std::min(text.find_first_not_of(' '), text.size()));
      if (cut == std::string_view::npos) break;
    }
    const std::size_t next = text.find_first_not_of(' ', cut);
    if (next == std::string_view::npos) break;
    const std::string_view line = text.substr(0, cut);
    lines.emplace_back(line.substr(0, line.find_last_not_of(' ') + 1));
    text.remove_prefix(next);
  }
  lines.emplace_back(text);
  return lines;
}

std::string wrap_below(std::string_view text, std::size_t width, std::size_t indent) {
  const std::size_t room = width == 0 ? 0 : width - std::min(indent, width - 1);
  std::string out;
  for (const std::string& line : wrap(text, room))
    out += (out.empty() ? "" : "\n" + std::string(indent, ' ')) + line;
  return out;
}

std::string pad_right(std::string_view text, std::size_t width) {
  const std::size_t used = display_width(text);
  return std::string(text) + std::string(used < width ? width - used : 0, ' ');
}

std::string pad_left(std::string_view text, std::size_t width) {
  const std::size_t used = display_width(text);
  return std::string(used < width ? width - used : 0, ' ') + std::string(text);
}

void Table::add(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

std::vector<std::size_t> Table::widths() const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t widest = display_width(columns_[i].title);
    for (const auto& row : rows_) widest = std::max(widest, display_width(row[i]));
    widths.push_back(widest);
  }
  return widths;
}

std::size_t Table::natural_width() const {
  const std::vector<std::size_t> all = widths();
  return std::accumulate(all.begin(), all.end(), std::size_t{0}) +
         kGap * (columns_.empty() ? 0 : columns_.size() - 1);
}

std::string Table::text(std::size_t width, Charset charset) const {
  std::vector<std::size_t> widths = this->widths();
  std::size_t total = std::accumulate(widths.begin(), widths.end(), std::size_t{0}) +
                      kGap * (columns_.empty() ? 0 : columns_.size() - 1);
  while (width > 0 && total > width) {  // the widest that may give way, column by column
    std::size_t widest = columns_.size();
    for (std::size_t i = 0; i < columns_.size(); ++i)
      if (columns_[i].flexible && widths[i] > kNarrowest &&
          (widest == columns_.size() || widths[i] > widths[widest]))
        widest = i;
    if (widest == columns_.size()) break;
    --widths[widest];
    --total;
  }
  std::string out;
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string cell = fit_middle(cells[i], widths[i], charset);
      if (i > 0) text += std::string(kGap, ' ');
      text +=
          columns_[i].align == Align::left ? pad_right(cell, widths[i]) : pad_left(cell, widths[i]);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    if (width > 0) text = fit(text, width, charset);
    out += text + "\n";
  };
  std::vector<std::string> titles;
  for (const auto& column : columns_) titles.push_back(column.title);
  line(titles);
  for (const auto& row : rows_) line(row);
  return out;
}

}  // namespace dunlin::cli
