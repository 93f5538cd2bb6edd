#include "engine/governor.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include <time.h>

#include "base/clock.h"

namespace dunlin::engine {
namespace {

/// What may be sent at once after idling: 100 ms worth, so that any 10 s see at most 1 % over the
/// limit.
constexpr std::int64_t kBurstNs = 100'000'000;

/// The token wakes nobody here, so nobody sleeps longer than a person would notice.
constexpr std::int64_t kLongestSleepNs = 50'000'000;

std::int64_t cost_ns(std::int64_t amount, std::int64_t per_second) {
  return static_cast<std::int64_t>(static_cast<double>(amount) * 1e9 /
                                   static_cast<double>(per_second));
}

/// Of all threads of the process.
std::int64_t cpu_now_ns() {
  timespec time{};
  if (::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) != 0) return 0;
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

/// Those that the process may use (taskset, cpusets).
int cpus() {
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
  return std::max(1, CPU_COUNT(&allowed));
}

}  // namespace

void Governor::set_cpu_percent(std::int64_t percent) {
  const std::lock_guard lock(mutex_);
  cpu_share_ = percent <= 0 ? 0 : static_cast<double>(percent) / 100 * cpus();
  cpu_used_ns_ = cpu_now_ns();
  cpu_due_ns_ = 0;
  changed_locked();
}

/// What was used since the last look takes its time at the rate that is allowed.
std::int64_t Governor::cpu_due_locked(std::int64_t now_ns) {
  if (cpu_share_ == 0) return 0;
  const std::int64_t used = cpu_now_ns();
  cpu_due_ns_ = std::max(cpu_due_ns_, now_ns - kBurstNs) +
                static_cast<std::int64_t>(static_cast<double>(used - cpu_used_ns_) / cpu_share_);
  cpu_used_ns_ = used;
  return cpu_due_ns_;
}

void Governor::set_limits(std::int64_t bytes_per_second, std::int64_t operations_per_second) {
  const std::lock_guard lock(mutex_);
  bytes_per_second_ = std::max<std::int64_t>(0, bytes_per_second);
  operations_per_second_ = std::max<std::int64_t>(0, operations_per_second);
  bytes_due_ns_ = 0;
  operations_due_ns_ = 0;
  changed_locked();
}

/// When the next grant may go; not after now: at once.
std::int64_t Governor::due_locked(std::int64_t now) {
  return std::max({bytes_per_second_ > 0 ? bytes_due_ns_ : 0,
                   operations_per_second_ > 0 ? operations_due_ns_ : 0, cpu_due_locked(now)});
}

void Governor::grant_locked(std::int64_t bytes, std::int64_t operations, std::int64_t now) {
  if (bytes_per_second_ > 0)
    bytes_due_ns_ = std::max(bytes_due_ns_, now - kBurstNs) + cost_ns(bytes, bytes_per_second_);
  if (operations_per_second_ > 0)
    operations_due_ns_ =
        std::max(operations_due_ns_, now - kBurstNs) + cost_ns(operations, operations_per_second_);
}

void Governor::pause_if_too_many(const CancelToken& cancel) {
  if (gate_ != nullptr) gate_->pause_if_too_many(cancel);
}

Status Governor::acquire(std::int64_t bytes, std::int64_t operations, const CancelToken& cancel) {
  pause_if_too_many(cancel);
  DUNLIN_TRY(wait_for_limits(bytes, operations, cancel));
  FairShare* const share = shared();
  return share == nullptr ? success() : share->take(bytes, operations, cancel);
}

Result<MemoryLease> Governor::memory(std::int64_t wanted, std::int64_t least,
                                     const CancelToken& cancel) {
  DUNLIN_ASSIGN(const std::int64_t bytes, memory_.take(wanted, least, cancel));
  return MemoryLease(*this, bytes);
}

void Governor::share(std::unique_ptr<FairShare> share) {
  const std::lock_guard lock(mutex_);
  if (share_) return;
  share_ = std::move(share);
  sharing_ = share_.get();
}

FairShare* Governor::shared() {
  return sharing_;
}

Status Governor::wait_for_limits(std::int64_t bytes, std::int64_t operations,
                                 const CancelToken& cancel) {
  if (unbounded_) return cancel.check();
  std::unique_lock lock(mutex_);
  std::condition_variable turn;
  const auto place = line_.insert(line_.end(), &turn);
  const Status granted = wait_locked(lock, place, bytes, operations, cancel);
  line_.erase(place);
  if (!line_.empty()) line_.front()->notify_one();
  return granted;
}

/// One after the other: whoever asks again at once stands behind those who wait, and nobody
/// starves.
Status Governor::wait_locked(std::unique_lock<std::mutex>& lock, Line::iterator place,
                             std::int64_t bytes, std::int64_t operations,
                             const CancelToken& cancel) {
  for (;;) {
    if (closed_) return Error(ErrorType::interrupted, "the execution is stopping");
    DUNLIN_TRY(cancel.check());
    if (!limits_locked()) return success();
    std::int64_t sleep = kLongestSleepNs;
    if (place == line_.begin()) {
      const std::int64_t now = steady_ns();
      const std::int64_t due = due_locked(now);
      if (due <= now) {
        grant_locked(bytes, operations, now);
        return success();
      }
      sleep = std::min(due - now, kLongestSleepNs);
      if (share_) share_->bounded();
    }
    (*place)->wait_for(lock, std::chrono::nanoseconds(sleep));
  }
}

void Governor::changed_locked() {
  unbounded_ = !limits_locked() && !closed_;
  for (std::condition_variable* turn : line_) turn->notify_one();
}

void Governor::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  if (share_) share_->close();
  memory_.close();
  changed_locked();
}

}  // namespace dunlin::engine
