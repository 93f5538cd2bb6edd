// The visible state of an SQLite database, by the SQLite library alone.
#pragma once

#include <string>

namespace dunlin::crash {

void execute_sql(const std::string& database, const std::string& sql);
/// Every row of a query as one line, values with their types.
[[nodiscard]] std::string query_sql(const std::string& database, const std::string& sql);
/// Schema and rows of all tables whose name does not begin with "__" or "sqlite_", rows sorted.
[[nodiscard]] std::string dump_tables(const std::string& database);

}  // namespace dunlin::crash
