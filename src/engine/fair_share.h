// FairShare: makes the threads of an execution wait for its turn at devices that other executions
// use, too (share_policy.h says when it is). Any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string_view>

#include "base/cancel.h"
#include "engine/share_policy.h"

namespace dunlin::engine {

class FairShare {
 public:
  FairShare(std::unique_ptr<ShareBoard> board, std::string_view priority)
      : policy_(std::move(board), share_weight(priority)) {}

  void set_priority(std::string_view priority);
  /// Waits for the turn. Returns ErrorType::interrupted as soon as `cancel` is raised.
  [[nodiscard]] Status take(std::int64_t bytes, std::int64_t operations, const CancelToken& cancel);
  /// A limit of its own has held it up.
  void bounded();
  /// Nobody waits any more.
  void close();
  [[nodiscard]] SharePolicy::Standing standing();

 private:
  std::mutex mutex_;
  SharePolicy policy_;
  std::list<std::condition_variable*> line_;  ///< who waits, in the order in which they came
  bool closed_ = false;
};

}  // namespace dunlin::engine
