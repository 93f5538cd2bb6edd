// Schemas in another dialect, made on the real server and read back; what is lost is said by name.
#include "sql/model_databases.h"

namespace dunlin::sql::model {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Moved {
  Catalogue catalogue;
  std::vector<std::string> remarks;
};

Moved move_to(Dialect from, const std::vector<std::string>& statements, Dialect to) {
  EmptyDatabase source(from);
  source.run_all(statements);
  const auto script = create_statements(source.read(), to);
  EXPECT_TRUE(script.ok());
  EmptyDatabase target(to);
  target.run_all(script->before_data);
  target.run_all(script->after_data);
  Moved moved;
  moved.catalogue = target.read();
  for (const Remark& remark : script->remarks) moved.remarks.push_back(remark.line());
  return moved;
}

std::string native_types(const Table& table) {
  std::string out;
  for (const Column& column : table.columns)
    out += column.name + " " + column.type.native + (column.nullable ? "" : " not null") +
           (column.default_expression ? " default " + *column.default_expression : "") +
           (column.identity ? " numbered" : "") + "\n";
  return out;
}

const std::vector<std::string> kPostgresqlSource = {
    "CREATE TYPE mood AS ENUM ('sad', 'it''s')",
    "CREATE TABLE parent (id bigserial PRIMARY KEY, code text NOT NULL UNIQUE)",
    "CREATE TABLE t (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
    "p bigint REFERENCES parent ON DELETE CASCADE, j jsonb DEFAULT '{}', arr integer[], "
    "n numeric, m numeric(10,2) DEFAULT 1.5, f double precision, b boolean DEFAULT true, "
    "ts timestamptz DEFAULT now(), d date DEFAULT '2020-01-02', u uuid DEFAULT gen_random_uuid(), "
    "e mood DEFAULT 'it''s', v varchar(20) DEFAULT 'a\\b', x bytea, g integer GENERATED ALWAYS AS "
    "(1 + 1) STORED, "
    "\"A\" text, \"a\" text, CONSTRAINT ck CHECK (n > 0), EXCLUDE USING btree (d WITH =))",
    "CREATE TABLE odd (w integer DEFAULT length('abc'))",
    "CREATE INDEX part ON t (m) WHERE m > 1",
    "CREATE INDEX low ON t (lower(v))",
    "CREATE INDEX plain ON t (v, m DESC)",
    "CREATE INDEX gin ON t USING gin (j)",
    "CREATE VIEW w AS SELECT id FROM t",
    "CREATE FUNCTION fn() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
};

TEST(ModelConvertTest, PostgresqlInMariadb) {
  const Moved moved = move_to(Dialect::postgresql, kPostgresqlSource, Dialect::mysql);
  const Table* const table = moved.catalogue.find_table({"", "t"});
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(native_types(*table),
            "id int(11) not null numbered\n"
            "p bigint(20)\n"
            "j longtext default '{}'\n"
            "arr longtext\n"
            "n decimal(65,30)\n"
            "m decimal(10,2) default 1.50\n"
            "f double\n"
            "b tinyint(1) default 1\n"
            "ts datetime(6) default current_timestamp(6)\n"
            "d date default '2020-01-02'\n"
            "u uuid default uuid()\n"
            "e enum('sad','it''s') default 'it''s'\n"
            "v varchar(20) default 'a\\\\b'\n"
            "x longblob\n"
            "g int(11)\n"
            "A longtext\n" +
                table->columns.back().name + " longtext\n");
  EXPECT_EQ(table->find_column("j")->type.kind, TypeKind::json);
  ASSERT_EQ(table->foreign_keys.size(), 1U);
  EXPECT_EQ(table->foreign_keys[0].on_delete, Action::cascade);
  for (const char* const said :
       {"column public.t.j: changed: jsonb → json: kept as text: order and repeated keys count",
        "index public.t.part: left out: it is partial: (m > (1)::numeric)",
        "index public.t.gin: left out: its method gin",
        "view public.w: left out: its language is that of postgresql",
        "routine public.fn(): left out: its language is that of postgresql",
        "constraint public.t.t_d_excl: left out: EXCLUDE USING btree (d WITH =)",
        "check public.t.ck: left out: (n > (0)::numeric)",
        "column public.parent.code: changed: text → varchar(255): a key takes no longer text",
        "column public.t.g: changed: it is a plain column: its expression is (1 + 1)",
        "column public.odd.w: changed: its default is not carried: length('abc'::text)"})
    EXPECT_THAT(moved.remarks, Contains(said));
  EXPECT_THAT(moved.remarks, Contains(HasSubstr("column public.t.a: renamed: a_")));
}

TEST(ModelConvertTest, PostgresqlInSqlite) {
  const Moved moved = move_to(Dialect::postgresql, kPostgresqlSource, Dialect::sqlite);
  const Table* const table = moved.catalogue.find_table({"", "t"});
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(table->find_column("n")->type.native, "TEXT") << "a REAL would round it";
  EXPECT_EQ(*table->find_column("m")->default_expression, "'1.5'");
  EXPECT_EQ(*table->find_column("b")->default_expression, "1");
  EXPECT_TRUE(table->find_column("id")->identity.has_value());
  EXPECT_TRUE(moved.catalogue.find_table({"", "parent"})->find_column("id")->identity.has_value());
  EXPECT_THAT(
      moved.remarks,
      Contains("column public.t.n: changed: numeric → TEXT: NUMERIC would round to 15 digits"));
}

const std::vector<std::string> kMariadbSource = {
    "CREATE TABLE parent (id bigint unsigned AUTO_INCREMENT PRIMARY KEY, n varchar(50) UNIQUE)",
    "CREATE TABLE t (big bigint unsigned PRIMARY KEY, p bigint unsigned, small int unsigned "
    "DEFAULT 7, "
    "b tinyint(1) DEFAULT 1, d datetime(3) DEFAULT current_timestamp(3), ts timestamp NULL, "
    "e enum('a','b') DEFAULT 'a', s set('x','y'), j json, y year, bits bit(4), v varbinary(5), "
    "tx text COMMENT 'it''s', up timestamp NULL ON UPDATE current_timestamp(), KEY k (tx(10)), KEY "
    "order_key (d DESC), "
    "FULLTEXT KEY ft (tx), CONSTRAINT fk FOREIGN KEY (p) REFERENCES parent (id) ON DELETE SET "
    "NULL) COMMENT 'a table'",
    "CREATE TABLE u (n varchar(50), KEY order_key (n))",
};

TEST(ModelConvertTest, MariadbInPostgresql) {
  const Moved moved = move_to(Dialect::mysql, kMariadbSource, Dialect::postgresql);
  const Table* const table = moved.catalogue.find_table({"public", "t"});
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(native_types(*table),
            "big numeric(20,0) not null\n"
            "p bigint\n"
            "small bigint default 7\n"
            "b smallint default 1\n"
            "d timestamp(3) without time zone default CURRENT_TIMESTAMP\n"
            "ts timestamp(0) with time zone\n"
            "e text default 'a'::text\n"
            "s text\n"
            "j json\n"
            "y smallint\n"
            "bits bit(4)\n"
            "v bytea\n"
            "tx text\n"
            "up timestamp(0) with time zone\n");
  EXPECT_EQ(table->comment, "a table");
  EXPECT_EQ(table->checks.size(), 5U) << "unsigned, enum and the length of v";
  ASSERT_EQ(table->foreign_keys.size(), 1U);
  EXPECT_THAT(moved.remarks, Contains("column t.big: changed: bigint(20) unsigned → numeric(20): "
                                      "PostgreSQL has no unsigned type"));
  EXPECT_THAT(moved.remarks, Contains("index t.ft: left out: its method FULLTEXT"));
  EXPECT_THAT(moved.remarks, Contains(HasSubstr("column t.up: changed: on_update")));
  // Names of indexes are one table's there and the schema's here.
  EXPECT_THAT(moved.remarks, Contains(HasSubstr("index u.order_key: renamed: order_key_")));
}

TEST(ModelConvertTest, SqliteInPostgresqlAndMariadb) {
  const std::vector<std::string> source = {
      "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE DEFAULT 'x', n "
      "DECIMAL(10,2), "
      "at DATETIME DEFAULT CURRENT_TIMESTAMP, any_thing, b BOOLEAN DEFAULT 0)",
      "CREATE TABLE c (t INTEGER REFERENCES t)", "CREATE VIRTUAL TABLE words USING fts5(body)"};
  const Moved pg = move_to(Dialect::sqlite, source, Dialect::postgresql);
  ASSERT_NE(pg.catalogue.find_table({"public", "t"}), nullptr);
  EXPECT_EQ(native_types(*pg.catalogue.find_table({"public", "t"})),
            "id bigint not null numbered\n"
            "name text not null default 'x'::text\n"
            "n numeric(10,2)\n"
            "at timestamp(3) without time zone default CURRENT_TIMESTAMP\n"
            "any_thing text\n"
            "b boolean default false\n");
  EXPECT_THAT(pg.catalogue.find_table({"public", "c"})->foreign_keys[0].referenced_columns,
              ElementsAre("id"));
  EXPECT_THAT(pg.remarks, Contains("table words: left out: a virtual table"));
  const Moved my = move_to(Dialect::sqlite, source, Dialect::mysql);
  ASSERT_NE(my.catalogue.find_table({"", "t"}), nullptr);
  EXPECT_TRUE(my.catalogue.find_table({"", "t"})->find_column("id")->identity.has_value());
  EXPECT_EQ(my.catalogue.find_table({"", "t"})->find_column("name")->type.native, "varchar(255)");
}

TEST(ModelConvertTest, TextsStayDifferentThatDifferInCaseOrBlanks) {  // records trap 11
  EmptyDatabase source(Dialect::postgresql);
  source.run("CREATE TABLE t (k varchar(20) PRIMARY KEY)");
  EmptyDatabase target(Dialect::mysql);
  const auto script = create_statements(source.read(), Dialect::mysql);
  ASSERT_TRUE(script.ok());
  target.run_all(script->before_data);
  target.run("INSERT INTO t VALUES ('google'), ('Google'), ('google ')");
  EXPECT_EQ(*query_text(target.connection(), "SELECT count(*) FROM t", Call{}), "3");
}

TEST(ModelConvertTest, LongNamesStayApart) {  // trap 47
  const std::string stem(60, 'x');
  const Moved moved =
      move_to(Dialect::sqlite,
              {"CREATE TABLE " + stem + "yyyy1 (a)", "CREATE TABLE " + stem + "yyyy2 (a)",
               "CREATE TABLE short (" + stem + "yyyy1 INT, " + stem + "yyyy2 INT)"},
              Dialect::postgresql);
  ASSERT_EQ(moved.catalogue.tables.size(), 3U);
  EXPECT_EQ(moved.catalogue.find_table({"public", "short"})->columns.size(), 2U);
  for (const Table& table : moved.catalogue.tables) EXPECT_LE(table.name.name.size(), 63U);
}

}  // namespace
}  // namespace dunlin::sql::model
