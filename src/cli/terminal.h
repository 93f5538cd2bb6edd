// The two output streams as the user has them: a terminal or not, how wide, coloured or not.
//
// All writing of the command line goes through here. Lines of different threads do not mix. A
// closed pipe is no error: what nobody reads is dropped.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>

namespace dunlin::cli {

enum class Colour : std::uint8_t { none, bold, dim, red, green, yellow, cyan };

class Terminal {
 public:
  /// `colour` false: never, whatever the stream is.
  Terminal(int fd, bool colour);

  [[nodiscard]] bool is_terminal() const { return is_terminal_; }
  /// Columns now (the window may have changed), 0 when it is no terminal.
  [[nodiscard]] std::size_t width() const;
  /// The text in that colour, on a terminal that wants it; else the text.
  [[nodiscard]] std::string paint(Colour colour, std::string_view text) const;
  /// True when the locale of the user is UTF-8: box and bar characters may be used.
  [[nodiscard]] bool utf8() const { return utf8_; }

  /// Writes whole text at once; removes a live line before and puts it back after.
  void write(std::string_view text);
  /// Replaces the live line (terminals only); empty removes it.
  void set_live_line(std::string line);

 private:
  void raw(std::string_view text);

  const int fd_;
  bool is_terminal_ = false;
  bool colour_ = false;
  bool utf8_ = false;
  std::mutex mutex_;
  std::string live_;
};

/// Colours are wanted: NO_COLOR unset or empty, TERM not "dumb".
[[nodiscard]] bool colour_wanted();

}  // namespace dunlin::cli
