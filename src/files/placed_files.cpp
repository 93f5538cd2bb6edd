// Comparing and taking back; see placed_files.h.
#include "files/placed_files.h"

#include <fcntl.h>

#include <mutex>
#include <span>

#include "base/crash_point.h"
#include "files/attributes.h"
#include "files/first_error.h"
#include "files/opened_directories.h"
#include "files/source_restorer.h"
#include "fs/copy.h"
#include "fs/flush.h"
#include "fs/metadata.h"
#include "fs/placement.h"

namespace dunlin::files {

using engine::ItemOutcome;
using engine::ItemRow;
using engine::ItemStatus;

// ---- verify ----

Status PlacedFiles::verify() {
  DUNLIN_ASSIGN(auto rows, context_.items());
  FirstError ended;
  const Status status = context_.for_each_item(rows, [&](ItemRow& row) {
    auto found = difference(row);
    if (!found.ok() && ends_the_process(found.error())) {
      ended.note(std::move(found).error());
    } else if (!found.ok()) {
      context_.report_difference(row.id, std::move(found).error());
    } else if (*found) {
      context_.report_difference(row.id, **found);
    } else {
      context_.report_equal(row.id);
    }
  });
  DUNLIN_TRY(ended.status());
  return status;
}

Result<std::optional<Error>> PlacedFiles::difference(const ItemRow& row) {
  DUNLIN_ASSIGN(const Witness witness, decode_witness(row.undo, row.detail));
  DUNLIN_ASSIGN(const std::string name, name_of(row, witness));
  DUNLIN_ASSIGN(fs::DirectoryCache* const root, site_.destination());
  const auto directory = root->get(row.directory_path);
  std::optional<fs::FileInfo> there;
  if (directory.ok()) {
    DUNLIN_ASSIGN(there, (*directory)->find(name));
  } else if (!is_absent(directory.error())) {
    return directory.error();
  }
  const auto differs = [&](std::string_view what) {
    const std::string path = row.directory_path.empty() ? name : row.directory_path + "/" + name;
    return std::optional(Error(ErrorType::verification_mismatch,
                               root->root().shown(path) + ": " + std::string(what)));
  };
  if (!there) return differs("it is not there any more");
  const fs::FileInfo& placed = *witness.placed;
  if (there->type != placed.type) return differs("it is of another type now");
  // What is written through either name shows under both: that is what a link is for.
  if (witness.to_source) {
    if (there->inode == placed.inode) return std::optional<Error>();
    return differs("it is no hard link to its source any more");
  }
  if (there->size != placed.size) return differs("the size was changed");
  if (there->mtime != placed.mtime) return differs("the time was changed");
  if (there->mode != placed.mode) return differs("the mode was changed");
  if (there->uid != placed.uid || there->gid != placed.gid) return differs("the owner was changed");
  if (there->special_device != placed.special_device)
    return differs("it is another device node now");
  if (witness.linked) {
    DUNLIN_ASSIGN(const bool still, still_linked(row, *there));
    if (!still) return differs("it is no hard link to the first name of its set any more");
  }
  // No content was read for a rename: what vouches for it is that nobody has touched the inode.
  if (witness.renamed && !witness.shared && there->ctime != witness.changed)
    return differs("it was touched since it was moved, and its content was never recorded");
  if (!witness.linked && !witness.renamed &&
      (witness.attributes != 0 || witness.final_flags != 0 || context_.compare_anew())) {
    DUNLIN_ASSIGN(const auto attributes, attributes_differ(**directory, name, witness));
    if (attributes) return differs(*attributes);
  }
  const bool proven = row.proof == store::Proof::device || row.proof == store::Proof::evicted;
  const bool full = context_.settings().verification_level == engine::VerificationLevel::full;
  if (full && !witness.linked && !row.checksum.empty() && (context_.compare_anew() || !proven)) {
    DUNLIN_ASSIGN(const bool other, content_differs(**directory, name, row, witness));
    if (other) return differs("the content is not what was read from the source");
  }
  return std::optional<Error>();
}

Result<bool> PlacedFiles::still_linked(const ItemRow& row, const fs::FileInfo& there) {
  DUNLIN_ASSIGN(const Detail detail, decode_detail(row.detail));
  DUNLIN_ASSIGN(const ItemRow first, context_.item(detail.first));
  DUNLIN_ASSIGN(fs::DirectoryCache* const root, site_.destination());
  const auto directory = root->get(first.directory_path);
  if (!directory.ok()) return false;
  DUNLIN_ASSIGN(const std::string first_name, site_.placed_name(first));
  DUNLIN_ASSIGN(const auto first_there, (*directory)->find(first_name));
  return first_there && first_there->device == there.device && first_there->inode == there.inode;
}

Result<std::optional<std::string>> PlacedFiles::attributes_differ(const fs::Directory& directory,
                                                                  const std::string& name,
                                                                  const Witness& witness) {
  // Flags need a file that is opened; without the right to read it, there are still the attributes.
  auto file = witness.placed->type == fs::EntryType::file
                  ? directory.open_file(name, O_RDONLY | O_NOATIME)
                  : fs::open_node(directory, name);
  bool path_only = witness.placed->type != fs::EntryType::file;
  if (!file.ok() && file.error().type == ErrorType::permission_denied) {
    file = fs::open_node(directory, name);
    path_only = true;
  }
  if (!file.ok()) return std::move(file).error();
  return attributes_difference({file->get(), path_only}, witness, site_.plan.preserve, directory,
                               name);
}

Result<bool> PlacedFiles::content_differs(const fs::Directory& directory, const std::string& name,
                                          const ItemRow& row, const Witness& witness) {
  DUNLIN_ASSIGN(fs::HashSet hashes, fs::HashSet::create(site_.plan.hashes));
  if (witness.placed->type == fs::EntryType::symlink) {
    DUNLIN_ASSIGN(const std::string target, directory.read_link(name));
    hashes.update(std::as_bytes(std::span(target)));
  } else {
    DUNLIN_ASSIGN(const fs::FileSystemTraits traits, fs::traits_of(directory));
    engine::ItemInFlight in_flight(context_.in_flight(), row, engine::ItemPhase::verifying,
                                   witness.placed->size);
    const auto tell = [&in_flight](std::int64_t bytes) { in_flight.advance(bytes); };
    DUNLIN_TRY(fs::read_back(directory, name, traits, hashes,
                             {context_.permits(), context_.cancel(), tell}));
  }
  return hashes.finish() != row.checksum;
}

// ---- undo ----

Status PlacedFiles::undo() {
  DUNLIN_ASSIGN(auto rows, context_.items());
  DUNLIN_ASSIGN(fs::DirectoryCache* const root, site_.destination());
  fs::BatchFlush flush;
  DUNLIN_TRY(flush.prepare(root->root()));
  std::mutex mutex;
  std::vector<ItemOutcome> outcomes;
  FirstError ended;
  SourceDirectories sources(site_, context_, flush);
  OpenedDirectories opened(site_, context_, flush);
  DUNLIN_CRASH_POINT("files.undo.before");
  if (context_.undoes_part()) {
    if (site_.plan.moves()) DUNLIN_TRY(make_source_directories(rows, sources));
    DUNLIN_TRY(opened.open(rows));
  }
  if (site_.plan.moves()) {
    DUNLIN_TRY(refuse_changed(rows));
    DUNLIN_TRY(SourceRestorer(site_, context_).restore(rows));
  }
  Status status = context_.for_each_item(rows, [&](ItemRow& row) {
    if (ended.seen()) return;
    Status taken = take_back(row);
    if (taken.ok()) taken = changed_names(row, flush);
    ItemOutcome outcome;
    outcome.item = row.id;
    outcome.status = ItemStatus::rolled_back;
    if (!taken.ok()) {
      if (ends_the_process(taken.error())) {
        ended.note(std::move(taken).error());
        return;
      }
      outcome.status = ItemStatus::failed;
      outcome.error = std::move(taken).error();
    }
    const std::scoped_lock lock(mutex);
    outcomes.push_back(std::move(outcome));
  });
  if (ended.seen()) status = ended.status();
  if (context_.cancel().reason() == CancelReason::stop) return status;
  if (!status.ok() && status.error().type == ErrorType::stale_owner) return status;
  DUNLIN_TRY(sources.finish());
  DUNLIN_TRY(flush.flush_names());
  DUNLIN_TRY(opened.close());
  DUNLIN_CRASH_POINT("files.undo.after");
  for (ItemOutcome& outcome : outcomes) context_.report(std::move(outcome));
  return status;
}

/// Where they come back to may have been removed, being empty.
Status PlacedFiles::make_source_directories(std::vector<ItemRow>& rows,
                                            SourceDirectories& sources) {
  DUNLIN_ASSIGN(const Layout* const layout, site_.layout());
  if (!layout->whole_tree()) return success();
  std::string last;
  std::vector<ItemRow> kept;
  Status made = success();
  for (ItemRow& row : rows) {
    // Entries of the root of several sources have no directory in common.
    if (row.directory_path != last) {
      last = row.directory_path;
      made = last.empty() ? success() : sources.make(last);
      if (!made.ok() && ends_the_process(made.error())) return made;
    }
    if (made.ok()) {
      kept.push_back(std::move(row));
      continue;
    }
    ItemOutcome outcome;
    outcome.item = row.id;
    outcome.status = ItemStatus::failed;
    outcome.error = made.error();
    context_.report(std::move(outcome));
  }
  rows = std::move(kept);
  return success();
}

/// The directories in which taking back has changed names.
Status PlacedFiles::changed_names(const ItemRow& row, fs::BatchFlush& flush) {
  DUNLIN_ASSIGN(fs::DirectoryCache* const root, site_.destination());
  std::vector<Result<std::shared_ptr<const fs::Directory>>> changed{root->get(row.directory_path)};
  if (site_.plan.moves()) {
    DUNLIN_ASSIGN(SourceTrees* const source, site_.source());
    changed.push_back(source->holder(row.directory_path, row.name));
  }
  for (const auto& directory : changed) {
    if (!directory.ok()) continue;  // taken back already, or not there: nothing changed in it
    DUNLIN_TRY(flush.prepare(**directory));
    DUNLIN_TRY(flush.directory_changed(**directory));
  }
  return success();
}

/// Before a source is made again: what was changed at the destination since is not taken back, so
/// its source stays away. `rows` keeps the others.
Status PlacedFiles::refuse_changed(std::vector<ItemRow>& rows) {
  std::vector<ItemRow> kept;
  for (ItemRow& row : rows) {
    DUNLIN_ASSIGN(const Witness witness, decode_witness(row.undo, row.detail));
    Status ours = success();
    if (witness.source && !witness.renamed) ours = check_ours(row, witness);
    if (ours.ok()) {
      kept.push_back(std::move(row));
      continue;
    }
    ItemOutcome outcome;
    outcome.item = row.id;
    outcome.status = ItemStatus::failed;
    outcome.error = std::move(ours).error();
    context_.report(std::move(outcome));
  }
  rows = std::move(kept);
  return success();
}

/// Absent is ours: then it was taken back before a crash, and its source stands.
Status PlacedFiles::check_ours(const ItemRow& row, const Witness& witness) {
  DUNLIN_ASSIGN(const std::string name, name_of(row, witness));
  DUNLIN_ASSIGN(fs::DirectoryCache* const root, site_.destination());
  const auto directory = root->get(row.directory_path);
  if (!directory.ok()) return is_absent(directory.error()) ? success() : Status(directory.error());
  DUNLIN_ASSIGN(const auto there, (*directory)->find(name));
  if (!there || (witness.replaced && there->inode == witness.replaced->inode)) return success();
  DUNLIN_ASSIGN(const bool ours, still_ours(**directory, name, *there, row, witness));
  if (ours) return success();
  return Error(ErrorType::destination_changed,
               (*directory)->shown(name) + " was changed since it was moved");
}

/// The inode goes back to where it came from, then the old version to its name. May be repeated
/// after a crash between the two, or between the two links of a rename.
Status PlacedFiles::rename_back(const ItemRow& row, const Witness& witness,
                                const fs::Directory& directory, const std::string& name) {
  DUNLIN_ASSIGN(SourceTrees* const source, site_.source());
  DUNLIN_ASSIGN(const auto from, source->holder(row.directory_path, row.name));
  DUNLIN_ASSIGN(const auto there, directory.find(name));
  DUNLIN_ASSIGN(const auto at_source, from->find(row.name));
  const auto is_placed = [&](const std::optional<fs::FileInfo>& info) {
    return info && info->inode == witness.placed->inode;
  };
  DUNLIN_TRY(context_.fence());
  if (is_placed(at_source)) {
    if (is_placed(there)) DUNLIN_TRY(directory.remove_file(name));
  } else {
    const bool ours = there && there->same_content_as(*witness.placed) &&
                      (witness.shared || there->ctime == witness.changed);
    if (!ours) {
      return Error(ErrorType::destination_changed,
                   directory.shown(name) + (there ? " was changed since it was moved"
                                                  : " was removed since it was moved"));
    }
    if (at_source) {
      return Error(ErrorType::destination_changed,
                   from->shown(row.name) + " stands where " + directory.shown(name) + " came from");
    }
    DUNLIN_TRY(fs::rename_new(directory, name, *from, row.name));
  }
  if (!witness.replaced) return success();
  DUNLIN_ASSIGN(const auto old, directory.find(name));
  if (!old) return put_back(row, witness, directory, name, false);
  if (old->inode != witness.replaced->inode) return success();  // somebody's, made since
  return drop_kept(row, witness, *old);
}

Result<std::optional<PlacedFiles::Kept>> PlacedFiles::find_kept(const ItemRow& row,
                                                                const Witness& witness) {
  DUNLIN_ASSIGN(fs::DirectoryCache* const root, site_.destination());
  Kept kept;
  if (witness.aside.empty()) {
    auto folder = root->root().open_directory(undo_folder_name(context_.execution()));
    if (!folder.ok() && is_absent(folder.error())) return std::optional<Kept>();
    if (!folder.ok()) return std::move(folder).error();
    kept = {std::make_shared<const fs::Directory>(std::move(folder).value()),
            std::to_string(row.id.value), std::nullopt};
  } else {
    DUNLIN_ASSIGN(kept.folder, root->get(row.directory_path));
    kept.name = witness.aside;
  }
  DUNLIN_ASSIGN(kept.there, kept.folder->find(kept.name));
  return std::optional(std::move(kept));
}

/// Putting it back by two links may have died between them.
Status PlacedFiles::drop_kept(const ItemRow& row, const Witness& witness, const fs::FileInfo& old) {
  DUNLIN_ASSIGN(const auto kept, find_kept(row, witness));
  const bool second = kept && kept->there && kept->there->inode == old.inode;
  return second ? kept->folder->remove_file(kept->name) : success();
}

/// The kept version, under its name again. One that was renamed aside stands where anybody may have
/// done something to it: only its own inode comes back.
Status PlacedFiles::put_back(const ItemRow& row, const Witness& witness,
                             const fs::Directory& directory, const std::string& name,
                             bool over_ours) {
  DUNLIN_ASSIGN(const auto kept, find_kept(row, witness));
  if (!kept || !kept->there || kept->there->inode != witness.replaced->inode) {
    return Error(ErrorType::destination_changed,
                 directory.shown(name) + ": its version before this execution is not " +
                     (kept ? kept->folder->shown(kept->name) : "in the undo folder") + " any more");
  }
  // No rename replaces a file by a directory.
  const bool two_steps = over_ours && kept->there->type == fs::EntryType::directory;
  if (over_ours && !two_steps) return fs::rename_over(*kept->folder, kept->name, directory, name);
  if (two_steps) DUNLIN_TRY(directory.remove_file(name));
  return fs::rename_new(*kept->folder, kept->name, directory, name);
}

Result<std::string> PlacedFiles::name_of(const ItemRow& row, const Witness& witness) {
  if (!witness.name.empty()) return witness.name;
  return site_.target_name(row.name);
}

Result<bool> PlacedFiles::still_ours(const fs::Directory& directory, const std::string& name,
                                     const fs::FileInfo& there, const ItemRow& row,
                                     const Witness& witness) {
  if (witness.to_source) return there.inode == witness.placed->inode;
  if (!there.same_content_as(*witness.placed)) return false;
  if (there.ctime == witness.changed) return true;
  // A set of hard links shares its ctime, which each name that comes or goes moves.
  if (witness.shared && row.checksum.empty()) return true;
  if (row.checksum.empty()) return false;  // perhaps only its mode; nobody can tell
  DUNLIN_ASSIGN(const bool other, content_differs(directory, name, row, witness));
  return !other;
}

/// What forbids to remove it, set by ourselves.
Status PlacedFiles::without_final_flags(const fs::Directory& directory, const std::string& name,
                                        const Witness& witness) {
  if (witness.final_flags == 0) return success();
  DUNLIN_ASSIGN(const UniqueFd file, directory.open_file(name, O_RDONLY));
  return fs::remove_final_flags(file.get(), directory, name);
}

Status PlacedFiles::take_back(const ItemRow& row) {
  DUNLIN_ASSIGN(const Witness witness, decode_witness(row.undo, row.detail));
  DUNLIN_ASSIGN(const std::string name, name_of(row, witness));
  DUNLIN_ASSIGN(fs::DirectoryCache* const root, site_.destination());
  const auto directory = root->get(row.directory_path);
  if (!directory.ok()) {
    if (is_absent(directory.error()) && !witness.replaced) return success();
    return directory.error();
  }
  if (witness.renamed) return rename_back(row, witness, **directory, name);
  DUNLIN_ASSIGN(const auto there, (*directory)->find(name));
  bool ours = false;
  if (there) {
    DUNLIN_ASSIGN(ours, still_ours(**directory, name, *there, row, witness));
  }
  const auto refused = [&](std::string_view why) {
    return Error(ErrorType::destination_changed,
                 (*directory)->shown(name) + " " + std::string(why));
  };
  std::unique_lock<std::mutex> alone;
  if (ours && witness.to_source) {
    alone = std::unique_lock(site_.last_name_mutex);
    DUNLIN_ASSIGN(const auto now, (*directory)->find(name));
    if (!now || now->inode != there->inode) return refused("was removed since it was linked");
    if (now->links == 1) return refused("is the only name that is left of its source");
  }
  DUNLIN_TRY(context_.fence());
  if (!witness.replaced) {
    if (!there) return success();  // taken back before a crash, or removed by somebody: as wanted
    if (!ours) return refused("was changed since it was copied");
    DUNLIN_TRY(without_final_flags(**directory, name, witness));
    return (*directory)->remove_file(name);
  }
  if (there && there->inode == witness.replaced->inode) return success();
  // A directory comes back in two steps, between which a kill may have come.
  if (!there && !witness.aside.empty()) return put_back(row, witness, **directory, name, false);
  if (!ours)
    return refused(there ? "was changed since it was copied" : "was removed since it was copied");
  DUNLIN_TRY(without_final_flags(**directory, name, witness));
  return put_back(row, witness, **directory, name, true);
}

}  // namespace dunlin::files
