// The contexts through which a Run works, over the ledger writer, the item pool and the governor.
//
// Made by the host for each call; see run.h for what each promises.
#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/events.h"
#include "engine/governor.h"
#include "engine/ledger_writer.h"
#include "engine/live_limits.h"
#include "engine/progress.h"
#include "engine/retry.h"
#include "engine/run.h"
#include "engine/thread_pool.h"
#include "store/state_directory.h"

namespace dunlin::engine {

/// The items that a person named one by one with `dunlin retry --item`, as the ledger has them. Any
/// thread.
class AnsweredItems {
 public:
  void add(ItemId item) {
    const std::lock_guard lock(mutex_);
    items_.insert(item);
    any_ = true;
  }
  [[nodiscard]] bool has(ItemId item) const {
    if (!any_) return false;  // the usual case, asked for each item
    const std::lock_guard lock(mutex_);
    return items_.contains(item);
  }

 private:
  mutable std::mutex mutex_;
  std::set<ItemId> items_;
  std::atomic<bool> any_{false};
};

/// What all contexts of one execution share; outlives them.
struct HostParts {
  ExecutionId id;
  std::int64_t epoch = 0;
  const ExecutionSettings& settings;
  const Clock& clock;
  store::Ledger& ledger;
  const store::OwnerLock& lock;
  store::StateDirectory& state;
  LedgerWriter& writer;
  ItemPool& pool;
  Governor& governor;
  ConcurrencyGate& gate;
  const LiveLimits& limits;
  RetryAdvisor& retry;
  RateMeter& meter;
  ItemsInFlight& in_flight;
  std::atomic<bool>& stale;  ///< the ledger has refused a write of this epoch
  bool compare_anew = false;
  const AnsweredItems* answered = nullptr;
  TaskThreads* aside = nullptr;        ///< looks of the enumeration; nullptr: where it runs itself
  bool all_or_nothing = false;         ///< commit_scope execution
  const Run* run = nullptr;            ///< who says which items a selector means
  const UndoSelector* part = nullptr;  ///< of a rollback; nullptr: all of it
  EventBus* events = nullptr;          ///< nullptr: nobody can watch
};

/// Is a completed item of what a rollback of this part takes back?
[[nodiscard]] bool is_of_part(const UndoSelector& part, const Run& run,
                              const store::BatchRow& batch, const ItemRow& item);

/// Implements RunContext for any of the context interfaces.
template <typename Base>
class ContextOver : public Base {
 public:
  ContextOver(HostParts& parts, CancelToken cancel) : parts_(parts), cancel_(std::move(cancel)) {}
  [[nodiscard]] const ExecutionId& execution() const override { return parts_.id; }
  [[nodiscard]] const ExecutionSettings& settings() const override { return parts_.settings; }
  [[nodiscard]] std::int64_t epoch() const override { return parts_.epoch; }
  [[nodiscard]] const Clock& clock() const override { return parts_.clock; }
  [[nodiscard]] Permits& permits() override { return parts_.governor; }
  [[nodiscard]] const CancelToken& cancel() const override { return cancel_; }
  [[nodiscard]] const std::string& state_path() const override { return parts_.state.path(); }
  void tell(std::string_view text) override {
    if (parts_.events == nullptr) return;
    parts_.events->publish(Event{"message", parts_.clock.wall_ms(), Json{{"text", text}}, false});
  }
  [[nodiscard]] Status fence() override {
    if (parts_.stale || !parts_.lock.still_held()) {
      parts_.stale = true;
      return Error(ErrorType::stale_owner,
                   "another process has taken over execution " + parts_.id.value);
    }
    if (cancel_.reason() == CancelReason::stop) return cancel_.check();
    return success();
  }

 protected:
  HostParts& parts_;
  CancelToken cancel_;
};

using PlainContext = ContextOver<RunContext>;

class LedgerItemsContext final : public ContextOver<ItemsContext> {
 public:
  LedgerItemsContext(HostParts& parts, CancelToken cancel, const store::Counters& counters)
      : ContextOver(parts, std::move(cancel)), counters_(counters) {}
  [[nodiscard]] const store::Counters& counters() const override { return counters_; }
  [[nodiscard]] Status for_each_listed(
      const std::function<Status(const store::BatchRow&, const ItemRow&)>& fn) override;

