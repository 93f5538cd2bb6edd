// The tables in which a target keeps the record of its migrations (schema.md S-9), and how names
// are written in SQL. Pure; any thread.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace dunlin::schema {

inline constexpr std::string_view kHistoryTable = "__MigrationsHistory";
inline constexpr std::string_view kLogTable = "__MigrationsHistoryLog";
inline constexpr std::string_view kLockTable = "__MigrationsLock";  ///< PostgreSQL has none
inline constexpr std::array kTableNames = {kHistoryTable, kLogTable, kLockTable};

/// `quote` is that of the server; where it stands in the name, it stands twice.
[[nodiscard]] inline std::string quoted_name(std::string_view name, char quote) {
  std::string out(1, quote);
  for (const char c : name) {
    out.push_back(c);
    if (c == quote) out.push_back(c);
  }
  return out + quote;
}
[[nodiscard]] inline std::string in_backticks(std::string_view name) {
  return quoted_name(name, '`');
}

}  // namespace dunlin::schema
