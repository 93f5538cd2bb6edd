// See item_checks.h.
#include "files/item_checks.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "base/units.h"
#include "files/enumerate.h"
#include "fs/clone.h"

namespace dunlin::files {

using engine::ItemRow;
using engine::Problem;

namespace {

/// Of each type of error; the others are counted. Fewer where they fail by themselves later on, and
/// are listed then.
constexpr std::size_t kNamed = 10;
constexpr std::size_t kNamedBeforehand = 3;
constexpr std::int64_t kBlock = 4096;

std::string path_of(const ItemRow& item) {
  return item.directory_path.empty() ? item.name : item.directory_path + "/" + item.name;
}

std::string lower(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

}  // namespace

Result<std::vector<Problem>> ItemChecks::run() {
  DUNLIN_TRY(open());
  DUNLIN_TRY(context_.for_each_listed(
      [&](const store::BatchRow& batch, const ItemRow& item) { return check(batch, item); }));
  DUNLIN_TRY(check_room());
  // Whoever asks for the whole to be checked first wants all or nothing. Otherwise the others can
  // go on without these.
  std::vector<Problem> problems;
  for (auto& [type, kind] : found_) {
    if (kind.more > 0) {
      kind.named.back().message +=
          " (and " + format_count(kind.more) + " more with a problem of this kind)";
    }
    const bool refuses = all_or_nothing() || type == ErrorType::disk_full;
    for (Error& error : kind.named) problems.push_back({std::move(error), refuses, !refuses});
  }
  return problems;
}

Status ItemChecks::open() {
  DUNLIN_ASSIGN(source_, site_.source());
  DUNLIN_ASSIGN(nearest_, site_.nearest_destination());
  const fs::Directory& there = nearest_->directory;
  DUNLIN_ASSIGN(traits_, fs::traits_of(there));
  DUNLIN_ASSIGN(space_, fs::space_of(there));
  DUNLIN_ASSIGN(const bool may_fold, fs::may_fold_names(there));
  // Behind FUSE and servers nobody knows: found out when a name is made.
  folds_ = may_fold && (traits_.exact_names || is_of_windows(traits_.name)) &&
           site_.plan.conflict != Conflict::keep_both;
  holds_ = Holds::of(there, traits_);
  if (nearest_->missing.empty()) {
    DUNLIN_ASSIGN(destination_, site_.destination());
  }
  const Conflict rule = site_.plan.conflict_rule();
  const bool refuses = rule == Conflict::fail || rule == Conflict::ask;
  // No less than what is added up below: each of them may begin a block.
  const std::int64_t count = store::all_planned(context_.counters());
  const bool short_of_room =
      short_of({context_.counters().total_bytes + count * kBlock, count}).has_value();
  DUNLIN_TRY(find_roomless());
  exact_ = short_of_room && !site_.plan.links();
  // What would be skipped need not be readable.
  const bool asks_rights = all_or_nothing() && ::geteuid() != 0;
  looks_ = destination_ != nullptr && (refuses || exact_ || asks_rights);
  if (looks_) {
    DUNLIN_ASSIGN(granularity_ns_, site_.time_granularity_ns());
    DUNLIN_ASSIGN(changed_since_, site_.changed_since());
  }
  return success();
}

Status ItemChecks::check(const store::BatchRow& batch, const ItemRow& item) {
  if (batch.task_type == kCreateDirectory) return check_directory(item);
  if (batch.task_type == kCopyFiles || batch.task_type == kLinkSets) return check_file(item);
  return success();
}

Status ItemChecks::check_directory(const ItemRow& item) {
  if (item.name.empty()) return success();  // the root itself
  const std::string path = path_of(item);
  fs::FileInfo info;
  info.type = fs::EntryType::directory;
  check_name(item, item.name, info);
  check_folding(item);
  ++need_.inodes;
  need_.bytes += kBlock;
  if (destination_ == nullptr) return success();
  const auto there = destination_->get(path);
  if (!there.ok()) {
    // One that may not be opened may be its owner's all the same, who opens it for the time.
    const std::string& why = there.error().native.code;
    if (why != "ENOENT" && why != "EACCES") add(there.error());
    return success();
  }
  --need_.inodes;
  need_.bytes -= kBlock;
  if (auto error = write_obstacle(**there)) add(*std::move(error));
  return success();
}

Status ItemChecks::check_file(const ItemRow& item) {
  const auto from = item.name.empty() ? source_->get(item.directory_path)
                                      : source_->holder(item.directory_path, item.name);
  if (!from.ok()) {
    add(from.error());
    return success();
  }
  if (item.name.empty()) {  // a directory whose listing has failed
    const auto listing = fs::Listing::open(**from);
    if (!listing.ok()) add(listing.error());
    return success();
  }
  DUNLIN_ASSIGN(const Detail detail, decode_detail(item.detail));
  if (reason_to_leave_out(detail, site_.plan.special_files)) return success();
  DUNLIN_ASSIGN(const auto decided, decision(item, detail.info));
  if (decided && decided->action == Action::skip) return success();
  DUNLIN_ASSIGN(const std::string target, site_.target_name(item.name));
  check_name(item, target, detail.info);
  check_folding(item);
  check_readable(**from, item, detail.info);
  if (decided && decided->action == Action::refuse) {
    add(Error(decided->type, destination_->root().shown(path_of(item)) + ": " + decided->reason));
  }
  return add_need(**from, item, detail, decided);
}

void ItemChecks::check_name(const ItemRow& item, const std::string& name,
                            const fs::FileInfo& info) {
  if (auto error = name_obstacle(holds_, path_of(item), name, info)) add(*std::move(error));
}

/// Of the directory that is being listed: two names that differ in nothing but case. What else a
/// file system takes for the same is found when they are made.
void ItemChecks::check_folding(const ItemRow& item) {
  if (!folds_) return;
  if (item.directory_path != folding_in_) folded_.clear();
  folding_in_ = item.directory_path;
  if (folded_.insert(lower(item.name)).second) return;
  add(Error(ErrorType::name_clash, "'" + escape_bytes(item.name) + "' in '" +
                                       escape_bytes(item.directory_path) +
                                       "' differs from another name only in case: the "
                                       "destination's " +
                                       traits_.name + " may take the two for one"));
}

void ItemChecks::check_readable(const fs::Directory& from, const ItemRow& item,
                                const fs::FileInfo& info) {
  const bool content = info.type == fs::EntryType::file && !site_.plan.links();
  const bool renamed =
      site_.plan.moves() && from.device() == nearest_->directory.device();  // nothing is read
  if (content && !renamed && site_.plan.follows(fs::Follow::never)) {
    if (auto error = read_obstacle(from, item.name)) add(*std::move(error));
  }
  if (!site_.plan.moves() || checked_source_ == item.directory_path + "/") return;
  checked_source_ = item.directory_path + "/";
  if (auto error = removal_obstacle(from)) add(*std::move(error));
}

Result<std::optional<Decision>> ItemChecks::decision(const ItemRow& item,
                                                     const fs::FileInfo& info) {
  if (!looks_ || site_.plan.links()) return std::optional<Decision>();
  const auto to = destination_->get(item.directory_path);
  if (!to.ok()) return std::optional<Decision>();  // absent, or found out when its turn comes
  DUNLIN_ASSIGN(const std::string name, site_.target_name(item.name));
  const auto there = (*to)->find(name);
  if (!there.ok()) return std::optional<Decision>();
  ConflictRules rules;
  rules.conflict = site_.plan.conflict_rule();
  rules.by_content = site_.plan.by_content;
  rules.granularity_ns = granularity_ns_;
  rules.leave_same = !site_.plan.moves();
  rules.changed_since = changed_since_;
  return std::optional(decide(info, *there, rules));
}

Status ItemChecks::add_need(const fs::Directory& from, const ItemRow& item, const Detail& detail,
                            const std::optional<Decision>& decided) {
  if (decided && decided->action == Action::refuse) return success();
  const bool roomless = site_.plan.links() || roomless_.contains(from.device());
  if (roomless || (detail.first.valid() && site_.plan.preserve_links)) return success();
  ++need_.inodes;
  if (detail.info.type != fs::EntryType::file) return success();
  if (decided && decided->action == Action::compare) return success();  // most likely the same
  std::int64_t bytes = detail.info.size;
  if (exact_ && site_.plan.preserve_holes) {
    const auto now = from.find(item.name);
    if (now.ok() && *now) bytes = std::min(bytes, (*now)->allocated_bytes);
  }
  need_.bytes += (bytes + kBlock - 1) / kBlock * kBlock;
  return success();
}

/// Sources on the destination's file system: what is renamed or cloned there takes no room.
Status ItemChecks::find_roomless() {
  const fs::Directory& there = nearest_->directory;
  for (const SourceTrees::Root& root : source_->roots()) {
    if (root.missing) continue;
    DUNLIN_ASSIGN(const SourceTrees::Handle held, source_->open_root(root));
    const fs::Directory& from = *held;
    const bool renamed = site_.plan.moves() && from.device() == there.device();
    // Not only within one device: subvolumes of btrfs have numbers of their own.
    const bool cloned =
        site_.plan.reflink != Reflink::never && fs::clone_obstacle(from, there) == 0;
    if (renamed || cloned) roomless_.insert(from.device());
  }
  return success();
}

std::optional<std::string> ItemChecks::short_of(const Need& need) const {
  const std::int64_t kept = site_.plan.reservation.of(space_);
  const std::int64_t free = std::max<std::int64_t>(0, space_.free_bytes - kept);
  const std::string but = kept > 0 ? " besides the " + format_bytes(kept) + " to be kept free" : "";
  if (need.bytes > free) {
    return format_bytes(need.bytes) + " are needed and " + format_bytes(free) + " are free" + but;
  }
  if (space_.free_inodes >= 0 && need.inodes > space_.free_inodes) {
    return format_count(need.inodes) + " inodes are needed and " +
           format_count(space_.free_inodes) + " are free";
  }
  return std::nullopt;
}

Status ItemChecks::check_room() {
  const auto why = short_of(need_);
  if (!why) return success();
  Error error(ErrorType::disk_full, nearest_->directory.shown("") + ": " + *why);
  error.remediation =
      "make room there, or begin all the same with --preflight streaming: a full disk pauses it";
  add(std::move(error));
  return success();
}

bool ItemChecks::all_or_nothing() const {
  const engine::ExecutionSettings& settings = context_.settings();
  return settings.preflight == engine::Preflight::complete || settings.rolls_back_failure();
}

void ItemChecks::add(Error error) {
  Kind& kind = found_[error.type];
  if (kind.named.size() < (all_or_nothing() ? kNamed : kNamedBeforehand)) {
    kind.named.push_back(std::move(error));
  } else {
    ++kind.more;
  }
}

}  // namespace dunlin::files
