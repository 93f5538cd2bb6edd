// Where a written plan reads and writes, as far as the names of the places tell. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/json_fwd.h"

namespace dunlin::files {

/// A destination that is the source or lies in it, a line each; nothing while the document has
/// other problems.
[[nodiscard]] std::vector<std::string> check_places(const Json& document);

}  // namespace dunlin::files
