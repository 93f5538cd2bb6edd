// See terminal.h.
#include "cli/terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "cli/text_layout.h"

namespace dunlin::cli {

namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

bool locale_is_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    std::string value(environment(name));
    if (value.empty()) continue;
    std::transform(value.begin(), value.end(), value.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return value.find("utf-8") != std::string::npos || value.find("utf8") != std::string::npos;
  }
  return false;
}

/// DECAWM: what would go beyond the last column stays in it, or goes into the next row.
constexpr std::string_view kNoWrap = "\x1b[?7l";
constexpr std::string_view kWrap = "\x1b[?7h";

std::string_view code_of(Colour colour) {
  switch (colour) {
    case Colour::bold:
      return "\x1b[1m";
    case Colour::dim:
      return "\x1b[2m";
    case Colour::red:
      return "\x1b[31m";
    case Colour::green:
      return "\x1b[32m";
    case Colour::yellow:
      return "\x1b[33m";
    case Colour::cyan:
      return "\x1b[36m";
    case Colour::none:
      break;
  }
  return "";
}

}  // namespace

bool colour_wanted() {
  return environment("NO_COLOR").empty() && environment("TERM") != "dumb";
}

Terminal::Terminal(int fd, bool colour)
    : fd_(fd),
      is_terminal_(::isatty(fd) == 1),
      colour_(colour && is_terminal_),
      utf8_(locale_is_utf8()),
      draws_(is_terminal_ && !environment("TERM").empty() && environment("TERM") != "dumb") {}

std::size_t Terminal::height() const {
  if (!is_terminal_) return 0;
  winsize size{};
  if (::ioctl(fd_, TIOCGWINSZ, &size) == 0 && size.ws_row > 0) return size.ws_row;
  return 24;
}

std::size_t Terminal::width() const {
  if (!is_terminal_) return 0;
  winsize size{};
  if (::ioctl(fd_, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

std::string Terminal::paint(Colour colour, std::string_view text) const {
  return colour_ ? coloured(colour, text) : std::string(text);
}

std::string coloured(Colour colour, std::string_view text) {
  if (colour == Colour::none || text.empty()) return std::string(text);
  return std::string(code_of(colour)) + std::string(text) + "\x1b[0m";
}

void Terminal::write(std::string_view text) {
  const std::lock_guard lock(mutex_);
  if (live_.empty()) {
    raw(text);
    return;
  }
  std::string out = erased(width()) + std::string(text);
  if (!text.ends_with('\n')) out += '\n';
  raw(out + drawn(width()));
}

void Terminal::set_live(std::vector<std::string> lines) {
  if (!draws_) return;
  const std::lock_guard lock(mutex_);
  if (lines.empty() && live_.empty()) return;
  if (ended_ && !lines.empty()) return;
  const std::size_t columns = width();
  // One row is left to what stood above.
  const std::size_t rows = height();
  if (lines.size() >= rows) lines.resize(std::max<std::size_t>(rows, 2) - 1);
  std::string out = lines.empty() ? erased(columns) : to_top(columns);
  live_ = std::move(lines);
  raw(out + drawn(columns));
}

void Terminal::end_live() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  if (live_.empty()) return;
  raw(erased(width()));
  live_.clear();
}

namespace {

/// In a window that was made narrower since, a line takes several rows: terminals that keep what
/// they show break it anew.
std::size_t rows_of(const std::string& line, std::size_t columns) {
  return std::max<std::size_t>((display_width(line) + columns - 1) / columns, 1);
}

}  // namespace

/// Moves the cursor to where the block begins.
std::string Terminal::to_top(std::size_t columns) const {
  std::size_t rows = 0;
  for (std::size_t i = 0; i + 1 < live_.size(); ++i) rows += rows_of(live_[i], columns);
  return rows == 0 ? "\r" : "\r\x1b[" + std::to_string(rows) + "A";
}

/// The block is gone, and the cursor where it began. Not by one sequence from there on: tmux keeps
/// what such a one takes off a whole screen in its history.
std::string Terminal::erased(std::size_t columns) const {
  const bool one_row = live_.size() == 1 && rows_of(live_.front(), columns) == 1;
  return to_top(columns) + (one_row ? "\x1b[K" : "\x1b[K\n\x1b[J\x1b[1A");
}

/// The block from its top on. What it overwrites is erased line by line and not at once, which
/// would flicker; what is below it goes with its last line. The last column stays free: some
/// terminals wrap as soon as it is written. A line that the terminal takes for wider than we do
/// must not wrap either: rows that nobody knows of are never erased. Wrapping is switched off for
/// this one write and not for the life of the block, so that nobody has to switch it on again,
/// however the process ends.
std::string Terminal::drawn(std::size_t columns) {
  if (live_.empty()) return "";
  std::string out(kNoWrap);
  for (std::size_t i = 0; i < live_.size(); ++i) {
    live_[i] = fit(live_[i], columns > 1 ? columns - 1 : 1, charset());
    out += live_[i] + (i + 1 == live_.size() ? "\x1b[J\r" : "\x1b[K\n");
  }
  return out + std::string(kWrap);
}

void Terminal::raw(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd_, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      // Somebody made the stream non-blocking; wait until it takes more.
      pollfd ready{fd_, POLLOUT, 0};
      if (::poll(&ready, 1, 1000) <= 0) return;
    } else if (errno != EINTR) {
      return;  // EPIPE, EIO after a hang-up, ENOSPC of a log: nobody reads it
    }
  }
}

}  // namespace dunlin::cli
