// ObjectsRun; see objects_run.h. The steps of one item are in mover.cpp.
#include "objects/objects_run.h"

#include <fnmatch.h>

#include <atomic>
#include <functional>
#include <mutex>

#include "base/crash_point.h"
#include "base/text.h"

namespace dunlin::objects {

using engine::BatchContext;
using engine::EnumerateContext;
using engine::ItemOutcome;
using engine::ItemRow;
using engine::ItemStatus;
using engine::Problem;
using engine::RunContext;

namespace {

constexpr std::int32_t kPageSize = 1000;
constexpr std::int64_t kBatchBytes = 1LL << 30;
constexpr const char* kTaskType = "batch_object_operation";
/// Listed to give counts before the start; a larger source is counted while it is enumerated.
constexpr int kAnalysePages = 10;

ItemOutcome failed(const ItemRow& item, Error error) {
  ItemOutcome outcome;
  outcome.item = item.id;
  outcome.status = ItemStatus::failed;
  outcome.error = std::move(error);
  return outcome;
}

/// Errors of the work pass that are not the item's: this process has to stop.
bool ends_pass(const Error& error) {
  return error.type == ErrorType::interrupted || error.type == ErrorType::stale_owner;
}

/// Settling an item is also what its next try begins with, so trouble with one is left to that.
bool ends_settling(const Error& error) {
  return ends_pass(error) || error.category() == ErrorCategory::system ||
         error.category() == ErrorCategory::fatal;
}

/// Verify and undo have no second try per item: whatever does not speak of this very object's state
/// ends the pass, which is then repeated as a whole.
bool ends_repeatable_pass(const Error& error) {
  return error.category() != ErrorCategory::constraint;
}

/// Runs `fn` for all items; its errors go to `tell`, but for those that end the pass: the first of
/// them is returned, and the items concerned stay as they were.
template <typename Fn, typename Ends, typename Tell>
Status for_items(BatchContext& context, Ends ends, Tell tell, Fn fn) {
  DUNLIN_ASSIGN(auto items, context.items());
  std::mutex mutex;
  Status stop;
  const Status ran = context.for_each_item(items, [&](ItemRow& item) {
    {
      const std::lock_guard lock(mutex);
      if (!stop.ok()) return;
    }
    Status status = fn(item);
    if (status.ok()) return;
    if (!ends(status.error())) {
      tell(item, std::move(status).error());
      return;
    }
    const std::lock_guard lock(mutex);
    if (stop.ok()) stop = std::move(status);
  });
  DUNLIN_TRY(stop);
  return ran;
}

}  // namespace

/// The source's keys in order, from a cursor on: first the object that the address itself names,
/// then what is below it. Own state is left out, and an impossible page is an error, never an end.
class ObjectsRun::Listing {
 public:
  Listing(ObjectsRun& run, std::string after) : run_(run), after_(std::move(after)) {}

  [[nodiscard]] bool at_end() const { return at_end_; }
  [[nodiscard]] const std::string& position() const { return after_; }

  /// May be empty before the end.
  [[nodiscard]] Result<std::vector<ObjectInfo>> next(const CancelToken& cancel) {
    std::vector<ObjectInfo> objects;
    const auto exact = run_.keys_.exact_source_key();
    if (after_.empty() && exact) {
      DUNLIN_ASSIGN(auto found, run_.source_->head(*exact, cancel));
      if (found) objects.push_back(std::move(*found));
      after_ = *exact;
      return objects;
    }
    const std::string& prefix = run_.keys_.list_prefix();
    DUNLIN_ASSIGN(auto page, run_.source_->list(prefix, after_, kPageSize, cancel));
    for (auto& object : page.objects) {
      if (object.key <= after_ || !object.key.starts_with(prefix)) {
        return Error(ErrorType::temporary_failure, "the listing of the source repeats itself");
      }
      after_ = object.key;
      if (!is_own_state(object.key)) objects.push_back(std::move(object));
    }
    at_end_ = page.next.empty();
    if (!at_end_ && page.next < after_) {
      return Error(ErrorType::temporary_failure, "the listing of the source repeats itself");
    }
    if (!at_end_) after_ = page.next;
    return objects;
  }

