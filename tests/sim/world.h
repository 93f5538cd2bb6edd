// World: one seed's universe: a virtual clock, a queue of things to come, the ledger, the
// destination, the owners that work on the execution one after the other (and, when stale, beside
// each other), and the person who resumes it.
//
// Deterministic: everything random comes from the seed, nothing from addresses, time or threads. A
// broken invariant is thrown as Violation and ends the seed. One thread; several worlds may run in
// several threads.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <queue>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/rng.h"
#include "sim/destination.h"
#include "sim/scenario.h"
#include "sim/shadow.h"
#include "store/ledger.h"

namespace dunlin::sim {

class Owner;

/// An invariant does not hold.
class Violation : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Statistics {
  std::int64_t steps = 0;
  std::int64_t owners = 0;
  std::int64_t crashes = 0;
  std::int64_t take_overs = 0;  ///< with a stale owner that went on
  std::int64_t lost = 0;
  std::int64_t doubled = 0;
  std::int64_t late = 0;
  std::int64_t persist_failures = 0;
  std::int64_t controls = 0;
  std::int64_t holds = 0;           ///< of parts
  std::int64_t only_held_left = 0;  ///< pauses of its own
  std::int64_t refusals = 0;        ///< of items that were looked at
  std::int64_t effects = 0;
  std::int64_t commits = 0;
  std::int64_t virtual_ms = 0;
};

class World {
 public:
  /// `history`: how many of the last events are kept for people; 0: none.
  World(Scenario scenario, std::size_t history);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  /// Plays the seed to its end. Throws Violation.
  void run();

  [[nodiscard]] const Statistics& statistics() const { return statistics_; }
  [[nodiscard]] const std::deque<std::string>& history() const { return history_; }
  [[nodiscard]] std::int64_t steps() const { return statistics_.steps; }

  // ---- For owners ----
  [[nodiscard]] Rng& rng() { return rng_; }
  [[nodiscard]] Scenario& scenario() { return scenario_; }
  /// The goal at hand is a rollback of a part.
  [[nodiscard]] bool takes_back_part() const { return goal_ == scenario_.part_goal; }
  [[nodiscard]] store::Ledger& ledger() { return *ledger_; }
  [[nodiscard]] Shadow& shadow() { return shadow_; }
  [[nodiscard]] Destination& destination() { return destination_; }
  [[nodiscard]] Statistics& count() { return statistics_; }
  [[nodiscard]] engine::coordinator::Now now() const {
    return {now_ms_, now_ms_ + wall_offset_ms_};
  }
  [[nodiscard]] std::int64_t newest_epoch() const { return newest_epoch_; }
  [[nodiscard]] bool faults() const { return statistics_.steps < scenario_.knobs.fault_events; }
  /// True with probability p while faults last.
  [[nodiscard]] bool fault(double p) { return faults() && p > 0 && rng_.chance(p); }
  /// Calls `action` in `delay_ms`, unless the owner (if not null) has died by then.
  void at(std::int64_t delay_ms, Owner* owner, std::function<void()> action);
  /// The owner has sent Finish.
  void owner_ended(Owner& owner, const engine::coordinator::Finish& finish);
  /// The items of `dunlin retry` are open again, durably.
  void retry_recorded() { retry_next_ = false; }
  /// How often this item or batch has been tried so far, all owners together.
  struct Tries {
    std::int32_t transient = 0;
    std::int32_t system = 0;
    std::int32_t fatal = 0;
    std::int32_t later = 0;
    bool reply_lost = false;
  };
  [[nodiscard]] Tries& item_tries(std::int64_t item) { return item_tries_[item]; }
  [[nodiscard]] Tries& batch_tries(std::int64_t batch) { return batch_tries_[batch]; }
  /// Batches that a dead owner left open: nothing new before somebody has looked at them.
  [[nodiscard]] bool needs_settling(std::int64_t batch) const {
    return needs_settling_.contains(batch);
  }
  [[nodiscard]] bool anything_needs_settling() const { return !needs_settling_.empty(); }
  void settled(std::int64_t batch) { needs_settling_.erase(batch); }
  /// This owner has looked at all items, or found the work begun by one before it.
  [[nodiscard]] bool items_checked() const { return items_checked_ || begun_before_; }
  void note_items_checked() { items_checked_ = true; }
  /// True: the look at all items that ends now is to refuse. The next one may find the cause
  /// mended.
  [[nodiscard]] bool refuse_items();

