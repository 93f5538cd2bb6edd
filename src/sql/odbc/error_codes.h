// SQLSTATEs of ODBC itself and native codes of SQL Server as error types; the codes of the other
// servers stand in the tables of their own.
#pragma once

#include <string_view>
#include <vector>

#include "base/error.h"
#include "sql/dialect.h"

namespace dunlin::sql {

struct OdbcStateInfo {
  std::string_view state;  ///< five characters, or the two of a class
  ErrorType type;
};
/// What driver manager and drivers say by themselves: codes first, then classes. Source: "ODBC
/// Programmer's Reference", appendix A.
[[nodiscard]] const std::vector<OdbcStateInfo>& odbc_state_table();

struct SqlserverCodeInfo {
  int code;
  ErrorType type;
};
/// Source: SQL Server "Database engine events and errors", Azure SQL "Transient connection errors".
[[nodiscard]] const std::vector<SqlserverCodeInfo>& sqlserver_code_table();

/// By the native code where the driver passes the server's own on; else by the state.
[[nodiscard]] ErrorType error_type_of_odbc(Dialect dialect, std::string_view state, int native);

/// Whether the server (or a driver for it) says with this that a statement was ended because
/// somebody told it to.
[[nodiscard]] bool says_cancelled(Dialect dialect, std::string_view state, int native);

}  // namespace dunlin::sql
