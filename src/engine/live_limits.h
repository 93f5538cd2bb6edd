// LiveLimits: what a person changes of a running execution with `dunlin limits` and `dunlin
// priority` (engine.md ), and what holds now. Whoever changes something records
// effective() in the ledger, from which the next process begins (keep_live_limits).
//
// Threads: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "engine/concurrency_gate.h"
#include "engine/governor.h"
#include "engine/settings.h"

namespace dunlin::engine {

/// What is not named stays as it is. 0: no limit (of rates, CPU and memory).
struct LimitChange {
  std::optional<std::int64_t> bytes_per_second;
  std::optional<std::int64_t> operations_per_second;
  std::optional<std::int64_t> cpu_percent;
  std::optional<std::int64_t> memory_mb;
  std::optional<std::int64_t> concurrency;
  std::optional<std::int64_t> batch_size;
  std::optional<std::string> priority;
  std::optional<std::vector<Selector>> selective_pause;  ///< all that are held back from now on
};

/// {"io", "iops", "cpu", "memory", "concurrency", "batch_size"}: whole numbers; {"priority"}: a
/// name. invalid_input names what is wrong, and when nothing is to be changed.
[[nodiscard]] Result<LimitChange> limit_change_from(const Json& arguments);

/// Of `settings`, what the change names.
void apply(const LimitChange& change, ExecutionSettings& settings);
/// Of a plan's settings, what `stored` (encode_settings) has of those that change live.
void keep_live_limits(const Json& stored, ExecutionSettings& settings);

class LiveLimits {
 public:
  /// Sets the governor to what the settings say.
  LiveLimits(const ExecutionSettings& settings, Governor& governor, ConcurrencyGate& gate);

  void apply(const LimitChange& change);
  /// Of batches that are made from now on.
  [[nodiscard]] std::int64_t batch_size() const {
    return batch_size_.load(std::memory_order_relaxed);
  }
  /// The parts that are held back; never null. A new list for each change.
  using Parts = std::shared_ptr<const std::vector<Selector>>;
  [[nodiscard]] Parts held() const;
  /// What holds now, under the names of limit_change_from; null: no limit.
  [[nodiscard]] Json json() const;
  /// The settings with what was changed.
  [[nodiscard]] ExecutionSettings effective() const;

 private:
  void set_governor_locked();

  Governor& governor_;
  ConcurrencyGate& gate_;
  std::atomic<std::int64_t> batch_size_;
  mutable std::mutex mutex_;
  ExecutionSettings settings_;
  Parts held_;
};

}  // namespace dunlin::engine
