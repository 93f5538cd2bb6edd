// The dry run of a batch of files (CopyBatch::rehearse): the way of write() in write_item.cpp, up
// to where it would begin to write; and what its later stages build upon.
#include "files/rehearsal.h"

#include <utility>

#include "base/text.h"
#include "files/copy_batch.h"
#include "files/first_error.h"
#include "fs/clone.h"
#include "fs/file_system.h"

namespace dunlin::files {

using engine::ItemOutcome;
using engine::ItemRow;
using engine::ItemStatus;

void Rehearsal::fails(const std::string& directory_path) {
  const std::scoped_lock lock(mutex_);
  failed_.insert(directory_path);
}

bool Rehearsal::has_failed(std::string_view directory_path) const {
  const std::scoped_lock lock(mutex_);
  if (failed_.empty()) return false;
  while (true) {
    if (failed_.find(directory_path) != failed_.end()) return true;
    if (directory_path.empty()) return false;
    const std::size_t slash = directory_path.rfind('/');
    directory_path = slash == std::string_view::npos ? "" : directory_path.substr(0, slash);
  }
}

void Rehearsal::leaves(const std::string& directory_path) {
  const std::scoped_lock lock(mutex_);
  ++left_[directory_path];
}

std::int64_t Rehearsal::left(const std::string& directory_path) const {
  const std::scoped_lock lock(mutex_);
  const auto found = left_.find(directory_path);
  return found == left_.end() ? 0 : found->second;
}

Status CopyBatch::rehearse() {
  DUNLIN_ASSIGN(source_, site_.source());
  DUNLIN_ASSIGN(rows_, context_.items());
  DUNLIN_ASSIGN(nearest_, site_.nearest_destination());
  DUNLIN_ASSIGN(traits_, fs::traits_of(nearest_->directory));
  holds_ = Holds::of(nearest_->directory, traits_);
  if (nearest_->missing.empty()) {  // else there is nothing yet, and all is created
    DUNLIN_ASSIGN(destination_, site_.destination());
    DUNLIN_ASSIGN(granularity_ns_, site_.time_granularity_ns());
    DUNLIN_ASSIGN(changed_since_, site_.changed_since());
  }
  FirstError ended;
  const Status ran = context_.for_each_item(rows_, [&](ItemRow& row) {
    if (ended.seen()) return;
    Result<ItemOutcome> outcome = foresee(row);
    if (outcome.ok()) {
      if (outcome->status == ItemStatus::completed && site_.plan.moves())
        site_.rehearsal.leaves(row.directory_path);
      context_.report(*std::move(outcome));
    } else if (ends_the_process(outcome.error())) {
      ended.note(std::move(outcome).error());
    } else {
      Copy copy;
      copy.row = &row;
      fail(copy, std::move(outcome).error());
    }
  });
  DUNLIN_TRY(ended.status());
  return ran;
}

/// The destination's side of an item: the directory, unless it would be made first, and what stands
/// there.
Result<CopyBatch::Standing> CopyBatch::look_at_destination(const ItemRow& row,
                                                           const std::string& name) {
  Standing standing;
  const Result<Handle> opened = destination_ != nullptr
                                    ? destination_->get(row.directory_path)
                                    : nearest_->directory.error(ENOENT, "open", row.directory_path);
  if (!opened.ok()) {
    const bool to_be_made =
        is_absent(opened.error()) && !site_.rehearsal.has_failed(row.directory_path);
    if (to_be_made) return standing;
    return as_name_error(opened.error(), row.directory_path);
  }
  standing.directory = *opened;
  DUNLIN_ASSIGN(auto clash, site_.names.clash_on_way(*destination_, row.directory_path));
  if (clash) return *std::move(clash);
  DUNLIN_ASSIGN(standing.there, standing.directory->find(name));
  if (!standing.there) return standing;
  DUNLIN_ASSIGN(clash, site_.names.clash(*standing.directory, row.directory_path, name));
  if (!clash) return standing;
  if (site_.plan.conflict != Conflict::keep_both) return *std::move(clash);
  standing.clashes = true;
  return standing;
}

/// In the place of first_of_set(), which finds at the destination what a dry run has not put there.
Result<std::optional<std::uint64_t>> CopyBatch::foresee_first(Copy& copy, const Detail& listed,
                                                              const fs::FileInfo& source) {
  constexpr std::uint64_t kInodeToBe = 0;
  DUNLIN_ASSIGN(const ItemRow first, context_.item(listed.first));
  if (source.inode != listed.info.inode) return std::optional<std::uint64_t>();
  if (first.status == ItemStatus::completed) return std::optional(kInodeToBe);
  if (first.status != ItemStatus::skipped || destination_ == nullptr)
    return std::optional<std::uint64_t>();
  DUNLIN_ASSIGN(const auto found, first_of_set(copy, listed, source));
  return found ? std::optional(found->info.inode) : std::nullopt;
}

Result<ItemOutcome> CopyBatch::foresee(ItemRow& row) {
  DUNLIN_TRY(context_.cancel().check());
  Copy copy;
  copy.row = &row;
  DUNLIN_ASSIGN(const Detail listed, decode_detail(row.detail));
  if (const auto reason = reason_to_leave_out(listed, site_.plan.special_files))
    return skipped(copy, *reason);
  DUNLIN_ASSIGN(const Handle from, source_->holder(row.directory_path, row.name));
  if (row.name.empty()) return why_not_listed(*from);
  DUNLIN_ASSIGN(const fs::FileInfo source, look_at_source(row, listed, *from));
  DUNLIN_ASSIGN(copy.target, site_.target_name(row.name));
  copy.name = copy.target;
  DUNLIN_ASSIGN(const Standing standing, look_at_destination(row, copy.name));
  const fs::Directory* const to = standing.directory.get();
  const fs::Directory& near = to != nullptr ? *to : nearest_->directory;
  DUNLIN_ASSIGN(const bool renames, prepare_rename(copy, *from, near, source, standing.there));
  std::optional<std::uint64_t> first;
  if (listed.first.valid() && !renames && !site_.plan.links()) {
    DUNLIN_ASSIGN(first, foresee_first(copy, listed, source));
  }
  Decision decision;
  if (standing.clashes) {
    decision.action = Action::beside;
  } else if (site_.plan.links()) {
    decision = decide_source_link(source, standing.there, rules_for(row));
  } else if (first) {
    decision = decide_link(source, standing.there, *first, rules_for(row));
  } else {
    DUNLIN_ASSIGN(decision, decide_alone(row, source, copy.name, standing.there, to));
  }
  if (decision.action == Action::skip) return skipped(copy, decision.reason);
  std::optional<First> linked;
  if (first) {
    linked.emplace();
    linked->info.inode = *first;
  }
  if (to != nullptr) {
    // Only what replaces something has to lie on the root's file system.
    DUNLIN_ASSIGN(const auto same, act(copy, decision, source, standing.there, linked, *to));
    if (same) return skipped(copy, *same);
  }
  DUNLIN_TRY(obstacles(copy, *from, source, standing));
  if (first || site_.plan.links()) {
    copy.witness.linked = true;
  } else if (!renames && source.type == fs::EntryType::file) {
    copy.witness.cloned = site_.plan.reflink != Reflink::never && site_.plan.preserve_holes &&
                          source.size > 0 && fs::clone_obstacle(*from, near) == 0;
  }
  return foreseen(copy, source);
}

/// What would keep it from being written, as far as looking can tell.
Status CopyBatch::obstacles(const Copy& copy, const fs::Directory& from, const fs::FileInfo& source,
                            const Standing& standing) {
  const ItemRow& row = *copy.row;
  const std::string path =
      row.directory_path.empty() ? row.name : row.directory_path + "/" + row.name;
  if (auto error = name_obstacle(holds_, path, copy.name, source)) return *std::move(error);
  if (standing.directory) {
    if (auto error = write_obstacle(*standing.directory)) return *std::move(error);
  }
  const bool reads =
      source.type == fs::EntryType::file && !copy.witness.renamed && !site_.plan.links();
  if (reads && site_.plan.follows(fs::Follow::never)) {
    if (auto error = read_obstacle(from, row.name)) return *std::move(error);
  }
  if (site_.plan.moves()) {
    if (auto error = removal_obstacle(from)) return *std::move(error);
  }
  return success();
}

ItemOutcome CopyBatch::foreseen(const Copy& copy, const fs::FileInfo& source) const {
  ItemOutcome outcome;
  outcome.item = copy.row->id;
  outcome.action = action_of(copy.witness, site_.plan.moves());
  outcome.placed_name = copy.witness.name;
  const Witness& witness = copy.witness;
  const bool writes = !witness.linked && !witness.renamed && !witness.cloned;
  if (writes && source.type == fs::EntryType::file) outcome.transferred_bytes = source.size;
  if (!witness.aside.empty())
    outcome.message = "what stands there becomes '" + escape_bytes(witness.aside) + "'";
  return outcome;
}

}  // namespace dunlin::files
