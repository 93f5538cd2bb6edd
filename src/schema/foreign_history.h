// The histories of other tools: which migrations golang-migrate, goose, dbmate, Flyway or
// diesel has applied to a database (schema.md S-9). Reads only. One thread at a time, as the
// Target.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "base/result.h"
#include "schema/discovery.h"
#include "schema/target.h"

namespace dunlin::schema {

struct ForeignHistory {
  std::string tool;                ///< "golang-migrate", "goose", "dbmate", "Flyway"
  std::string table;               ///< "schema_migrations"
  std::set<Version> applied;       ///< golang-migrate keeps the last one only, see `up_to`
  std::optional<Version> up_to;    ///< all up to and including this one
  bool up_to_was_applied = false;  ///< it has a file; a baseline need not have one
  std::string broken;              ///< what that tool itself calls unfinished; empty: nothing

  [[nodiscard]] bool is_empty() const { return applied.empty() && !up_to && broken.empty(); }
  [[nodiscard]] bool has(const Version& version) const {
    return (up_to && !(*up_to < version)) || applied.contains(version);
  }
};

/// nullopt: there is none. Of several the first in the order above.
[[nodiscard]] Result<std::optional<ForeignHistory>> foreign_history(Target& target,
                                                                    const sql::Call& call);

}  // namespace dunlin::schema
