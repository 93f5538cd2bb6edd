// LedgerWriter: every change of a ledger, on one connection. SqliteLedger puts a mutex and the
// readers round it.
//
// Each mutation looks before it writes, so that a refused one leaves no trace in the transaction
// that it shares with others; a failing write (disk full, I/O) ends the whole transaction instead.
// `Applied` keeps the two apart: the outer error is the storage's and takes everything back, the
// inner one is the refusal of this mutation alone.
//
// The methods stand, by subject, in ledger_writer.cpp (transaction, state), ledger_append.cpp
// (AppendWork), ledger_batches.cpp (starts, ends, dependants), ledger_outcomes.cpp (items),
// ledger_staging.cpp (commit_scope execution), ledger_reopen.cpp (retry, skip, verify again),
// ledger_journal.cpp (status, audit, errors, checkpoints). One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/result.h"
#include "sql/sqlite.h"
#include "store/audit_key.h"
#include "store/ledger.h"

namespace dunlin::store {

/// The caller gave what it never may.
[[nodiscard]] inline Status defect(std::string text) {
  return Error(ErrorType::defect, std::move(text));
}

/// The hot row `state`, held in memory during a transaction.
struct LedgerState {
  ExecutionStatus status = ExecutionStatus::pending;
  std::string phase;
  std::string reason_json;
  std::int64_t epoch = 0;
  std::int64_t sequence = 0;
  std::int64_t attempt = 0;
  std::int64_t started_ms = 0;
  std::int64_t ended_ms = 0;
  std::int64_t updated_ms = 0;
  std::int64_t paused_ms_total = 0;
  std::int64_t paused_since_ms = 0;
  std::string cursor;
  std::string roots;
  std::string owner_json;
  bool enumeration_complete = false;
  bool committing = false;
  std::int64_t last_task = 0;
  std::int64_t last_batch = 0;
  std::int64_t last_item = 0;
  std::int64_t last_directory = 0;
  std::int64_t last_ended_batch = 0;
  std::int64_t audit_entries = 0;
  std::string audit_head;  ///< raw SHA-256 of the last audit entry; 32 zero bytes before the first
  std::optional<RollbackPart> rollback_part;
  Counters counters;
};

[[nodiscard]] Result<LedgerState> read_ledger_state(sql::Database& database);

/// Whether the state machine of conventions.md has this edge.
[[nodiscard]] bool may_follow(ExecutionStatus from, ExecutionStatus to);

class LedgerWriter {
 public:
  [[nodiscard]] static Result<LedgerWriter> make(sql::Database& database, const Clock& clock);

  /// The tables and the rows of a new ledger, in one transaction.
  [[nodiscard]] static Status initialise(sql::Database& database, const ExecutionRow& row);
  /// The rows only, when the tables are there already.
  [[nodiscard]] static Status write_first_rows(sql::Database& database, const ExecutionRow& row);

  [[nodiscard]] Result<std::vector<Status>> apply(std::int64_t epoch,
                                                  std::span<const Mutation> mutations);
  [[nodiscard]] Result<std::int64_t> take_over(std::string_view owner_json);
  /// Audit entries are sealed with this key from now on.
  void seal_with(AuditKey key) { key_ = std::move(key); }

 private:
  using Applied = Result<Status>;

  /// Sums over the items of one batch.
  struct Tally {
    std::int64_t succeeded = 0;
    std::int64_t failed = 0;
    std::int64_t skipped = 0;
    std::int64_t rolled_back = 0;
    std::int64_t succeeded_bytes = 0;
    std::int64_t other_bytes = 0;  ///< sizes of failed and skipped items
    std::int64_t transferred_bytes = 0;
    [[nodiscard]] std::int64_t ended() const { return succeeded + failed + skipped + rolled_back; }
  };
  struct Batch {
    std::int64_t id = 0;
    std::int64_t task = 0;
    std::int64_t stage = 0;
    bool barrier = false;
    CountAs count_as = CountAs::items;
    BatchStatus status = BatchStatus::pending;
    BatchStatus before = BatchStatus::pending;  ///< while executing: status at the start
    Pass pass = Pass::work;
    std::int64_t token = 0;
    std::int64_t attempt = 0;
    std::int64_t not_before_ms = 0;
    std::int64_t started_ms = 0;
    std::int64_t first_item = 0;
    std::int64_t item_count = 0;
    std::int64_t blocked_by = 0;
    std::int64_t verified = 0;  ///< 0 no, 1 yes, 2 given up
    bool undo_tried = false;
    bool committed = false;  ///< was part of a final commit
    bool doubted = false;    ///< BatchRow::doubted
    Tally tally;
    std::int64_t verified_items = 0;
    std::int64_t differences = 0;
    /// What the rest of the ledger counts it as: while it executes, what it was before.
    [[nodiscard]] BatchStatus counted() const {
      return status == BatchStatus::executing ? before : status;
    }
  };
  /// An item as found, before an outcome is written.
  struct Found {
    std::int64_t size = 0;
    ItemStatus status = ItemStatus::pending;
    std::int64_t attempt = 0;
    std::int64_t transferred = 0;
    std::int64_t kept_bytes = 0;
    bool has_row = false;
  };
  /// One effective change: `outcome` written over `found`. Several items may share one outcome.
  struct Change {
    std::int64_t item = 0;
    const ItemOutcome* outcome = nullptr;
    Found found;
  };

