#include "engine/live_limits.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include "base/logging.h"

namespace dunlin::engine {
namespace {

constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();

struct LimitKey {
  const char* name;
  std::int64_t least;
  std::int64_t most;
  std::optional<std::int64_t> LimitChange::* member;
};
/// The bounds are those of the settings (settings_table.cpp).
constexpr LimitKey kKeys[] = {
    {"io", 0, kLargest, &LimitChange::bytes_per_second},
    {"iops", 0, kLargest, &LimitChange::operations_per_second},
    {"cpu", 0, 100, &LimitChange::cpu_percent},
    {"memory", 0, 1'000'000'000, &LimitChange::memory_mb},
    {"concurrency", 1, 4096, &LimitChange::concurrency},
    {"batch_size", 1, 10'000'000, &LimitChange::batch_size},
};

constexpr std::string_view kPriorities[] = {"immediate", "high", "normal", "low", "scheduled"};

Status read_priority(const Json& value, LimitChange& change) {
  const auto name = value.is_string() ? value.get<std::string>() : std::string();
  if (std::find(std::begin(kPriorities), std::end(kPriorities), name) == std::end(kPriorities))
    return Error(ErrorType::invalid_input, "priority is immediate, high, normal, low or scheduled");
  change.priority = name;
  return success();
}

Status read_number(std::string_view name, const Json& value, LimitChange& change) {
  const auto* const key = std::find_if(std::begin(kKeys), std::end(kKeys),
                                       [&](const LimitKey& one) { return one.name == name; });
  if (key == std::end(kKeys)) {
    return Error(ErrorType::invalid_input,
                 "this version changes no limit '" + std::string(name) + "'");
  }
  if (!value.is_number_integer() || value.get<std::int64_t>() < key->least ||
      value.get<std::int64_t>() > key->most) {
    return Error(ErrorType::invalid_input,
                 std::string(name) + " takes a whole number from " + std::to_string(key->least) +
                     (key->most == kLargest ? "" : " to " + std::to_string(key->most)));
  }
  change.*key->member = value.get<std::int64_t>();
  if (const auto problem = memory_problem(change.memory_mb.value_or(0)); !problem.empty())
    return Error(ErrorType::invalid_input, "memory " + problem);
  return success();
}

Json limit_or_null(std::int64_t value) {
  return value > 0 ? Json(value) : Json(nullptr);
}

}  // namespace

Result<LimitChange> limit_change_from(const Json& arguments) {
  LimitChange change;
  if (!arguments.is_object()) return Error(ErrorType::invalid_input, "limits are named one by one");
  if (arguments.empty()) return Error(ErrorType::invalid_input, "no limit is named");
  for (const auto& [name, value] : arguments.items())
    DUNLIN_TRY(name == "priority" ? read_priority(value, change)
                                  : read_number(name, value, change));
  return change;
}

void apply(const LimitChange& change, ExecutionSettings& settings) {
  auto& limits = settings.limits;
  limits.max_io_bytes_per_sec = change.bytes_per_second.value_or(limits.max_io_bytes_per_sec);
  limits.max_iops = change.operations_per_second.value_or(limits.max_iops);
  limits.max_cpu_percent =
      static_cast<std::int32_t>(change.cpu_percent.value_or(limits.max_cpu_percent));
  limits.max_memory_mb = change.memory_mb.value_or(limits.max_memory_mb);
  settings.io_concurrency =
      static_cast<std::int32_t>(change.concurrency.value_or(settings.io_concurrency));
  settings.batch_size = change.batch_size.value_or(settings.batch_size);
  settings.batch_size_set = settings.batch_size_set || change.batch_size.has_value();
  settings.priority = change.priority.value_or(settings.priority);
  if (change.selective_pause) settings.selective_pause = *change.selective_pause;
}

void keep_live_limits(const Json& stored, ExecutionSettings& settings) {
  std::vector<std::string> problems;
  const Result<ExecutionSettings> kept = decode_settings(stored, problems);
  if (!kept.ok()) {
    log_warn("the settings of the plan hold: {}", kept.error().text());
    return;
  }
  settings.limits = kept->limits;
  settings.io_concurrency = kept->io_concurrency;
  settings.batch_size = kept->batch_size;
  settings.batch_size_set = kept->batch_size_set;
  settings.priority = kept->priority;
  settings.selective_pause = kept->selective_pause;
}

LiveLimits::LiveLimits(const ExecutionSettings& settings, Governor& governor, ConcurrencyGate& gate)
    : governor_(governor),
      gate_(gate),
      batch_size_(settings.batch_size),
      settings_(settings),
      held_(std::make_shared<const std::vector<Selector>>(settings.selective_pause)) {
  set_governor_locked();
}

void LiveLimits::set_governor_locked() {
  governor_.set_limits(settings_.limits.max_io_bytes_per_sec, settings_.limits.max_iops);
  governor_.set_cpu_percent(settings_.limits.max_cpu_percent);
  governor_.set_memory(settings_.limits.max_memory_mb * kMegabyte);
}

void LiveLimits::apply(const LimitChange& change) {
  const std::lock_guard lock(mutex_);
  engine::apply(change, settings_);
  if (change.bytes_per_second || change.operations_per_second || change.cpu_percent ||
      change.memory_mb)
    set_governor_locked();
  if (change.concurrency) gate_.set_limit(*change.concurrency);
  if (change.batch_size) batch_size_ = *change.batch_size;
  if (change.selective_pause)
    held_ = std::make_shared<const std::vector<Selector>>(*change.selective_pause);
  FairShare* const share = governor_.shared();
  if (change.priority && share != nullptr) share->set_priority(*change.priority);
}

LiveLimits::Parts LiveLimits::held() const {
  const std::lock_guard lock(mutex_);
  return held_;
}

Json LiveLimits::json() const {
  const std::lock_guard lock(mutex_);
  Json out = Json::object();
  out["io"] = limit_or_null(settings_.limits.max_io_bytes_per_sec);
  out["iops"] = limit_or_null(settings_.limits.max_iops);
  out["cpu"] = limit_or_null(settings_.limits.max_cpu_percent);
  out["memory"] = limit_or_null(settings_.limits.max_memory_mb);
  out["concurrency"] = gate_.limit();
  out["batch_size"] = batch_size();
  out["priority"] = settings_.priority;
  return out;
}

ExecutionSettings LiveLimits::effective() const {
  const std::lock_guard lock(mutex_);
  return settings_;
}

}  // namespace dunlin::engine
