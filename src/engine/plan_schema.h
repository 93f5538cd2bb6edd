// The JSON Schema of plan documents (`dunlin plan schema`, engine.md X-1).
#pragma once

#include <string>
#include <vector>

#include "engine/kind.h"

namespace dunlin::engine {

/// JSON Schema, draft 2020-12, over all registered kinds.
[[nodiscard]] Json plan_schema(const KindRegistry& kinds);

/// Keys of a document's first level that `kind` understands besides those that every plan has.
[[nodiscard]] std::vector<std::string> kind_sections(const Kind& kind);

}  // namespace dunlin::engine
