// One entry of a batch: decided upon, and written under its temporary name; see copy_batch.h.
#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "base/units.h"
#include "files/copy_batch.h"
#include "files/decide.h"
#include "files/entry_writer.h"
#include "fs/clone.h"
#include "fs/file_system.h"
#include "fs/metadata.h"
#include "fs/placement.h"

namespace dunlin::files {

using engine::ItemRow;
using engine::ItemStatus;

Status CopyBatch::write(Copy& copy) {
  const ItemRow& row = *copy.row;
  DUNLIN_TRY(adopt_part(copy));
  DUNLIN_ASSIGN(const Detail listed, decode_detail(row.detail));
  if (const auto reason = reason_to_leave_out(listed, site_.plan.special_files)) {
    skip(copy, *reason);
    return success();
  }
  DUNLIN_ASSIGN(const Handle from, source_->holder(row.directory_path, row.name));
  if (row.name.empty()) return why_not_listed(*from);
  // A plain file that is not there yet, or is there as it was listed just now, is looked at by who
  // copies it. What an earlier life has listed may be days old.
  const bool just_listed = context_.batch().token == 0 && row.id.value >= site_.first_listed.load();
  const bool plain = just_listed && listed.info.type == fs::EntryType::file &&
                     !listed.first.valid() && !site_.plan.moves() && !site_.plan.links() &&
                     !site_.plan.reservation.any();
  fs::FileInfo source = listed.info;
  if (!plain) {
    DUNLIN_ASSIGN(source, look_at_source(row, listed, *from));
  }
  copy.name = copy.target;
  copy.witness = Witness{};
  copy.witness.epoch = context_.epoch();
  copy.witness.shared = source.links > 1;
  const auto opened = destination_of(copy);
  if (!opened.ok()) return as_name_error(opened.error(), row.directory_path);
  const Handle& to = *opened;
  DUNLIN_ASSIGN(auto clash, site_.names.clash_on_way(*destination_, row.directory_path));
  if (clash) return *std::move(clash);
  DUNLIN_TRY(flush_->prepare(*to));
  if (site_.plan.moves()) DUNLIN_TRY(flush_->prepare(*from));
  std::optional<fs::FileInfo> there;
  if (!to->was_empty()) {
    DUNLIN_ASSIGN(there, to->find(copy.name));
  }
  if (there) {
    DUNLIN_ASSIGN(clash, site_.names.clash(*to, row.directory_path, copy.name));
    if (clash && site_.plan.conflict != Conflict::keep_both) return *std::move(clash);
  }
  if (plain && there && (clash || decide(source, there, rules_for(row)).action != Action::skip)) {
    DUNLIN_ASSIGN(source, look_at_source(row, listed, *from));
  }
  DUNLIN_ASSIGN(const bool renames, prepare_rename(copy, *from, *to, source, there));
  std::optional<First> first;
  if (listed.first.valid() && !renames && !site_.plan.links()) {
    DUNLIN_ASSIGN(first, first_of_set(copy, listed, source));
  }
  Decision decision;
  if (clash) {
    decision.action = Action::beside;  // another name that the destination takes for this one
  } else if (site_.plan.links()) {
    decision = decide_source_link(source, there, rules_for(row));
  } else if (first) {
    decision = decide_link(source, there, first->info.inode, rules_for(row));
  } else {
    DUNLIN_ASSIGN(decision, decide_alone(row, source, copy.name, there, to.get()));
  }
  DUNLIN_ASSIGN(auto nothing_to_do, act(copy, decision, source, there, first, *to));
  if (nothing_to_do) {
    skip(copy, *std::move(nothing_to_do));
    return success();
  }
  if (renames) {
    copy.stage = Stage::proven;  // nothing is written: the inode itself goes
    return success();
  }
  if (site_.plan.moves()) copy.witness.source = source;
  copy.stage = Stage::written;  // from here on there may be a temporary to discard
  if (first) {
    Status linked = write_link(copy, *first, *to);
    if (linked.ok() || !fs::link_impossible(linked.error())) return linked;
    // It is copied instead.
    copy.witness.loss = "hard link not preserved: " + linked.error().message;
  } else if (site_.plan.links()) {
    Status linked = write_source_link(copy, *from, *to, source);
    if (linked.ok() || linked.error().native.code != "EMLINK") return linked;
    copy.witness.loss = "copied, not linked to its source: " + linked.error().message;
  }
  if (source.type == fs::EntryType::file) DUNLIN_TRY(keep_reservation(copy, *from, *to, source));
  Status written = write_entry(copy, source.type, *from, *to);
  if (written.ok() || source.type != fs::EntryType::file) return written;
  // The file's own fsync failed, or reading it back while it was copied: write it again, once.
  const ErrorType why = written.error().type;
  if (why != ErrorType::write_error && why != ErrorType::verification_mismatch) return written;
  DUNLIN_TRY(discard(copy));
  copy.part.reset();
  DUNLIN_TRY(write_entry(copy, source.type, *from, *to));
  if (why == ErrorType::verification_mismatch) copy.witness.written_again = true;
  return success();
}

/// As it is now; an error when it is no entry of the listed type any more.
Result<fs::FileInfo> CopyBatch::look_at_source(const ItemRow& row, const Detail& listed,
                                               const fs::Directory& from) {
  DUNLIN_ASSIGN(const fs::FileInfo source, from.info(row.name));
  if (source.type != listed.info.type && listed.info.type != fs::EntryType::unknown) {
    return from.error(ESTALE, "copy", row.name);
  }
  if (source.type == fs::EntryType::directory) {
    DUNLIN_ASSIGN(auto refused, site_.refuse_to_enter(row.directory_path, row.name, source));
    if (refused) return *std::move(refused);
    return from.error(ESTALE, "copy", row.name);
  }
  return source;
}

/// disk_full, which pauses the execution, where a file would take what is to stay free. Files that
/// are written at the same time do not see each other: it may be missed by as many.
Status CopyBatch::keep_reservation(const Copy& copy, const fs::Directory& from,
                                   const fs::Directory& to, const fs::FileInfo& source) {
  if (!site_.plan.reservation.any()) return success();
  if (site_.plan.reflink != Reflink::never && fs::clone_obstacle(from, to) == 0) return success();
  std::int64_t size = source.size;
  if (site_.plan.preserve_holes) size = std::min(size, source.allocated_bytes);
  if (copy.part) {  // some of it is there
    DUNLIN_ASSIGN(const auto part, to.find(copy.temporary));
    if (part) size = std::max<std::int64_t>(0, size - part->allocated_bytes);
  }
  DUNLIN_ASSIGN(const fs::Space space, fs::space_of(to));
  const std::int64_t kept = site_.plan.reservation.of(space);
  if (space.free_bytes - size >= kept) return success();
  Error error(ErrorType::disk_full, to.shown("") + ": " + format_bytes(space.free_bytes) +
                                        " are free, and " + format_bytes(kept) +
                                        " are to be kept so (space_reservation)");
  error.remediation = "make room there, then run `dunlin resume %E`";
  return error;
}

/// What the decision means for names: an old version is to be kept, or another one is taken.
Result<std::optional<std::string>> CopyBatch::act(Copy& copy, const Decision& decision,
                                                  const fs::FileInfo& source,
                                                  const std::optional<fs::FileInfo>& there,
                                                  const std::optional<First>& first,
                                                  const fs::Directory& to) {
  const std::optional<std::string> go_on;
  const auto same = [&](const fs::FileInfo& taken) {
    if (site_.plan.links()) return taken.inode == source.inode && taken.device == source.device;
    if (first) return taken.inode == first->info.inode;
    return !site_.plan.moves() && same_attributes(source, taken, granularity_ns_);
  };
  switch (decision.action) {
    case Action::skip:
      return std::optional(decision.reason);
    case Action::refuse:
      return refusal(copy, decision, to);
    case Action::beside: {
      DUNLIN_ASSIGN(FreeName free, free_name(*copy.row, copy.target, to, same));
      if (free.same) {
        return std::optional("unchanged: kept as '" + escape_bytes(free.name) + "'");
      }
      copy.name = copy.witness.name = std::move(free.name);
      return go_on;
    }
    case Action::aside: {
      DUNLIN_ASSIGN(FreeName free, free_name(*copy.row, copy.target, to, nullptr));
      copy.witness.aside = std::move(free.name);
      copy.witness.replaced = there;
      return go_on;
    }
    case Action::overwrite:
      if (to.device() != destination_->root().device()) {
        return Error(ErrorType::unsupported_item,
                     to.shown(copy.name) +
                         " lies on a file system mounted inside the destination: its old version "
                         "cannot be kept");
      }
      copy.witness.replaced = there;
      return go_on;
    case Action::create:
    case Action::compare:
      break;
  }
  return go_on;
}

/// The whole directory stands for its entries, which could not be listed.
Error CopyBatch::why_not_listed(const fs::Directory& from) {
  const auto listing = fs::Listing::open(from);
  if (!listing.ok()) return listing.error();
  return Error(ErrorType::read_error, from.shown("") + " could not be listed when its turn came");
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
  DUNLIN_ASSIGN(std::string placed_name, site_.placed_name(row));
  First first{
      *directory, std::move(placed_name), {}, row.checksum, static_cast<std::uint8_t>(row.proof)};
  DUNLIN_ASSIGN(const auto there, first.directory->find(first.name));
  if (!there) return alone("it is not at the destination");
  first.info = *there;
  if (row.status == ItemStatus::completed) {
    DUNLIN_ASSIGN(const Witness witness, decode_witness(row.undo, row.detail));
    if (!there->same_content_as(*witness.placed)) return alone("it was changed since");
    // The number may have been given again, and the file itself may have been written meanwhile.
    const bool still_that =
        witness.source ? witness.source->same_content_as(source)
                       : source.type != fs::EntryType::file ||
                             (source.size == there->size &&
                              (!site_.plan.preserve.times ||
                               fs::same_time(there->mtime, source.mtime, granularity_ns_)));
    if (!still_that) return alone("the source was changed since that one was copied");
  } else {
    // Skipped because it was there already: it must be what this one would be.
    const bool same =
        there->type == source.type && there->size == source.size &&
        (row.message == kSameContent ||
         // Of a move the content has to be compared before a source goes.
         (!site_.plan.moves() && fs::same_time(there->mtime, source.mtime, granularity_ns_)));
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

/// The entry itself, complete under its temporary name.
Status CopyBatch::write_entry(Copy& copy, fs::EntryType type, const fs::Directory& from,
                              const fs::Directory& to) {
  EntryWriter writer(site_.plan, hashes_, granularity_ns_, context_, *flush_, site_.clones);
  if (md5_together_) writer.leave_md5();
  const Part part = part_of(copy);
  engine::ItemInFlight in_flight(context_.in_flight(), *copy.row, engine::ItemPhase::copying,
                                 copy.row->size);
  DUNLIN_ASSIGN(Written written, writer.write(from, copy.row->name, type, to, copy.temporary,
                                              copy.name, nullptr, &part, &in_flight));
  Witness& witness = copy.witness;
  copy.copied_bytes = written.copied_bytes;
  witness.cloned = written.cloned;
  fs::add_loss(witness.loss, written.loss);
  witness.shared = written.source.links > 1;
  keep_final_flags(copy, written.final_flags);
  witness.checksum = std::move(written.checksum);
  copy.read_back = std::move(written.read_back);
  witness.placed = written.placed;
  witness.attributes = written.attributes;
  if (written.proven) witness.proof = static_cast<std::uint8_t>(store::Proof::device);
  if (site_.plan.moves()) witness.source = written.source;
  if (witness.replaced && witness.placed->inode == witness.replaced->inode) {
    // The old version was removed meanwhile and its number given to our temporary: recovery could
    // not tell them apart.
    return to.error(ESTALE, "replace", copy.name);
  }
  if (written.content) md5_queue_.add(*std::move(written.content), witness.checksum);
  return success();
}

/// Set under the final name; a file with more names could not be linked any more.
void CopyBatch::keep_final_flags(Copy& copy, std::uint32_t flags) {
  if (flags == 0) return;
  if (copy.witness.shared) {
    fs::add_loss(copy.witness.loss,
                 "immutable and append-only flags not set: it has several names");
  } else {
    copy.witness.final_flags = flags;
  }
}

}  // namespace dunlin::files
