// Statements of SQLite; see create.h. Keys, checks and references stand in CREATE TABLE: they can
// not be added later.
#include <algorithm>

#include "sql/catalogue.h"
#include "sql/model/quoting.h"
#include "sql/model/writers.h"
#include "sql/script/scanner.h"

namespace dunlin::sql::model {
namespace {

std::string lite(const std::string& name) {
  return quoted(Dialect::sqlite, name);
}

std::string conflict_of(const Options& options) {
  const auto found = options.find("on_conflict");
  return found == options.end() ? std::string() : " ON CONFLICT " + found->second;
}

/// DEFAULT word, with a word that means nothing, is a string of old: in brackets it were a column.
std::string default_clause(const std::string& text) {
  Scanner scanner(Dialect::sqlite, text);
  const Token token = scanner.next();
  const bool one_word = (token.kind == TokenKind::word || token.kind == TokenKind::quoted) &&
                        token.end == text.size();
  return one_word ? " DEFAULT " + text : " DEFAULT (" + text + ")";
}

std::string part_text(const KeyPart& part) {
  std::string out = part.column.empty() ? part.expression : lite(part.column);
  if (!part.collation.empty()) out += " COLLATE " + lite(part.collation);
  if (part.descending) out += " DESC";
  return out;
}

std::string parts_text(const std::vector<KeyPart>& parts) {
  std::string out;
  for (const KeyPart& part : parts) out += (out.empty() ? "" : ", ") + part_text(part);
  return out;
}

std::string constraint_name(const std::string& name) {
  return name.empty() ? "" : "CONSTRAINT " + lite(name) + " ";
}

/// AUTOINCREMENT, and what INTEGER PRIMARY KEY DESC means, exist at the column alone.
bool key_at_column(const Table& table, const Column& column) {
  if (!table.primary_key || table.primary_key->parts.size() != 1 ||
      !same_identifier(table.primary_key->parts.front().column, column.name))
    return false;
  return column.identity.has_value() || table.primary_key->options.contains("at_column");
}

std::string lite_column(const Table& table, const Column& column) {
  std::string out = lite(column.name);
  if (!column.type.native.empty()) out += " " + column.type.native;
  if (key_at_column(table, column)) {
    out += " " + constraint_name(table.primary_key->name) + "PRIMARY KEY";
    if (table.primary_key->parts.front().descending) out += " DESC";
    out += conflict_of(table.primary_key->options);
    if (column.identity) out += " AUTOINCREMENT";
  }
  if (!column.nullable) out += " NOT NULL" + conflict_of(column.options);
  if (!column.collation.empty()) out += " COLLATE " + lite(column.collation);
  if (column.generated)
    out += " GENERATED ALWAYS AS (" + column.generated->expression + ") " +
           (column.generated->stored ? "STORED" : "VIRTUAL");
  else if (column.default_expression)
    out += default_clause(*column.default_expression);
  return out;
}

std::string lite_reference(const ForeignKey& key) {
  std::string out = constraint_name(key.name) + "FOREIGN KEY (" +
                    quoted_list(Dialect::sqlite, key.columns) + ") REFERENCES " +
                    lite(key.referenced.name);
  if (!key.referenced_columns.empty())
    out += " (" + quoted_list(Dialect::sqlite, key.referenced_columns) + ")";
  if (key.on_update != Action::no_action)
    out += " ON UPDATE " + std::string(to_string(key.on_update));
  if (key.on_delete != Action::no_action)
    out += " ON DELETE " + std::string(to_string(key.on_delete));
  if (key.deferrable) out += " DEFERRABLE";
  if (key.initially_deferred) out += " INITIALLY DEFERRED";
  return out;
}

std::string lite_table(const Table& table) {
  if (table.kind == TableKind::virtual_table) return table.definition;
  std::string terms;
  const auto add = [&](const std::string& term) {
    terms += (terms.empty() ? "\n  " : ",\n  ") + term;
  };
  bool key_made = !table.primary_key;
  for (const Column& column : table.columns) {
    key_made = key_made || key_at_column(table, column);
    add(lite_column(table, column));
  }
  if (!key_made)
    add(constraint_name(table.primary_key->name) + "PRIMARY KEY (" +
        parts_text(table.primary_key->parts) + ")" + conflict_of(table.primary_key->options));
  for (const Key& key : table.unique_keys)
    add(constraint_name(key.name) + "UNIQUE (" + parts_text(key.parts) + ")" +
        conflict_of(key.options));
  for (const Check& check : table.checks)
    add(constraint_name(check.name) + "CHECK (" + check.expression + ")");
  for (const ForeignKey& key : table.foreign_keys) add(lite_reference(key));
  std::string sql = "CREATE TABLE " + lite(table.name.name) + " (" + terms + "\n)";
  const bool strict = table.options.contains("strict");
  if (strict) sql += " STRICT";
  if (table.options.contains("without_rowid")) sql += strict ? ", WITHOUT ROWID" : " WITHOUT ROWID";
  return sql;
}

}  // namespace

Script write_sqlite(const Catalogue& catalogue) {
  Script script;
  for (const Table& table : catalogue.tables) script.before_data.push_back(lite_table(table));
  for (const Table& table : catalogue.tables) {
    for (const Index& index : table.indexes) {
      std::string sql = "CREATE " + std::string(index.unique ? "UNIQUE " : "") + "INDEX " +
                        lite(index.name) + " ON " + lite(table.name.name) + " (" +
                        parts_text(index.parts) + ")";
      if (!index.predicate.empty()) sql += " WHERE " + index.predicate;
      script.after_data.push_back(std::move(sql));
    }
  }
  // A view of views that are not there yet is no mistake to SQLite.
  for (const View& view : catalogue.views) {
    std::string sql = "CREATE VIEW " + lite(view.name.name);
    if (!view.columns.empty()) sql += " (" + quoted_list(Dialect::sqlite, view.columns) + ")";
    script.after_data.push_back(sql + " AS " + view.definition);
  }
  for (const Trigger& trigger : catalogue.triggers) script.after_data.push_back(trigger.definition);
  return script;
}

}  // namespace dunlin::sql::model
