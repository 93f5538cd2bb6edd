// Copying a batch; see copy_batch.h. What happens after a crash is in settle.cpp.
#include "files/copy_batch.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <span>

#include "base/crash_point.h"
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
  outcome.action = copy.witness.replaced ? "overwritten" : "created";
  outcome.message = std::move(copy.witness.loss);
  copy.witness.checksum.clear();
  copy.witness.loss.clear();
  outcome.undo = encode(copy.witness);
  context_.report(std::move(outcome));
}

/// For undo, which asks whether somebody has touched the file since it stands under its name.
void CopyBatch::remember_change(Copy& copy, const fs::Directory& directory) {
  const auto there = directory.find(copy.name);
  if (there.ok() && *there) copy.witness.changed = (*there)->ctime;
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
  DUNLIN_ASSIGN(const fs::FileInfo listed, decode_info(row.detail));
  if (const auto reason = reason_to_leave_out(listed, row.name)) {
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
  if (source.type != listed.type && listed.type != fs::EntryType::unknown) {
    return from->error(ESTALE, "copy", row.name);
  }
  DUNLIN_ASSIGN(const Handle to, destination_of(copy));
  DUNLIN_TRY(flush_->prepare(*to));
  DUNLIN_ASSIGN(const auto there, to->find(copy.name));
  const Decision decision = decide(source, there, site_.plan.conflict, granularity_ns_);
  if (decision.action == Action::skip) {
    copy.stage = Stage::ended;
    context_.report(skipped(row, decision.reason));
    return success();
  }
  if (decision.action == Action::refuse)
    return Error(decision.type, to->shown(copy.name) + ": " + decision.reason);
  copy.witness = Witness{};
  copy.witness.epoch = context_.epoch();
  if (decision.action == Action::overwrite) {
    if (to->device() != destination_->root().device()) {
      return Error(ErrorType::unsupported_item, to->shown(copy.name) +
                                                    " lies on a file system mounted inside the "
                                                    "destination: its old version cannot be kept");
    }
    copy.witness.replaced = there;
  }
  copy.stage = Stage::written;  // from here on there may be a temporary to discard
  Status written = source.type == fs::EntryType::symlink ? write_symlink(copy, *from, *to, source)
                                                         : write_file(copy, *from, *to);
  if (!written.ok() && written.error().type == ErrorType::write_error &&
      source.type == fs::EntryType::file) {
    DUNLIN_TRY(discard(copy));  // the file's own fsync failed: write it again, once
    written = write_file(copy, *from, *to);
  }
  return written;
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
  DUNLIN_ASSIGN(copy.copied_bytes,
                fs::copy_content(in.get(), from.shown(name), out.get(), to.shown(copy.name),
                                 before.size, hashes, transfer()));
  // By name, so that a file put in its place shows as well.
  DUNLIN_ASSIGN(const fs::FileInfo after, from.info(name));
  if (!untouched(before, after) || copy.copied_bytes != before.size) {
    return Error(ErrorType::source_changed, from.shown(name) + " changed while it was copied");
  }
  DUNLIN_ASSIGN(copy.witness.loss, fs::apply_metadata(out.get(), before, to, copy.name));
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
  if (placed.size != before.size || !fs::same_time(placed.mtime, before.mtime, granularity_ns_)) {
    return Error(ErrorType::verification_mismatch,
                 to.shown(copy.name) + " did not take the size or time of its source");
  }
  return success();
}

Status CopyBatch::write_symlink(Copy& copy, const fs::Directory& from, const fs::Directory& to,
                                const fs::FileInfo& source) {
  DUNLIN_ASSIGN(const std::string target, from.read_link(copy.row->name));
  DUNLIN_TRY(to.remove_file(copy.temporary));
  DUNLIN_TRY(context_.fence());
  DUNLIN_TRY(to.make_symlink(target, copy.temporary));
  DUNLIN_ASSIGN(copy.witness.loss, fs::apply_symlink_metadata(to, copy.temporary, source));
  DUNLIN_ASSIGN(copy.witness.placed, to.info(copy.temporary));
  DUNLIN_ASSIGN(fs::HashSet hashes, fs::HashSet::create(hashes_));
  hashes.update(std::as_bytes(std::span(target)));
  copy.witness.checksum = hashes.finish();
  return success();
}

Status CopyBatch::prove(Copy& copy) {
  if (context_.settings().verification_level == engine::VerificationLevel::full) {
    DUNLIN_ASSIGN(const Handle to, destination_of(copy));
    Witness proven = copy.witness;
    const auto holds = content_holds(*to, copy, proven);
    if (!holds.ok() && holds.error().type == ErrorType::permission_denied) {
      // Readable at the source by another right than the owner's, which the copy has not.
      copy.witness.loss += copy.witness.loss.empty() ? "" : ", ";
      copy.witness.loss += "not read back: its mode forbids it";
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
  remember_change(copy, *to);
  return flush_->directory_changed(*to);
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
    DUNLIN_ASSIGN(const fs::FileInfo source, decode_info(row.detail));
    DUNLIN_ASSIGN(const std::string name, site_.target_name(row.name));
    Decision decision;
    if (const auto reason = reason_to_leave_out(source, row.name)) {
      decision = {Action::skip, *reason, {}};
    } else {
      std::optional<fs::FileInfo> there;
      if (root.ok()) {
        const auto directory = (*root)->get(row.directory_path);
        if (directory.ok()) {
          DUNLIN_ASSIGN(there, (*directory)->find(name));
        }
      }
      decision = decide(source, there, site_.plan.conflict, granularity_ns_);
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
