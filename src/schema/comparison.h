// How the migrations of a directory and those that a target has applied fit together.
// Pure functions; any thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "schema/discovery.h"
#include "schema/history.h"

namespace dunlin::schema {

/// How they do not, a sentence each. `changed` alone is never acceptable.
struct Misfits {
  std::vector<std::string> changed;       ///< applied, but the file is another one now
  std::vector<std::string> retouched;     ///< applied, and the file does the same still
  std::vector<std::string> missing;       ///< applied, but the file is gone
  std::vector<std::string> out_of_order;  ///< not applied, but older than one that is
};

/// A repeatable one whose statements have changed since it was applied.
[[nodiscard]] bool is_to_be_repeated(const Migration& migration, const Applied& applied);

[[nodiscard]] Misfits compare(const Migrations& migrations,
                              const std::map<Version, Applied>& applied);

/// Empty: the history has the migration as its file is. `row`: what it has of it.
[[nodiscard]] std::string difference_of(const Migrations& migrations, const Version& version,
                                        const std::optional<Applied>& row);

}  // namespace dunlin::schema
