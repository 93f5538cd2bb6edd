#include "engine/concurrency_gate.h"

#include <algorithm>
#include <chrono>
#include <limits>

namespace dunlin::engine {
namespace {

/// A raised token wakes nobody here.
constexpr std::chrono::milliseconds kLook{50};
/// Two seconds: a portion is at most 1 MiB (base/permits.h).
constexpr std::int64_t kLooksPerPortion = 40;

/// The gate that this thread is inside of.
thread_local const ConcurrencyGate* inside_of = nullptr;  // NOLINT(readability-identifier-naming)

}  // namespace

void ConcurrencyGate::set_limit(std::int64_t limit) {
  {
    const std::lock_guard lock(mutex_);
    limit_ = std::max<std::int64_t>(1, limit);
  }
  left_.notify_all();
}

/// False: neither room nor the end of waiting, but a raised token.
bool ConcurrencyGate::enter_locked(std::unique_lock<std::mutex>& lock, const CancelToken& cancel,
                                   std::int64_t most_waits) {
  for (std::int64_t waits = 0; inside_ >= limit_ && waits < most_waits; ++waits) {
    if (cancel.cancelled()) return false;
    left_.wait_for(lock, kLook);
  }
  ++inside_;
  return true;
}

ConcurrencyGate::Turn::Turn(ConcurrencyGate& gate, const CancelToken& cancel) : gate_(gate) {
  std::unique_lock lock(gate.mutex_);
  passed_ = gate.enter_locked(lock, cancel, std::numeric_limits<std::int64_t>::max());
  if (passed_) inside_of = &gate;
}

ConcurrencyGate::Turn::~Turn() {
  if (!passed_) return;
  inside_of = nullptr;
  {
    const std::lock_guard lock(gate_.mutex_);
    --gate_.inside_;
  }
  gate_.left_.notify_one();
}

void ConcurrencyGate::pause_if_too_many(const CancelToken& cancel) {
  if (inside_of != this || inside_ <= limit_) return;
  std::unique_lock lock(mutex_);
  if (inside_ <= limit_) return;
  --inside_;
  if (!enter_locked(lock, cancel, kLooksPerPortion)) ++inside_;  // it ends by itself
}

}  // namespace dunlin::engine
