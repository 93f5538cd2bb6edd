// Execution settings (engine.md X-5) as typed values with the documented defaults, and where each
// came from. Values; no thread rule.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "engine/selector.h"

namespace dunlin::engine {

enum class VerificationLevel : std::uint8_t { none, basic, full };
[[nodiscard]] std::string_view to_string(VerificationLevel level);

/// engine.md X-32: are all items looked at before the first is begun? `automatic`: up to 100,000 of
/// them.
enum class Preflight : std::uint8_t { automatic, complete, streaming };
[[nodiscard]] std::string_view to_string(Preflight preflight);

/// engine.md X-16. `max_attempts` counts the first try.
struct RetryPolicy {
  std::int32_t max_attempts = 3;
  std::int64_t initial_delay_ms = 1000;
  std::int64_t max_delay_ms = 30000;
  double backoff_multiplier = 2.0;
  std::vector<std::string> retry_on;  ///< names of error types or sets; empty: every retriable type
  std::vector<std::string> no_retry_on;
};

inline constexpr std::int64_t kMegabyte = 1'000'000;

/// 0: no limit.
struct ResourceLimits {
  std::int32_t max_cpu_percent = 0;
  std::int64_t max_memory_mb = 0;
  std::int64_t max_io_bytes_per_sec = 0;
  std::int64_t max_iops = 0;
  std::int64_t max_network_bytes_per_sec = 0;
};

/// Empty: `mb` can be the limit of memory; else what is wrong with it.
[[nodiscard]] std::string memory_problem(std::int64_t mb);

struct CheckpointPolicy {
  std::string frequency = "every_n_batches";  ///< every_batch, every_n_batches, time_based
  std::int32_t n_batches = 10;
  bool named = false;  ///< a person has said how often; else it follows the work (X-8)
  std::int32_t time_interval_minutes = 5;
  std::int32_t keep_last_n = 10;
  std::int32_t expire_after_hours = 24;
};

/// The mode of an execution that changes nothing: engine/dry_run.h.
inline constexpr std::string_view kDryRun = "dry_run";

/// The mode of an execution that takes what has changed: engine/incremental.h.
inline constexpr std::string_view kIncremental = "incremental";

struct ExecutionSettings {
  std::string mode = "full";
  bool incremental = false;        ///< that mode, or a dry run of one
  std::int64_t batch_size = 1000;  ///< items; `batch_size_set` tells whether a person named it
  bool batch_size_set = false;
  std::int64_t batch_bytes = 64LL << 20;
  std::int32_t parallel_batches = 4;  ///< units of commit in flight
  std::int32_t io_concurrency = 16;   ///< items or parts in flight in the execution
  ResourceLimits limits;
  RetryPolicy retry;
  VerificationLevel verification_level = VerificationLevel::full;
  Preflight preflight = Preflight::automatic;
  bool stop_on_first_error = false;
  std::string transaction_mode;  ///< per-batch, per-record, single, or empty: the kind's default
  CheckpointPolicy checkpoint;
  std::int64_t max_failures = -1;    ///< -1: no limit
  double max_failures_percent = -1;  ///< -1: no limit
  std::string priority = "normal";
  std::string undo_retention = "7d";      ///< as parse_duration() reads it, or forever
  std::string undo = "keep";              ///< what a rollback needs, after a good end: keep or drop
  std::string on_failure = "keep";        ///< of what was done when it fails: keep or rollback
  std::vector<Selector> selective_pause;  ///< parts that are held back

  [[nodiscard]] bool is_dry_run() const { return mode == kDryRun; }
  [[nodiscard]] bool drops_undo() const { return undo == "drop"; }
  [[nodiscard]] bool rolls_back_failure() const { return on_failure == "rollback"; }
  /// 0: forever.
  [[nodiscard]] std::int64_t undo_retention_ms() const;
};

/// Decodes the `settings` section of a plan (all spellings of X-5's alias table; two aliases with
/// different values are an error). Every problem is one line naming the key and the nearest valid
/// one.
[[nodiscard]] Result<ExecutionSettings> decode_settings(const Json& section,
                                                        std::vector<std::string>& problems);
/// The effective values under the original's names, for `settings_json`.
[[nodiscard]] Json encode_settings(const ExecutionSettings& settings);

}  // namespace dunlin::engine
