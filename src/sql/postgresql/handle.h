// A libpq connection as something owned, how it is opened, and how it is waited for. Internal to
// this folder. One thread at a time.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "sql/connection.h"
#include "sql/postgresql/libpq.h"
#include "sql/server_address.h"

namespace dunlin::sql {

struct CloseConnection {
  void operator()(PGconn* connection) const { pq().PQfinish(connection); }
};
using PgHandle = std::unique_ptr<PGconn, CloseConnection>;

/// After load_libpq(). Within call.timeout, else 10 s. The server's error, or endpoint_unreachable,
/// auth_failure; the address stands before it, without its password.
[[nodiscard]] Result<PgHandle> open_connection(const ServerAddress& address, const Call& call);

/// For something to read or write (POLLIN, POLLOUT), a slice at most after which token and deadline
/// are looked at.
void wait_for_socket(PGconn* connection, short events);

/// Of a message of libpq, without secrets and fit to be shown.
[[nodiscard]] std::string first_line_of(const char* text);

}  // namespace dunlin::sql
