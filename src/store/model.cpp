#include "store/model.h"

#include <utility>

namespace dunlin::store {
namespace {

constexpr std::array<std::string_view, 8> kExecutionNames = {
    "pending", "running",   "paused",       "completed",
    "failed",  "cancelled", "rolling_back", "rolled_back"};
constexpr std::array<std::string_view, 7> kTaskNames = {
    "pending", "executing", "paused", "complete", "failed", "cancelled", "skipped"};
constexpr std::array<std::string_view, 7> kBatchNames = {"pending", "executing", "staged", "done",
                                                         "failed",  "skipped",   "undone"};
constexpr std::array<std::string_view, 6> kItemNames = {"pending", "executing", "completed",
                                                        "failed",  "skipped",   "rolled_back"};
constexpr std::array<std::string_view, 6> kProofNames = {"none",   "device", "evicted",
                                                         "cached", "remote", "target"};
constexpr std::array<std::string_view, 3> kPassNames = {"work", "verify", "undo"};
constexpr std::array<std::string_view, 5> kPriorityNames = {"immediate", "high", "normal", "low",
                                                            "scheduled"};
constexpr std::array<std::string_view, 3> kCountAsNames = {"items", "directories", "steps"};
constexpr std::array<CountAs, 3> kCountAs = {CountAs::items, CountAs::directories, CountAs::steps};

template <typename Enum, std::size_t N>
std::string_view name_of(const std::array<std::string_view, N>& names, Enum value) {
  const auto index = static_cast<std::size_t>(value);
  return index < N ? names[index] : std::string_view("unknown");
}

template <typename Enum, std::size_t N>
std::optional<Enum> value_of(const std::array<std::string_view, N>& names, std::string_view name) {
  for (std::size_t i = 0; i < N; ++i) {
    if (names[i] == name) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

std::int64_t ended(const Counters& counters, const OutcomeCounters& members) {
  return counters.*members.succeeded + counters.*members.failed + counters.*members.skipped +
         counters.*members.rolled_back;
}

std::int64_t over_all(const Counters& counters, std::int64_t Counters::* OutcomeCounters::* which) {
  std::int64_t sum = 0;
  for (const CountAs one : kCountAs) sum += counters.*(outcome_counters(one).*which);
  return sum;
}

}  // namespace

std::string_view to_string(ExecutionStatus status) {
  return name_of(kExecutionNames, status);
}
std::string_view to_string(TaskStatus status) {
  return name_of(kTaskNames, status);
}
std::string_view to_string(BatchStatus status) {
  return name_of(kBatchNames, status);
}
std::string_view to_string(ItemStatus status) {
  return name_of(kItemNames, status);
}
std::string_view to_string(Proof proof) {
  return name_of(kProofNames, proof);
}
std::string_view to_string(Pass pass) {
  return name_of(kPassNames, pass);
}
std::string_view to_string(Priority priority) {
  return name_of(kPriorityNames, priority);
}

std::string_view to_string(CountAs count_as) {
  return name_of(kCountAsNames, count_as);
}

const OutcomeCounters& outcome_counters(CountAs count_as) {
  static constexpr OutcomeCounters kItems = {&Counters::total_items, &Counters::succeeded_items,
                                             &Counters::failed_items, &Counters::skipped_items,
                                             &Counters::rolled_back_items};
  static constexpr OutcomeCounters kDirectories = {
      &Counters::total_directories, &Counters::succeeded_directories, &Counters::failed_directories,
      &Counters::skipped_directories, &Counters::rolled_back_directories};
  static constexpr OutcomeCounters kSteps = {&Counters::total_steps, &Counters::succeeded_steps,
                                             &Counters::failed_steps, &Counters::skipped_steps,
                                             &Counters::rolled_back_steps};
  if (count_as == CountAs::directories) return kDirectories;
  return count_as == CountAs::steps ? kSteps : kItems;
}

std::int64_t all_planned(const Counters& counters) {
  return over_all(counters, &OutcomeCounters::total);
}
std::int64_t all_ended(const Counters& counters) {
  std::int64_t sum = 0;
  for (const CountAs one : kCountAs) sum += ended(counters, outcome_counters(one));
  return sum;
}
std::int64_t all_succeeded(const Counters& counters) {
  return over_all(counters, &OutcomeCounters::succeeded);
}
std::int64_t all_failed(const Counters& counters) {
  return over_all(counters, &OutcomeCounters::failed);
}
std::int64_t keeps_until_ms(const ExecutionRow& row) {
  const bool ended = row.ended_ms > 0 && row.counters.kept_bytes > 0;
  if (ended && row.drops_undo && row.status == ExecutionStatus::completed) return row.ended_ms;
  return ended && row.undo_retention_ms > 0 ? row.ended_ms + row.undo_retention_ms : 0;
}

std::int64_t all_rolled_back(const Counters& counters) {
  return over_all(counters, &OutcomeCounters::rolled_back);
}

std::optional<ExecutionStatus> execution_status_from(std::string_view name) {
  return value_of<ExecutionStatus>(kExecutionNames, name);
}
std::optional<ItemStatus> item_status_from(std::string_view name) {
  return value_of<ItemStatus>(kItemNames, name);
}
std::optional<Priority> priority_from(std::string_view name) {
  return value_of<Priority>(kPriorityNames, name);
}

}  // namespace dunlin::store
