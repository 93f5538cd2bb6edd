// LocalExecution; see local_contexts.h.
#include "support/local_contexts.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <thread>

#include "base/file_io.h"
#include "engine/thread_pool.h"

namespace dunlin::testing {

using engine::BatchContext;
using engine::ItemIntent;
using engine::ItemOutcome;
using engine::ItemRow;
using engine::ItemStatus;
using store::BatchStatus;
using store::Pass;

namespace {

std::string joined(const std::string& directory, const std::string& name) {
  if (directory.empty()) return name;
  return name.empty() ? directory : directory + "/" + name;
}

bool ended(BatchStatus status) {
  return status != BatchStatus::pending && status != BatchStatus::executing;
}

}  // namespace

/// Run-wide context, and the parts that the two others share.
class LocalExecution::Context : public engine::RunContext {
 public:
  explicit Context(LocalExecution& owner) : owner_(owner), cancel_(owner.cancel_.token()) {}
  [[nodiscard]] const ExecutionId& execution() const override { return owner_.options_.execution; }
  [[nodiscard]] const engine::ExecutionSettings& settings() const override {
    return owner_.options_.settings;
  }
  [[nodiscard]] std::int64_t epoch() const override { return owner_.ledger_.epoch; }
  [[nodiscard]] const Clock& clock() const override { return owner_.clock_; }
  [[nodiscard]] Permits& permits() override {
    return owner_.options_.permits != nullptr ? *owner_.options_.permits : owner_.permits_;
  }
  [[nodiscard]] const CancelToken& cancel() const override { return cancel_; }
  [[nodiscard]] const std::string& state_path() const override {
    return owner_.options_.state_path;
  }
  [[nodiscard]] Status fence() override {
    owner_.note("fence");
    return owner_.options_.on_fence ? owner_.options_.on_fence() : success();
  }

 private:
  LocalExecution& owner_;
  CancelToken cancel_;
};

#define DUNLIN_LOCAL_RUN_CONTEXT                                             \
  [[nodiscard]] const ExecutionId& execution() const override {              \
    return owner_.context_->execution();                                     \
  }                                                                          \
  [[nodiscard]] const engine::ExecutionSettings& settings() const override { \
    return owner_.context_->settings();                                      \
  }                                                                          \
  [[nodiscard]] std::int64_t epoch() const override {                        \
    return owner_.context_->epoch();                                         \
  }                                                                          \
  [[nodiscard]] const Clock& clock() const override {                        \
    return owner_.context_->clock();                                         \
  }                                                                          \
  [[nodiscard]] Permits& permits() override {                                \
    return owner_.context_->permits();                                       \
  }                                                                          \
  [[nodiscard]] const CancelToken& cancel() const override {                 \
    return owner_.context_->cancel();                                        \
  }                                                                          \
  [[nodiscard]] Status fence() override {                                    \
    return owner_.context_->fence();                                         \
  }                                                                          \
  [[nodiscard]] const std::string& state_path() const override {             \
    return owner_.context_->state_path();                                    \
  }

class LocalExecution::Items final : public engine::ItemsContext {
 public:
  explicit Items(LocalExecution& owner) : owner_(owner) {
    for (const auto& [id, item] : owner.ledger_.items) {
      ++counters_.total_items;
      counters_.total_bytes += item.row.size;
    }
  }
  DUNLIN_LOCAL_RUN_CONTEXT
  [[nodiscard]] const store::Counters& counters() const override { return counters_; }
  [[nodiscard]] Status for_each_listed(
      const std::function<Status(const store::BatchRow&, const ItemRow&)>& fn) override {
    for (const auto& [id, item] : owner_.ledger_.items)
      if (owner_.ledger_.batches.at(item.row.batch.value).row.status == BatchStatus::pending)
        DUNLIN_TRY(fn(owner_.ledger_.batches.at(item.row.batch.value).row, item.row));
    return success();
  }

