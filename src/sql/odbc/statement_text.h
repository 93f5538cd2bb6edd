// The text of a statement as a driver gets it. Pure functions; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sql/connection.h"

namespace dunlin::sql {

/// invalid_input for a second statement in the text (some drivers would run both), for a COPY from
/// or to the client (psqlodbc waits for ever in it), and for a NUL byte; unsupported_item for an
/// operator of PostgreSQL with a `?`, which is a place for every driver; true: there is none at
/// all, only white space and comments. Of SQL Server a whole batch is one.
[[nodiscard]] Result<bool> holds_no_statement(Dialect dialect, std::string_view sql);

/// Parameters become literals, so that the server reads each as what its place wants: drivers would
/// send them as varchar. Places are written as the dialect's own: $1 (PostgreSQL, SQLite), ? (the
/// others). defect when places and parameters do not fit.
[[nodiscard]] Result<std::string> odbc_statement(Dialect dialect, std::string_view sql,
                                                 std::span<const Parameter> parameters);

/// Whether PostgreSQL takes it behind DECLARE ... CURSOR FOR: one that only reads.
[[nodiscard]] bool fits_a_cursor(std::string_view sql);

/// The rows of a statement of PostgreSQL that fits a cursor, some of their columns as the server
/// writes them.
[[nodiscard]] std::string with_text_columns(std::string_view sql, const std::vector<bool>& as_text);

}  // namespace dunlin::sql
