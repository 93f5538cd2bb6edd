// Connections to MariaDB and MySQL by MariaDB Connector/C.
#pragma once

#include <memory>

#include "base/result.h"
#include "sql/connection.h"
#include "sql/server_address.h"

namespace dunlin::sql {

/// Connects and asks who is there. Without a time-out of the call or `connect_timeout` in the
/// address it waits 10 s. Errors name the address without its password: endpoint_unreachable,
/// auth_failure, not_found (no such database), throttled (no connection free), permission_denied.
/// Parameters of its statements are written `?`.
[[nodiscard]] Result<std::unique_ptr<Connection>> connect_mariadb(const ServerAddress& address,
                                                                  const Call& call);

}  // namespace dunlin::sql
