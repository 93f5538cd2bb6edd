// LiveLimits: what a person changes of a running execution with `dunlin limits` (engine.md X-19),
// and what holds now. Nothing of it is stored: the next process begins with the plan's settings.
//
// Threads: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>

#include "base/json.h"
#include "base/result.h"
#include "engine/concurrency_gate.h"
#include "engine/governor.h"
#include "engine/settings.h"

namespace dunlin::engine {

/// What is not named stays as it is. 0: no limit (of rates and CPU).
struct LimitChange {
  std::optional<std::int64_t> bytes_per_second;
  std::optional<std::int64_t> operations_per_second;
  std::optional<std::int64_t> cpu_percent;
  std::optional<std::int64_t> concurrency;
  std::optional<std::int64_t> batch_size;
};

/// {"io", "iops", "cpu", "concurrency", "batch_size"}: whole numbers. invalid_input names what is
/// wrong, and when nothing is to be changed.
[[nodiscard]] Result<LimitChange> limit_change_from(const Json& arguments);

class LiveLimits {
 public:
  /// Sets the governor to what the settings say.
  LiveLimits(const ExecutionSettings& settings, Governor& governor, ConcurrencyGate& gate);

  void apply(const LimitChange& change);
  /// Of batches that are made from now on.
  [[nodiscard]] std::int64_t batch_size() const {
    return batch_size_.load(std::memory_order_relaxed);
  }
  /// What holds now, under the names of limit_change_from; null: no limit.
  [[nodiscard]] Json json() const;

 private:
  void set_governor_locked();

  Governor& governor_;
  ConcurrencyGate& gate_;
  std::atomic<std::int64_t> batch_size_;
  mutable std::mutex mutex_;
  std::int64_t bytes_per_second_;
  std::int64_t operations_per_second_;
  std::int64_t cpu_percent_;
};

}  // namespace dunlin::engine
