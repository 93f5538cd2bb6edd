// ConcurrencyGate: how many items are worked on at once, changed while they are.
//
// The pool has its threads; the gate says how many of them may work. A thread is inside from the
// beginning of its item to its end; where there are more inside than the limit allows, whoever asks
// for a permit next waits until another has ended, so that a lower limit takes effect in the middle
// of large items, too. Any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "base/cancel.h"

namespace dunlin::engine {

class ConcurrencyGate {
 public:
  explicit ConcurrencyGate(std::int64_t limit) : limit_(limit) {}
  ConcurrencyGate(const ConcurrencyGate&) = delete;
  ConcurrencyGate& operator=(const ConcurrencyGate&) = delete;

  /// At least 1. Takes effect for those who wait already.
  void set_limit(std::int64_t limit);
  [[nodiscard]] std::int64_t limit() const { return limit_.load(std::memory_order_relaxed); }

  /// Waits at the gate; `passed` is false when `cancel` was raised before its turn came.
  class Turn {
   public:
    Turn(ConcurrencyGate& gate, const CancelToken& cancel);
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    [[nodiscard]] bool passed() const { return passed_; }

   private:
    ConcurrencyGate& gate_;
    bool passed_ = false;
  };

  /// Within a Turn, between two portions of work: waits while too many are inside. Not for ever: a
  /// thread may hold what another one inside is waiting for, so after a while it does one more
  /// portion. Elsewhere it returns at once.
  void pause_if_too_many(const CancelToken& cancel);

 private:
  [[nodiscard]] bool enter_locked(std::unique_lock<std::mutex>& lock, const CancelToken& cancel,
                                  std::int64_t most_waits);

  std::atomic<std::int64_t> limit_;
  std::atomic<std::int64_t> inside_{0};  ///< changed with mutex_
  std::mutex mutex_;
  std::condition_variable left_;
};

}  // namespace dunlin::engine
