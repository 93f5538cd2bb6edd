// The durable model: what a ledger holds, as plain values. State names are the same in C++, SQL,
// JSON and UI.
//
// Stands between the engine, which decides, and the store, which keeps. No thread rule: values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/ids.h"

namespace dunlin::store {

/// conventions.md, "State machine".
enum class ExecutionStatus : std::uint8_t {
  pending,
  running,
  paused,
  completed,
  failed,
  cancelled,
  rolling_back,
  rolled_back
};
enum class TaskStatus : std::uint8_t {
  pending,
  executing,
  paused,
  complete,
  failed,
  cancelled,
  skipped
};
/// `pending`: may be started (also again); `executing`: a process works on it or died doing so;
/// `staged`: its effect waits for the one commit of the execution (commit_scope execution); `done`,
/// `failed`, `skipped`: ended.
enum class BatchStatus : std::uint8_t { pending, executing, staged, done, failed, skipped, undone };
enum class ItemStatus : std::uint8_t {
  pending,
  executing,
  completed,
  failed,
  skipped,
  rolled_back
};
/// What was proven of the destination's content (files.md F-14).
enum class Proof : std::uint8_t { none, device, evicted, cached, remote, target };
/// Which of a batch's three passes is meant; each is started, ended and resumed by the same rules.
enum class Pass : std::uint8_t { work, verify, undo };
enum class Priority : std::uint8_t { immediate, high, normal, low, scheduled };
/// As what a task's items are counted. `items`: what a person came for (files, objects, rows,
/// migrations). `directories`: counted beside them. `steps`: further work on what is counted
/// already (a directory's times): planned and accounted for like any other, shown only when it
/// fails.
enum class CountAs : std::uint8_t { items, directories, steps };

[[nodiscard]] std::string_view to_string(ExecutionStatus status);
[[nodiscard]] std::string_view to_string(TaskStatus status);
[[nodiscard]] std::string_view to_string(BatchStatus status);
[[nodiscard]] std::string_view to_string(ItemStatus status);
[[nodiscard]] std::string_view to_string(Proof proof);
[[nodiscard]] std::string_view to_string(Pass pass);
[[nodiscard]] std::string_view to_string(Priority priority);
[[nodiscard]] std::string_view to_string(CountAs count_as);
[[nodiscard]] std::optional<ExecutionStatus> execution_status_from(std::string_view name);
[[nodiscard]] std::optional<ItemStatus> item_status_from(std::string_view name);
[[nodiscard]] std::optional<Priority> priority_from(std::string_view name);

/// Sums over the whole execution, kept in the same transaction as the change they count. Items are
/// counted once, when they end, each as what its task says (CountAs); a retried or reopened item is
/// taken out again first: succeeded + failed + skipped + rolled back never exceeds total.
struct Counters {
  std::int64_t total_items = 0;
  std::int64_t total_bytes = 0;
  std::int64_t succeeded_items = 0;
  std::int64_t failed_items = 0;
  std::int64_t skipped_items = 0;
  std::int64_t rolled_back_items = 0;
  std::int64_t processed_bytes = 0;  ///< sizes of ended items
  std::int64_t transferred_bytes =
      0;  ///< bytes written to the destination for ended items, retries not counted
  std::int64_t total_batches = 0;
  std::int64_t ended_batches = 0;  ///< done, failed or skipped
  std::int64_t failed_batches = 0;
  std::int64_t staged_batches = 0;
  std::int64_t verified_items = 0;
  std::int64_t verified_batches = 0;
  std::int64_t differences = 0;  ///< verification_mismatch errors of the last verification
  std::int64_t undone_batches = 0;
  std::int64_t retries = 0;  ///< attempts after the first, items and batches
  std::int64_t listed_directories = 0;
  std::int64_t total_directories = 0;  ///< CountAs::directories
  std::int64_t succeeded_directories = 0;
  std::int64_t failed_directories = 0;
  std::int64_t skipped_directories = 0;
  std::int64_t rolled_back_directories = 0;
  std::int64_t total_steps = 0;  ///< CountAs::steps
  std::int64_t succeeded_steps = 0;
  std::int64_t failed_steps = 0;
  std::int64_t skipped_steps = 0;
  std::int64_t rolled_back_steps = 0;
  std::int64_t kept_bytes = 0;  ///< at the destination, for a rollback

