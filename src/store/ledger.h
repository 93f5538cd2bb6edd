// Ledger: everything durable of one execution, and the only witness that recovery believes besides
// the destination.
//
// Every durable step is ONE transaction. Writes are Mutations; the engine's ledger writer groups
// them and calls apply(). Each carries the writer's epoch: a process that lost the execution to
// another can change nothing any more. Implementations: sqlite_ledger.h (ledger.db, WAL,
// synchronous=EXTRA); PostgreSQL comes later. All pass the same conformance suite
// (tests/store/ledger_conformance.h).
//
// Threads: apply() and take_over() from one thread at a time (the writer); all reads from any
// thread, on a snapshot.
#pragma once

#include <functional>
#include <limits>
#include <span>
#include <variant>

#include "base/result.h"
#include "store/model.h"

namespace dunlin::store {

/// Journals enumerated work, in one transaction with the cursor after it: it is never enumerated
/// again.
struct AppendWork {
  std::vector<NewTask> tasks;
  std::vector<NewDirectory> directories;
  std::vector<DirectoryId> closed_directories;  ///< read to the end: leave the frontier
  std::vector<NewBatch> batches;
  std::vector<NewFirstItem> first_items;  ///< each key once
  std::vector<NewPlace> places;           ///< each name once
  std::string cursor_after;
  bool complete = false;  ///< nothing is left to enumerate
};

/// Marks batches as executing under their tokens. Refused (whole mutation,
/// ErrorType::invalid_state) unless each is pending (work), done and not verified (verify) or done
/// (undo), not blocked, and the token is above its last. stale_owner is kept for a stale epoch,
/// here and in every mutation below: nothing will ever be accepted again.
struct StartBatches {
  struct Start {
    BatchId batch;
    std::int64_t token = 0;
  };
  Pass pass = Pass::work;
  std::vector<Start> starts;
};

/// Durable before the outside effect they announce. Refused unless `token` is the batch's own and
/// it is executing.
struct RecordIntents {
  BatchId batch;
  std::int64_t token = 0;
  std::vector<ItemIntent> intents;
};

/// Outcomes of some items of an executing batch. An item that has ended is left alone (idempotent).
struct RecordOutcomes {
  BatchId batch;
  std::int64_t token = 0;
  std::vector<ItemOutcome> outcomes;
};

enum class BatchResult : std::uint8_t {
  done,  ///< work: ended (items that failed for good included); verify: compared; undo: taken back
  staged,       ///< work under commit_scope execution: waits for CompleteStaged
  retry,        ///< back to pending, one attempt more, not before `not_before_ms`
  interrupted,  ///< back to what it was before the start (pause, cancel), no attempt counted
  held,    ///< work: back to pending, and not to be started before ReleaseHeld; no attempt counted
  failed,  ///< items not yet ended fail with `error`; dependants are skipped with it as the cause
};

/// Ends one pass over one batch: the last outcomes, its status, counters, dependants, stage counts,
/// its audit entry, all in one step. Refused unless `token` is the batch's own and it is executing.
struct EndBatch {
  BatchId batch;
  std::int64_t token = 0;
  Pass pass = Pass::work;
  BatchResult result = BatchResult::done;
  std::int64_t not_before_ms = 0;
  std::optional<Error> error;  ///< of the batch as a whole
  std::vector<ItemOutcome> outcomes;
  std::vector<std::pair<ItemId, Error>> differences;  ///< verify: what did not match
  std::int64_t verified_items = 0;                    ///< verify: compared and equal
};

/// Moves the execution to a status, with an audit entry. Entering running counts an attempt and
/// ends a pause. Refused (invalid_state) when the state machine has no such edge. From rolled_back
/// to rolling_back: what an earlier rollback left alone is to be taken back again; refused when
/// nothing is left. With a part, a rollback is of that part only: batches end as done while items
/// of theirs are left, and from rolling_back the execution becomes `part->then` again. The part is
/// kept over pauses; what leads into another phase than rolling_back ends it.
struct SetStatus {
  ExecutionStatus to = ExecutionStatus::running;
  std::string phase;        ///< empty: unchanged
  std::string reason_json;  ///< replaces the old one
  std::string actor = "engine";
  std::optional<RollbackPart> part{};  ///< to rolling_back; none: all of it
};
struct SetPhase {
  std::string phase;
};
/// First occurrence counts; later ones are ignored.
struct AddMilestone {
  std::string name;
};
struct AddAudit {
  std::string actor;
  std::string action;
  std::string detail_json;
};
/// Errors that belong to no batch (preflight, enumeration, roots).
struct AddError {
  Error error;
  BatchId batch;
  ItemId item;
};
/// Identity of the roots, once, before the first batch starts.
struct SetRoots {
  std::string roots;
};
struct SetSettings {
  std::string settings_json;
};
/// Batches that ended as `held` may start again. So they may for a new owner: take_over().
struct ReleaseHeld {};
/// Nothing is kept for a rollback any more: Counters::kept_bytes is 0.
struct ForgetKept {};
/// The priority of batches that are pending, and of `task` with all of its pending ones: those that
/// are journaled for it later begin with it, too. Refused (defect) when there is no such batch or
/// task.
struct SetPriority {
  Priority to = Priority::normal;
  std::vector<BatchId> batches;
  TaskId task;  ///< not valid: none
};
/// commit_scope execution: the final commit is about to be sent.
struct BeginCommit {};
/// The target has committed: every staged batch and its items are done, in one step.
struct CompleteStaged {};
/// The target's transaction is gone: every staged batch and its items are pending again.
struct UnstageAll {};
/// Writes a checkpoint from the ledger's own state and drops those beyond `keep_last_n`.
struct AddCheckpoint {
  std::int32_t keep_last_n = 10;
  std::int64_t expire_after_ms = 24LL * 3600 * 1000;
};
/// retry: failed (or skipped because of a dependency) items become pending, their batches with
/// them, attempts at 0. skip: failed items become skipped. Items in any other status are left
/// alone.
struct ReopenItems {
  std::vector<ItemId> items;
  ItemStatus to = ItemStatus::pending;  ///< pending (retry) or skipped (skip)
  std::string actor;
  std::vector<BatchId> batches;  ///< retry: failed batches as a whole, also those without items
  /// A person has named the items one by one: with retry that answers what they had failed with,
  /// where it was a question, for good (answered_items()); skip, the other answer, takes it back.
  bool answers = false;
};
/// What batches have done is in doubt: those from `from` on, and all of the barrier stages, which
/// come after every other. They execute again, as if their owner had died, so that the next one
/// settles them (BatchRow::doubted): items that had completed are pending, with their undo data as
/// intent and their checksum and proof in the row; those that had failed or were skipped are
/// pending as if never tried. What a person has skipped, and what was taken back, stays. The
/// execution is paused. Refused unless it is paused, failed or completed, and in no rollback.
struct DoubtBatches {
  BatchId from;
  std::string actor;
};
/// A new verification run: every batch counts as not verified again; old differences are kept as
/// not final.
struct ResetVerification {};

using Mutation =
    std::variant<AppendWork, StartBatches, RecordIntents, RecordOutcomes, EndBatch, SetStatus,
                 SetPhase, AddMilestone, AddAudit, AddError, SetRoots, SetSettings, ReleaseHeld,
                 ForgetKept, SetPriority, BeginCommit, CompleteStaged, UnstageAll, AddCheckpoint,
                 ReopenItems, DoubtBatches, ResetVerification>;

/// BatchRow::not_before_ms of a batch that ended as BatchResult::held.
inline constexpr std::int64_t kHeldMs = std::numeric_limits<std::int64_t>::max();

/// What the coordinator asks for when its window runs low.
struct ReadyQuery {
  Pass pass = Pass::work;
  std::int64_t now_ms = 0;  ///< wall clock, for not_before_ms
  std::size_t limit = 1000;
  std::vector<BatchId> exclude;  ///< already in the window or open
};
struct ReadyBatches {
  std::vector<BatchRow> batches;  ///< in the order in which they should start
  std::int64_t next_not_before_ms =
      0;  ///< earliest time at which a waiting one becomes ready; 0: none waits
  std::int64_t unfinished = 0;  ///< batches not ended in this pass, ready or not, open ones
                                ///< included; staged ones have ended
  std::int64_t held = 0;        ///< work: of the unfinished ones, those that ended as `held`
};

struct ItemFilter {
  std::optional<ItemStatus> status;
  std::optional<BatchId> batch;
  std::optional<ItemId> item;
  std::string error_type;  ///< a type or a category name; empty: any
  bool unstarted = false;  ///< only of batches that are pending
  ItemId after;            ///< paging: ids above this
  std::size_t limit = 1000;
};

class Ledger {
 public:
  virtual ~Ledger() = default;

