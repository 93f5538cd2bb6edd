// The order in which migrations apply: that of their versions, as far as what they depend on lets
// it (schema.md S-2). The same for the same files, in whatever order they were found.
// Pure functions; any thread.
#pragma once

#include <set>
#include <vector>

#include "base/result.h"
#include "schema/discovery.h"

namespace dunlin::schema {

/// Sets the rank of each. `elsewhere`: those that are for another kind of database, and count as
/// done. invalid_input for a dependency that is not there, and for a circle, which it names.
[[nodiscard]] Status set_ranks(Migrations& migrations, const std::set<Version>& elsewhere);

/// By rank.
[[nodiscard]] std::vector<const Migration*> in_order(const Migrations& migrations);

/// These, and all that they depend on.
[[nodiscard]] std::set<Version> with_dependencies(const Migrations& migrations,
                                                  const std::set<Version>& wanted);

}  // namespace dunlin::schema
