// Does a part of a plan have the shape that the published JSON Schema gives it? In words that a
// person can act on, which no validator of schemas has. So the schema and the decoder cannot
// disagree about keys and types. Pure; any thread.
//
// Understood: type, enum, properties, required, additionalProperties, items, minItems, maxItems,
// minimum, maximum, anyOf of `required`; "examples" give what a missing value is shown by,
// "x-not-built" names keys that are promised but not there yet. What else a schema says (patterns,
// oneOf) the kinds look at themselves.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace dunlin::engine {

/// Appends a line per problem, "POINTER: message".
void check_shape(const Json& value, const Json& schema, const std::string& pointer,
                 std::vector<std::string>& problems);

/// One unknown key: "unknown key; did you mean X?", or that it is not built yet.
[[nodiscard]] std::string unknown_key(const std::string& key, const std::vector<std::string>& known,
                                      const Json& schema);

/// "is missing; write KEY: EXAMPLE".
[[nodiscard]] std::string missing_key(const std::string& key, const Json& schema);

}  // namespace dunlin::engine
