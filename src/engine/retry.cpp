#include "engine/retry.h"

#include <algorithm>
#include <cmath>

namespace dunlin::engine {
namespace {

/// Retries of one type without a single success after which it is not tried again in this
/// execution.
constexpr std::int64_t kHopelessAfter = 50;
constexpr std::size_t kWaitingMax = 10'000;
constexpr double kBudgetMax = 1000;
constexpr double kBudgetPerSuccess = 0.1;

}  // namespace

bool RetryAdvisor::named(const std::vector<std::string>& names, ErrorType type) const {
  return std::find(names.begin(), names.end(), to_string(type)) != names.end();
}

bool RetryAdvisor::should_retry(const Error& error, std::int32_t failed_attempts, ItemId item) {
  if (named(policy_.no_retry_on, error.type)) return false;
  if (!error.retriable() && !named(policy_.retry_on, error.type)) return false;
  if (!policy_.retry_on.empty() && !named(policy_.retry_on, error.type)) return false;
  if (failed_attempts >= policy_.max_attempts) return false;
  const std::lock_guard lock(mutex_);
  Record& record = records_[error.type];
  if (record.retried >= kHopelessAfter && record.recovered == 0) return false;
  budget_ = std::max(0.0, budget_ - 1);
  ++record.retried;
  if (item.valid() && waiting_.size() < kWaitingMax) waiting_[item] = error.type;
  return true;
}

std::int64_t RetryAdvisor::delay_ms(const Error& error, std::int32_t failed_attempts) {
  const double exponent = std::max(0, failed_attempts - 1);
  const double cap = std::min(static_cast<double>(policy_.max_delay_ms),
                              static_cast<double>(policy_.initial_delay_ms) *
                                  std::pow(policy_.backoff_multiplier, exponent));
  const std::lock_guard lock(mutex_);
  if (budget_ < 1) return std::max(policy_.max_delay_ms, error.retry_after_ms);
  const auto jittered = static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(cap) + 1));
  return std::max(jittered, error.retry_after_ms);
}

void RetryAdvisor::note_success(ItemId item) {
  const std::lock_guard lock(mutex_);
  budget_ = std::min(kBudgetMax, budget_ + kBudgetPerSuccess);
  if (const auto found = waiting_.find(item); found != waiting_.end()) {
    ++records_[found->second].recovered;
    waiting_.erase(found);
  }
}

}  // namespace dunlin::engine
