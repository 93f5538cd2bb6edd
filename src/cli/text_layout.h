// Text in columns: how wide it is on a terminal, cutting, padding, aligned tables.
//
// Everything handed in must be printable already (base/text.h): widths are of what is shown. Pure
// functions and values; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dunlin::cli {

/// Columns that UTF-8 text takes on a terminal: wide East Asian characters and emoji 2, combining
/// ones 0 (glyph_ranges.h). Colour sequences ("\x1b[...m") count nothing. A byte that is no UTF-8
/// counts 1. Where terminals differ this is the larger number.
[[nodiscard]] std::size_t display_width(std::string_view text);

/// What dunlin's own signs (cuts, bars) may be made of. Names keep their characters either way.
enum class Charset : std::uint8_t { utf8, ascii };

/// At most `width` columns; what is cut ends in "…" or "...". Colour sequences do not survive a
/// cut.
[[nodiscard]] std::string fit(std::string_view text, std::size_t width,
                              Charset charset = Charset::utf8);
/// As fit(), but cuts in the middle: both ends of a path tell something.
[[nodiscard]] std::string fit_middle(std::string_view text, std::size_t width,
                                     Charset charset = Charset::utf8);

/// Lines of at most `width` columns (0: one line), broken where there are blanks; a word that is
/// wider has a line of its own. Blanks within a line stay as they are.
[[nodiscard]] std::vector<std::string> wrap(std::string_view text, std::size_t width);
/// The same, joined: every line but the first begins with `indent` blanks, which count.
[[nodiscard]] std::string wrap_below(std::string_view text, std::size_t width, std::size_t indent);

[[nodiscard]] std::string pad_right(std::string_view text, std::size_t width);
[[nodiscard]] std::string pad_left(std::string_view text, std::size_t width);

enum class Align : std::uint8_t { left, right };

/// Columns as wide as their widest cell, two blanks apart, no trailing blanks.
class Table {
 public:
  struct Column {
    std::string title;
    Align align = Align::left;
    bool flexible = false;  ///< gives way when the table is wider than the terminal
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// As many cells as there are columns.
  void add(std::vector<std::string> cells);
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  /// Columns that it takes where it has all the room that it wants.
  [[nodiscard]] std::size_t natural_width() const;
  /// Lines that end in '\n'. `width` 0: no limit (not a terminal).
  [[nodiscard]] std::string text(std::size_t width, Charset charset = Charset::utf8) const;

 private:
  [[nodiscard]] std::vector<std::size_t> widths() const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace dunlin::cli
