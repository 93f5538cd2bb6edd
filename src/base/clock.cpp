// The machine's clocks by clock_gettime, and the one text form of a wall time.
#include "base/clock.h"

#include <array>
#include <chrono>
#include <ctime>

#include <fmt/format.h>

#include "base/check.h"
#include "base/text.h"

namespace dunlin {
namespace {

std::int64_t read_ms(clockid_t clock) {
  timespec now{};
  DUNLIN_CHECK(::clock_gettime(clock, &now) == 0, "a clock of the kernel is missing");
  return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

/// Takes exactly `digits` digits off the front; nullopt when there are fewer.
std::optional<int> take_digits(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (std::size_t n = 0; n < digits; ++n) {
    if (text[n] < '0' || text[n] > '9') return std::nullopt;
    value = value * 10 + (text[n] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

/// Fields of two digits with `separator` before all but the first; the first byte that does not fit
/// ends it.
template <std::size_t Count>
bool take_fields(std::string_view& text, char separator, std::array<int, Count>& fields) {
  for (std::size_t n = 0; n < Count; ++n) {
    if (n > 0 && !text.starts_with(separator)) return false;
    if (n > 0) text.remove_prefix(1);
    const auto value = take_digits(text, 2);
    if (!value) return false;
    fields[n] = *value;
  }
  return true;
}

/// ".123456": milliseconds, rounded down. 0 without a fraction; nullopt when no digit follows.
std::optional<int> take_fraction(std::string_view& text) {
  if (!text.starts_with('.')) return 0;
  text.remove_prefix(1);
  int ms = 0;
  std::size_t digits = 0;
  for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1)) {
    if (digits < 3) ms = ms * 10 + (text.front() - '0');
    ++digits;
  }
  for (std::size_t n = digits; n < 3; ++n) ms *= 10;
  return digits == 0 ? std::nullopt : std::optional(ms);
}

/// "Z" or "+02:00", in minutes.
std::optional<int> take_offset(std::string_view& text) {
  if (text.starts_with('Z') || text.starts_with('z')) {
    text.remove_prefix(1);
    return 0;
  }
  if (!text.starts_with('+') && !text.starts_with('-')) return std::nullopt;
  const int sign = text.front() == '-' ? -1 : 1;
  text.remove_prefix(1);
  std::array<int, 2> fields{};
  if (!take_fields(text, ':', fields) || fields[0] > 23 || fields[1] > 59) return std::nullopt;
  return sign * (fields[0] * 60 + fields[1]);
}

/// nullopt for what is no time.
std::optional<std::int64_t> read_rfc3339(std::string_view text) {
  const auto year = take_digits(text, 4);
  if (!year || !text.starts_with('-')) return std::nullopt;
  text.remove_prefix(1);
  std::array<int, 2> day{};
  if (!take_fields(text, '-', day)) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(day[0])),
                                         std::chrono::day(static_cast<unsigned>(day[1]))};
  if (!date.ok()) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  if (text.empty()) return days * 86'400'000;
  if (text.front() != 'T' && text.front() != 't' && text.front() != ' ') return std::nullopt;
  text.remove_prefix(1);
  std::array<int, 3> time{};
  if (!take_fields(text, ':', time) || time[0] > 23 || time[1] > 59 || time[2] > 59)
    return std::nullopt;
  const auto ms = take_fraction(text);
  const auto offset = ms ? take_offset(text) : std::nullopt;
  if (!offset || !text.empty()) return std::nullopt;
  const std::int64_t minutes = days * 1440 + time[0] * 60 + time[1] - *offset;
  return (minutes * 60 + time[2]) * 1000 + *ms;
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

Result<std::int64_t> parse_rfc3339(std::string_view text) {
  if (const auto ms = read_rfc3339(text)) return *ms;
  return Error(ErrorType::invalid_input,
               "\"" + escape_bytes(text) +
                   "\" is no time: expected one such as 2026-01-31T08:00:00Z or 2026-01-31");
}

}  // namespace dunlin
