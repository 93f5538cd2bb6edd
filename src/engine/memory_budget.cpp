#include "engine/memory_budget.h"

#include <algorithm>
#include <chrono>

namespace dunlin::engine {
namespace {

/// What large files share where there is no limit: enough for two to keep a device busy.
constexpr std::int64_t kUsual = 64 << 20;
/// The token wakes nobody here, and glibc can lose a wake-up (BZ 25847).
constexpr std::chrono::milliseconds kLook{50};

}  // namespace

void MemoryBudget::set_limit(std::int64_t bytes) {
  const std::lock_guard lock(mutex_);
  limit_ = bytes <= 0 ? 0 : std::max(bytes, kLeastLimit) - kOwnBytes;
  given_back_.notify_all();
}

Result<std::int64_t> MemoryBudget::take(std::int64_t wanted, std::int64_t least,
                                        const CancelToken& cancel) {
  std::unique_lock lock(mutex_);
  for (;;) {
    DUNLIN_TRY(cancel.check());
    if (closed_) return Error(ErrorType::interrupted, "the execution is stopping");
    const std::int64_t left = (limit_ > 0 ? limit_ : kUsual) - used_;
    if (limit_ == 0 || used_ == 0 || left >= least) {
      const std::int64_t taken = std::max(least, std::min(wanted, left));
      used_ += taken;
      return taken;
    }
    given_back_.wait_for(lock, kLook);
  }
}

void MemoryBudget::give_back(std::int64_t bytes) {
  const std::lock_guard lock(mutex_);
  used_ -= bytes;
  if (limit_ > 0) given_back_.notify_all();
}

void MemoryBudget::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  given_back_.notify_all();
}

std::int64_t MemoryBudget::used() const {
  const std::lock_guard lock(mutex_);
  return used_;
}

}  // namespace dunlin::engine
