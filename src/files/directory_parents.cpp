// Part of DirectoryBatch: parents that are finished already are opened for the directories that a
// second try makes in them, and are finished again (reopened.h), as CopyBatch does it for files.
#include <algorithm>
#include <set>
#include <string>

#include "files/directory_batch.h"
#include "files/directory_levels.h"

namespace dunlin::files {

using engine::ItemRow;

Status DirectoryBatch::settle_create() {
  DUNLIN_ASSIGN(rows_, context_.items());
  for (const ItemRow& row : rows_) {
    if (row.intent.empty()) continue;
    DUNLIN_ASSIGN(const Witness intent, decode_witness(row.intent, row.detail));
    if (intent.reopened.empty()) continue;
    DUNLIN_TRY(site_.check_roots(context_));
    DUNLIN_TRY(enter_recorded());
    return leave_parents();
  }
  return context_.batch().doubted ? settle_doubted() : success();
}

/// Those that still are the directories that were made are not made again.
Status DirectoryBatch::settle_doubted() {
  DUNLIN_TRY(site_.check_destination(context_));
  const auto root = site_.destination();
  if (!root.ok()) return success();  // its turn will say why, or make it
  return context_.for_each_item(rows_, [&](ItemRow& row) {
    if (row.intent.empty()) return;
    const auto witness = decode_witness(row.intent, row.detail);
    if (!witness.ok() || !witness->placed) return;
    const auto directory = (*root)->get(path_of(row));
    if (!directory.ok() || (*directory)->inode() != witness->placed->inode) return;
    context_.report(made(row, *witness));
  });
}

/// What was not left: who tries the batch next has the record.
DirectoryBatch::~DirectoryBatch() {
  for (const auto& [path, state] : reopened_) site_.reopened.forget(path);
}

Status DirectoryBatch::enter_recorded() {
  DUNLIN_ASSIGN(fs::DirectoryCache* const root, site_.destination());
  for (const ItemRow& row : rows_) {
    if (row.intent.empty()) continue;
    DUNLIN_ASSIGN(const Witness intent, decode_witness(row.intent, row.detail));
    if (intent.reopened.empty()) continue;
    DUNLIN_ASSIGN(const DirectoryStates recorded, decode_directory_states(intent.reopened));
    for (const auto& [path, state] : recorded) {
      const auto directory = root->get(path);
      if (!directory.ok() || reopened_.contains(path)) continue;
      DUNLIN_ASSIGN(const DirectoryState entered, site_.reopened.enter(path, **directory, state));
      reopened_.emplace(path, entered);
    }
  }
  return success();
}

/// Of a batch that was started before: what its directories go into may have its final mode, flags
/// and times. Not so what this batch makes itself: that is opened to stay open. The record stands
/// with one of its items, reported after leave_parents() like the others.
Status DirectoryBatch::open_parents() {
  if (rows_.empty() || !site_.destination().ok()) return success();
  DUNLIN_TRY(enter_recorded());
  DUNLIN_ASSIGN(fs::DirectoryCache* const root, site_.destination());
  std::set<std::string> own;
  for (const ItemRow& row : rows_) own.insert(path_of(row));
  for (const ItemRow& row : rows_) {
    const std::string& path = row.directory_path;
    if (row.name.empty() || own.contains(path) || reopened_.contains(path)) continue;
    const auto directory = root->get(path);
    if (!directory.ok()) continue;  // its children fail with the reason
    DUNLIN_ASSIGN(const DirectoryState state, site_.reopened.enter(path, **directory, {}));
    reopened_.emplace(path, state);
  }
  if (reopened_.empty()) return success();
  // Not with one that has no intent: that says that nobody knows yet what stood there.
  const auto carrier = std::find_if(rows_.begin(), rows_.end(),
                                    [](const ItemRow& row) { return !row.intent.empty(); });
  if (carrier == rows_.end()) return success();
  DUNLIN_ASSIGN(Witness intent, decode_witness(carrier->intent, carrier->detail));
  intent.reopened = encode(reopened_);
  carrier->intent = encode(intent);
  DUNLIN_TRY(context_.record_intents({{carrier->id, carrier->intent}}));
  DUNLIN_TRY(context_.fence());
  for (const auto& [path, state] : reopened_) {
    DUNLIN_ASSIGN(const auto directory, root->get(path));
    DUNLIN_TRY(ReopenedDirectories::open(*directory, state));
  }
  return success();
}

Status DirectoryBatch::leave_parents() {
  if (reopened_.empty()) return success();
  DUNLIN_ASSIGN(fs::DirectoryCache* const root, site_.destination());
  DUNLIN_TRY(context_.fence());
  // Children first: a parent that is closed again may not be entered.
  while (!reopened_.empty()) {
    const auto left = std::prev(reopened_.end());
    DUNLIN_ASSIGN(const auto directory, root->get(left->first));
    DUNLIN_TRY(flush_.prepare(*directory));
    DUNLIN_TRY(site_.reopened.leave(left->first, *directory));
    DUNLIN_TRY(flush_.directory_changed(*directory));
    reopened_.erase(left);
  }
  DUNLIN_TRY(flush_.flush_names());
  // A later try must not take this record for its own.
  std::vector<engine::ItemIntent> intents;
  for (ItemRow& row : rows_) {
    if (row.intent.empty()) continue;
    DUNLIN_ASSIGN(Witness intent, decode_witness(row.intent, row.detail));
    if (intent.reopened.empty()) continue;
    intent.reopened.clear();
    row.intent = encode(intent);
    intents.push_back({row.id, row.intent});
  }
  return intents.empty() ? success() : context_.record_intents(std::move(intents));
}

}  // namespace dunlin::files
