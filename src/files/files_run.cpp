// FilesRun; see files_run.h.
#include "files/files_run.h"

#include <fnmatch.h>

#include <cerrno>

#include "base/text.h"
#include "files/copy_batch.h"
#include "files/directory_batch.h"
#include "files/emptied_directories.h"
#include "files/enumerate.h"
#include "files/item_checks.h"
#include "files/opened_directories.h"
#include "files/own_folders.h"
#include "files/placed_files.h"
#include "files/source_restorer.h"
#include "fs/metadata.h"

namespace dunlin::files {

using engine::BatchContext;
using engine::RunContext;

namespace {

bool of_files(BatchContext& context) {
  return context.batch().task_type == kCopyFiles || context.batch().task_type == kLinkSets;
}

std::string_view symlinks_in_words(fs::Follow follow) {
  switch (follow) {
    case fs::Follow::never:
      break;
    case fs::Follow::in_tree:
      return "copied as what they point to where that lies inside the source, else as symlinks";
    case fs::Follow::always:
      return "copied as what they point to";
  }
  return "copied as symlinks";
}

bool of_emptied(BatchContext& context) {
  return context.batch().task_type == kRemoveDirectories;
}

}  // namespace

Result<std::string> FilesRun::root_identity(RunContext&) {
  return site_.identity();
}

std::string FilesRun::changed_roots(const std::string& stored, const std::string& now) const {
  const auto path = Site::changed_source(stored, now);
  if (!path) return Run::changed_roots(stored, now);
  return "'" + escape_bytes(*path) +
         "' is not the source directory that this execution started with: another one stands in "
         "its place";
}

Result<bool> FilesRun::same_destination(RunContext&, const std::string& stored) {
  // Of a move what is taken back goes to the sources. One that is not there any more takes nothing
  // and is for undo to miss; a verification does without it.
  if (site_.plan.moves()) {
    DUNLIN_ASSIGN(const bool same, site_.same_sources_left(stored));
    if (!same) return false;
  }
  return site_.same_destination(stored);
}

Result<engine::Analysis> FilesRun::analyse(RunContext&) {
  engine::Analysis analysis;
  DUNLIN_ASSIGN(const Layout* const layout, site_.layout());
  if (!layout->whole_tree()) {
    DUNLIN_ASSIGN(SourceTrees* const source, site_.source());
    DUNLIN_ASSIGN(const auto holder, source->get(""));
    DUNLIN_ASSIGN(const fs::FileInfo info, holder->info(layout->single_name));
    analysis.items = 1;
    analysis.bytes = info.size;
  }
  DUNLIN_ASSIGN(const Nearest nearest, site_.nearest_destination());
  DUNLIN_ASSIGN(const fs::Space space, fs::space_of(nearest.directory));
  DUNLIN_ASSIGN(const fs::FileSystemTraits traits, fs::traits_of(nearest.directory));
  analysis.details = Json::object();
  Json& answer = analysis.details["space_analysis"];
  answer = {{"file_system", traits.name},
            {"free_bytes", space.free_bytes},
            {"total_bytes", space.total_bytes}};
  answer["free_inodes"] = space.free_inodes < 0 ? Json(nullptr) : Json(space.free_inodes);
  return analysis;
}

Result<std::vector<engine::Problem>> FilesRun::preflight(RunContext& context) {
  return site_.problems(context);
}

Result<std::vector<engine::Problem>> FilesRun::check_items(engine::ItemsContext& context) {
  return ItemChecks(site_, context).run();
}

Status FilesRun::enumerate(engine::EnumerateContext& context) {
  return files::enumerate(site_, context);
}

Status FilesRun::rehearse(BatchContext& context) {
  DUNLIN_TRY(site_.check_roots(context));
  if (of_files(context)) return CopyBatch(site_, context).rehearse();
  if (of_emptied(context)) return EmptiedDirectories(site_, context).rehearse();
  return DirectoryBatch(site_, context).rehearse();
}

Status FilesRun::execute(BatchContext& context) {
  DUNLIN_TRY(site_.check_roots(context));
  if (context.batch().task_type == kCreateDirectory) return DirectoryBatch(site_, context).create();
  if (context.batch().task_type == kDirectoryTimes)
    return DirectoryBatch(site_, context).set_times();
  if (of_emptied(context)) return EmptiedDirectories(site_, context).remove();
  return CopyBatch(site_, context).execute();
}

Status FilesRun::settle(BatchContext& context) {
  if (context.batch().task_type == kCreateDirectory)
    return DirectoryBatch(site_, context).settle_create();
  const bool doubted = context.batch().doubted;
  if (!of_files(context) && !doubted) return success();
  // What is in doubt can be told without its source, unless that has to change.
  DUNLIN_TRY(doubted && !site_.plan.moves() ? site_.check_destination(context)
                                            : site_.check_roots(context));
  if (context.batch().task_type == kDirectoryTimes)
    return DirectoryBatch(site_, context).settle_times();
  if (of_emptied(context)) return EmptiedDirectories(site_, context).settle();
  return CopyBatch(site_, context).settle();
}

Status FilesRun::verify(BatchContext& context) {
  DUNLIN_TRY(site_.check_destination(context));
  if (of_emptied(context)) return EmptiedDirectories(site_, context).verify();
  if (!of_files(context)) return DirectoryBatch(site_, context).verify();
  return PlacedFiles(site_, context).verify();
}

Status FilesRun::undo(BatchContext& context) {
  // The batch that made the root removes it, and may have been killed after that.
  DUNLIN_TRY(site_.check_destination(context, context.batch().first_item == kRootItem));
  if (context.batch().task_type == kCreateDirectory)
    return DirectoryBatch(site_, context).undo_create();
  if (context.batch().task_type == kDirectoryTimes)
    return DirectoryBatch(site_, context).undo_times();
  if (of_emptied(context)) return EmptiedDirectories(site_, context).undo();
  return PlacedFiles(site_, context).undo();
}

/// A directory that stood there before is given back what it had once all that came into it may
/// have gone, and so is its source.
bool FilesRun::undoes_alone(const store::BatchRow& batch, const engine::ItemRow& item) const {
  if (batch.task_type == kCreateDirectory) {
    const auto witness = decode_witness(item.undo, item.detail);
    return !item.name.empty() && witness.ok() && !witness->replaced;
  }
  return batch.task_type != kDirectoryTimes && batch.task_type != kRemoveDirectories;
}

Status FilesRun::settle_undo(BatchContext& context) {
  if (!of_files(context) && context.batch().task_type != kCreateDirectory) return success();
  DUNLIN_ASSIGN(const auto rows, context.items());
  fs::BatchFlush flush;
  DUNLIN_TRY(OpenedDirectories(site_, context, flush).settle(rows));
  if (!site_.plan.moves() || !of_files(context)) return success();
  return SourceRestorer(site_, context).settle();
}

/// Every kept version, and what is half copied; of a test all that it has.
Status FilesRun::release(RunContext& context) {
  if (site_.test_items() > 0) return site_.remove_scratch(context);
  auto root = site_.destination();
  if (!root.ok()) return is_absent(root.error()) ? success() : Status(root.error());
  const fs::Directory& directory = (*root)->root();
  DUNLIN_ASSIGN(const fs::FileInfo before, directory.info());
  bool any = false;
  for (const std::string& name :
       {part_folder_name(context.execution()), undo_folder_name(context.execution())}) {
    DUNLIN_ASSIGN(const auto there, directory.find(name));
    any = any || there.has_value();
    DUNLIN_TRY(remove_own_folder(directory, name, context, true));
  }
  // It has the time of its source, and what is ours is no change of it.
  if (!any) return success();
  const int refused = fs::change_times({directory.fd(), false}, before.atime, before.mtime);
  if (refused == 0 || refused == EPERM) return success();
  return directory.error(refused, "change times of", "");
}

/// Nobody goes on with what was cancelled.
void FilesRun::close(RunContext& context) {
  if (context.cancel().reason() != CancelReason::cancel || site_.test_items() > 0) return;
  auto root = site_.destination();
  if (!root.ok()) return;  // nothing was begun there
  remove_own_folder((*root)->root(), part_folder_name(context.execution()), context, false)
      .ignore("a rollback, or giving up the undo data, removes it");
}

std::optional<std::string> FilesRun::manifest_path(const engine::ItemRow& item) const {
  if (item.status != engine::ItemStatus::completed || item.undo.empty()) return std::nullopt;
  const auto witness = decode_witness(item.undo, item.detail);
  if (!witness.ok() || !witness->placed || witness->placed->type != fs::EntryType::file)
    return std::nullopt;
  const auto name = site_.placed_name(item);
  if (!name.ok()) return std::nullopt;
  return item.directory_path.empty() ? *name : item.directory_path + "/" + *name;
}

std::string FilesRun::type_of(const engine::ItemRow& item) const {
  const auto detail = decode_detail(item.detail);
  return detail.ok() ? std::string(fs::to_string(detail->info.type)) : std::string();
}

bool FilesRun::matches(const engine::Selector& selector, const engine::ItemRow& item) const {
  const std::string path =
      item.directory_path.empty() ? item.name : item.directory_path + "/" + item.name;
  if (!selector.path_glob.empty() && ::fnmatch(selector.path_glob.c_str(), path.c_str(), 0) != 0)
    return false;
  if (!selector.entity.empty() && selector.entity != item.directory_path) return false;
  return selector.type.empty() || selector.type == type_of(item);
}

Json FilesRun::report_sections() const {
  Json section = Json::object();
  // Said in words because a reader would assume otherwise (files.md F-5).
  section["symlinks"] = symlinks_in_words(site_.plan.selection.follow_symlinks());
  section["hard_links"] = site_.plan.preserve_links ? "sets stay sets within the tree"
                                                    : "each name is copied as a file of its own";
  section["special_files"] = site_.plan.special_files == SpecialFiles::copy
                                 ? "FIFOs, sockets and devices are made anew"
                                 : "FIFOs, sockets and devices are skipped, one line each";
  section["content"] = site_.plan.links() ? "not copied: entries are further names of their sources"
                       : site_.plan.reflink == Reflink::never ? "copied"
                       : site_.plan.reflink == Reflink::always
                           ? "cloned: shared with the source until either is written to"
                           : "cloned where the file system can, else copied";
  if (site_.plan.moves()) {
    section["sources"] =
        "renamed within one file system; across file systems removed once their "
        "copies were proven";
    section["source_directories"] = site_.plan.remove_emptied
                                        ? "removed where they have become empty, but for the root"
                                        : "left where they are";
  }
  if (const auto layout = site_.layout(); layout.ok()) {
    if ((*layout)->several()) {
      section["source_paths"] = Json::array();
      for (const Layout::Source& source : (*layout)->sources) {
        Json one = Json::object();
        put_path(one, "path", source.path());
        section["source_paths"].push_back(one.size() == 1 ? one["path"] : one);
      }
    } else {
      put_path(section, "source", (*layout)->source_root);
    }
    put_path(section, "destination", (*layout)->destination_root);
  }
  if (const auto traits = site_.destination_traits(); traits.ok())
    section["destination_file_system"] = traits->name;
  return {{"files", section}};
}

}  // namespace dunlin::files
