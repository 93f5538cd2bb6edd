// Directories; see directory_batch.h.
#include "files/directory_batch.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

#include "base/crash_point.h"
#include "files/attributes.h"
#include "files/directory_levels.h"
#include "files/enumerate.h"
#include "files/first_error.h"
#include "files/opened_directories.h"
#include "files/own_folders.h"
#include "files/source_directories.h"
#include "fs/metadata.h"

namespace dunlin::files {

using engine::ItemOutcome;
using engine::ItemRow;
using engine::ItemStatus;

namespace {

constexpr mode_t kWhileWorking = 0700;
constexpr mode_t kAsMkdir = 0777;  ///< less the umask

}  // namespace

ItemOutcome DirectoryBatch::outcome_of(const ItemRow& row, ItemStatus status, std::string action) {
  ItemOutcome outcome;
  outcome.item = row.id;
  outcome.status = status;
  outcome.action = std::move(action);
  return outcome;
}

// ---- create_directory ----

Status DirectoryBatch::create() {
  DUNLIN_ASSIGN(rows_, context_.items());
  DUNLIN_TRY(record_what_stands());
  if (context_.batch().token > 0) DUNLIN_TRY(open_parents());
  DUNLIN_CRASH_POINT("files.create_directories.before");
  std::vector<ItemOutcome> outcomes;
  const Status status = run_by_level(
      context_, rows_, LevelOrder::parents_first, flush_,
      [this](ItemRow& row) { return create_one(row); }, outcomes);
  if (context_.cancel().reason() == CancelReason::stop) return status;
  if (!status.ok() && status.error().type == ErrorType::stale_owner) return status;
  DUNLIN_CRASH_POINT("files.create_directories.after");
  DUNLIN_TRY(leave_parents());
  for (ItemOutcome& outcome : outcomes) context_.report(std::move(outcome));
  return status;
}

Status DirectoryBatch::record_what_stands() {
  std::vector<engine::ItemIntent> intents;
  for (ItemRow& row : rows_) {
    if (!row.intent.empty()) continue;
    Witness witness;
    witness.levels = 1;
    if (row.name.empty()) {
      DUNLIN_ASSIGN(const Nearest nearest, site_.nearest_destination());
      witness.levels = static_cast<std::int64_t>(nearest.missing.size());
      if (nearest.missing.empty()) {
        DUNLIN_ASSIGN(witness.replaced, nearest.directory.info());
        DUNLIN_ASSIGN(const fs::Extended before,
                      fs::read_extended({nearest.directory.fd(), false}, nearest.directory, ""));
        witness.extended_before = fs::encode_extended(before);
      }
    } else if (auto root = site_.destination(); root.ok()) {
      const auto parent = (*root)->get(row.directory_path);
      if (parent.ok()) {
        const auto found = (*parent)->find(row.name);
        if (!found.ok()) continue;
        witness.replaced = *found;
        if (witness.replaced && witness.replaced->type == fs::EntryType::directory) {
          const auto there = (*root)->get(path_of(row));
          if (!there.ok()) continue;
          DUNLIN_ASSIGN(const fs::Extended before,
                        fs::read_extended({(*there)->fd(), false}, **there, ""));
          witness.extended_before = fs::encode_extended(before);
        }
      } else if (!is_absent(parent.error())) {
        continue;  // its creation will fail with the reason
      }
    } else if (!is_absent(root.error())) {
      return root.error();
    }
    row.intent = encode(witness);
    intents.push_back({row.id, row.intent});
  }
  if (intents.empty()) return success();
  DUNLIN_CRASH_POINT("files.directory_intents.before");
  DUNLIN_TRY(context_.record_intents(std::move(intents)));
  DUNLIN_CRASH_POINT("files.directory_intents.after");
  return success();
}

DirectoryBatch::Made DirectoryBatch::create_one(ItemRow& row) {
  Witness witness;
  if (!row.intent.empty()) {
    DUNLIN_ASSIGN(witness, decode_witness(row.intent, row.detail));
    witness.reopened.clear();
  }
  DUNLIN_TRY(context_.fence());
  if (row.name.empty()) DUNLIN_TRY(create_root(witness.levels));
  DUNLIN_ASSIGN(fs::DirectoryCache* const root, site_.destination());
  DUNLIN_ASSIGN(const auto parent, root->get(row.directory_path));
  DUNLIN_ASSIGN(auto clash, site_.names.clash_on_way(*root, row.directory_path));
  if (clash) return *std::move(clash);
  DUNLIN_TRY(flush_.prepare(*parent));
  if (!row.name.empty()) {
    const Status made = parent->make_directory(row.name, kWhileWorking);
    const bool there_already = !made.ok() && made.error().native.code == "EEXIST";
    if (!made.ok() && !there_already) return as_name_error(made.error(), row.name);
    if (there_already && row.intent.empty()) {
      return Error(ErrorType::destination_changed,
                   parent->shown(row.name) + " stands there now and could not be looked at before");
    }
    if (there_already) {
      DUNLIN_ASSIGN(clash, site_.names.clash(*parent, row.directory_path, row.name));
      if (clash) return *std::move(clash);
    }
    // Also when it is there: a process that died may have made it and not flushed its name.
    DUNLIN_TRY(flush_.directory_changed(*parent));
    DUNLIN_ASSIGN(const fs::FileInfo there, parent->info(row.name));
    if (there.type != fs::EntryType::directory) return no_directory(*parent, row, there);
  }
  DUNLIN_ASSIGN(const auto directory, root->get(path_of(row)));
  DUNLIN_ASSIGN(witness.placed, directory->info());
  // Like rsync: an own directory that forbids writing is opened up for the time of the work.
  if (witness.placed->uid == ::geteuid() &&
      (witness.placed->mode & kWhileWorking) != kWhileWorking &&
      ::fchmod(directory->fd(), witness.placed->mode | kWhileWorking) != 0) {
    return directory->error(errno, "change mode of", "");
  }
  return made(row, witness);
}

ItemOutcome DirectoryBatch::made(const ItemRow& row, const Witness& witness) {
  ItemOutcome outcome =
      outcome_of(row, ItemStatus::completed, witness.replaced ? "existing" : "created");
  outcome.undo = encode(witness, row.detail);
  return outcome;
}

/// Makes the missing directories down to the root. `levels` of them were missing when the intent
/// was recorded: a process that died may have made some and not flushed their names.
Status DirectoryBatch::create_root(std::int64_t levels) {
  DUNLIN_ASSIGN(Nearest nearest, site_.nearest_destination());
  fs::Directory at = std::move(nearest.directory);
  // No source says what the directory should be that several go into: as mkdir makes it, then.
  const mode_t mode = site_.plan.several() ? kAsMkdir : kWhileWorking;
  for (const std::string& name : nearest.missing) {
    DUNLIN_TRY(flush_.prepare(at));
    const Status made = at.make_directory(name, mode);
    if (!made.ok() && made.error().native.code != "EEXIST") return made.error();
    DUNLIN_TRY(flush_.directory_changed(at));
    DUNLIN_ASSIGN(fs::Directory next, at.open_directory(name));
    at = std::move(next);
  }
  const fs::Features features = at.features();
  site_.keep_destination(std::move(at));
  DUNLIN_ASSIGN(const Layout* const layout, site_.layout());
  std::string path = layout->destination_root;
  for (; levels > 0 && path != "/"; --levels) {
    path.erase(std::max<std::size_t>(path.rfind('/'), 1));
    DUNLIN_ASSIGN(const fs::Directory above,
                  fs::Directory::open_root(path, fs::Side::destination, features));
    DUNLIN_TRY(flush_.prepare(above));
    DUNLIN_TRY(flush_.directory_changed(above));
  }
  return success();
}

Error DirectoryBatch::no_directory(const fs::Directory& parent, const ItemRow& row,
                                   const fs::FileInfo& there) {
  return Error(ErrorType::destination_exists, parent.shown(row.name) + " is a " +
                                                  std::string(fs::to_string(there.type)) +
                                                  " at the destination");
}

Status DirectoryBatch::undo_create() {
  DUNLIN_ASSIGN(rows_, context_.items());
  DUNLIN_CRASH_POINT("files.undo_directories.before");
  if (context_.undoes_part()) {
    DUNLIN_TRY(undo_create_part());
  } else {
    DUNLIN_TRY(run_by_level(context_, rows_, LevelOrder::deepest_first, flush_,
                            [this](ItemRow& row) { return undo_create_one(row); }));
  }
  DUNLIN_CRASH_POINT("files.undo_directories.after");
  return success();
}

/// What they lie in stays, and is finished.
Status DirectoryBatch::undo_create_part() {
  DUNLIN_ASSIGN(const Layout* const layout, site_.layout());
  const bool makes_sources = site_.plan.moves() && layout->whole_tree();
  SourceDirectories sources(site_, context_, flush_);
  OpenedDirectories opened(site_, context_, flush_);
  DUNLIN_TRY(opened.open(rows_));
  const auto step = [&](ItemRow& row) -> Made {
    if (makes_sources) DUNLIN_TRY(sources.make(path_of(row)));
    DUNLIN_ASSIGN(ItemOutcome outcome, undo_create_one(row));
    if (outcome.status == ItemStatus::rolled_back) opened.taken_back(path_of(row));
    return outcome;
  };
  std::vector<ItemOutcome> outcomes;
  const Status status =
      run_by_level(context_, rows_, LevelOrder::deepest_first, flush_, step, outcomes);
  if (context_.cancel().reason() == CancelReason::stop) return status;
  if (!status.ok() && status.error().type == ErrorType::stale_owner) return status;
  DUNLIN_TRY(sources.finish());
  DUNLIN_TRY(opened.close());
  for (ItemOutcome& outcome : outcomes) context_.report(std::move(outcome));
  return status;
}

DirectoryBatch::Made DirectoryBatch::undo_create_one(ItemRow& row) {
  DUNLIN_ASSIGN(const Layout* const layout, site_.layout());
  // Of a source that is not there nothing is touched: a further rollback brings it back whole.
  if (site_.plan.moves() && layout->several() && !row.name.empty()) {
    DUNLIN_ASSIGN(SourceTrees* const source, site_.source());
    if (const auto& missing = source->root_of(path_of(row)).missing) return *missing;
  }
  if (site_.plan.moves() && layout->several() && row.name.empty()) DUNLIN_TRY(all_sources_there());
  DUNLIN_ASSIGN(ItemOutcome outcome, take_back(row));
  // Of a single file the directory it came from is no part of the move, and several sources have
  // none in common.
  if (!site_.plan.moves() || !layout->whole_tree()) return outcome;
  if (layout->several() && row.name.empty()) return outcome;
  DUNLIN_ASSIGN(const fs::Loss loss, restore_source(row));
  fs::add_loss(outcome.message, loss);
  return outcome;
}

/// What a further rollback takes from here, once the source is there again, moves the times of this
/// directory: it is restored again then.
Status DirectoryBatch::all_sources_there() {
  DUNLIN_ASSIGN(SourceTrees* const source, site_.source());
  for (const SourceTrees::Root& root : source->roots()) {
    if (root.missing) return *root.missing;
  }
  return success();
}

/// What left a source directory and came back has moved its time; one that was made again for them
/// was open meanwhile.
Result<fs::Loss> DirectoryBatch::restore_source(const ItemRow& row) {
  DUNLIN_ASSIGN(const Detail listed, decode_detail(row.detail));
  DUNLIN_ASSIGN(SourceTrees* const source, site_.source());
  const auto directory = source->get(path_of(row));
  if (!directory.ok() && is_absent(directory.error())) return fs::Loss();
  if (!directory.ok()) return directory.error();
  const fs::InodeRef inode{(*directory)->fd(), false};
  DUNLIN_ASSIGN(const fs::FileInfo now, (*directory)->info());
  DUNLIN_TRY(flush_.prepare(**directory));
  DUNLIN_TRY(context_.fence());
  int refused = 0;
  if (now.mode != listed.info.mode && now.mode == (listed.info.mode | kWhileWorking))
    refused = fs::change_mode(inode, listed.info.mode);
  if (refused == 0) refused = fs::change_times(inode, listed.info.atime, listed.info.mtime);
  // Who may write into a directory need not own it.
  if (refused == EPERM || refused == EOPNOTSUPP)
    return fs::Loss("mode and times of the source directory not restored");
  if (refused != 0) return (*directory)->error(refused, "change mode and times of", "");
  DUNLIN_TRY(flush_.directory_changed(**directory));
  return fs::Loss();
}

DirectoryBatch::Made DirectoryBatch::take_back(const ItemRow& row) {
  DUNLIN_ASSIGN(const Witness witness, decode_witness(row.undo, row.detail));
  const ItemOutcome done =
      outcome_of(row, ItemStatus::rolled_back, witness.replaced ? "restored" : "removed");
  auto root = site_.destination();
  if (!root.ok()) {
    if (is_absent(root.error())) return done;
    return std::move(root).error();
  }
  DUNLIN_TRY(context_.fence());
  if (row.name.empty()) {
    DUNLIN_TRY(
        remove_own_folder((*root)->root(), part_folder_name(context_.execution()), context_, true));
    const Status dropped = (*root)->root().remove_directory(undo_folder_name(context_.execution()));
    if (!dropped.ok() && dropped.error().native.code != "ENOTEMPTY") return dropped.error();
  }
  if (witness.replaced) {
    DUNLIN_ASSIGN(const auto directory, (*root)->get(path_of(row)));
    DUNLIN_TRY(restore(*directory, witness));
    return done;
  }
  Status removed = success();
  if (row.name.empty()) {
    removed = remove_root(witness.levels);
  } else {
    const auto parent = (*root)->get(row.directory_path);
    if (!parent.ok()) {
      if (is_absent(parent.error())) return done;
      return parent.error();
    }
    DUNLIN_TRY(flush_.prepare(**parent));
    removed = (*parent)->remove_directory(row.name);
    DUNLIN_TRY(flush_.directory_changed(**parent));
    if (removed.ok()) (*root)->forget(path_of(row));
  }
  if (!removed.ok() && removed.error().native.code == "ENOTEMPTY") {
    // It holds what is not meant: then it is not meant either.
    if (context_.undoes_part()) return outcome_of(row, ItemStatus::skipped, "");
    return Error(ErrorType::destination_changed,
                 removed.error().message + " (somebody put entries into it)");
  }
  DUNLIN_TRY(removed);
  return done;
}

Status DirectoryBatch::remove_root(std::int64_t levels) {
  DUNLIN_ASSIGN(const Layout* const layout, site_.layout());
  std::string path = layout->destination_root;
  for (; levels > 0 && path != "/"; --levels) {
    const std::size_t slash = path.rfind('/');
    const std::string parent = slash == 0 ? "/" : path.substr(0, slash);
    auto above = fs::Directory::open_root(parent, fs::Side::destination);
    if (above.ok()) {
      DUNLIN_TRY(flush_.prepare(*above));
      DUNLIN_TRY(above->remove_directory(path.substr(slash + 1)));
      DUNLIN_TRY(flush_.directory_changed(*above));
    } else if (!is_absent(above.error())) {
      return std::move(above).error();
    }
    path = parent;
  }
  return success();
}

Status DirectoryBatch::restore(const fs::Directory& directory, const Witness& witness) {
  DUNLIN_TRY(flush_.prepare(directory));
  fs::Preserve everything;
  fs::Extended before;
  if (witness.extended_before.empty()) {
    everything.xattrs = everything.acls = everything.flags = false;
  } else {
    DUNLIN_ASSIGN(before, fs::decode_extended(witness.extended_before));
  }
  DUNLIN_TRY(fs::apply_directory_metadata(directory, *witness.replaced, before, everything));
  return flush_.directory_changed(directory);
}

// ---- directory_times ----

Status DirectoryBatch::set_times() {
  DUNLIN_ASSIGN(rows_, context_.items());
  DUNLIN_CRASH_POINT("files.directory_times.before");
  DUNLIN_TRY(run_by_level(context_, rows_, LevelOrder::deepest_first, flush_,
                          [this](ItemRow& row) { return times_one(row); }));
  DUNLIN_CRASH_POINT("files.directory_times.after");
  return success();
}

DirectoryBatch::Made DirectoryBatch::times_one(ItemRow& row) {
  DUNLIN_ASSIGN(const Detail listed, decode_detail(row.detail));
  ItemOutcome outcome = outcome_of(row, ItemStatus::completed, "set");
  fs::Preserve preserve = site_.plan.preserve;
  fs::Extended extended;
  if (preserve.xattrs || preserve.acls || preserve.flags) {
    DUNLIN_ASSIGN(SourceTrees* const source, site_.source());
    auto from = source->get(path_of(row));
    auto read = from.ok() ? fs::read_extended({(*from)->fd(), false}, **from, "")
                          : Result<fs::Extended>(from.error());
    if (read.ok()) {
      extended = std::move(read).value();
    } else {
      preserve.xattrs = preserve.acls = preserve.flags = false;
      outcome.message = "attributes not preserved: " + read.error().message;
    }
  }
  DUNLIN_ASSIGN(fs::DirectoryCache* const root, site_.destination());
  const auto found = root->get(path_of(row));
  if (!found.ok() && is_absent(found.error()) && !row.intent.empty()) {
    outcome.undo = row.intent;  // it was set once, and has been taken back with all that was in it
    return outcome;
  }
  DUNLIN_ASSIGN(const auto directory, found);
  DUNLIN_TRY(flush_.prepare(*directory));
  DUNLIN_TRY(context_.fence());
  // A try that was killed may have set them already, and nothing can be set over them.
  if (preserve.flags && (extended.flags.value_or(0) & fs::kFinalFlags) != 0)
    DUNLIN_TRY(fs::remove_final_flags(directory->fd(), *directory, ""));
  DUNLIN_ASSIGN(const fs::Loss loss,
                fs::apply_directory_metadata(*directory, site_.plan.owners.mapped(listed.info),
                                             extended, preserve));
  fs::add_loss(outcome.message, loss);
  DUNLIN_TRY(flush_.directory_changed(*directory));
  Witness witness;
  DUNLIN_ASSIGN(witness.placed, directory->info());
  DUNLIN_ASSIGN(const fs::Extended there,
                fs::read_extended({directory->fd(), false}, *directory, ""));
  DUNLIN_ASSIGN(witness.attributes, attributes_mark(there, site_.plan.preserve));
  witness.final_flags = there.flags.value_or(0) & fs::kFinalFlags;
  outcome.undo = encode(witness, row.detail);
  return outcome;
}

Status DirectoryBatch::settle_times() {
  DUNLIN_ASSIGN(rows_, context_.items());
  std::vector<ItemOutcome> outcomes;
  const Status status = run_by_level(
      context_, rows_, LevelOrder::parents_first, flush_,
      [this](ItemRow& row) { return times_doubted(row); }, outcomes);
  for (ItemOutcome& outcome : outcomes) {
    if (outcome.status == ItemStatus::completed) context_.report(std::move(outcome));
  }
  return status;
}

DirectoryBatch::Made DirectoryBatch::times_doubted(ItemRow& row) {
  ItemOutcome outcome = outcome_of(row, ItemStatus::pending, "set");
  if (row.intent.empty()) return outcome;
  DUNLIN_ASSIGN(const Witness witness, decode_witness(row.intent, row.detail));
  DUNLIN_ASSIGN(fs::DirectoryCache* const root, site_.destination());
  const auto directory = root->get(path_of(row));
  if (!directory.ok() && is_absent(directory.error())) return outcome;
  DUNLIN_TRY(directory);
  row.undo = row.intent;
  DUNLIN_ASSIGN(const auto differs, difference(row));
  const bool another = !witness.placed || (*directory)->inode() != witness.placed->inode;
  if (differs || another) {
    DUNLIN_TRY(undo_times_one(row));
    return outcome;
  }
  outcome.status = ItemStatus::completed;
  outcome.undo = row.intent;
  outcome.message = row.message;
  return outcome;
}

/// Makes the directory writable again, for the files that are taken back after this; what it was
/// before is restored when its creation is taken back.
Status DirectoryBatch::undo_times() {
  DUNLIN_ASSIGN(rows_, context_.items());
  return run_by_level(context_, rows_, LevelOrder::parents_first, flush_,
                      [this](ItemRow& row) { return undo_times_one(row); });
}

DirectoryBatch::Made DirectoryBatch::undo_times_one(ItemRow& row) {
  const ItemOutcome done = outcome_of(row, ItemStatus::rolled_back, "opened");
  auto root = site_.destination();
  const auto directory = root.ok() ? (*root)->get(path_of(row)) : root.error();
  if (!directory.ok()) {
    if (is_absent(directory.error())) return done;
    return directory.error();
  }
  DUNLIN_TRY(flush_.prepare(**directory));
  DUNLIN_TRY(context_.fence());
  if (site_.plan.preserve.flags)
    DUNLIN_TRY(fs::remove_final_flags((*directory)->fd(), **directory, ""));
  DUNLIN_ASSIGN(const fs::FileInfo now, (*directory)->info());
  if ((now.mode & kWhileWorking) != kWhileWorking && now.uid == ::geteuid()) {
    if (::fchmod((*directory)->fd(), now.mode | kWhileWorking) != 0) {
      return (*directory)->error(errno, "change mode of", "");
    }
  }
  // A flag that a power cut brings back would forbid to take back what is in it.
  DUNLIN_TRY(flush_.directory_changed(**directory));
  return done;
}

// ---- verify ----

Status DirectoryBatch::verify() {
  DUNLIN_ASSIGN(rows_, context_.items());
  return context_.for_each_item(rows_, [&](ItemRow& row) {
    auto found = difference(row);
    if (!found.ok()) {
      context_.report_difference(row.id, std::move(found).error());
    } else if (*found) {
      context_.report_difference(row.id, **found);
    } else {
      context_.report_equal(row.id);
    }
  });
}

Result<std::optional<Error>> DirectoryBatch::difference(const ItemRow& row) {
  DUNLIN_ASSIGN(fs::DirectoryCache* const root, site_.destination());
  const auto directory = root->get(path_of(row));
  if (!directory.ok() && !is_absent(directory.error())) return directory.error();
  const auto differs = [&](const std::string& what) {
    return std::optional(
        Error(ErrorType::verification_mismatch, root->root().shown(path_of(row)) + ": " + what));
  };
  // Its creation says so, unless that was taken back.
  if (!directory.ok() && context_.batch().task_type == kDirectoryTimes)
    return std::optional<Error>();
  if (!directory.ok()) return differs("the directory is not there any more");
  if (context_.batch().task_type == kCreateDirectory) return std::optional<Error>();
  DUNLIN_ASSIGN(const fs::FileInfo now, (*directory)->info());
  DUNLIN_ASSIGN(const Witness witness, decode_witness(row.undo, row.detail));
  if (now.mode != witness.placed->mode) return differs("the mode was changed");
  if (now.uid != witness.placed->uid || now.gid != witness.placed->gid)
    return differs("the owner was changed");
  if (now.mtime != witness.placed->mtime) return differs("the time was changed");
  DUNLIN_ASSIGN(const auto attributes, attributes_difference({(*directory)->fd(), false}, witness,
                                                             site_.plan.preserve, **directory, ""));
  if (attributes) return differs(*attributes);
  return std::optional<Error>();
}

}  // namespace dunlin::files
