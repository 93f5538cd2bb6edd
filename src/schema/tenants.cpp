// find_tenants(); see target.h.
#include <fnmatch.h>

#include <algorithm>

#include "schema/names.h"
#include "schema/target.h"

namespace dunlin::schema {

namespace {

constexpr std::string_view kSchemas =
    "SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname <> 'information_schema' AND nspname "
    "NOT LIKE 'pg\\_%' ORDER BY nspname";
constexpr std::string_view kDatabases =
    "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN "
    "('information_schema', 'mysql', 'performance_schema', 'sys') ORDER BY schema_name";

/// libpq's `options`, which end at blanks.
std::string search_path_of(const std::string& schema) {
  std::string option = "-csearch_path=";
  for (const char c : quoted_name(schema, '"')) {
    if (c == ' ' || c == '\\') option.push_back('\\');
    option.push_back(c);
  }
  return option;
}

Tenant tenant_of(const sql::DatabaseAddress& address, std::string name) {
  Tenant tenant{std::move(name), address};
  sql::ServerAddress& server = tenant.address.server;
  if (address.dialect == sql::Dialect::postgresql) {
    std::string& options = server.options["options"];
    options += (options.empty() ? "" : " ") + search_path_of(tenant.name);
  } else {
    server.database = tenant.name;
  }
  return tenant;
}

}  // namespace

Result<std::vector<Tenant>> find_tenants(const sql::DatabaseAddress& address,
                                         const std::string& pattern, const sql::Call& call) {
  if (address.dialect == sql::Dialect::sqlite)
    return Error(ErrorType::unsupported_item,
                 "SQLite has no tenants in one database: name each file with a --db of its own");
  sql::DatabaseAddress server = address;
  if (address.dialect == sql::Dialect::mysql) server.server.database.clear();
  DUNLIN_ASSIGN(const auto connection, sql::connect_database(server, call, false));
  const bool schemas = address.dialect == sql::Dialect::postgresql;
  DUNLIN_ASSIGN(const auto rows, connection->query(schemas ? kSchemas : kDatabases, call));
  std::vector<Tenant> tenants;
  while (true) {
    DUNLIN_ASSIGN(const bool more, rows->next());
    if (!more) return tenants;
    std::string name(rows->text(0));
    if (::fnmatch(pattern.c_str(), name.c_str(), 0) == 0)
      tenants.push_back(tenant_of(address, std::move(name)));
  }
}

}  // namespace dunlin::schema
