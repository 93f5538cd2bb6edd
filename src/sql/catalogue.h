// The catalogue of a SQLite database: which tables there are, their columns, and the key by which
// each table's rows can be told apart and walked in order.
//
// Reads only. One thread at a time per Database.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sql/sqlite.h"

namespace dunlin::sql {

/// sqlite.org/datatype3.html, section 3.1.
enum class Affinity : std::uint8_t { integer, text, blob, real, numeric };
[[nodiscard]] std::string_view to_string(Affinity affinity);
[[nodiscard]] Affinity affinity_of(std::string_view declared_type, bool strict);

struct ColumnInfo {
  std::string name;
  Affinity affinity = Affinity::blob;
  bool generated = false;  ///< computed by SQLite: can be read, not written
};

struct TableInfo {
  std::string name;
  std::string create_sql;  ///< as stored by SQLite: always begins with CREATE TABLE
  std::vector<ColumnInfo> columns;
  /// Terms of ORDER BY and of comparisons, a strict total order over the rows: the rowid (under a
  /// name that no column hides), or, WITHOUT ROWID, the primary key's columns with the collations
  /// of that key (which may differ from the columns': ranges by the wrong one would overlap).
  /// Empty: there is no such key.
  std::vector<std::string> key;
  /// Name under which the rowid has to be written; empty when a column is the rowid (INTEGER
  /// PRIMARY KEY) or there is none (WITHOUT ROWID).
  std::string hidden_rowid;
  bool without_rowid = false;
  bool strict = false;
  std::int64_t triggers = 0;

  /// The terms to copy a row: the hidden rowid if there is one, then every column that can be
  /// written; quoted.
  [[nodiscard]] std::vector<std::string> writable() const;
};

/// Ordinary tables of the database in bytewise order: no views, virtual tables and their shadows,
/// and none that belong to this very file: SQLite's own (sqlite_), dunlin's bookkeeping (__dunlin_)
/// and its migration lock. The migration history is data like any other: a copy is at the same
/// version.
[[nodiscard]] Result<std::vector<std::string>> list_tables(Database& database);
/// nullopt when there is no ordinary table of that name (names compare as in SQL, ASCII case
/// ignored).
[[nodiscard]] Result<std::optional<TableInfo>> read_table(Database& database,
                                                          std::string_view name);

/// The CREATE TABLE statement for the same table under another name; SQLite itself rewrites it, in
/// a scratch database in memory.
[[nodiscard]] Result<std::string> create_statement_as(const TableInfo& table,
                                                      const std::string& name);

/// "a, b, c"
[[nodiscard]] std::string joined(const std::vector<std::string>& terms,
                                 std::string_view separator = ", ");
/// ASCII case ignored, as SQLite compares identifiers.
[[nodiscard]] bool same_identifier(std::string_view one, std::string_view other);

}  // namespace dunlin::sql