  /// Applies the mutations in order, in one durable transaction; on return they survive power loss.
  /// The vector holds one Status for each: a refused mutation (stale epoch or token, impossible
  /// edge) changed nothing, the others did. An error of the whole call (disk full, I/O) means that
  /// nothing was applied. Sets `sequence`.
  [[nodiscard]] virtual Result<std::vector<Status>> apply(std::int64_t epoch,
                                                          std::span<const Mutation> mutations) = 0;

  /// Takes the execution over: epoch + 1, owner recorded, no batch waits for its next try. The
  /// caller holds the owner lock. Returns the new epoch.
  [[nodiscard]] virtual Result<std::int64_t> take_over(std::string_view owner_json) = 0;

  /// Grows by one with each applied mutation.
  [[nodiscard]] virtual Result<std::int64_t> sequence() const = 0;
  [[nodiscard]] virtual Result<ExecutionRow> execution() const = 0;
  [[nodiscard]] virtual Result<ReadyBatches> ready(const ReadyQuery& query) const = 0;
  /// Batches that are executing, oldest first: what recovery settles.
  [[nodiscard]] virtual Result<std::vector<BatchRow>> open_batches() const = 0;
  /// True once a batch was started: those that were journaled as done do not count.
  [[nodiscard]] virtual Result<bool> begun() const = 0;
  [[nodiscard]] virtual Result<BatchRow> batch(BatchId id) const = 0;
  /// The items of a batch in id order; `unfinished_only`: those still pending.
  [[nodiscard]] virtual Result<std::vector<ItemRow>> items_of(BatchId id,
                                                              bool unfinished_only) const = 0;
  /// The frontier: directories still to be enumerated, lowest id first.
  [[nodiscard]] virtual Result<std::vector<DirectoryRow>> open_directories(
      std::size_t limit) const = 0;
  /// Directories with an id below `before` (all, when it is not valid), highest id first.
  [[nodiscard]] virtual Result<std::vector<DirectoryRow>> directories_before(
      DirectoryId before, std::size_t limit) const = 0;
  [[nodiscard]] virtual Result<DirectoryRow> directory(DirectoryId id) const = 0;
  /// True when an item of this name was journaled for the directory. Builds its index on first use:
  /// only an enumeration that was interrupted inside a directory asks.
  [[nodiscard]] virtual Result<bool> has_item(DirectoryId directory,
                                              std::string_view name) const = 0;
  [[nodiscard]] virtual Result<std::optional<DirectoryId>> find_directory(
      DirectoryId parent, std::string_view name) const = 0;
  /// The item journaled with this key.
  [[nodiscard]] virtual Result<std::optional<ItemId>> first_item(std::string_view key) const = 0;
  /// Highest ids given out so far, for the enumerator.
  struct LastIds {
    TaskId task;
    BatchId batch;
    ItemId item;
    DirectoryId directory;
  };
  [[nodiscard]] virtual Result<LastIds> last_ids() const = 0;