  friend bool operator==(const Counters&, const Counters&) = default;
};

/// The five counters of items that count as the same.
struct OutcomeCounters {
  std::int64_t Counters::* total;
  std::int64_t Counters::* succeeded;
  std::int64_t Counters::* failed;
  std::int64_t Counters::* skipped;
  std::int64_t Counters::* rolled_back;
};
[[nodiscard]] const OutcomeCounters& outcome_counters(CountAs count_as);

/// Over everything planned, whatever it counts as: planned = ended once all is done.
[[nodiscard]] std::int64_t all_planned(const Counters& counters);
[[nodiscard]] std::int64_t all_ended(const Counters& counters);
[[nodiscard]] std::int64_t all_succeeded(const Counters& counters);
[[nodiscard]] std::int64_t all_failed(const Counters& counters);
[[nodiscard]] std::int64_t all_rolled_back(const Counters& counters);

/// A rollback of a part, from its begin to its end: what of the execution it takes back, and what
/// the execution is again afterwards.
struct RollbackPart {
  std::string of_json;  ///< {batch, task, item, path, entity, type}: all of it must match
  ExecutionStatus then = ExecutionStatus::completed;
  std::string phase;
  std::string reason_json;
  friend bool operator==(const RollbackPart&, const RollbackPart&) = default;
};

/// What an incremental execution builds on: an earlier one of the same work that has ended well.
struct Baseline {
  ExecutionId execution;
  std::int64_t number = 0;
  std::int64_t since_ms = 0;  ///< wall clock: what has not changed since then needs nothing
  std::string roots;          ///< its ExecutionRow::roots
  friend bool operator==(const Baseline&, const Baseline&) = default;
};

/// The one row of `execution` in a ledger.
struct ExecutionRow {
  ExecutionId id;
  PlanId plan_id;
  std::int64_t number = 0;    ///< the running number that `ps` shows
  std::string kind;           ///< files, objects, records, schema
  std::string plan_json;      ///< the plan as decoded, secrets taken out
  std::string settings_json;  ///< effective settings with their origin, frozen at start
  std::string description;    ///< "copy /a to /b"
  std::string mode = "full";  ///< dry_run, test, full, incremental, resume
  ExecutionStatus status = ExecutionStatus::pending;
  std::string phase;        ///< preflight, enumerating, loading, verifying, rolling_back, reporting
  std::string reason_json;  ///< why it is paused or failed: an error as JSON, or empty
  std::int64_t epoch = 0;   ///< take-overs so far; a write with an older one is refused
  std::int64_t attempt = 0;     ///< entries into running
  std::int64_t created_ms = 0;  ///< wall clock, as all times here
  std::int64_t started_ms = 0;
  std::int64_t ended_ms = 0;
  std::int64_t updated_ms = 0;
  std::int64_t paused_ms_total = 0;
  std::int64_t paused_since_ms = 0;
  std::string cursor;      ///< where enumeration goes on; the kind's own encoding
  std::string roots;       ///< identity of the roots as first seen; the kind's own encoding
  std::string owner_json;  ///< process identity of the present or last owner
  bool enumeration_complete = false;
  bool committing = false;  ///< commit_scope execution: the final commit may have been sent
  /// What is kept for a rollback is given up so long after the end; 0: only when a person says so.
  std::int64_t undo_retention_ms = 0;
  bool drops_undo = false;                    ///< and at once where it has completed
  std::optional<RollbackPart> rollback_part;  ///< of a rollback that has not ended
  std::optional<Baseline> baseline;           ///< of an incremental one that has found any
  Counters counters;
  std::vector<std::string>
      claims;  ///< canonical destinations written (X-4): state.db can be rebuilt from them
  std::vector<std::string>
      depends_on;  ///< execution or plan ids that this one may share its destination with
};

/// When what it keeps for a rollback is to be given up, wall clock; 0: it keeps nothing, has not
/// ended, or waits for a person.
[[nodiscard]] std::int64_t keeps_until_ms(const ExecutionRow& row);

struct NewTask {
  TaskId id;               ///< uid is "<kind>-<id>"
  std::string task_type;   ///< create_directory, batch_file_operation, migration_verification …
  std::int32_t stage = 0;  ///< batches of a barrier stage wait for every batch of the stages below
  bool barrier = false;
  Priority priority = Priority::normal;
  std::string description;
  std::string parameters_json;
  CountAs count_as = CountAs::items;
  /// Its items stand for directories, and how they end depends on what is in there: a retry of an
  /// item opens those of its directory and of all above again, unless they have completed.
  bool follows_contents = false;
};

struct TaskRow : NewTask {
  std::string uid;
  TaskStatus status = TaskStatus::pending;
  std::int64_t batches = 0;
  std::int64_t ended_batches = 0;
  std::int64_t failed_batches = 0;
  std::int64_t items = 0;
  std::string error_message;
};

struct NewDirectory {
  DirectoryId id;
  DirectoryId parent;  ///< 0 for the root
  std::string name;    ///< bytes; empty for the root
  std::string detail;  ///< the kind's own encoding
  bool open = false;   ///< still to be enumerated: part of the persisted frontier
};

struct DirectoryRow : NewDirectory {
  std::string path;  ///< relative to the root, bytes, "" for the root, no leading or trailing slash
};

struct NewItem {
  ItemId id;  ///< consecutive within a batch
  DirectoryId directory;
  std::string name;       ///< bytes
  std::int64_t size = 0;  ///< bytes as listed; rows: estimated
  std::string detail;     ///< what the kind needs to execute it; its own encoding
};

/// The first item of those that share something, which the others look up by its key (a hard-link
/// set: the inode of the source).
struct NewFirstItem {
  std::string key;  ///< bytes; the kind's own encoding
  ItemId item;
};

/// Where items come from and go to, for people: the view file_operations shows it.
struct NewPlace {
  std::string name;         ///< bytes: an entry of the root, with all below it; empty: every other
  std::string source;       ///< empty: nothing to say
  std::string destination;  ///< the same
};

struct NewBatch {
  BatchId id;
  TaskId task;
  std::string payload;              ///< the kind's own encoding (key bounds, segment …)
  std::vector<BatchId> depends_on;  ///< must be batches of this or an earlier append
  std::vector<NewItem> items;
  /// Not empty: its items need nothing. They are journaled as skipped, with this reason, and the
  /// batch as done; it depends on none.
  std::string skip_reason;
};

struct BatchRow {
  BatchId id;
  TaskId task;
  std::string task_type;
  std::int32_t stage = 0;
  BatchStatus status = BatchStatus::pending;
  Pass pass = Pass::work;          ///< the pass it is executing in, when `status` is executing
  std::int64_t token = 0;          ///< of the last start; grows, never reused
  std::int32_t attempt = 0;        ///< failed tries so far
  std::int64_t not_before_ms = 0;  ///< wall clock: earliest next try
  ItemId first_item;
  std::int64_t item_count = 0;
  std::int64_t bytes = 0;
  bool verified = false;
  bool doubted = false;  ///< executing: had ended before, and is to be settled (DoubtBatches)
  std::string payload;
  CountAs count_as = CountAs::items;  ///< of its task
};

struct ItemRow : NewItem {
  BatchId batch;
  std::string directory_path;  ///< of `directory`
  ItemStatus status = ItemStatus::pending;
  std::int32_t attempt = 0;  ///< failed tries so far
  std::string intent;        ///< as last recorded by record_intents
  std::string checksum;      ///< "md5:<hex>" …, several separated by a blank; empty when none
  Proof proof = Proof::none;
  std::string action;  ///< created, updated, skipped …: for audit and report
  std::int64_t transferred_bytes = 0;
  std::int64_t ended_ms = 0;
  std::string message;      ///< of its last error, or why it was skipped
  std::string undo;         ///< as reported with its outcome
  std::string placed_name;  ///< its name at the destination where that is another; else empty
};

/// How an item ended, or (status pending) why it has to be tried again.
struct ItemOutcome {
  ItemId item;
  ItemStatus status =
      ItemStatus::completed;  ///< completed, failed, skipped, rolled_back, or pending (try again)
  std::int64_t transferred_bytes = 0;
  std::string checksum;
  Proof proof = Proof::none;
  std::string action;
  std::string message;         ///< for skipped: the reason
  std::string undo;            ///< what undo needs; the kind's own encoding; empty: nothing to undo
  std::string placed_name;     ///< its name at the destination where that is another; else empty
  std::optional<Error> error;  ///< for failed and for pending
  /// Of completed: how many bytes of old versions are kept at the destination for its undo.
  std::int64_t kept_bytes = 0;
};

struct ItemIntent {
  ItemId item;
  std::string intent;  ///< what settle needs after a crash; the kind's own encoding
};

/// How the message of an item begins that a person has skipped (ReopenItems); the actor follows.
inline constexpr std::string_view kSkippedBy = "skipped by ";

struct ErrorRow {
  std::int64_t id = 0;
  ItemId item;  ///< 0: of the batch or the execution as a whole
  BatchId batch;
  TaskId task;
  Error error;
  std::int32_t attempt = 0;
  bool final = true;  ///< false: it was tried again afterwards
  Pass pass = Pass::work;
  std::int64_t time_ms = 0;
  std::string directory_path;  ///< of the item
  std::string name;
};

/// What was noted of items that have ended: metadata that was not kept, why they were skipped.
struct Remark {
  ItemStatus status = ItemStatus::completed;  ///< completed, skipped, or rolled_back
  std::string text;        ///< empty: of so many items something that is no frequent message
  std::int64_t items = 0;  ///< whatever they count as
};

inline constexpr std::size_t kPendingNamed = 1000;

/// Derived at a batch boundary; recovery never reads it (ARCHITECTURE, "Recovery").
struct CheckpointRow {
  std::int64_t id = 0;
  std::int64_t last_processed_batch = 0;
  std::int64_t last_processed_record_id = 0;
  std::string cumulative_stats_json;
  std::vector<std::int64_t> pending_batch_ids;  ///< the first kPendingNamed
  std::string error_summary_json;
  std::int64_t ledger_sequence = 0;
  std::int64_t created_ms = 0;
  std::string checksum;  ///< SHA-256 over the columns above; checked when read
  bool valid = true;
};

/// One entry of the audit chain (engine.md X-28): each hash covers the one before.
struct AuditRow {
  std::int64_t sequence = 0;
  std::int64_t time_ms = 0;
  std::string actor;        ///< "uid 1000 (cli)", "engine"
  std::string action;       ///< execution.started, batch.completed, error.occurred …
  std::string detail_json;  ///< ids and counts, never data values
  std::string hash;         ///< SHA-256 hex over the previous hash and the fields above
};

struct MilestoneRow {
  std::string name;  ///< preflight_passed, first_byte, percent_25 …
  std::int64_t time_ms = 0;
};

}  // namespace dunlin::store
