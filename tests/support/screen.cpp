// See screen.h.
#include "support/screen.h"

#include <algorithm>
#include <clocale>
#include <cwchar>

namespace dunlin::testing {

namespace {

/// As the C library knows it: C.UTF-8 is part of Debian's libc-bin.
int columns_of(std::string_view glyph) {
  static const locale_t utf8 = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  const locale_t former = ::uselocale(utf8);
  wchar_t wide = 0;
  std::mbstate_t state{};
  const std::size_t read = std::mbrtowc(&wide, glyph.data(), glyph.size(), &state);
  const int columns = read == glyph.size() ? ::wcwidth(wide) : 1;
  ::uselocale(former);
  return columns < 0 ? 1 : columns;
}

}  // namespace

std::size_t Screen::top() const {
  return lines_.size() > rows_ ? lines_.size() - rows_ : 0;
}

void Screen::line_feed() {
  if (++row_ == lines_.size()) lines_.emplace_back();
}

void Screen::put(std::string_view glyph) {
  const std::size_t columns = all_wide_ ? 2 : static_cast<std::size_t>(columns_of(glyph));
  if (columns == 0) {  // drawn over the one before
    auto& before = lines_[row_].glyphs;
    std::size_t at = std::min(column_, before.size());
    while (at > 0 && before[at - 1].empty()) --at;
    if (at > 0) before[at - 1] += glyph;
    return;
  }
  if (column_ + columns > columns_) {
    if (wrapping_) {
      ++wraps_;
      column_ = 0;
      line_feed();
      lines_[row_].continues = true;
    } else {
      column_ = columns_ - std::min(columns, columns_);
    }
  }
  auto& glyphs = lines_[row_].glyphs;
  if (glyphs.size() < column_ + columns) glyphs.resize(column_ + columns, " ");
  glyphs[column_] = std::string(glyph);
  if (columns == 2) glyphs[column_ + 1].clear();
  column_ += columns;
}

/// One control sequence; returns its length.
std::size_t Screen::escape(std::string_view bytes) {
  std::size_t end = 2;
  while (end < bytes.size() && static_cast<unsigned char>(bytes[end]) < 0x40) ++end;
  if (bytes.size() < 2 || bytes[1] != '[' || end >= bytes.size()) {
    unknown_ += bytes.substr(1, 1);
    return 1;
  }
  const std::string number(bytes.substr(2, end - 2));
  auto& glyphs = lines_[row_].glyphs;
  if (bytes[end] == 'A') {
    const std::size_t up = number.empty() ? 1 : std::stoul(number);
    row_ = std::max(row_ > up ? row_ - up : 0, top());
  } else if (bytes[end] == 'K' && number.empty()) {
    glyphs.resize(std::min(glyphs.size(), column_));
  } else if (bytes[end] == 'J' && number.empty()) {
    glyphs.resize(std::min(glyphs.size(), column_));
    lines_.resize(row_ + 1);
  } else if (number == "?7") {
    wrapping_ = bytes[end] == 'h';
  } else if (bytes[end] != 'm') {
    unknown_ += bytes.substr(1, end);
  }
  return end + 1;
}

void Screen::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    std::size_t used = 1;
    const auto byte = static_cast<unsigned char>(bytes[0]);
    if (byte == '\x1b') {
      used = escape(bytes);
    } else if (byte == '\r') {
      column_ = 0;
    } else if (byte == '\n') {
      line_feed();
      lines_[row_].continues = false;  // whatever stood here before
    } else {
      used = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
      put(bytes.substr(0, used));
    }
    bytes.remove_prefix(std::min(used, bytes.size()));
  }
}

void Screen::resize(std::size_t columns, std::size_t rows) {
  std::vector<Line> whole;
  std::size_t cursor_line = 0;
  std::size_t cursor_at = 0;
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    if (whole.empty() || !lines_[i].continues) whole.emplace_back();
    auto& glyphs = whole.back().glyphs;
    if (i == row_) {
      cursor_line = whole.size() - 1;
      cursor_at = glyphs.size() + column_;
    }
    glyphs.insert(glyphs.end(), lines_[i].glyphs.begin(), lines_[i].glyphs.end());
  }
  columns_ = columns;
  rows_ = rows;
  lines_.clear();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    const auto& glyphs = whole[i].glyphs;
    std::size_t at = 0;
    do {
      if (i == cursor_line && cursor_at >= at) {
        row_ = lines_.size();
        column_ = std::min(cursor_at - at, columns_);
      }
      const std::size_t end = std::min(glyphs.size(), at + columns_);
      lines_.push_back({{glyphs.begin() + static_cast<std::ptrdiff_t>(at),
                         glyphs.begin() + static_cast<std::ptrdiff_t>(end)},
                        at > 0});
      at = end;
    } while (at < glyphs.size());
  }
}

std::vector<std::string> Screen::lines() const {
  std::vector<std::string> out;
  for (const Line& line : lines_) {
    std::string text;
    for (const std::string& glyph : line.glyphs) text += glyph;
    text.erase(text.find_last_not_of(' ') + 1);
    out.push_back(std::move(text));
  }
  while (!out.empty() && out.back().empty()) out.pop_back();
  return out;
}

}  // namespace dunlin::testing
