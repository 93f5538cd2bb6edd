// The steps of one item; see mover.h, and README.md for what each leaves behind when the process
// dies.
#include "objects/mover.h"

#include <algorithm>

#include "base/crash_point.h"
#include "base/hash.h"
#include "base/text.h"

namespace dunlin::objects {

using engine::BatchContext;
using engine::ItemIntent;
using engine::ItemOutcome;
using engine::ItemRow;
using engine::ItemStatus;
using engine::Proof;
using engine::VerificationLevel;

namespace {

/// Reading the destination back speaks of the destination, whatever get calls it.
Error of_destination(Error error) {
  if (error.type == ErrorType::source_changed || error.type == ErrorType::source_vanished) {
    error.type = ErrorType::destination_changed;
    error.message = "somebody else changed the destination object meanwhile";
  }
  return error;
}

bool same_content(const ObjectInfo& source, const ObjectInfo& standing, std::string& why) {
  if (source.size != standing.size) return false;
  if (!source.md5.empty() && !standing.md5.empty()) {
    why = "identical: size and MD5";
    return source.md5 == standing.md5;
  }
  why = "identical: size, and not older";
  return standing.modified_ms >= source.modified_ms;
}

std::string action_of(bool replaces) {
  return replaces ? "updated" : "created";
}

ItemOutcome completed(const ItemRow& item, const ObjectInfo& written, std::string_view md5,
                      Proof proof, const std::string& replaced) {
  ItemOutcome outcome;
  outcome.item = item.id;
  outcome.transferred_bytes = written.size;
  outcome.checksum = "md5:" + hex(md5);
  outcome.proof = proof;
  outcome.action = action_of(!replaced.empty());
  outcome.undo = encode(UndoRecord{written.etag, replaced});
  return outcome;
}

ItemOutcome ended(const ItemRow& item, ItemStatus status, std::string action, std::string message) {
  ItemOutcome outcome;
  outcome.item = item.id;
  outcome.status = status;
  outcome.action = std::move(action);
  outcome.message = std::move(message);
  return outcome;
}

}  // namespace

Decision decide(Conflict conflict, const ObjectInfo& source,
                const std::optional<ObjectInfo>& standing) {
  using Action = Decision::Action;
  if (!standing) return {Action::create, "nothing is there"};
  if (conflict == Conflict::overwrite) return {Action::overwrite, "told to overwrite"};
  if (conflict == Conflict::skip) return {Action::skip, "exists already"};
  std::string why;
  if (same_content(source, *standing, why)) return {Action::skip, why};
  if (conflict == Conflict::overwrite_if_different) return {Action::overwrite, "differs"};
  if (conflict == Conflict::overwrite_if_newer && source.modified_ms > standing->modified_ms) {
    return {Action::overwrite, "the source is newer"};
  }
  return {Action::conflict, conflict == Conflict::fail ? "another object stands there"
                                                       : "the object there is not older"};
}

bool Mover::Work::full() const {
  return context.settings().verification_level == VerificationLevel::full;
}

Result<Mover::Work> Mover::work_for(BatchContext& context, const ItemRow& item) {
  DUNLIN_ASSIGN(auto detail, decode_detail(item.detail));
  Work work{context, item, std::move(detail), keys_.source_key(item.name), {}, {}};
  work.key = keys_.destination_key(item.name, work.detail.onto);
  work.undo_key = keys_.undo_prefix(context.execution()) + std::to_string(item.id.value);
  return work;
}

ObjectInfo Mover::listed(const Work& work) const {
  ObjectInfo info;
  info.key = work.source_key;
  info.size = work.item.size;
  info.etag = work.detail.etag;
  info.modified_ms = work.detail.modified_ms;
  info.md5 = work.detail.md5;
  return info;
}

Result<Mover::Found> Mover::look(const Work& work, Backend& backend, const std::string& key) {
  DUNLIN_TRY(work.context.permits().acquire(0, 1, work.cancel()));
  return backend.head(key, work.cancel());
}

std::optional<Mark> Mover::own_mark(const Work& work, const Found& standing) const {
  if (!standing) return std::nullopt;
  auto mark = mark_of(standing->metadata);
  if (!mark || mark->execution != work.context.execution().value || mark->item != work.item.id) {
    return std::nullopt;
  }
  return mark;
}

/// The outcome where the decision is to write nothing; destination_exists where it is a refusal.
Result<std::optional<ItemOutcome>> Mover::without_writing(const Work& work,
                                                          const Decision& decision) const {
  if (decision.action == Decision::Action::skip)
    return std::optional(ended(work.item, ItemStatus::skipped, "skipped", decision.reason));
  if (decision.action == Decision::Action::conflict) {
    return Error(ErrorType::destination_exists,
                 "'" + escape_bytes(work.key) + "': " + decision.reason);
  }
  return std::optional<ItemOutcome>();
}

Result<ItemOutcome> Mover::rehearse(BatchContext& context, const ItemRow& item) {
  DUNLIN_ASSIGN(const Work work, work_for(context, item));
  DUNLIN_ASSIGN(const auto standing, look(work, destination_, work.key));
  const ObjectInfo source = listed(work);
  const bool own = own_mark(work, standing).has_value();  // what an earlier attempt has left
  const Decision decision = own ? Decision{} : decide(plan_.conflict, source, standing);
  DUNLIN_ASSIGN(std::optional<ItemOutcome> nothing, without_writing(work, decision));
  if (nothing) return *std::move(nothing);
  ItemOutcome outcome;
  outcome.item = item.id;
  outcome.action = action_of(standing && !own);
  outcome.transferred_bytes = source.size;
  return outcome;
}

/// An upload that an earlier try recorded and did not finish. None any more is success.
Status Mover::abort_recorded(const Work& work) {
  if (work.item.intent.empty()) return success();
  DUNLIN_ASSIGN(const auto intent, decode_intent(work.item.intent));
  if (intent.upload_id.empty()) return success();
  DUNLIN_TRY(work.context.fence());
  DUNLIN_CRASH_POINT("objects.abort.before");
  Status aborted = destination_.abort_upload(intent.key, intent.upload_id, work.cancel());
  DUNLIN_CRASH_POINT("objects.abort.after");
  return aborted;
}

Result<ItemOutcome> Mover::copy(BatchContext& context, const ItemRow& item) {
  DUNLIN_ASSIGN(const Work work, work_for(context, item));
  DUNLIN_TRY(abort_recorded(work));
  DUNLIN_ASSIGN(Found standing, look(work, destination_, work.key));
  if (const auto mark = own_mark(work, standing)) {
    DUNLIN_ASSIGN(auto adopted, adopt(work, *standing, *mark));
    if (adopted) return std::move(*adopted);
    DUNLIN_ASSIGN(standing, look(work, destination_, work.key));
  }
  Found source = listed(work);
  if (item.attempt > 0) {
    // The version that was listed may be gone for good: try with the one that is there now.
    DUNLIN_ASSIGN(source, look(work, source_, work.source_key));
  }
  if (!source) return ended(item, ItemStatus::skipped, "skipped", "source_gone");
  if (const auto mark = own_mark(work, standing)) {
    return write(work, *source, standing, mark->replaced);
  }
  const Decision decision = decide(plan_.conflict, *source, standing);
  DUNLIN_ASSIGN(std::optional<ItemOutcome> nothing, without_writing(work, decision));
  if (nothing) return *std::move(nothing);
  if (standing) DUNLIN_TRY(preserve(work, *standing));
  return write(work, *source, standing, standing ? standing->etag : "");
}

/// Copies over `standing` (or onto nothing), proves it, and takes it back when it is not what was
/// read.
Result<ItemOutcome> Mover::write(const Work& work, const ObjectInfo& source, const Found& standing,
                                 const std::string& replaced) {
  engine::ItemInFlight in_flight(work.context.in_flight(), work.item, engine::ItemPhase::copying,
                                 source.size);
  const CopyJob job{source_,
                    source,
                    destination_,
                    work.key,
                    standing ? WriteCondition::match(standing->etag) : WriteCondition::absent(),
                    plan_.multipart_threshold,
                    plan_.part_size,
                    [&](const ObjectInfo& from) {
                      return marked(from.metadata,
                                    Mark{work.context.execution().value, work.context.epoch(),
                                         work.item.id, from.etag, replaced});
                    },
                    [&](const std::string& upload_id) {
                      return work.context.record_intents(
                          {{work.item.id, encode(UploadIntent{work.key, upload_id})}});
                    },
                    &in_flight};
  auto copied = copy_object(job, work.context);
  if (!copied.ok() && copied.error().type == ErrorType::source_vanished) {
    return ended(work.item, ItemStatus::skipped, "skipped", "source_gone");
  }
  if (!copied.ok()) return std::move(copied).error();
  in_flight.enter(engine::ItemPhase::verifying);
  DUNLIN_CRASH_POINT("objects.proof.before");
  auto proof = prove(work, *copied, &in_flight);
  DUNLIN_CRASH_POINT("objects.proof.after");
  if (proof.ok())
    return with_kept(work, completed(work.item, copied->written, copied->md5, *proof, replaced),
                     standing && standing->etag == replaced ? standing : Found());
  Error error = std::move(proof).error();
  if (error.type != ErrorType::verification_mismatch) return error;
  if (Status taken = take_back(work, copied->written.etag, replaced); !taken.ok()) {
    error.with_context("it still stands there: " + taken.error().message);
  }
  return error;
}

/// How large the version is that is kept for undo; `old`: that version, where it was seen.
Result<ItemOutcome> Mover::with_kept(const Work& work, ItemOutcome outcome, Found old) {
  DUNLIN_ASSIGN(const UndoRecord record, decode_undo(outcome.undo));
  if (record.replaced.empty()) return outcome;
  if (!old) {
    DUNLIN_ASSIGN(old, look(work, destination_, work.undo_key));
  }
  if (old) outcome.kept_bytes = old->size;
  return outcome;
}

Result<std::string> Mover::md5_of(const Work& work, Backend& backend, const ObjectInfo& version) {
  if (!work.full() && !version.md5.empty()) return version.md5;
  engine::ItemInFlight in_flight(work.context.in_flight(), work.item, engine::ItemPhase::comparing,
                                 version.size);
  return read_md5(backend, version, plan_.part_size, work.context, &in_flight);
}

/// `target`: the store's own checksum of what it received; `remote`: read back and hashed here.
Result<Proof> Mover::prove(const Work& work, const Copied& copied,
                           engine::ItemInFlight* in_flight) {
  if (copied.acknowledged && !work.full()) {
    const bool none = work.context.settings().verification_level == VerificationLevel::none;
    return none ? Proof::none : Proof::target;
  }
  auto md5 = read_md5(destination_, copied.written, plan_.part_size, work.context, in_flight);
  if (!md5.ok()) return of_destination(std::move(md5).error());
  if (*md5 == copied.md5) return Proof::remote;
  return Error(ErrorType::verification_mismatch, "'" + escape_bytes(work.key) +
                                                     "' reads back with MD5 " + hex(*md5) +
                                                     ", not " + hex(copied.md5));
}

/// `standing` was written by an earlier attempt of this item, whose outcome nobody recorded.
/// Proven: its outcome. Proven wrong: taken back. Written from a version of the source that is no
/// more: left for copy() to replace.
Result<std::optional<ItemOutcome>> Mover::adopt(const Work& work, const ObjectInfo& standing,
                                                const Mark& mark) {
  DUNLIN_ASSIGN(const Found source, look(work, source_, work.source_key));
  if (source && source->etag != mark.source_etag) return std::optional<ItemOutcome>();
  auto md5 = md5_of(work, destination_, standing);
  if (!md5.ok()) return of_destination(std::move(md5).error());
  if (!source) {
    // Perhaps the only copy there is: kept, and said so.
    ItemOutcome outcome = completed(work.item, standing, *md5, Proof::none, mark.replaced);
    outcome.message = "the source was gone before it could be compared";
    DUNLIN_ASSIGN(outcome, with_kept(work, std::move(outcome), Found()));
    return std::optional(std::move(outcome));
  }
  DUNLIN_ASSIGN(const std::string source_md5, md5_of(work, source_, *source));
  if (source->size == standing.size && source_md5 == *md5) {
    const bool read = work.full() || standing.md5.empty();
    ItemOutcome outcome =
        completed(work.item, standing, *md5, read ? Proof::remote : Proof::target, mark.replaced);
    DUNLIN_ASSIGN(outcome, with_kept(work, std::move(outcome), Found()));
    return std::optional(std::move(outcome));
  }
  DUNLIN_TRY(take_back(work, standing.etag, mark.replaced));
  return std::optional<ItemOutcome>();
}

Result<std::optional<ItemOutcome>> Mover::settle(BatchContext& context, const ItemRow& item) {
  DUNLIN_ASSIGN(const Work work, work_for(context, item));
  DUNLIN_TRY(abort_recorded(work));
  DUNLIN_ASSIGN(const Found standing, look(work, destination_, work.key));
  const auto mark = own_mark(work, standing);
  if (!mark) return std::optional<ItemOutcome>();
  return adopt(work, *standing, *mark);
}

/// Copies within the destination and proves it; a lost answer is looked after. `from` must still be
/// the version given.
Status Mover::copy_kept(const Work& work, const ObjectInfo& from, const std::string& to,
                        const WriteCondition& condition, const Metadata& metadata) {
  DUNLIN_TRY(work.context.permits().acquire(0, 1, work.cancel()));
  DUNLIN_TRY(work.context.fence());
  auto copied = destination_.copy(from.key, from.etag, to, condition, metadata, work.cancel());
  if (!copied.ok()) {
    if (!copied.error().possibly_applied) return of_destination(std::move(copied).error());
    DUNLIN_ASSIGN(auto found, look(work, destination_, to));
    if (!found || found->metadata != metadata) return std::move(copied).error();
    copied = std::move(*found);
  }
  auto before = md5_of(work, destination_, from);
  if (!before.ok()) return of_destination(std::move(before).error());
  auto after = md5_of(work, destination_, *copied);
  if (!after.ok()) return of_destination(std::move(after).error());
  if (*before == *after) return success();
  return Error(
      ErrorType::verification_mismatch,
      "the copy of '" + escape_bytes(from.key) + "' to '" + escape_bytes(to) + "' is not intact");
}

/// Keeps the version that is about to be replaced. Repeatable: a kept version is copied again
/// unless it is proven, for a corrupt one must not be taken for it.
Status Mover::preserve(const Work& work, const ObjectInfo& old) {
  DUNLIN_ASSIGN(const Found kept, look(work, destination_, work.undo_key));
  const auto metadata =
      marked(old.metadata, UndoMark{work.context.execution().value, work.item.id, old.etag});
  if (kept && kept->metadata == metadata) {
    DUNLIN_ASSIGN(const bool same, same_bytes(work, *kept, old));
    if (same) return success();
  }
  DUNLIN_CRASH_POINT("objects.preserve.before");
  DUNLIN_TRY(copy_kept(work, old, work.undo_key,
                       kept ? WriteCondition::match(kept->etag) : WriteCondition::absent(),
                       metadata));
  DUNLIN_CRASH_POINT("objects.preserve.after");
  return success();
}

Result<bool> Mover::same_bytes(const Work& work, const ObjectInfo& one, const ObjectInfo& other) {
  if (one.size != other.size) return false;
  auto first = md5_of(work, destination_, one);
  if (!first.ok()) return of_destination(std::move(first).error());
  auto second = md5_of(work, destination_, other);
  if (!second.ok()) return of_destination(std::move(second).error());
  return *first == *second;
}

/// Removes the version `etag` of the item's object, or puts the kept version in its place.
Status Mover::take_back(const Work& work, const std::string& etag, const std::string& replaced) {
  DUNLIN_CRASH_POINT("objects.take_back.before");
  if (!replaced.empty()) {
    DUNLIN_TRY(restore(work, etag));
  } else {
    DUNLIN_TRY(work.context.fence());
    DUNLIN_TRY(destination_.remove(work.key, etag, work.cancel()));
  }
  DUNLIN_CRASH_POINT("objects.take_back.after");
  return success();
}

Status Mover::restore(const Work& work, const std::string& etag) {
  DUNLIN_ASSIGN(const Found kept, look(work, destination_, work.undo_key));
  if (!kept) {
    return Error(ErrorType::destination_changed,
                 "the old version of '" + escape_bytes(work.key) + "' is no longer kept");
  }
  return copy_kept(work, *kept, work.key, WriteCondition::match(etag),
                   without_undo_mark(kept->metadata));
}

Status Mover::verify(BatchContext& context, const ItemRow& item) {
  DUNLIN_ASSIGN(const Work work, work_for(context, item));
  DUNLIN_ASSIGN(const auto record, decode_undo(item.undo));
  const auto differs = [&](std::string_view what) {
    return Error(ErrorType::verification_mismatch,
                 "'" + escape_bytes(work.key) + "' " + std::string(what));
  };
  DUNLIN_ASSIGN(const Found standing, look(work, destination_, work.key));
  if (!standing) return differs("is not there any more");
  if (standing->size != item.transferred_bytes) return differs("has another size");
  // Without a checksum from the store and without reading, an unchanged ETag is what proves it.
  if (!work.full() && standing->md5.empty()) {
    if (standing->etag != record.etag) return differs("was written again");
    return success();
  }
  auto md5 = md5_of(work, destination_, *standing);
  if (!md5.ok()) return of_destination(std::move(md5).error());
  if ("md5:" + hex(*md5) != item.checksum) return differs("has another content");
  return success();
}

/// After a crash in restore(): is what stands there the kept version already?
Result<bool> Mover::is_old_version(const Work& work, const ObjectInfo& standing,
                                   const std::string& replaced) {
  if (standing.etag == replaced) return true;
  DUNLIN_ASSIGN(const Found kept, look(work, destination_, work.undo_key));
  if (!kept || without_undo_mark(kept->metadata) != standing.metadata) return false;
  return same_bytes(work, *kept, standing);
}

Result<ItemOutcome> Mover::undo(BatchContext& context, const ItemRow& item) {
  const auto done = [&] { return ended(item, ItemStatus::rolled_back, "rolled_back", ""); };
  DUNLIN_ASSIGN(const Work work, work_for(context, item));
  DUNLIN_ASSIGN(const auto record, decode_undo(item.undo));
  DUNLIN_TRY(abort_recorded(work));
  DUNLIN_ASSIGN(const Found standing, look(work, destination_, work.key));
  if (!standing && record.replaced.empty()) return done();
  if (standing && own_mark(work, standing) && standing->etag == record.etag) {
    Status taken = take_back(work, record.etag, record.replaced);
    if (taken.ok()) return done();
    return std::move(taken).error();
  }
  if (standing && !record.replaced.empty()) {
    DUNLIN_ASSIGN(const bool old, is_old_version(work, *standing, record.replaced));
    if (old) return done();
  }
  return Error(ErrorType::destination_changed,
               "'" + escape_bytes(work.key) + "' was changed since it was migrated");
}

}  // namespace dunlin::objects
