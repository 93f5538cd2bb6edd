// When a call to a server has to have ended. Values; any thread.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace dunlin::sql {

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
