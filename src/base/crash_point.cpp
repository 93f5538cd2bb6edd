// Crash points: counting, logging and dying. Compiled always (tests call crash_point_hit); only the
// macro is switched.
#include "base/crash_point.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/check.h"

namespace dunlin {
namespace {

/// "name:number" of one environment variable; an empty name when it is not set.
struct Chosen {
  std::string name;
  long number = 0;
};

// A misspelt choice would make the crash loop pass without a crash, so it ends the process.
Chosen read_choice(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr || *value == '\0') return {};
  const std::string_view text(value);
  const std::size_t colon = text.rfind(':');
  DUNLIN_CHECK(colon != std::string_view::npos && colon > 0, "DUNLIN_CRASH_* wants NAME:NUMBER");
  Chosen chosen{std::string(text.substr(0, colon)), 0};
  const std::string_view digits = text.substr(colon + 1);
  const auto [end, code] =
      std::from_chars(digits.data(), digits.data() + digits.size(), chosen.number);
  DUNLIN_CHECK(code == std::errc() && end == digits.data() + digits.size() && chosen.number > 0,
               "DUNLIN_CRASH_* wants NAME:NUMBER with a number from 1");
  return chosen;
}

class CrashPoints {
 public:
  CrashPoints()
      : kill_(read_choice("DUNLIN_CRASH_AT")),
        stop_(read_choice("DUNLIN_CRASH_STOP")),
        sleep_(read_choice("DUNLIN_CRASH_SLEEP")) {
    const char* log = std::getenv("DUNLIN_CRASH_LOG");
    if (log == nullptr || *log == '\0') return;
    log_fd_ = ::open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    DUNLIN_CHECK(log_fd_ >= 0, "DUNLIN_CRASH_LOG cannot be opened");
  }

  void hit(std::string_view name) {
    const long count = count_hit(name);
    if (kill_.name == name && kill_.number == count) {
      static_cast<void>(::kill(::getpid(), SIGKILL));
      for (;;) ::pause();  // the signal may reach another thread first
    }
    if (stop_.name == name && stop_.number == count) static_cast<void>(::kill(::getpid(), SIGSTOP));
    if (sleep_.name == name) std::this_thread::sleep_for(std::chrono::milliseconds(sleep_.number));
  }

 private:
  // Counted and logged under one lock, so that the log's order is the order of the counts.
  long count_hit(std::string_view name) {
    const std::scoped_lock lock(mutex_);
    auto found = counts_.find(name);
    if (found == counts_.end()) found = counts_.emplace(std::string(name), 0).first;
    if (log_fd_ >= 0) {
      std::string line(name);
      line += '\n';
      ssize_t written = -1;
      do {
        written = ::write(log_fd_, line.data(), line.size());
      } while (written < 0 && errno == EINTR);
      DUNLIN_CHECK(written == static_cast<ssize_t>(line.size()),
                   "DUNLIN_CRASH_LOG cannot be written");
    }
    return ++found->second;
  }

  Chosen kill_;
  Chosen stop_;
  Chosen sleep_;
  int log_fd_ = -1;
  std::mutex mutex_;
  std::map<std::string, long, std::less<>> counts_;
};

}  // namespace

void crash_point_hit(const char* name) {
  // Never destroyed: threads may hit points while the process exits.
  static auto* const points = new CrashPoints();
  points->hit(name);
}

}  // namespace dunlin
