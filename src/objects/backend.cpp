// The calls of a Backend by name; see backend.h.
#include "objects/backend.h"

#include <algorithm>
#include <array>

namespace dunlin::objects {
namespace {

constexpr std::array<std::string_view, kCallCount> kCallNames = {
    "identity",     "list",         "head",
    "get",          "put",          "begin_upload",
    "put_part",     "list_parts",   "complete_upload",
    "abort_upload", "list_uploads", "remove",
    "copy"};

}  // namespace

std::string_view to_string(Call call) {
  return kCallNames.at(static_cast<std::size_t>(call));
}

std::optional<Call> call_from_name(std::string_view name) {
  const auto* found = std::find(kCallNames.begin(), kCallNames.end(), name);
  if (found == kCallNames.end()) return std::nullopt;
  return static_cast<Call>(found - kCallNames.begin());
}

bool changes_something(Call call) {
  switch (call) {
    case Call::put:
    case Call::begin_upload:
    case Call::put_part:
    case Call::complete_upload:
    case Call::abort_upload:
    case Call::remove:
    case Call::copy:
      return true;
    default:
      return false;
  }
}

}  // namespace dunlin::objects
