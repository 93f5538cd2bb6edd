// ScriptedRun; see scripted_run.h.
#include "support/scripted_run.h"

#include <fnmatch.h>
#include <unistd.h>

#include <algorithm>

#include "base/binary.h"
#include "base/crash_point.h"
#include "base/hash.h"

namespace dunlin::testing {

using engine::BatchContext;
using engine::CommitScope;
using engine::EnumerateContext;
using engine::ItemIntent;
using engine::ItemOutcome;
using engine::ItemRow;
using engine::ItemStatus;
using engine::RunContext;

namespace {

constexpr std::string_view kEverything = "everything";

std::string fingerprint(std::string_view bytes) {
  auto digest = hash_bytes(HashKind::xxh3, bytes);
  DUNLIN_CHECK(digest.ok(), "xxh3 cannot fail");
  return hex(*digest);
}

std::string prefix(const RunContext& context) {
  return ".dunlin-" + short_id(context.execution()) + "-";
}
std::string temporary_name(const RunContext& context, std::int64_t number) {
  return prefix(context) + std::to_string(context.epoch()) + "-" + std::to_string(number);
}
std::string kept_name(const RunContext& context, const std::string& name) {
  return prefix(context) + "undo-" + name;
}

ItemOutcome completed(const ItemRow& item, const std::string& content, std::string action,
                      std::string undo) {
  ItemOutcome outcome;
  outcome.item = item.id;
  outcome.transferred_bytes = static_cast<std::int64_t>(content.size());
  outcome.checksum = "xxh3:" + fingerprint(content);
  outcome.proof = store::Proof::target;
  outcome.action = std::move(action);
  outcome.undo = std::move(undo);
  return outcome;
}

ItemOutcome unchanged(const ItemRow& item) {
  ItemOutcome outcome;
  outcome.item = item.id;
  outcome.status = ItemStatus::skipped;
  outcome.action = "skipped";
  outcome.message = "the same stands there already";
  return outcome;
}

ItemOutcome failed(const ItemRow& item, Error error) {
  ItemOutcome outcome;
  outcome.item = item.id;
  outcome.status = ItemStatus::failed;
  outcome.error = std::move(error);
  return outcome;
}

}  // namespace

ScriptedRun::ScriptedRun(Script script, std::string path,
                         std::shared_ptr<ScriptedDestination> destination)
    : script_(std::move(script)), path_(std::move(path)), destination_(std::move(destination)) {}

// ---- What there is ----

Result<std::string> ScriptedRun::root_identity(RunContext&) {
  return path_ + " > " + destination_->identity();
}

Result<engine::Analysis> ScriptedRun::analyse(RunContext&) {
  engine::Analysis analysis;
  analysis.items = static_cast<std::int64_t>(script_.items.size());
  analysis.bytes = 0;
  for (const auto& item : script_.items)
    analysis.bytes += static_cast<std::int64_t>(item.content.size());
  return analysis;
}

Result<std::vector<engine::Problem>> ScriptedRun::preflight(RunContext& context) {
  std::vector<engine::Problem> problems;
  const std::string probe = prefix(context) + "probe";
  Status status = destination_->write(probe, "probe");
  if (status.ok()) status = destination_->remove(probe);
  if (!status.ok()) problems.push_back({status.error(), true, false});
  return problems;
}

/// The cursor is the number of items journaled so far.
Status ScriptedRun::enumerate(EnumerateContext& context) {
  std::size_t next = context.cursor().empty() ? 0 : std::stoul(context.cursor());
  std::vector<TaskId> tasks;
  EnumerateContext::Chunk chunk;
  if (context.continued()) {
    DUNLIN_ASSIGN(const auto rows, context.tasks());
    for (const auto& row : rows) tasks.push_back(row.id);
  } else {
    for (std::size_t n = 0; n < script_.stages.size(); ++n) {
      engine::NewTask task;
      task.id = context.new_task_id();
      task.task_type = script_.stages[n].task_type;
      task.stage = static_cast<std::int32_t>(n);
      task.barrier = script_.stages[n].barrier;
      tasks.push_back(task.id);
      chunk.tasks.push_back(std::move(task));
    }
    engine::NewDirectory root;
    root.id = context.new_directory_id();
    chunk.directories.push_back(std::move(root));
  }
  std::size_t first = 0;
  for (std::size_t n = 0; n < script_.stages.size(); ++n) {
    const ScriptedStage& stage = script_.stages[n];
    const std::size_t end =
        std::min(first + static_cast<std::size_t>(stage.items), script_.items.size());
    bool begun = next > first;
    first = end;
    while (next < end) {
      DUNLIN_TRY(context.cancel().check());
      engine::NewBatch batch;
      batch.id = context.new_batch_id();
      batch.task = tasks.at(n);
      if (stage.chained && begun) batch.depends_on.emplace_back(batch.id.value - 1);
      begun = true;
      for (std::int64_t count = 0; count < script_.batch_items && next < end; ++count, ++next) {
        engine::NewItem item;
        item.id = context.new_item_id();
        item.directory = DirectoryId(1);
        item.name = script_.items[next].name;
        item.size = static_cast<std::int64_t>(script_.items[next].content.size());
        item.detail = std::to_string(next);
        batch.items.push_back(std::move(item));
      }
      chunk.batches.push_back(std::move(batch));
      if (static_cast<std::int64_t>(chunk.batches.size()) < script_.batches_per_chunk) continue;
      chunk.cursor_after = std::to_string(next);
      DUNLIN_TRY(context.commit(std::exchange(chunk, {})));
    }
  }
  chunk.cursor_after = std::to_string(next);
  chunk.complete = true;
  return context.commit(std::move(chunk));
}

const ScriptedItem& ScriptedRun::script_of(const ItemRow& item) const {
  return script_.items.at(std::stoul(item.detail));
}

// ---- Blobs ----

std::string ScriptedRun::blob_name(const ItemRow& item) const {
  switch (script_.scope) {
    case CommitScope::item:
      return "item-" + fingerprint(item.name);
    case CommitScope::batch:
      return "batch-" + std::to_string(item.batch.value);
    case CommitScope::execution:
      break;
  }
  return std::string(kEverything);
}

Result<std::optional<ScriptedRun::Blob>> ScriptedRun::read_blob(std::string_view name) {
  DUNLIN_ASSIGN(const auto bytes, destination_->read(name));
  if (!bytes) return std::optional<Blob>();
  Blob blob;
  ByteReader in(*bytes);
  blob.execution = in.bytes();
  while (in.ok() && in.remaining() > 0) {
    const auto id = static_cast<std::int64_t>(in.varint());
    std::string item_name(in.bytes());
    std::string content(in.bytes());
    if (in.ok()) blob.entries[id] = {std::move(item_name), std::move(content)};
  }
  // Somebody else's bytes: never ours, whatever they begin with.
  if (!in.ok()) blob = {};
  return std::optional(std::move(blob));
}

std::string ScriptedRun::encode(const Blob& blob) {
  ByteWriter out;
  out.bytes(blob.execution);
  for (const auto& [id, entry] : blob.entries) {
    out.varint(static_cast<std::uint64_t>(id)).bytes(entry.name).bytes(entry.content);
  }
  return out.take();
}

Result<ScriptedRun::Decision> ScriptedRun::decide(const RunContext& context, const ItemRow& item) {
  const ScriptedItem& script = script_of(item);
  DUNLIN_ASSIGN(const auto blob, read_blob(blob_name(item)));
  if (!blob) return Decision::create;
  const bool ours = blob->execution == context.execution().value;
  if (ours) {
    return blob->entries.contains(item.id.value) ? Decision::done : Decision::create;
  }
  if (script_.scope == CommitScope::item && blob->entries.size() == 1 &&
      blob->entries.begin()->second == Entry{script.name, script.content}) {
    return Decision::skip;
  }
  return Decision::overwrite;
}

Status ScriptedRun::publish(RunContext& context, const std::string& temporary,
                            const std::string& keep, const std::string& name, const Blob& blob,
                            std::string* kept) {
  DUNLIN_TRY(context.fence());
  DUNLIN_TRY(destination_->write(temporary, encode(blob)));
  DUNLIN_CRASH_POINT("scripted.write.after");
  const auto place = [&]() -> Status {
    DUNLIN_ASSIGN(const auto old, read_blob(name));
    if (old && old->execution != blob.execution) {
      DUNLIN_TRY(context.fence());
      DUNLIN_TRY(destination_->link(name, keep));
      DUNLIN_CRASH_POINT("scripted.keep.after");
    }
    DUNLIN_CRASH_POINT("scripted.publish.before");
    DUNLIN_TRY(context.fence());
    return destination_->rename(temporary, name);
  };
  const Status placed = place();
  if (!placed.ok() && placed.error().type == ErrorType::stale_owner) {
    // It carries our epoch: the new owner may have looked for it before it was made.
    destination_->remove(temporary).ignore("settle removes it as well");
  }
  DUNLIN_TRY(placed);
  DUNLIN_CRASH_POINT("scripted.publish.after");
  DUNLIN_ASSIGN(const auto stood, destination_->read(keep));
  *kept = stood ? "kept:" + fingerprint(*stood) : "created";
  return success();
}

// ---- Doing it ----

Status ScriptedRun::stall(const RunContext& context, std::int64_t ms) {
  if (ms > 0) context.cancel().wait_for(std::chrono::milliseconds(ms));
  return context.cancel().check();
}

Status ScriptedRun::ask(RunContext& context, const ScriptedItem& item) {
  const auto bytes = static_cast<std::int64_t>(item.content.size());
  return context.permits().acquire(bytes, 1, context.cancel());
}

std::optional<Error> ScriptedRun::scripted_error(const ScriptedItem& item,
                                                 std::int32_t attempt) const {
  if (attempt < item.failures) return Error(ErrorType::connection_reset, "as scripted");
  const bool mended = ::access((path_ + ".mended").c_str(), F_OK) == 0;
  switch (item.kind) {
    case ScriptedItem::Kind::fail:
      return Error(ErrorType::permission_denied, "as scripted");
    case ScriptedItem::Kind::system:
      if (!mended) return Error(ErrorType::disk_full, "as scripted");
      break;
    case ScriptedItem::Kind::fatal:
      if (!mended) return Error(ErrorType::schema_mismatch, "as scripted");
      break;
    default:
      break;
  }
  return std::nullopt;
}

Status ScriptedRun::rehearse(BatchContext& context) {
  DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
  for (const ItemRow& item : items) {
    DUNLIN_ASSIGN(const Decision decision, decide(context, item));
    if (decision == Decision::skip) {
      context.report(unchanged(item));
      continue;
    }
    ItemOutcome outcome;
    outcome.item = item.id;
    outcome.action = decision == Decision::overwrite ? "overwritten" : "created";
    outcome.transferred_bytes = static_cast<std::int64_t>(script_of(item).content.size());
    context.report(std::move(outcome));
  }
  return success();
}

Status ScriptedRun::execute(BatchContext& context) {
  const auto error = script_.batch_errors.find(context.batch().id.value);
  if (error != script_.batch_errors.end() && context.batch().attempt < script_.batch_failures) {
    return Error(error->second, "as scripted, of the batch as a whole");
  }
  DUNLIN_ASSIGN(std::vector<ItemRow> items, context.items());
  std::vector<ItemIntent> intents;
  for (const ItemRow& item : items) {
    intents.push_back({item.id, temporary_name(context, item.id.value)});
    if (script_.scope != CommitScope::item) break;  // one blob, one temporary
  }
  // Scope execution writes nothing before the commit.
  if (script_.scope != CommitScope::execution)
    DUNLIN_TRY(context.record_intents(std::move(intents)));
  if (script_.scope != CommitScope::item) return execute_whole(context, items);
  std::mutex mutex;
  std::optional<Error> stopped;  // not an item's fault: cancelled, or owned by another by now
  DUNLIN_TRY(context.for_each_item(items, [&](ItemRow& item) {
    Status status = execute_item(context, item);
    if (status.ok()) return;
    const ErrorType type = status.error().type;
    if (type == ErrorType::interrupted || type == ErrorType::stale_owner) {
      const std::lock_guard lock(mutex);
      stopped = std::move(status).error();
      return;
    }
    context.report(failed(item, std::move(status).error()));
  }));
  if (stopped) return *std::move(stopped);
  return success();
}

Status ScriptedRun::execute_item(BatchContext& context, const ItemRow& item) {
  const ScriptedItem& script = script_of(item);
  DUNLIN_TRY(stall(context, script.stall_ms));
  if (auto error = scripted_error(script, item.attempt)) return *std::move(error);
  if (script.kind == ScriptedItem::Kind::lie) {
    context.report(completed(item, script.content, "created", "created"));
    return success();
  }
  DUNLIN_ASSIGN(const Decision decision, decide(context, item));
  if (decision == Decision::skip) {
    context.report(unchanged(item));
    return success();
  }
  const std::string name = blob_name(item);
  std::string kept = "created";
  if (decision != Decision::done) {
    DUNLIN_TRY(ask(context, script));
    const Blob blob{context.execution().value, {{item.id.value, {script.name, script.content}}}};
    DUNLIN_TRY(publish(context, temporary_name(context, item.id.value), kept_name(context, name),
                       name, blob, &kept));
  }
  if (script.kind == ScriptedItem::Kind::lose_reply && item.attempt == script.failures) {
    Error lost(ErrorType::connection_reset, "as scripted, the reply is lost");
    lost.possibly_applied = true;
    return lost;
  }
  const bool created = kept == "created";
  context.report(completed(item, script.content, created ? "created" : "overwritten", kept));
  context.progress(static_cast<std::int64_t>(script.content.size()));
  return success();
}

/// Scopes batch and execution: an error leaves nothing of the batch.
Status ScriptedRun::execute_whole(BatchContext& context, const std::vector<ItemRow>& items) {
  if (items.empty()) return success();
  Blob blob{context.execution().value, {}};
  const std::string name = blob_name(items.front());
  DUNLIN_ASSIGN(const Decision decision, decide(context, items.front()));
  if (script_.scope == CommitScope::batch) {
    DUNLIN_ASSIGN(auto own, read_blob(name));
    if (own && own->execution == blob.execution) blob = *std::move(own);
  }
  bool reply_lost = false;
  for (const ItemRow& item : items) {
    const ScriptedItem& script = script_of(item);
    DUNLIN_TRY(stall(context, script.stall_ms));
    DUNLIN_TRY(ask(context, script));
    if (auto error = scripted_error(script, context.batch().attempt)) {
      if (script.kind != ScriptedItem::Kind::fail || error->retriable()) return *std::move(error);
      context.report(failed(item, *std::move(error)));
      continue;
    }
    reply_lost |=
        script.kind == ScriptedItem::Kind::lose_reply && context.batch().attempt == script.failures;
    if (script.kind == ScriptedItem::Kind::lie) continue;
    blob.entries[item.id.value] = {script.name, script.content};
  }
  std::string kept = "created";
  if (script_.scope == CommitScope::batch) {
    DUNLIN_TRY(publish(context, temporary_name(context, items.front().id.value),
                       kept_name(context, name), name, blob, &kept));
    if (reply_lost) {
      Error lost(ErrorType::connection_reset, "as scripted, the reply is lost");
      lost.possibly_applied = true;
      return lost;
    }
  } else {
    const std::lock_guard lock(mutex_);
    staged_.insert(blob.entries.begin(), blob.entries.end());
  }
  for (const ItemRow& item : items) {
    const ScriptedItem& script = script_of(item);
    if (script.kind == ScriptedItem::Kind::fail) continue;
    const bool replaces = decision == Decision::overwrite || kept != "created";
    context.report(completed(item, script.content, replaces ? "overwritten" : "created", kept));
    context.progress(static_cast<std::int64_t>(script.content.size()));
  }
  return success();
}

Status ScriptedRun::settle(BatchContext& context) {
  if (script_.scope == CommitScope::execution) return success();  // what was staged is gone
  DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
  for (const ItemRow& item : items) {
    if (!item.intent.empty()) DUNLIN_TRY(destination_->remove(item.intent));
    DUNLIN_CRASH_POINT("scripted.settle.after");
    const std::string name = blob_name(item);
    DUNLIN_ASSIGN(const auto blob, read_blob(name));
    if (!blob || blob->execution != context.execution().value) continue;
    const auto entry = blob->entries.find(item.id.value);
    if (entry == blob->entries.end()) continue;
    DUNLIN_ASSIGN(const auto stood, destination_->read(kept_name(context, name)));
    const std::string kept = stood ? "kept:" + fingerprint(*stood) : "created";
    context.report(completed(item, entry->second.content, stood ? "overwritten" : "created", kept));
  }
  return success();
}

Status ScriptedRun::commit(RunContext& context) {
  const std::lock_guard lock(mutex_);
  Blob blob{context.execution().value, {}};
  DUNLIN_ASSIGN(auto own, read_blob(kEverything));
  if (own && own->execution == blob.execution) blob = *std::move(own);
  for (const auto& [id, entry] : staged_) blob.entries[id] = entry;
  std::string kept;
  const std::string name(kEverything);
  DUNLIN_TRY(
      publish(context, temporary_name(context, 0), kept_name(context, name), name, blob, &kept));
  staged_.clear();
  return success();
}

Result<bool> ScriptedRun::committed(RunContext& context) {
  for (std::int64_t epoch = 1; epoch < context.epoch(); ++epoch) {
    DUNLIN_TRY(destination_->remove(prefix(context) + std::to_string(epoch) + "-0"));
  }
  DUNLIN_ASSIGN(const auto blob, read_blob(kEverything));
  return blob && blob->execution == context.execution().value;
}

void ScriptedRun::close(RunContext&) {
  const std::lock_guard lock(mutex_);
  staged_.clear();
}

// ---- Looking at it again, and taking it back ----

Status ScriptedRun::verify(BatchContext& context) {
  DUNLIN_ASSIGN(std::vector<ItemRow> items, context.items());
  return context.for_each_item(items, [&](ItemRow& item) {
    const ScriptedItem& script = script_of(item);
    const auto blob = read_blob(blob_name(item));
    const Entry wanted{script.name, script.content};
    const bool equal = blob.ok() && *blob && (*blob)->entries.contains(item.id.value) &&
                       (*blob)->entries.at(item.id.value) == wanted;
    if (equal) {
      context.report_equal(item.id);
    } else {
      context.report_difference(item.id, Error(ErrorType::verification_mismatch,
                                               "the blob does not hold what the script says"));
    }
  });
}

Status ScriptedRun::undo(BatchContext& context) {
  DUNLIN_ASSIGN(std::vector<ItemRow> items, context.items());
  std::reverse(items.begin(), items.end());
  for (const ItemRow& item : items) {
    DUNLIN_TRY(context.cancel().check());
    Status status = undo_item(context, item);
    if (!status.ok() && status.error().category() != ErrorCategory::constraint) return status;
    if (!status.ok()) {
      context.report(failed(item, std::move(status).error()));
      continue;
    }
    ItemOutcome outcome;
    outcome.item = item.id;
    outcome.status = ItemStatus::rolled_back;
    context.report(std::move(outcome));
  }
  return success();
}

/// One entry is taken out of its blob; with the last one goes the blob, or comes back what it
/// replaced.
Status ScriptedRun::undo_item(BatchContext& context, const ItemRow& item) {
  const ScriptedItem& script = script_of(item);
  const std::string name = blob_name(item);
  const std::string keep = kept_name(context, name);
  DUNLIN_ASSIGN(auto blob, read_blob(name));
  const bool ours = blob && blob->execution == context.execution().value;
  if (!ours) {
    // Taken back already by a run that died, or never there; else somebody has changed it.
    DUNLIN_ASSIGN(const auto stands, destination_->read(name));
    const std::string now = stands ? "kept:" + fingerprint(*stands) : "created";
    if (now == item.undo) return success();
    return Error(ErrorType::destination_changed, "'" + name + "' is another's by now");
  }
  const auto entry = blob->entries.find(item.id.value);
  if (entry == blob->entries.end()) return success();
  if (entry->second != Entry{script.name, script.content}) {
    return Error(ErrorType::destination_changed, "'" + name + "' was changed");
  }
  blob->entries.erase(entry);
  DUNLIN_CRASH_POINT("scripted.undo.before");
  DUNLIN_TRY(context.fence());
  if (!blob->entries.empty()) {
    const std::string temporary = temporary_name(context, item.id.value);
    DUNLIN_TRY(destination_->write(temporary, encode(*blob)));
    DUNLIN_TRY(destination_->rename(temporary, name));
  } else {
    DUNLIN_ASSIGN(const auto stood, destination_->read(keep));
    DUNLIN_TRY(stood ? destination_->rename(keep, name) : destination_->remove(name));
  }
  DUNLIN_CRASH_POINT("scripted.undo.after");
  return success();
}

Status ScriptedRun::release(RunContext& context) {
  const std::string own = prefix(context);
  for (const std::string& name : destination_->names()) {
    if (name.starts_with(own)) DUNLIN_TRY(destination_->remove(name));
  }
  return success();
}

bool ScriptedRun::matches(const engine::Selector& selector, const ItemRow& item) const {
  return selector.path_glob.empty() ||
         ::fnmatch(selector.path_glob.c_str(), item.name.c_str(), 0) == 0;
}

}  // namespace dunlin::testing
