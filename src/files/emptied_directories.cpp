// Emptied directories; see emptied_directories.h.
#include "files/emptied_directories.h"

#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/crash_point.h"
#include "files/directory_levels.h"
#include "fs/metadata.h"

namespace dunlin::files {

using engine::ItemOutcome;
using engine::ItemRow;
using engine::ItemStatus;

namespace {

constexpr mode_t kWhileWorking = 0700;
constexpr std::string_view kMounted = "stays: something is mounted there";
constexpr std::string_view kNotEmpty = "stays: not empty";
constexpr std::string_view kNotArrived = "stays: it is not at the destination";

/// "a/b/c" is ("a/b", "c"). The root is no item.
std::pair<std::string, std::string> split(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace

Status EmptiedDirectories::remove() {
  DUNLIN_ASSIGN(rows_, context_.items());
  DUNLIN_TRY(record_what_stands());
  DUNLIN_CRASH_POINT("files.remove_directories.before");
  DUNLIN_TRY(run_by_level(context_, rows_, LevelOrder::deepest_first, flush_,
                          [this](ItemRow& row) { return remove_one(row); }));
  DUNLIN_CRASH_POINT("files.remove_directories.after");
  return success();
}

/// How each was, for undo: a process that dies after the removal cannot look any more.
Status EmptiedDirectories::record_what_stands() {
  DUNLIN_ASSIGN(SourceTrees* const source, site_.source());
  std::vector<engine::ItemIntent> intents;
  for (ItemRow& row : rows_) {
    if (!row.intent.empty()) continue;
    const auto directory = source->get(row.directory_path);
    if (!directory.ok()) continue;  // its turn will say why
    Witness witness;
    DUNLIN_ASSIGN(witness.replaced, (*directory)->info());
    DUNLIN_ASSIGN(const fs::Extended extended,
                  fs::read_extended({(*directory)->fd(), false}, **directory, ""));
    witness.extended_before = fs::encode_extended(extended);
    row.intent = encode(witness);
    intents.push_back({row.id, row.intent});
  }
  if (intents.empty()) return success();
  DUNLIN_CRASH_POINT("files.directory_intents.before");
  DUNLIN_TRY(context_.record_intents(std::move(intents)));
  DUNLIN_CRASH_POINT("files.directory_intents.after");
  return success();
}

Status EmptiedDirectories::settle() {
  DUNLIN_ASSIGN(rows_, context_.items());
  DUNLIN_ASSIGN(SourceTrees* const source, site_.source());
  for (const ItemRow& row : rows_) {
    if (row.intent.empty()) continue;
    const auto directory = source->get(row.directory_path);
    if (directory.ok() || !is_absent(directory.error())) continue;
    ItemOutcome outcome;
    outcome.item = row.id;
    outcome.action = "removed";
    outcome.undo = row.intent;
    context_.report(std::move(outcome));
  }
  return success();
}

Result<ItemOutcome> EmptiedDirectories::remove_one(const ItemRow& row) {
  ItemOutcome outcome;
  outcome.action = "removed";
  outcome.undo = row.intent;
  const auto [parent_path, name] = split(row.directory_path);
  DUNLIN_ASSIGN(SourceTrees* const source, site_.source());
  const auto parent = source->get(parent_path);
  if (!parent.ok() && is_absent(parent.error())) return outcome;
  DUNLIN_TRY(parent);
  DUNLIN_ASSIGN(const bool arrived, has_arrived(row));
  if (!arrived) return stays(std::move(outcome), kNotArrived);
  DUNLIN_TRY(flush_.prepare(**parent));
  DUNLIN_TRY(context_.fence());
  const Status removed = (*parent)->remove_directory(name);
  DUNLIN_TRY(flush_.directory_changed(**parent));
  if (removed.ok()) {
    source->forget(row.directory_path);
    return outcome;
  }
  const std::string& code = removed.error().native.code;
  if (code != "ENOTEMPTY" && code != "EEXIST" && code != "EBUSY") return removed.error();
  return stays(std::move(outcome), code == "EBUSY" ? kMounted : kNotEmpty);
}

ItemOutcome EmptiedDirectories::stays(ItemOutcome outcome, std::string_view why) {
  outcome.status = ItemStatus::skipped;
  outcome.action = "skipped";
  outcome.undo.clear();
  outcome.message = why;
  return outcome;
}

/// An empty directory that could not be made at the destination is nowhere but here.
Result<bool> EmptiedDirectories::has_arrived(const ItemRow& row) {
  DUNLIN_ASSIGN(fs::DirectoryCache* const root, site_.destination());
  const auto directory = root->get(row.directory_path);
  if (directory.ok()) return true;
  const std::string& code = directory.error().native.code;
  const bool absent = code == "ENOENT" || code == "ENOTDIR" || code == "ELOOP" || code == "EXDEV";
  return absent ? Result<bool>(false) : Result<bool>(directory.error());
}

Status EmptiedDirectories::undo() {
  DUNLIN_ASSIGN(rows_, context_.items());
  return run_by_level(context_, rows_, LevelOrder::parents_first, flush_,
                      [this](ItemRow& row) { return make_again(row); });
}

/// Open for the files that come back into it; its mode and times follow at the very end
/// (DirectoryBatch::undo_create).
Result<ItemOutcome> EmptiedDirectories::make_again(const ItemRow& row) {
  ItemOutcome outcome;
  outcome.status = ItemStatus::rolled_back;
  outcome.action = "created";
  if (row.undo.empty()) return outcome;  // was gone before its turn
  DUNLIN_ASSIGN(const Witness witness, decode_witness(row.undo));
  const auto [parent_path, name] = split(row.directory_path);
  DUNLIN_ASSIGN(SourceTrees* const source, site_.source());
  DUNLIN_ASSIGN(const auto parent, source->get(parent_path));
  DUNLIN_TRY(flush_.prepare(*parent));
  DUNLIN_TRY(context_.fence());
  const Status made = parent->make_directory(name, kWhileWorking);
  if (!made.ok() && made.error().native.code != "EEXIST") return made.error();
  DUNLIN_ASSIGN(const bool copied, has_arrived(row));
  // A rollback of a part has taken its copy back and finished it: nothing comes into it any more.
  if (!made.ok() && !copied) return outcome;
  DUNLIN_TRY(flush_.directory_changed(*parent));
  DUNLIN_ASSIGN(const auto directory, source->get(row.directory_path));
  DUNLIN_ASSIGN(const fs::Extended extended, fs::decode_extended(witness.extended_before));
  fs::FileInfo open = *witness.replaced;
  open.mode |= kWhileWorking;
  DUNLIN_ASSIGN(outcome.message,
                fs::apply_directory_metadata(*directory, open, extended, fs::Preserve{}));
  DUNLIN_TRY(flush_.directory_changed(*directory));
  return outcome;
}

Status EmptiedDirectories::verify() {
  DUNLIN_ASSIGN(rows_, context_.items());
  for (const ItemRow& row : rows_) context_.report_equal(row.id);
  return success();
}

Status EmptiedDirectories::rehearse() {
  DUNLIN_ASSIGN(rows_, context_.items());
  const auto depth = [](const ItemRow& row) {
    return std::count(row.directory_path.begin(), row.directory_path.end(), '/');
  };
  std::stable_sort(rows_.begin(), rows_.end(), [&](const ItemRow& one, const ItemRow& other) {
    return depth(one) > depth(other);
  });
  for (const ItemRow& row : rows_) {
    DUNLIN_TRY(context_.cancel().check());
    ItemOutcome outcome;
    DUNLIN_ASSIGN(const std::string why, why_it_stays(row));
    if (why.empty()) {
      outcome.action = "removed";
      if (!site_.rehearsal.whole) outcome.message = "if it has become empty by then";
      site_.rehearsal.leaves(split(row.directory_path).first);
    } else {
      outcome = stays(std::move(outcome), why);
    }
    outcome.item = row.id;
    context_.report(std::move(outcome));
  }
  return success();
}

/// Empty: by then nothing will be left in it.
Result<std::string> EmptiedDirectories::why_it_stays(const ItemRow& row) {
  const std::string nothing;
  if (site_.rehearsal.has_failed(row.directory_path)) return std::string(kNotArrived);
  if (!site_.rehearsal.whole) return nothing;
  DUNLIN_ASSIGN(SourceTrees* const source, site_.source());
  const auto directory = source->get(row.directory_path);
  if (!directory.ok() && is_absent(directory.error())) return nothing;
  DUNLIN_TRY(directory);
  DUNLIN_ASSIGN(const auto parent, source->get(split(row.directory_path).first));
  if ((*directory)->device() != parent->device()) return std::string(kMounted);
  DUNLIN_ASSIGN(fs::Listing listing, fs::Listing::open(**directory));
  std::int64_t entries = 0;
  while (true) {
    DUNLIN_ASSIGN(const auto entry, listing.next());
    if (!entry) break;
    ++entries;
  }
  return entries > site_.rehearsal.left(row.directory_path) ? std::string(kNotEmpty) : nothing;
}

}  // namespace dunlin::files