 private:
  LocalExecution& owner_;
  store::Counters counters_;
};

class LocalExecution::Enumeration final : public engine::EnumerateContext {
 public:
  explicit Enumeration(LocalExecution& owner)
      : owner_(owner),
        continued_(!owner.ledger_.directories.empty() || !owner.ledger_.tasks.empty()) {
    // What an interrupted attempt allocated but did not commit is given out again, as by the real
    // ledger.
    last_ = {owner.ledger_.last_task, owner.ledger_.last_batch, owner.ledger_.last_item,
             owner.ledger_.last_directory};
    if (owner.options_.threads > 1)
      aside_.emplace(static_cast<std::size_t>(owner.options_.threads));
  }
  DUNLIN_LOCAL_RUN_CONTEXT
  void run_aside(std::function<void()> job) override {
    if (!aside_) return job();
    aside_->post(std::move(job));
  }

  [[nodiscard]] const std::string& cursor() const override { return owner_.ledger_.cursor; }
  [[nodiscard]] TaskId new_task_id() override { return TaskId(++last_.task); }
  [[nodiscard]] BatchId new_batch_id() override { return BatchId(++last_.batch); }
  [[nodiscard]] ItemId new_item_id() override { return ItemId(++last_.item); }
  [[nodiscard]] DirectoryId new_directory_id() override { return DirectoryId(++last_.directory); }
  [[nodiscard]] Result<std::vector<store::TaskRow>> tasks() override {
    return owner_.ledger_.tasks;
  }
  [[nodiscard]] Result<std::vector<store::DirectoryRow>> open_directories(
      std::size_t limit) override {
    std::vector<store::DirectoryRow> open;
    for (const auto& [id, row] : owner_.ledger_.directories) {
      if (row.open && open.size() < limit) open.push_back(row);
    }
    return open;
  }
  [[nodiscard]] Result<std::vector<store::DirectoryRow>> directories_before(
      DirectoryId before, std::size_t limit) override {
    std::vector<store::DirectoryRow> rows;
    for (auto entry = owner_.ledger_.directories.rbegin();
         entry != owner_.ledger_.directories.rend() && rows.size() < limit; ++entry) {
      if (!before.valid() || entry->second.id < before) rows.push_back(entry->second);
    }
    return rows;
  }
  [[nodiscard]] Result<bool> has_item(DirectoryId directory, std::string_view name) override {
    return std::any_of(
        owner_.ledger_.items.begin(), owner_.ledger_.items.end(), [&](const auto& entry) {
          return entry.second.row.directory == directory && entry.second.row.name == name;
        });
  }
  [[nodiscard]] Result<std::optional<DirectoryId>> find_directory(DirectoryId parent,
                                                                  std::string_view name) override {
    for (const auto& [id, row] : owner_.ledger_.directories) {
      if (row.parent == parent && row.name == name) return std::optional<DirectoryId>(row.id);
    }
    return std::optional<DirectoryId>();
  }
  [[nodiscard]] Result<std::optional<ItemId>> first_item(std::string_view key) override {
    const auto found = owner_.ledger_.first_items.find(std::string(key));
    if (found == owner_.ledger_.first_items.end()) return std::optional<ItemId>();
    return std::optional<ItemId>(ItemId(found->second));
  }
  [[nodiscard]] Result<bool> is_own_execution(std::string_view digits) override {
    return digits == short_id(owner_.options_.execution);
  }
  [[nodiscard]] bool continued() const override { return continued_; }
  [[nodiscard]] bool may_skip() const override { return owner_.options_.may_skip; }
  [[nodiscard]] Status commit(Chunk chunk) override;

