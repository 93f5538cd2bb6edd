// MemoryBudget: how much memory the buffers of one execution may take (engine.md X-19).
//
// Without a limit nobody waits: large files at the same time get fewer buffers each, and are
// slower, rather than more memory. Under one, whoever wants more than is left waits for what others
// give back; a lower one is met as they do. Waiting ends with the token, looked at every 50 ms. Any
// thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "base/cancel.h"
#include "base/result.h"

namespace dunlin::engine {

class MemoryBudget {
 public:
  /// The least limit of a process, in bytes, and what of a limit is not for buffers: the program,
  /// its stacks, the ledger and what is known of directories (measured: 33 to 45 MiB).
  static constexpr std::int64_t kLeastLimit = 64'000'000;
  static constexpr std::int64_t kOwnBytes = 48'000'000;

  /// Of the process, in bytes; 0: no limit. Takes effect for those who wait already.
  void set_limit(std::int64_t bytes);
  /// As many of `wanted` as are left, but at least `least`. Nobody waits who is the only one.
  [[nodiscard]] Result<std::int64_t> take(std::int64_t wanted, std::int64_t least,
                                          const CancelToken& cancel);
  void give_back(std::int64_t bytes);
  /// Everybody who waits is refused from now on.
  void close();
  [[nodiscard]] std::int64_t used() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable given_back_;
  std::int64_t limit_ = 0;  ///< of buffers; 0: none
  std::int64_t used_ = 0;
  bool closed_ = false;
};

}  // namespace dunlin::engine
