// What ends a wave over the items of a batch, and not just one of them. Any thread.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>

#include "base/result.h"

namespace dunlin::files {

/// Ends that are not the item's: the engine tries the whole again, here or in another process.
[[nodiscard]] inline bool ends_the_process(const Error& error) {
  return error.type == ErrorType::interrupted || error.type == ErrorType::stale_owner;
}

class FirstError {
 public:
  void note(Error error) {
    const std::scoped_lock lock(mutex_);
    if (!error_) error_ = std::move(error);
    seen_ = true;
  }
  [[nodiscard]] bool seen() const { return seen_; }
  /// After the wave.
  [[nodiscard]] Status status() {
    const std::scoped_lock lock(mutex_);
    return error_ ? Status(*error_) : success();
  }

 private:
  std::mutex mutex_;
  std::optional<Error> error_;
  std::atomic<bool> seen_{false};
};

}  // namespace dunlin::files
