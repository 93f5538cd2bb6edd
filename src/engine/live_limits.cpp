#include "engine/live_limits.h"

#include <limits>
#include <string>

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
    {"concurrency", 1, 4096, &LimitChange::concurrency},
    {"batch_size", 1, 10'000'000, &LimitChange::batch_size},
};

Json limit_or_null(std::int64_t value) {
  return value > 0 ? Json(value) : Json(nullptr);
}

}  // namespace

Result<LimitChange> limit_change_from(const Json& arguments) {
  LimitChange change;
  bool any = false;
  if (!arguments.is_object()) return Error(ErrorType::invalid_input, "limits are named one by one");
  for (const auto& [name, value] : arguments.items()) {
    const LimitKey* key = nullptr;
    for (const LimitKey& one : kKeys)
      if (name == one.name) key = &one;
    if (key == nullptr)
      return Error(ErrorType::invalid_input, "this version changes no limit '" + name + "'");
    if (!value.is_number_integer() || value.get<std::int64_t>() < key->least ||
        value.get<std::int64_t>() > key->most) {
      return Error(ErrorType::invalid_input,
                   name + " takes a whole number from " + std::to_string(key->least) +
                       (key->most == kLargest ? "" : " to " + std::to_string(key->most)));
    }
    change.*key->member = value.get<std::int64_t>();
    any = true;
  }
  if (!any) return Error(ErrorType::invalid_input, "no limit is named");
  return change;
}

LiveLimits::LiveLimits(const ExecutionSettings& settings, Governor& governor, ConcurrencyGate& gate)
    : governor_(governor),
      gate_(gate),
      batch_size_(settings.batch_size),
      bytes_per_second_(settings.limits.max_io_bytes_per_sec),
      operations_per_second_(settings.limits.max_iops),
      cpu_percent_(settings.limits.max_cpu_percent) {
  set_governor_locked();
}

void LiveLimits::set_governor_locked() {
  governor_.set_limits(bytes_per_second_, operations_per_second_);
  governor_.set_cpu_percent(cpu_percent_);
}

void LiveLimits::apply(const LimitChange& change) {
  const std::lock_guard lock(mutex_);
  bytes_per_second_ = change.bytes_per_second.value_or(bytes_per_second_);
  operations_per_second_ = change.operations_per_second.value_or(operations_per_second_);
  cpu_percent_ = change.cpu_percent.value_or(cpu_percent_);
  if (change.bytes_per_second || change.operations_per_second || change.cpu_percent)
    set_governor_locked();
  if (change.concurrency) gate_.set_limit(*change.concurrency);
  if (change.batch_size) batch_size_ = *change.batch_size;
}

Json LiveLimits::json() const {
  const std::lock_guard lock(mutex_);
  Json out = Json::object();
  out["io"] = limit_or_null(bytes_per_second_);
  out["iops"] = limit_or_null(operations_per_second_);
  out["cpu"] = limit_or_null(cpu_percent_);
  out["concurrency"] = gate_.limit();
  out["batch_size"] = batch_size();
  return out;
}

}  // namespace dunlin::engine
