// Screen: what a terminal shows after bytes were written to it; for tests of displays.
//
// Knows what dunlin uses: text, "\r", "\n", cursor up, erasing to the end of the line or screen,
// colours (which it forgets), wrapping on and off. Columns are those of the C library's wcwidth,
// not those that dunlin has counted. When it is made narrower it breaks long lines anew and when it
// is made wider it joins them, as tmux, VTE and kitty do. One thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dunlin::testing {

class Screen {
 public:
  Screen(std::size_t columns, std::size_t rows) : columns_(columns), rows_(rows) {}

  void feed(std::string_view bytes);
  /// From here on each character takes two columns: a terminal that sees widths otherwise than we
  /// do.
  void every_glyph_is_wide() { all_wide_ = true; }
  void resize(std::size_t columns, std::size_t rows);

  /// All lines from the first one on, also those scrolled away, without trailing blanks and without
  /// empty lines at the end.
  [[nodiscard]] std::vector<std::string> lines() const;
  /// Lines that were broken because they were too wide, so far.
  [[nodiscard]] int wraps() const { return wraps_; }
  /// What comes next would wrap: whoever had it switched off has switched it on again.
  [[nodiscard]] bool wrapping() const { return wrapping_; }
  /// Sequences that it does not know, so far: a real terminal might show garbage.
  [[nodiscard]] const std::string& unknown() const { return unknown_; }

 private:
  struct Line {
    std::vector<std::string> glyphs;  ///< one a column: a wide one is followed by an empty one
    bool continues = false;           ///< the one before was broken here
  };
  void put(std::string_view glyph);
  void line_feed();
  std::size_t escape(std::string_view bytes);
  [[nodiscard]] std::size_t top() const;

  std::size_t columns_;
  std::size_t rows_;
  std::vector<Line> lines_{1};
  std::size_t row_ = 0;  ///< of the cursor, in lines_
  std::size_t column_ = 0;
  int wraps_ = 0;
  bool wrapping_ = true;
  bool all_wide_ = false;
  std::string unknown_;
};

}  // namespace dunlin::testing
