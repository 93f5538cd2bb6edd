// A SQLite database file as a Connection. The process is the server: a statement ends where it is
// told to, and nothing can be cut.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "sql/connection.h"

namespace dunlin::sql {

/// As open_foreign(): the file's own settings are left as they are. `create`: makes the file when
/// it is missing; else that is not_found.
[[nodiscard]] Result<std::unique_ptr<Connection>> connect_sqlite(const std::string& path,
                                                                 bool create);

}  // namespace dunlin::sql
