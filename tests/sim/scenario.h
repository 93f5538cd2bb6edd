// Scenario: what one seed simulates: the work, how each item and batch behaves, which faults come,
// and what must be the result whatever the faults were.
//
// Everything random about a seed is drawn here or from World's own generator, so a seed replays.
// Values; one thread.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "base/rng.h"
#include "engine/coordinator.h"
#include "engine/run.h"
#include "store/model.h"

namespace dunlin::sim {

using Scope = engine::CommitScope;

/// How an item behaves whenever it is executed. Behaviour depends on the item alone, so the
/// fault-free result is known.
struct ItemScript {
  enum class Kind : std::uint8_t {
    succeed,
    transient,  ///< fails `failures` times with a retriable error, then succeeds
    fail,       ///< fails for good
    lie,        ///< is reported done and is not: verification must find it
  };
  Kind kind = Kind::succeed;
  std::int32_t failures = 0;
  bool lose_reply = false;    ///< takes effect once and reports a transient error all the same
  bool refuses_undo = false;  ///< of the first rollback; then a person mends the cause
  bool of_part = false;       ///< of what Scenario::part_goal takes back
};

struct BatchScript {
  store::NewBatch row;
  std::int32_t stage = 0;
  bool barrier = false;
  store::CountAs count_as = store::CountAs::items;  ///< of its task
  std::int32_t transient_failures = 0;  ///< errors of the batch as a whole before it succeeds
  bool fails = false;                   ///< constraint error of the batch as a whole
  std::int32_t fails_after = 0;         ///< so many items are executed before it (scope item)
  std::int32_t system_errors = 0;       ///< pauses the execution so many times
  std::int32_t fatal_errors = 0;        ///< fails the execution so many times; a person resumes it
  std::int32_t later_errors =
      0;  ///< of settle, verify or undo: pauses or fails the execution so many times
};

/// One AppendWork.
struct ChunkScript {
  std::vector<store::NewTask> tasks;
  std::vector<store::NewDirectory> directories;
  std::vector<DirectoryId> closed_directories;
  std::vector<std::int64_t> batches;
};

/// Probabilities and latencies; each is zero in a share of the seeds, so that faults also come
/// alone.
struct Knobs {
  double event_loss = 0;
  double event_double = 0;
  double event_delay = 0;      ///< share of events that come late
  std::int64_t delay_ms = 0;   ///< at most so late
  double command_loss = 0;     ///< the host never sees the command
  double crash = 0;            ///< per event
  double stale_owner = 0;      ///< share of crashes after which the old owner goes on for a while
  double persist_failure = 0;  ///< per group commit
  double call_failure = 0;     ///< preflight, enumeration, loading, commit
  double control = 0;          ///< per event
  double intents = 0;          ///< share of passes that record intents
  double early_outcomes = 0;   ///< share of passes that record outcomes before their end
  std::int64_t writer_ms = 1;  ///< group commit takes up to this
  std::int64_t item_ms = 1;    ///< an item takes up to this
  std::int64_t wall_jump_ms =
      0;  ///< the wall clock jumps by up to this, either way, at a take-over
  std::int64_t fault_events = 0;  ///< faults stop after so many events
};

struct Scenario {
  std::uint64_t seed = 0;
  Scope scope = Scope::item;
  engine::coordinator::Config config;
  std::vector<engine::Goal> goals;  ///< one after the other; the first is migrate
  std::size_t part_goal = std::numeric_limits<std::size_t>::max();  ///< a rollback of a part
  std::map<std::int64_t, BatchScript> batches;
  std::map<std::int64_t, ItemScript> items;
  std::vector<ChunkScript> chunks;
  bool refused = false;  ///< preflight refuses the run
  /// So often a look at all items refuses, before a person has mended the cause; -1: always.
  std::int32_t item_refusals = 0;
  Knobs knobs;

  [[nodiscard]] static Scenario from_seed(std::uint64_t seed);
  /// Status of each item after an undisturbed migration to the end.
  [[nodiscard]] std::map<std::int64_t, store::ItemStatus> expected() const;
  /// Completed items that verification must report.
  [[nodiscard]] std::int64_t expected_differences() const;
  /// stop_on_first_error or max_failures may end it early: then the exact result depends on the
  /// order.
  [[nodiscard]] bool may_stop_early() const;
  [[nodiscard]] std::string describe() const;
};

}  // namespace dunlin::sim