 private:
  struct Last {
    std::int64_t task, batch, item, directory;
  };
  LocalExecution& owner_;
  bool continued_;
  Last last_{};
  std::optional<engine::TaskThreads> aside_;
};

Status LocalExecution::Enumeration::commit(Chunk chunk) {
  DUNLIN_TRY(cancel().check());
  if (owner_.options_.on_commit) DUNLIN_TRY(owner_.options_.on_commit());
  LocalLedger& ledger = owner_.ledger_;
  for (auto& task : chunk.tasks) {
    store::TaskRow row;
    static_cast<store::NewTask&>(row) = std::move(task);
    row.uid = "local-" + std::to_string(row.id.value);
    ledger.tasks.push_back(std::move(row));
  }
  for (auto& directory : chunk.directories) {
    store::DirectoryRow row;
    static_cast<store::NewDirectory&>(row) = std::move(directory);
    if (row.parent.valid())
      row.path = joined(ledger.directories.at(row.parent.value).path, row.name);
    ledger.directories.emplace(row.id.value, std::move(row));
  }
  for (const auto id : chunk.closed_directories) ledger.directories.at(id.value).open = false;
  for (auto& fresh : chunk.batches) {
    const auto task = std::find_if(ledger.tasks.begin(), ledger.tasks.end(),
                                   [&](const store::TaskRow& row) { return row.id == fresh.task; });
    DUNLIN_CHECK(task != ledger.tasks.end(), "a batch names a task that was never committed");
    LocalBatch batch;
    batch.row.id = fresh.id;
    batch.row.task = fresh.task;
    batch.row.task_type = task->task_type;
    batch.row.stage = task->stage;
    batch.row.payload = std::move(fresh.payload);
    batch.row.item_count = static_cast<std::int64_t>(fresh.items.size());
    batch.depends_on = std::move(fresh.depends_on);
    std::int64_t expected = fresh.items.empty() ? 0 : fresh.items.front().id.value;
    batch.row.first_item = ItemId(expected);
    for (auto& item : fresh.items) {
      DUNLIN_CHECK(item.id.value == expected++, "item ids are not consecutive within a batch");
      LocalItem entry;
      static_cast<store::NewItem&>(entry.row) = std::move(item);
      entry.row.batch = batch.row.id;
      if (entry.row.directory.valid()) {
        DUNLIN_CHECK(ledger.directories.contains(entry.row.directory.value),
                     "an item names an unknown directory");
        entry.row.directory_path = ledger.directories.at(entry.row.directory.value).path;
      }
      if (!fresh.skip_reason.empty()) {
        batch.row.status = BatchStatus::done;
        entry.row.status = ItemStatus::skipped;
        entry.row.action = "skipped";
        entry.row.message = fresh.skip_reason;
      }
      batch.row.bytes += entry.row.size;
      DUNLIN_CHECK(ledger.items.emplace(entry.row.id.value, std::move(entry)).second,
                   "an item id was used twice");
    }
    DUNLIN_CHECK(ledger.batches.emplace(batch.row.id.value, std::move(batch)).second,
                 "a batch id was used twice");
  }
  for (const auto& [id, batch] : ledger.batches) {
    for (const auto before : batch.depends_on) {
      DUNLIN_CHECK(ledger.batches.contains(before.value),
                   "a batch depends on one that does not exist yet");
    }
  }
  for (auto& first : chunk.first_items) {
    DUNLIN_CHECK(ledger.items.contains(first.item.value), "an unknown item as the first");
    DUNLIN_CHECK(ledger.first_items.emplace(first.key, first.item.value).second,
                 "two first items of one key");
  }
  ledger.cursor = std::move(chunk.cursor_after);
  ledger.enumeration_complete = chunk.complete;
  ledger.last_task = last_.task;
  ledger.last_batch = last_.batch;
  ledger.last_item = last_.item;
  ledger.last_directory = last_.directory;
  continued_ = false;
  owner_.note("commit");
  owner_.save();
  return success();
}

class LocalExecution::Batch final : public BatchContext {
 public:
  Batch(LocalExecution& owner, LocalBatch& batch, Pass pass)
      : owner_(owner), batch_(batch), before_(batch.row), pass_(pass) {}
  DUNLIN_LOCAL_RUN_CONTEXT