  LedgerWriter(sql::Database& database, const Clock& clock, Hasher hasher, ExecutionId execution,
               std::int64_t created_ms);

  // ledger_writer.cpp
  [[nodiscard]] Status load_state();
  [[nodiscard]] Status save_state();
  [[nodiscard]] Status load_words();
  /// The number of a word, given one if there is room; nullopt: it is to stand in the row itself.
  [[nodiscard]] Result<std::optional<std::int64_t>> word(std::string_view text);
  [[nodiscard]] Applied change(const SetRoots& mutation);
  [[nodiscard]] Applied change(const SetSettings& mutation);
  [[nodiscard]] Applied change(const ReleaseHeld& mutation);
  [[nodiscard]] Applied change(const ForgetKept& mutation);
  [[nodiscard]] Applied change(const SetPriority& mutation);

  // ledger_append.cpp
  [[nodiscard]] Applied change(const AppendWork& mutation);
  [[nodiscard]] Applied check_append(const AppendWork& mutation);
  [[nodiscard]] Applied check_append_directories(const AppendWork& mutation);
  [[nodiscard]] Applied check_append_batches(const AppendWork& mutation);
  [[nodiscard]] Applied check_append_places(const AppendWork& mutation);
  [[nodiscard]] Status append_places(const AppendWork& mutation);
  [[nodiscard]] Applied check_append_first_items(const AppendWork& mutation,
                                                 std::int64_t last_item);
  [[nodiscard]] Status append_tasks(const AppendWork& mutation);
  [[nodiscard]] Status append_directories(const AppendWork& mutation);
  [[nodiscard]] Status append_batch(const NewBatch& batch);
  [[nodiscard]] Status append_items(const NewBatch& batch);
  /// NewBatch::skip_reason; `bytes`: of all its items.
  [[nodiscard]] Status skip_listed(Batch& batch, std::int64_t bytes, std::string_view reason);

  // ledger_batches.cpp
  [[nodiscard]] Applied change(const StartBatches& mutation);
  [[nodiscard]] Applied change(const EndBatch& mutation);
  [[nodiscard]] Result<std::optional<Batch>> find_batch(std::int64_t id);
  [[nodiscard]] Status save_batch(const Batch& batch);
  /// The batch, when it executes under this token.
  [[nodiscard]] Applied own_batch(BatchId id, std::int64_t token, Batch& batch);
  [[nodiscard]] Result<std::int64_t> barrier_floor();
  /// Changes the status and everything that counts it: counters, stage, task, dependants'
  /// blocked_by. Saves the batch.
  [[nodiscard]] Status move_batch(Batch& batch, BatchStatus to);
  /// Waiting dependants of a batch that failed (or was skipped) become skipped, transitively.
  [[nodiscard]] Status skip_dependants(std::int64_t failed, std::string_view cause);
  [[nodiscard]] Status skip_batch(Batch& batch, std::string_view cause);
  [[nodiscard]] Applied check_end(const EndBatch& end, const Batch& batch);
  [[nodiscard]] Status end_work(const EndBatch& end, Batch& batch);
  [[nodiscard]] Status end_verify(const EndBatch& end, Batch& batch);
  [[nodiscard]] Status end_undo(const EndBatch& end, Batch& batch);
  [[nodiscard]] Status audit_batch(const EndBatch& end, const Batch& batch,
                                   std::string_view action);
  [[nodiscard]] Status drop_intents(const Batch& batch);

  // ledger_outcomes.cpp
  [[nodiscard]] Applied change(const RecordIntents& mutation);
  [[nodiscard]] Applied change(const RecordOutcomes& mutation);
  /// Fills `changes_` with what `outcomes` change, in item order; refuses items of other batches.
  /// Writes nothing.
  [[nodiscard]] Applied plan(const Batch& batch, Pass pass, std::span<const ItemOutcome> outcomes);
  /// How many items of the batch will have ended after `changes_`.
  [[nodiscard]] std::int64_t ended_after(const Batch& batch) const;
  /// Writes `changes_`, their errors, counters and the batch's tally (not the batch's row).
  [[nodiscard]] Status write_changes(Batch& batch, Pass pass);
  [[nodiscard]] Status write_worked(sql::Statement& insert, const Change& change);
  [[nodiscard]] Status write_undone(Batch& batch, const Change& change);
  [[nodiscard]] Status bind_word(sql::Statement& statement, int index, std::string_view text);
  /// Every item of the batch without an outcome gets this one.
  [[nodiscard]] Status end_rest(Batch& batch, ItemStatus status, const Error& error);
  [[nodiscard]] bool effective(const Found& found, const ItemOutcome& outcome, Pass pass) const;
  void count(Batch& batch, ItemStatus status, std::int64_t size, std::int64_t transferred,
             int sign);
  /// Fills `found_` with the items of `sorted_`, as they are now.
  [[nodiscard]] Status read_found();
  /// SHA-256 (hex) over the outcomes of a batch, and how many there are of each action.
  struct Segment {
    std::string hash;
    std::map<std::string, std::int64_t, std::less<>> actions;
  };
  [[nodiscard]] Result<Segment> segment_of(const Batch& batch);

