#include "engine/thread_pool.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace dunlin::engine {
namespace {

/// No wait here is without end: glibc can lose a wake-up where several threads wait
/// (https://sourceware.org/bugzilla/show_bug.cgi?id=25847, up to 2.41), and nobody would repeat it.
constexpr std::chrono::milliseconds kWaitMax{200};

}  // namespace

TaskThreads::TaskThreads(std::size_t threads) {
  for (std::size_t i = 0; i < std::max<std::size_t>(1, threads); ++i)
    threads_.emplace_back([this] { loop(); });
}

TaskThreads::~TaskThreads() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void TaskThreads::post(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void TaskThreads::loop() {
  for (;;) {
    std::function<void()> job;
    {
      std::unique_lock lock(mutex_);
      while (!ending_ && jobs_.empty()) wake_.wait_for(lock, kWaitMax);
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

struct ItemPool::Part {
  std::size_t next = 0;  ///< next index to begin
  std::size_t end = 0;
  std::size_t threads = 0;  ///< that are in it
};

struct ItemPool::Range {
  std::int64_t order = 0;
  bool one_thread_each = false;
  const std::function<void(std::size_t)>* fn = nullptr;
  const CancelToken* cancel = nullptr;
  std::vector<Part> parts;
  std::size_t first = 0;    ///< all parts before it have begun all they have
  std::size_t left = 0;     ///< indexes that have not begun
  std::size_t running = 0;  ///< begun and not ended

  [[nodiscard]] bool exhausted() const { return left == 0 || cancel->cancelled(); }

  /// Where a thread that comes finds the fewest others; nullptr: nowhere.
  [[nodiscard]] Part* least_busy() {
    while (first < parts.size() && parts[first].next == parts[first].end) ++first;
    Part* best = nullptr;
    for (std::size_t n = first; n < parts.size(); ++n) {
      Part& part = parts[n];
      if (part.next == part.end || (one_thread_each && part.threads > 0)) continue;
      if (best == nullptr || part.threads < best->threads) best = &part;
      if (best->threads == 0) break;
    }
    return best;
  }
};

ItemPool::ItemPool(std::size_t threads) {
  for (std::size_t i = 0; i < std::max<std::size_t>(1, threads); ++i)
    threads_.emplace_back([this] { loop(); });
}

std::size_t ItemPool::callers() {
  const std::lock_guard lock(mutex_);
  return ranges_.size();
}

void ItemPool::grow_to(std::size_t threads) {
  const std::lock_guard lock(mutex_);
  while (threads_.size() < threads && !ending_) threads_.emplace_back([this] { loop(); });
}

ItemPool::~ItemPool() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool ItemPool::for_each(std::int64_t order, const Parts& parts,
                        const std::function<void(std::size_t)>& fn, const CancelToken& cancel) {
  const auto range = std::make_shared<Range>();
  range->order = order;
  range->one_thread_each = parts.one_thread_each;
  range->fn = &fn;
  range->cancel = &cancel;
  for (std::size_t n = 1; n < parts.bounds.size(); ++n)
    range->parts.push_back({parts.bounds[n - 1], parts.bounds[n], 0});
  range->left = parts.bounds.empty() ? 0 : parts.bounds.back() - parts.bounds.front();
  if (range->left == 0) return true;
  std::unique_lock lock(mutex_);
  ranges_.insert(std::upper_bound(ranges_.begin(), ranges_.end(), order,
                                  [](std::int64_t n, const auto& one) { return n < one->order; }),
                 range);
  wake_.notify_all();
  // A raised token is seen by whichever thread takes the next index; with none free, by this wait's
  // time-out.
  while (!(range->exhausted() && range->running == 0))
    finished_.wait_for(lock, std::chrono::milliseconds(50));
  std::erase(ranges_, range);
  return range->left == 0;
}

/// Whether a caller with a lower order has something for a thread.
bool ItemPool::older_waits(const Range& than) {
  for (const auto& one : ranges_) {
    if (one.get() == &than) return false;
    if (!one->exhausted() && one->least_busy() != nullptr) return true;
  }
  return false;
}

void ItemPool::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    std::shared_ptr<Range> range;
    Part* part = nullptr;
    for (const auto& one : ranges_) {
      if (one->exhausted()) continue;
      part = one->least_busy();
      if (part == nullptr) continue;
      range = one;
      break;
    }
    if (part == nullptr) {
      if (ending_) return;
      wake_.wait_for(lock, kWaitMax);
      continue;
    }
    ++part->threads;
    while (part->next < part->end && !range->exhausted() &&
           (range->one_thread_each || !older_waits(*range))) {
      const std::size_t index = part->next++;
      --range->left;
      ++range->running;
      lock.unlock();
      (*range->fn)(index);
      lock.lock();
      --range->running;
    }
    --part->threads;
    if (range->running == 0 && range->exhausted()) finished_.notify_all();
  }
}

}  // namespace dunlin::engine