  [[nodiscard]] const store::BatchRow& batch() const override { return before_; }
  [[nodiscard]] Result<std::vector<ItemRow>> items() override {
    const std::lock_guard lock(owner_.mutex_);
    const ItemStatus wanted = pass_ == Pass::work ? ItemStatus::pending : ItemStatus::completed;
    std::vector<ItemRow> rows;
    for (std::int64_t n = 0; n < batch_.row.item_count; ++n) {
      const ItemRow& row = owner_.ledger_.items.at(batch_.row.first_item.value + n).row;
      if (row.status == wanted) rows.push_back(row);
    }
    return rows;
  }
  [[nodiscard]] Result<store::DirectoryRow> directory(DirectoryId id) override {
    const auto found = owner_.ledger_.directories.find(id.value);
    if (found == owner_.ledger_.directories.end())
      return Error(ErrorType::defect, "no such directory");
    return found->second;
  }
  [[nodiscard]] Result<ItemRow> item(ItemId id) override {
    const auto found = owner_.ledger_.items.find(id.value);
    if (found == owner_.ledger_.items.end()) return Error(ErrorType::defect, "no such item");
    return found->second.row;
  }
  [[nodiscard]] Status for_each_item(std::span<ItemRow> items,
                                     const std::function<void(ItemRow&)>& fn) override {
    std::atomic<std::size_t> next{0};
    const auto work = [&] {
      for (std::size_t n = next++; n < items.size() && !cancel().cancelled(); n = next++) {
        if (owner_.options_.on_item) owner_.options_.on_item(items[n]);
        fn(items[n]);
      }
    };
    std::vector<std::thread> threads;
    for (int n = 1; n < owner_.options_.threads; ++n) threads.emplace_back(work);
    work();
    for (auto& thread : threads) thread.join();
    return cancel().check();
  }
  [[nodiscard]] Status record_intents(std::vector<ItemIntent> intents) override {
    if (intents.empty()) return success();
    if (owner_.options_.on_intents) DUNLIN_TRY(owner_.options_.on_intents(intents));
    owner_.note("intents:" + std::to_string(intents.size()));
    const std::lock_guard lock(owner_.mutex_);
    for (auto& intent : intents)
      owner_.ledger_.items.at(intent.item.value).row.intent = std::move(intent.intent);
    owner_.save();
    return success();
  }
  void report(ItemOutcome outcome) override {
    const std::lock_guard lock(owner_.mutex_);
    owner_.apply(outcome);
  }
  [[nodiscard]] Status flush() override {
    owner_.note("flush");
    const std::lock_guard lock(owner_.mutex_);
    owner_.save();
    return success();
  }
  [[nodiscard]] bool compare_anew() const override { return true; }
  void report_equal(ItemId item) override {
    const std::lock_guard lock(owner_.mutex_);
    owner_.ledger_.items.at(item.value).equal = true;
  }
  void report_difference(ItemId item, Error difference) override {
    const std::lock_guard lock(owner_.mutex_);
    owner_.ledger_.items.at(item.value).difference = std::move(difference);
  }
  void progress(std::int64_t bytes) override { progress_ += bytes; }
  void kept(std::int64_t bytes) override {
    if (owner_.options_.on_kept) owner_.options_.on_kept(bytes);
  }
  [[nodiscard]] engine::ItemsInFlight* in_flight() override { return owner_.options_.in_flight; }

 private:
  LocalExecution& owner_;
  LocalBatch& batch_;
  const store::BatchRow
      before_;  ///< as it was when the pass began: with the token of an earlier one
  Pass pass_;
  std::atomic<std::int64_t> progress_{0};
};

#undef DUNLIN_LOCAL_RUN_CONTEXT

LocalExecution::LocalExecution(engine::Run& run, Options options)
    : run_(&run), options_(std::move(options)), context_(std::make_unique<Context>(*this)) {}
LocalExecution::~LocalExecution() = default;

Result<std::unique_ptr<LocalExecution>> LocalExecution::take_over(engine::Run& run,
                                                                  Options options) {
  DUNLIN_ASSIGN(const std::string bytes, read_file(options.journal_path));
  auto execution = std::make_unique<LocalExecution>(run, std::move(options));
  DUNLIN_ASSIGN(execution->ledger_, LocalLedger::decode(bytes));
  if (!execution->ledger_.roots.empty()) run.started_with(execution->ledger_.roots);
  ++execution->ledger_.epoch;
  execution->save();
  return execution;
}

void LocalExecution::take_over(engine::Run& run) {
  run_ = &run;
  if (!ledger_.roots.empty()) run.started_with(ledger_.roots);
  cancel_ = CancelSource();
  context_ = std::make_unique<Context>(*this);
  ++ledger_.epoch;
  save();
}

engine::RunContext& LocalExecution::context() {
  return *context_;
}

void LocalExecution::note(std::string event) {
  const std::lock_guard lock(mutex_);
  trace_.push_back(std::move(event));
}

/// Atomic against a kill, not against a power cut: that is the real ledger's business.
void LocalExecution::save() {
  if (options_.journal_path.empty()) return;
  const std::string temporary = options_.journal_path + ".new";
  auto file = open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC);
  DUNLIN_CHECK(file.ok(), "the test's journal cannot be written");
  DUNLIN_CHECK(write_all(file->get(), ledger_.encode(), "journal").ok(),
               "the test's journal cannot be written");
  DUNLIN_CHECK(::rename(temporary.c_str(), options_.journal_path.c_str()) == 0,
               "the test's journal cannot be renamed");
}

