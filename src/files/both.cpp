// Two versions that are both kept, and links to sources; see copy_batch.h and README.md, "Both".
#include <fcntl.h>

#include "files/copy_batch.h"
#include "files/free_name.h"
#include "fs/inode.h"
#include "fs/placement.h"

namespace dunlin::files {

using engine::ItemRow;

// ---- Numbered names ----

/// The first numbered name that is free at the destination and that no entry of the source has:
/// that one will come for it. `same` says of one that is taken that it is what would be put there.
Result<CopyBatch::FreeName> CopyBatch::free_name(
    const ItemRow& row, const std::string& target, const fs::Directory& to,
    const std::function<bool(const fs::FileInfo&)>& same) {
  for (int number = 2; number <= kNumbersMax; ++number) {
    // Who tries again and again comes by here: somebody who is always faster must not keep a pause
    // from coming.
    DUNLIN_TRY(context_.cancel().check());
    FreeName candidate{numbered_name(target, number), false};
    DUNLIN_ASSIGN(const auto there, to.find(candidate.name));
    candidate.same = there && same && same(*there);
    if (candidate.same) return candidate;
    if (there) continue;
    DUNLIN_ASSIGN(const bool wanted, source_->has_entry(row.directory_path, candidate.name));
    if (wanted) continue;
    return candidate;
  }
  return Error(ErrorType::destination_exists, to.shown(target) + ": " +
                                                  std::to_string(kNumbersMax) +
                                                  " numbered names beside it are taken");
}

/// Somebody was faster: the next free one, on record before anything gets it, so that recovery
/// finds what is ours and never makes a third.
Status CopyBatch::choose_again(Copy& copy, const fs::Directory& to, Witness& witness) {
  DUNLIN_ASSIGN(FreeName free, free_name(*copy.row, copy.target, to, nullptr));
  if (witness.replaced) {
    witness.aside = std::move(free.name);
  } else {
    copy.name = witness.name = std::move(free.name);
  }
  return context_.record_intents({{copy.row->id, intent_of(copy, witness)}});
}

/// Where the old version is kept: in the undo folder, or beside the new one.
Result<CopyBatch::Kept> CopyBatch::kept_place(const Copy& copy, const Witness& witness, bool make) {
  if (!witness.aside.empty()) {
    DUNLIN_ASSIGN(Handle beside, destination_of(copy));
    return Kept{std::move(beside), witness.aside};
  }
  DUNLIN_ASSIGN(Handle undo, undo_folder(make));
  return Kept{std::move(undo), std::to_string(copy.row->id.value)};
}

bool CopyBatch::name_taken(const Status& placed) const {
  const bool both =
      site_.plan.conflict == Conflict::keep_both || site_.plan.conflict == Conflict::rename;
  return both && !placed.ok() && placed.error().native.code == "EEXIST";
}

/// rename_new() to the final name; with keep_both to the next one where somebody took it meanwhile.
Status CopyBatch::place_new(Copy& copy, const fs::Directory& from, const std::string& name,
                            const fs::Directory& to) {
  while (true) {
    DUNLIN_TRY(context_.fence());
    Status placed = fs::rename_new(from, name, to, copy.name);
    if (!name_taken(placed) || site_.plan.conflict != Conflict::keep_both) return placed;
    DUNLIN_TRY(choose_again(copy, to, copy.witness));
  }
}

/// The temporary takes the name, the old version goes where it is kept.
Status CopyBatch::place_over(Copy& copy, const fs::Directory& to) {
  while (true) {
    DUNLIN_ASSIGN(const Kept kept, kept_place(copy, copy.witness, true));
    DUNLIN_TRY(context_.fence());
    Status placed = fs::replace_keeping(to, copy.temporary, copy.name, *copy.witness.replaced,
                                        *kept.folder, kept.name);
    if (!copy.witness.aside.empty() && name_taken(placed)) {
      DUNLIN_TRY(choose_again(copy, to, copy.witness));
      continue;
    }
    DUNLIN_TRY(placed);
    DUNLIN_TRY(flush_->prepare(*kept.folder));
    return flush_->directory_changed(*kept.folder);
  }
}

/// After a crash between the two: the old version stands under the temporary's name.
Status CopyBatch::keep_exchanged(Copy& copy, const fs::Directory& directory,
                                 const std::string& temporary, Witness& intent) {
  while (true) {
    DUNLIN_ASSIGN(const Kept kept, kept_place(copy, intent, true));
    Status moved = fs::rename_new(directory, temporary, *kept.folder, kept.name);
    if (intent.aside.empty() || !name_taken(moved)) return moved;
    DUNLIN_TRY(choose_again(copy, directory, intent));
  }
}

// ---- Links to sources ----

/// A further name of the source itself, by the inode that was looked at: what is put under its name
/// meanwhile is not linked. Nothing is set through it, for it would be set at the source.
Status CopyBatch::write_source_link(Copy& copy, const fs::Directory& from, const fs::Directory& to,
                                    const fs::FileInfo& source) {
  const std::string& name = copy.row->name;
  DUNLIN_TRY(to.remove_file(copy.temporary));
  DUNLIN_ASSIGN(const UniqueFd node, fs::open_node(from, name));
  DUNLIN_ASSIGN(const fs::FileInfo held, fs::info_of(node.get(), from.shown(name), from.side()));
  if (held.type != source.type || held.inode != source.inode || held.device != source.device)
    return from.error(ESTALE, "link to", name);
  DUNLIN_TRY(context_.fence());
  Status linked = fs::make_link(node.get(), to, copy.temporary);
  if (!linked.ok()) return not_to_be_linked(from, name, linked.error());
  DUNLIN_ASSIGN(const fs::FileInfo placed, to.info(copy.temporary));
  if (placed.inode != held.inode || placed.device != held.device)
    return from.error(ESTALE, "link to", name);
  copy.witness.placed = placed;
  copy.witness.to_source = true;
  return success();
}

Error CopyBatch::not_to_be_linked(const fs::Directory& from, const std::string& name, Error error) {
  const std::string& code = error.native.code;
  if (code == "EPERM") {
    error.type = ErrorType::permission_denied;
    error.message = from.shown(name) + " may not be linked to: " + error.message;
    error.remediation =
        "run as its owner or as root (fs.protected_hardlinks forbids links to files of others; an "
        "immutable or append-only file has none either), or copy without --link";
  } else if (code == "EXDEV" || code == "EOPNOTSUPP" || code == "ENOSYS") {
    error.type = ErrorType::unsupported_item;
    error.message = from.shown(name) + " lies on another file system: " + error.message;
    error.remediation = "copy it without --link";
  }
  return error;
}

}  // namespace dunlin::files
