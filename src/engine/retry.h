// RetryAdvisor: whether and when something that failed is tried again (engine.md X-16). All calls
// from any thread.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <unordered_map>

#include "base/error.h"
#include "base/ids.h"
#include "base/rng.h"
#include "engine/settings.h"

namespace dunlin::engine {

class RetryAdvisor {
 public:
  RetryAdvisor(RetryPolicy policy, std::uint64_t seed) : policy_(std::move(policy)), rng_(seed) {}

  /// `failed_attempts` includes the one that just failed. False when the type is not retriable or
  /// excluded, attempts are used up, or this type has never yet succeeded on a retry though it was
  /// tried often enough. A true answer spends one of the retry budget; once that is spent (a storm:
  /// most of what happens is retries) each further retry waits for the maximum delay. `item` (0: a
  /// batch) is remembered until note_success tells that a retry of it has helped.
  [[nodiscard]] bool should_retry(const Error& error, std::int32_t failed_attempts,
                                  ItemId item = {});
  /// Full jitter: uniform in [0, min(max_delay, initial * multiplier^(n-1))]; a server's own
  /// Retry-After is a floor.
  [[nodiscard]] std::int64_t delay_ms(const Error& error, std::int32_t failed_attempts);
  void note_success(ItemId item);

 private:
  struct Record {
    std::int64_t retried = 0;
    std::int64_t recovered = 0;
  };
  [[nodiscard]] bool named(const std::vector<std::string>& names, ErrorType type) const;
  const RetryPolicy policy_;
  std::mutex mutex_;
  Rng rng_;
  std::map<ErrorType, Record> records_;
  std::unordered_map<ItemId, ErrorType> waiting_;  ///< retried and not yet ended, at most 10,000
  double budget_ = 100;  ///< grows by a tenth with each success, up to 1,000
};

}  // namespace dunlin::engine
