// Strong types for identifiers: an ExecutionId can never be passed for a PlanId, nor a batch for an
// item.
//
// Executions, plans and interventions are UUIDv7 (RFC 9562: sortable by creation time); batches,
// items, tasks and directories are integers from 1 per execution (conventions.md, "Ids"); 0 means
// "none".
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace dunlin {

template <typename Tag>
struct IntegerId {
  std::int64_t value = 0;

  constexpr IntegerId() = default;
  constexpr explicit IntegerId(std::int64_t v) : value(v) {}
  [[nodiscard]] constexpr bool valid() const { return value > 0; }
  friend constexpr auto operator<=>(const IntegerId&, const IntegerId&) = default;
};

using TaskId = IntegerId<struct TaskTag>;
using BatchId = IntegerId<struct BatchTag>;
using ItemId = IntegerId<struct ItemTag>;
/// A group of items (a directory, a key prefix, a table); 1 is the root of the source.
using DirectoryId = IntegerId<struct DirectoryTag>;

template <typename Tag>
struct UuidId {
  std::string value;  ///< canonical lower-case text form, or empty

  UuidId() = default;
  explicit UuidId(std::string v) : value(std::move(v)) {}
  [[nodiscard]] bool valid() const { return !value.empty(); }
  friend auto operator<=>(const UuidId&, const UuidId&) = default;
};

using ExecutionId = UuidId<struct ExecutionTag>;
using PlanId = UuidId<struct PlanTag>;

/// A new UUIDv7. `unix_ms` is the wall clock; the rest is random from the kernel. Safe from any
/// thread.
[[nodiscard]] std::string new_uuid_v7(std::int64_t unix_ms);
/// Lower-cases and checks the 8-4-4-4-12 form; nullopt when it is none.
[[nodiscard]] std::optional<std::string> parse_uuid(std::string_view text);
/// The last 8 hexadecimal digits: the random end, used in names of temporaries.
[[nodiscard]] std::string short_id(const ExecutionId& id);

}  // namespace dunlin

template <typename Tag>
struct std::hash<dunlin::IntegerId<Tag>> {
  std::size_t operator()(const dunlin::IntegerId<Tag>& id) const noexcept {
    return std::hash<std::int64_t>{}(id.value);
  }
};
template <typename Tag>
struct std::hash<dunlin::UuidId<Tag>> {
  std::size_t operator()(const dunlin::UuidId<Tag>& id) const noexcept {
    return std::hash<std::string>{}(id.value);
  }
};
