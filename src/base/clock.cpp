// The machine's clocks by clock_gettime, and the one text form of a wall time.
#include "base/clock.h"

#include <ctime>

#include <fmt/format.h>

#include "base/check.h"

namespace dunlin {
namespace {

std::int64_t read_ms(clockid_t clock) {
  timespec now{};
  DUNLIN_CHECK(::clock_gettime(clock, &now) == 0, "a clock of the kernel is missing");
  return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace

std::int64_t SystemClock::monotonic_ms() const {
  return read_ms(CLOCK_MONOTONIC);
}
std::int64_t SystemClock::boottime_ms() const {
  return read_ms(CLOCK_BOOTTIME);
}
std::int64_t SystemClock::wall_ms() const {
  return read_ms(CLOCK_REALTIME);
}

std::string rfc3339(std::int64_t wall_ms) {
  const std::int64_t ms = ((wall_ms % 1000) + 1000) % 1000;
  const auto seconds = static_cast<time_t>((wall_ms - ms) / 1000);
  std::tm utc{};
  DUNLIN_CHECK(::gmtime_r(&seconds, &utc) != nullptr, "a time beyond all calendars");
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900LL,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, ms);
}

}  // namespace dunlin
