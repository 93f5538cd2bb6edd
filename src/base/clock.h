// The clocks, behind an interface so that tests and the simulator own time.
//
// Order comes from the ledger's sequence, never from a clock. Durations: monotonic. Leases: boot
// time (runs on while the machine is suspended). The wall clock is only shown and used for
// schedules (conventions.md, "Clocks").
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace dunlin {

/// CLOCK_MONOTONIC, for what is measured and never recorded.
[[nodiscard]] inline std::int64_t steady_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual std::int64_t monotonic_ms() const = 0;  ///< CLOCK_MONOTONIC
  [[nodiscard]] virtual std::int64_t boottime_ms() const = 0;   ///< CLOCK_BOOTTIME
  [[nodiscard]] virtual std::int64_t wall_ms() const = 0;       ///< CLOCK_REALTIME since 1970
};

/// The machine's clocks. Safe from any thread.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t monotonic_ms() const override;
  [[nodiscard]] std::int64_t boottime_ms() const override;
  [[nodiscard]] std::int64_t wall_ms() const override;
};

/// Another clock whose wall time is what it was at the start of the process, carried on by the boot
/// time: setting the machine's clock in the middle makes no wait longer and no duration negative.
/// Safe from any thread.
class SteadyClock final : public Clock {
 public:
  explicit SteadyClock(const Clock& machine)
      : machine_(machine), wall_less_boottime_ms_(machine.wall_ms() - machine.boottime_ms()) {}
  [[nodiscard]] std::int64_t monotonic_ms() const override { return machine_.monotonic_ms(); }
  [[nodiscard]] std::int64_t boottime_ms() const override { return machine_.boottime_ms(); }
  [[nodiscard]] std::int64_t wall_ms() const override {
    return wall_less_boottime_ms_ + machine_.boottime_ms();
  }

 private:
  const Clock& machine_;
  const std::int64_t wall_less_boottime_ms_;
};

/// A clock that moves when told to. One thread.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(std::int64_t start_ms = 1'700'000'000'000) : now_ms_(start_ms) {}
  [[nodiscard]] std::int64_t monotonic_ms() const override { return now_ms_; }
  [[nodiscard]] std::int64_t boottime_ms() const override { return now_ms_; }
  [[nodiscard]] std::int64_t wall_ms() const override { return now_ms_; }
  void advance_ms(std::int64_t by) { now_ms_ += by; }

 private:
  std::int64_t now_ms_;
};

/// RFC 3339 in UTC with milliseconds: "2026-11-20T11:05:00.000Z".
[[nodiscard]] std::string rfc3339(std::int64_t wall_ms);
/// The inverse, and more of RFC 3339: any offset ("+02:00"), a blank or 't' for the 'T', no or any
/// fraction (cut off to milliseconds), or the day alone, which means its first instant in UTC.
/// invalid_input for all else; a second 60 is refused.
[[nodiscard]] Result<std::int64_t> parse_rfc3339(std::string_view text);

}  // namespace dunlin
