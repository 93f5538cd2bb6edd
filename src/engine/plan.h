// Plans: a document (YAML or JSON) decoded into a Plan, with every problem at once.
#pragma once

#include <string>
#include <string_view>

#include "engine/kind.h"

namespace dunlin::engine {

/// Decodes a document. plan_invalid carries one line per problem ("/settings/batchsize: unknown
/// key; did you mean batch_size?"). The kind's own sections are checked by the kind.
[[nodiscard]] Result<Plan> decode_plan(const Json& document, const KindRegistry& kinds);
/// Reads a YAML or JSON file; messages name file, line and key.
[[nodiscard]] Result<Plan> load_plan_file(const std::string& path, const KindRegistry& kinds);

/// True when the claims overlap: equal, or one an ancestor of the other.
[[nodiscard]] bool claims_overlap(std::string_view one, std::string_view other);

}  // namespace dunlin::engine
