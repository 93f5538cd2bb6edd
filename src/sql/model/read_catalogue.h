// Reading the schema of a database from its catalogue.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "sql/connection.h"
#include "sql/model/table.h"

namespace dunlin::sql::model {

struct Scope {
  /// PostgreSQL: these alone; empty: all but the server's own. The others have no schemas: they are
  /// read by the database that the connection is in.
  std::vector<std::string> schemas;
  /// Tables of these names, in whatever schema, and all that belongs to them: our own bookkeeping.
  std::vector<std::string> left_out_tables;
};

/// All of it by a fixed number of queries; one more for each view, routine, sequence (some of them
/// together) and partitioned table of MariaDB and MySQL. The server's own schemas, and what belongs
/// to an extension of PostgreSQL, are left out.
///
/// PostgreSQL and SQLite: within one read-only transaction at one snapshot, unless one is open
/// already, which stays open. MariaDB and MySQL show the catalogue as it is at each query. No lock
/// but those that the server takes for whoever asks it to write a definition down: PostgreSQL waits
/// there for an ALTER that runs, so the call wants a timeout (it counts for each query).
/// PostgreSQL forms definitions by what is there now: an object dropped meanwhile is left out.
///
/// Errors: those of the connection; not_found for a schema that is not there; invalid_data when the
/// catalogue says what this reader does not understand. May be repeated; reads alone.
[[nodiscard]] Result<Catalogue> read_catalogue(Connection& connection, const Scope& scope,
                                               const Call& call);

}  // namespace dunlin::sql::model
