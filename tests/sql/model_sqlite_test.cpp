// The model of a SQLite file: read, made again, read again; and what its own text alone says.
#include "sql/model_databases.h"

namespace dunlin::sql::model {
namespace {

const std::vector<std::string> kRichSqlite = {
    "CREATE TABLE parent (id INTEGER PRIMARY KEY AUTOINCREMENT, a INT NOT NULL ON CONFLICT REPLACE "
    "DEFAULT 5 CHECK (a > 0), "
    "b VARCHAR(20) COLLATE NOCASE UNIQUE DEFAULT 'it''s', c DEFAULT (1 + 2), d REAL DEFAULT "
    "-1.5e3, "
    "e TEXT DEFAULT CURRENT_TIMESTAMP, f BLOB DEFAULT x'00ff', g AS (a * 2), "
    "h TEXT GENERATED ALWAYS AS (lower(b) || ',') STORED /* of, ours */, i DEFAULT word, "
    "k DECIMAL(10, 5) CONSTRAINT kk NOT NULL DEFAULT 0 -- a comment, (\n"
    ", CONSTRAINT named UNIQUE (a DESC, b COLLATE RTRIM) ON CONFLICT IGNORE, CHECK (c <> ')' AND a "
    "IN (1, 2, 3)) "
    "CONSTRAINT without_comma CHECK (d < 1))",
    "CREATE TABLE child (a INTEGER REFERENCES parent ON DELETE CASCADE ON UPDATE SET NULL "
    "DEFERRABLE INITIALLY DEFERRED NOT NULL, "
    "b INT, c, CONSTRAINT two FOREIGN KEY (b, c) REFERENCES other (x, \"y z\") MATCH FULL ON "
    "DELETE RESTRICT, "
    "PRIMARY KEY (b DESC, a COLLATE NOCASE)) WITHOUT ROWID",
    "CREATE TABLE other (x INT, \"y z\" TEXT, PRIMARY KEY (x, \"y z\") ON CONFLICT ABORT)",
    "CREATE TABLE tight (a INTEGER PRIMARY KEY, b ANY, c TEXT NOT NULL) STRICT",
    "CREATE TABLE tighter (a INT PRIMARY KEY, b BLOB) STRICT, WITHOUT ROWID",
    "CREATE TABLE quirk (a INTEGER PRIMARY KEY DESC, b)",
    "CREATE TABLE no_types (a, b, c)",
    "CREATE TABLE [br'ack] (\"q\"\"q\" INT, `t``t` INT, [b b] INT, 'str' INT, \"select\" INT, "
    "\xC3\xA9t\xC3\xA9 TEXT)",
    "CREATE TABLE made AS SELECT 1 AS one, 'x' AS \"two three\"",
    "ALTER TABLE no_types ADD COLUMN d TEXT DEFAULT 'later' CHECK (d <> '')",
    "CREATE INDEX plain ON parent (a, b COLLATE BINARY DESC)",
    "CREATE UNIQUE INDEX partial ON parent (lower(b), a + 1, (c)) WHERE a IS NOT NULL AND b <> 'x'",
    "CREATE VIEW v (one, \"t w o\") AS SELECT a, b FROM parent WHERE b <> ';'",
    "CREATE VIEW broken AS SELECT gone FROM nobody",
    "CREATE TRIGGER tr AFTER INSERT ON parent WHEN NEW.a > 0 BEGIN UPDATE parent SET c = 1; DELETE "
    "FROM child; END",
    "CREATE TRIGGER instead INSTEAD OF DELETE ON v BEGIN SELECT 1; END",
    "CREATE VIRTUAL TABLE words USING fts5(body)",
};

TEST(ModelSqliteTest, ARichSchemaReadsEqualAfterItIsMadeAgain) {
  const Catalogue catalogue = expect_round_trip(Dialect::sqlite, kRichSqlite);
  const Table* const parent = catalogue.find_table({"", "parent"});
  ASSERT_NE(parent, nullptr);
  EXPECT_EQ(parent->checks.size(), 3U);
  EXPECT_EQ(parent->unique_keys.size(), 2U);
  EXPECT_EQ(parent->find_column("b")->collation, "NOCASE");
  EXPECT_EQ(parent->find_column("a")->options.at("on_conflict"), "REPLACE");
  EXPECT_FALSE(parent->find_column("g")->generated->stored);
  EXPECT_EQ(parent->find_column("h")->generated->expression, "lower(b) || ','");
  EXPECT_EQ(*parent->find_column("i")->default_expression, "word");
  EXPECT_TRUE(parent->find_column("id")->identity.has_value());
  const Table* const child = catalogue.find_table({"", "child"});
  ASSERT_NE(child, nullptr);
  ASSERT_EQ(child->foreign_keys.size(), 2U);
  EXPECT_TRUE(child->foreign_keys[0].initially_deferred);
  EXPECT_EQ(child->foreign_keys[0].on_update, Action::set_null);
  EXPECT_FALSE(child->find_column("a")->nullable) << "NOT DEFERRABLE is another NOT";
  EXPECT_EQ(child->foreign_keys[1].referenced_columns[1], "y z");
  EXPECT_TRUE(child->primary_key->parts[0].descending);
  for (const Table& table : catalogue.tables)
    EXPECT_FALSE(table.name.name.starts_with("words_")) << "a shadow table";
}

/// The rowid stays the rowid, and what was not one does not become it.
TEST(ModelSqliteTest, TheRowidIsTheSameColumn) {
  EmptyDatabase first(Dialect::sqlite);
  first.run_all(kRichSqlite);
  EmptyDatabase second(Dialect::sqlite);
  second.make(first.read());
  second.run_all({"INSERT INTO tight (b, c) VALUES (1, 'x')", "INSERT INTO quirk (b) VALUES (1)"});
  EXPECT_EQ(*query_text(second.connection(), "SELECT a FROM tight", Call{}), "1");
  EXPECT_EQ(*query_text(second.connection(), "SELECT a FROM quirk", Call{}), std::nullopt);
}

TEST(ModelSqliteTest, OurOwnTablesAreLeftOutWithAllThatBelongsToThem) {
  EmptyDatabase database(Dialect::sqlite);
  database.run_all(
      {"CREATE TABLE __MigrationsHistory (a PRIMARY KEY, b)",
       "CREATE INDEX of_ours ON __MigrationsHistory (b)",
       "CREATE TRIGGER of_ours_too AFTER INSERT ON __MigrationsHistory BEGIN SELECT 1; END",
       "CREATE TABLE theirs (a)"});
  Scope scope;
  scope.left_out_tables = {"__MigrationsHistory"};
  const Catalogue catalogue = database.read(scope);
  ASSERT_EQ(catalogue.tables.size(), 1U);
  EXPECT_EQ(catalogue.tables[0].name.name, "theirs");
  EXPECT_TRUE(catalogue.triggers.empty());
}

TEST(ModelSqliteTest, ReadingBeginsAndEndsItsOwnTransactionOrUsesTheOneThatIsOpen) {
  EmptyDatabase database(Dialect::sqlite);
  database.run("CREATE TABLE t (a)");
  EXPECT_EQ(database.read().tables.size(), 1U);
  EXPECT_EQ(database.connection().transaction(), TransactionState::none);
  database.run_all({"BEGIN", "CREATE TABLE u (a)"});
  EXPECT_EQ(database.read().tables.size(), 2U);
  EXPECT_EQ(database.connection().transaction(), TransactionState::open);
}

}  // namespace
}  // namespace dunlin::sql::model
