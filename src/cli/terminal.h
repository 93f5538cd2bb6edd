// The two output streams as the user has them: a terminal or not, how wide, coloured or not.
//
// All writing of the command line goes through here. Lines of different threads do not mix. A
// closed pipe is no error: what nobody reads is dropped.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "cli/text_layout.h"

namespace dunlin::cli {

enum class Colour : std::uint8_t { none, bold, dim, red, green, yellow, cyan };

class Terminal {
 public:
  /// `colour` false: never, whatever the stream is.
  Terminal(int fd, bool colour);

  [[nodiscard]] bool is_terminal() const { return is_terminal_; }
  /// A live block can be drawn: a terminal whose cursor can be moved (TERM is set, and not "dumb").
  [[nodiscard]] bool draws() const { return draws_; }
  /// Columns and rows now (the window may have changed), 0 when it is no terminal.
  [[nodiscard]] std::size_t width() const;
  [[nodiscard]] std::size_t height() const;
  [[nodiscard]] bool colour() const { return colour_; }
  /// The text in that colour, on a terminal that wants it; else the text.
  [[nodiscard]] std::string paint(Colour colour, std::string_view text) const;
  /// True when the locale of the user is UTF-8: box and bar characters may be used.
  [[nodiscard]] bool utf8() const { return utf8_; }

  [[nodiscard]] Charset charset() const { return utf8_ ? Charset::utf8 : Charset::ascii; }

  /// Writes whole text at once; removes the live block before and puts it back after.
  void write(std::string_view text);
  /// Replaces the block of lines at the bottom (where draws()); empty removes it. Lines that are
  /// too wide are cut, lines that the window has no room for are left out. After the window has
  /// changed the next call puts the picture right.
  void set_live(std::vector<std::string> lines);
  /// Removes the block for good: the process may end at any moment, and nobody would remove it
  /// then.
  void end_live();

 private:
  void raw(std::string_view text);
  [[nodiscard]] std::string to_top(std::size_t columns) const;
  [[nodiscard]] std::string erased(std::size_t columns) const;
  [[nodiscard]] std::string drawn(std::size_t columns);

  const int fd_;
  bool is_terminal_ = false;
  bool colour_ = false;
  bool utf8_ = false;
  bool draws_ = false;
  bool ended_ = false;  ///< end_live(); with mutex_
  std::mutex mutex_;
  std::vector<std::string>
      live_;  ///< as it stands there; the cursor is at the start of its last line
};

/// The text in that colour, and the colour switched off behind it.
[[nodiscard]] std::string coloured(Colour colour, std::string_view text);

/// Colours are wanted: NO_COLOR unset or empty, TERM not "dumb".
[[nodiscard]] bool colour_wanted();

}  // namespace dunlin::cli
