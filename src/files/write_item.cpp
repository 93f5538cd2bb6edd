// One entry of a batch: decided upon, and written under its temporary name; see copy_batch.h.
#include <fcntl.h>

#include <cerrno>
#include <span>

#include "base/text.h"
#include "files/copy_batch.h"
#include "files/decide.h"
#include "fs/metadata.h"
#include "fs/placement.h"

namespace dunlin::files {

using engine::ItemRow;
using engine::ItemStatus;

namespace {

/// Hard links are not to be had here, or not one more: the file is copied instead.
bool linkless(const Error& error) {
  const std::string& code = error.native.code;
  return code == "EMLINK" || code == "EXDEV" || code == "EPERM" || code == "EOPNOTSUPP" ||
         code == "ENOSYS" || code == "ENOENT";
}

bool wants_extended(const fs::Preserve& preserve) {
  return preserve.xattrs || preserve.acls || preserve.flags;
}

/// Same inode, nothing written and no name changed since.
bool untouched(const fs::FileInfo& before, const fs::FileInfo& after) {
  return before.same_content_as(after) && before.ctime == after.ctime;
}

}  // namespace

Status CopyBatch::write(Copy& copy) {
  const ItemRow& row = *copy.row;
  DUNLIN_ASSIGN(const Detail listed, decode_detail(row.detail));
  if (const auto reason = reason_to_leave_out(listed, site_.plan.special_files)) {
    skip(copy, *reason);
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
  const auto opened = destination_of(copy);
  if (!opened.ok()) return as_name_error(opened.error(), row.directory_path);
  const Handle& to = *opened;
  DUNLIN_ASSIGN(auto clash, site_.names.clash_on_way(*destination_, row.directory_path));
  if (clash) return *std::move(clash);
  DUNLIN_TRY(flush_->prepare(*to));
  std::optional<First> first;
  if (listed.first.valid()) {
    DUNLIN_ASSIGN(first, first_of_set(copy, listed, source));
  }
  DUNLIN_ASSIGN(const auto there, to->find(copy.name));
  if (there) {
    DUNLIN_ASSIGN(clash, site_.names.clash(*to, row.directory_path, copy.name));
    if (clash) return *std::move(clash);
  }
  Decision decision;
  if (first) {
    decision = decide_link(source, there, first->info.inode, rules_for(row));
  } else {
    DUNLIN_ASSIGN(decision, decide_alone(row, source, copy.name, there, to.get()));
  }
  if (decision.action == Action::skip) {
    skip(copy, decision.reason);
    return success();
  }
  if (decision.action == Action::refuse) return refusal(copy, decision, *to);
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

Error CopyBatch::refusal(const Copy& copy, const Decision& decision,
                         const fs::Directory& to) const {
  Error error(decision.type, to.shown(copy.name) + ": " + decision.reason);
  if (site_.plan.conflict != Conflict::ask) return error;
  const std::string item = "--item " + std::to_string(copy.row->id.value);
  error.message += " (retry " + item + " takes the source's, skip " + item + " leaves this one)";
  error.remediation = "`dunlin retry %E " + item + "` takes the source's, `dunlin skip %E " + item +
                      "` leaves what stands there";
  return error;
}

/// Where the first name of the set stands now. nullopt when there is nothing that may be linked to;
/// then this one is copied by itself, and its message says why.
Result<std::optional<CopyBatch::First>> CopyBatch::first_of_set(Copy& copy, const Detail& listed,
                                                                const fs::FileInfo& source) {
  DUNLIN_ASSIGN(const ItemRow row, context_.item(listed.first));
  const auto alone = [&](std::string_view why) {
    copy.witness.loss =
        "copied by itself, not linked to '" +
        escape_bytes(row.directory_path.empty() ? row.name : row.directory_path + "/" + row.name) +
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
    const bool same =
        there->type == source.type && there->size == source.size &&
        (row.message == kSameContent || fs::same_time(there->mtime, source.mtime, granularity_ns_));
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
  DUNLIN_ASSIGN(const fs::Loss loss, fs::apply_metadata({out.get(), false}, before, extended,
                                                        site_.plan.preserve, to, copy.name));
  fs::add_loss(copy.witness.loss, loss);
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
  const bool took_time =
      !site_.plan.preserve.times || fs::same_time(placed.mtime, before.mtime, granularity_ns_);
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
    fs::add_loss(copy.witness.loss,
                 "immutable and append-only flags not set: it has several names");
  } else {
    copy.witness.final_flags = flags;
  }
}

/// A file system that knows no entries of this type says so in many ways. The daemon of exFAT makes
/// a file where a FIFO was asked for, and the kernel calls that EIO: the device is well.
Error CopyBatch::not_to_be_made(const Copy& copy, fs::EntryType type, Error error,
                                const fs::Directory& to) {
  const std::string& code = error.native.code;
  bool unknown = code == "ENOSYS" || code == "EOPNOTSUPP";
  const bool device =
      type == fs::EntryType::character_device || type == fs::EntryType::block_device;
  if (code == "EPERM") unknown = !device;  // a device may just not be allowed to us
  if (code == "EIO") {
    const auto there = to.find(copy.temporary);
    unknown = there.ok() && *there && (*there)->type != type;
    if (unknown) to.remove_file(copy.temporary).ignore("fail() tries once more and says so");
  }
  if (!unknown) return error;
  error.type = ErrorType::unsupported_item;
  error.message = to.shown(copy.name) + ": the file system of the destination (" + traits_.name +
                  ") has no " + std::string(fs::to_string(type)) + "s";
  return error;
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
  const Status created =
      symlink ? to.make_symlink(target, copy.temporary) : to.make_special(source, copy.temporary);
  if (!created.ok()) return not_to_be_made(copy, source.type, created.error(), to);
  DUNLIN_ASSIGN(const UniqueFd out, fs::open_node(to, copy.temporary));
  DUNLIN_ASSIGN(const fs::FileInfo made,
                fs::info_of(out.get(), to.shown(copy.name), fs::Side::destination));
  if (made.type != source.type || made.links != 1) return to.error(ESTALE, "create", copy.name);
  DUNLIN_ASSIGN(const fs::Loss loss, fs::apply_metadata({out.get(), true}, source, extended,
                                                        site_.plan.preserve, to, copy.name));
  fs::add_loss(copy.witness.loss, loss);
  DUNLIN_ASSIGN(copy.witness.placed,
                fs::info_of(out.get(), to.shown(copy.name), fs::Side::destination));
  if (symlink) {
    DUNLIN_ASSIGN(fs::HashSet hashes, fs::HashSet::create(hashes_));
    hashes.update(std::as_bytes(std::span(target)));
    copy.witness.checksum = hashes.finish();
  }
  return success();
}

}  // namespace dunlin::files
