// The coordinator: what happens next in an execution, as a pure function of what has happened.
//
// step(State&, Event, Now) -> Commands: one thread, no I/O, no clock, no randomness; the host
// (execution.cpp) carries commands out, the simulator (tests/sim) does the same with a seed. Rules:
//   - A command with an outside effect (RunBatch, CommitExecution) is never emitted in the step
//   that emits the Persist
//     it depends on, only on Persisted.
//   - Events may be late, doubled, reordered or lost. Every command that expects an answer is
//   emitted again, with the
//     same number, when its answer is overdue; hosts answer again what they have answered. An event
//     that answers nothing outstanding is ignored.
//   - State is bounded: open batches and a ready window of at most 1,000; the rest is fetched by
//   LoadWindow.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/execution.h"
#include "engine/settings.h"
#include "store/ledger.h"

namespace dunlin::engine::coordinator {

using store::BatchRow;
using store::Counters;
using store::ExecutionStatus;
using store::Mutation;
using store::Pass;

inline constexpr std::size_t kWindowMax = 1000;
inline constexpr std::size_t kWindowLow = 100;
/// An answer later than this is asked for again. Long work answers late by nature: asking again
/// costs one message.
inline constexpr std::int64_t kReplyDeadlineMs = 5000;

struct Now {
  std::int64_t monotonic_ms = 0;
  std::int64_t wall_ms = 0;
};

struct Config {
  Goal goal = Goal::migrate;
  std::int32_t parallel_batches = 4;
  bool execution_scope = false;  ///< commit_scope execution
  bool verify = true;            ///< verification_level is not none
  bool stop_on_first_error = false;
  std::int64_t max_failures = -1;
  double max_failures_percent = -1;
  CheckpointPolicy checkpoint;
  /// no batch begins before the enumeration has ended and Run::check_items has passed, unless
  /// more items than this are found first. 0: each begins as soon as it is listed.
  std::int64_t hold_up_to_items = 0;
  /// With Goal::roll_back: only this, and the execution is afterwards what it was before.
  std::optional<store::RollbackPart> part{};
};

// ---- Events
// --------------------------------------------------------------------------------------------------------

/// First event: the ledger as found by the new owner.
struct Begin {
  store::ExecutionRow row;     ///< epoch is this owner's
  std::vector<BatchRow> open;  ///< executing under an earlier owner
  std::vector<ItemId> reopen;  ///< `dunlin retry`: failed items to begin with
  store::ItemStatus reopen_to = store::ItemStatus::pending;
  std::string reopen_actor;
  std::vector<BatchId> reopen_batches;
  bool reopen_answers = false;  ///< store::ReopenItems::answers
  bool begun = false;           ///< a batch was started by an earlier owner
};
struct Persisted {
  std::int64_t sequence = 0;
  std::vector<Status> results;  ///< one per mutation
  Counters counters;            ///< after it
  std::int64_t as_of = 0;       ///< the ledger's sequence of `counters`: older ones are ignored
};
struct PersistFailed {
  std::int64_t sequence = 0;
  Error error;
};
struct PreflightDone {
  std::int64_t call = 0;
  std::string roots;
  bool refused = false;
  std::optional<Error> error;     ///< roots differ, or the checks themselves failed
  std::optional<bool> committed;  ///< execution scope, when row.committing
};
struct EnumerationEnded {
  std::int64_t call = 0;
  bool complete = false;  ///< journaled as complete
  std::optional<Error> error;
};
/// New batches were journaled. May be lost: LoadWindow is asked again anyway.
struct WorkAppended {
  std::int64_t waiting = 0;  ///< items, directories and steps journaled that have not ended
};
struct ItemsChecked {
  std::int64_t call = 0;
  bool refused = false;
  std::optional<Error> error;   ///< the checks themselves failed, or were interrupted
  std::vector<Error> problems;  ///< that refuse it
};
struct WindowLoaded {
  std::int64_t call = 0;
  store::ReadyBatches ready;
  Counters counters;
  std::int64_t as_of = 0;
  bool enumeration_complete = false;
};
/// One pass over one batch has ended and that is durable, or (`persist_error`) not: the batch stays
/// open in the ledger.
struct BatchEnded {
  BatchId batch;
  std::int64_t token = 0;
  store::BatchResult result = store::BatchResult::done;
  std::optional<Error> error;  ///< of the batch as a whole; with `interrupted`: stops the execution
  std::optional<Error> persist_error;
  Counters counters;
  std::int64_t as_of = 0;
};
struct Committed {
  std::int64_t call = 0;
  std::optional<Error> error;
};
struct Closed {
  std::int64_t call = 0;
};
/// A verb from a person. `id` > 0 when it came through a control row.
struct Control {
  std::int64_t request = 0;  ///< unique within the process; answered once by Answer
  std::string verb;
  std::string arguments_json;
  std::string actor;
  std::vector<ItemId> items;     ///< retry, skip: what the selector means
  std::vector<BatchId> batches;  ///< retry: failed batches as a whole
  bool answers = false;          ///< store::ReopenItems::answers
  /// What the host has made of the verb, to be recorded and then answered with `message`: limits,
  /// priority, a part that is held back or let go.
  std::vector<Mutation> changes{};
  std::string message{};
};
struct Tick {};

using Event =
    std::variant<Begin, Persisted, PersistFailed, PreflightDone, EnumerationEnded, WorkAppended,
                 ItemsChecked, WindowLoaded, BatchEnded, Committed, Closed, Control, Tick>;

// ---- Commands
// ------------------------------------------------------------------------------------------------------

struct Persist {
  std::int64_t sequence = 0;  ///< applied in this order, each at most once
  std::vector<Mutation> mutations;
};
struct Preflight {
  std::int64_t call = 0;
  bool first = false;  ///< all checks; otherwise only the roots' identity
};
struct Enumerate {
  std::int64_t call = 0;
};
/// All items are listed and none was begun: look at each.
struct CheckItems {
  std::int64_t call = 0;
};
struct LoadWindow {
  std::int64_t call = 0;
  store::ReadyQuery query;
};
/// Outside effect. `settle`: look at what an earlier owner left, do nothing new.
struct RunBatch {
  BatchRow batch;  ///< its own `token` is the last start's: above 0, it was started before
  std::int64_t token = 0;
  Pass pass = Pass::work;
  bool settle = false;
};
/// Outside effect.
struct CommitExecution {
  std::int64_t call = 0;
};
/// Gives up what the Run holds at the target (an uncommitted transaction, a lock), before the end
/// is recorded.
struct CloseRun {
  std::int64_t call = 0;
};
/// Raises the cancel token for running batches and enumeration.
struct CancelWork {
  CancelReason reason = CancelReason::pause;
};
struct Answer {
  std::int64_t request = 0;
  bool accepted = true;
  std::string message;
};
/// The state directory is full: give up its reserve.
struct ReleaseReserve {};
/// Last command: the attempt has ended.
struct Finish {
  ExecutionStatus status = ExecutionStatus::completed;
  std::optional<Error> reason;
  bool recorded =
      true;  ///< false: the ledger could not be written; recovery will find it interrupted
};

using Command = std::variant<Persist, Preflight, Enumerate, CheckItems, LoadWindow, RunBatch,
                             CommitExecution, CloseRun, CancelWork, Answer, ReleaseReserve, Finish>;

// ---- State
// ---------------------------------------------------------------------------------------------------------

/// Where the attempt stands; each step leads to the next one in this order, or to `draining` and
/// `ending`.
enum class Stage : std::uint8_t {
  idle,
  entering,
  checking,
  unstaging,
  settling,
  working,
  committing,
  completing,
  verifying,
  undoing,
  draining,
  closing,
  ending,
  ended
};

struct OpenBatch {
  BatchRow row;
  std::int64_t token = 0;
  Pass pass = Pass::work;
  bool settle = false;
  bool started = false;  ///< its start is durable and RunBatch was emitted
  std::int64_t asked_at_ms = 0;
};

struct OutstandingPersist {
  Persist command;
  std::int64_t asked_at_ms = 0;
  std::int32_t failures = 0;
  std::vector<BatchId> starts;                                ///< batches whose start it records
  std::vector<std::pair<std::int64_t, std::string>> answers;  ///< requests to answer when durable
  bool moves_stage = false;  ///< the stage goes on when it is durable
  bool reorders = false;     ///< the window is out of date when it is durable
};

struct OutstandingCall {
  std::int64_t call = 0;  ///< 0: none
  std::int64_t asked_at_ms = 0;
  Command command;
};

struct State {
  Config config;
  Stage stage = Stage::idle;
  store::ExecutionRow row;
  Counters counters;
  std::int64_t counters_as_of = 0;
  bool enumeration_complete = false;

