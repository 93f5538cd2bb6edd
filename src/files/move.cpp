// The move's own steps of a batch; see copy_batch.h and README.md, "Move".
//
// Within one file system the inode itself goes to its place by a rename. Across file systems the
// source is removed where its copy stands under its final name, durable and proven, and only while
// it still is what was copied.
#include "base/crash_point.h"
#include "files/copy_batch.h"
#include "files/first_error.h"
#include "fs/placement.h"

namespace dunlin::files {

namespace {

bool same_metadata(const fs::FileInfo& one, const fs::FileInfo& other) {
  return one.mode == other.mode && one.uid == other.uid && one.gid == other.gid;
}

}  // namespace

// ---- By a rename ----

/// True: the entry is moved by a rename, and the witness says so. Nothing has happened yet.
Result<bool> CopyBatch::prepare_rename(Copy& copy, const fs::Directory& from,
                                       const fs::Directory& to, const fs::FileInfo& source,
                                       const std::optional<fs::FileInfo>& there) {
  if (!site_.plan.moves()) return false;
  if (there && there->inode == source.inode && there->device == source.device) {
    Error error(ErrorType::destination_exists,
                from.shown(copy.row->name) + " and " + to.shown(copy.name) +
                    " are the same file: moving one onto the other would lose a name");
    error.remediation = "it is there already: remove the name that is not wanted with rm";
    return error;
  }
  if (source.device == to.device() && !copy.rename_refused) {
    copy.witness.placed = source;
    copy.witness.source = source;
    copy.witness.renamed = true;
    return true;
  }
  if (context_.settings().verification_level == engine::VerificationLevel::none) {
    return Error(ErrorType::unsupported_item,
                 from.shown(copy.row->name) +
                     " lies on another file system: it is not removed without a verification of "
                     "its copy (settings.verification_level)");
  }
  return false;
}

/// The order: fence, rename to the final name; where an old version stands, to the temporary name
/// and from there like a copy.
Status CopyBatch::publish_renamed(Copy& copy, const fs::Directory& to) {
  const std::string& name = copy.row->name;
  DUNLIN_ASSIGN(const Handle from, source_->holder(copy.row->directory_path, copy.row->name));
  DUNLIN_ASSIGN(const auto now, from->find(name));
  if (!now || !now->same_content_as(*copy.witness.placed))
    return Error(ErrorType::source_changed, from->shown(name) + " changed before it was moved");
  DUNLIN_TRY(context_.permits().acquire(0, 1, context_.cancel()));
  DUNLIN_TRY(context_.fence());
  const bool replaces = copy.witness.replaced.has_value();
  const Status renamed =
      replaces ? fs::rename_new(*from, name, to, copy.temporary) : place_new(copy, *from, name, to);
  const std::string& first_name = replaces ? copy.temporary : copy.name;
  if (!renamed.ok() && renamed.error().native.code == "EXDEV") {
    copy.rename_refused = true;  // a bind mount, a project quota: only the kernel knows before
    copy.stage = Stage::waiting;
    return success();
  }
  DUNLIN_TRY(renamed);
  DUNLIN_TRY(flush_->prepare(*from));
  DUNLIN_TRY(flush_->prepare(to));
  DUNLIN_TRY(flush_->directory_changed(*from));
  DUNLIN_TRY(flush_->directory_changed(to));
  DUNLIN_ASSIGN(const auto moved, to.find(first_name));
  if (!moved || !moved->same_content_as(*copy.witness.placed)) {
    DUNLIN_TRY(fs::rename_new(to, first_name, *from, name));
    return Error(ErrorType::source_changed, from->shown(name) + " changed while it was moved");
  }
  if (replaces) {
    DUNLIN_TRY(place_over(copy, to));
  }
  copy.stage = Stage::moved;
  return complete(copy, to);
}

/// The file itself may stand under the temporary name: it goes back to its own. Also after a
/// take-over, without a fence: nobody else looks for a name of this epoch.
Status CopyBatch::bring_back(const Copy& copy, const Witness& intent) {
  const std::string temporary = temporary_name(context_.execution(), intent.epoch, copy.row->id);
  DUNLIN_ASSIGN(const Handle to, destination_of(copy));
  DUNLIN_ASSIGN(const auto there, to->find(temporary));
  if (!there || there->inode != intent.placed->inode) return success();
  DUNLIN_ASSIGN(const Handle from, source_->holder(copy.row->directory_path, copy.row->name));
  const Status back = fs::rename_new(*to, temporary, *from, copy.row->name);
  if (!back.ok()) {
    return Error(ErrorType::in_doubt, from->shown(copy.row->name) + " could not be put back: " +
                                          back.error().message + "; it is " + to->shown(temporary));
  }
  DUNLIN_TRY(flush_->prepare(*from));
  DUNLIN_TRY(flush_->directory_changed(*from));
  return flush_->directory_changed(*to);
}

/// After a crash: what a rename by two links left under both names has one name again.
Status CopyBatch::settle_rename(const Copy& copy, const fs::Directory& to, const Witness& intent) {
  DUNLIN_TRY(bring_back(copy, intent));
  const auto from = source_->holder(copy.row->directory_path, copy.row->name);
  if (!from.ok()) return is_absent(from.error()) ? success() : Status(from.error());
  DUNLIN_TRY(flush_->prepare(**from));
  DUNLIN_TRY(flush_->directory_changed(**from));
  DUNLIN_ASSIGN(const auto at_source, (*from)->find(copy.row->name));
  DUNLIN_ASSIGN(const auto at_name, to.find(copy.name));
  const auto ours = [&](const std::optional<fs::FileInfo>& there) {
    return there && there->inode == intent.placed->inode;
  };
  if (!ours(at_source) || !ours(at_name)) return success();
  DUNLIN_TRY(context_.fence());
  return (*from)->remove_file(copy.row->name);
}

// ---- By a copy ----

/// The source now, compared with what was copied. Names of a set of hard links that went before it
/// have moved its time of change, and so has setting it aside in a process that died: then the
/// content is read again.
Result<bool> CopyBatch::as_copied(const Copy& copy, const fs::Directory& from,
                                  const fs::FileInfo& now, const Witness& witness) {
  const fs::FileInfo& then = *witness.source;
  if (now.type != then.type || !now.same_content_as(then)) return false;
  // Of a link `then` was looked at after the content had been copied under the set's first name.
  if (now.ctime == then.ctime && !witness.linked) return true;
  const bool may_have_moved = witness.shared || witness.linked || copy.settled_removal;
  if (!may_have_moved || !same_metadata(now, then)) return false;
  if (now.type != fs::EntryType::file) return true;  // nothing in it can be written
  if (witness.checksum.empty()) return false;
  DUNLIN_ASSIGN(fs::HashSet hashes, fs::HashSet::create(hashes_));
  DUNLIN_ASSIGN(const fs::FileSystemTraits traits, fs::traits_of(from));
  // A pause does not end it: what is published has to be brought to its end.
  UnlimitedPermits permits;
  const CancelToken never;
  DUNLIN_TRY(fs::read_back(from, copy.row->name, traits, hashes, {permits, never, {}}));
  return hashes.finish() == witness.checksum;
}

/// At recovery: a source that is there and is no longer what was copied has to be copied again. Not
/// once its removal had begun: then it may be another file, and the copy the only one there is.
Result<bool> CopyBatch::source_moved_on(const Copy& copy, const Witness& intent) {
  if (!site_.plan.moves() || intent.renamed || intent.removing) return false;
  const auto from = source_->holder(copy.row->directory_path, copy.row->name);
  if (!from.ok()) {
    if (is_absent(from.error())) return false;
    return from.error();
  }
  DUNLIN_ASSIGN(const auto now, (*from)->find(copy.row->name));
  DUNLIN_ASSIGN(const auto aside, find_aside(copy, **from));
  // What stands under its name since it was set aside is another file.
  if (aside && !(now && now->inode == aside->info.inode))
    return !aside->info.same_content_as(*intent.source);
  if (!now) return false;
  DUNLIN_ASSIGN(const bool same, as_copied(copy, **from, *now, intent));
  return !same;
}

/// A process that died has left at most one: the next one settles it before it makes another.
Result<std::optional<CopyBatch::Aside>> CopyBatch::find_aside(const Copy& copy,
                                                              const fs::Directory& from) {
  for (std::int64_t epoch = 1; epoch <= context_.epoch(); ++epoch) {
    Aside aside{temporary_name(context_.execution(), epoch, copy.row->id), {}};
    DUNLIN_ASSIGN(const auto there, from.find(aside.name));
    if (!there) continue;
    aside.info = *there;
    return std::optional(std::move(aside));
  }
  return std::optional<Aside>();
}

/// Every source of what is published, and their directories flushed. What could not be removed is
/// taken away at the destination again, so that a failed item is as it was.
Status CopyBatch::remove_sources() {
  if (!site_.plan.moves()) return success();
  DUNLIN_TRY(record_removals());
  DUNLIN_CRASH_POINT("files.remove_sources.before");
  Status removed = each(Stage::published, &CopyBatch::remove_source);
  // A pause or a cancel ends that wave; what is published is brought to its end all the same, for
  // nobody would take it back.
  for (Copy* copy : in_stage(Stage::published)) {
    if (context_.cancel().reason() == CancelReason::stop) return removed;
    const Status one = remove_source(*copy);
    if (one.ok()) continue;
    if (ends_the_process(one.error())) return one;
    fail(*copy, one.error());
  }
  DUNLIN_TRY(flush_->flush_names());
  DUNLIN_CRASH_POINT("files.remove_sources.after");
  return removed;
}

/// Durable before the first of them goes: recovery then knows that a source may be gone, and what
/// stands under its name somebody's.
Status CopyBatch::record_removals() {
  std::vector<engine::ItemIntent> intents;
  for (Copy* copy : in_stage(Stage::published)) {
    if (copy->witness.removing) continue;  // recorded before a crash
    copy->witness.removing = true;
    intents.push_back({copy->row->id, intent_of(*copy, copy->witness)});
  }
  return intents.empty() ? success() : context_.record_intents(std::move(intents));
}

Status CopyBatch::remove_source(Copy& copy) {
  const auto from = source_->holder(copy.row->directory_path, copy.row->name);
  if (!from.ok() && !is_absent(from.error())) return from.error();
  std::optional<fs::FileInfo> now;
  if (from.ok()) {
    DUNLIN_ASSIGN(now, (*from)->find(copy.row->name));
  }
  if (!now) {
    copy.stage = Stage::moved;  // before a crash, or by somebody: as wanted
    return success();
  }
  DUNLIN_TRY(flush_->prepare(**from));
  DUNLIN_ASSIGN(const Handle to, destination_of(copy));
  DUNLIN_ASSIGN(const bool same, as_copied(copy, **from, *now, copy.witness));
  if (!same && copy.settled_removal) {
    fs::add_loss(copy.witness.loss, "another file stands at the source now, and stays");
    copy.stage = Stage::moved;
    return success();
  }
  const Status removed =
      same ? remove_as_copied(copy, **from, *to)
           : Status(Error(ErrorType::source_changed,
                          (*from)->shown(copy.row->name) + " changed after it was copied"));
  DUNLIN_TRY(flush_->directory_changed(**from));
  if (removed.ok()) {
    copy.stage = Stage::moved;
    return success();
  }
  if (ends_the_process(removed.error())) return removed;
  return refuse(copy, **from, *to, removed.error());
}

/// Set aside, looked at once more, removed: what is put under the name in the last instant is not
/// removed with it. And where both paths lead to one file (one server mounted twice), the copy is
/// gone with the name: then it comes back.
Status CopyBatch::remove_as_copied(const Copy& copy, const fs::Directory& from,
                                   const fs::Directory& to) {
  const std::string& name = copy.row->name;
  DUNLIN_TRY(context_.fence());
  DUNLIN_TRY(fs::rename_new(from, name, from, copy.temporary));
  DUNLIN_CRASH_POINT("files.source_aside.after");
  const auto aside = from.find(copy.temporary);
  const auto placed = to.find(copy.name);
  const bool as_it_was = aside.ok() && *aside && (*aside)->same_content_as(*copy.witness.source);
  const bool there = placed.ok() && *placed && (*placed)->same_content_as(*copy.witness.placed);
  Status removed = as_it_was && there
                       ? from.remove_file(copy.temporary)
                       : Status(Error(ErrorType::source_changed,
                                      from.shown(name) + " changed while it was removed"));
  if (removed.ok()) return removed;
  DUNLIN_TRY(fs::rename_new(from, copy.temporary, from, name));
  return removed;
}

/// The copy goes again, unless it is the only one.
Status CopyBatch::refuse(Copy& copy, const fs::Directory& from, const fs::Directory& to,
                         const Error& error) {
  DUNLIN_ASSIGN(const auto still, from.find(copy.row->name));
  if (!still) {
    return Error(ErrorType::in_doubt, error.message + "; its copy " + to.shown(copy.name) +
                                          " stays, because the source is not there any more");
  }
  DUNLIN_TRY(flush_->prepare(to));
  Placed found;
  DUNLIN_ASSIGN(found.at_name, to.find(copy.name));
  found.ours = found.at_name && found.at_name->same_content_as(*copy.witness.placed);
  if (copy.witness.replaced) {
    DUNLIN_ASSIGN(found.kept, kept_place(copy, copy.witness, false));
    DUNLIN_ASSIGN(const auto kept, found.kept.folder->find(found.kept.name));
    found.have_old = kept && kept->inode == copy.witness.replaced->inode;
  }
  DUNLIN_TRY(take_away(copy, to, copy.witness, found));
  copy.refusal = error;
  copy.stage = Stage::refused;
  return success();
}

/// After a crash between setting aside and removing: the file is removed when its copy stands and
/// it is what was copied; else it gets its name back.
Status CopyBatch::settle_aside(const Copy& copy, bool done) {
  const auto from = source_->holder(copy.row->directory_path, copy.row->name);
  if (!from.ok()) return is_absent(from.error()) ? success() : Status(from.error());
  DUNLIN_ASSIGN(const auto aside, find_aside(copy, **from));
  if (!aside) return success();
  DUNLIN_TRY(flush_->prepare(**from));
  DUNLIN_TRY(flush_->directory_changed(**from));
  DUNLIN_TRY(context_.fence());
  DUNLIN_ASSIGN(const auto now, (*from)->find(copy.row->name));
  const bool both_names = now && now->inode == aside->info.inode;  // a rename by two links
  if (both_names || (done && aside->info.same_content_as(*copy.witness.source)))
    return (*from)->remove_file(aside->name);
  const Status back = fs::rename_new(**from, aside->name, **from, copy.row->name);
  if (back.ok()) return back;
  return Error(ErrorType::in_doubt, (*from)->shown(copy.row->name) +
                                        " could not be put back: " + back.error().message +
                                        "; it is " + (*from)->shown(aside->name));
}

}  // namespace dunlin::files
