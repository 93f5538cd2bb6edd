#include "sql/odbc/error_codes.h"

#include <algorithm>

#include <sqlite3.h>

#include "sql/mariadb/error_codes.h"
#include "sql/postgresql/sqlstate.h"
#include "sql/sqlite.h"

namespace dunlin::sql {

const std::vector<OdbcStateInfo>& odbc_state_table() {
  using enum ErrorType;
  static const std::vector<OdbcStateInfo> rows = {
      {"01S00", invalid_input},         // invalid connection string attribute
      {"08001", endpoint_unreachable},  // client unable to establish connection
      {"08002", defect},                // connection name in use
      {"08004", auth_failure},          // server rejected the connection
      {"08007", in_doubt},              // connection failure during transaction
      {"08S01", connection_reset},      // communication link failure
      {"40002", constraint_violation},  // integrity constraint violation at commit
      {"40003", in_doubt},              // statement completion unknown
      {"HY001", out_of_memory},         // memory allocation error
      {"HY008", temporary_failure},     // cancelled: by others; whom we told has its own error
      {"HY010", defect},                // function sequence error
      {"HY013", out_of_memory},         // memory management error
      {"HY014", throttled},             // limit on the number of handles exceeded
      {"HY117", connection_reset},      // suspended: only disconnect is taken
      {"HYC00", unsupported_item},      // optional feature not implemented
      {"HYT00", network_timeout},       // time-out expired
      {"HYT01", network_timeout},       // connection time-out expired
      {"IM001", unsupported_item},      // driver does not support this function
      {"IM002", invalid_input},         // data source not found and no default driver
      {"IM003", invalid_input},         // driver could not be loaded
      {"IM010", invalid_input},         // data source name too long
      {"IM012", invalid_input},         // DRIVER keyword syntax error
      {"07", invalid_data},
      {"24", invalid_state},
      {"HY", invalid_data},
      {"IM", endpoint_unreachable},
  };
  return rows;
}

const std::vector<SqlserverCodeInfo>& sqlserver_code_table() {
  using enum ErrorType;
  static const std::vector<SqlserverCodeInfo> rows = {
      {-2, network_timeout},        // the client's own time-out
      {102, invalid_data},          // incorrect syntax near
      {156, invalid_data},          // incorrect syntax near the keyword
      {207, invalid_data},          // invalid column name
      {208, invalid_data},          // invalid object name
      {229, permission_denied},     // permission on the object
      {230, permission_denied},     // permission on the column
      {262, permission_denied},     // permission in the database
      {297, permission_denied},     // no permission to do this
      {300, permission_denied},     // permission at the server
      {515, constraint_violation},  // NULL into a column that takes none
      {547, constraint_violation},  // foreign key, check
      {596, connection_reset},      // the session is in the kill state
      {701, out_of_memory},
      {802, out_of_memory},           // buffer pool
      {845, temporary_failure},       // time-out while waiting for a buffer latch
      {911, not_found},               // database does not exist
      {916, permission_denied},       // not able to access the database
      {978, read_only_destination},   // a readable secondary needs another intent
      {1105, disk_full},              // no space in the file group
      {1204, out_of_memory},          // no resources for locks
      {1205, deadlock_detected},      //
      {1222, database_locked},        // lock request time-out
      {2601, constraint_violation},   // duplicate key, unique index
      {2627, constraint_violation},   // duplicate key, constraint
      {2628, invalid_data},           // would be truncated
      {2714, invalid_data},           // an object of that name is there
      {3701, invalid_data},           // cannot drop what does not exist
      {3702, database_locked},        // cannot drop the database: it is in use
      {3902, invalid_state},          // COMMIT without BEGIN
      {3903, invalid_state},          // ROLLBACK without BEGIN
      {3906, read_only_destination},  // the database is read-only
      {3930, invalid_state},          // the transaction cannot be committed any more
      {3960, temporary_failure},      // snapshot: update conflict
      {4060, not_found},              // cannot open the database
      {6005, connection_reset},       // shutdown is in progress
      {8152, invalid_data},           // would be truncated
      {8645, temporary_failure},      // time-out while waiting for memory
      {9002, disk_full},              // transaction log is full
      {10053, connection_reset},
      {10054, connection_reset},
      {10060, endpoint_unreachable},
      {10061, endpoint_unreachable},
      {10928, throttled},             // limit of requests of the database
      {10929, throttled},             // the server is too busy
      {17142, endpoint_unreachable},  // paused
      {17809, throttled},             // no connection free
      {18401, endpoint_unreachable},  // starting, or being upgraded
      {18452, auth_failure},          // untrusted domain
      {18456, auth_failure},          // login failed
      {18487, auth_failure},          // password expired
      {18488, auth_failure},          // password must be changed
      {40197, temporary_failure},     // Azure: the service is being moved
      {40501, throttled},             // Azure: the service is busy
      {40544, quota_exceeded},        // Azure: size of the database
      {40549, quota_exceeded},        // Azure: a transaction that runs too long
      {40613, endpoint_unreachable},  // Azure: the database is not available just now
      {40615, permission_denied},     // Azure: the firewall
      {49918, throttled},             // Azure: not enough resources
      {49919, throttled},             // Azure: too many create or update operations
      {49920, throttled},             // Azure: too many operations
  };
  return rows;
}

namespace {

/// SQLite's codes of a person's statement; as foreign_error() and the SQLite connection have it.
ErrorType type_of_sqlite_driver(int native) {
  const ErrorType type = error_type_from_sqlite(native);
  if (type == ErrorType::defect) return ErrorType::invalid_data;
  if (type == ErrorType::state_corrupt) return ErrorType::read_error;
  if (type == ErrorType::state_unusable) return ErrorType::permission_denied;
  return type;
}

}  // namespace

ErrorType error_type_of_odbc(Dialect dialect, std::string_view state, int native) {
  if (dialect == Dialect::mysql && native > 0)
    return error_type_of_mariadb(static_cast<unsigned int>(native), state);
  if (dialect == Dialect::sqlite && native > 0) return type_of_sqlite_driver(native);
  if (dialect == Dialect::sqlserver && native != 0) {
    const auto& rows = sqlserver_code_table();
    const auto found = std::find_if(
        rows.begin(), rows.end(), [&](const SqlserverCodeInfo& row) { return row.code == native; });
    if (found != rows.end()) return found->type;
  }
  const auto& rows = odbc_state_table();
  for (const std::string_view wanted : {state, state.substr(0, 2)}) {
    const auto found = std::find_if(rows.begin(), rows.end(),
                                    [&](const OdbcStateInfo& row) { return row.state == wanted; });
    if (found != rows.end()) return found->type;
  }
  return error_type_of_sqlstate(state);
}

bool says_cancelled(Dialect dialect, std::string_view state, int native) {
  constexpr int kQueryInterruptedCode = 1317;
  if (state == "HY008") return true;
  if (dialect == Dialect::postgresql) return state == "57014";
  if (dialect == Dialect::mysql) return native == kQueryInterruptedCode;
  return dialect == Dialect::sqlite && native == SQLITE_INTERRUPT;
}

}  // namespace dunlin::sql
