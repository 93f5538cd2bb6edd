// Threads of the engine: TaskThreads for whole jobs (a batch, an enumeration), ItemPool for the
// items inside them.
//
// Kinds start no threads of their own: whatever runs in parallel runs here, under io_concurrency.
// No detached threads; destructors wait for what runs.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/cancel.h"

namespace dunlin::engine {

/// A first-in first-out queue of jobs on a fixed number of threads. post() from any thread.
class TaskThreads {
 public:
  explicit TaskThreads(std::size_t threads);
  ~TaskThreads();
  void post(std::function<void()> job);

 private:
  void loop();
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

/// Runs functions over index ranges on a shared set of threads. Several callers at once share them
/// fairly: each free thread takes the next index of the range that was served longest ago.
class ItemPool {
 public:
  explicit ItemPool(std::size_t threads);
  ~ItemPool();
  /// fn(0) … fn(count - 1), in this order of starting, and waits for all that were begun. False
  /// when `cancel` was raised before all had begun. fn must not call for_each.
  bool for_each(std::size_t count, const std::function<void(std::size_t)>& fn,
                const CancelToken& cancel);

 private:
  struct Range;
  void loop();
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable finished_;
  std::deque<std::shared_ptr<Range>> ranges_;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace dunlin::engine
