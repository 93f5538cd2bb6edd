// Items in flight: those that somebody may want to watch one by one, because they are large or take
// long (files.md F-17, engine.md X-25).
//
// A Run makes an ItemInFlight for as long as it works on one item; that costs a look at the clock
// and twice a lock that hardly anybody else wants. Displays are shown what is large, or is not done
// after a second, also where it hangs and tells nothing. Nothing here is stored; a crash forgets
// it.
//
// Threads: an ItemInFlight belongs to the thread that works on the item; list() may be called by
// any thread at any time.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/json.h"
#include "store/model.h"

namespace dunlin::engine {

/// What is being done with it. Its bytes are those of the phase: each begins at none, but for
/// `copying` after `resuming`, which goes on behind what was kept.
enum class ItemPhase : std::uint8_t {
  copying,
  resuming,   ///< what an earlier life has left is read back and compared with its hashes
  cloning,    ///< it shares its content with the source; the source is read for its hash
  comparing,  ///< with what stands at the destination already
  verifying,  ///< what was written is read back
};
[[nodiscard]] std::string_view to_string(ItemPhase phase);
[[nodiscard]] std::optional<ItemPhase> item_phase_from(std::string_view name);

/// One of them, as a display and a client see it.
struct CurrentItem {
  ItemId item;
  std::string path;  ///< bytes, below the source
  ItemPhase phase = ItemPhase::copying;
  std::int64_t done_bytes = 0;
  std::int64_t total_bytes = 0;
  std::optional<double> bytes_per_second;    ///< over the last 10 s of this phase
  std::optional<std::int64_t> seconds_left;  ///< of this phase
  std::int64_t running_ms = 0;               ///< since the work on it began

  [[nodiscard]] double percent() const;
};

/// Field `current_items` of the progress: one object each, unknown values null.
[[nodiscard]] Json current_items_json(const std::vector<CurrentItem>& items);
/// Its inverse, for what the owner has answered; what makes no sense is left out.
[[nodiscard]] std::vector<CurrentItem> current_items_from(const Json& list);

class ItemInFlight;
class RateMeter;

/// All of one execution.
class ItemsInFlight {
 public:
  struct Limits {
    std::int64_t large_bytes = 256LL << 20;  ///< from here on listed at once: docs/files.md
    std::int64_t long_ms = 1000;             ///< all others when they have taken so long
    std::size_t listed = 16;                 ///< the largest of them
    std::size_t path_bytes = 4096;           ///< of a longer one the end
  };
  /// `meter`, which may be nullptr, is told what is read back.
  explicit ItemsInFlight(const Clock& clock, RateMeter* meter = nullptr)
      : ItemsInFlight(clock, Limits{}, meter) {}
  ItemsInFlight(const Clock& clock, Limits limits, RateMeter* meter = nullptr)
      : clock_(clock), limits_(limits), meter_(meter) {}
  ItemsInFlight(const ItemsInFlight&) = delete;
  ItemsInFlight& operator=(const ItemsInFlight&) = delete;

  /// The largest, longest running first among equals; in the order in which they began.
  [[nodiscard]] std::vector<CurrentItem> list();
  /// Notes how far each is, for the rates. list() does so too; who is never asked calls this about
  /// once a second, so that the first answer has rates.
  void sample();
  /// Of all that is being read back now, listed or not, what has been.
  [[nodiscard]] std::int64_t read_back_bytes();

 private:
  friend class ItemInFlight;
  struct Sample {
    std::int64_t time_ms;
    std::int64_t done_bytes;
  };
  /// Workers come and go thousands of times a second: neighbours take different locks.
  struct alignas(64) Shard {
    std::mutex mutex;
    std::vector<ItemInFlight*> workers;
  };
  void add(ItemInFlight& worker);
  void remove(ItemInFlight& worker);
  template <typename Fn>
  void for_each(Fn fn);
  [[nodiscard]] bool is_watched(const ItemInFlight& worker, std::int64_t now_ms) const;
  void sample_locked(ItemInFlight& worker, std::int64_t now_ms) const;
  [[nodiscard]] CurrentItem item_locked(const ItemInFlight& worker, std::int64_t now_ms) const;

  const Clock& clock_;
  const Limits limits_;
  RateMeter* const meter_;
  std::atomic<std::uint64_t> begun_{0};
  std::array<Shard, 16> shards_;
};

/// The work on one item, told by whoever does it.
class ItemInFlight {
 public:
  /// `all` may be nullptr: then nobody watches. `row` must outlive it.
  ItemInFlight(ItemsInFlight* all, const store::ItemRow& row, ItemPhase phase,
               std::int64_t total_bytes);
  ~ItemInFlight();
  ItemInFlight(const ItemInFlight&) = delete;
  ItemInFlight& operator=(const ItemInFlight&) = delete;

  void advance(std::int64_t bytes);
  /// Another phase, `done_bytes` into it.
  void enter(ItemPhase phase, std::int64_t done_bytes = 0);

 private:
  friend class ItemsInFlight;
  ItemsInFlight* const all_;
  const store::ItemRow& row_;
  const std::int64_t total_bytes_;
  std::int64_t began_ms_ = 0;
  std::uint64_t number_ = 0;                 ///< in the order in which they began
  std::atomic<std::int64_t> done_bytes_{0};  ///< written by the owner, read by all
  // Written under the lock of its shard, where others read it.
  ItemPhase phase_;
  std::vector<ItemsInFlight::Sample> samples_;  ///< of this phase; the first is its beginning
};

}  // namespace dunlin::engine
