// Connections by whatever driver of ODBC there is, to a server whose SQL is known here.
#pragma once

#include <memory>

#include "base/result.h"
#include "sql/connection.h"
#include "sql/odbc_address.h"

namespace dunlin::sql {

/// Connects and asks who is there. Without a time-out of the call it waits 10 s. Errors name the
/// address without its secrets: endpoint_unreachable, auth_failure, not_found (no such database),
/// invalid_input (no such driver or data source), unsupported_item (a server whose SQL is not
/// known, a driver that changes text on its way).
///
/// Parameters of its statements are written as the server's own implementation has them: $1 for
/// PostgreSQL and SQLite, ? for MariaDB, MySQL and SQL Server. Values come as the driver writes
/// them. What drivers cannot do is said in README.md here.
[[nodiscard]] Result<std::unique_ptr<Connection>> connect_odbc(const OdbcAddress& address,
                                                               const Call& call);

}  // namespace dunlin::sql
