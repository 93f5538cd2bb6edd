// The catalogue of a SQLite database; see catalogue.h.
#include "sql/catalogue.h"

#include <algorithm>
#include <array>

#include <sqlite3.h>

#include "sql/sqlite_address.h"

namespace dunlin::sql {

namespace {

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return result;
}

/// The collation that comparisons with the bare column use.
Result<std::string> column_collation(Database& database, const std::string& table,
                                     const std::string& column) {
  const char* collation = nullptr;
  const int code =
      sqlite3_table_column_metadata(database.handle(), "main", table.c_str(), column.c_str(),
                                    nullptr, &collation, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error_from_sqlite(database.handle(), code, "read column " + column);
  return std::string(collation);
}

Result<std::string> primary_key_index(Database& database, const std::string& table) {
  DUNLIN_ASSIGN(
      const std::optional<std::string> index,
      database.query_text("SELECT name FROM pragma_index_list(?1) WHERE origin = 'pk'", table));
  return index.value_or("");
}

Result<std::vector<std::string>> primary_key_terms(Database& database, const std::string& table,
                                                   const std::string& index) {
  std::vector<std::string> terms;
  DUNLIN_ASSIGN(Statement rows,
                database.prepare(
                    "SELECT name, coll FROM pragma_index_xinfo(?1) WHERE key = 1 ORDER BY seqno"));
  DUNLIN_ASSIGN(bool more, rows.query(index));
  while (more) {
    const std::string column = rows.column_string(0);
    const std::string collation = rows.column_string(1);
    DUNLIN_ASSIGN(const std::string own, column_collation(database, table, column));
    std::string term = quote_identifier(column);
    // Named only where needed: SQLite searches no index through a row value that names a collation.
    if (!same_identifier(collation, own)) term += " COLLATE " + quote_identifier(collation);
    terms.push_back(std::move(term));
    DUNLIN_ASSIGN(more, rows.step());
  }
  return terms;
}

Status read_columns(Database& database, TableInfo& table, std::vector<std::string>& primary_key) {
  DUNLIN_ASSIGN(Statement rows,
                database.prepare("SELECT name, type, pk, hidden FROM pragma_table_xinfo(?1)"));
  DUNLIN_ASSIGN(bool more, rows.query(table.name));
  while (more) {
    const std::int64_t hidden = rows.column_int64(3);
    table.columns.push_back({rows.column_string(0), affinity_of(rows.column_text(1), table.strict),
                             hidden == 2 || hidden == 3});
    if (rows.column_int64(2) > 0) primary_key.push_back(rows.column_string(0));
    DUNLIN_ASSIGN(more, rows.step());
  }
  return success();
}

Status read_key(Database& database, TableInfo& table, const std::vector<std::string>& primary_key) {
  DUNLIN_ASSIGN(const std::string index, primary_key_index(database, table.name));
  if (table.without_rowid) {
    DUNLIN_ASSIGN(table.key, primary_key_terms(database, table.name, index));
    return success();
  }
  if (primary_key.size() == 1 && index.empty()) {  // no index of its own: the column is the rowid
    table.key = {quote_identifier(primary_key.front())};
    return success();
  }
  for (const std::string_view alias : {"rowid", "_rowid_", "oid"}) {
    const bool hidden =
        std::any_of(table.columns.begin(), table.columns.end(),
                    [&](const ColumnInfo& c) { return same_identifier(c.name, alias); });
    if (hidden) continue;
    table.hidden_rowid = alias;
    table.key = {table.hidden_rowid};
    break;
  }
  return success();
}

}  // namespace

std::string_view to_string(Affinity affinity) {
  constexpr std::array<std::string_view, 5> kNames{"INTEGER", "TEXT", "BLOB", "REAL", "NUMERIC"};
  return kNames[static_cast<std::size_t>(affinity)];
}

Affinity affinity_of(std::string_view declared_type, bool strict) {
  const std::string type = upper(declared_type);
  const auto has = [&](std::string_view part) { return type.find(part) != std::string::npos; };
  if (has("INT")) return Affinity::integer;
  if (has("CHAR") || has("CLOB") || has("TEXT")) return Affinity::text;
  if (has("BLOB") || type.empty() || (strict && type == "ANY")) return Affinity::blob;
  if (has("REAL") || has("FLOA") || has("DOUB")) return Affinity::real;
  return Affinity::numeric;
}

std::vector<std::string> TableInfo::writable() const {
  std::vector<std::string> terms;
  if (!hidden_rowid.empty()) terms.push_back(hidden_rowid);
  for (const ColumnInfo& column : columns) {
    if (!column.generated) terms.push_back(quote_identifier(column.name));
  }
  return terms;
}

Result<std::vector<std::string>> list_tables(Database& database) {
  std::vector<std::string> names;
  DUNLIN_ASSIGN(Statement rows,
                database.prepare(
                    "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' "
                    "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
                    "AND name NOT LIKE '\\_\\_dunlin\\_%' ESCAPE '\\' "
                    "AND name <> '__MigrationsLock' ORDER BY name COLLATE BINARY"));
  DUNLIN_ASSIGN(bool more, rows.query());
  while (more) {
    names.push_back(rows.column_string(0));
    DUNLIN_ASSIGN(more, rows.step());
  }
  return names;
}

Result<std::optional<TableInfo>> read_table(Database& database, std::string_view name) {
  TableInfo table;
  {
    DUNLIN_ASSIGN(
        Statement row,
        database.prepare("SELECT l.name, l.wr, m.sql, (SELECT count(*) FROM sqlite_master t WHERE "
                         "t.type = 'trigger' AND t.tbl_name = l.name COLLATE NOCASE), l.strict "
                         "FROM pragma_table_list l JOIN sqlite_master m ON m.type = 'table' AND "
                         "m.name = l.name WHERE l.schema = 'main' AND l.type = 'table' AND "
                         "l.name = ?1 COLLATE NOCASE"));
    DUNLIN_ASSIGN(const bool found, row.query(name));
    if (!found) return std::optional<TableInfo>{};
    table.name = row.column_string(0);
    table.without_rowid = row.column_int64(1) != 0;
    table.create_sql = row.column_string(2);
    table.triggers = row.column_int64(3);
    table.strict = row.column_int64(4) != 0;
  }
  std::vector<std::string> primary_key;
  DUNLIN_TRY(read_columns(database, table, primary_key));
  DUNLIN_TRY(read_key(database, table, primary_key));
  return std::optional<TableInfo>(std::move(table));
}

Result<std::string> create_statement_as(const TableInfo& table, const std::string& name) {
  if (table.name == name) return table.create_sql;
  DUNLIN_ASSIGN(Database scratch, Database::open(":memory:", foreign_options(false)));
  DUNLIN_TRY(scratch.exec(table.create_sql));
  DUNLIN_TRY(scratch.exec("ALTER TABLE " + quote_identifier(table.name) + " RENAME TO " +
                          quote_identifier(name)));
  DUNLIN_ASSIGN(
      const std::optional<std::string> sql,
      scratch.query_text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?1", name));
  if (!sql) return Error(ErrorType::defect, "SQLite renamed a table and lost it: " + name);
  return *sql;
}

std::string joined(const std::vector<std::string>& terms, std::string_view separator) {
  std::string text;
  for (const std::string& term : terms) {
    if (!text.empty()) text += separator;
    text += term;
  }
  return text;
}

bool same_identifier(std::string_view one, std::string_view other) {
  return upper(one) == upper(other);
}

}  // namespace dunlin::sql
