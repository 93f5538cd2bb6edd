// Governor: shares out bytes and operations per second; the engine's implementation of Permits.
//
// A leaky bucket over virtual time (GCRA, ITU-T I.371): each grant moves the time at which the next
// one is due, so the rate over any 10 s stays within the burst of it. Limits change live: waiters
// look again at once. Any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "base/permits.h"

namespace dunlin::engine {

class Governor final : public Permits {
 public:
  /// 0: no limit. Takes effect for those who wait already.
  void set_limits(std::int64_t bytes_per_second, std::int64_t operations_per_second);
  [[nodiscard]] Status acquire(std::int64_t bytes, std::int64_t operations,
                               const CancelToken& cancel) override;
  /// Refuses every further permit (emergency stop).
  void close();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::int64_t bytes_per_second_ = 0;
  std::int64_t operations_per_second_ = 0;
  std::int64_t bytes_due_ns_ = 0;  ///< monotonic: when the next byte may go
  std::int64_t operations_due_ns_ = 0;
  std::uint64_t generation_ = 0;  ///< of the limits
  bool closed_ = false;
};

}  // namespace dunlin::engine
