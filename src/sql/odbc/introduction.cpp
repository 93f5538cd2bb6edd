#include "sql/odbc/introduction.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstdint>

#include <fmt/format.h>

namespace dunlin::sql {
namespace {

template <typename Number>
Number parsed_number(std::string_view text) {
  Number number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

/// "10.11.6-MariaDB" → 101106; SQL Server: 15.0.4312.2 → 150043 would say nothing: 15 × 10000.
int parsed_version(std::string_view version) {
  std::array<int, 3> part{};
  const char* at = version.data();
  const char* const end = at + version.size();
  for (int& number : part) {
    at = std::from_chars(at, end, number).ptr;
    if (at == end || *at != '.') break;
    ++at;
  }
  return part[0] * 10000 + part[1] * 100 + std::min(part[2], 99);
}

Result<Introduction> introduce_postgresql(const AskServer& ask) {
  Introduction found;
  DUNLIN_ASSIGN(const auto said,
                ask("SELECT pid, extract(epoch FROM backend_start)::text, (pg_is_in_recovery() OR "
                    "current_setting('default_transaction_read_only')::bool)::int, "
                    "current_database()::text, current_user::text, "
                    "current_setting('server_version'), current_setting('server_version_num') "
                    "FROM pg_catalog.pg_stat_activity WHERE pid = pg_backend_pid()"));
  found.server.product = "PostgreSQL";
  found.session = {parsed_number<std::int64_t>(said[0]), said[1]};
  found.server.read_only = said[2] == "1";
  found.server.database = said[3];
  found.server.user = said[4];
  found.server.version = said[5];
  found.server.version_number = parsed_number<int>(said[6]);
  return found;
}

Result<Introduction> introduce_mysql(const AskServer& ask) {
  Introduction found;
  DUNLIN_ASSIGN(const auto said, ask("SELECT VERSION(), coalesce(DATABASE(), ''), CURRENT_USER(), "
                                     "@@global.read_only, CONNECTION_ID(), @@hostname"));
  found.server.version = said[0];
  found.server.product =
      found.server.version.find("MariaDB") != std::string::npos ? "MariaDB" : "MySQL";
  found.server.version_number = parsed_version(found.server.version);
  found.server.database = said[1];
  found.server.user = said[2];
  found.server.read_only = said[3] != "0" && said[3] != "OFF";
  found.session = {parsed_number<std::int64_t>(said[4]), said[5]};
  return found;
}

Result<Introduction> introduce_sqlite(const std::string& file, const AskServer& ask) {
  Introduction found;
  static std::atomic<std::int64_t> sessions{0};
  DUNLIN_ASSIGN(const auto said, ask("SELECT sqlite_version()"));
  found.server.product = "SQLite";
  found.server.version = said[0];
  found.server.version_number = parsed_version(found.server.version);
  found.server.database = file;
  found.session = {++sessions, fmt::format("process {}, ODBC", ::getpid())};
  return found;
}

Result<Introduction> introduce_sqlserver(const AskServer& ask) {
  Introduction found;
  DUNLIN_ASSIGN(const auto said,
                ask("SELECT CAST(SERVERPROPERTY('ProductVersion') AS varchar(64)), DB_NAME(), "
                    "SUSER_SNAME(), CASE WHEN DATABASEPROPERTYEX(DB_NAME(), 'Updateability') = "
                    "'READ_ONLY' THEN 1 ELSE 0 END, session_id, CONVERT(varchar(33), login_time, "
                    "126) FROM sys.dm_exec_sessions WHERE session_id = @@SPID"));
  found.server.product = "Microsoft SQL Server";
  found.server.version = said[0];
  found.server.version_number = parsed_version(found.server.version);
  found.server.database = said[1];
  found.server.user = said[2];
  found.server.read_only = said[3] == "1";
  found.session = {parsed_number<std::int64_t>(said[4]), said[5]};
  return found;
}

}  // namespace

Result<Introduction> introduce_server(Dialect dialect, const std::string& file,
                                      const AskServer& ask) {
  switch (dialect) {
    case Dialect::postgresql:
      return introduce_postgresql(ask);
    case Dialect::mysql:
      return introduce_mysql(ask);
    case Dialect::sqlite:
      return introduce_sqlite(file, ask);
    case Dialect::sqlserver:
      return introduce_sqlserver(ask);
  }
  return Error(ErrorType::defect, "a dialect that is none");
}

std::string_view transaction_query(Dialect dialect, const ServerInfo& server) {
  switch (dialect) {
    case Dialect::postgresql:
      // A transaction that began before this statement is one that somebody has begun. Behind
      // SELECT the driver might begin one of its own.
      return "VALUES ((now() <> statement_timestamp())::int)";
    case Dialect::mysql:
      if (server.product == "MariaDB") return "SELECT @@in_transaction";
      return "SELECT count(*) FROM performance_schema.events_transactions_current WHERE "
             "thread_id = ps_current_thread_id() AND state = 'ACTIVE' AND autocommit = 'NO'";
    case Dialect::sqlite:
      return {};
    case Dialect::sqlserver:
      return "SELECT CASE WHEN XACT_STATE() = -1 THEN 2 WHEN @@TRANCOUNT > 0 THEN 1 ELSE 0 END";
  }
  return {};
}

}  // namespace dunlin::sql
