// When a call to a server has to have ended. Values; any thread.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace dunlin::sql {

/// For the server's answer to being told to end a statement (connection.h).
inline constexpr std::chrono::milliseconds kConfirmWithin{5'000};
/// Where a call has no limit of its own.
inline constexpr std::chrono::milliseconds kConnectWithin{10'000};
/// engine.md: cancel and pause are looked at every 100 ms at least.
inline constexpr int kSlice_ms = 50;

class Deadline {
 public:
  /// From now on; 0: never.
  explicit Deadline(std::chrono::milliseconds timeout)
      : end_ns_(timeout.count() == 0 ? 0 : steady_ns() + timeout.count() * 1'000'000) {}
  [[nodiscard]] bool passed() const { return end_ns_ != 0 && steady_ns() >= end_ns_; }

 private:
  std::int64_t end_ns_;
};

}  // namespace dunlin::sql