Result<std::vector<engine::Problem>> LocalExecution::check_items() {
  Items items(*this);
  return run_->check_items(items);
}

Status LocalExecution::enumerate() {
  if (ledger_.enumeration_complete) return success();
  // A root that cannot be looked at is for those tests to find that ask for it.
  if (options_.keeps_roots && ledger_.roots.empty()) {
    auto roots = run_->root_identity(*context_);
    if (roots.ok()) ledger_.roots = std::move(roots).value();
  }
  Enumeration enumeration(*this);
  DUNLIN_TRY(run_->enumerate(enumeration));
  DUNLIN_CHECK(ledger_.enumeration_complete,
               "enumerate() returned success without a chunk that says complete");
  return success();
}

void LocalExecution::apply(const ItemOutcome& outcome) {
  LocalItem& item = ledger_.items.at(outcome.item.value);
  const bool undoing = outcome.status == ItemStatus::rolled_back;
  if (item.row.status != ItemStatus::pending &&
      !(undoing && item.row.status == ItemStatus::completed)) {
    if (item.row.status == ItemStatus::completed && outcome.status == ItemStatus::failed)
      item.error = outcome.error;
    return;
  }
  DUNLIN_CHECK(outcome.status != ItemStatus::failed || outcome.error,
               "a failed outcome without an error");
  item.error = outcome.error;
  item.row.message = outcome.error ? outcome.error->message : outcome.message;
  if (outcome.status == ItemStatus::failed || outcome.status == ItemStatus::pending) {
    const bool system = outcome.error && outcome.error->category() == ErrorCategory::system;
    const bool again = outcome.error && outcome.error->retriable();
    if (!system) ++item.row.attempt;
    if (system || (again && item.row.attempt < options_.settings.retry.max_attempts)) return;
    item.row.status = ItemStatus::failed;
    return;
  }
  item.row.status = outcome.status;
  if (undoing) return;
  item.row.transferred_bytes = outcome.transferred_bytes;
  item.row.checksum = outcome.checksum;
  item.row.proof = outcome.proof;
  item.row.action = outcome.action;
  item.row.undo = outcome.undo;
  item.row.placed_name = outcome.placed_name;
}

bool LocalExecution::has_pending(const LocalBatch& batch) const {
  for (std::int64_t n = 0; n < batch.row.item_count; ++n) {
    if (ledger_.items.at(batch.row.first_item.value + n).row.status == ItemStatus::pending)
      return true;
  }
  return false;
}

LocalBatch* LocalExecution::next_batch() {
  LocalBatch* best = nullptr;
  for (auto& [id, batch] : ledger_.batches) {
    if (batch.row.status == BatchStatus::pending &&
        (best == nullptr || batch.row.stage < best->row.stage)) {
      const bool free = std::all_of(
          batch.depends_on.begin(), batch.depends_on.end(),
          [&](BatchId before) { return ended(ledger_.batches.at(before.value).row.status); });
      if (free) best = &batch;
    }
  }
  return best;
}

void LocalExecution::fail_batch(LocalBatch& batch, const Error& error) {
  batch.error = error;
  batch.row.status = BatchStatus::failed;
  for (std::int64_t n = 0; n < batch.row.item_count; ++n) {
    LocalItem& item = ledger_.items.at(batch.row.first_item.value + n);
    if (item.row.status != ItemStatus::pending) continue;
    item.row.status = ItemStatus::failed;
    item.row.message = error.message;
    item.error = error;
  }
}

