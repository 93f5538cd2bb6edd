#include "sql/postgresql/sqlstate.h"

#include <algorithm>

namespace dunlin::sql {

const std::vector<SqlstateInfo>& sqlstate_table() {
  using enum ErrorType;
  static const std::vector<SqlstateInfo> rows = {
      {"0A000", unsupported_item},       // feature_not_supported
      {"25006", read_only_destination},  // read_only_sql_transaction
      {"25001", invalid_state},      // active_sql_transaction: cannot run in a transaction block
      {"25P02", invalid_state},      // in_failed_sql_transaction
      {"3D000", not_found},          // invalid_catalog_name: no such database
      {"40001", temporary_failure},  // serialization_failure
      {"40P01", deadlock_detected},  // deadlock_detected
      {"40003", in_doubt},           // statement_completion_unknown
      {"42501", permission_denied},  // insufficient_privilege
      {"53100", disk_full},          // disk_full
      {"53200", out_of_memory},      // out_of_memory
      {"53300", throttled},          // too_many_connections
      {"53400", quota_exceeded},     // configuration_limit_exceeded
      {"54000", invalid_data},       // program_limit_exceeded
      {"55000", invalid_state},      // object_not_in_prerequisite_state
      {"55006", database_locked},    // object_in_use
      {"55P03", database_locked},    // lock_not_available: lock_timeout
      {"55P04", invalid_state},      // unsafe_new_enum_value_usage
      {"57014", temporary_failure},  // query_canceled: by others, or a statement_timeout; whom we
                                     // told has its own error
      {"57P01", connection_reset},   // admin_shutdown
      {"57P02", connection_reset},   // crash_shutdown
      {"57P03", endpoint_unreachable},  // cannot_connect_now
      {"57P04", not_found},             // database_dropped
      {"57P05", connection_reset},      // idle_session_timeout
      {"58P01", read_error},            // undefined_file
      {"XX001", read_error},            // data_corrupted
      {"XX002", read_error},            // index_corrupted
      {"08", connection_reset},
      {"21", invalid_data},
      {"22", invalid_data},
      {"23", constraint_violation},
      {"25", invalid_state},
      {"28", auth_failure},
      {"40", temporary_failure},
      {"42", invalid_data},
      {"44", constraint_violation},
      {"53", temporary_failure},
      {"54", invalid_data},
      {"55", invalid_state},
      {"57", temporary_failure},
      {"58", write_error},
      {"F0", endpoint_unreachable},
  };
  return rows;
}

ErrorType error_type_of_sqlstate(std::string_view state) {
  const auto& rows = sqlstate_table();
  for (const std::string_view wanted : {state, state.substr(0, 2)}) {
    const auto found = std::find_if(rows.begin(), rows.end(),
                                    [&](const SqlstateInfo& row) { return row.state == wanted; });
    if (found != rows.end()) return found->type;
  }
  return ErrorType::invalid_data;
}

}  // namespace dunlin::sql