 private:
  const store::Counters counters_;
};

class LedgerEnumerateContext final : public ContextOver<EnumerateContext> {
 public:
  /// `appended` is called after each commit, with the number of items that are journaled and wait,
  /// and what the ledger then counts.
  using Appended = std::function<void(std::int64_t, const LedgerWriter::Written&)>;
  static Result<std::unique_ptr<LedgerEnumerateContext>> make(HostParts& parts, CancelToken cancel,
                                                              Appended appended);
  /// With the size of batches that holds now: it may have changed with the last commit().
  [[nodiscard]] const ExecutionSettings& settings() const override { return settings_; }
  [[nodiscard]] const std::string& cursor() const override { return cursor_; }
  [[nodiscard]] TaskId new_task_id() override { return TaskId(++last_.task.value); }
  [[nodiscard]] BatchId new_batch_id() override { return BatchId(++last_.batch.value); }
  [[nodiscard]] ItemId new_item_id() override { return ItemId(++last_.item.value); }
  [[nodiscard]] DirectoryId new_directory_id() override {
    return DirectoryId(++last_.directory.value);
  }
  [[nodiscard]] Result<std::vector<store::TaskRow>> tasks() override {
    DUNLIN_TRY(settle());
    return parts_.ledger.tasks(10'000);
  }
  [[nodiscard]] Result<std::vector<DirectoryRow>> open_directories(std::size_t limit) override {
    DUNLIN_TRY(settle());
    return parts_.ledger.open_directories(limit);
  }
  [[nodiscard]] Result<std::vector<DirectoryRow>> directories_before(DirectoryId before,
                                                                     std::size_t limit) override {
    DUNLIN_TRY(settle());
    return parts_.ledger.directories_before(before, limit);
  }
  [[nodiscard]] Result<bool> has_item(DirectoryId directory, std::string_view name) override {
    DUNLIN_TRY(settle());
    return parts_.ledger.has_item(directory, name);
  }
  [[nodiscard]] Result<std::optional<DirectoryId>> find_directory(DirectoryId parent,
                                                                  std::string_view name) override {
    DUNLIN_TRY(settle());
    return parts_.ledger.find_directory(parent, name);
  }
  [[nodiscard]] Result<std::optional<ItemId>> first_item(std::string_view key) override {
    DUNLIN_TRY(settle());
    return parts_.ledger.first_item(key);
  }
  [[nodiscard]] Result<bool> is_own_execution(std::string_view short_id) override;
  [[nodiscard]] bool continued() const override { return continued_; }
  [[nodiscard]] bool may_skip() const override { return may_skip_; }
  void run_aside(std::function<void()> job) override {
    if (parts_.aside == nullptr) return job();
    parts_.aside->post(std::move(job));
  }
  [[nodiscard]] Status commit(Chunk chunk) override;
  /// Waits until the last chunk is durable; its error, once. Also after an enumeration that failed.
  [[nodiscard]] Status settle();
  [[nodiscard]] bool complete() const { return complete_; }
  ~LedgerEnumerateContext() override;

 private:
  LedgerEnumerateContext(HostParts& parts, CancelToken cancel, Appended appended);
  void take_batch_size();
  Appended appended_;
  ExecutionSettings settings_;
  std::string cursor_;
  store::Ledger::LastIds last_;
  std::set<std::string, std::less<>> own_executions_;
  std::int64_t asked_ms_ = -1;   ///< monotonic: when they were read
  std::future<Status> written_;  ///< of the chunk that is on its way to the ledger; one at most
  std::int64_t waiting_ =
      0;  ///< items, directories and steps that are journaled and have not ended
  bool may_skip_ = false;
  bool continued_ = false;
  bool complete_ = false;
};

class LedgerBatchContext final : public ContextOver<BatchContext> {
 public:
  /// `provisional`: outcomes count only once the whole batch is staged (commit_scope execution), so
  /// none is recorded before the pass ends.
  LedgerBatchContext(HostParts& parts, CancelToken cancel, store::BatchRow row, std::int64_t token,
                     store::Pass pass, bool provisional = false);
  ~LedgerBatchContext() override;

