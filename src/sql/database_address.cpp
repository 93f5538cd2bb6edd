#include "sql/database_address.h"

#include "base/redact.h"
#include "base/text.h"
#include "sql/mariadb/connection.h"
#include "sql/odbc/connection.h"
#include "sql/postgresql/connection.h"
#include "sql/sqlite_address.h"
#include "sql/sqlite_connection.h"

namespace dunlin::sql {
namespace {

constexpr std::string_view kSqlite = "sqlite:";

Error no_address(std::string_view url) {
  const std::string shown = printable(redact(url, SecretsIn::value));
  if (url.find("://") != std::string_view::npos)
    return Error(ErrorType::invalid_input,
                 "'" + shown +
                     "' is no address of a database: there are sqlite:PATH, "
                     "postgres://USER@HOST/DATABASE and mysql://USER@HOST/DATABASE");
  return Error(ErrorType::invalid_input,
               "'" + shown + "' is no address of a database; write sqlite:" +
                   (url.starts_with('/') ? shown : std::string("/srv/shop.db")) +
                   " or postgres://USER@HOST/DATABASE");
}

}  // namespace

std::string DatabaseAddress::text() const {
  if (odbc) return odbc->text();
  return dialect == Dialect::sqlite ? std::string(kSqlite) + path : server.text();
}

Result<DatabaseAddress> parse_database_address(std::string_view url) {
  DatabaseAddress address;
  if (url.starts_with(kSqlite)) {
    DUNLIN_ASSIGN(address.path, sqlite_path(url));
    return address;
  }
  if (is_odbc_address(url)) {
    DUNLIN_ASSIGN(address.odbc, parse_odbc_address(url));
    for (OdbcAddress::Option& one : address.odbc->options) {
      if (!one.secret) continue;
      DUNLIN_ASSIGN(one.secret, one.secret->absolute());
    }
    return address;
  }
  if (!is_server_address(url)) return no_address(url);
  DUNLIN_ASSIGN(address.server, parse_server_address(url));
  address.dialect = address.server.dialect;
  if (address.dialect == Dialect::sqlserver)
    return Error(ErrorType::invalid_input,
                 "'" + address.server.text() +
                     "' is at a server that this version cannot reach yet; there are sqlite:PATH, "
                     "postgres://USER@HOST/DATABASE and mysql://USER@HOST/DATABASE");
  if (!address.server.password.empty())
    return Error(ErrorType::invalid_input,
                 "a password stands in the address of '" + address.server.text() +
                     "', where plans and the list of processes show it: write "
                     "?password=env:NAME or ?password=file:PATH behind it" +
                     (address.dialect == Dialect::postgresql ? ", or use ~/.pgpass" : ""));
  if (address.server.password_ref) {
    DUNLIN_ASSIGN(address.server.password_ref, address.server.password_ref->absolute());
  }
  return address;
}

Result<std::unique_ptr<Connection>> connect_database(const DatabaseAddress& address,
                                                     const Call& call, bool create) {
  if (address.odbc) return connect_odbc(*address.odbc, call);
  if (address.dialect == Dialect::sqlite) return connect_sqlite(address.path, create);
  if (address.dialect == Dialect::mysql) return connect_mariadb(address.server, call);
  return connect_postgresql(address.server, call);
}

}  // namespace dunlin::sql
