// The seam, second half: Run, one execution of one kind of migration, and the contexts through
// which it works.
//
// The engine owns threads, order, retry, pause, limits, journal, progress and audit. A Run knows
// the items: how to list them, how to execute a batch of them, how to find out after a crash what
// happened, how to compare and to take back. It owns only what lives as long as the process (a
// connection, a snapshot, a lock); losing that is an error it returns. The Workload conformance
// suite (tests/support/workload_conformance.h) holds every Run to this contract.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/permits.h"
#include "base/result.h"
#include "engine/in_flight.h"
#include "engine/selector.h"
#include "engine/settings.h"
#include "store/model.h"

namespace dunlin::engine {

using store::DirectoryRow;
using store::ItemIntent;
using store::ItemOutcome;
using store::ItemRow;
using store::ItemStatus;
using store::NewBatch;
using store::NewDirectory;
using store::NewFirstItem;
using store::NewItem;
using store::NewPlace;
using store::NewTask;
using store::Proof;

/// Up to where an effect at the destination can be taken for done by itself.
enum class CommitScope : std::uint8_t {
  item,       ///< each item stands alone (files, objects)
  batch,      ///< a batch commits or not (rows per-batch, a migration)
  execution,  ///< one transaction holds everything (rows `single`); one batch at a time, `commit`
              ///< ends it
};
/// Who is believed at recovery when they differ.
enum class Truth : std::uint8_t {
  ledger,  ///< ended is ended; only open batches are looked at
  target,  ///< the destination keeps its own record; settle() also sees pending batches before they
           ///< start again
};

/// A problem found before anything is changed; all are reported together.
struct Problem {
  Error error;
  bool critical = true;       ///< refuses the run
  bool can_continue = false;  ///< a critical one that the person may accept
  /// What is different from what it should be, as `diff -u` writes it: lines, escaped.
  std::vector<std::string> differences = {};
};

struct Analysis {
  std::int64_t items = -1;  ///< -1: unknown before enumeration
  std::int64_t bytes = -1;
  Json details;  ///< space_analysis, risk_analysis … under the original's names
};

/// Common to all contexts. All calls from any thread.
class RunContext {
 public:
  virtual ~RunContext() = default;
  [[nodiscard]] virtual const ExecutionId& execution() const = 0;
  [[nodiscard]] virtual const ExecutionSettings& settings() const = 0;
  /// Grows with each take-over. Names of temporaries and fences at the destination carry it.
  [[nodiscard]] virtual std::int64_t epoch() const = 0;
  [[nodiscard]] virtual const Clock& clock() const = 0;
  [[nodiscard]] virtual Permits& permits() = 0;
  /// Look at it at least every 100 ms; pass it to every wait.
  [[nodiscard]] virtual const CancelToken& cancel() const = 0;
  /// ErrorType::stale_owner once another process has taken over, interrupted on emergency stop.
  /// Asked immediately before anything becomes visible at the destination or is removed at the
  /// source.
  [[nodiscard]] virtual Status fence() = 0;
  /// The state directory, which no migration takes or writes into; empty: there is none.
  [[nodiscard]] virtual const std::string& state_path() const = 0;
  /// Lines for whoever watches just now, escaped, without the last line end. Nothing keeps them.
  virtual void tell(std::string_view /*text*/) {}
};

/// Streams batches into the ledger. One thread.
class EnumerateContext : public RunContext {
 public:
  /// Work to be journaled in one transaction. Ids come from the context's allocators below.
  struct Chunk {
    std::vector<NewTask> tasks;
    std::vector<NewDirectory> directories;
    std::vector<DirectoryId> closed_directories;
    std::vector<NewBatch> batches;
    std::vector<NewFirstItem> first_items;  ///< of this chunk or an older one; each key once
    std::vector<NewPlace> places;           ///< each name once
    std::string cursor_after;
    bool complete = false;
  };
  /// As persisted with the last committed chunk; empty at the very start.
  [[nodiscard]] virtual const std::string& cursor() const = 0;
  [[nodiscard]] virtual TaskId new_task_id() = 0;
  [[nodiscard]] virtual BatchId new_batch_id() = 0;
  [[nodiscard]] virtual ItemId new_item_id() = 0;
  [[nodiscard]] virtual DirectoryId new_directory_id() = 0;
  /// Tasks journaled by an earlier attempt, so that a continued enumeration adds to them.
  [[nodiscard]] virtual Result<std::vector<store::TaskRow>> tasks() = 0;
  /// The frontier: directories journaled as `open` and not yet closed, lowest id first.
  [[nodiscard]] virtual Result<std::vector<DirectoryRow>> open_directories(std::size_t limit) = 0;
  /// Directories journaled so far with an id below `before` (all, when it is not valid), highest id
  /// first.
  [[nodiscard]] virtual Result<std::vector<DirectoryRow>> directories_before(DirectoryId before,
                                                                             std::size_t limit) = 0;
  /// For a directory that an earlier attempt had read in part: was this entry journaled already?
  [[nodiscard]] virtual Result<bool> has_item(DirectoryId directory, std::string_view name) = 0;
  [[nodiscard]] virtual Result<std::optional<DirectoryId>> find_directory(
      DirectoryId parent, std::string_view name) = 0;
  /// The item that an earlier chunk journaled with this key.
  [[nodiscard]] virtual Result<std::optional<ItemId>> first_item(std::string_view key) = 0;
  /// Is this the end of the id (short_id) of an execution of this state directory? Then names that
  /// carry it are dunlin's own and no part of a source.
  [[nodiscard]] virtual Result<bool> is_own_execution(std::string_view short_id) = 0;
  /// True until this attempt's first commit when an earlier attempt committed something.
  [[nodiscard]] virtual bool continued() const = 0;
  /// May batches say that their items need nothing (NewBatch::skip_reason)? Not where all is to be
  /// shown, or checked, before any of it ends.
  [[nodiscard]] virtual bool may_skip() const { return false; }
  /// Runs a job on a thread of the engine, soon and in no order; here and now where there are no
  /// threads for it. It may look, and must not call the context; who asks waits for its end.
  virtual void run_aside(std::function<void()> job) { job(); }
  /// Journals the chunk, and its batches may start at once. Durable, or an error, when the next
  /// call of this context returns (that of a chunk that is `complete`: its own), so that listing
  /// goes on while it is written.
  [[nodiscard]] virtual Status commit(Chunk chunk) = 0;
};

/// All work is listed and none of it was begun. One thread.
class ItemsContext : public RunContext {
 public:
  /// What was listed: how many, and how many bytes.
  [[nodiscard]] virtual const store::Counters& counters() const = 0;
  /// Calls `fn` for each item and its batch, in the order of their ids; its first error ends it.
  /// Memory does not grow with their number.
  [[nodiscard]] virtual Status for_each_listed(
      const std::function<Status(const store::BatchRow&, const ItemRow&)>& fn) = 0;
};

/// One pass over one batch. Calls are safe from the pool's threads, too.
class BatchContext : public RunContext {
 public:
  [[nodiscard]] virtual const store::BatchRow& batch() const = 0;
  /// Work: the items still pending. Verify and undo: all items that completed; in a rollback of a
  /// part those of it.
  [[nodiscard]] virtual Result<std::vector<ItemRow>> items() = 0;
  [[nodiscard]] virtual Result<DirectoryRow> directory(DirectoryId id) = 0;
  /// `dunlin retry --item` has named it: the answer to what it had failed with, when that was a
  /// question. As durable as the retry.
  [[nodiscard]] virtual bool was_answered(ItemId) const { return false; }
  /// Any item, as the ledger has it now: one that this batch's items refer to.
  [[nodiscard]] virtual Result<ItemRow> item(ItemId id) = 0;
  /// Runs `fn` for each item on the engine's pool under `io_concurrency` and waits for all. Threads
  /// spread over the directories whose items follow each other, since two that make names in one
  /// wait for each other; within one they begin in the items' order. Returns interrupted when
  /// cancelled: items not begun are then not run. `fn` reports through report(); it must not call
  /// for_each_item.
  [[nodiscard]] virtual Status for_each_item(std::span<ItemRow> items,
                                             const std::function<void(ItemRow&)>& fn) = 0;
  /// As for_each_item(), but items of one directory that follow each other are run by one thread,
  /// in their order: for steps that hold the directory's lock, where more threads only wait for it.
  [[nodiscard]] virtual Status for_each_by_directory(std::span<ItemRow> items,
                                                     const std::function<void(ItemRow&)>& fn) {
    return for_each_item(items, fn);
  }
  /// Durable on return: comes before the outside effect it announces (old inode, upload id …).
  [[nodiscard]] virtual Status record_intents(std::vector<ItemIntent> intents) = 0;
  /// Queues an outcome; the ledger has it at the latest when the pass has ended. The engine decides
  /// about retries: a failed outcome whose error is retriable leaves the item pending while
  /// attempts are left. Repeating is harmless.
  virtual void report(ItemOutcome outcome) = 0;
  /// Every reported outcome is durable on return (a move asks before it removes the source).
  [[nodiscard]] virtual Status flush() = 0;
  /// Undo: all but what items() gives stays as it is.
  [[nodiscard]] virtual bool undoes_part() const { return false; }
  /// Verify: compare what is there now, whatever was proven when it was written (`dunlin verify`).
  /// False at the end of a migration, so that what was read back then is not read a second time.
  [[nodiscard]] virtual bool compare_anew() const = 0;
  /// Verify: one item is equal.
  virtual void report_equal(ItemId item) = 0;
  /// Verify: one item differs; the message says in what.
  virtual void report_difference(ItemId item, Error difference) = 0;
  /// Bytes moved just now, for the live rate only; outcomes carry what counts.
  virtual void progress(std::int64_t bytes) = 0;
  /// Bytes that an earlier life of the process has moved and that were found to hold: they are
  /// done, at no rate. For the live display only, as progress().
  virtual void kept(std::int64_t) {}
  /// Where an item that is large or takes long tells how far it is, for as long as an ItemInFlight
  /// lives. nullptr: nobody watches.
  [[nodiscard]] virtual ItemsInFlight* in_flight() { return nullptr; }
};

class Run {
 public:
  virtual ~Run() = default;

