// A PgBouncer in front of a PostgresqlServer, which hands server sessions out by transaction.
// Debian's program; stops with the object. One thread.
#pragma once

#include <memory>
#include <string>

#include "support/postgresql_server.h"
#include "support/process.h"
#include "support/scratch.h"

namespace dunlin::testing {

class PgBouncer {
 public:
  /// At most `pool_size` sessions of the server for each database. Throws std::runtime_error, with
  /// what it said, when it does not start.
  PgBouncer(const PostgresqlServer& server, int pool_size);

  /// As "owner"; no password is asked.
  [[nodiscard]] std::string address(const std::string& database) const;

 private:
  ScratchDirectory scratch_;
  int port_;
  std::unique_ptr<Process> process_;
};

}  // namespace dunlin::testing
