// LocalExecution: drives any Run through its duties in memory, without engine or store.
//
// For tests of one kind: enumerate, execute, crash, settle, verify, undo, with everything the Run
// reported open to inspection. It follows the ledger's rules (stages, dependencies, retries,
// idempotent outcomes) in their simplest form, and plays a crash in two ways: an error out of a
// hook (the process lives on, take_over(run) continues), or a child process that dies at a crash
// point and leaves Options::journal_path behind, which the static take_over() reads.
//
// Thread rule: drive it from one thread; with Options::threads > 1 for_each_item, and what the
// enumeration runs aside, run on that many, and report(), record_intents(), flush() and progress()
// may then come from any of them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/run.h"
#include "support/local_ledger.h"

namespace dunlin::testing {

class LocalExecution {
 public:
  struct Options {
    ExecutionId execution{"01890000-0000-7000-8000-0123456789ab"};
    engine::ExecutionSettings settings;
    int threads = 1;
    /// When set, the ledger is written there after each durable call, so that a killed process
    /// leaves it behind.
    std::string journal_path;
    /// Passed for a state directory, which a source leaves out.
    std::string state_path;
    /// The first enumerate() asks for the identity of the roots, a later owner is told.
    bool keeps_roots = false;
    /// The enumeration may say that nothing is to be done for a batch (NewBatch::skip_reason).
    bool may_skip = false;
    /// Answers of fence(), record_intents() and EnumerateContext::commit(); unset: success. An
    /// error of the latter two means that nothing was recorded.
    std::function<Status()> on_fence;
    std::function<Status(const std::vector<engine::ItemIntent>&)> on_intents;
    std::function<Status()> on_commit;
    /// Called before each item that for_each_item begins.
    std::function<void(const engine::ItemRow&)> on_item;
    /// Unset: as much as anybody wants, at once. Must outlive the execution.
    Permits* permits = nullptr;
    /// Unset: nobody watches. Must outlive the execution.
    engine::ItemsInFlight* in_flight = nullptr;
    /// Unset: nothing. Called with what BatchContext::kept() is.
    std::function<void(std::int64_t)> on_kept;
  };

  explicit LocalExecution(engine::Run& run) : LocalExecution(run, Options{}) {}
  LocalExecution(engine::Run& run, Options options);
  /// Goes on from what a dead process left in Options::journal_path: epoch + 1, open batches still
  /// executing.
  [[nodiscard]] static Result<std::unique_ptr<LocalExecution>> take_over(engine::Run& run,
                                                                         Options options);
  ~LocalExecution();
  LocalExecution(const LocalExecution&) = delete;
  LocalExecution& operator=(const LocalExecution&) = delete;

  /// The same execution as another process would continue it: a new Run, epoch + 1.
  void take_over(engine::Run& run);

  [[nodiscard]] engine::RunContext& context();
  /// Calls Run::enumerate until it has said `complete`; nothing is called when it had.
  [[nodiscard]] Status enumerate();
  /// Executes what is pending, in order of stage, dependency and id, with retries at once. Items
  /// that fail are no error of this call; a batch that fails as a whole is. Ends with commit() for
  /// commit_scope execution.
  [[nodiscard]] Status execute();
  /// What recovery does with batches left executing (Truth::target: with pending ones too):
  /// settle(), then pending. Of an undo: settle_undo(), and undo() goes on with them.
  [[nodiscard]] Status settle();
  /// Run::check_items over what is listed.
  [[nodiscard]] Result<std::vector<engine::Problem>> check_items();
  /// enumerate() and execute(), settle() before when there is something to settle.
  [[nodiscard]] Status run_to_end();
  [[nodiscard]] Status verify();
  /// Undoes completed batches, last first.
  [[nodiscard]] Status undo();
  [[nodiscard]] Status release();
  /// What the engine does last in each attempt that is not killed.
  void close();
  /// Run::rehearse() of every batch that is pending, in the order of execute(): its items as they
  /// would have ended. The ledger stays as it was.
  [[nodiscard]] Result<std::vector<LocalItem>> rehearse();

  [[nodiscard]] CancelSource& cancel_source() { return cancel_; }
  [[nodiscard]] const LocalLedger& ledger() const { return ledger_; }
  /// For a test that wants the ledger in a state a crash could leave (a batch executing, an intent
  /// recorded).
  [[nodiscard]] LocalLedger& mutable_ledger() { return ledger_; }
  [[nodiscard]] std::vector<const LocalItem*> items(std::string_view task_type = {}) const;
  /// By directory path and name joined by '/'; nullptr when there is none. With a task type only
  /// among its items.
  [[nodiscard]] const LocalItem* item(std::string_view path, std::string_view task_type = {}) const;
  /// Number of items in a status.
  [[nodiscard]] std::int64_t count(engine::ItemStatus status,
                                   std::string_view task_type = {}) const;
  [[nodiscard]] std::int64_t verified() const;
  [[nodiscard]] std::int64_t differences() const;
  /// In order: "commit", "intents:<n>", "fence", "flush", "execute:<batch>", "settle:<batch>" …
  [[nodiscard]] const std::vector<std::string>& trace() const { return trace_; }

 private:
  class Context;
  class Enumeration;
  class Items;
  class Batch;

  void note(std::string event);
  void save();
  [[nodiscard]] Status run_batch(LocalBatch& batch);
  [[nodiscard]] LocalBatch* next_batch();
  void fail_batch(LocalBatch& batch, const Error& error);
  [[nodiscard]] Status finish_scope();
  void apply(const engine::ItemOutcome& outcome);
  [[nodiscard]] bool has_pending(const LocalBatch& batch) const;

  engine::Run* run_;
  Options options_;
  CancelSource cancel_;
  SystemClock clock_;
  UnlimitedPermits permits_;
  LocalLedger ledger_;
  std::unique_ptr<Context> context_;
  std::vector<std::string> trace_;
  std::mutex mutex_;
};

}  // namespace dunlin::testing
