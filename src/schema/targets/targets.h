// The targets of each server; target.h chooses among them.
#pragma once

#include <memory>
#include <string>

#include "schema/target.h"

namespace dunlin::schema {

[[nodiscard]] Result<std::unique_ptr<Target>> open_sqlite_target(const std::string& path,
                                                                 Access access);
[[nodiscard]] Result<std::unique_ptr<Target>> open_postgresql_target(
    const sql::ServerAddress& address, Access access, const sql::Call& call);
[[nodiscard]] Result<std::string> postgresql_identity(const sql::ServerAddress& address,
                                                      sql::Connection* open, const sql::Call& call);
[[nodiscard]] Status probe_postgresql(const sql::ServerAddress& address, sql::Connection* open,
                                      const sql::Call& call);
[[nodiscard]] Result<std::unique_ptr<Target>> open_mariadb_target(const sql::ServerAddress& address,
                                                                  Access access,
                                                                  const sql::Call& call);
[[nodiscard]] Result<std::string> mariadb_identity(const sql::ServerAddress& address,
                                                   sql::Connection* open, const sql::Call& call);
[[nodiscard]] Status probe_mariadb(const sql::ServerAddress& address, sql::Connection* open,
                                   const sql::Call& call);

}  // namespace dunlin::schema