/// One start of a batch up to its end or its return to pending.
Status LocalExecution::run_batch(LocalBatch& batch) {
  for (const auto before : batch.depends_on) {
    const BatchStatus status = ledger_.batches.at(before.value).row.status;
    if (status == BatchStatus::failed || status == BatchStatus::skipped) {
      fail_batch(batch, Error(ErrorType::dependency_failed, "a batch before it failed"));
      return success();
    }
  }
  Batch pass(*this, batch, Pass::work);
  batch.row.status = BatchStatus::executing;
  batch.row.pass = Pass::work;
  batch.row.token = ++ledger_.last_token;
  save();
  note("execute:" + std::to_string(batch.row.id.value));
  const Status status = run_->execute(pass);
  if (!status.ok() && status.error().type != ErrorType::interrupted &&
      status.error().category() != ErrorCategory::system &&
      status.error().type != ErrorType::stale_owner) {
    if (status.error().retriable() && ++batch.row.attempt < options_.settings.retry.max_attempts) {
      batch.row.status = BatchStatus::pending;
      return success();
    }
    fail_batch(batch, status.error());
    return status;
  }
  if (!status.ok()) {
    if (status.error().type != ErrorType::stale_owner) batch.row.status = BatchStatus::pending;
    return status;
  }
  if (has_pending(batch)) {
    batch.row.status = BatchStatus::pending;
    for (std::int64_t n = 0; n < batch.row.item_count; ++n) {
      const LocalItem& item = ledger_.items.at(batch.row.first_item.value + n);
      if (item.row.status != ItemStatus::pending) continue;
      DUNLIN_CHECK(item.error.has_value(),
                   "execute() returned success and left an item without an outcome");
      if (item.error->category() == ErrorCategory::system) return *item.error;
    }
    return success();
  }
  const bool staged = run_->commit_scope() == engine::CommitScope::execution;
  batch.row.status = staged ? BatchStatus::staged : BatchStatus::done;
  return success();
}

Status LocalExecution::execute() {
  Status first = success();
  while (LocalBatch* batch = next_batch()) {
    const Status status = run_batch(*batch);
    save();
    if (status.ok()) continue;
    if (batch->row.status != BatchStatus::failed) return status;
    if (first.ok()) first = status;
  }
  DUNLIN_TRY(first);
  return finish_scope();
}

Status LocalExecution::finish_scope() {
  if (run_->commit_scope() != engine::CommitScope::execution || !ledger_.enumeration_complete)
    return success();
  ledger_.committing = true;
  save();
  note("final commit");
  DUNLIN_TRY(run_->commit(*context_));
  for (auto& [id, batch] : ledger_.batches) {
    if (batch.row.status == BatchStatus::staged) batch.row.status = BatchStatus::done;
  }
  ledger_.committing = false;
  save();
  return success();
}

/// As EndBatch{interrupted} and UnstageAll do: items of a batch whose effect is gone are pending
/// again.
Status LocalExecution::settle() {
  if (run_->commit_scope() == engine::CommitScope::execution) {
    bool committed = false;
    if (ledger_.committing) {
      DUNLIN_ASSIGN(committed, run_->committed(*context_));
    }
    for (auto& [id, batch] : ledger_.batches) {
      if (batch.row.status != BatchStatus::staged && batch.row.status != BatchStatus::executing)
        continue;
      batch.row.status = committed ? BatchStatus::done : BatchStatus::pending;
      for (std::int64_t n = 0; n < batch.row.item_count; ++n) {
        ItemRow& row = ledger_.items.at(batch.row.first_item.value + n).row;
        if (!committed && row.status == ItemStatus::completed) row.status = ItemStatus::pending;
      }
    }
    ledger_.committing = false;
    save();
    return success();
  }
  const bool also_pending = run_->truth() == engine::Truth::target;
  for (auto& [id, batch] : ledger_.batches) {
    if (batch.row.status == BatchStatus::executing && batch.row.pass == Pass::undo) {
      Batch pass(*this, batch, Pass::undo);
      DUNLIN_TRY(run_->settle_undo(pass));
      continue;
    }
    const bool open = batch.row.status == BatchStatus::executing && batch.row.pass == Pass::work;
    if (!open && !(also_pending && batch.row.status == BatchStatus::pending)) continue;
    note("settle:" + std::to_string(id));
    Batch pass(*this, batch, Pass::work);
    DUNLIN_TRY(run_->settle(pass));
    batch.row.status = has_pending(batch) ? BatchStatus::pending : BatchStatus::done;
    save();
  }
  return success();
}

