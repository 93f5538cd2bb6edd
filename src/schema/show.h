// `dunlin migrate show`: the SQL that the log has of one migration, or how its file differs from
// it. Reads only, and takes no lock. Any thread.
#pragma once

#include "base/result.h"
#include "engine/kind.h"
#include "schema/changes.h"
#include "schema/discovery.h"
#include "schema/history.h"
#include "sql/connection.h"

namespace dunlin::schema {

struct Showing {
  Version version;
  Direction direction = Direction::up;
  bool difference = false;  ///< to the file in the directories of the places
};

/// The content byte for byte; or the differences, none where there are none, and then a line that
/// says so. not_found: the database, the log's row or the file; the errors of recorded_sql().
[[nodiscard]] Result<engine::Findings> show_migration(const Places& places, const Showing& what,
                                                      const sql::Call& call);

}  // namespace dunlin::schema
