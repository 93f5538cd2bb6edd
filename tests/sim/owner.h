// Owner: one simulated process that owns the execution: a coordinator state and a host that carries
// its commands out over virtual time, with the faults of the scenario. It does what
// engine/execution.cpp does, without threads.
//
// Checks after each step that the commands are allowed (Invariants, owner_checks.cpp). Dies when
// told to: its state is lost, the ledger and the destination stay. One thread, the world's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/batch_end.h"
#include "engine/coordinator.h"
#include "sim/world.h"

namespace dunlin::sim {

namespace co = engine::coordinator;

class Owner {
 public:
  Owner(World& world, int number, std::int64_t epoch, engine::Goal goal);

  void begin(store::ExecutionRow row, std::vector<store::BatchRow> open, store::ReopenItems reopen);
  /// Passes over batches that hold what is held back end.
  void interrupt_held();
  /// A verb arrives. Not delivered at all when it is lost on its way.
  void control(co::Control control);
  void die();

  [[nodiscard]] bool alive() const { return alive_; }
  [[nodiscard]] bool stale() const { return epoch_ < world_.newest_epoch(); }
  [[nodiscard]] int number() const { return number_; }
  [[nodiscard]] std::int64_t epoch() const { return epoch_; }
  [[nodiscard]] engine::Goal goal() const { return state_.config.goal; }
  /// It has taken back the part that it was to, and nobody has told it to stop before.
  [[nodiscard]] bool took_back_part(const co::Finish& finish) const {
    return state_.config.part && finish.recorded && !finish.reason && !state_.asked_by_person &&
           finish.status == state_.config.part->then;
  }

 private:
  // ---- Events in, commands out (owner.cpp) ----
  void deliver(const co::Event& event);
  /// With loss, doubling and delay.
  void send(co::Event event);
  void carry_out(co::Command command);
  void schedule_tick();

  void perform(co::Persist command);
  void perform(co::Preflight command);
  void perform(co::Enumerate command);
  void perform(co::CheckItems command);
  void perform(co::LoadWindow command);
  void perform(co::RunBatch command);
  void perform(co::CommitExecution command);
  void perform(co::CloseRun command);
  void perform(const co::CancelWork& command);
  void perform(const co::Answer&) {}
  void perform(const co::ReleaseReserve&) {}
  void perform(const co::Finish& command);

  // ---- The ledger writer (owner_writer.cpp) ----
  struct Written {
    std::optional<Error> error;  ///< nothing was applied
    std::vector<Status> results;
    store::Counters counters;
    std::int64_t as_of = 0;
  };
  struct Job {
    std::vector<store::Mutation> mutations;
    std::function<void(const Written&)> done;
  };
  void submit(std::vector<store::Mutation> mutations, std::function<void(const Written&)> done);
  void commit_group();
  void apply_group(std::vector<Job> jobs);
  void pump_persists();

  // ---- Enumeration and batches (owner_work.cpp) ----
  void enumerate_chunk(std::int64_t call);
  void end_enumeration(std::int64_t call, bool complete, std::optional<Error> error);

  struct Worker {
    co::RunBatch command;
    std::vector<store::ItemRow> items;
    std::size_t next = 0;
    std::vector<store::ItemOutcome> outcomes;  ///< not yet recorded
    std::vector<std::int64_t> effects;         ///< scope batch: applied together at the end
    std::vector<std::pair<ItemId, Error>> differences;
    std::int64_t equal = 0;
    std::size_t reported = 0;
    engine::BatchTally tally;
    bool ended = false;
    bool interrupted = false;           ///< for what is held back since it began
    std::int64_t held_since = 0;        ///< World::holds() when it began
    std::int32_t in_flight = 0;         ///< recordings
    std::optional<Error> ledger_error;  ///< one of them failed
    std::function<void()> ending;       ///< once none is in flight
  };
  void start_worker(Worker& worker);
  [[nodiscard]] bool leave_out_held(Worker& worker);
  void next_item(Worker& worker);
  void apply_effects(Worker& worker);
  [[nodiscard]] bool run_cancelled(const Worker& worker) const;
  void work_item(Worker& worker, const store::ItemRow& item);
  void settle_item(Worker& worker, const store::ItemRow& item);
  void verify_item(Worker& worker, const store::ItemRow& item);
  void undo_item(Worker& worker, const store::ItemRow& item);
  /// An error of the batch as a whole that comes before its next item, if the script says so.
  [[nodiscard]] bool batch_error(Worker& worker);
  void effect(Worker& worker, std::int64_t item);
  void report(Worker& worker, store::ItemOutcome outcome);
  /// `may_retry`: what the retry policy would say of an error of the batch as a whole.
  void end_worker(Worker& worker, const Status& status, bool may_retry = false);
  void write_end(Worker& worker, const Status& status, bool may_retry);
  [[nodiscard]] bool fenced() const { return stale(); }
  void stop_as_stale(Worker& worker);
  void stop_unwritten(Worker& worker, const Error& error);

  // ---- Invariants (owner_checks.cpp) ----
  void check_event(const co::Event& event);
  void check_commands(const co::Event& event, const std::vector<co::Command>& commands);
  void check_run(const co::RunBatch& run, const std::set<std::int64_t>& persisted_now);
  void check_start_of_work(const co::RunBatch& run);
  void check_results(const std::vector<store::Mutation>& mutations,
                     const std::vector<Status>& results);
  [[nodiscard]] std::string who() const;

  World& world_;
  const int number_;
  const std::int64_t epoch_;
  co::State state_;
  bool alive_ = true;
  CancelReason cancel_ = CancelReason::none;
  std::int64_t tick_at_ms_ = 0;

  std::deque<Job> writer_queue_;
  bool writer_busy_ = false;

  std::map<std::int64_t, co::Persist> waiting_;  ///< by sequence, not yet submitted
  std::set<std::int64_t> submitted_;
  std::int64_t next_sequence_ = 1;
  std::map<std::int64_t, co::Persisted> written_;  ///< answers given, to be given again

  std::map<std::int64_t, co::Event> answers_;  ///< by call
  std::set<std::int64_t> calls_;               ///< in progress
  std::int64_t enumerating_ = 0;

  std::map<std::pair<std::int64_t, std::int64_t>, Worker>
      workers_;  ///< by batch and token; ended ones stay
  std::map<std::pair<std::int64_t, std::int64_t>, co::BatchEnded> ended_;
  std::set<std::int64_t> staged_;  ///< items in the open transaction

  // What the checks remember.
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t>
      starts_;                        ///< (batch, token) -> sequence of its start
  std::set<std::int64_t> heard_;      ///< sequences whose Persisted was delivered
  std::set<std::int64_t> inherited_;  ///< batches found open at Begin
  std::map<std::int64_t, std::int64_t>
      running_;  ///< batch -> token, from RunBatch to BatchEnded delivered
  std::int64_t begin_commit_sequence_ = 0;
  std::set<std::int64_t> answered_;
  std::set<std::int64_t> asked_;
  std::set<std::int64_t> asked_to_persist_;
  bool cancel_work_emitted_ = false;
};

}  // namespace dunlin::sim
