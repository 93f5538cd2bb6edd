// See opened_directories.h.
#include "files/opened_directories.h"

#include <iterator>

#include "files/records.h"

namespace dunlin::files {

using engine::ItemRow;

/// What was not closed: who tries the batch next has the record.
OpenedDirectories::~OpenedDirectories() {
  for (const auto& [path, state] : states_) site_.reopened.forget(path);
}

Status OpenedDirectories::enter_recorded(const std::vector<ItemRow>& rows) {
  DUNLIN_ASSIGN(fs::DirectoryCache* const root, site_.destination());
  for (const ItemRow& row : rows) {
    if (row.intent.empty()) continue;
    DUNLIN_ASSIGN(Witness intent, decode_witness(row.intent, row.detail));
    if (intent.reopened.empty()) continue;
    DUNLIN_ASSIGN(const DirectoryStates recorded, decode_directory_states(intent.reopened));
    for (const auto& [path, state] : recorded) {
      const auto directory = root->get(path);
      if (!directory.ok() || states_.contains(path)) continue;
      DUNLIN_ASSIGN(const DirectoryState entered, site_.reopened.enter(path, **directory, state));
      states_.emplace(path, entered);
    }
    intent.reopened.clear();
    without_record_.push_back({row.id, encode(intent)});
  }
  return success();
}

Status OpenedDirectories::open(const std::vector<ItemRow>& rows) {
  if (rows.empty()) return success();
  DUNLIN_TRY(enter_recorded(rows));
  DUNLIN_ASSIGN(fs::DirectoryCache* const root, site_.destination());
  for (const ItemRow& row : rows) {
    const std::string& path = row.directory_path;
    if (states_.contains(path)) continue;
    const auto directory = root->get(path);
    if (!directory.ok()) continue;  // what was in it says why
    DUNLIN_ASSIGN(const DirectoryState state, site_.reopened.enter(path, **directory, {}));
    states_.emplace(path, state);
  }
  if (states_.empty()) return success();
  Witness intent;
  if (!rows.front().intent.empty()) {
    DUNLIN_ASSIGN(intent, decode_witness(rows.front().intent, rows.front().detail));
  }
  intent.reopened.clear();
  if (without_record_.empty() || without_record_.front().item != rows.front().id)
    without_record_.insert(without_record_.begin(), {rows.front().id, encode(intent)});
  intent.reopened = encode(states_);
  DUNLIN_TRY(context_.record_intents({{rows.front().id, encode(intent)}}));
  DUNLIN_TRY(context_.fence());
  for (const auto& [path, state] : states_) {
    DUNLIN_ASSIGN(const auto directory, root->get(path));
    DUNLIN_TRY(ReopenedDirectories::open(*directory, state));
  }
  return success();
}

void OpenedDirectories::taken_back(const std::string& path) {
  const std::scoped_lock lock(mutex_);
  if (states_.erase(path) > 0) site_.reopened.forget(path);
}

Status OpenedDirectories::close() {
  if (states_.empty() && without_record_.empty()) return success();
  DUNLIN_ASSIGN(fs::DirectoryCache* const root, site_.destination());
  DUNLIN_TRY(context_.fence());
  // Children first: a parent that is closed again may not be entered.
  while (!states_.empty()) {
    const auto last = std::prev(states_.end());
    const auto directory = root->get(last->first);
    if (directory.ok()) {
      DUNLIN_TRY(flush_.prepare(**directory));
      DUNLIN_TRY(site_.reopened.leave(last->first, **directory));
      DUNLIN_TRY(flush_.directory_changed(**directory));
    } else if (is_absent(directory.error())) {
      site_.reopened.forget(last->first);  // taken back itself
    } else {
      return directory.error();
    }
    states_.erase(last);
  }
  DUNLIN_TRY(flush_.flush_names());
  // A later pass must not take this record for its own.
  return context_.record_intents(std::move(without_record_));
}

Status OpenedDirectories::settle(const std::vector<ItemRow>& rows) {
  const auto root = site_.destination();
  if (!root.ok()) return success();  // the root itself was taken back
  DUNLIN_TRY(enter_recorded(rows));
  return close();
}

}  // namespace dunlin::files
