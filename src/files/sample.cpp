// See sample.h.
#include "files/sample.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <queue>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/units.h"
#include "files/enumerate.h"
#include "files/records.h"

namespace dunlin::files {
namespace {

using engine::DirectoryRow;

constexpr std::int64_t kKiB = 1024;
constexpr std::array<std::int64_t, 6> kClassesUpTo{0,          4 * kKiB,        64 * kKiB,
                                                   kKiB* kKiB, 16 * kKiB* kKiB, 256 * kKiB* kKiB};
constexpr std::size_t kClasses = kClassesUpTo.size() + 1;
constexpr std::int64_t kMostBytes = kKiB * kKiB * kKiB;
/// Sets of hard links whose bytes are counted once; beyond, each name counts them.
constexpr std::size_t kSetsKnown = 1'000'000;

std::size_t class_of(std::int64_t size) {
  const auto found = std::lower_bound(kClassesUpTo.begin(), kClassesUpTo.end(), size);
  return static_cast<std::size_t>(found - kClassesUpTo.begin());
}

struct Drawn {
  std::uint64_t lot = 0;
  std::string path;
  std::int64_t size = 0;
  friend bool operator<(const Drawn& one, const Drawn& other) {
    return std::tie(one.lot, one.path) < std::tie(other.lot, other.path);
  }
};

/// What the enumeration journals is counted and drawn from, and forgotten.
class Census final : public engine::EnumerateContext {
 public:
  Census(engine::EnumerateContext& context, std::size_t most) : context_(context), most_(most) {}

  [[nodiscard]] const ExecutionId& execution() const override { return context_.execution(); }
  [[nodiscard]] const engine::ExecutionSettings& settings() const override {
    return context_.settings();
  }
  [[nodiscard]] std::int64_t epoch() const override { return context_.epoch(); }
  [[nodiscard]] const Clock& clock() const override { return context_.clock(); }
  [[nodiscard]] Permits& permits() override { return context_.permits(); }
  [[nodiscard]] const CancelToken& cancel() const override { return context_.cancel(); }
  [[nodiscard]] Status fence() override { return context_.fence(); }
  [[nodiscard]] const std::string& state_path() const override { return context_.state_path(); }

  [[nodiscard]] const std::string& cursor() const override { return no_cursor_; }
  [[nodiscard]] TaskId new_task_id() override { return TaskId(++last_id_); }
  [[nodiscard]] BatchId new_batch_id() override { return BatchId(++last_id_); }
  [[nodiscard]] ItemId new_item_id() override { return ItemId(++last_id_); }
  [[nodiscard]] DirectoryId new_directory_id() override { return DirectoryId(++last_id_); }
  [[nodiscard]] Result<std::vector<store::TaskRow>> tasks() override {
    return std::vector<store::TaskRow>{};
  }
  /// The last found first, so that few are waiting at a time.
  [[nodiscard]] Result<std::vector<DirectoryRow>> open_directories(std::size_t limit) override {
    std::vector<DirectoryRow> rows;
    for (auto row = open_.rbegin(); row != open_.rend() && rows.size() < limit; ++row)
      rows.push_back(row->second);
    return rows;
  }
  [[nodiscard]] Result<std::vector<DirectoryRow>> directories_before(DirectoryId,
                                                                     std::size_t) override {
    return std::vector<DirectoryRow>{};
  }
  [[nodiscard]] Result<bool> has_item(DirectoryId, std::string_view) override {
    // Asked of a directory that was half read when a chunk was full, and is read on: not again.
    return false;
  }
  [[nodiscard]] Result<std::optional<DirectoryId>> find_directory(DirectoryId,
                                                                  std::string_view) override {
    return std::optional<DirectoryId>();
  }
  [[nodiscard]] Result<std::optional<ItemId>> first_item(std::string_view key) override {
    const auto found = first_items_.find(std::string(key));
    return found == first_items_.end() ? std::nullopt : std::optional(found->second);
  }
  [[nodiscard]] Result<bool> is_own_execution(std::string_view short_id) override {
    return context_.is_own_execution(short_id);
  }
  [[nodiscard]] bool continued() const override { return false; }
  void run_aside(std::function<void()> job) override { context_.run_aside(std::move(job)); }

  [[nodiscard]] Status commit(Chunk chunk) override {
    std::vector<DirectoryId> read;
    for (engine::NewDirectory& fresh : chunk.directories) {
      DirectoryRow row;
      static_cast<engine::NewDirectory&>(row) = fresh;
      row.path = fresh.parent.valid() ? below(path_of(fresh.parent), fresh.name) : "";
      paths_[row.id] = row.path;
      if (fresh.open) {
        open_.emplace(row.id, std::move(row));
      } else {
        read.push_back(fresh.id);
      }
    }
    for (const engine::NewTask& task : chunk.tasks) types_[task.id] = task.task_type;
    for (const engine::NewBatch& batch : chunk.batches) DUNLIN_TRY(count(batch));
    for (engine::NewFirstItem& first : chunk.first_items) {
      if (first_items_.size() < kSetsKnown) first_items_.emplace(std::move(first.key), first.item);
    }
    read.insert(read.end(), chunk.closed_directories.begin(), chunk.closed_directories.end());
    for (const DirectoryId id : read) {
      open_.erase(id);
      paths_.erase(id);
    }
    return success();
  }

  /// Of each class what was drawn, the least lot first.
  std::array<std::vector<Drawn>, kClasses> take_drawn() {
    std::array<std::vector<Drawn>, kClasses> drawn;
    for (std::size_t n = 0; n < kClasses; ++n) {
      while (!lots_[n].empty()) {
        drawn[n].push_back(lots_[n].top());
        lots_[n].pop();
      }
      std::reverse(drawn[n].begin(), drawn[n].end());
    }
    return drawn;
  }

