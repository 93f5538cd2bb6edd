// Large files that are copied in several lives of the process; see copy_batch.h and README.md,
// "Large files".
//
// While it is copied such a file stands under its temporary name like any other. A pause, and
// recovery after a crash, put it into the part folder; the next try takes it from there.
#include "base/crash_point.h"
#include "files/copy_batch.h"
#include "fs/placement.h"

namespace dunlin::files {

/// Opened anew each time: another batch may have removed it, or made it again. Under
/// Site::part_folder_mutex.
Result<CopyBatch::Handle> CopyBatch::part_folder(bool make) {
  const fs::Directory& root = destination_->root();
  const std::string name = part_folder_name(context_.execution());
  if (make) {
    const Status made = root.make_directory(name, 0700);
    if (!made.ok() && made.error().native.code != "EEXIST") return made.error();
    DUNLIN_TRY(flush_->prepare(root));
    DUNLIN_TRY(flush_->directory_changed(root));
  }
  auto opened = root.open_directory(name);
  if (!opened.ok() && !make && is_absent(opened.error())) return Handle();
  if (!opened.ok()) return std::move(opened).error();
  return std::make_shared<const fs::Directory>(std::move(opened).value());
}

/// What an earlier life has left of it stands under the temporary name of this one, and `copy.part`
/// says what it is worth. Nothing there: success, and `copy.part` stays empty.
Status CopyBatch::adopt_part(Copy& copy) {
  copy.part.reset();
  if (copy.row->intent.empty()) return success();
  DUNLIN_ASSIGN(Witness intent, decode_witness(copy.row->intent, copy.row->detail));
  if (intent.chunks.empty()) return success();
  const std::scoped_lock lock(site_.part_folder_mutex);
  DUNLIN_ASSIGN(const Handle folder, part_folder(false));
  if (!folder) return success();
  const std::string name = std::to_string(copy.row->id.value);
  DUNLIN_ASSIGN(const auto there, folder->find(name));
  if (!there) return success();
  DUNLIN_ASSIGN(const Handle to, destination_of(copy));
  DUNLIN_TRY(flush_->prepare(*to));
  DUNLIN_TRY(context_.fence());
  if (there->inode != intent.placed->inode || to->device() != folder->device() ||
      intent.chunk_bytes != to->features().chunk_bytes) {
    DUNLIN_TRY(folder->remove_file(name));
    return drop_part_folder();
  }
  DUNLIN_TRY(to->remove_file(copy.temporary));
  DUNLIN_TRY(fs::rename_new(*folder, name, *to, copy.temporary));
  copy.stage = Stage::written;  // there is a temporary to discard
  copy.part = std::make_unique<Witness>(std::move(intent));
  copy.part_recorded = true;
  copy.rename_refused = true;  // of a move: it was a copy before, and is one again
  return drop_part_folder();
}

/// When its last file is taken out, and not at the end: the times of the root are set once
/// everything is copied.
Status CopyBatch::drop_part_folder() {
  const fs::Directory& root = destination_->root();
  const Status removed = root.remove_directory(part_folder_name(context_.execution()));
  return removed.ok() || removed.error().native.code == "ENOTEMPTY" ? success() : removed;
}

/// `temporary` goes to the part folder, durable when the names are flushed. Where it cannot go (it
/// lies on a file system mounted inside the destination), it is removed and will begin anew.
Status CopyBatch::keep_part(const Copy& copy, const fs::Directory& to,
                            const std::string& temporary) {
  const std::scoped_lock lock(site_.part_folder_mutex);
  DUNLIN_ASSIGN(const Handle folder, part_folder(true));
  const std::string name = std::to_string(copy.row->id.value);
  DUNLIN_TRY(flush_->prepare(to));
  DUNLIN_TRY(context_.fence());
  DUNLIN_TRY(folder->remove_file(name));
  const Status moved = fs::rename_new(to, temporary, *folder, name);
  if (!moved.ok() && moved.error().native.code != "EXDEV") return moved;
  if (!moved.ok()) {
    DUNLIN_TRY(to.remove_file(temporary));
    DUNLIN_TRY(drop_part_folder());
    return flush_->directory_changed(to);
  }
  DUNLIN_TRY(flush_->prepare(*folder));
  DUNLIN_TRY(flush_->directory_changed(*folder));
  return flush_->directory_changed(to);
}

Status CopyBatch::keep_part(const Copy& copy) {
  DUNLIN_ASSIGN(const Handle to, destination_of(copy));
  return keep_part(copy, *to, copy.temporary);
}

/// After a crash: the temporary of whichever life wrote last is kept, if the ledger knows its
/// worth. A cancel removes the folder in the end.
Status CopyBatch::settle_part(const Copy& copy, const fs::Directory& to, const Witness& intent) {
  for (std::int64_t epoch = intent.epoch; epoch <= context_.epoch(); ++epoch) {
    const std::string temporary = temporary_name(context_.execution(), epoch, copy.row->id);
    DUNLIN_ASSIGN(const auto there, to.find(temporary));
    if (there && there->inode == intent.placed->inode) return keep_part(copy, to, temporary);
  }
  return success();
}

/// What EntryWriter is told of it: what is there already, and where to say how far it is.
Part CopyBatch::part_of(Copy& copy) {
  Part part;
  part.read_back = context_.settings().verification_level == engine::VerificationLevel::full;
  if (copy.part) {
    part.adopted = true;
    part.inode = copy.part->placed->inode;
    part.source = *copy.part->source;
    part.known = copy.part->chunks;
  }
  part.record = [this, &copy](const fs::FileInfo& source, const fs::FileInfo& temporary,
                              const fs::ChunkHashes& chunks, std::int64_t chunk_bytes) -> Status {
    Witness witness;
    witness.epoch = context_.epoch();
    witness.source = source;
    witness.placed = temporary;
    witness.chunks = chunks;
    witness.chunk_bytes = chunk_bytes;
    DUNLIN_TRY(context_.record_intents({{copy.row->id, intent_of(copy, witness)}}));
    copy.part_recorded = true;
    return success();
  };
  return part;
}

}  // namespace dunlin::files
