// What had been done, and is in doubt (`dunlin resume --from-batch`): see copy_batch.h and
// README.md, "In doubt".
//
// Unlike after a crash, the source may be gone for long, and what stands at the destination may be
// the only copy there is: it is taken away only where it can be done again. What does not hold and
// cannot be is called done, as it was, without a proof: the comparison at the end names it, and a
// rollback finds what it would have found before.
#include <fcntl.h>

#include "files/copy_batch.h"
#include "files/first_error.h"
#include "fs/metadata.h"

namespace dunlin::files {

using engine::ItemRow;

/// What was recorded of an item stands in its row and in its undo data; whatever is reported of it
/// replaces both. So it goes into its intent first, whole.
Status CopyBatch::keep_recorded() {
  std::vector<engine::ItemIntent> intents;
  for (ItemRow& row : rows_) {
    if (row.intent.empty()) continue;
    DUNLIN_ASSIGN(Witness intent, decode_witness(row.intent, row.detail));
    if (intent.checksum.empty()) intent.checksum = row.checksum;
    if (intent.proof == 0) intent.proof = static_cast<std::uint8_t>(row.proof);
    if (intent.loss.empty() && intent.aside.empty() && row.attempt == 0) intent.loss = row.message;
    row.intent = encode(intent);
    intents.push_back({row.id, row.intent});
  }
  return intents.empty() ? success() : context_.record_intents(std::move(intents));
}

/// `directory`: where it belongs; nullptr: that is not there any more. No error is one of the item:
/// it stays what it was, and is named.
Status CopyBatch::settle_doubted(Copy& copy, const fs::Directory* directory) {
  if (copy.row->intent.empty()) return success();
  DUNLIN_ASSIGN(Witness intent, decode_witness(copy.row->intent, copy.row->detail));
  if (!intent.placed || !intent.chunks.empty()) return success();
  intent.reopened.clear();
  copy.name = intent.name.empty() ? copy.target : intent.name;
  const Status settled = look_again(copy, directory, intent);
  if (settled.ok() || ends_the_process(settled.error())) return settled;
  leave_as_it_is(copy, std::move(intent), settled.error());
  return success();
}

Status CopyBatch::look_again(Copy& copy, const fs::Directory* directory, Witness& intent) {
  Placed found;
  if (directory != nullptr) {
    DUNLIN_TRY(flush_->prepare(*directory));
    DUNLIN_ASSIGN(found.at_name, directory->find(copy.name));
  }
  if (found.at_name) {
    DUNLIN_ASSIGN(const bool holds, still_as_done(copy, *directory, *found.at_name, intent));
    if (holds) return call_done(copy, *directory, std::move(intent));
    // Another inode with its size and time is what somebody has put back.
    const fs::FileInfo& placed = *intent.placed;
    found.ours = intent.to_source ? found.at_name->inode == placed.inode
                                  : !intent.renamed && found.at_name->type == placed.type &&
                                        found.at_name->size == placed.size &&
                                        found.at_name->mtime == placed.mtime;
  }
  if (intent.replaced) {
    const auto place = kept_place(copy, intent, false);
    if (!place.ok() && !is_absent(place.error())) return place.error();
    if (place.ok()) {
      found.kept = *place;
      DUNLIN_ASSIGN(const auto kept, place->folder->find(place->name));
      found.have_old = kept && kept->inode == intent.replaced->inode;
    }
  }
  if (found.at_name && !found.ours && found.have_old)
    return Error(ErrorType::in_doubt,
                 directory->shown(copy.name) + " is somebody else's now; it was left as it is");
  if (!can_be_done_again(copy))
    return Error(
        ErrorType::in_doubt,
        (directory != nullptr ? directory->shown(copy.name) : copy.name) +
            (found.at_name ? " does not hold what was put there" : " is not there any more") +
            ", and its source is gone or cannot be read; it was left as it is");
  if (directory == nullptr) return success();
  DUNLIN_TRY(take_away(copy, *directory, intent, found));
  return flush_->directory_changed(*directory);
}

/// What stands there is what was put there. One that has another inode (of a restored volume, of a
/// file system that gives them anew) is known by its content, and taken for ours from then on.
Result<bool> CopyBatch::still_as_done(Copy& copy, const fs::Directory& directory,
                                      const fs::FileInfo& there, Witness& intent) {
  const fs::FileInfo& placed = *intent.placed;
  const bool same_inode = there.inode == placed.inode;
  if (intent.to_source) return same_inode;
  if (there.type != placed.type || there.size != placed.size || there.mtime != placed.mtime)
    return false;
  DUNLIN_ASSIGN(const auto of_first, is_inode_of_first(copy, intent));
  if (of_first == false) return false;
  if (intent.checksum.empty() || (of_first == true && same_inode)) return same_inode;
  copy.stage = Stage::published;
  Witness proven = intent;
  const auto content = content_holds(directory, copy, proven);
  copy.stage = Stage::waiting;
  if (!content.ok() && content.error().type == ErrorType::permission_denied)
    return same_inode;  // its mode forbids to read it, as it did when it was written
  if (!content.ok() && content.error().type == ErrorType::write_error)
    return false;  // the device cannot give it back
  DUNLIN_TRY(content);
  if (!*content) return false;
  intent.placed->inode = there.inode;
  intent.changed = fs::Time();  // by what was read, it is what it is now
  return true;
}

/// Of a link: is it the inode that stands under the first name of its set? False as well where that
/// one was in doubt and did not hold: it will be another. (Batches of links are settled after all
/// others.) nullopt: nobody can say, so its own content does.
Result<std::optional<bool>> CopyBatch::is_inode_of_first(const Copy& copy, const Witness& intent) {
  if (!intent.linked || site_.plan.moves()) return std::optional<bool>();
  DUNLIN_ASSIGN(const Detail detail, decode_detail(copy.row->detail));
  DUNLIN_ASSIGN(const ItemRow first, context_.item(detail.first));
  const bool pending = first.status == engine::ItemStatus::pending;
  const bool counts = pending || first.status == engine::ItemStatus::completed ||
                      first.status == engine::ItemStatus::skipped;
  if (!counts) return std::optional<bool>();
  const auto unknown = pending ? std::optional(false) : std::optional<bool>();
  const auto directory = destination_->get(first.directory_path);
  if (!directory.ok()) return unknown;
  DUNLIN_ASSIGN(const std::string name, site_.placed_name(first));
  DUNLIN_ASSIGN(const auto there, (*directory)->find(name));
  return there ? std::optional(there->inode == intent.placed->inode) : unknown;
}

/// Could a try begin now: is there a source of the same kind that can be read?
bool CopyBatch::can_be_done_again(const Copy& copy) const {
  const auto detail = decode_detail(copy.row->detail);
  const auto from = source_->holder(copy.row->directory_path, copy.row->name);
  if (!detail.ok() || !from.ok() || !site_.check_sources().ok()) return false;
  const auto there = (*from)->find(copy.row->name);
  if (!there.ok() || !*there || (*there)->type != detail->info.type) return false;
  if ((*there)->type != fs::EntryType::file) return true;
  return (*from)->open_file(copy.row->name, O_RDONLY).ok();
}

/// Its source, if it has one again, is somebody's: a move removes nothing here.
void CopyBatch::end_as_done(Copy& copy, Witness intent) {
  const bool content = intent.placed->type == fs::EntryType::file && !intent.linked &&
                       !intent.renamed && !intent.to_source;
  copy.copied_bytes = content ? intent.placed->size : 0;
  copy.witness = std::move(intent);
  copy.stage = site_.plan.moves() ? Stage::moved : Stage::published;
}

Status CopyBatch::call_done(Copy& copy, const fs::Directory& directory, Witness intent) {
  const fs::Time recorded = intent.changed;
  end_as_done(copy, std::move(intent));
  DUNLIN_TRY(complete(copy, directory));
  // Nothing was read that would vouch for it as it is now.
  if (recorded != fs::Time() && copy.witness.final_flags == 0) copy.witness.changed = recorded;
  return flush_->directory_changed(directory);
}

void CopyBatch::leave_as_it_is(Copy& copy, Witness intent, Error why) {
  intent.proof = 0;
  end_as_done(copy, std::move(intent));
  copy.doubt = std::move(why);
}

}  // namespace dunlin::files
