// SQLSTATE (PostgreSQL 15, appendix A) as the engine's types of errors (engine.md X-14).
// Immutable data; any thread.
#pragma once

#include <string_view>
#include <vector>

#include "base/error.h"

namespace dunlin::sql {

struct SqlstateInfo {
  std::string_view state;  ///< five characters, or the two of a class
  ErrorType type;
};
/// The rows of the table: codes by themselves first, then classes.
[[nodiscard]] const std::vector<SqlstateInfo>& sqlstate_table();
/// Of the code, else of its class, else invalid_data.
[[nodiscard]] ErrorType error_type_of_sqlstate(std::string_view state);

}  // namespace dunlin::sql