  // ledger_staging.cpp
  [[nodiscard]] Applied change(const BeginCommit& mutation);
  [[nodiscard]] Applied change(const CompleteStaged& mutation);
  [[nodiscard]] Applied change(const UnstageAll& mutation);
  [[nodiscard]] Result<std::vector<std::int64_t>> staged_batches();
  /// Sums over the items of the batch that an earlier final commit holds.
  [[nodiscard]] Result<Tally> kept_tally(const Batch& batch);
  /// Notes the completed items of a committed batch that is opened again.
  [[nodiscard]] Status keep_committed_items(const Batch& batch);

  // ledger_reopen.cpp
  [[nodiscard]] Applied change(const ReopenItems& mutation);
  [[nodiscard]] Applied change(const ResetVerification& mutation);
  /// batch -> its items to be reopened or skipped.
  using ByBatch = std::map<std::int64_t, std::vector<std::int64_t>>;
  [[nodiscard]] Result<ByBatch> by_batch(const ReopenItems& mutation);
  [[nodiscard]] Status retry_items(const ReopenItems& mutation, ByBatch batches);
  [[nodiscard]] Status skip_items(const ReopenItems& mutation, const ByBatch& batches);
  [[nodiscard]] Status note_answers(const ReopenItems& mutation);
  /// A further rollback: batches that the one before left items of.
  [[nodiscard]] Status open_left_alone();
  /// Ids of directories.
  using Directories = std::set<std::int64_t>;
  [[nodiscard]] Result<bool> reopen_items_of(Batch& batch, const std::vector<std::int64_t>& items,
                                             bool with_skipped, Directories& of);
  /// What follows the contents of these directories (NewTask::follows_contents).
  [[nodiscard]] Result<ByBatch> followers_of(Directories directories);
  struct Reopened {
    std::int64_t items = 0;
    std::int64_t batches = 0;
  };
  [[nodiscard]] Status reopen_followers(const Directories& directories, Reopened& sum);
  [[nodiscard]] Status reopen_batch(Batch& batch);
  [[nodiscard]] Result<bool> has_failed_dependency(std::int64_t batch);

  // ledger_doubt.cpp
  [[nodiscard]] Applied change(const DoubtBatches& mutation);
  [[nodiscard]] Status doubt(Batch& batch);
  [[nodiscard]] Status doubt_items(Batch& batch);

  // ledger_journal.cpp
  [[nodiscard]] Applied change(const SetStatus& mutation);
  [[nodiscard]] Applied change(const SetPhase& mutation);
  [[nodiscard]] Applied change(const AddMilestone& mutation);
  [[nodiscard]] Applied change(const AddAudit& mutation);
  [[nodiscard]] Applied change(const AddError& mutation);
  [[nodiscard]] Applied change(const AddCheckpoint& mutation);
  [[nodiscard]] Status add_audit(std::string_view actor, std::string_view action,
                                 std::string_view detail_json);
  struct ErrorPlace {
    std::int64_t item = 0;
    std::int64_t batch = 0;
    std::int64_t task = 0;
    std::int64_t attempt = 0;
    bool final = true;
    Pass pass = Pass::work;
  };
  [[nodiscard]] Status add_error(const Error& error, const ErrorPlace& place);
  /// Final errors of an item, or of a batch as a whole, are no longer final.
  [[nodiscard]] Status settle_errors_of_item(std::int64_t item);
  [[nodiscard]] Status settle_undo_errors_of_item(std::int64_t item);
  [[nodiscard]] Status settle_errors_of_batch(std::int64_t batch);
  [[nodiscard]] Status settle_errors(std::string_view select, std::string_view update,
                                     std::int64_t key);

  sql::Database& database_;
  const Clock& clock_;
  Hasher hasher_;
  ExecutionId execution_;
  std::optional<AuditKey> key_;
  std::int64_t created_ms_ = 0;
  std::int64_t now_ms_ = 0;  ///< of the transaction
  LedgerState state_;
  bool words_loaded_ = false;
  std::map<std::string, std::int64_t, std::less<>> words_;
  std::vector<std::string> word_texts_;  ///< by number - 1

  // Kept between calls so that a batch of items allocates nothing.
  std::vector<const ItemOutcome*> sorted_;
  std::vector<Found> found_;
  std::vector<Change> changes_;
  std::string checksum_;
  std::string segment_buffer_;
};

}  // namespace dunlin::store
