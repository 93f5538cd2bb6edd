// Connector/C, loaded when the first server is spoken to, as libpq is (postgresql/libpq.h).
//
// Any thread; loaded once for the life of the process.
#pragma once

#include <mysql.h>

#include "base/result.h"

namespace dunlin::sql {

#define DUNLIN_MARIADB_FUNCTIONS(each)                                                          \
  each(mysql_init) each(mysql_optionsv) each(mysql_real_connect_start)                          \
      each(mysql_real_connect_cont) each(mysql_close) each(mysql_real_query_start)              \
          each(mysql_real_query_cont) each(mysql_use_result) each(mysql_fetch_row_start)        \
              each(mysql_fetch_row_cont) each(mysql_fetch_lengths) each(mysql_fetch_fields)     \
                  each(mysql_num_fields) each(mysql_field_count) each(mysql_free_result_start)  \
                      each(mysql_free_result_cont) each(mysql_affected_rows) each(mysql_errno)  \
                          each(mysql_error) each(mysql_sqlstate) each(mysql_warning_count)      \
                              each(mysql_get_socket) each(mysql_get_timeout_value_ms)           \
                                  each(mysql_real_escape_string) each(mysql_thread_id)          \
                                      each(mysql_get_server_info) each(mysql_next_result_start) \
                                          each(mysql_next_result_cont) each(mariadb_get_infov)

/// Its own functions under their own names: mariadb().mysql_close(handle).
struct MariadbLibrary {
#define DUNLIN_MARIADB_MEMBER(name) decltype(&::name) name = nullptr;
  DUNLIN_MARIADB_FUNCTIONS(DUNLIN_MARIADB_MEMBER)
#undef DUNLIN_MARIADB_MEMBER
};

/// endpoint_unreachable, with the package to install, when it is not on this machine.
[[nodiscard]] Status load_mariadb();
/// After load_mariadb() has succeeded once.
[[nodiscard]] const MariadbLibrary& mariadb();

}  // namespace dunlin::sql
