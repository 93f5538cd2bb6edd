// The native codes of MariaDB and MySQL, server's and client's, as error types.
#pragma once

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

}  // namespace dunlin::sql
