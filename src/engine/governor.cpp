#include "engine/governor.h"

#include <algorithm>
#include <chrono>

namespace dunlin::engine {
namespace {

/// What may be sent at once after idling: 100 ms worth, so that any 10 s see at most 1 % over the
/// limit.
constexpr std::int64_t kBurstNs = 100'000'000;

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::int64_t cost_ns(std::int64_t amount, std::int64_t per_second) {
  return static_cast<std::int64_t>(static_cast<double>(amount) * 1e9 /
                                   static_cast<double>(per_second));
}

}  // namespace

void Governor::set_limits(std::int64_t bytes_per_second, std::int64_t operations_per_second) {
  {
    const std::lock_guard lock(mutex_);
    bytes_per_second_ = std::max<std::int64_t>(0, bytes_per_second);
    operations_per_second_ = std::max<std::int64_t>(0, operations_per_second);
    bytes_due_ns_ = 0;
    operations_due_ns_ = 0;
    ++generation_;
  }
  changed_.notify_all();
}

Status Governor::acquire(std::int64_t bytes, std::int64_t operations, const CancelToken& cancel) {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (closed_) return Error(ErrorType::interrupted, "the execution is stopping");
    DUNLIN_TRY(cancel.check());
    if (bytes_per_second_ == 0 && operations_per_second_ == 0) return success();
    const std::int64_t now = now_ns();
    const std::int64_t due = std::max(bytes_per_second_ > 0 ? bytes_due_ns_ : 0,
                                      operations_per_second_ > 0 ? operations_due_ns_ : 0);
    if (due <= now) {
      if (bytes_per_second_ > 0) {
        bytes_due_ns_ = std::max(bytes_due_ns_, now - kBurstNs) + cost_ns(bytes, bytes_per_second_);
      }
      if (operations_per_second_ > 0) {
        operations_due_ns_ = std::max(operations_due_ns_, now - kBurstNs) +
                             cost_ns(operations, operations_per_second_);
      }
      return success();
    }
    // The token wakes nobody here, so never sleep longer than a person would notice.
    const std::int64_t sleep = std::min<std::int64_t>(due - now, 50'000'000);
    changed_.wait_for(lock, std::chrono::nanoseconds(sleep));
  }
}

void Governor::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
}

}  // namespace dunlin::engine
