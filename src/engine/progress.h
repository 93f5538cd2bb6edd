// Progress: the counters of the ledger as a person and a client see them, with rates and an ETA
// (engine.md X-23).
//
// Exact numbers come from the ledger; bytes in flight and rates from a RateMeter in the owning
// process. Unknown is null in JSON, never 0. Values; RateMeter from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/in_flight.h"
#include "store/model.h"

namespace dunlin::engine {

struct Progress {
  std::string phase;
  store::Counters counters;
  bool totals_exact = false;               ///< enumeration has ended
  std::int64_t current_batch = 0;          ///< highest batch that has ended or is open
  std::optional<double> bytes_per_second;  ///< over the last 10 s
  std::optional<double> items_per_second;
  std::optional<double> average_bytes_per_second;
  std::optional<double> peak_bytes_per_second;
  std::optional<std::int64_t> estimated_seconds_remaining;
  double percent_complete = 0;  ///< 100 means done, verification included
  std::int64_t running_seconds = 0;
  std::int64_t paused_seconds = 0;
  std::vector<CurrentItem> current_items;  ///< large or slow ones that are worked on now
};

/// Fields under the originals' names: total_<noun>, processed_<noun> …, total_bytes,
/// transfer_speed, phase. `noun` is the kind's (files, objects, records, migrations).
[[nodiscard]] Json progress_json(const Progress& progress, std::string_view noun);

/// The progress of an execution that is not running in this process: no rates.
[[nodiscard]] Progress progress_of(const store::ExecutionRow& row, std::int64_t now_ms);

/// Sliding rates over live bytes and ended items.
class RateMeter {
 public:
  void add_bytes(std::int64_t bytes) { bytes_.fetch_add(bytes, std::memory_order_relaxed); }
  /// `counted`: they are items to a person, too (store::CountAs); the ETA knows all.
  void add_items(std::int64_t items, bool counted = true) {
    all_.fetch_add(items, std::memory_order_relaxed);
    if (counted) items_.fetch_add(items, std::memory_order_relaxed);
  }
  /// Bytes that an earlier life has moved and that hold: done, at no rate.
  void add_kept(std::int64_t bytes) { kept_.fetch_add(bytes, std::memory_order_relaxed); }
  /// What the ledger knew to be transferred before anything was added here. Once, before all else.
  void begin(std::int64_t transferred_bytes) { transferred_at_first_ = transferred_bytes; }
  /// Notes where everything is, for the rates; about once a second, so that they are known when
  /// somebody asks for the first time.
  void sample(std::int64_t monotonic_ms);
  /// Fills rates and ETA, and adds the bytes in flight to processed_bytes, transferred_bytes and
  /// percent_complete. Call about once a second or faster. `monotonic_ms` is the caller's clock.
  void fill(Progress& progress, std::int64_t monotonic_ms);
  [[nodiscard]] std::int64_t live_bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  struct Sample {
    std::int64_t time_ms;
    std::int64_t bytes;
    std::int64_t items;
    std::int64_t all;
  };
  void sample_locked(std::int64_t monotonic_ms);
  std::atomic<std::int64_t> bytes_{0};
  std::atomic<std::int64_t> kept_{0};
  std::atomic<std::int64_t> all_{0};
  std::atomic<std::int64_t> items_{0};
  std::mutex mutex_;
  std::deque<Sample> samples_;
  double peak_ = 0;
  std::int64_t transferred_at_first_ = 0;
  std::int64_t unseen_ = 0;  ///< transferred by the ledger's word, but never added here (clones)
  double percent_shown_ = 0;
  std::int64_t percent_total_ = -1;  ///< the total that percent_shown_ is a part of
};

}  // namespace dunlin::engine
