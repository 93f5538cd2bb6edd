// Breakdown; see breakdown.h.
#include "engine/breakdown.h"

#include <algorithm>
#include <array>
#include <utility>

namespace dunlin::engine {
namespace {

using store::ItemStatus;

constexpr std::size_t kPage = 10'000;
constexpr std::size_t kGroupsKept = 100'000;
constexpr std::size_t kEndingMax = 11;  ///< with its dot: what is longer is part of the name

struct SizeClass {
  std::int64_t up_to;
  std::string_view name;
};
constexpr std::array<SizeClass, 8> kSizes{{{0, "empty"},
                                           {4LL << 10, "4 KiB"},
                                           {64LL << 10, "64 KiB"},
                                           {1LL << 20, "1 MiB"},
                                           {16LL << 20, "16 MiB"},
                                           {256LL << 20, "256 MiB"},
                                           {4LL << 30, "4 GiB"},
                                           {INT64_MAX, "larger"}}};

int size_class(std::int64_t bytes) {
  const auto found = std::find_if(kSizes.begin(), kSizes.end(),
                                  [bytes](const SizeClass& one) { return bytes <= one.up_to; });
  return static_cast<int>(found - kSizes.begin());
}

/// In small letters, of letters and digits, one letter at least; else empty.
std::string ending_of(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || name.size() - dot > kEndingMax) return "";
  std::string ending(name.substr(dot));
  bool letters = false;
  for (char& c : ending) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool letter = c >= 'a' && c <= 'z';
    const bool digit = c >= '0' && c <= '9';
    if (!letter && !digit && c != '.') return "";
    letters = letters || letter;
  }
  return letters ? ending : "";
}

/// Length of the longest directory that both lie in or are.
std::size_t common_directory(std::string_view a, std::string_view b) {
  const std::size_t most = std::min(a.size(), b.size());
  std::size_t same = 0;
  while (same < most && a[same] == b[same]) ++same;
  const auto ends = [same](std::string_view path) {
    return path.size() == same || path[same] == '/';
  };
  if (ends(a) && ends(b)) return same;
  const std::size_t slash = a.substr(0, same).rfind('/');
  return slash == std::string_view::npos ? 0 : slash;
}

/// The component of `path` that follows its first `length` bytes.
std::string_view child_of(std::string_view path, std::size_t length) {
  const std::size_t begin = length == 0 ? 0 : length + 1;
  const std::size_t end = path.find('/', begin);
  return path.substr(begin, end == std::string_view::npos ? end : end - begin);
}

/// The first `most`, those after them as one; `unnamed` with these.
std::vector<ResultGroup> first_of(std::vector<ResultGroup> groups, std::size_t most,
                                  std::int64_t unnamed_groups, const ResultSums& unnamed) {
  ResultGroup others{"", unnamed_groups, unnamed};
  const std::size_t kept = groups.size() <= most && unnamed_groups == 0 ? most : most - 1;
  while (groups.size() > kept) {
    others.sums += groups.back().sums;
    others.groups += groups.back().groups;
    groups.pop_back();
  }
  if (others.groups > 0) groups.push_back(std::move(others));
  return groups;
}

std::vector<ResultGroup> largest(std::vector<ResultGroup> groups, std::size_t most,
                                 std::int64_t unnamed_groups, const ResultSums& unnamed) {
  std::stable_sort(groups.begin(), groups.end(), [](const ResultGroup& a, const ResultGroup& b) {
    return a.sums.items > b.sums.items;
  });
  return first_of(std::move(groups), most, unnamed_groups, unnamed);
}

std::vector<ResultGroup> as_groups(const std::map<std::string, ResultSums, std::less<>>& sums) {
  std::vector<ResultGroup> groups;
  for (const auto& [name, of] : sums) groups.push_back({name, 1, of});
  return groups;
}

}  // namespace

ResultSums& ResultSums::operator+=(const ResultSums& other) {
  items += other.items;
  succeeded += other.succeeded;
  failed += other.failed;
  skipped += other.skipped;
  bytes += other.bytes;
  transferred_bytes += other.transferred_bytes;
  return *this;
}

void BreakdownBuilder::add(const store::ItemRow& item, std::string_view type) {
  ResultSums sums;
  sums.items = 1;
  sums.succeeded = item.status == ItemStatus::completed ? 1 : 0;
  sums.failed = item.status == ItemStatus::failed ? 1 : 0;
  sums.skipped = item.status == ItemStatus::skipped ? 1 : 0;
  sums.bytes = std::max<std::int64_t>(item.size, 0);
  sums.transferred_bytes = item.transferred_bytes;
  add_directory(item.directory_path, sums);
  std::string ending = ending_of(item.name);
  if (endings_.size() >= kGroupsKept && !endings_.contains(ending)) ending.clear();
  endings_[std::move(ending)] += sums;
  sizes_[size_class(sums.bytes)] += sums;
  types_[std::string(type)] += sums;
  add_batch(item.batch, sums);
}

