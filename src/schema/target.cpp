#include "schema/target.h"

#include <unistd.h>

#include <array>
#include <charconv>

#include <pwd.h>

#include "base/process.h"
#include "schema/names.h"
#include "schema/targets/targets.h"
#include "sql/sqlite_address.h"

namespace dunlin::schema {

Result<bool> Target::has_tables(const sql::Call& call) {
  DUNLIN_ASSIGN(const bool has_log, has_own(kLogTable, call));
  if (has_log) return true;
  DUNLIN_ASSIGN(const bool has_history, has_own(kHistoryTable, call));
  if (!has_history) return false;
  // A death may have come between the two, but then nothing is applied.
  DUNLIN_ASSIGN(
      const sql::Answer rows,
      sql::query_text(*connection_, "SELECT count(*) FROM " + table(kHistoryTable), call));
  if (rows == "0") return false;
  // Whoever wrote them has made the log before: it may have been between our two looks.
  DUNLIN_ASSIGN(const bool has_log_by_now, has_own(kLogTable, call));
  if (has_log_by_now) return true;
  Error error(ErrorType::schema_mismatch,
              "the history of migrations has rows, but the table of its log, " +
                  std::string(kLogTable) + ", is gone");
  error.remediation =
      "put that table back from a backup of the database; or remove " + std::string(kHistoryTable) +
      ", too, and say what is applied: dunlin migrate baseline VERSION --db URL --dir DIR";
  return error;
}

Result<sql::DatabaseAddress> parse_target_address(std::string_view url) {
  DUNLIN_ASSIGN(sql::DatabaseAddress address, sql::parse_database_address(url));
  if (address.odbc)
    return Error(ErrorType::invalid_input,
                 "'" + address.text() +
                     "': dunlin migrate has no target for a connection through ODBC; write "
                     "postgres://USER@HOST/DATABASE, mysql://USER@HOST/DATABASE or sqlite:PATH "
                     "(SQL Server is not supported yet)");
  return address;
}

Result<std::unique_ptr<Target>> open_target(const sql::DatabaseAddress& address, Access access,
                                            const sql::Call& call) {
  if (address.dialect == sql::Dialect::sqlite) return open_sqlite_target(address.path, access);
  if (address.dialect == sql::Dialect::mysql)
    return open_mariadb_target(address.server, access, call);
  return open_postgresql_target(address.server, access, call);
}

Result<std::string> target_identity(const sql::DatabaseAddress& address, const Target* target,
                                    const sql::Call& call) {
  sql::Connection* const open = target == nullptr ? nullptr : &target->connection();
  if (address.dialect == sql::Dialect::sqlite) return sql::sqlite_identity(address.path, true);
  if (address.dialect == sql::Dialect::mysql) return mariadb_identity(address.server, open, call);
  return postgresql_identity(address.server, open, call);
}

Status probe_target(const sql::DatabaseAddress& address, const Target* target, bool lock,
                    const sql::Call& call) {
  sql::Connection* const open = target == nullptr ? nullptr : &target->connection();
  if (address.dialect == sql::Dialect::mysql) return probe_mariadb(address.server, open, call);
  if (address.dialect == sql::Dialect::postgresql)
    return probe_postgresql(address.server, open, call);
  if (open == nullptr || !lock)
    return sql::probe_sqlite_write(address.path, lock ? sql::Probe::lock : sql::Probe::rights);
  DUNLIN_TRY(sql::run_only(*open, "BEGIN IMMEDIATE", call));
  return sql::run_only(*open, "ROLLBACK", sql::Call{});
}

std::int64_t integer_of(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

const std::string& user_at_host() {
  static const std::string text = [] {
    std::array<char, 4096> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    const bool known =
        ::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found) == 0 &&
        found != nullptr;
    return (known ? std::string(entry.pw_name) : "uid " + std::to_string(::getuid())) + "@" +
           host_name();
  }();
  return text;
}

}  // namespace dunlin::schema
