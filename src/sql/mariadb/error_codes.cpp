#include "sql/mariadb/error_codes.h"

#include <algorithm>
#include <charconv>

#include "sql/postgresql/sqlstate.h"

namespace dunlin::sql {

const std::vector<MariadbCodeInfo>& mariadb_code_table() {
  using enum ErrorType;
  static const std::vector<MariadbCodeInfo> rows = {
      {1021, disk_full},              // ER_DISK_FULL
      {1037, out_of_memory},          // ER_OUTOFMEMORY
      {1038, out_of_memory},          // ER_OUT_OF_SORTMEMORY
      {1040, throttled},              // ER_CON_COUNT_ERROR: too many connections
      {1041, out_of_memory},          // ER_OUT_OF_RESOURCES
      {1044, permission_denied},      // ER_DBACCESS_DENIED_ERROR
      {1045, auth_failure},           // ER_ACCESS_DENIED_ERROR
      {1048, constraint_violation},   // ER_BAD_NULL_ERROR
      {1049, not_found},              // ER_BAD_DB_ERROR
      {1053, connection_reset},       // ER_SERVER_SHUTDOWN
      {1062, constraint_violation},   // ER_DUP_ENTRY
      {1064, invalid_data},           // ER_PARSE_ERROR
      {1099, database_locked},        // ER_TABLE_NOT_LOCKED_FOR_WRITE
      {1114, disk_full},              // ER_RECORD_FILE_FULL
      {1142, permission_denied},      // ER_TABLEACCESS_DENIED_ERROR
      {1143, permission_denied},      // ER_COLUMNACCESS_DENIED_ERROR
      {1146, invalid_data},           // ER_NO_SUCH_TABLE
      {1152, connection_reset},       // ER_ABORTING_CONNECTION
      {1158, connection_reset},       // ER_NET_READ_ERROR
      {1159, connection_reset},       // ER_NET_READ_INTERRUPTED
      {1160, connection_reset},       // ER_NET_ERROR_ON_WRITE
      {1161, connection_reset},       // ER_NET_WRITE_INTERRUPTED
      {1169, constraint_violation},   // ER_DUP_UNIQUE
      {1184, connection_reset},       // ER_NEW_ABORTING_CONNECTION
      {1203, throttled},              // ER_TOO_MANY_USER_CONNECTIONS
      {1205, database_locked},        // ER_LOCK_WAIT_TIMEOUT
      {1213, deadlock_detected},      // ER_LOCK_DEADLOCK
      {1216, constraint_violation},   // ER_NO_REFERENCED_ROW
      {1217, constraint_violation},   // ER_ROW_IS_REFERENCED
      {1226, quota_exceeded},         // ER_USER_LIMIT_REACHED
      {1227, permission_denied},      // ER_SPECIFIC_ACCESS_DENIED_ERROR
      {1235, unsupported_item},       // ER_NOT_SUPPORTED_YET
      {1290, read_only_destination},  // ER_OPTION_PREVENTS_STATEMENT: --read-only
      {1295, unsupported_item},       // ER_UNSUPPORTED_PS
      {1317, temporary_failure},      // ER_QUERY_INTERRUPTED: by others; whom we told has its own
      {1364, constraint_violation},   // ER_NO_DEFAULT_FOR_FIELD
      {1370, permission_denied},      // ER_PROCACCESS_DENIED_ERROR
      {1451, constraint_violation},   // ER_ROW_IS_REFERENCED_2
      {1452, constraint_violation},   // ER_NO_REFERENCED_ROW_2
      {1698, auth_failure},           // ER_ACCESS_DENIED_NO_PASSWORD_ERROR
      {1792, read_only_destination},  // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
      {1836, read_only_destination},  // ER_READ_ONLY_MODE
      {1927, connection_reset},       // ER_CONNECTION_KILLED
      {1969, temporary_failure},      // ER_STATEMENT_TIMEOUT: the server's own max_statement_time
      {2002, endpoint_unreachable},   // CR_CONNECTION_ERROR
      {2003, endpoint_unreachable},   // CR_CONN_HOST_ERROR
      {2005, endpoint_unreachable},   // CR_UNKNOWN_HOST
      {2006, connection_reset},       // CR_SERVER_GONE_ERROR
      {2008, out_of_memory},          // CR_OUT_OF_MEMORY
      {2013, connection_reset},       // CR_SERVER_LOST
      {2026, endpoint_unreachable},   // CR_SSL_CONNECTION_ERROR
      {2055, connection_reset},       // CR_SERVER_LOST_EXTENDED
      {3024, temporary_failure},      // ER_QUERY_TIMEOUT (MySQL)
      {3572, database_locked},        // ER_LOCK_NOWAIT (MySQL)
      {3819, constraint_violation},   // ER_CHECK_CONSTRAINT_VIOLATED (MySQL)
      {4025, constraint_violation},   // ER_CONSTRAINT_FAILED
      {5014, connection_reset},       // CR_ERR_NET_READ
      {5015, connection_reset},       // CR_ERR_NET_WRITE
  };
  return rows;
}

ErrorType error_type_of_mariadb(unsigned int code, std::string_view sqlstate) {
  const auto& rows = mariadb_code_table();
  const auto found = std::find_if(rows.begin(), rows.end(),
                                  [&](const MariadbCodeInfo& row) { return row.code == code; });
  if (found != rows.end()) return found->type;
  if (sqlstate.size() != 5 || sqlstate == "HY000") return ErrorType::invalid_data;
  return error_type_of_sqlstate(sqlstate);
}

std::int64_t position_of_mariadb_error(std::string_view message, std::string_view sql) {
  constexpr std::string_view kAtLine = " at line ";
  const std::size_t at = message.rfind(kAtLine);
  if (at == std::string_view::npos) return 0;
  std::int64_t line = 0;
  const std::string_view digits = message.substr(at + kAtLine.size());
  std::from_chars(digits.data(), digits.data() + digits.size(), line);
  std::size_t begin = 0;
  for (; line > 1; --line) {
    begin = sql.find('\n', begin);
    if (begin == std::string_view::npos) return 0;
    ++begin;
  }
  return 1 + std::count_if(sql.begin(), sql.begin() + static_cast<std::ptrdiff_t>(begin),
                           [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
}

}  // namespace dunlin::sql