void BreakdownBuilder::add_batch(BatchId batch, const ResultSums& sums) {
  if (batches_.size() < kGroupsKept || batches_.contains(batch.value)) {
    batches_[batch.value] += sums;
    return;
  }
  unnamed_batch_items_ += sums;
  if (batch != last_unnamed_) ++unnamed_batches_;  // at most: items come batch by batch, as a rule
  last_unnamed_ = batch;
}

void BreakdownBuilder::add_directory(std::string_view directory, const ResultSums& sums) {
  if (!any_) common_ = directory;
  any_ = true;
  const std::size_t shared = common_directory(common_, directory);
  if (shared < common_.size()) climb_to(shared);
  if (directory.size() == common_.size()) {
    here_ += sums;
    return;
  }
  const std::string_view child = child_of(directory, common_.size());
  auto found = children_.find(child);
  if (found == children_.end() && children_.size() >= kGroupsKept) {
    unnamed_ += sums;
    ++unnamed_groups_;  // at most: one of them may come again
    return;
  }
  if (found == children_.end()) found = children_.emplace(child, ResultSums()).first;
  found->second += sums;
}

/// All that there is so far becomes one child of a directory above.
void BreakdownBuilder::climb_to(std::size_t length) {
  ResultSums all = here_;
  for (const auto& [name, sums] : children_) all += sums;
  all += unnamed_;
  const std::string child(child_of(common_, length));
  common_.resize(length);
  here_ = unnamed_ = ResultSums();
  unnamed_groups_ = 0;
  children_.clear();
  children_.emplace(child, all);
}

Breakdown BreakdownBuilder::finish(std::size_t most) const {
  Breakdown out;
  out.below = common_;
  std::vector<ResultGroup> directories = as_groups(children_);
  if (here_.items > 0) directories.push_back({"", 1, here_});
  out.by_directory = largest(std::move(directories), most, unnamed_groups_, unnamed_);
  out.by_ending = largest(as_groups(endings_), most, 0, {});
  out.by_type = largest(as_groups(types_), most, 0, {});
  std::vector<ResultGroup> batches;
  for (const auto& [number, sums] : batches_) batches.push_back({std::to_string(number), 1, sums});
  std::stable_sort(batches.begin(), batches.end(), [](const ResultGroup& a, const ResultGroup& b) {
    return a.sums.failed > b.sums.failed;
  });
  out.by_batch = first_of(std::move(batches), most, unnamed_batches_, unnamed_batch_items_);
  for (const auto& [number, sums] : sizes_)
    out.by_size.push_back({std::string(kSizes.at(static_cast<std::size_t>(number)).name), 1, sums});
  return out;
}

Status for_each_item(const store::Ledger& ledger,
                     const std::function<Status(const store::ItemRow&, store::CountAs)>& fn) {
  store::ItemFilter filter;
  filter.limit = kPage;
  BatchId batch;
  store::CountAs count_as = store::CountAs::items;
  while (true) {
    DUNLIN_ASSIGN(const std::vector<store::ItemRow> page, ledger.items(filter));
    for (const store::ItemRow& item : page) {
      if (item.batch != batch) {
        batch = item.batch;
        DUNLIN_ASSIGN(const store::BatchRow row, ledger.batch(batch));
        count_as = row.count_as;
      }
      DUNLIN_TRY(fn(item, count_as));
    }
    if (page.size() < kPage) return success();
    filter.after = page.back().id;
  }
}

Result<Breakdown> breakdown_of(const store::Ledger& ledger, std::size_t most,
                               const TypeOf& type_of) {
  BreakdownBuilder builder;
  DUNLIN_TRY(for_each_item(ledger, [&](const store::ItemRow& item, store::CountAs count_as) {
    if (count_as == store::CountAs::items) builder.add(item, type_of ? type_of(item) : "");
    return success();
  }));
  return builder.finish(most);
}

Result<std::vector<ActionResults>> results_by_action(const store::Ledger& ledger,
                                                     std::size_t samples) {
  std::map<std::string, ActionResults, std::less<>> found;
  DUNLIN_TRY(for_each_item(ledger, [&](const store::ItemRow& item, store::CountAs count_as) {
    if (item.status != ItemStatus::completed || count_as == store::CountAs::steps) return success();
    ActionResults& results = found[item.action];
    ++(count_as == store::CountAs::items ? results.items : results.directories);
    results.transferred_bytes += item.transferred_bytes;
    if (results.samples.size() < samples) {
      results.samples.push_back(item.directory_path.empty() || item.name.empty()
                                    ? item.directory_path + item.name
                                    : item.directory_path + "/" + item.name);
    }
    return success();
  }));
  std::vector<ActionResults> all;
  for (auto& [action, results] : found) {
    results.action = action;
    all.push_back(std::move(results));
  }
  return all;
}

}  // namespace dunlin::engine