  /// From here on items() leaves out what a person holds back. `whole`: one held item holds all of
  /// them. False: nothing is left to be done now.
  [[nodiscard]] Result<bool> begin_execution(bool whole);
  [[nodiscard]] const store::BatchRow& batch() const override { return row_; }
  [[nodiscard]] Result<std::vector<ItemRow>> items() override;
  [[nodiscard]] Result<DirectoryRow> directory(DirectoryId id) override {
    return parts_.ledger.directory(id);
  }
  [[nodiscard]] bool was_answered(ItemId item) const override {
    return parts_.answered != nullptr && parts_.answered->has(item);
  }
  [[nodiscard]] Result<ItemRow> item(ItemId id) override;
  [[nodiscard]] Status for_each_item(std::span<ItemRow> items,
                                     const std::function<void(ItemRow&)>& fn) override;
  [[nodiscard]] Status for_each_by_directory(std::span<ItemRow> items,
                                             const std::function<void(ItemRow&)>& fn) override;
  [[nodiscard]] Status record_intents(std::vector<ItemIntent> intents) override;
  void report(ItemOutcome outcome) override;
  [[nodiscard]] Status flush() override;
  [[nodiscard]] bool undoes_part() const override;
  [[nodiscard]] bool compare_anew() const override { return parts_.compare_anew; }
  void report_equal(ItemId item) override;
  void report_difference(ItemId item, Error difference) override;
  void progress(std::int64_t bytes) override {
    added_bytes_.fetch_add(bytes, std::memory_order_relaxed);
    parts_.meter.add_bytes(bytes);
  }
  void kept(std::int64_t bytes) override {
    added_bytes_.fetch_add(bytes, std::memory_order_relaxed);
    parts_.meter.add_kept(bytes);
  }
  [[nodiscard]] ItemsInFlight* in_flight() override { return &parts_.in_flight; }

  /// What the host needs to end the pass.
  struct Tally {
    std::int64_t unreported = 0;       ///< items of the pass with no outcome
    std::int64_t to_retry = 0;         ///< items left pending for another try
    std::int64_t held = 0;             ///< items left pending until a person lets them go
    std::optional<Error> retry_error;  ///< the last of their errors
    std::optional<Error>
        stops;  ///< a system or fatal error of an item: ends the execution's attempt
    std::vector<ItemOutcome> outcomes;  ///< not yet submitted
    std::vector<std::pair<ItemId, Error>> differences;
    std::int64_t equal = 0;
    std::int64_t left_alone = 0;  ///< undo: items that could not be taken back
  };
  /// Waits for what was submitted. The error is the ledger's.
  [[nodiscard]] Result<Tally> finish();
  /// After finish(), before the end is recorded: what is in flight is no longer of this pass.
  /// `held`: what was reported as completed counts.
  void end_in_meter(bool held);

 private:
  enum class Verdict : std::uint8_t { record, drop };
  [[nodiscard]] std::size_t slot(ItemId item) const;
  void submit_locked();
  void leave_out_held_locked(std::vector<ItemRow>& items);
  [[nodiscard]] Verdict classify_locked(ItemOutcome& outcome);
  [[nodiscard]] std::optional<Error> stop_reason();
  [[nodiscard]] Status for_each_part(std::span<ItemRow> items, bool one_thread_each,
                                     const std::function<void(ItemRow&)>& fn);
  store::BatchRow row_;
  const std::int64_t token_;
  const store::Pass pass_;
  const bool provisional_;

  std::mutex mutex_;
  std::condition_variable written_;
  std::vector<std::int32_t> attempts_;  ///< failed attempts so far, by item id minus first_item
  std::vector<bool> expected_;          ///< handed out by items()
  std::vector<bool> reported_;
  std::vector<bool> held_;
  bool items_read_ = false;
  bool executing_ = false;
  bool held_whole_ = false;
  std::vector<ItemOutcome> buffer_;
  std::int64_t buffer_bytes_ = 0;
  std::int64_t buffer_since_ms_ = 0;
  std::int64_t counted_bytes_ = 0;            ///< of outcomes that the ledger counts
  std::atomic<std::int64_t> added_bytes_{0};  ///< told by progress() and kept()
  int in_flight_ = 0;
  std::optional<Error> ledger_error_;
  Tally tally_;
  std::atomic<bool> stops_{false};  ///< `tally_.stops` or `ledger_error_` is there
};

}  // namespace dunlin::engine
