// The address of a database, whatever its server, and the way to it: what the kinds that migrate
// databases begin with. Pure but for connect_database(); any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sql/connection.h"
#include "sql/odbc_address.h"
#include "sql/server_address.h"

namespace dunlin::sql {

struct DatabaseAddress {
  Dialect dialect = Dialect::sqlite;
  std::string path;      ///< SQLite: absolute, symbolic links resolved
  ServerAddress server;  ///< the others
  /// Instead of all these: whose SQL is behind it is known when it is connected.
  std::optional<OdbcAddress> odbc;

  /// The form in which plans keep it and messages show it; no password.
  [[nodiscard]] std::string text() const;
};

/// "sqlite:PATH", the address of a server (server_address.h) or "odbc:…" (odbc_address.h).
/// invalid_input for anything else, for a server that this version cannot reach, and for a password
/// that stands in it: whoever looks at the processes or at a plan would read it.
[[nodiscard]] Result<DatabaseAddress> parse_database_address(std::string_view url);

/// not_found when there is no such database; a SQLite file is made with `create`.
[[nodiscard]] Result<std::unique_ptr<Connection>> connect_database(const DatabaseAddress& address,
                                                                   const Call& call, bool create);

}  // namespace dunlin::sql
