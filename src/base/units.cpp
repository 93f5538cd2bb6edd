// Parsers and printers of quantities. Numbers are exact decimals, never doubles: "0.1GB" is
// 100,000,000 bytes.
#include "base/units.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "base/text.h"

namespace dunlin {
namespace {

constexpr std::int64_t kInt64Max = std::numeric_limits<std::int64_t>::max();
constexpr std::string_view kSizeForms =
    R"(a number, or one with B, kB, MB, GB, TB, PB (powers of 1000) or KiB, MiB, GiB, TiB, PiB, K, M, G, T, P (powers of 1024), such as "64MiB")";
constexpr std::string_view kDurationForms =
    R"(a number with ms, s, m, h or d, such as "500ms", "10m" or "1h30m")";

Error refused(std::string_view what, std::string_view text, std::string_view accepted) {
  return {ErrorType::invalid_input,
          fmt::format("\"{}\" is no {}: expected {}", escape_bytes(text), what, accepted)};
}

/// digits / 10^decimals
struct Decimal {
  std::int64_t digits = 0;
  int decimals = 0;
};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
std::size_t digits_at_start(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::find_if_not(text, is_digit) - text.begin());
}

/// Takes "12", "1.5" or ".5" off the front of `text`; nullopt for anything else or more than 18
/// digits.
std::optional<Decimal> take_decimal(std::string_view& text) {
  const std::size_t whole = digits_at_start(text);
  std::string digits(text.substr(0, whole));
  std::string_view rest = text.substr(whole);
  Decimal number;
  if (rest.starts_with('.')) {
    const std::size_t decimals = digits_at_start(rest.substr(1));
    if (decimals == 0) return std::nullopt;
    digits += rest.substr(1, decimals);
    number.decimals = static_cast<int>(decimals);
    rest.remove_prefix(1 + decimals);
  }
  if (digits.empty() || number.decimals > 18) return std::nullopt;
  for (const char c : digits) {
    if (__builtin_mul_overflow(number.digits, 10, &number.digits) ||
        __builtin_add_overflow(number.digits, c - '0', &number.digits)) {
      return std::nullopt;
    }
  }
  text = rest;
  return number;
}

/// number * factor, rounded down; nullopt beyond 63 bits.
std::optional<std::int64_t> scale(Decimal number, std::int64_t factor) {
  std::int64_t divisor = 1;
  for (int i = 0; i < number.decimals; ++i) divisor *= 10;
  // Whole and fraction apart, so that only a result that is too large overflows.
  std::int64_t whole = 0;
  if (__builtin_mul_overflow(number.digits / divisor, factor, &whole)) return std::nullopt;
  std::int64_t fraction = number.digits % divisor;
  std::int64_t left = factor;
  while (left % 10 == 0 && divisor % 10 == 0) {
    left /= 10;
    divisor /= 10;
  }
  std::int64_t part = 0;
  if (!__builtin_mul_overflow(fraction, left, &part)) {
    part /= divisor;
  } else {
    part = static_cast<std::int64_t>(static_cast<long double>(fraction) *
                                     static_cast<long double>(left) /
                                     static_cast<long double>(divisor));
  }
  if (__builtin_add_overflow(whole, part, &whole)) return std::nullopt;
  return whole;
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

/// Bytes of a unit; 0 when it is none. "Mb" would be megabits, so a capital prefix with a small b
/// is refused.
std::int64_t unit_bytes(std::string_view unit) {
  const std::string name = lower_case(unit);
  if (name == "b") return 1;
  constexpr std::string_view kPrefixes = "kmgtp";
  const std::size_t power = name.empty() ? std::string_view::npos : kPrefixes.find(name[0]);
  if (power == std::string_view::npos) return 0;
  const std::string tail = name.substr(1);
  const bool binary = tail.empty() || tail == "ib";
  const bool decimal = tail == "b" && !(unit[0] != name[0] && unit[1] == 'b');
  if (!binary && !decimal) return 0;
  std::int64_t bytes = 1;
  for (std::size_t i = 0; i <= power; ++i) bytes *= binary ? 1024 : 1000;
  return bytes;
}

/// nullopt when it is no size; `bare` is the factor of a number without unit.
std::optional<std::int64_t> size_of(std::string_view text, std::int64_t bare) {
  const auto number = take_decimal(text);
  if (!number) return std::nullopt;
  if (text.empty()) return number->decimals > 0 && bare == 1 ? std::nullopt : scale(*number, bare);
  if (text.starts_with(' ')) text.remove_prefix(1);
  const std::int64_t factor = unit_bytes(text);
  return factor == 0 ? std::nullopt : scale(*number, factor);
}

struct DurationUnit {
  std::string_view name;
  std::int64_t ms;
};
constexpr std::array kDurationUnits = {DurationUnit{"d", 86'400'000}, DurationUnit{"h", 3'600'000},
                                       DurationUnit{"m", 60'000}, DurationUnit{"s", 1000},
                                       DurationUnit{"ms", 1}};

}  // namespace

Result<std::int64_t> parse_size(std::string_view text) {
  if (const auto bytes = size_of(text, 1)) return *bytes;
  return refused("size", text, kSizeForms);
}

Result<std::int64_t> parse_rate(std::string_view text, BareRate bare) {
  std::string_view size = text;
  if (size.ends_with("/s")) size.remove_suffix(2);
  if (const auto rate = size_of(size, bare == BareRate::bytes ? 1 : 1024)) return *rate;
  return refused("rate", text,
                 fmt::format(R"({}, per second; without a unit: {}/s; "/s" may follow)", kSizeForms,
                             bare == BareRate::bytes ? "bytes" : "KiB"));
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  if (text == "0") return std::chrono::milliseconds(0);
  std::string_view rest = text;
  std::int64_t total = 0;
  std::size_t next_unit = 0;
  bool fits = !rest.empty();
  while (fits && !rest.empty()) {
    const auto number = take_decimal(rest);
    const auto name_size = static_cast<std::size_t>(
        std::ranges::find_if(rest, [](char c) { return is_digit(c) || c == '.'; }) - rest.begin());
    const auto unit = std::find_if(
        kDurationUnits.begin() + static_cast<std::ptrdiff_t>(next_unit), kDurationUnits.end(),
        [&](const DurationUnit& u) { return u.name == rest.substr(0, name_size); });
    fits = number && unit != kDurationUnits.end();
    if (!fits) break;
    const auto part = scale(*number, unit->ms);
    fits = part && !__builtin_add_overflow(total, *part, &total);
    rest.remove_prefix(name_size);
    next_unit = static_cast<std::size_t>(unit - kDurationUnits.begin()) + 1;
  }
  if (!fits) return refused("duration", text, kDurationForms);
  return std::chrono::milliseconds(total);
}

Result<CountOrPercent> parse_count_or_percent(std::string_view text) {
  constexpr std::string_view kAccepted =
      R"(a whole number such as "10" or a percentage from 0% to 100% such as "5%")";
  std::string_view rest = text;
  const auto number = take_decimal(rest);
  if (number && rest.empty() && number->decimals == 0)
    return CountOrPercent{number->digits, 0, false};
  if (number && rest == "%") {
    const double percent = static_cast<double>(number->digits) / std::pow(10.0, number->decimals);
    if (percent <= 100) return CountOrPercent{0, percent, true};
  }
  return refused("count or percentage", text, kAccepted);
}

std::string format_bytes(std::int64_t bytes) {
  constexpr std::array<std::string_view, 7> kUnits = {"B",   "KiB", "MiB", "GiB",
                                                      "TiB", "PiB", "EiB"};
  if (bytes < 0) return "-" + format_bytes(bytes == -kInt64Max - 1 ? kInt64Max : -bytes);
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1023.5 && unit + 1 < kUnits.size()) {  // 1023.5 would be printed as 1024
    value /= 1024;
    ++unit;
  }
  const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f} {}", value, decimals, kUnits[unit]);
}

std::string format_rate(std::int64_t bytes_per_s) {
  return format_bytes(bytes_per_s) + "/s";
}

std::string format_count(std::int64_t count) {
  std::string digits = std::to_string(count);
  const std::size_t first = digits[0] == '-' ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string format_duration(std::chrono::milliseconds duration) {
  const std::int64_t ms = duration.count();
  if (ms < 0)
    return "-" + format_duration(std::chrono::milliseconds(ms == -kInt64Max - 1 ? kInt64Max : -ms));
  if (ms < 1000) return fmt::format("{}ms", ms);
  if (ms < 10'000) return fmt::format("{}.{}s", ms / 1000, ms % 1000 / 100);
  const std::int64_t s = ms / 1000;
  if (s < 60) return fmt::format("{}s", s);
  if (s < 3600) return fmt::format("{}m {:02}s", s / 60, s % 60);
  if (s < 86'400) return fmt::format("{}h {:02}m", s / 3600, s % 3600 / 60);
  return fmt::format("{}d {:02}h", s / 86'400, s % 86'400 / 3600);
}

}  // namespace dunlin
