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

struct ItemPool::Range {
  std::int64_t order = 0;
  std::size_t count = 0;
  const std::function<void(std::size_t)>* fn = nullptr;
  const CancelToken* cancel = nullptr;
  std::size_t next = 0;     ///< next index to begin
  std::size_t running = 0;  ///< begun and not ended
  [[nodiscard]] bool exhausted() const { return next >= count || cancel->cancelled(); }
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

bool ItemPool::for_each(std::int64_t order, std::size_t count,
                        const std::function<void(std::size_t)>& fn, const CancelToken& cancel) {
  if (count == 0) return true;
  const auto range = std::make_shared<Range>();
  range->order = order;
  range->count = count;
  range->fn = &fn;
  range->cancel = &cancel;
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
  return range->next >= count;
}

void ItemPool::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto found = std::find_if(ranges_.begin(), ranges_.end(),
                                    [](const auto& range) { return !range->exhausted(); });
    if (found == ranges_.end()) {
      if (ending_) return;
      wake_.wait_for(lock, kWaitMax);
      continue;
    }
    const std::shared_ptr<Range> range = *found;
    const std::size_t index = range->next++;
    ++range->running;
    lock.unlock();
    (*range->fn)(index);
    lock.lock();
    --range->running;
    if (range->running == 0 && range->exhausted()) finished_.notify_all();
  }
}

}  // namespace dunlin::engine
