// See in_flight.h.
#include "engine/in_flight.h"

#include <algorithm>
#include <cmath>

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

void ItemsInFlight::add(const ItemInFlight& worker) {
  Entry entry{&worker,
              worker.row_.id,
              path_of(worker.row_, limits_.path_bytes),
              worker.phase_,
              worker.total_bytes_,
              worker.began_ms_,
              {{clock_.monotonic_ms(), worker.done_bytes_.load(std::memory_order_relaxed)}}};
  const std::lock_guard lock(mutex_);
  entries_.push_back(std::move(entry));
}

void ItemsInFlight::change(ItemInFlight& worker, std::int64_t done_bytes) {
  const std::int64_t now_ms = clock_.monotonic_ms();
  const std::lock_guard lock(mutex_);
  worker.done_bytes_.store(done_bytes, std::memory_order_relaxed);
  for (Entry& entry : entries_) {
    if (entry.worker != &worker) continue;
    entry.phase = worker.phase_;
    entry.samples = {{now_ms, done_bytes}};
  }
}

void ItemsInFlight::remove(const ItemInFlight& worker) {
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [&worker](const Entry& entry) { return entry.worker == &worker; });
}

/// The oldest sample is the last one outside the window, so that who asks rarely gets a rate, too.
void ItemsInFlight::sample_locked(std::int64_t now_ms) {
  for (Entry& entry : entries_) {
    auto& samples = entry.samples;
    const std::int64_t done = entry.worker->done_bytes_.load(std::memory_order_relaxed);
    if (now_ms - samples.back().time_ms >= kSampleEveryMs) samples.push_back({now_ms, done});
    while (samples.size() > 2 && now_ms - samples[1].time_ms > kWindowMs) samples.pop_front();
  }
}

void ItemsInFlight::sample() {
  const std::int64_t now_ms = clock_.monotonic_ms();
  const std::lock_guard lock(mutex_);
  sample_locked(now_ms);
}

std::vector<CurrentItem> ItemsInFlight::list() {
  const std::int64_t now_ms = clock_.monotonic_ms();
  const std::lock_guard lock(mutex_);
  sample_locked(now_ms);
  std::vector<const Entry*> chosen;
  for (const Entry& entry : entries_) chosen.push_back(&entry);
  if (chosen.size() > limits_.listed) {
    std::stable_sort(chosen.begin(), chosen.end(), [](const Entry* a, const Entry* b) {
      if (a->total_bytes != b->total_bytes) return a->total_bytes > b->total_bytes;
      return a->began_ms < b->began_ms;
    });
    chosen.resize(limits_.listed);
  }
  // So that a line keeps its place while the work on it lasts.
  std::stable_sort(chosen.begin(), chosen.end(),
                   [](const Entry* a, const Entry* b) { return a->began_ms < b->began_ms; });
  std::vector<CurrentItem> items;
  for (const Entry* entry : chosen) {
    CurrentItem item{entry->item, entry->path, entry->phase, 0, entry->total_bytes, {}, {}, 0};
    const std::int64_t done = entry->worker->done_bytes_.load(std::memory_order_relaxed);
    item.done_bytes = std::clamp<std::int64_t>(done, 0, entry->total_bytes);
    item.running_ms = std::max<std::int64_t>(now_ms - entry->began_ms, 0);
    const Sample& oldest = entry->samples.front();
    const std::int64_t span_ms = now_ms - oldest.time_ms;
    if (span_ms >= kShortestSpanMs) {
      const double rate =
          static_cast<double>(done - oldest.done_bytes) * 1000 / static_cast<double>(span_ms);
      item.bytes_per_second = rate;
      if (rate > 0) {
        const auto left = static_cast<double>(entry->total_bytes - item.done_bytes);
        item.seconds_left = static_cast<std::int64_t>(std::ceil(left / rate));
      }
    }
    items.push_back(std::move(item));
  }
  return items;
}

// ---- One worker

ItemInFlight::ItemInFlight(ItemsInFlight* all, const store::ItemRow& row, ItemPhase phase,
                           std::int64_t total_bytes)
    : all_(all), row_(row), total_bytes_(std::max<std::int64_t>(total_bytes, 0)), phase_(phase) {
  if (all_ == nullptr) return;
  began_ms_ = all_->clock_.monotonic_ms();
  if (total_bytes_ < all_->limits_.large_bytes) return;
  all_->add(*this);
  listed_ = true;
}

ItemInFlight::~ItemInFlight() {
  if (listed_) all_->remove(*this);
}

void ItemInFlight::advance(std::int64_t bytes) {
  // One writer: no read-modify-write is needed.
  done_bytes_.store(done_bytes_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
  if (listed_ || all_ == nullptr) return;
  if (all_->clock_.monotonic_ms() - began_ms_ < all_->limits_.long_ms) return;
  all_->add(*this);
  listed_ = true;
}

void ItemInFlight::enter(ItemPhase phase, std::int64_t done_bytes) {
  phase_ = phase;
  if (listed_)
    all_->change(*this, done_bytes);
  else
    done_bytes_.store(done_bytes, std::memory_order_relaxed);
}

}  // namespace dunlin::engine
