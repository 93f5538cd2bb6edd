// Engine: one state directory with its kinds; creates, finds, owns and controls executions.
//
// The front door for cli and server. An execution always has its own process: create() records it,
// attach() makes this process its owner, control() reaches the owner wherever it lives. All calls
// from any thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/execution.h"
#include "engine/plan.h"
#include "engine/progress.h"
#include "engine/roles.h"
#include "store/state_directory.h"

namespace dunlin::engine {

/// What anybody may see of an execution, in this process or another.
/// What is kept at the destination for a rollback. Given up: some of it may be there still.
enum class Undo : std::uint8_t { kept, given_up, removed };

struct Snapshot {
  store::ExecutionRow row;
  store::ExecutionStatus shown_status =
      store::ExecutionStatus::pending;  ///< a dead owner's running shows as paused
  bool interrupted = false;             ///< its owner died
  bool live = false;                    ///< a process owns it now
  std::string pending_request;  ///< "pause" or "cancel" while requested and not yet in effect
  Progress progress;            ///< the owner's live numbers when it answers, else the ledger's
  std::string noun;
  std::vector<std::string> allowed_verbs;
  std::vector<std::pair<std::string, std::int64_t>> error_counts;  ///< type, number of items
  /// The same of items that have ended well all the same (base: only_warns).
  std::vector<std::pair<std::string, std::int64_t>> warning_counts;
  /// What the plan's rules left out of the source, in words; empty: nothing, or not known yet.
  std::string left_out;
  bool failure_taken_back = false;  ///< it had failed, and was rolled back for that (on_failure)
  /// Whether it can still be rolled back, as far as what it keeps for that goes.
  Undo undo = Undo::kept;
  /// What the owner keeps to now (`dunlin limits`), when it answers: LiveLimits::json().
  Json limits;
  /// Of the devices that it uses with other executions, when it does: {"with": executions, "due":
  /// its part from 0 to 1, "waits": holds itself back for them}.
  Json sharing;
};

/// Status, progress, errors, verification as one JSON resource under the originals' names.
[[nodiscard]] Json snapshot_json(const Snapshot& snapshot);
/// Verbs that the state machine allows from `status`, which may be another than the row's (of an
/// owner that died). A verification may be said again where it found differences, a rollback where
/// it left something alone; a paused rollback is still one; a dry run has nothing to prove or take
/// back.
[[nodiscard]] std::vector<std::string> allowed_verbs(const store::ExecutionRow& row,
                                                     store::ExecutionStatus status,
                                                     Undo undo = Undo::kept);
/// By itself it does not go on any more.
[[nodiscard]] bool has_ended(store::ExecutionStatus status);
/// Why a dry run (by its running number) can neither be verified nor rolled back.
[[nodiscard]] Error nothing_done(std::int64_t number);
/// Why one that was accepted cannot be rolled back.
[[nodiscard]] Error undo_given_up(std::int64_t number);
/// Goes on with what its owner was at: a rollback that was paused, or the migration.
[[nodiscard]] Goal goal_of(const store::ExecutionRow& row);
/// It has failed, has done something that can be taken back, and its settings say that this is to
/// be. What a verification has found to differ, and a start that the checks refuse, are no such
/// failure: of these a person decides.
[[nodiscard]] bool is_to_be_taken_back(const Snapshot& snapshot);

struct ControlAnswer {
  bool by_owner = false;  ///< the owner answered; otherwise a control row waits for it
  Json body = Json::object();
};

/// A kind that leaves entries out without an item for each journals, with the end of its
/// enumeration, a task of this type that has no batches: its description is Snapshot::left_out.
inline constexpr std::string_view kSelectionTask = "selection";

class Engine {
 public:
  /// Opens (and makes) the state directory; rebuilds summaries that are missing.
  [[nodiscard]] static Result<std::unique_ptr<Engine>> open(const std::string& state_path,
                                                            const KindRegistry& kinds,
                                                            const Clock& clock);
  [[nodiscard]] store::StateDirectory& state() { return *state_; }
  [[nodiscard]] const KindRegistry& kinds() const { return kinds_; }
  [[nodiscard]] const Clock& clock() const { return clock_; }

  /// Records a new execution of `plan`, status pending. destination_busy when a live or resumable
  /// execution claims an overlapping destination and is not named as dependency. Durable on return.
  [[nodiscard]] Result<ExecutionId> create(const Plan& plan);

