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
