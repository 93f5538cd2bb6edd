// `dunlin migrate status`: which migrations are applied and which are pending, and what does not
// fit together. Reads only, and takes no lock. Any thread.
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "engine/kind.h"
#include "sql/connection.h"
#include "sql/database_address.h"

namespace dunlin::schema {

/// Errors: what cannot be read of the directory or reached of the database. A database that is
/// missing has no migration applied.
[[nodiscard]] Result<engine::Findings> migration_status(std::span<const std::string> directories,
                                                        const sql::DatabaseAddress& database,
                                                        const sql::Call& call);

}  // namespace dunlin::schema