  /// A person holds the item back; holds() tells one state of this from another.
  [[nodiscard]] bool held(std::int64_t item) const { return held_.contains(item); }
  [[nodiscard]] std::int64_t holds() const { return holds_; }

  [[nodiscard]] bool tracing() const { return history_max_ > 0; }
  void trace(std::string line);
  [[noreturn]] void violated(const std::string& what) const;
  void require(bool condition, const std::function<std::string()>& what) const {
    if (!condition) violated(what());
  }

 private:
  class LedgerClock;
  struct Pending {
    std::int64_t time_ms;
    std::uint64_t order;
    Owner* owner;
    std::function<void()> action;
  };
  struct Later {
    bool operator()(const Pending& a, const Pending& b) const {
      return a.time_ms != b.time_ms ? a.time_ms > b.time_ms : a.order > b.order;
    }
  };

  void drive();
  void attach(engine::Goal goal);
  [[nodiscard]] bool goal_reached(const store::ExecutionRow& row) const;
  [[nodiscard]] bool further_rollback() const;
  void goal_done(const store::ExecutionRow& row);
  store::ReopenItems heal_everything();
  [[nodiscard]] engine::coordinator::Control make_verb(const char* verb);
  void maybe_control();
  void hold(engine::coordinator::Control& control);
  void maybe_crash();
  void check_migrated(const store::ExecutionRow& row);
  void check_verified(const store::ExecutionRow& row);
  void check_end();
  void check_part();
  void check_items(bool rolled_back);
  [[nodiscard]] std::int64_t patience_ms() const;

  Scenario scenario_;
  Rng rng_;
  const std::size_t history_max_;
  std::int64_t now_ms_ = 1'000;
  std::int64_t wall_offset_ms_ = 1'700'000'000'000;
  std::uint64_t order_ = 0;
  std::priority_queue<Pending, std::vector<Pending>, Later> queue_;
  std::unique_ptr<LedgerClock> clock_;
  std::unique_ptr<store::Ledger> ledger_;
  Shadow shadow_;
  Destination destination_;
  Statistics statistics_;
  std::deque<std::string> history_;

  std::vector<std::unique_ptr<Owner>> owners_;
  Owner* current_ = nullptr;
  std::int64_t newest_epoch_ = 0;
  std::size_t goal_ = 0;
  bool over_ = false;
  bool healed_ = false;
  bool retry_next_ = false;  ///< the next attempt reopens what failed
  bool cancelled_ = false;
  bool refused_ = false;  ///< failed for good before its end: preflight, too many failures
  bool last_attempt_ended_by_itself_ = false;
  bool part_taken_back_ = false;
  std::int64_t next_request_ = 1;
  std::int64_t quiet_attempts_ = 0;  ///< attempts begun after the last fault
  std::int64_t quiet_since_ms_ = -1;
  std::map<std::int64_t, Tries> item_tries_;
  std::map<std::int64_t, Tries> batch_tries_;
  std::set<std::int64_t> needs_settling_;
  std::set<std::int64_t> held_;
  std::int64_t holds_ = 0;
  bool items_checked_ = false;
  bool begun_before_ = false;  ///< something had ended when the owner took over
  std::set<std::int64_t>
      open_ended_;  ///< items that a person's retry or skip may have ended either way
};

}  // namespace dunlin::sim
