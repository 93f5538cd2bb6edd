// Random schemas with hostile names: what is made reads as meant, and what is made of that reads
// equal; and in another dialect the real server takes what is generated and has it as promised.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "sql/model/quoting.h"
#include "sql/model/types.h"
#include "sql/model_databases.h"

namespace dunlin::sql::model {
namespace {

struct Sample {
  std::string native;
  std::vector<std::string> defaults;
  bool in_keys = false;
};

const std::vector<Sample>& samples_of(Dialect dialect) {
  static const std::vector<Sample> postgresql = {
      {"integer", {"0", "-7", "2147483647"}, true},
      {"bigint", {"'-9223372036854775808'::bigint", "42"}, true},
      {"smallint", {"1"}, true},
      {"numeric", {"1.50", "'-0.1'::numeric"}, true},
      {"numeric(12,4)", {"0"}, true},
      {"text", {"''::text", "'it''s'", "'a\\b'", "E'\\n'", "upper('x')"}, true},
      {"character varying(9)", {"'x'"}, true},
      {"character(3)", {"'abc'"}, true},
      {"boolean", {"true", "false"}, false},
      {"date", {"'2020-02-29'", "CURRENT_DATE"}, true},
      {"timestamp(3) without time zone", {"now()", "'2020-01-01 00:00:00.5'"}, true},
      {"timestamp with time zone", {"CURRENT_TIMESTAMP", "'2020-01-01 00:00:00+05'"}, true},
      {"time(2) without time zone", {"'12:00'"}, true},
      {"uuid", {"gen_random_uuid()"}, true},
      {"bytea", {"'\\x00ff'"}, false},
      {"jsonb", {"'{\"a\": 1}'"}, false},
      {"json", {"'[]'"}, false},
      {"double precision", {"0.1", "'NaN'", "1e300"}, false},
      {"real", {"0.5"}, false},
      {"integer[]", {"'{1,2}'", "ARRAY[1]"}, false},
      {"interval", {"'1 day'"}, false},
      {"bit varying(8)", {"B'1'"}, false},
      {"inet", {"'::1'"}, false},
  };
  static const std::vector<Sample> mariadb = {
      {"int(11)", {"0", "-7"}, true},
      {"bigint(20) unsigned", {"18446744073709551615"}, true},
      {"tinyint(1)", {"1"}, true},
      {"mediumint(8) unsigned", {"7"}, true},
      {"decimal(30,10)", {"1.5", "-0.1"}, true},
      {"varchar(20)", {"''", "'it''s'", "'a\\\\b'", "upper('x')"}, true},
      {"char(3)", {"'abc'"}, true},
      {"text", {"'long'"}, false},
      {"longblob", {}, false},
      {"varbinary(9)", {"'x'"}, true},
      {"date", {"'2020-02-29'", "curdate()"}, true},
      {"datetime(3)", {"current_timestamp(3)", "'2020-01-01 00:00:00.500'"}, true},
      {"timestamp", {"current_timestamp()"}, true},
      {"time", {"'12:00:00'"}, true},
      {"year(4)", {"2020"}, true},
      {"uuid", {"uuid()"}, true},
      {"json", {"'{}'"}, false},
      {"enum('a','b''c')", {"'a'"}, true},
      {"set('x','y')", {"'x,y'"}, false},
      {"double", {"0.1"}, false},
      {"float", {"0.5"}, false},
      {"bit(5)", {"b'101'"}, false},
      {"inet6", {"'::1'"}, false},
  };
  static const std::vector<Sample> sqlite = {
      {"INTEGER", {"0", "-7", "1 + 2"}, true},
      {"INT", {"7"}, true},
      {"TEXT", {"''", "'it''s'", "upper('x')", "CURRENT_TIMESTAMP"}, true},
      {"VARCHAR(20)", {"'x'"}, true},
      {"REAL", {"-1.5e3"}, false},
      {"BLOB", {"x'00ff'"}, false},
      {"", {"NULL", "1"}, false},
      {"DECIMAL(10, 2)", {"1.5"}, true},
      {"BOOLEAN", {"true", "0"}, false},
      {"DATETIME", {"CURRENT_TIMESTAMP"}, true},
  };
  if (dialect == Dialect::postgresql) return postgresql;
  return dialect == Dialect::mysql ? mariadb : sqlite;
}

/// Unlike any other by its number; PostgreSQL's shortest limit leaves room for it.
std::string random_name(int number, char kind) {
  static const std::vector<std::string> pieces = {
      "a",  "B", "\xC3\xA9", "\xE2\x82\xAC", "\"", "`",     "'", ".", " ", ";",
      "\\", "%", "?",        "$1",           "--", "select"};
  std::string name(1, kind);
  for (const auto& piece :
       *rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(pieces)))
    if (name.size() < 40) name += piece;
  return name + std::to_string(number);
}

bool chance(int percent) {
  return *rc::gen::inRange(0, 100) < percent;
}

Column random_column(Dialect dialect, int number) {
  const Sample sample = *rc::gen::elementOf(samples_of(dialect));
  Column column;
  column.name = random_name(number, 'c');
  column.type = type_from_text(dialect, sample.native);
  column.nullable = chance(60);
  if (!sample.defaults.empty() && chance(50))
    column.default_expression = *rc::gen::elementOf(sample.defaults);
  if (dialect != Dialect::sqlite && chance(20)) column.comment = "it's \\ of " + column.name;
  return column;
}

bool fits_keys(Dialect dialect, const Column& column) {
  for (const Sample& sample : samples_of(dialect))
    if (sample.native == column.type.native) return sample.in_keys;
  return false;
}

std::vector<KeyPart> random_parts(Dialect dialect, const Table& table) {
  std::vector<KeyPart> parts;
  for (const Column& column : table.columns) {
    if (!fits_keys(dialect, column) || column.generated || !chance(50)) continue;
    KeyPart part;
    part.column = column.name;
    parts.push_back(part);
    if (parts.size() == 3) break;
  }
  return parts;
}

std::string integer_of(Dialect dialect) {
  return dialect == Dialect::mysql ? "int(11)" : dialect == Dialect::sqlite ? "INTEGER" : "integer";
}

void add_keys(Dialect dialect, Table& table, int number) {
  if (chance(40)) {  // the server numbers its rows
    Column id;
    id.name = random_name(90, 'c');
    id.type = type_from_text(dialect, integer_of(dialect));
    id.nullable = dialect == Dialect::sqlite;
    if (chance(70)) id.identity = Identity{};
    table.columns.insert(table.columns.begin(), id);
    KeyPart part;
    part.column = id.name;
    table.primary_key = Key{};
    table.primary_key->parts = {part};
  } else if (std::vector<KeyPart> parts = random_parts(dialect, table); !parts.empty()) {
    table.primary_key = Key{};
    table.primary_key->parts = parts;
    for (Column& column : table.columns)
      for (const KeyPart& part : parts)
        if (part.column == column.name) column.nullable = false;
  }
  if (table.primary_key && dialect == Dialect::postgresql)
    table.primary_key->name = random_name(number, 'p');
  for (int i = *rc::gen::inRange(0, 3); i > 0; --i) {
    Index index;
    index.parts = random_parts(dialect, table);
    if (index.parts.empty()) continue;
    index.name = random_name(number * 10 + i, 'i');
    index.unique = chance(50);
    if (dialect == Dialect::postgresql) index.method = "btree";
    for (KeyPart& part : index.parts) part.descending = chance(30);
    if (dialect != Dialect::mysql && chance(20))
      index.predicate = quoted(dialect, index.parts.front().column) + " IS NOT NULL";
    table.indexes.push_back(index);
  }
  if (chance(40))
    table.checks.push_back({random_name(number, 'k'),
                            quoted(dialect, table.columns.back().name) + " IS NOT NULL", true,
                            false, ""});
}

void add_reference(Dialect dialect, Catalogue& catalogue, Table& table, int number) {
  for (const Table& other : catalogue.tables) {
    if (!other.primary_key || other.primary_key->parts.size() != 1 || !chance(60)) continue;
    const Column* const target = other.find_column(other.primary_key->parts[0].column);
    if (target->type.native != integer_of(dialect)) continue;
    Column column;
    column.name = random_name(80 + number, 'c');
    column.type = target->type;
    table.columns.push_back(column);
    ForeignKey key;
    key.name = random_name(number, 'f');
    key.columns = {column.name};
    key.referenced = other.name;
    key.referenced_columns = {target->name};
    key.on_delete = *rc::gen::element(Action::no_action, Action::cascade, Action::set_null);
    key.deferrable = dialect != Dialect::mysql && chance(50);
    key.initially_deferred = key.deferrable && chance(50);
    table.foreign_keys.push_back(key);
    if (dialect == Dialect::mysql) {  // which would make one itself
      Index index;
      index.name = random_name(500 + number, 'i');
      index.parts.emplace_back();
      index.parts.back().column = column.name;
      table.indexes.push_back(index);
    }
    return;
  }
}

Catalogue random_catalogue(Dialect dialect) {
  Catalogue catalogue;
  catalogue.dialect = dialect;
  if (dialect == Dialect::postgresql) catalogue.schemas = {{"public", ""}};
  const int tables = *rc::gen::inRange(1, 5);
  for (int i = 0; i < tables; ++i) {
    Table table;
    table.name = {dialect == Dialect::postgresql ? "public" : "", random_name(i, 't')};
    for (int c = *rc::gen::inRange(1, 7); c > 0; --c)
      table.columns.push_back(random_column(dialect, c));
    if (chance(30)) {
      Column column;
      column.name = random_name(70, 'c');
      column.type = type_from_text(dialect, integer_of(dialect));
      column.generated = Generated{"1 + 1", dialect == Dialect::postgresql || chance(50)};
      table.columns.push_back(column);
    }
    add_keys(dialect, table, i);
    add_reference(dialect, catalogue, table, i);
    if (dialect != Dialect::sqlite && chance(20)) table.comment = "it's \\ of " + table.name.name;
    if (dialect == Dialect::sqlite && table.primary_key && chance(30) &&
        !table.columns.front().identity) {
      table.options["without_rowid"] = "yes";
      for (Column& column : table.columns)
        for (const KeyPart& part : table.primary_key->parts)
          if (part.column == column.name) column.nullable = false;
    }
    catalogue.tables.push_back(table);
  }
  if (chance(40)) {
    View view;
    view.name = {dialect == Dialect::postgresql ? "public" : "", random_name(0, 'v')};
    view.definition = "SELECT 1 AS one FROM " + quoted(dialect, catalogue.tables.front().name);
    catalogue.views.push_back(view);
  }
  catalogue.sort();
  return catalogue;
}

/// What must be there by name, whatever the server makes of the rest.
std::string outline(const Catalogue& catalogue) {
  std::string out;
  for (const Table& table : catalogue.tables) {
    out += "table " + table.name.text() + "\n";
    for (const Column& column : table.columns)
      out += " column " + column.name + " " + std::string(to_string(column.type.kind)) +
             (column.nullable ? "" : " not null") + (column.identity ? " numbered" : "") +
             (column.default_expression ? " default" : "") + "\n";
    if (table.primary_key)
      for (const KeyPart& part : table.primary_key->parts)
        out += " primary key " + part.column + "\n";
    for (const Check& check : table.checks) out += " check " + check.name + "\n";
    for (const Index& index : table.indexes) {
      out += " index " + index.name + (index.unique ? " unique" : "");
      for (const KeyPart& part : index.parts)
        out += "," + part.column + (part.descending ? " desc" : "");
      out += "\n";
    }
    for (const ForeignKey& key : table.foreign_keys)
      out += " foreign key " + key.name + " to " + key.referenced.text() +
             std::string(to_string(key.on_delete)) + (key.initially_deferred ? " deferred" : "") +
             "\n";
  }
  for (const View& view : catalogue.views) out += "view " + view.name.text() + "\n";
  return out;
}

/// Two for each server, empty each time.
EmptyDatabase& random_database(Dialect dialect, int which) {
  static std::map<std::pair<Dialect, int>, std::unique_ptr<EmptyDatabase>> all;
  std::unique_ptr<EmptyDatabase>& one = all[{dialect, which}];
  if (!one || dialect == Dialect::sqlite)
    one = std::make_unique<EmptyDatabase>(dialect);
  else
    one->clear();
  return *one;
}

Catalogue made_and_read(EmptyDatabase& database, const Catalogue& catalogue) {
  if (const auto refused = database.try_to_make(catalogue)) RC_FAIL(*refused);
  auto read = read_catalogue(database.connection(), Scope{}, Call{});
  if (!read.ok()) RC_FAIL(read.error().text());
  return std::move(*read);
}

void random_round_trips(Dialect dialect, int count) {
  for (int i = 0; i < count; ++i) {
    const Catalogue meant = random_catalogue(dialect);
    const Catalogue before = made_and_read(random_database(dialect, 0), meant);
    RC_ASSERT(outline(before) == outline(meant));
    const Catalogue after = made_and_read(random_database(dialect, 1), before);
    RC_ASSERT(lines_of(differences(before, after)) == std::string());
    RC_ASSERT(before == after);
  }
}

RC_GTEST_PROP(ModelRandom, SqliteSchemasReadEqualAfterTheyAreMadeAgain, ()) {
  random_round_trips(Dialect::sqlite, 3);
}
RC_GTEST_PROP(ModelRandom, PostgresqlSchemasReadEqualAfterTheyAreMadeAgain, ()) {
  random_round_trips(Dialect::postgresql, 2);
}
RC_GTEST_PROP(ModelRandom, MariadbSchemasReadEqualAfterTheyAreMadeAgain, ()) {
  random_round_trips(Dialect::mysql, 1);
}

/// In another dialect: the real server takes it, and has what convert() says.
void random_conversion(Dialect from, Dialect to) {
  const Catalogue source = random_catalogue(from);
  const auto converted = convert(source, to);
  RC_ASSERT(converted.ok());
  const Catalogue made = made_and_read(random_database(to, 0), converted->catalogue);
  RC_ASSERT(outline(made) == outline(converted->catalogue));
  RC_ASSERT(converted->catalogue.tables.size() == source.tables.size());
}

RC_GTEST_PROP(ModelRandom, PostgresqlInMariadb, ()) {
  random_conversion(Dialect::postgresql, Dialect::mysql);
}
RC_GTEST_PROP(ModelRandom, PostgresqlInSqlite, ()) {
  random_conversion(Dialect::postgresql, Dialect::sqlite);
}
RC_GTEST_PROP(ModelRandom, MariadbInPostgresql, ()) {
  random_conversion(Dialect::mysql, Dialect::postgresql);
}
RC_GTEST_PROP(ModelRandom, MariadbInSqlite, ()) {
  random_conversion(Dialect::mysql, Dialect::sqlite);
}
RC_GTEST_PROP(ModelRandom, SqliteInPostgresql, ()) {
  random_conversion(Dialect::sqlite, Dialect::postgresql);
}
RC_GTEST_PROP(ModelRandom, SqliteInMariadb, ()) {
  random_conversion(Dialect::sqlite, Dialect::mysql);
}

}  // namespace
}  // namespace dunlin::sql::model