Status LocalExecution::run_to_end() {
  DUNLIN_TRY(settle());
  DUNLIN_TRY(enumerate());
  return execute();
}

Status LocalExecution::verify() {
  for (auto& [id, item] : ledger_.items) {
    item.equal = false;
    item.difference.reset();
  }
  for (auto& [id, batch] : ledger_.batches) {
    if (batch.row.status != BatchStatus::done) continue;
    note("verify:" + std::to_string(id));
    Batch pass(*this, batch, Pass::verify);
    DUNLIN_TRY(run_->verify(pass));
    for (std::int64_t n = 0; n < batch.row.item_count; ++n) {
      const LocalItem& item = ledger_.items.at(batch.row.first_item.value + n);
      DUNLIN_CHECK(
          item.row.status != ItemStatus::completed || item.equal != item.difference.has_value(),
          "verify() must say exactly one thing of each completed item");
    }
  }
  return success();
}

Status LocalExecution::undo() {
  std::vector<LocalBatch*> order;
  for (auto& [id, batch] : ledger_.batches) {
    if (batch.row.status == BatchStatus::done || batch.row.pass == Pass::undo)
      order.push_back(&batch);
  }
  std::sort(order.begin(), order.end(), [](const LocalBatch* a, const LocalBatch* b) {
    return std::pair(a->row.stage, a->row.id) > std::pair(b->row.stage, b->row.id);
  });
  for (LocalBatch* batch : order) {
    if (batch->row.status == BatchStatus::undone) continue;
    batch->row.status = BatchStatus::executing;
    batch->row.pass = Pass::undo;
    batch->row.token = ++ledger_.last_token;
    save();
    note("undo:" + std::to_string(batch->row.id.value));
    Batch pass(*this, *batch, Pass::undo);
    DUNLIN_TRY(run_->undo(pass));
    batch->row.status = BatchStatus::undone;
    save();
  }
  return success();
}

Status LocalExecution::release() {
  return run_->release(*context_);
}

void LocalExecution::close() {
  run_->close(*context_);
}

Result<std::vector<LocalItem>> LocalExecution::rehearse() {
  std::vector<LocalBatch*> order;
  for (auto& [id, batch] : ledger_.batches)
    if (batch.row.status == BatchStatus::pending) order.push_back(&batch);
  std::stable_sort(order.begin(), order.end(), [](const LocalBatch* a, const LocalBatch* b) {
    return a->row.stage < b->row.stage;
  });
  const std::map<std::int64_t, LocalItem> before = ledger_.items;
  std::vector<LocalItem> all;
  Status rehearsed = success();
  for (LocalBatch* batch : order) {
    Batch pass(*this, *batch, Pass::work);
    rehearsed = run_->rehearse(pass);
    if (!rehearsed.ok()) break;
    for (std::int64_t n = 0; n < batch->row.item_count; ++n)
      all.push_back(ledger_.items.at(batch->row.first_item.value + n));
  }
  ledger_.items = before;
  DUNLIN_TRY(rehearsed);
  return all;
}

std::vector<const LocalItem*> LocalExecution::items(std::string_view task_type) const {
  std::vector<const LocalItem*> found;
  for (const auto& [id, item] : ledger_.items) {
    if (task_type.empty() || ledger_.batches.at(item.row.batch.value).row.task_type == task_type) {
      found.push_back(&item);
    }
  }
  return found;
}

const LocalItem* LocalExecution::item(std::string_view path, std::string_view task_type) const {
  for (const LocalItem* item : items(task_type)) {
    if (joined(item->row.directory_path, item->row.name) == path) return item;
  }
  return nullptr;
}

std::int64_t LocalExecution::count(ItemStatus status, std::string_view task_type) const {
  const auto all = items(task_type);
  return std::count_if(all.begin(), all.end(),
                       [&](const LocalItem* item) { return item->row.status == status; });
}

std::int64_t LocalExecution::verified() const {
  const auto all = items();
  return std::count_if(all.begin(), all.end(), [](const LocalItem* item) { return item->equal; });
}

std::int64_t LocalExecution::differences() const {
  const auto all = items();
  return std::count_if(all.begin(), all.end(),
                       [](const LocalItem* item) { return item->difference.has_value(); });
}

}  // namespace dunlin::testing
