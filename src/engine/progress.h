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
  /// Bytes that are there without having been moved now (an earlier life has, or they are shared
  /// with the source): done, at no rate.
  void add_kept(std::int64_t bytes) { kept_.fetch_add(bytes, std::memory_order_relaxed); }
  /// A pass over a batch has ended: of the `added` bytes, moved or kept, `counted` are in the
  /// ledger's outcomes. What failed has to be moved again, or has been kept and will be found so;
  /// of a clone nobody may have told; neither may stay with what is in flight.
  void pass_ended(std::int64_t added, std::int64_t counted) {
    kept_.fetch_add(counted - added, std::memory_order_relaxed);
  }
  /// What was written is being compared: work, but no progress of the bytes.
  void add_read_back(std::int64_t bytes) { read_back_.fetch_add(bytes, std::memory_order_relaxed); }
  /// What the ledger knew to be transferred before anything was added here. Once, before all else.
  void begin(std::int64_t transferred_bytes) { transferred_at_first_ = transferred_bytes; }
  /// Notes where everything is, for the rates; about once a second, so that they are known when
  /// somebody asks for the first time.
  void sample(std::int64_t monotonic_ms);
  /// What has to be read back of what is counted as done only then.
  struct ReadBack {
    bool expected = false;   ///< by the kind and its level of verification
    std::int64_t bytes = 0;  ///< of that what is done, in items that have not ended
  };
  /// Fills rates and ETA, and adds the bytes in flight to processed_bytes, transferred_bytes and
  /// percent_complete. Call about once a second or faster. `monotonic_ms` is the caller's clock.
  void fill(Progress& progress, std::int64_t monotonic_ms, ReadBack read_back);
  void fill(Progress& progress, std::int64_t monotonic_ms) { fill(progress, monotonic_ms, {}); }
  [[nodiscard]] std::int64_t read_back() const {
    return read_back_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::int64_t live_bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  struct Sample {
    std::int64_t time_ms;
    std::int64_t bytes;
    std::int64_t items;
    std::int64_t all;
    std::int64_t read_back;
  };
  void sample_locked(std::int64_t monotonic_ms);
  [[nodiscard]] double left_to_read_back(const store::Counters& recorded,
                                         const ReadBack& read_back) const;
  std::atomic<std::int64_t> bytes_{0};
  std::atomic<std::int64_t> kept_{0};
  std::atomic<std::int64_t> read_back_{0};
  std::atomic<std::int64_t> all_{0};
  std::atomic<std::int64_t> items_{0};
  std::mutex mutex_;
  std::deque<Sample> samples_;
  double peak_ = 0;
  std::int64_t transferred_at_first_ = 0;
  double percent_shown_ = 0;
  std::int64_t percent_total_ = -1;  ///< the total that percent_shown_ is a part of
};

}  // namespace dunlin::engine
