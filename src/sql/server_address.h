// Addresses of database servers as people write them: postgres://USER@HOST:PORT/DATABASE?OPTION=….
//
// The address that is kept, shown and compared has no password: one that was written into it is
// handed over apart, once; else it is named by reference (?password=env:NAME or file:PATH, which
// may be kept), or the server's own means find it (pgpass, peer, certificates). RFC 3986 for the
// form; the option names are libpq's and Connector/C's. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret_ref.h"
#include "sql/dialect.h"

namespace dunlin::sql {

struct ServerAddress {
  Dialect dialect = Dialect::postgresql;
  std::string user;  ///< empty: the server's default
  std::string
      host;  ///< a name, an address, or the absolute path of a socket's directory; empty: local
  std::uint16_t port = 0;                      ///< 0: the server's default
  std::string database;                        ///< empty: the server's default
  std::map<std::string, std::string> options;  ///< "sslmode" → "verify-full"; never a password
  Secret password;  ///< as it was written into the address; never in text()
  std::optional<SecretRef> password_ref;

  /// The form in which plans keep it and messages show it: scheme as its first name, what is
  /// escaped is escaped alike, options by name.
  [[nodiscard]] std::string text() const;
  /// The password that counts: the one written, or the reference read now; empty when there is
  /// none.
  [[nodiscard]] Result<Secret> resolve_password() const;
};

/// Whether `url` begins with the scheme of a server: postgres, postgresql, mysql, mariadb, mssql,
/// sqlserver.
[[nodiscard]] bool is_server_address(std::string_view url);

/// invalid_input, without the address's password, for another scheme (naming those there are), a
/// port that is none, a bad escape, an unknown or repeated option, more than one host.
[[nodiscard]] Result<ServerAddress> parse_server_address(std::string_view url);

}  // namespace dunlin::sql