  /// Makes this process the owner and prepares `goal`. lock_held when another process is;
  /// invalid_state when the state machine has no such edge. `force` takes it from a holder that
  /// cannot be reached.
  [[nodiscard]] Result<std::unique_ptr<Execution>> attach(const ExecutionId& id, Goal goal,
                                                          bool force = false);

  /// Gives up for good what an ended execution keeps for its rollback, and removes it from the
  /// destination. That it cannot be rolled back any more is durable before the first of it goes;
  /// said again it goes on. root_changed where the destination is another one by now.
  /// `budget`: for how long about, after which interrupted says that some of it is left; 0: to the
  /// end.
  [[nodiscard]] Status accept(const ExecutionId& id, const std::string& actor,
                              std::chrono::milliseconds budget = {});
  /// accept() of those whose undo_retention is over, the first due one first, within about
  /// `budget`: what is left then is for the next call. Returns their running numbers. One that
  /// cannot be given up (its destination is not there) stays, and is only logged.
  std::vector<std::int64_t> expire(std::chrono::milliseconds budget);
  /// Removes the record of an ended execution, which has to keep nothing at the destination any
  /// more (accept() before, or rolled back); invalid_state else, and lock_held while somebody owns
  /// it. Durable on return.
  [[nodiscard]] Status remove(const ExecutionId& id);

  [[nodiscard]] Result<ExecutionId> resolve(std::string_view text);
  [[nodiscard]] Result<Snapshot> snapshot(const ExecutionId& id);
  [[nodiscard]] Result<std::vector<Snapshot>> list();
  [[nodiscard]] Result<std::unique_ptr<store::Ledger>> open_ledger(const ExecutionId& id);

  /// pause, cancel, stop, retry, skip, limits …: to the owner's socket first; without an answer in
  /// 300 ms a control row is written. `pause` and `cancel` on an execution without a live owner
  /// take effect at once. `stop` falls back to a signal through a pidfd. role_refused when whoever
  /// asks may not: here, and once more by the owner; it is in the audit record then.
  [[nodiscard]] Result<ControlAnswer> control(const ExecutionId& id, const std::string& verb,
                                              const Json& arguments, const Asker& asker);
  /// Who asks, when they may (roles.h).
  [[nodiscard]] Result<Caller> authorize(const Asker& asker, std::string_view verb) {
    return engine::authorize(*state_, asker, verb, clock_.wall_ms());
  }
  /// Puts into the audit record of this execution that the verb was refused. By its owner where it
  /// has one, else here, under its lock. Best effort: a refusal stands without it.
  void record_refusal(const ExecutionId& id, const Asker& asker, const std::string& verb);
  /// For whom this process asks owners for their progress, and owns executions from now on: stands
  /// in their record. Before either; not from several threads.
  void act_for(Asker asker, const Caller& caller);
  /// Kills a local owner that does not answer (SIGKILL through a pidfd after comparing boot id and
  /// start time) and waits until its lock is free.
  [[nodiscard]] Status evict_owner(const ExecutionId& id);

 private:
  Engine(std::unique_ptr<store::StateDirectory> state, const KindRegistry& kinds,
         const Clock& clock);
  using MayOwn = std::function<Status(const store::ExecutionRow&, const store::Ledger&)>;
  [[nodiscard]] Result<std::unique_ptr<Execution>> own(const ExecutionId& id, Goal goal, bool force,
                                                       const MayOwn& may);
  [[nodiscard]] Status check_claims(const store::ExecutionSummary& own);
  void read_live(Snapshot& snapshot) const;
  void refresh_summary(const store::ExecutionRow& row) const;
  [[nodiscard]] Result<ControlAnswer> control_without_owner(const ExecutionId& id,
                                                            const std::string& verb,
                                                            const Json& arguments,
                                                            const std::string& actor);
  [[nodiscard]] Status record_refusal_here(const ExecutionId& id, const store::AddAudit& entry);
  std::unique_ptr<store::StateDirectory> state_;
  const KindRegistry& kinds_;
  const Clock& clock_;
  Asker asker_ = Asker::here();
  std::string operator_;  ///< for whom this process owns executions; empty: there are none
};

}  // namespace dunlin::engine
