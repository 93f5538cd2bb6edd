// See in_flight.h.
#include "engine/in_flight.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/progress.h"

namespace dunlin::engine {

namespace {

constexpr std::int64_t kWindowMs = 10'000;
constexpr std::int64_t kSampleEveryMs = 100;
/// Shorter spans give rates that jump about.
constexpr std::int64_t kShortestSpanMs = 500;

struct NamedPhase {
  ItemPhase phase;
  std::string_view name;
};
constexpr NamedPhase kPhases[] = {{ItemPhase::copying, "copying"},
                                  {ItemPhase::resuming, "resuming"},
                                  {ItemPhase::cloning, "cloning"},
                                  {ItemPhase::comparing, "comparing"},
                                  {ItemPhase::verifying, "verifying"}};

std::string path_of(const store::ItemRow& row, std::size_t limit) {
  std::string path = row.directory_path;
  if (!path.empty() && !row.name.empty()) path += '/';
  path += row.name;
  if (path.size() > limit) path.erase(0, path.size() - limit);
  return path;
}

Json number_or_null(const std::optional<double>& value) {
  return value ? Json(static_cast<std::int64_t>(std::llround(*value))) : Json(nullptr);
}

}  // namespace

std::string_view to_string(ItemPhase phase) {
  for (const NamedPhase& one : kPhases)
    if (one.phase == phase) return one.name;
  return "";
}

std::optional<ItemPhase> item_phase_from(std::string_view name) {
  for (const NamedPhase& one : kPhases)
    if (one.name == name) return one.phase;
  return std::nullopt;
}

double CurrentItem::percent() const {
  if (total_bytes <= 0) return 0;
  const double part = static_cast<double>(done_bytes) / static_cast<double>(total_bytes);
  return std::floor(std::clamp(part, 0.0, 1.0) * 1000) / 10;
}

Json current_items_json(const std::vector<CurrentItem>& items) {
  Json list = Json::array();
  for (const CurrentItem& item : items) {
    Json one = Json::object();
    one["item"] = item.item.value;
    put_path(one, "path", item.path);
    one["phase"] = std::string(to_string(item.phase));
    one["processed_bytes"] = item.done_bytes;
    one["total_bytes"] = item.total_bytes;
    one["percent_complete"] = item.percent();
    one["transfer_speed"] = number_or_null(item.bytes_per_second);
    one["estimated_time_remaining"] = item.seconds_left ? Json(*item.seconds_left) : Json(nullptr);
    one["running_duration_seconds"] = item.running_ms / 1000;
    list.push_back(std::move(one));
  }
  return list;
}

std::vector<CurrentItem> current_items_from(const Json& list) {
  std::vector<CurrentItem> items;
  if (!list.is_array()) return items;
  for (const Json& one : list) {
    const auto phase = item_phase_from(string_or(one, "phase", ""));
    auto path = get_path(one, "path");
    if (!phase || !path.ok()) continue;
    CurrentItem item;
    item.item = ItemId(integer_or(one, "item", 0));
    item.path = std::move(path).value();
    item.phase = *phase;
    item.done_bytes = integer_or(one, "processed_bytes", 0);
    item.total_bytes = integer_or(one, "total_bytes", 0);
    if (const Json* rate = find_member(one, "transfer_speed"); rate != nullptr && rate->is_number())
      item.bytes_per_second = rate->get<double>();
    if (const auto left = integer_or(one, "estimated_time_remaining", -1); left >= 0)
      item.seconds_left = left;
    item.running_ms = integer_or(one, "running_duration_seconds", 0) * 1000;
    items.push_back(std::move(item));
  }
  return items;
}

// ---- The list

void ItemsInFlight::add(ItemInFlight& worker) {
  worker.number_ = begun_.fetch_add(1, std::memory_order_relaxed);
  Shard& shard = shards_[worker.number_ % shards_.size()];
  const std::lock_guard lock(shard.mutex);
  shard.workers.push_back(&worker);
}

void ItemsInFlight::remove(ItemInFlight& worker) {
  Shard& shard = shards_[worker.number_ % shards_.size()];
  const std::lock_guard lock(shard.mutex);
  std::erase(shard.workers, &worker);
}

/// With the lock of its shard.
template <typename Fn>
void ItemsInFlight::for_each(Fn fn) {
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    for (ItemInFlight* worker : shard.workers) fn(*worker);
  }
}

bool ItemsInFlight::is_watched(const ItemInFlight& worker, std::int64_t now_ms) const {
  return worker.total_bytes_ >= limits_.large_bytes || now_ms - worker.began_ms_ >= limits_.long_ms;
}

