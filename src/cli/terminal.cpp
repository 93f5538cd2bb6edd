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
      utf8_(locale_is_utf8()) {}

std::size_t Terminal::width() const {
  if (!is_terminal_) return 0;
  winsize size{};
  if (::ioctl(fd_, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

std::string Terminal::paint(Colour colour, std::string_view text) const {
  if (!colour_ || colour == Colour::none || text.empty()) return std::string(text);
  return std::string(code_of(colour)) + std::string(text) + "\x1b[0m";
}

void Terminal::write(std::string_view text) {
  const std::lock_guard lock(mutex_);
  if (live_.empty()) {
    raw(text);
    return;
  }
  raw("\r\x1b[K" + std::string(text) + live_);
}

void Terminal::set_live_line(std::string line) {
  if (!is_terminal_) return;
  const std::lock_guard lock(mutex_);
  if (line.empty()) {
    if (!live_.empty()) raw("\r\x1b[K");
  } else {
    // The last column stays free: some terminals wrap as soon as it is written.
    const std::size_t columns = width();
    line = fit(line, columns > 1 ? columns - 1 : 1);
    raw("\r" + line + "\x1b[K");
  }
  live_ = std::move(line);
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