  [[nodiscard]] virtual Result<std::vector<TaskRow>> tasks(std::size_t limit) const = 0;
  [[nodiscard]] virtual Result<std::vector<ItemRow>> items(const ItemFilter& filter) const = 0;
  [[nodiscard]] virtual Result<std::vector<ErrorRow>> errors(const ItemFilter& filter,
                                                             bool final_only) const = 0;
  /// (type, count) of final errors, most frequent first.
  [[nodiscard]] virtual Result<std::vector<std::pair<std::string, std::int64_t>>> error_counts()
      const = 0;
  /// Messages of items that have not failed, most frequent first; at most a few hundred. Reads
  /// every outcome: for the end of an execution, not for a display.
  [[nodiscard]] virtual Result<std::vector<Remark>> remarks() const = 0;
  /// Items that a retry has named one by one (ReopenItems::answers).
  [[nodiscard]] virtual Result<std::vector<ItemId>> answered_items() const = 0;
  [[nodiscard]] virtual Result<std::vector<CheckpointRow>> checkpoints() const = 0;
  [[nodiscard]] virtual Result<std::vector<AuditRow>> audit(std::int64_t after_sequence,
                                                            std::size_t limit) const = 0;
  [[nodiscard]] virtual Result<std::vector<MilestoneRow>> milestones() const = 0;
  /// Walks the audit chain and the structure; the first fault found is the error (state_corrupt).
  [[nodiscard]] virtual Status check() const = 0;
};

}  // namespace dunlin::store
