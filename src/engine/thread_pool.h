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

/// The indexes from bounds[n] to bounds[n + 1] are part n: what shares something that only one
/// thread can have at a time, as the lock of a directory.
struct Parts {
  std::vector<std::size_t> bounds;  ///< ascending, from 0 to the count; empty: nothing to do
  bool one_thread_each = false;     ///< never two threads in one part
};

/// Runs functions over index ranges on a shared set of threads. Of several callers the one with the
/// lowest `order` is served first, so that batches, oldest first, are at different steps: while one
/// flushes, the next one copies. Among equals the one that came first.
class ItemPool {
 public:
  explicit ItemPool(std::size_t threads);
  ~ItemPool();
  /// How many callers are being served, or wait to be.
  [[nodiscard]] std::size_t callers();
  /// At least so many threads from now on. Any thread.
  void grow_to(std::size_t threads);
  /// fn of each index, in each part in ascending order of starting, and waits for all that were
  /// begun. A thread stays in its part, and goes to where the fewest are when that has ended: the
  /// threads spread over the parts. False when `cancel` was raised before all had begun. fn must
  /// not call for_each.
  bool for_each(std::int64_t order, const Parts& parts, const std::function<void(std::size_t)>& fn,
                const CancelToken& cancel);

 private:
  struct Part;
  struct Range;
  bool older_waits(const Range& than);
  void loop();
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable finished_;
  std::deque<std::shared_ptr<Range>> ranges_;  ///< by order, then age
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace dunlin::engine
