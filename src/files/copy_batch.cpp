// Copying a batch; see copy_batch.h. What happens after a crash is in settle.cpp.
#include "files/copy_batch.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <span>

#include "base/crash_point.h"
#include "base/text.h"
#include "files/decide.h"
#include "files/first_error.h"
#include "fs/metadata.h"
#include "fs/placement.h"

namespace dunlin::files {

using engine::ItemOutcome;
using engine::ItemRow;
using engine::ItemStatus;
using store::Proof;

namespace {

ItemOutcome skipped(const ItemRow& row, std::string reason) {
  ItemOutcome outcome;
  outcome.item = row.id;
  outcome.status = ItemStatus::skipped;
  outcome.action = "skipped";
  outcome.message = std::move(reason);
  return outcome;
}

Proof proof_of(fs::Origin origin) {
  switch (origin) {
    case fs::Origin::device:
      return Proof::device;
    case fs::Origin::evicted:
      return Proof::evicted;
    case fs::Origin::cached:
      return Proof::cached;
  }
  return Proof::none;
}

/// Hard links are not to be had here, or not one more: the file is copied instead.
bool linkless(const Error& error) {
  const std::string& code = error.native.code;
  return code == "EMLINK" || code == "EXDEV" || code == "EPERM" || code == "EOPNOTSUPP" ||
         code == "ENOSYS" || code == "ENOENT";
}

void add_loss(std::string& loss, const std::string& more) {
  if (!more.empty()) loss += loss.empty() ? more : ", " + more;
}

bool wants_extended(const fs::Preserve& preserve) {
  return preserve.xattrs || preserve.acls || preserve.flags;
}

/// Same inode, nothing written and no name changed since.
bool untouched(const fs::FileInfo& before, const fs::FileInfo& after) {
  return before.same_content_as(after) && before.ctime == after.ctime;
}

}  // namespace

// ---- Common ----

Status CopyBatch::prepare() {
  DUNLIN_ASSIGN(source_, site_.source());
  DUNLIN_ASSIGN(destination_, site_.destination());
  DUNLIN_ASSIGN(traits_, site_.destination_traits());
  DUNLIN_ASSIGN(granularity_ns_, site_.time_granularity_ns());
  const bool verified = context_.settings().verification_level != engine::VerificationLevel::none;
  if (verified || site_.plan.hashes_named) hashes_ = site_.plan.hashes;
  DUNLIN_ASSIGN(rows_, context_.items());
  copies_.resize(rows_.size());
  for (std::size_t n = 0; n < rows_.size(); ++n) {
    copies_[n].row = &rows_[n];
    DUNLIN_ASSIGN(copies_[n].name, site_.target_name(rows_[n].name));
    copies_[n].temporary = temporary_name(context_.execution(), context_.epoch(), rows_[n].id);
  }
  return success();
}

/// One wave over the items of a stage. A failing item is reported and leaves the others alone; an
/// end of this process (pause, take-over) ends the wave.
Status CopyBatch::each(Stage stage, Status (CopyBatch::*step)(Copy&)) {
  FirstError ended;
  const Status ran = context_.for_each_item(rows_, [&](ItemRow& row) {
    Copy& copy = copies_[static_cast<std::size_t>(&row - rows_.data())];
    if (copy.stage != stage || ended.seen()) return;
    Status status = (this->*step)(copy);
    if (status.ok()) return;
    if (ends_the_process(status.error())) {
      ended.note(std::move(status).error());
    } else {
      fail(copy, std::move(status).error());
    }
  });
  DUNLIN_TRY(ended.status());
  return ran;
}

std::vector<CopyBatch::Copy*> CopyBatch::in_stage(Stage stage) {
  std::vector<Copy*> found;
  for (Copy& copy : copies_) {
    if (copy.stage == stage) found.push_back(&copy);
  }
  return found;
}

void CopyBatch::fail(Copy& copy, Error error) {
  const Status discarded = discard(copy);
  if (!discarded.ok()) error.with_context("its temporary stays: " + discarded.error().text());
  copy.stage = Stage::ended;
  ItemOutcome outcome;
  outcome.item = copy.row->id;
  outcome.status = ItemStatus::failed;
  outcome.error = std::move(error);
  context_.report(std::move(outcome));
}

void CopyBatch::finish(Copy& copy) {
  copy.stage = Stage::ended;
  ItemOutcome outcome;
  outcome.item = copy.row->id;
  outcome.transferred_bytes = copy.copied_bytes;
  outcome.checksum = std::move(copy.witness.checksum);
  outcome.proof = static_cast<Proof>(copy.witness.proof);
  outcome.action = copy.witness.linked     ? "linked"
                   : copy.witness.replaced ? "overwritten"
                                           : "created";
  outcome.message = std::move(copy.witness.loss);
  copy.witness.checksum.clear();
  copy.witness.loss.clear();
  outcome.undo = encode(copy.witness);
  context_.report(std::move(outcome));
}

Result<CopyBatch::Handle> CopyBatch::destination_of(const Copy& copy) {
  return destination_->get(copy.row->directory_path);
}

Result<CopyBatch::Handle> CopyBatch::undo_folder(bool make) {
  const std::scoped_lock lock(undo_mutex_);
  if (undo_) return undo_;
  const fs::Directory& root = destination_->root();
  const std::string name = undo_folder_name(context_.execution());
  if (make) {
    const Status made = root.make_directory(name, 0700);
    if (!made.ok() && made.error().native.code != "EEXIST") return made.error();
    DUNLIN_TRY(flush_->directory_changed(root));
  }
  DUNLIN_ASSIGN(fs::Directory opened, root.open_directory(name));
  undo_ = std::make_shared<const fs::Directory>(std::move(opened));
  return undo_;
}

fs::Transfer CopyBatch::transfer() {
  return {context_.permits(), context_.cancel(),
          [this](std::int64_t bytes) { context_.progress(bytes); }};
}

// ---- The steps of execute, in their order ----

Status CopyBatch::execute() {
  DUNLIN_TRY(prepare());
  const bool tried = std::any_of(rows_.begin(), rows_.end(),
                                 [](const ItemRow& row) { return !row.intent.empty(); });
  if (tried) DUNLIN_TRY(settle_waiting());
  return end(copy_all());
}

Status CopyBatch::copy_all() {
  Status written = write_all(false);
  if (!written.ok() && written.error().type == ErrorType::write_error) {
    // The kernel has dropped what it could not write: flushing again would succeed over lost data.
    for (Copy* copy : in_stage(Stage::written)) {
      DUNLIN_TRY(discard(*copy));
      copy->stage = Stage::waiting;
    }
    written = write_all(true);
  }
  DUNLIN_TRY(written);
  DUNLIN_CRASH_POINT("files.read_back.before");
  DUNLIN_TRY(each(Stage::written, &CopyBatch::prove));
  DUNLIN_CRASH_POINT("files.read_back.after");
  DUNLIN_TRY(record_intents());
  DUNLIN_CRASH_POINT("files.publish.before");
  DUNLIN_TRY(each(Stage::proven, &CopyBatch::publish));
  DUNLIN_CRASH_POINT("files.publish.after");
  return success();
}

Status CopyBatch::write_all(bool fsync_each) {
  flush_ = std::make_unique<fs::BatchFlush>(fsync_each);
  DUNLIN_TRY(flush_->prepare(destination_->root()));
  DUNLIN_CRASH_POINT("files.write.before");
  DUNLIN_TRY(each(Stage::waiting, &CopyBatch::write));
  DUNLIN_CRASH_POINT("files.write.after");
  DUNLIN_TRY(flush_->flush_files());
  DUNLIN_CRASH_POINT("files.flush.after");
  return success();
}

Status CopyBatch::write(Copy& copy) {
  const ItemRow& row = *copy.row;
  DUNLIN_ASSIGN(const Detail listed, decode_detail(row.detail));
  if (const auto reason = reason_to_leave_out(listed, site_.plan.special_files)) {
    copy.stage = Stage::ended;
    context_.report(skipped(row, *reason));
    return success();
  }
  DUNLIN_ASSIGN(const Handle from, source_->get(row.directory_path));
  if (row.name.empty()) {
    DUNLIN_TRY(fs::Listing::open(*from));
    return Error(ErrorType::read_error,
                 from->shown("") + " could not be listed when its turn came");
  }
  DUNLIN_ASSIGN(const fs::FileInfo source, from->info(row.name));
  if (source.type != listed.info.type && listed.info.type != fs::EntryType::unknown) {
    return from->error(ESTALE, "copy", row.name);
  }
  copy.witness = Witness{};
  copy.witness.epoch = context_.epoch();
  copy.witness.shared = source.links > 1;
  DUNLIN_ASSIGN(const Handle to, destination_of(copy));
  DUNLIN_TRY(flush_->prepare(*to));
  std::optional<First> first;
  if (listed.first.valid()) {
    DUNLIN_ASSIGN(first, first_of_set(copy, listed, source));
  }
  DUNLIN_ASSIGN(const auto there, to->find(copy.name));
  const Decision decision =
      first ? decide_link(source, there, first->info.inode, site_.plan.conflict, granularity_ns_)
            : decide(source, there, site_.plan.conflict, granularity_ns_);
  if (decision.action == Action::skip) {
    copy.stage = Stage::ended;
    context_.report(skipped(row, decision.reason));
    return success();
  }
  if (decision.action == Action::refuse)
    return Error(decision.type, to->shown(copy.name) + ": " + decision.reason);
  if (decision.action == Action::overwrite) {
    if (to->device() != destination_->root().device()) {
      return Error(ErrorType::unsupported_item, to->shown(copy.name) +
                                                    " lies on a file system mounted inside the "
                                                    "destination: its old version cannot be kept");
    }
    copy.witness.replaced = there;
  }
  copy.stage = Stage::written;  // from here on there may be a temporary to discard
  if (first) {
    Status linked = write_link(copy, *first, *to);
    if (linked.ok() || !linkless(linked.error())) return linked;
    copy.witness.loss = "hard link not preserved: " + linked.error().message;
  }
  const bool file = source.type == fs::EntryType::file;
  Status written = file ? write_file(copy, *from, *to) : write_node(copy, *from, *to);
  if (!written.ok() && written.error().type == ErrorType::write_error && file) {
    DUNLIN_TRY(discard(copy));  // the file's own fsync failed: write it again, once
    written = write_file(copy, *from, *to);
  }
  return written;
}

/// Where the first name of the set stands now. nullopt when there is nothing that may be linked to;
/// then this one is copied by itself, and its message says why.
Result<std::optional<CopyBatch::First>> CopyBatch::first_of_set(Copy& copy, const Detail& listed,
                                                                const fs::FileInfo& source) {
  DUNLIN_ASSIGN(const ItemRow row, context_.item(listed.first));
  const auto alone = [&](std::string_view why) {
    copy.witness.loss = "copied by itself, not linked to '" +
                        escape_bytes(row.directory_path.empty() ? row.name
                                                                : row.directory_path + "/" +
                                                                      row.name) +
                        "': " + std::string(why);
    return std::optional<First>();
  };
  if (source.inode != listed.info.inode) return alone("another file has taken its place since");
  auto directory = destination_->get(row.directory_path);
  if (!directory.ok()) return alone(directory.error().message);
  First first{*directory, row.name, {}, row.checksum, static_cast<std::uint8_t>(row.proof)};
  DUNLIN_ASSIGN(const auto there, first.directory->find(first.name));
  if (!there) return alone("it is not at the destination");
  first.info = *there;
  if (row.status == ItemStatus::completed) {
    DUNLIN_ASSIGN(const Witness witness, decode_witness(row.undo));
    if (!there->same_content_as(*witness.placed)) return alone("it was changed since");
  } else {
    // Skipped because it was there already: it must be what this one would be.
    const bool same = there->type == source.type && there->size == source.size &&
                      fs::same_time(there->mtime, source.mtime, granularity_ns_);
    if (row.status != ItemStatus::skipped || !same) return alone("it was not copied");
  }
  return std::optional(std::move(first));
}

Status CopyBatch::write_link(Copy& copy, const First& first, const fs::Directory& to) {
  DUNLIN_TRY(to.remove_file(copy.temporary));
  DUNLIN_TRY(context_.fence());
  DUNLIN_TRY(fs::make_link(*first.directory, first.name, to, copy.temporary));
  DUNLIN_ASSIGN(copy.witness.placed, to.info(copy.temporary));
  if (!copy.witness.placed->same_content_as(first.info))
    return first.directory->error(ESTALE, "link to", first.name);
  copy.witness.linked = true;
  copy.witness.checksum = first.checksum;
  copy.witness.proof = first.proof;
  return success();
}

Status CopyBatch::write_file(Copy& copy, const fs::Directory& from, const fs::Directory& to) {
  const std::string& name = copy.row->name;
  DUNLIN_ASSIGN(const UniqueFd in, from.open_file(name, O_RDONLY | O_NOATIME));
  DUNLIN_ASSIGN(const fs::FileInfo before,
                fs::info_of(in.get(), from.shown(name), fs::Side::source));
  if (before.type != fs::EntryType::file) return from.error(ESTALE, "copy", name);
  DUNLIN_TRY(to.remove_file(copy.temporary));
  // As late as can be: a name made after a take-over changes the directory's time.
  DUNLIN_TRY(context_.fence());
  DUNLIN_ASSIGN(const UniqueFd out, to.open_file(copy.temporary, O_RDWR | O_CREAT | O_EXCL, 0600));
  DUNLIN_ASSIGN(fs::HashSet hashes, fs::HashSet::create(hashes_));
  const std::string from_shown = from.shown(name);
  const std::string to_shown = to.shown(copy.name);
  if (site_.plan.preserve_holes && before.has_holes()) {
    DUNLIN_ASSIGN(copy.copied_bytes, fs::copy_with_holes(in.get(), from_shown, out.get(), to_shown,
                                                         hashes, transfer()));
  } else {
    DUNLIN_ASSIGN(copy.copied_bytes, fs::copy_content(in.get(), from_shown, out.get(), to_shown,
                                                      before.size, hashes, transfer()));
  }
  fs::Extended extended;
  if (wants_extended(site_.plan.preserve)) {
    DUNLIN_ASSIGN(extended, fs::read_extended({in.get(), false}, from, name));
  }
  // By name, so that a file put in its place shows as well.
  DUNLIN_ASSIGN(const fs::FileInfo after, from.info(name));
  if (!untouched(before, after) || copy.copied_bytes != before.size) {
    return Error(ErrorType::source_changed, from.shown(name) + " changed while it was copied");
  }
  DUNLIN_ASSIGN(const fs::Loss loss,
                fs::apply_metadata({out.get(), false}, before, extended, site_.plan.preserve, to,
                                   copy.name));
  add_loss(copy.witness.loss, loss);
  keep_final_flags(copy, extended);
  copy.witness.checksum = hashes.finish();
  DUNLIN_TRY(flush_->file_written(to, out.get(), copy.temporary));
  DUNLIN_ASSIGN(copy.witness.placed,
                fs::info_of(out.get(), to.shown(copy.name), fs::Side::destination));
  const fs::FileInfo& placed = *copy.witness.placed;
  if (copy.witness.replaced && placed.inode == copy.witness.replaced->inode) {
    // The old version was removed meanwhile and its number given to our temporary: recovery could
    // not tell them apart.
    return to.error(ESTALE, "replace", copy.name);
  }
  const bool took_time = !site_.plan.preserve.times ||
                         fs::same_time(placed.mtime, before.mtime, granularity_ns_);
  if (placed.size != before.size || !took_time) {
    return Error(ErrorType::verification_mismatch,
                 to.shown(copy.name) + " did not take the size or time of its source");
  }
  return success();
}

/// Set under the final name; a file with more names could not be linked any more.
void CopyBatch::keep_final_flags(Copy& copy, const fs::Extended& extended) {
  const std::uint32_t flags = extended.flags.value_or(0) & fs::kFinalFlags;
  if (flags == 0 || !site_.plan.preserve.flags) return;
  if (copy.witness.shared) {
    add_loss(copy.witness.loss, "immutable and append-only flags not set: it has several names");
  } else {
    copy.witness.final_flags = flags;
  }
}

/// A symlink, FIFO, socket or device node: never opened, only held by a descriptor, on both sides,
/// so that owner and mode reach what was made here and nothing that was put in its place.
Status CopyBatch::write_node(Copy& copy, const fs::Directory& from, const fs::Directory& to) {
  const std::string& name = copy.row->name;
  DUNLIN_ASSIGN(const UniqueFd in, fs::open_node(from, name));
  DUNLIN_ASSIGN(const fs::FileInfo source,
                fs::info_of(in.get(), from.shown(name), fs::Side::source));
  const bool symlink = source.type == fs::EntryType::symlink;
  std::string target;
  if (symlink) {
    DUNLIN_ASSIGN(target, from.read_link(name));
  }
  fs::Extended extended;
  if (wants_extended(site_.plan.preserve)) {
    DUNLIN_ASSIGN(extended, fs::read_extended({in.get(), true}, from, name));
  }
  DUNLIN_ASSIGN(const fs::FileInfo after, from.info(name));
  if (!untouched(source, after)) {
    return Error(ErrorType::source_changed, from.shown(name) + " changed while it was copied");
  }
  DUNLIN_TRY(to.remove_file(copy.temporary));
  DUNLIN_TRY(context_.fence());
  if (symlink) {
    DUNLIN_TRY(to.make_symlink(target, copy.temporary));
  } else {
    DUNLIN_TRY(to.make_special(source, copy.temporary));
  }
  DUNLIN_ASSIGN(const UniqueFd out, fs::open_node(to, copy.temporary));
  DUNLIN_ASSIGN(const fs::FileInfo made,
                fs::info_of(out.get(), to.shown(copy.name), fs::Side::destination));
  if (made.type != source.type || made.links != 1) return to.error(ESTALE, "create", copy.name);
  DUNLIN_ASSIGN(const fs::Loss loss,
                fs::apply_metadata({out.get(), true}, source, extended, site_.plan.preserve, to,
                                   copy.name));
  add_loss(copy.witness.loss, loss);
  DUNLIN_ASSIGN(copy.witness.placed,
                fs::info_of(out.get(), to.shown(copy.name), fs::Side::destination));
  if (symlink) {
    DUNLIN_ASSIGN(fs::HashSet hashes, fs::HashSet::create(hashes_));
    hashes.update(std::as_bytes(std::span(target)));
    copy.witness.checksum = hashes.finish();
  }
  return success();
}

Status CopyBatch::prove(Copy& copy) {
  const fs::EntryType type = copy.witness.placed->type;
  const bool has_content = type == fs::EntryType::file || type == fs::EntryType::symlink;
  if (context_.settings().verification_level == engine::VerificationLevel::full && has_content &&
      !copy.witness.linked) {
    DUNLIN_ASSIGN(const Handle to, destination_of(copy));
    Witness proven = copy.witness;
    const auto holds = content_holds(*to, copy, proven);
    if (!holds.ok() && holds.error().type == ErrorType::permission_denied) {
      // Readable at the source by another right than the owner's, which the copy has not.
      add_loss(copy.witness.loss, "not read back: its mode forbids it");
      proven.proof = static_cast<std::uint8_t>(Proof::none);
    } else {
      DUNLIN_TRY(holds);
    }
    if (holds.ok() && !*holds) {
      return Error(
          ErrorType::verification_mismatch,
          to->shown(copy.name) + ": the device does not hold what was read from the source");
    }
    copy.witness.proof = proven.proof;
  }
  copy.stage = Stage::proven;
  return success();
}

/// Reads what stands under the temporary name, or once published under the final one, and compares.
Result<bool> CopyBatch::content_holds(const fs::Directory& directory, const Copy& copy,
                                      Witness& intent) {
  const std::string& name = copy.stage == Stage::written ? copy.temporary : copy.name;
  DUNLIN_ASSIGN(fs::HashSet hashes, fs::HashSet::create(hashes_));
  if (intent.placed->type == fs::EntryType::symlink) {
    DUNLIN_ASSIGN(const std::string target, directory.read_link(name));
    hashes.update(std::as_bytes(std::span(target)));
    intent.proof = static_cast<std::uint8_t>(Proof::cached);
  } else {
    DUNLIN_ASSIGN(const fs::Origin origin,
                  fs::read_back(directory, name, traits_, hashes,
                                {context_.permits(), context_.cancel(), {}}));
    intent.proof = static_cast<std::uint8_t>(proof_of(origin));
  }
  return hashes.finish() == intent.checksum;
}

Status CopyBatch::record_intents() {
  std::vector<engine::ItemIntent> intents;
  for (const Copy* copy : in_stage(Stage::proven))
    intents.push_back({copy->row->id, encode(copy->witness)});
  DUNLIN_CRASH_POINT("files.intents.before");
  DUNLIN_TRY(context_.record_intents(std::move(intents)));
  DUNLIN_CRASH_POINT("files.intents.after");
  return success();
}

Status CopyBatch::publish(Copy& copy) {
  DUNLIN_ASSIGN(const Handle to, destination_of(copy));
  if (copy.witness.replaced) {
    DUNLIN_ASSIGN(const Handle undo, undo_folder(true));
    DUNLIN_TRY(context_.fence());
    DUNLIN_TRY(fs::replace_keeping(*to, copy.temporary, copy.name, *copy.witness.replaced, *undo,
                                   std::to_string(copy.row->id.value)));
    DUNLIN_TRY(flush_->directory_changed(*undo));
  } else {
    DUNLIN_TRY(context_.fence());
    DUNLIN_TRY(fs::rename_new(*to, copy.temporary, *to, copy.name));
  }
  copy.stage = Stage::published;
  DUNLIN_TRY(flush_->directory_changed(*to));
  return complete(copy, *to);
}

/// What belongs to the final name: flags that would have forbidden the rename, and the time of
/// change by which undo knows that nobody has touched it since.
Status CopyBatch::complete(Copy& copy, const fs::Directory& to) {
  if (copy.witness.final_flags != 0) {
    DUNLIN_TRY(context_.fence());
    DUNLIN_ASSIGN(const fs::Loss loss,
                  fs::apply_final_flags(to, copy.name, copy.witness.final_flags));
    add_loss(copy.witness.loss, loss);
  }
  const auto there = to.find(copy.name);
  if (there.ok() && *there) copy.witness.changed = (*there)->ctime;
  return success();
}

/// However the waves ended: what was published is made durable and reported, what was not leaves no
/// temporary. After an emergency stop nothing is touched: recovery is the clean-up. After a
/// take-over that clean-up may be over already, so an owner that was stopped removes what it made
/// since: names that carry its epoch, which nobody else will look for.
Status CopyBatch::end(Status status) {
  const Status owner = context_.fence();
  if (!owner.ok() && owner.error().type == ErrorType::stale_owner) {
    for (const Stage stage : {Stage::written, Stage::proven}) {
      for (Copy* copy : in_stage(stage)) discard(*copy).ignore("the new owner has it");
    }
    return owner;
  }
  if (context_.cancel().reason() == CancelReason::stop) return status;
  const auto published = in_stage(Stage::published);
  if (!published.empty()) {
    DUNLIN_TRY(flush_->flush_names());
    DUNLIN_CRASH_POINT("files.flush_names.after");
    for (Copy* copy : published) finish(*copy);
    DUNLIN_CRASH_POINT("files.outcomes.after");
  }
  for (const Stage stage : {Stage::written, Stage::proven}) {
    for (Copy* copy : in_stage(stage)) DUNLIN_TRY(discard(*copy));
  }
  return status;
}

/// Removes the temporary, but only when it is ours: after a replacement that could not be put back
/// the old version stands under this name, and settle() will find it by its inode.
Status CopyBatch::discard(Copy& copy) {
  if (copy.stage != Stage::written && copy.stage != Stage::proven) return success();
  DUNLIN_ASSIGN(const Handle to, destination_of(copy));
  DUNLIN_ASSIGN(const auto there, to->find(copy.temporary));
  if (!there) return success();
  if (copy.witness.replaced && there->inode == copy.witness.replaced->inode) {
    return Error(ErrorType::in_doubt,
                 to->shown(copy.temporary) + " is the old version of " + to->shown(copy.name));
  }
  return to->remove_file(copy.temporary);
}

/// Of the first name of a set, if it stands at the destination and would be left there; else 0.
Result<std::uint64_t> CopyBatch::inode_of_first(const Detail& listed) {
  DUNLIN_ASSIGN(const ItemRow row, context_.item(listed.first));
  DUNLIN_ASSIGN(fs::DirectoryCache* const destination, site_.destination());
  const auto directory = destination->get(row.directory_path);
  if (!directory.ok()) return std::uint64_t{0};
  DUNLIN_ASSIGN(const auto there, (*directory)->find(row.name));
  const Decision first = decide(listed.info, there, site_.plan.conflict, granularity_ns_);
  return there && first.action == Action::skip ? there->inode : std::uint64_t{0};
}

Result<std::vector<engine::Operation>> CopyBatch::operations() {
  std::vector<engine::Operation> operations;
  DUNLIN_ASSIGN(rows_, context_.items());
  DUNLIN_ASSIGN(source_, site_.source());
  const auto root = site_.destination();  // may not exist yet: then everything is created
  if (root.ok()) {
    DUNLIN_ASSIGN(granularity_ns_, site_.time_granularity_ns());
  }
  for (const ItemRow& row : rows_) {
    DUNLIN_TRY(context_.cancel().check());
    engine::Operation operation;
    operation.item = row.id;
    DUNLIN_ASSIGN(const Detail listed, decode_detail(row.detail));
    const fs::FileInfo& source = listed.info;
    DUNLIN_ASSIGN(const std::string name, site_.target_name(row.name));
    Decision decision;
    if (const auto reason = reason_to_leave_out(listed, site_.plan.special_files)) {
      decision = {Action::skip, *reason, {}};
    } else {
      std::optional<fs::FileInfo> there;
      if (root.ok()) {
        const auto directory = (*root)->get(row.directory_path);
        if (directory.ok()) {
          DUNLIN_ASSIGN(there, (*directory)->find(name));
        }
      }
      if (listed.first.valid()) {
        DUNLIN_ASSIGN(const std::uint64_t first_inode, inode_of_first(listed));
        decision =
            decide_link(source, there, first_inode, site_.plan.conflict, granularity_ns_);
      } else {
        decision = decide(source, there, site_.plan.conflict, granularity_ns_);
      }
    }
    operation.action = to_string(decision.action);
    operation.reason = decision.reason;
    DUNLIN_ASSIGN(const Layout layout, site_.layout());
    const auto shown = [&](const std::string& base, const std::string& leaf) {
      std::string path = base + "/" + row.directory_path;
      if (!row.directory_path.empty()) path += '/';
      return path + leaf;
    };
    operation.source = shown(layout.source_root, row.name);
    operation.destination = shown(layout.destination_root, name);
    operations.push_back(std::move(operation));
  }
  return operations;
}

}  // namespace dunlin::files
