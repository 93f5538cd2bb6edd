// SharePolicy: whether an execution may take its next portion now, or has to leave it to others at
// the same device (engine.md X-21).
//
// Start-time fair queueing (Goyal, Vin, Cheng 1996): everybody has a virtual time, which is what it
// was granted divided by its weight, and whoever is ahead of a busy rival waits. Who was away has
// no claim on what was done meanwhile. That a device is common does not mean that it is what holds
// a rival up (its source may be slow, its CPU busy), so now and then nobody waits for a second:
// when what one gives up does not reach the others, waiting is left off for a while.
//
// Time is given, so tests own it. Threads: one at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/share_board.h"

namespace dunlin::engine {

/// What portions are counted in: bytes, and for an operation what a device transfers in its time
/// (ARCHITECTURE's figures: 32 us a file at 1 GB/s).
[[nodiscard]] constexpr std::int64_t share_cost(std::int64_t bytes, std::int64_t operations) {
  constexpr std::int64_t kOperationBytes = 32 << 10;
  return bytes + operations * kOperationBytes;
}

/// Of a name of the setting `priority`: each step is twice the one below it.
[[nodiscard]] std::int64_t share_weight(std::string_view priority);

class SharePolicy {
 public:
  SharePolicy(std::unique_ptr<ShareBoard> board, std::int64_t weight);

  void set_weight(std::int64_t weight);
  /// False: ask again in some milliseconds. Whatever the board says, this is never so for longer
  /// than a second from one portion to the next.
  [[nodiscard]] bool may_take(std::int64_t now_ns);
  void took(std::int64_t cost, std::int64_t now_ns);
  /// A limit of its own holds it up, so nobody needs to wait for it.
  void bounded(std::int64_t now_ns);

  /// Who wants something of the same devices just now, and the part of it that is due to this one.
  struct Standing {
    int others = 0;
    double due = 1;
    bool waits = false;  ///< holds itself back for them
  };
  [[nodiscard]] Standing standing() const;

 private:
  /// Nobody waits but in `holding`. `released`: it has been found to be of no use to anybody.
  enum class Phase : std::uint8_t { holding, settling, trial, released };
  struct Sample {
    std::int64_t time_ns = 0;
    std::int64_t mine = 0;
    std::int64_t others = 0;
    std::size_t rivals = 0;
  };
  struct Rates {
    double mine = 0;
    double others = 0;
  };
  void look(std::int64_t now_ns);
  void keep_up(std::int64_t now_ns);
  void judge(std::int64_t now_ns);
  void conclude(const Rates& free, std::int64_t now_ns);
  [[nodiscard]] std::int64_t lead() const;
  [[nodiscard]] double growth() const;
  [[nodiscard]] std::int64_t longest_hold_ns() const;
  [[nodiscard]] std::int64_t trial_ns() const;
  void enter(Phase phase, std::int64_t now_ns);
  [[nodiscard]] Sample sample(std::int64_t now_ns) const;
  [[nodiscard]] Rates rates_since(const Sample& start, std::int64_t now_ns) const;
  [[nodiscard]] bool is_of_no_use(const Rates& free) const;

  std::unique_ptr<ShareBoard> board_;
  std::int64_t weight_;
  std::vector<ShareSlot> rivals_;  ///< all that live; `busy_` of them want something
  int busy_ = 0;
  std::int64_t busy_weight_ = 0;
  std::int64_t behind_ = 0;  ///< least virtual time of a busy one
  std::int64_t looked_ns_ = 0;
  std::int64_t looked_around_ns_ = 0;
  std::int64_t taken_ns_ = 0;
  std::int64_t last_cost_ = 0;
  std::int64_t held_ns_ = 0;  ///< when it was last told to wait
  struct Past {
    std::int64_t time_ns;
    std::int64_t behind;
  };
  std::deque<Past> past_;  ///< `behind_` over the last seconds
  Phase phase_ = Phase::holding;
  Sample since_;
  Rates held_;         ///< while it waited, before the trial
  int of_no_use_ = 0;  ///< trials one after the other that have said so
  std::int64_t next_trial_ns_ = 0;
  std::int64_t release_ends_ns_ = 0;
  std::int64_t release_ns_;  ///< how long the next release takes
};

}  // namespace dunlin::engine
