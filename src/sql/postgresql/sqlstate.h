// SQLSTATE (PostgreSQL 15, appendix A) as the engine's types of errors (engine.md X-14).
// Immutable data; any thread.
#pragma once

#include <string_view>
#include <vector>

#include "base/error.h"

namespace dunlin::sql {

/// invalid_sql_statement_name: what was prepared under it has been taken away (Connection::run_all
/// within an open transaction, which nothing can save then but to begin it again).
inline constexpr std::string_view kNoSuchStatement = "26000";

struct SqlstateInfo {
  std::string_view state;  ///< five characters, or the two of a class
  ErrorType type;
};
/// The rows of the table: codes by themselves first, then classes.
[[nodiscard]] const std::vector<SqlstateInfo>& sqlstate_table();
/// Of the code, else of its class, else invalid_data.
[[nodiscard]] ErrorType error_type_of_sqlstate(std::string_view state);

}  // namespace dunlin::sql
