// The native codes of MariaDB and MySQL, server's and client's, as error types.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace dunlin::sql {

struct MariadbCodeInfo {
  unsigned int code;
  ErrorType type;
};
/// All rows of the table, for its test.
[[nodiscard]] const std::vector<MariadbCodeInfo>& mariadb_code_table();

/// By the code; else by the class of the SQLSTATE. Source: MariaDB "Error Codes".
[[nodiscard]] ErrorType error_type_of_mariadb(unsigned int code, std::string_view sqlstate);

/// Where in a statement the fault is, in characters from 1, as the message says it: "... near 'x'
/// at line 3" is all there is, so that the line's beginning is taken. 0: it does not say.
[[nodiscard]] std::int64_t position_of_mariadb_error(std::string_view message,
                                                     std::string_view sql);

}  // namespace dunlin::sql
