// Part of DirectoryBatch: the dry run of its batches.
#include <cerrno>
#include <memory>
#include <string>

#include "files/directory_batch.h"
#include "files/directory_levels.h"
#include "files/enumerate.h"
#include "files/obstacles.h"
#include "fs/file_system.h"

namespace dunlin::files {

using engine::ItemOutcome;
using engine::ItemRow;
using engine::ItemStatus;

Status DirectoryBatch::rehearse() {
  DUNLIN_ASSIGN(rows_, context_.items());
  const bool times = context_.batch().task_type == kDirectoryTimes;
  DUNLIN_ASSIGN(const Nearest nearest, site_.nearest_destination());
  DUNLIN_ASSIGN(const fs::FileSystemTraits traits, fs::traits_of(nearest.directory));
  const Holds holds = Holds::of(nearest.directory, traits);
  // Parents first: what they cannot hold fails with them.
  for (const ItemRow& row : rows_) {
    DUNLIN_TRY(context_.cancel().check());
    Made outcome = times ? foresee_times(row, nearest) : foresee_one(row, nearest, holds);
    if (outcome.ok()) {
      context_.report(*std::move(outcome));
      continue;
    }
    if (!times) site_.rehearsal.fails(path_of(row));
    ItemOutcome failed = outcome_of(row, ItemStatus::failed, {});
    failed.error = std::move(outcome).error();
    context_.report(std::move(failed));
  }
  return success();
}

/// As create_one(), which is not to be asked.
DirectoryBatch::Made DirectoryBatch::foresee_one(const ItemRow& row, const Nearest& nearest,
                                                 const Holds& holds) {
  const auto made = [&](std::string_view action) {
    return outcome_of(row, ItemStatus::completed, std::string(action));
  };
  if (row.name.empty()) return made(nearest.missing.empty() ? "existing" : "created");
  if (auto error = name_obstacle(holds, path_of(row), row.name, {})) return *std::move(error);
  const auto parent = destination_directory(row.directory_path, nearest);
  if (!parent.ok()) {
    const bool to_be_made =
        is_absent(parent.error()) && !site_.rehearsal.has_failed(row.directory_path);
    if (to_be_made) return made("created");
    return parent.error();
  }
  DUNLIN_ASSIGN(fs::DirectoryCache* const root, site_.destination());
  DUNLIN_ASSIGN(auto clash, site_.names.clash_on_way(*root, row.directory_path));
  if (clash) return *std::move(clash);
  DUNLIN_ASSIGN(const auto there, (*parent)->find(row.name));
  if (!there) {
    if (auto error = write_obstacle(**parent)) return *std::move(error);
    return made("created");
  }
  DUNLIN_ASSIGN(clash, site_.names.clash(**parent, row.directory_path, row.name));
  if (clash) return *std::move(clash);
  if (there->type != fs::EntryType::directory) return no_directory(**parent, row, *there);
  return made("existing");
}

/// ENOENT where it has still to be made.
Result<std::shared_ptr<const fs::Directory>> DirectoryBatch::destination_directory(
    const std::string& path, const Nearest& nearest) {
  if (!nearest.missing.empty()) return nearest.directory.error(ENOENT, "open", path);
  DUNLIN_ASSIGN(fs::DirectoryCache* const root, site_.destination());
  return root->get(path);
}

DirectoryBatch::Made DirectoryBatch::foresee_times(const ItemRow& row, const Nearest& nearest) {
  if (site_.rehearsal.has_failed(path_of(row))) {
    const auto there = destination_directory(path_of(row), nearest);
    if (!there.ok()) return there.error();
  }
  return outcome_of(row, ItemStatus::completed, "set");
}

}  // namespace dunlin::files
