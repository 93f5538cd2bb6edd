// Runs a migration's script statement by statement, and says where it failed.
//
// Where a statement ends is SQLite's own answer (the tail of sqlite3_prepare_v2), so triggers,
// strings and comments are split exactly. One thread at a time, as the Database.
#pragma once

#include "base/result.h"
#include "schema/discovery.h"
#include "sql/sqlite.h"

namespace dunlin::schema {

/// Runs every statement inside the caller's transaction, which it cannot end (BEGIN, COMMIT and
/// ROLLBACK are refused, as are ATTACH and changes of the history tables). migration_failed names
/// file, line, statement and SQLite's message; a full disk, a lock or an interruption keeps its own
/// type. After an error the caller rolls back.
[[nodiscard]] Status run_script(sql::Database& database, const Script& script);

}  // namespace dunlin::schema
