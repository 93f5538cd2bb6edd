// Governor: shares out bytes and operations per second; the engine's implementation of Permits.
//
// A leaky bucket over virtual time (GCRA, ITU-T I.371): each grant moves the time at which the next
// one is due, so the rate over any 10 s stays within the burst of it. For CPU time, which is known
// only once it was used, what was used moves that time. Limits change live: waiters look again at
// once. Any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>

#include "base/permits.h"
#include "engine/concurrency_gate.h"
#include "engine/fair_share.h"
#include "engine/memory_budget.h"

namespace dunlin::engine {

class Governor final : public Permits {
 public:
  Governor() = default;
  /// Whoever asks within an item also waits while more are worked on than `gate` allows.
  explicit Governor(ConcurrencyGate* gate) : gate_(gate) {}
  /// 0: no limit. Takes effect for those who wait already.
  void set_limits(std::int64_t bytes_per_second, std::int64_t operations_per_second);
  /// Of all CPUs that the process may use; 0: no limit. What uses CPU and asks for no permits is
  /// counted, too, and held up by nobody.
  void set_cpu_percent(std::int64_t percent);
  [[nodiscard]] Status acquire(std::int64_t bytes, std::int64_t operations,
                               const CancelToken& cancel) override;
  void pause_if_too_many(const CancelToken& cancel) override;
  /// Of the process, in bytes; 0: no limit.
  void set_memory(std::int64_t bytes) { memory_.set_limit(bytes); }
  [[nodiscard]] Result<MemoryLease> memory(std::int64_t wanted, std::int64_t least,
                                           const CancelToken& cancel) override;
  /// From now on whoever asks also waits for the turn of this execution among others. Once.
  void share(std::unique_ptr<FairShare> share);
  /// nullptr: shares with nobody.
  [[nodiscard]] FairShare* shared();
  /// Refuses every further permit (emergency stop).
  void close();

 protected:
  void give_back(std::int64_t bytes) override { memory_.give_back(bytes); }

 private:
  using Line = std::list<std::condition_variable*>;
  [[nodiscard]] bool limits_locked() const {
    return bytes_per_second_ > 0 || operations_per_second_ > 0 || cpu_share_ > 0;
  }
  [[nodiscard]] std::int64_t due_locked(std::int64_t now);
  void grant_locked(std::int64_t bytes, std::int64_t operations, std::int64_t now);
  [[nodiscard]] Status wait_for_limits(std::int64_t bytes, std::int64_t operations,
                                       const CancelToken& cancel);
  [[nodiscard]] Status wait_locked(std::unique_lock<std::mutex>& lock, Line::iterator place,
                                   std::int64_t bytes, std::int64_t operations,
                                   const CancelToken& cancel);
  /// After every change of what bounds.
  void changed_locked();
  [[nodiscard]] std::int64_t cpu_due_locked(std::int64_t now_ns);
  ConcurrencyGate* const gate_ = nullptr;
  std::mutex mutex_;
  Line line_;  ///< who waits, in the order in which they came; each on its own stack
  std::int64_t bytes_per_second_ = 0;
  std::int64_t operations_per_second_ = 0;
  std::int64_t bytes_due_ns_ = 0;  ///< monotonic: when the next byte may go
  std::int64_t operations_due_ns_ = 0;
  double cpu_share_ = 0;  ///< CPU seconds a second; 0: no limit
  std::int64_t cpu_used_ns_ = 0;
  std::int64_t cpu_due_ns_ = 0;
  std::unique_ptr<FairShare> share_;
  MemoryBudget memory_;
  bool closed_ = false;
  std::atomic<bool> unbounded_{true};         ///< neither a limit nor closed: the usual case
  std::atomic<FairShare*> sharing_{nullptr};  ///< `share_`
};

}  // namespace dunlin::engine
