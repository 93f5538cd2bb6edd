// The name Json without the library's 900 KB of headers, for interfaces that only pass it by
// reference.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace dunlin {
using Json = nlohmann::ordered_json;
}  // namespace dunlin
