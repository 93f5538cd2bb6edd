// The tables in which a target keeps the record of its migrations (schema.md S-9).
#pragma once

#include <array>
#include <string_view>

namespace dunlin::schema {

inline constexpr std::string_view kHistoryTable = "__MigrationsHistory";
inline constexpr std::string_view kLogTable = "__MigrationsHistoryLog";
inline constexpr std::string_view kLockTable = "__MigrationsLock";  ///< SQLite alone has one
inline constexpr std::array kTableNames = {kHistoryTable, kLogTable, kLockTable};

}  // namespace dunlin::schema
