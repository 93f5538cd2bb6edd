// The catalogue of SQLite: its pragmas, and the text that it keeps of each object; see
// read_catalogue.h.
#include <map>

#include "sql/catalogue.h"
#include "sql/model/readers.h"
#include "sql/model/sqlite_definition.h"
#include "sql/model/types.h"

namespace dunlin::sql::model {
namespace {

class SqliteReader {
 public:
  SqliteReader(Connection& connection, const Scope& scope, const Call& call)
      : connection_(connection), scope_(scope), call_(call) {
    catalogue_.dialect = Dialect::sqlite;
  }

  Result<Catalogue> read() {
    if (!scope_.schemas.empty())
      return Error(ErrorType::invalid_input, "a SQLite database has no schemas");
    DUNLIN_TRY(read_tables());
    DUNLIN_TRY(read_columns());
    for (auto& [name, sql] : sql_)
      DUNLIN_TRY(read_create_table(sql, catalogue_.tables[tables_.at(name)]));
    DUNLIN_TRY(read_sizes());
    DUNLIN_TRY(read_others());
    return std::move(catalogue_);
  }

 private:
  Status read_tables();
  Status read_columns();
  Status read_sizes();
  Status read_others();
  Status read_object(const Row& row);

  Connection& connection_;
  const Scope& scope_;
  const Call& call_;
  Catalogue catalogue_;
  std::map<std::string, std::size_t> tables_;
  std::map<std::string, std::string> sql_;
};

Status SqliteReader::read_tables() {
  // Shadow tables are their virtual table's own.
  return each_row(
      connection_,
      "SELECT l.name, l.type, l.wr, l.strict, m.sql FROM pragma_table_list l JOIN sqlite_master m "
      "ON m.type = 'table' AND m.name = l.name WHERE l.schema = 'main' AND l.type IN ('table', "
      "'virtual') AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
      call_, {}, [&](const Row& row) {
        Table table;
        table.name = {"", row.text(0)};
        if (holds(scope_.left_out_tables, table.name.name)) return success();
        if (row.text(1) == "virtual") {
          table.kind = TableKind::virtual_table;
          table.definition = row.text(4);
        } else {
          if (row.flag(2)) table.options["without_rowid"] = "yes";
          if (row.flag(3)) table.options["strict"] = "yes";
          sql_[table.name.name] = row.text(4);
        }
        tables_[table.name.name] = catalogue_.tables.size();
        catalogue_.tables.push_back(std::move(table));
        return success();
      });
}

Status SqliteReader::read_columns() {
  return each_row(connection_,
                  "SELECT m.name, x.name, x.type, x.\"notnull\", x.dflt_value, x.hidden "
                  "FROM pragma_table_list m JOIN pragma_table_xinfo(m.name) x "
                  "WHERE m.schema = 'main' AND m.type = 'table' ORDER BY m.name, x.cid",
                  call_, {}, [&](const Row& row) {
                    const auto found = tables_.find(row.text(0));
                    if (found == tables_.end()) return success();
                    Column column;
                    column.name = row.text(1);
                    column.type = type_from_text(Dialect::sqlite, row.text(2));
                    column.nullable = !row.flag(3);
                    if (!row.is_null(4)) column.default_expression = row.text(4);
                    catalogue_.tables[found->second].columns.push_back(std::move(column));
                    return success();
                  });
}

/// What ANALYZE left, if it ran: the first number of each row is that of the table's rows.
Status SqliteReader::read_sizes() {
  DUNLIN_ASSIGN(
      const auto there,
      query_text(connection_, "SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'", call_));
  if (!there) return success();
  return each_row(connection_, "SELECT tbl, stat FROM sqlite_stat1", call_, {},
                  [&](const Row& row) {
                    if (const auto found = tables_.find(row.text(0)); found != tables_.end())
                      catalogue_.tables[found->second].size.rows = row.number(1);
                    return success();
                  });
}

Status SqliteReader::read_object(const Row& row) {
  const std::string type = row.text(0);
  const std::string name = row.text(1);
  // Triggers of views have the view's name here.
  const auto table = tables_.find(row.text(2));
  if (holds(scope_.left_out_tables, row.text(2))) return success();
  if (type == "index" && table != tables_.end()) {
    DUNLIN_ASSIGN(Index index, read_create_index(row.text(3)));
    index.name = name;
    catalogue_.tables[table->second].indexes.push_back(std::move(index));
  } else if (type == "view") {
    View view;
    view.name = {"", name};
    DUNLIN_TRY(read_create_view(row.text(3), view));
    catalogue_.views.push_back(std::move(view));
  } else if (type == "trigger") {
    catalogue_.triggers.push_back({name, {"", row.text(2)}, row.text(3), {}});
  }
  return success();
}

Status SqliteReader::read_others() {
  return each_row(connection_,
                  "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE type <> 'table' AND "
                  "sql IS NOT NULL",
                  call_, {}, [&](const Row& row) { return read_object(row); });
}

}  // namespace

Result<Catalogue> read_sqlite(Connection& connection, const Scope& scope, const Call& call) {
  return SqliteReader(connection, scope, call).read();
}

}  // namespace dunlin::sql::model