  std::int64_t next_sequence = 1;
  std::int64_t next_call = 1;
  std::int64_t next_token = 1;  ///< starts at epoch << 32, so that it grows across owners

  std::map<std::int64_t, OutstandingPersist> persists;
  OutstandingCall preflight, enumerate, check, load, commit, close;
  std::map<BatchId, OpenBatch> open;
  std::deque<BatchRow> to_settle;
  std::deque<BatchRow> window;
  std::int64_t generation = 1;        ///< of what a load could see
  std::int64_t load_generation = 0;   ///< when the outstanding load was asked
  std::int64_t fresh_generation = 0;  ///< of the last load that came back
  std::int64_t unfinished = 0;
  std::int64_t held = 0;             ///< of these, those that a person holds back
  std::int64_t wake_at_wall_ms = 0;  ///< a batch waits for its next try

  bool holding = false;             ///< no batch begins yet: Config::hold_up_to_items
  std::int64_t waiting_so_far = 0;  ///< as WorkAppended said

  std::optional<ExecutionStatus> target;  ///< set once: drain, then go to this status
  std::optional<Error> reason;
  bool asked_by_person = false;  ///< `target` comes from a verb, not from an error
  CancelReason cancel_sent = CancelReason::none;
  bool reserve_released = false;
  std::int64_t failed_at_begin = 0;  ///< items that had failed before this attempt

  std::int64_t batches_since_checkpoint = 0;
  std::int64_t last_checkpoint_ms = 0;
  std::int32_t milestones = 0;  ///< bits of the percent milestones already recorded
};

/// Advances the state. Never blocks, never throws but for memory.
[[nodiscard]] std::vector<Command> step(State& state, const Event& event, Now now);

/// When the next Tick is due (monotonic ms); INT64_MAX: only on events.
[[nodiscard]] std::int64_t next_tick_ms(const State& state, Now now);

}  // namespace dunlin::engine::coordinator