 private:
  ObjectsRun& run_;
  std::string after_;
  bool at_end_ = false;
};

ObjectsRun::ObjectsRun(ObjectsPlan plan, std::unique_ptr<Backend> source,
                       std::unique_ptr<Backend> destination)
    : plan_(std::move(plan)),
      keys_(plan_.source, plan_.destination),
      source_(std::move(source)),
      destination_(std::move(destination)),
      mover_(plan_, keys_, *source_, *destination_) {}

Result<std::string> ObjectsRun::root_identity(RunContext& context) {
  DUNLIN_ASSIGN(const auto source, source_->identity(context.cancel()));
  DUNLIN_ASSIGN(const auto destination, destination_->identity(context.cancel()));
  return source + "\n" + destination;
}

Result<engine::Analysis> ObjectsRun::analyse(RunContext& context) {
  engine::Analysis analysis;
  Listing listing(*this, "");
  std::int64_t items = 0;
  std::int64_t bytes = 0;
  for (int page = 0; page < kAnalysePages && !listing.at_end(); ++page) {
    DUNLIN_ASSIGN(const auto objects, listing.next(context.cancel()));
    items += static_cast<std::int64_t>(objects.size());
    for (const auto& object : objects) bytes += object.size;
  }
  analysis.details = {
      {"counted_objects", items}, {"counted_bytes", bytes}, {"complete", listing.at_end()}};
  if (listing.at_end()) {
    analysis.items = items;
    analysis.bytes = bytes;
  }
  return analysis;
}

/// Writes, reads and removes a small object where the undo copies would go.
Status ObjectsRun::probe(RunContext& context) {
  const std::string key = keys_.scratch_base() + ".dunlin-probe-" + short_id(context.execution());
  const CancelToken& cancel = context.cancel();
  DUNLIN_ASSIGN(const auto left, destination_->head(key, cancel));
  if (left) DUNLIN_TRY(destination_->remove(key, left->etag, cancel));
  DUNLIN_TRY(context.fence());
  DUNLIN_ASSIGN(const auto written,
                destination_->put(key, "probe", WriteCondition::absent(), {}, cancel));
  return destination_->remove(key, written.etag, cancel);
}

Result<std::vector<Problem>> ObjectsRun::preflight(RunContext& context) {
  std::vector<Problem> problems;
  const auto add = [&](Error error, std::string what) {
    problems.push_back({std::move(error).with_context(std::move(what)), true, false});
  };
  const auto source = source_->identity(context.cancel());
  const auto destination = destination_->identity(context.cancel());
  DUNLIN_TRY(context.cancel().check());
  if (!source.ok()) add(source.error(), "looking at the source");
  if (!destination.ok()) add(destination.error(), "looking at the destination");
  if (source.ok() && destination.ok() && *source == *destination &&
      keys_.destination_root().starts_with(keys_.list_prefix())) {
    add(Error(ErrorType::plan_invalid, "the destination lies within the source"),
        "comparing the addresses");
  }
  if (source.ok()) {
    Listing listing(*this, "");
    bool found = plan_.source.prefix.empty();
    while (!found && !listing.at_end()) {
      DUNLIN_ASSIGN(const auto objects, listing.next(context.cancel()));
      found = !objects.empty();
    }
    if (!found) {
      add(Error(ErrorType::not_found, "there is no object at " + plan_.source.text()),
          "listing the source");
    }
  }
  if (destination.ok() && !context.settings().is_dry_run()) {
    if (Status probed = probe(context); !probed.ok()) {
      add(std::move(probed).error(), "writing a probe to the destination");
    }
  }
  DUNLIN_TRY(context.cancel().check());
  return problems;
}

/// The name of the one object that takes the destination address itself as its key: only when the
/// source is a single object, and the destination neither ends in '/' nor has anything below it.
Result<std::optional<std::string>> ObjectsRun::single_target(RunContext& context) {
  const auto exact = keys_.exact_source_key();
  if (!exact || !keys_.destination_may_be_key()) return std::optional<std::string>();
  const CancelToken& cancel = context.cancel();
  DUNLIN_ASSIGN(const auto others, source_->list(keys_.list_prefix(), "", 1, cancel));
  DUNLIN_ASSIGN(const auto below, destination_->list(keys_.destination_root(), "", 1, cancel));
  if (!others.objects.empty() || !below.objects.empty()) return std::optional<std::string>();
  return exact;
}

/// Each full batch is journaled with the cursor behind its last key, so that what a crash cuts off
/// is listed again and nothing is listed twice.
Status ObjectsRun::enumerate(EnumerateContext& context) {
  EnumerateContext::Chunk chunk;
  DUNLIN_ASSIGN(auto tasks, context.tasks());
  TaskId task = tasks.empty() ? context.new_task_id() : tasks.front().id;
  const DirectoryId root = tasks.empty() ? context.new_directory_id() : DirectoryId{1};
  if (tasks.empty()) {
    store::NewTask row;
    row.id = task;
    row.task_type = kTaskType;
    row.description = "copy objects from " + plan_.source.text();
    chunk.tasks.push_back(std::move(row));
    chunk.directories.push_back({root, DirectoryId{0}, "", "", false});
  }
  DUNLIN_ASSIGN(const auto onto, single_target(context));
  const auto& settings = context.settings();
  Listing listing(*this, context.cursor());
  store::NewBatch batch;
  std::int64_t bytes = 0;
  const auto commit = [&](const std::string& cursor, bool complete) -> Status {
    if (!batch.items.empty()) chunk.batches.push_back(std::move(batch));
    chunk.cursor_after = cursor;
    chunk.complete = complete;
    DUNLIN_CRASH_POINT("objects.enumerate.before");
    DUNLIN_TRY(context.commit(std::move(chunk)));
    DUNLIN_CRASH_POINT("objects.enumerate.after");
    chunk = {};
    batch = {};
    bytes = 0;
    return success();
  };
  while (!listing.at_end()) {
    DUNLIN_TRY(context.cancel().check());
    DUNLIN_TRY(context.permits().acquire(0, 1, context.cancel()));
    DUNLIN_ASSIGN(const auto objects, listing.next(context.cancel()));
    for (const auto& object : objects) {
      if (batch.items.empty()) {
        batch.id = context.new_batch_id();
        batch.task = task;
      }
      const ItemDetail detail{object.etag, object.modified_ms, object.md5, onto == object.key};
      batch.items.push_back(
          {context.new_item_id(), root, keys_.name(object.key), object.size, encode(detail)});
      bytes += object.size;
      const bool full = static_cast<std::int64_t>(batch.items.size()) >= settings.batch_size ||
                        (!settings.batch_size_set && bytes >= kBatchBytes);
      if (full) DUNLIN_TRY(commit(object.key, false));
    }
  }
  return commit(listing.position(), true);
}

Status ObjectsRun::rehearse(BatchContext& context) {
  return each_reported(context, &Mover::rehearse);
}

/// One durable record for the batch: for these keys an upload may exist from now on.
Status ObjectsRun::announce_uploads(BatchContext& context) {
  DUNLIN_ASSIGN(const auto items, context.items());
  std::vector<engine::ItemIntent> intents;
  for (const auto& item : items) {
    if (item.size < plan_.multipart_threshold || !item.intent.empty()) continue;
    DUNLIN_ASSIGN(const auto detail, decode_detail(item.detail));
    const std::string key = keys_.destination_key(item.name, detail.onto);
    intents.push_back({item.id, encode(UploadIntent{key, ""})});
  }
  if (intents.empty()) return success();
  DUNLIN_CRASH_POINT("objects.intent.before");
  DUNLIN_TRY(context.record_intents(std::move(intents)));
  DUNLIN_CRASH_POINT("objects.intent.after");
  return success();
}

Status ObjectsRun::execute(BatchContext& context) {
  DUNLIN_TRY(announce_uploads(context));
  return each_reported(context, &Mover::copy);
}

Status ObjectsRun::each_reported(BatchContext& context,
                                 Result<ItemOutcome> (Mover::*step)(BatchContext&,
                                                                    const ItemRow&)) {
  const auto tell = [&](const ItemRow& item, Error error) {
    context.report(failed(item, std::move(error)));
  };
  return for_items(context, ends_pass, tell, [&](const ItemRow& item) -> Status {
    DUNLIN_ASSIGN(auto outcome, (mover_.*step)(context, item));
    context.report(std::move(outcome));
    return success();
  });
}

Status ObjectsRun::settle(BatchContext& context) {
  std::atomic<bool> announced = false;
  const auto leave_pending = [](const ItemRow&, const Error&) {};
  DUNLIN_TRY(for_items(context, ends_settling, leave_pending, [&](const ItemRow& item) -> Status {
    if (!item.intent.empty()) announced = true;
    DUNLIN_ASSIGN(auto outcome, mover_.settle(context, item));
    if (outcome) context.report(std::move(*outcome));
    return success();
  }));
  if (!announced) return success();
  // Begun but not recorded: found by the mark. Only this batch's, for others may be at work.
  const auto& batch = context.batch();
  const auto ours = [&](const UploadInfo& upload) {
    const auto item = item_of(upload, context.execution());
    return item && item->value >= batch.first_item.value &&
           item->value < batch.first_item.value + batch.item_count;
  };
  DUNLIN_TRY(abort_uploads(*destination_, keys_.scratch_base(), ours, context));
  return success();
}

Status ObjectsRun::commit(RunContext&) {
  return success();
}

Result<bool> ObjectsRun::committed(RunContext&) {
  return true;
}

void ObjectsRun::close(RunContext&) {}

Status ObjectsRun::verify(BatchContext& context) {
  const auto tell = [&](const ItemRow& item, Error error) {
    context.report_difference(item.id, std::move(error));
  };
  return for_items(context, ends_repeatable_pass, tell, [&](const ItemRow& item) -> Status {
    DUNLIN_TRY(mover_.verify(context, item));
    context.report_equal(item.id);
    return success();
  });
}

Status ObjectsRun::undo(BatchContext& context) {
  const auto tell = [&](const ItemRow& item, Error error) {
    context.report(failed(item, std::move(error)));
  };
  return for_items(context, ends_repeatable_pass, tell, [&](const ItemRow& item) -> Status {
    DUNLIN_ASSIGN(auto outcome, mover_.undo(context, item));
    context.report(std::move(outcome));
    return success();
  });
}

Status ObjectsRun::release(RunContext& context) {
  const auto ours = [&](const UploadInfo& upload) {
    return item_of(upload, context.execution()).has_value();
  };
  DUNLIN_TRY(abort_uploads(*destination_, keys_.scratch_base(), ours, context));
  const std::string prefix = keys_.undo_prefix(context.execution());
  for (bool more = true; more;) {
    DUNLIN_ASSIGN(const auto page, destination_->list(prefix, "", kPageSize, context.cancel()));
    for (const auto& kept : page.objects) {
      DUNLIN_TRY(context.fence());
      DUNLIN_CRASH_POINT("objects.release.before");
      DUNLIN_TRY(destination_->remove(kept.key, kept.etag, context.cancel()));
      DUNLIN_CRASH_POINT("objects.release.after");
    }
    more = !page.objects.empty();
  }
  return success();
}

bool ObjectsRun::matches(const engine::Selector& selector, const ItemRow& item) const {
  if (!selector.entity.empty() || !selector.type.empty()) return false;  // it has none
  return selector.path_glob.empty() ||
         ::fnmatch(selector.path_glob.c_str(), item.name.c_str(), 0) == 0;
}

}  // namespace dunlin::objects
