// The JSON Schema of plan documents (`dunlin plan schema`, engine.md X-1).
#pragma once

#include "engine/kind.h"

namespace dunlin::engine {

/// JSON Schema, draft 2020-12, over all registered kinds.
[[nodiscard]] Json plan_schema(const KindRegistry& kinds);

/// Schema of the sections of a kind, by what Kind::schema() gives: {properties, required,
/// x-not-built}. Without `settings`.
[[nodiscard]] Json sections_schema(const Kind& kind);
/// Properties of `settings` that belong to the kind.
[[nodiscard]] Json own_settings(const Kind& kind);
/// The keys of the first level that every plan may have; their values are looked at elsewhere.
[[nodiscard]] const Json& common_keys();

}  // namespace dunlin::engine
