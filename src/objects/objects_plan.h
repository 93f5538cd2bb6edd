// The objects sections of a plan, decoded:
//   source: {address}   destination: {address}
//   strategy: {conflict_resolution, multipart_threshold, part_size}
//
// Values and pure functions; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "objects/address.h"

namespace dunlin::objects {

/// What happens to a destination object that is not identical to the source.
enum class Conflict : std::uint8_t {
  skip,                ///< whatever stands there stays
  overwrite,           ///< always, identical ones too
  overwrite_if_newer,  ///< an older or equally old source is a conflict: the item fails
  overwrite_if_different,
  fail,
};

struct ObjectsPlan {
  Address source;
  Address destination;
  Conflict conflict = Conflict::overwrite_if_newer;
  std::int64_t multipart_threshold = 1 << 20;  ///< bytes; smaller objects are put in one request
  std::int64_t part_size = 8 << 20;            ///< bytes; grows so that 10,000 parts suffice
};

/// Decodes; every problem is one line "/strategy/part_size: …" in `problems`.
[[nodiscard]] ObjectsPlan decode_objects_plan(const Json& document,
                                              std::vector<std::string>& problems);
/// Properties by section for the plan's JSON Schema.
[[nodiscard]] Json objects_schema();

}  // namespace dunlin::objects
