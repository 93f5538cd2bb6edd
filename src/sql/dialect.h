// The languages of SQL that are told apart.
#pragma once

#include <cstdint>
#include <string_view>

namespace dunlin::sql {

/// The numbers are not stored.
enum class Dialect : std::uint8_t {
  postgresql,
  mysql,  ///< MySQL and MariaDB
  sqlite,
  sqlserver,
};

[[nodiscard]] constexpr std::string_view to_string(Dialect dialect) {
  switch (dialect) {
    case Dialect::postgresql:
      return "postgresql";
    case Dialect::mysql:
      return "mysql";
    case Dialect::sqlite:
      return "sqlite";
    case Dialect::sqlserver:
      return "sqlserver";
  }
  return "?";
}

}  // namespace dunlin::sql
