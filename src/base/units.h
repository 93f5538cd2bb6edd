// Sizes, rates, durations and counts, as people write and read them (conventions.md, "Units").
//
// kB, MB, GB, TB, PB are powers of 1000; KiB, MiB, GiB, TiB, PiB and K, M, G, T, P powers of 1024;
// letters in any case. All parsers refuse signs, empty text and results beyond 63 bits with
// ErrorType::invalid_input that names what is accepted. Pure functions; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace dunlin {

/// Bytes: "123", "10K", "64MiB", "1.5GB", "2 TB" (one space allowed); fractions are rounded down to
/// a byte.
[[nodiscard]] Result<std::int64_t> parse_size(std::string_view text);

/// What a rate without unit means: bytes for --io-limit, KiB for --bwlimit (as in rsync).
enum class BareRate : std::uint8_t { bytes, kibibytes };
/// Bytes per second: a size, optionally followed by "/s".
[[nodiscard]] Result<std::int64_t> parse_rate(std::string_view text,
                                              BareRate bare = BareRate::bytes);

/// "500ms", "5s", "10m", "2h", "7d", "1.5h", and sums from large to small: "1h30m". A bare number
/// has no meaning and is refused, except "0".
[[nodiscard]] Result<std::chrono::milliseconds> parse_duration(std::string_view text);

struct CountOrPercent {
  std::int64_t count = 0;  ///< when is_percent is false
  double percent = 0;      ///< 0 to 100, when is_percent is true
  bool is_percent = false;
};
/// "10" or "5%" or "0.5%".
[[nodiscard]] Result<CountOrPercent> parse_count_or_percent(std::string_view text);

/// Binary units with three significant digits: "0 B", "999 B", "1.23 GiB", "12.3 MiB", "1010 KiB".
[[nodiscard]] std::string format_bytes(std::int64_t bytes);
/// "1.23 GiB/s".
[[nodiscard]] std::string format_rate(std::int64_t bytes_per_s);
/// "1,234,567".
[[nodiscard]] std::string format_count(std::int64_t count);
/// "850ms", "4.2s", "42s", "3m 05s", "1h 02m", "2d 03h": cut off, never rounded up.
[[nodiscard]] std::string format_duration(std::chrono::milliseconds duration);

}  // namespace dunlin