  [[nodiscard]] virtual CommitScope commit_scope() const = 0;
  [[nodiscard]] virtual Truth truth() const = 0;
  /// What root_identity() said at the first start, for a Run that goes on with it: called before
  /// anything else. It may keep more of that start than an identity needs.
  virtual void started_with(const std::string& /*identity*/) {}
  /// Mode `incremental`: all that has not changed since `baseline` began is left out, where the
  /// destination still has it. Before anything but started_with().
  virtual void build_on(const store::Baseline& /*baseline*/) {}
  /// Identity of both roots in the kind's own encoding; stored at start, compared at resume, for
  /// undo too. A difference pauses with root_changed.
  [[nodiscard]] virtual Result<std::string> root_identity(RunContext& context) = 0;
  /// What it uses that other executions may use, too ("disk 8:0"), by names that mean the same in
  /// each: who shares one shares it by priority. After preflight().
  [[nodiscard]] virtual std::vector<std::string> devices() { return {}; }
  /// At this level it reads back what it has written before an item counts as done: for estimates
  /// of the time left.
  [[nodiscard]] virtual bool reads_back(VerificationLevel) const { return false; }
  /// For people: which root is another one by two such identities.
  [[nodiscard]] virtual std::string changed_roots(const std::string& stored,
                                                  const std::string& now) const {
    return "source or destination is not the one this execution started with: was " + stored +
           ", is " + now;
  }
  /// Verify on request, and undo: is the destination the one of `stored`, an identity as above? A
  /// kind that then asks the destination and the ledger alone does not ask for the source, which
  /// may be gone by then.
  [[nodiscard]] virtual Result<bool> same_destination(RunContext& context,
                                                      const std::string& stored) {
    DUNLIN_ASSIGN(const std::string now, root_identity(context));
    return now == stored;
  }
  [[nodiscard]] virtual Result<Analysis> analyse(RunContext& context) = 0;
  /// All problems at once; reads, and a write probe that it removes again.
  [[nodiscard]] virtual Result<std::vector<Problem>> preflight(RunContext& context) = 0;
  /// Lists the work from the cursor (or frontier) on, chunk by chunk; the last chunk says
  /// `complete`.
  [[nodiscard]] virtual Status enumerate(EnumerateContext& context) = 0;
  /// All problems of single items, and of all of them together (their room at the destination),
  /// before the first is begun; changes nothing. Not called where there are too many to wait for
  /// (settings.preflight): what may not be missed is found again by execute().
  [[nodiscard]] virtual Result<std::vector<Problem>> check_items(ItemsContext&) {
    return std::vector<Problem>{};
  }
  /// The dry run of execute(): reports what that would report now, by the same decision function,
  /// and changes nothing on either side. Outcomes have their action, message, error and the bytes
  /// that would be written, but no checksum, proof or undo data.
  [[nodiscard]] virtual Status rehearse(BatchContext& context) = 0;
  /// Executes the batch. Idempotent: may be called again after any crash, for the items still
  /// pending, and always after settle() in that case. An error is of the batch as a whole; an
  /// item's own error is reported.
  [[nodiscard]] virtual Status execute(BatchContext& context) = 0;
  /// After a crash, before the batch runs again: looks at the destination, reports those items that
  /// are done, removes what an earlier epoch's attempt left (temporaries, uploads), leaves the
  /// others pending. Repeatable. So too of what had ended and is in doubt (BatchRow::doubted): the
  /// intent of an item is then what it had reported for its undo, its checksum, proof and message
  /// stand in the row; what does not hold is brought back to what stood there before it, as far as
  /// nobody else has changed it.
  [[nodiscard]] virtual Status settle(BatchContext& context) = 0;
  /// commit_scope execution: makes everything that is staged visible in one step, with a mark that
  /// committed() finds.
  [[nodiscard]] virtual Status commit(RunContext& context) = 0;
  /// commit_scope execution, at recovery: did commit() take effect?
  [[nodiscard]] virtual Result<bool> committed(RunContext& context) = 0;
  /// Gives up what lives as long as the process: a transaction that was not committed, a lock at
  /// the target. The last call of an attempt, before its end is recorded, so that a recorded end
  /// leaves nothing behind. Repeatable.
  virtual void close(RunContext& context) = 0;
  /// Compares the completed items of a batch with the source or the recorded proof.
  [[nodiscard]] virtual Status verify(BatchContext& context) = 0;
  /// Takes the completed items of a batch back, last first; reports rolled_back, or failed
  /// (destination_changed) where somebody changed it since. Repeatable after a crash.
  [[nodiscard]] virtual Status undo(BatchContext& context) = 0;
  /// May this completed item of `batch` be taken back while others stay as they are (a rollback of
  /// a part)? undo() then gets it without those of the batch that are not meant, and
  /// BatchContext::undoes_part() is true.
  [[nodiscard]] virtual bool undoes_alone(const store::BatchRow&, const ItemRow&) const {
    return false;
  }
  /// What a killed undo() of the batch has left half made is removed, for nobody may come back to
  /// it: the rollback may be cancelled. Takes nothing back and reports nothing. Repeatable.
  [[nodiscard]] virtual Status settle_undo(BatchContext&) { return success(); }
  /// Drops undo data and scratch; aborts what is unfinished at the destination. Repeatable.
  [[nodiscard]] virtual Status release(RunContext& context) = 0;
  /// The path below the destination of an item that is a file with bytes of its own, for a list of
  /// checksums; nullopt for all others. Looks at nothing outside.
  [[nodiscard]] virtual std::optional<std::string> manifest_path(const ItemRow&) const {
    return std::nullopt;
  }
  /// What an item is, in a word of those that Selector::type takes ("file", "symlink"), for
  /// reports; empty: all of them are alike. Looks at nothing outside.
  [[nodiscard]] virtual std::string type_of(const ItemRow&) const { return {}; }
  [[nodiscard]] virtual bool matches(const Selector& selector, const ItemRow& item) const = 0;
  /// The kind's own part of report and finished event.
  [[nodiscard]] virtual Json report_sections() const { return Json::object(); }
};

}  // namespace dunlin::engine
