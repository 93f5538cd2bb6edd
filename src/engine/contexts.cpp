#include "engine/contexts.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/crash_point.h"

namespace dunlin::engine {
namespace {

/// Outcomes commit inside a batch at the latest after this much (ARCHITECTURE, "The seam").
constexpr std::size_t kOutcomesMax = 1000;
constexpr std::int64_t kOutcomeBytesMax = 256LL << 20;
constexpr std::int64_t kOutcomeAgeMaxMs = 1000;
constexpr int kInFlightMax = 4;

std::int64_t items_in(const std::vector<NewBatch>& batches) {
  std::int64_t items = 0;
  for (const NewBatch& batch : batches) items += static_cast<std::int64_t>(batch.items.size());
  return items;
}

std::int64_t skipped_in(const std::vector<NewBatch>& batches) {
  std::int64_t items = 0;
  for (const NewBatch& batch : batches) {
    if (!batch.skip_reason.empty()) items += static_cast<std::int64_t>(batch.items.size());
  }
  return items;
}

Status first_refusal(const LedgerWriter::Written& written) {
  if (!written.results.ok()) return written.results.error();
  for (const Status& status : *written.results) {
    if (!status.ok()) return status;
  }
  return success();
}

}  // namespace

bool is_of_part(const UndoSelector& part, const Run& run, const store::BatchRow& batch,
                const ItemRow& item) {
  if (part.batch.valid() && part.batch != batch.id) return false;
  if (part.task.valid() && part.task != batch.task) return false;
  if (part.item.valid() && part.item != item.id) return false;
  return run.undoes_alone(batch, item) && (part.of.empty() || run.matches(part.of, item));
}

// ---- Enumeration
// ---------------------------------------------------------------------------------------------------

LedgerEnumerateContext::LedgerEnumerateContext(HostParts& parts, CancelToken cancel,
                                               Appended appended)
    : ContextOver(parts, std::move(cancel)),
      appended_(std::move(appended)),
      settings_(parts.settings) {
  take_batch_size();
}

void LedgerEnumerateContext::take_batch_size() {
  const std::int64_t size = parts_.limits.batch_size();
  if (size == settings_.batch_size) return;
  settings_.batch_size = size;
  settings_.batch_size_set = true;  // by a person
}

Result<std::unique_ptr<LedgerEnumerateContext>> LedgerEnumerateContext::make(HostParts& parts,
                                                                             CancelToken cancel,
                                                                             Appended appended) {
  std::unique_ptr<LedgerEnumerateContext> context(
      new LedgerEnumerateContext(parts, std::move(cancel), std::move(appended)));
  DUNLIN_ASSIGN(const store::ExecutionRow row, parts.ledger.execution());
  DUNLIN_ASSIGN(context->last_, parts.ledger.last_ids());
  context->cursor_ = row.cursor;
  context->waiting_ = store::all_planned(row.counters) - store::all_ended(row.counters);
  context->may_skip_ = parts.settings.preflight != Preflight::complete && !parts.all_or_nothing &&
                       !parts.settings.rolls_back_failure();
  context->continued_ =
      context->last_.task.valid() || context->last_.directory.valid() || !row.cursor.empty();
  return context;
}

Result<bool> LedgerEnumerateContext::is_own_execution(std::string_view short_id) {
  constexpr std::int64_t kAgeMaxMs = 1000;  // others may start meanwhile
  if (own_executions_.contains(short_id)) return true;
  const std::int64_t now_ms = parts_.clock.monotonic_ms();
  if (asked_ms_ >= 0 && now_ms - asked_ms_ < kAgeMaxMs) return false;
  asked_ms_ = now_ms;
  DUNLIN_ASSIGN(const auto executions, parts_.state.store().executions());
  for (const auto& execution : executions) own_executions_.insert(dunlin::short_id(execution.id));
  return own_executions_.contains(short_id);
}

Status LedgerEnumerateContext::commit(Chunk chunk) {
  DUNLIN_TRY(cancel_.check());
  DUNLIN_TRY(settle());
  const std::int64_t skipped = skipped_in(chunk.batches);
  waiting_ += items_in(chunk.batches) - skipped;
  cursor_ = chunk.cursor_after;
  const bool complete = chunk.complete;
  std::vector<store::Mutation> mutations;
  mutations.emplace_back(store::AppendWork{std::move(chunk.tasks), std::move(chunk.directories),
                                           std::move(chunk.closed_directories),
                                           std::move(chunk.batches), std::move(chunk.first_items),
                                           std::move(chunk.places), cursor_, complete});
  DUNLIN_CRASH_POINT("engine.append.before");
  auto promise = std::make_shared<std::promise<Status>>();
  written_ = promise->get_future();
  parts_.writer.submit(std::move(mutations), [this, promise, skipped, waiting = waiting_](
                                                 const LedgerWriter::Written& written) {
    Status refused = first_refusal(written);
    if (refused.ok() && skipped > 0) parts_.meter.add_items(skipped, true);
    if (refused.ok()) appended_(waiting, written);
    promise->set_value(std::move(refused));
  });
  continued_ = false;
  take_batch_size();
  if (!complete) return success();
  DUNLIN_TRY(settle());
  complete_ = true;
  return success();
}

Status LedgerEnumerateContext::settle() {
  if (!written_.valid()) return success();
  Status written = written_.get();
  if (!written.ok() && written.error().type == ErrorType::stale_owner) parts_.stale = true;
  DUNLIN_CRASH_POINT("engine.append.after");
  return written;
}

LedgerEnumerateContext::~LedgerEnumerateContext() {
  settle().ignore("who enumerated has asked");
}

// ---- Checks
// --------------------------------------------------------------------------------------------------------

Status LedgerItemsContext::for_each_listed(
    const std::function<Status(const store::BatchRow&, const ItemRow&)>& fn) {
  store::ItemFilter page;
  page.unstarted = true;
  store::BatchRow batch;
  for (;;) {
    DUNLIN_TRY(cancel_.check());
    DUNLIN_ASSIGN(const std::vector<ItemRow> items, parts_.ledger.items(page));
    if (items.empty()) return success();
    for (const ItemRow& item : items) {
      if (item.batch != batch.id) {
        DUNLIN_ASSIGN(batch, parts_.ledger.batch(item.batch));
      }
      DUNLIN_TRY(fn(batch, item));
    }
    page.after = items.back().id;
  }
}

// ---- Batches
// -------------------------------------------------------------------------------------------------------

LedgerBatchContext::LedgerBatchContext(HostParts& parts, CancelToken cancel, store::BatchRow row,
                                       std::int64_t token, store::Pass pass, bool provisional)
    : ContextOver(parts, std::move(cancel)),
      row_(std::move(row)),
      token_(token),
      pass_(pass),
      provisional_(provisional),
      attempts_(static_cast<std::size_t>(row_.item_count), 0),
      expected_(static_cast<std::size_t>(row_.item_count), false),
      reported_(static_cast<std::size_t>(row_.item_count), false),
      held_(static_cast<std::size_t>(row_.item_count), false) {}

LedgerBatchContext::~LedgerBatchContext() {
  std::unique_lock lock(mutex_);
  written_.wait(lock, [this] { return in_flight_ == 0; });
}

std::size_t LedgerBatchContext::slot(ItemId item) const {
  const std::int64_t index = item.value - row_.first_item.value;
  DUNLIN_CHECK(index >= 0 && index < row_.item_count,
               "an item was reported that is not of this batch");
  return static_cast<std::size_t>(index);
}

Result<std::vector<ItemRow>> LedgerBatchContext::items() {
  DUNLIN_ASSIGN(std::vector<ItemRow> items,
                parts_.ledger.items_of(row_.id, pass_ == store::Pass::work));
  if (pass_ != store::Pass::work) {
    std::erase_if(items, [](const ItemRow& item) { return item.status != ItemStatus::completed; });
  }
  if (undoes_part()) {
    std::erase_if(items, [this](const ItemRow& item) {
      return !is_of_part(*parts_.part, *parts_.run, row_, item);
    });
  }
  const std::lock_guard lock(mutex_);
  items_read_ = true;
  // An outcome may still be on its way to the ledger: what was reported is not handed out again.
  std::erase_if(items, [this](const ItemRow& item) { return reported_[slot(item.id)]; });
  if (executing_) leave_out_held_locked(items);
  for (const ItemRow& item : items) {
    attempts_[slot(item.id)] = item.attempt;
    expected_[slot(item.id)] = true;
  }
  return items;
}

bool LedgerBatchContext::undoes_part() const {
  return pass_ == store::Pass::undo && parts_.part != nullptr;
}

Result<bool> LedgerBatchContext::begin_execution(bool whole) {
  {
    const std::lock_guard lock(mutex_);
    executing_ = true;
    held_whole_ = whole;
  }
  if (parts_.run == nullptr || parts_.limits.held()->empty()) return true;
  DUNLIN_ASSIGN(const std::vector<ItemRow> left, items());
  const std::lock_guard lock(mutex_);
  return !left.empty() || std::find(held_.begin(), held_.end(), true) == held_.end();
}

/// What was held stays so to the end of the pass: the kind may have seen some of its items without
/// it.
void LedgerBatchContext::leave_out_held_locked(std::vector<ItemRow>& items) {
  // Directories and further steps are shared with what is not held.
  if (row_.count_as != store::CountAs::items) return;
  const LiveLimits::Parts parts = parts_.limits.held();
  if (parts_.run != nullptr && !parts->empty()) {
    for (const ItemRow& item : items) {
      const bool meant = std::any_of(parts->begin(), parts->end(), [&](const Selector& part) {
        return parts_.run->matches(part, item);
      });
      if (meant) held_[slot(item.id)] = true;
    }
  }
  const bool all = held_whole_ && std::find(held_.begin(), held_.end(), true) != held_.end();
  std::erase_if(items, [&](const ItemRow& item) {
    const std::size_t at = slot(item.id);
    if (!all && !held_[at]) return false;
    held_[at] = true;
    expected_[at] = false;
    return true;
  });
}

Result<ItemRow> LedgerBatchContext::item(ItemId id) {
  store::ItemFilter filter;
  filter.item = id;
  DUNLIN_ASSIGN(std::vector<ItemRow> found, parts_.ledger.items(filter));
  if (found.empty()) {
    return Error(ErrorType::defect,
                 "an item refers to item " + std::to_string(id.value) + ", which is not there");
  }
  return std::move(found.front());
}

std::optional<Error> LedgerBatchContext::stop_reason() {
  if (!stops_) return std::nullopt;  // the usual case, asked after each item
  const std::lock_guard lock(mutex_);
  if (tally_.stops) return tally_.stops;
  return ledger_error_;
}

Status LedgerBatchContext::for_each_item(std::span<ItemRow> items,
                                         const std::function<void(ItemRow&)>& fn) {
  return for_each_part(items, false, fn);
}

Status LedgerBatchContext::for_each_by_directory(std::span<ItemRow> items,
                                                 const std::function<void(ItemRow&)>& fn) {
  return for_each_part(items, true, fn);
}

/// A part are the items of one directory that follow each other.
Status LedgerBatchContext::for_each_part(std::span<ItemRow> items, bool one_thread_each,
                                         const std::function<void(ItemRow&)>& fn) {
  Parts parts{.bounds = {}, .one_thread_each = one_thread_each};
  for (std::size_t n = 0; n < items.size(); ++n) {
    if (n == 0 || items[n].directory != items[n - 1].directory) parts.bounds.push_back(n);
  }
  parts.bounds.push_back(items.size());
  std::atomic<bool> stopped{false};
  std::atomic<bool> left_out{false};  // its turn had not come when the token was raised
  const auto run = [&](std::size_t n) {
    if (stopped.load(std::memory_order_relaxed)) return;
    const ConcurrencyGate::Turn turn(parts_.gate, cancel_);
    if (!turn.passed()) {
      left_out = true;
      return;
    }
    fn(items[n]);
    if (stop_reason()) stopped = true;
  };
  const bool all = parts_.pool.for_each(row_.id.value, parts, run, cancel_);
  if (auto reason = stop_reason()) return *std::move(reason);
  if (!all || left_out) return cancel_.check();
  return success();
}

Status LedgerBatchContext::record_intents(std::vector<ItemIntent> intents) {
  if (intents.empty()) return success();
  std::vector<store::Mutation> mutations;
  mutations.emplace_back(store::RecordIntents{row_.id, token_, std::move(intents)});
  DUNLIN_CRASH_POINT("engine.intent.before");
  Status written = parts_.writer.write(std::move(mutations));
  if (!written.ok() && written.error().type == ErrorType::stale_owner) parts_.stale = true;
  DUNLIN_CRASH_POINT("engine.intent.after");
  return written;
}

/// Decides what an outcome becomes in the ledger. In the work pass a failure may be tried again,
/// and a failure that concerns more than the item is not the item's.
LedgerBatchContext::Verdict LedgerBatchContext::classify_locked(ItemOutcome& outcome) {
  const std::size_t at = slot(outcome.item);
  if (reported_[at]) return Verdict::drop;
  if (outcome.status != ItemStatus::failed) {
    reported_[at] = true;
    if (outcome.status == ItemStatus::completed && pass_ == store::Pass::work)
      counted_bytes_ += outcome.transferred_bytes;
    parts_.retry.note_success(outcome.item);
    return Verdict::record;
  }
  Error error =
      outcome.error.value_or(Error(ErrorType::defect, "an item failed without saying why"));
  if (error.type == ErrorType::interrupted || error.type == ErrorType::stale_owner)
    return Verdict::drop;
  if (error.category() == ErrorCategory::system || error.category() == ErrorCategory::fatal) {
    if (!tally_.stops) tally_.stops = std::move(error);
    stops_ = true;
    return Verdict::drop;
  }
  reported_[at] = true;
  if (pass_ == store::Pass::undo) ++tally_.left_alone;
  outcome.message = error.text();
  if (pass_ == store::Pass::work &&
      parts_.retry.should_retry(error, attempts_[at] + 1, outcome.item)) {
    outcome.status = ItemStatus::pending;
    ++tally_.to_retry;
    tally_.retry_error = error;
  }
  outcome.error = std::move(error);
  return Verdict::record;
}

void LedgerBatchContext::report(ItemOutcome outcome) {
  std::unique_lock lock(mutex_);
  if (classify_locked(outcome) == Verdict::drop) return;
  if (outcome.status != ItemStatus::pending)
    parts_.meter.add_items(1, batch().count_as == store::CountAs::items);
  if (buffer_.empty()) buffer_since_ms_ = parts_.clock.monotonic_ms();
  buffer_bytes_ += outcome.transferred_bytes;
  buffer_.push_back(std::move(outcome));
  const bool full = buffer_.size() >= kOutcomesMax || buffer_bytes_ >= kOutcomeBytesMax ||
                    parts_.clock.monotonic_ms() - buffer_since_ms_ >= kOutcomeAgeMaxMs;
  if (!full || provisional_) return;
  written_.wait(lock, [this] { return in_flight_ < kInFlightMax; });
  if (!buffer_.empty()) submit_locked();
}

void LedgerBatchContext::submit_locked() {
  std::vector<store::Mutation> mutations;
  mutations.emplace_back(store::RecordOutcomes{row_.id, token_, std::exchange(buffer_, {})});
  buffer_bytes_ = 0;
  ++in_flight_;
  parts_.writer.submit(std::move(mutations), [this](const LedgerWriter::Written& written) {
    const Status refusal = first_refusal(written);
    const std::lock_guard lock(mutex_);
    --in_flight_;
    if (!refusal.ok() && !ledger_error_) {
      ledger_error_ = refusal.error();
      stops_ = true;
      if (refusal.error().type == ErrorType::stale_owner) parts_.stale = true;
    }
    written_.notify_all();  // under the lock: the context may be gone right after it
  });
}

Status LedgerBatchContext::flush() {
  std::unique_lock lock(mutex_);
  if (!buffer_.empty() && !provisional_) submit_locked();
  written_.wait(lock, [this] { return in_flight_ == 0; });
  if (ledger_error_) return *ledger_error_;
  return success();
}

void LedgerBatchContext::report_equal(ItemId item) {
  const std::lock_guard lock(mutex_);
  const std::size_t at = slot(item);
  if (reported_[at]) return;
  reported_[at] = true;
  ++tally_.equal;
}

void LedgerBatchContext::report_difference(ItemId item, Error difference) {
  const std::lock_guard lock(mutex_);
  const std::size_t at = slot(item);
  if (reported_[at]) return;
  reported_[at] = true;
  tally_.differences.emplace_back(item, std::move(difference));
}

Result<LedgerBatchContext::Tally> LedgerBatchContext::finish() {
  std::unique_lock lock(mutex_);
  written_.wait(lock, [this] { return in_flight_ == 0; });
  if (ledger_error_) return *ledger_error_;
  tally_.outcomes = std::exchange(buffer_, {});
  // A Run that never asked for its items has accounted for none of them, whatever is left of them.
  tally_.unreported = items_read_ ? 0 : row_.item_count;
  for (std::size_t i = 0; i < expected_.size(); ++i) {
    if (expected_[i] && !reported_[i]) ++tally_.unreported;
    if (held_[i] && !reported_[i]) ++tally_.held;
  }
  return std::move(tally_);
}

void LedgerBatchContext::end_in_meter(bool held) {
  const std::lock_guard lock(mutex_);
  parts_.meter.pass_ended(added_bytes_.exchange(0), held ? std::exchange(counted_bytes_, 0) : 0);
}

}  // namespace dunlin::engine