  engine::SampleCounts counts;
  std::array<std::int64_t, kClasses> in_class{};

 private:
  static std::string below(const std::string& directory, const std::string& name) {
    return directory.empty() ? name : directory + "/" + name;
  }
  [[nodiscard]] std::string path_of(DirectoryId id) const {
    const auto found = paths_.find(id);
    return found == paths_.end() ? "" : found->second;
  }

  Status count(const engine::NewBatch& batch) {
    const auto type = types_.find(batch.task);
    if (type == types_.end()) return success();
    if (type->second == kCreateDirectory)
      counts.directories += static_cast<std::int64_t>(batch.items.size());
    if (type->second != kCopyFiles && type->second != kLinkSets) return success();
    for (const engine::NewItem& item : batch.items) {
      if (item.name.empty()) continue;  // a directory that cannot be listed
      DUNLIN_ASSIGN(const Detail detail, decode_detail(item.detail));
      if (detail.own_state) continue;
      ++counts.items;
      counts.bytes += item.size;
      DUNLIN_TRY(draw(below(path_of(item.directory), item.name), item.size));
    }
    return success();
  }

  Status draw(std::string path, std::int64_t size) {
    const std::size_t place = class_of(size);
    ++in_class[place];
    DUNLIN_ASSIGN(const std::string digest,
                  hash_bytes(HashKind::xxh3, context_.execution().value + "/" + path));
    Drawn one;
    std::memcpy(&one.lot, digest.data(), sizeof(one.lot));
    one.path = std::move(path);
    one.size = size;
    auto& lots = lots_[place];
    if (lots.size() >= most_ && !(one < lots.top())) return success();
    lots.push(std::move(one));
    if (lots.size() > most_) lots.pop();
    return success();
  }

  engine::EnumerateContext& context_;
  const std::size_t most_;
  const std::string no_cursor_;
  std::int64_t last_id_ = 0;
  std::map<DirectoryId, DirectoryRow> open_;
  std::map<DirectoryId, std::string> paths_;  ///< of those that are not read to their end
  std::map<TaskId, std::string> types_;
  std::unordered_map<std::string, ItemId> first_items_;
  std::array<std::priority_queue<Drawn>, kClasses> lots_;
};

/// How many of each class: one of each that has any, the rest by their numbers.
std::array<std::int64_t, kClasses> shares(const std::array<std::int64_t, kClasses>& in_class,
                                          std::int64_t items) {
  std::array<std::int64_t, kClasses> share{};
  std::int64_t all = 0;
  std::int64_t left = items;
  for (const std::int64_t count : in_class) all += count;
  for (std::size_t n = 0; n < kClasses; ++n) {
    if (in_class[n] == 0 || left == 0) continue;
    share[n] = 1;
    --left;
  }
  const std::int64_t to_give = left;
  for (std::size_t n = 0; n < kClasses && all > 0; ++n) {
    const double part = static_cast<double>(in_class[n]) / static_cast<double>(all);
    const auto more =
        std::min<std::int64_t>({static_cast<std::int64_t>(part * static_cast<double>(to_give)),
                                in_class[n] - share[n], left});
    if (more <= 0) continue;
    share[n] += more;
    left -= more;
  }
  // What rounding has left goes where there is most.
  while (left > 0) {
    std::size_t best = kClasses;
    for (std::size_t n = 0; n < kClasses; ++n) {
      const std::int64_t over = in_class[n] - share[n];
      if (over > 0 && (best == kClasses || over > in_class[best] - share[best])) best = n;
    }
    if (best == kClasses) break;
    ++share[best];
    --left;
  }
  return share;
}

}  // namespace

Status enumerate(Site& site, engine::EnumerateContext& context) {
  const std::int64_t items = site.test_items();
  if (items == 0) return list_into(site, context, nullptr);
  // Again after a crash: the same lots fall on the same files.
  DUNLIN_ASSIGN(Sample sample, Sample::draw(site, context, items));
  DUNLIN_ASSIGN(const Layout* const layout, site.layout());
  sample.name_place(layout->destination_root);
  return list_into(site, context, &sample);
}

std::string Sample::words() const {
  return format_count(counts_.sample_items) + " of " + format_count(counts_.items) + " files";
}

Result<Sample> Sample::draw(Site& site, engine::EnumerateContext& context, std::int64_t items) {
  const std::int64_t begin_ms = context.clock().monotonic_ms();
  const std::int64_t first_listed = site.first_listed.load();
  Census census(context, static_cast<std::size_t>(items));
  DUNLIN_TRY(list_into(site, census, nullptr));
  site.first_listed = first_listed;  // none of these has an item
  Sample sample;
  sample.counts_ = census.counts;
  sample.counts_.listing_ms = context.clock().monotonic_ms() - begin_ms;
  const auto share = shares(census.in_class, items);
  const auto drawn = census.take_drawn();
  for (std::size_t n = 0; n < kClasses; ++n) {
    std::int64_t wanted = share[n];
    for (const Drawn& one : drawn[n]) {
      if (wanted == 0) break;
      if (sample.counts_.sample_items > 0 && sample.counts_.sample_bytes + one.size > kMostBytes)
        continue;
      --wanted;
      ++sample.counts_.sample_items;
      sample.counts_.sample_bytes += one.size;
      for (std::size_t slash = one.path.find('/'); slash != std::string::npos;
           slash = one.path.find('/', slash + 1))
        sample.directories_.insert(one.path.substr(0, slash));
      sample.files_.insert(one.path);
    }
  }
  sample.counts_.sample_directories = static_cast<std::int64_t>(sample.directories_.size()) + 1;
  return sample;
}

}  // namespace dunlin::files