/// The oldest sample is the last one outside the window, so that who asks rarely gets a rate, too.
void ItemsInFlight::sample_locked(ItemInFlight& worker, std::int64_t now_ms) const {
  auto& samples = worker.samples_;
  if (samples.empty()) samples.push_back({worker.began_ms_, 0});
  const std::int64_t done = worker.done_bytes_.load(std::memory_order_relaxed);
  if (now_ms - samples.back().time_ms >= kSampleEveryMs) samples.push_back({now_ms, done});
  while (samples.size() > 2 && now_ms - samples[1].time_ms > kWindowMs)
    samples.erase(samples.begin());
}

void ItemsInFlight::sample() {
  const std::int64_t now_ms = clock_.monotonic_ms();
  for_each([&](ItemInFlight& worker) {
    if (is_watched(worker, now_ms)) sample_locked(worker, now_ms);
  });
}

CurrentItem ItemsInFlight::item_locked(const ItemInFlight& worker, std::int64_t now_ms) const {
  CurrentItem item{worker.row_.id,
                   path_of(worker.row_, limits_.path_bytes),
                   worker.phase_,
                   0,
                   worker.total_bytes_,
                   {},
                   {},
                   0};
  const std::int64_t done = worker.done_bytes_.load(std::memory_order_relaxed);
  item.done_bytes = std::clamp<std::int64_t>(done, 0, item.total_bytes);
  item.running_ms = std::max<std::int64_t>(now_ms - worker.began_ms_, 0);
  const Sample& oldest = worker.samples_.front();
  const std::int64_t span_ms = now_ms - oldest.time_ms;
  if (span_ms < kShortestSpanMs) return item;
  const double rate =
      static_cast<double>(done - oldest.done_bytes) * 1000 / static_cast<double>(span_ms);
  item.bytes_per_second = rate;
  if (rate > 0) {
    const auto left = static_cast<double>(item.total_bytes - item.done_bytes);
    item.seconds_left = static_cast<std::int64_t>(std::ceil(left / rate));
  }
  return item;
}

std::vector<CurrentItem> ItemsInFlight::list() {
  const std::int64_t now_ms = clock_.monotonic_ms();
  std::vector<std::pair<std::uint64_t, CurrentItem>> found;
  for_each([&](ItemInFlight& worker) {
    if (!is_watched(worker, now_ms)) return;
    sample_locked(worker, now_ms);
    found.emplace_back(worker.number_, item_locked(worker, now_ms));
  });
  if (found.size() > limits_.listed) {
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
      if (a.second.total_bytes != b.second.total_bytes)
        return a.second.total_bytes > b.second.total_bytes;
      return a.first < b.first;
    });
    found.resize(limits_.listed);
  }
  // So that a line keeps its place while the work on it lasts.
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<CurrentItem> items;
  for (auto& [number, item] : found) items.push_back(std::move(item));
  return items;
}

std::int64_t ItemsInFlight::read_back_bytes() {
  std::int64_t bytes = 0;
  for_each([&bytes](const ItemInFlight& worker) {
    if (worker.phase_ == ItemPhase::verifying)
      bytes += worker.done_bytes_.load(std::memory_order_relaxed);
  });
  return bytes;
}

// ---- One worker

ItemInFlight::ItemInFlight(ItemsInFlight* all, const store::ItemRow& row, ItemPhase phase,
                           std::int64_t total_bytes)
    : all_(all), row_(row), total_bytes_(std::max<std::int64_t>(total_bytes, 0)), phase_(phase) {
  if (all_ == nullptr) return;
  began_ms_ = all_->clock_.monotonic_ms();
  all_->add(*this);
}

ItemInFlight::~ItemInFlight() {
  if (all_ != nullptr) all_->remove(*this);
}

void ItemInFlight::advance(std::int64_t bytes) {
  // One writer: no read-modify-write is needed.
  done_bytes_.store(done_bytes_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
  if (phase_ == ItemPhase::verifying && all_ != nullptr && all_->meter_ != nullptr)
    all_->meter_->add_read_back(bytes);
}

void ItemInFlight::enter(ItemPhase phase, std::int64_t done_bytes) {
  if (all_ == nullptr) return;
  const std::int64_t now_ms = all_->clock_.monotonic_ms();
  const std::lock_guard lock(all_->shards_[number_ % all_->shards_.size()].mutex);
  phase_ = phase;
  done_bytes_.store(done_bytes, std::memory_order_relaxed);
  samples_ = {{now_ms, done_bytes}};
}

}  // namespace dunlin::engine
