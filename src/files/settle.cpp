// After a crash: what of a batch of files is done, decided by looking at the destination.
//
// Inodes decide. The intent names the inode of our complete temporary and that of the old version.
// The old version is known by its inode alone: whatever was written into it meanwhile, it is never
// deleted. Ours must also have the size and time that we gave it, and the content.
#include <fcntl.h>

#include <algorithm>

#include "base/crash_point.h"
#include "files/copy_batch.h"
#include "fs/metadata.h"
#include "fs/placement.h"

namespace dunlin::files {

namespace {

bool is(const std::optional<fs::FileInfo>& there, const std::optional<fs::FileInfo>& known) {
  return there && known && there->inode == known->inode;
}

}  // namespace

/// Reports what is done, removes what earlier tries left, leaves all else pending.
Status CopyBatch::settle() {
  const auto root = site_.destination();
  // No destination root: nothing was ever begun there.
  if (!root.ok() && root.error().type == ErrorType::destination_changed) return success();
  DUNLIN_TRY(prepare());
  const bool doubted = context_.batch().doubted;
  if (doubted) DUNLIN_TRY(keep_recorded());
  DUNLIN_TRY(enter_recorded());
  for (const auto& [path, state] : reopened_) {
    DUNLIN_ASSIGN(const Handle directory, destination_->get(path));
    DUNLIN_TRY(context_.fence());
    DUNLIN_TRY(ReopenedDirectories::open(*directory, state));
  }
  // What had been done lies in directories that are finished.
  if (doubted && !rows_.empty()) DUNLIN_TRY(enter_all());
  const Status settled = settle_waiting();
  if (!settled.ok() && context_.cancel().reason() == CancelReason::stop) return settled;
  DUNLIN_TRY(leave_all());
  return settled;
}

Status CopyBatch::settle_waiting() {
  flush_ = std::make_unique<fs::BatchFlush>();
  DUNLIN_TRY(flush_->prepare(destination_->root()));
  DUNLIN_CRASH_POINT("files.settle.before");
  DUNLIN_TRY(each(Stage::waiting, &CopyBatch::settle_one));
  DUNLIN_TRY(flush_->flush_names());
  DUNLIN_CRASH_POINT("files.settle.after");
  const Status removed = remove_sources();
  report_ended();
  return removed;
}

Status CopyBatch::settle_one(Copy& copy) {
  auto directory = destination_of(copy);
  if (!directory.ok()) {
    // Not made yet (or gone): then there is nothing in it.
    if (!is_absent(directory.error())) return std::move(directory).error();
    if (context_.batch().doubted) return settle_doubted(copy, nullptr);
    return site_.plan.moves() ? settle_aside(copy, false) : success();
  }
  if (context_.batch().doubted) return settle_doubted(copy, directory->get());
  DUNLIN_TRY(flush_->prepare(**directory));
  bool done = false;
  if (!copy.row->intent.empty()) {
    DUNLIN_ASSIGN(Witness intent, decode_witness(copy.row->intent, copy.row->detail));
    intent.reopened.clear();
    copy.settled_removal = intent.removing;
    copy.name = intent.name.empty() ? copy.target : intent.name;
    if (intent.renamed) DUNLIN_TRY(settle_rename(copy, **directory, intent));
    if (!intent.chunks.empty()) {
      DUNLIN_TRY(settle_part(copy, **directory, intent));
    } else if (intent.placed) {
      DUNLIN_ASSIGN(done, find_done(copy, **directory, intent));
    }
    if (done) {
      const bool content = intent.placed->type == fs::EntryType::file && !intent.linked &&
                           !intent.renamed && !intent.to_source;
      copy.copied_bytes = content ? intent.placed->size : 0;
      copy.witness = std::move(intent);
      copy.stage = copy.witness.renamed ? Stage::moved : Stage::published;
    } else {
      copy.settled_removal = false;  // it will be copied anew, from a source that is there
    }
  }
  if (site_.plan.moves()) DUNLIN_TRY(settle_aside(copy, done));
  DUNLIN_TRY(remove_temporaries(copy, **directory));
  // Also what is gone has to stay gone: nobody looks for it again once the batch is pending.
  DUNLIN_TRY(flush_->directory_changed(**directory));
  if (done) DUNLIN_TRY(complete(copy, **directory));
  return success();
}

/// True when the final name is our file and may stay. Else the destination is brought back to what
/// it was before the try, as far as nobody else has changed it.
Result<bool> CopyBatch::find_done(Copy& copy, const fs::Directory& directory, Witness& intent) {
  const std::string temporary = temporary_name(context_.execution(), intent.epoch, copy.row->id);
  DUNLIN_ASSIGN(const auto at_name, directory.find(copy.name));
  DUNLIN_ASSIGN(const auto at_temporary, directory.find(temporary));
  // A link to its source is what it is, whatever was written through either name.
  const bool ours = intent.to_source ? is(at_name, intent.placed)
                                     : at_name && at_name->same_content_as(*intent.placed);
  Kept place;
  std::optional<fs::FileInfo> kept;
  if (intent.replaced) {
    const bool exchanged = is(at_temporary, intent.replaced);
    if (exchanged) DUNLIN_TRY(keep_exchanged(copy, directory, temporary, intent));
    auto found = kept_place(copy, intent, false);
    if (found.ok()) {
      place = *std::move(found);
    } else if (exchanged || !is_absent(found.error())) {
      return std::move(found).error();
    }
    if (place.folder) {
      // The process that put it there may have died before it flushed either name.
      DUNLIN_TRY(flush_->directory_changed(destination_->root()));
      DUNLIN_TRY(flush_->prepare(*place.folder));
      DUNLIN_TRY(flush_->directory_changed(*place.folder));
      DUNLIN_ASSIGN(kept, place.folder->find(place.name));
    }
  }
  if (ours) {
    DUNLIN_ASSIGN(const bool stays, still_holds(copy, directory, intent));
    if (stays) return true;
  }
  DUNLIN_TRY(take_away(copy, directory, intent, {at_name, ours, place, is(kept, intent.replaced)}));
  return false;
}

/// Whatever is wrong with a copy, the only one there is is not removed. A source that was set aside
/// gets its name back.
Status CopyBatch::source_is_there(const Copy& copy, const fs::Directory& to,
                                  const Witness& intent) {
  if (!site_.plan.moves()) return success();
  const auto from = source_->holder(copy.row->directory_path, copy.row->name);
  if (from.ok()) {
    DUNLIN_ASSIGN(const auto now, (*from)->find(copy.row->name));
    DUNLIN_ASSIGN(const auto aside, find_aside(copy, **from));
    if (aside && !now && aside->info.same_content_as(*intent.source)) {
      DUNLIN_TRY(flush_->prepare(**from));
      DUNLIN_TRY(fs::rename_new(**from, aside->name, **from, copy.row->name));
      return flush_->directory_changed(**from);
    }
    bool same = now.has_value();
    if (now && intent.removing) {
      DUNLIN_ASSIGN(same, as_copied(copy, **from, *now, intent));
    }
    if (same) return success();
  }
  return Error(ErrorType::in_doubt,
               to.shown(copy.name) +
                   " does not hold what was moved there, and its source is not there any more; it "
                   "was left as it is");
}

/// What stands under the final name is what the source held; and the source of a move has not
/// become another since.
Result<bool> CopyBatch::still_holds(Copy& copy, const fs::Directory& directory,
                                    const Witness& intent) {
  if (!intent.checksum.empty()) {
    copy.stage = Stage::published;
    Witness proven = intent;
    const auto holds = content_holds(directory, copy, proven);
    copy.stage = Stage::waiting;
    DUNLIN_TRY(holds);
    if (!*holds) {
      DUNLIN_TRY(source_is_there(copy, directory, intent));
      return false;
    }
  }
  DUNLIN_ASSIGN(const bool moved_on, source_moved_on(copy, intent));
  return !moved_on;
}

/// Our file goes, the old version comes back to its name. (A power cut took the content though the
/// flush had promised it; or the source of a move could not go.)
Status CopyBatch::take_away(const Copy& copy, const fs::Directory& directory, const Witness& intent,
                            const Placed& found) {
  DUNLIN_CHECK(!found.ours || !intent.renamed, "a renamed file would be removed");
  DUNLIN_TRY(flush_->prepare(directory));
  // No rename replaces a file by a directory: then ours goes first, and the name is absent between.
  const bool two_steps =
      intent.replaced && intent.replaced->type == fs::EntryType::directory && found.have_old;
  if (found.ours) {
    DUNLIN_TRY(context_.fence());
    if (intent.final_flags != 0) {
      DUNLIN_ASSIGN(const UniqueFd file, directory.open_file(copy.name, O_RDONLY));
      DUNLIN_TRY(fs::remove_final_flags(file.get(), directory, copy.name));
    }
    // Nothing takes its name where the old version is not kept any more.
    if (!intent.replaced || two_steps || !found.have_old)
      DUNLIN_TRY(directory.remove_file(copy.name));
    DUNLIN_TRY(flush_->directory_changed(directory));
  }
  if (!found.have_old) return success();
  DUNLIN_TRY(context_.fence());
  const auto& [folder, kept_name] = found.kept;
  if (is(found.at_name, intent.replaced)) {
    DUNLIN_TRY(folder->remove_file(kept_name));  // the second name of a replacement by link
  } else if (!found.at_name || (found.ours && two_steps)) {
    DUNLIN_TRY(fs::rename_new(*folder, kept_name, directory, copy.name));
  } else if (found.ours) {
    DUNLIN_TRY(fs::rename_over(*folder, kept_name, directory, copy.name));
  } else {
    return Error(ErrorType::destination_changed,
                 directory.shown(copy.name) +
                     " was changed by somebody else; its version before this execution is " +
                     folder->shown(kept_name));
  }
  DUNLIN_TRY(flush_->prepare(*folder));
  DUNLIN_TRY(flush_->directory_changed(*folder));
  return flush_->directory_changed(directory);
}

/// By name, for every epoch that may have left one: a scan would cost more and could meet others'.
Status CopyBatch::remove_temporaries(const Copy& copy, const fs::Directory& directory) {
  for (std::int64_t epoch = 1; epoch <= context_.epoch(); ++epoch) {
    DUNLIN_TRY(directory.remove_file(temporary_name(context_.execution(), epoch, copy.row->id)));
  }
  return success();
}

}  // namespace dunlin::files
