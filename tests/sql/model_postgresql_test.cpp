// The model of a real PostgreSQL database: read, made again, read again.
#include "sql/model_databases.h"

namespace dunlin::sql::model {
namespace {

const std::vector<std::string> kRichPostgresql = {
    "CREATE SCHEMA app",
    "COMMENT ON SCHEMA app IS 'it''s \\ ours'",
    "CREATE TYPE app.mood AS ENUM ('sad', 'it''s', 'ha\\ppy')",
    "CREATE DOMAIN app.positive AS numeric(10,2) DEFAULT 1 NOT NULL CONSTRAINT more CHECK (VALUE > "
    "0)",
    "CREATE TYPE app.pair AS (a integer, b text COLLATE \"C\")",
    "CREATE TYPE app.span AS RANGE (SUBTYPE = date)",
    "CREATE SEQUENCE app.free AS integer START 5 INCREMENT -2 MINVALUE -100 MAXVALUE 10 CYCLE "
    "CACHE 3",
    "CREATE FUNCTION app.twice(x integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 2 * x'",
    "CREATE FUNCTION app.twice(x text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT x || "
    "'it''s'$$",
    "CREATE PROCEDURE app.nothing() LANGUAGE plpgsql AS $$ BEGIN NULL; END $$",
    "CREATE TABLE public.parent (id bigint GENERATED ALWAYS AS IDENTITY (START 10 INCREMENT 5) "
    "PRIMARY KEY, "
    "code varchar(20) COLLATE \"C\" NOT NULL, amount numeric(12,3) DEFAULT 0.5, UNIQUE (code) "
    "INCLUDE (amount))",
    "CREATE TABLE app.t (id serial, p bigint, m app.mood DEFAULT 'it''s', q app.positive, r "
    "app.pair, "
    "d double precision DEFAULT 'NaN', n text DEFAULT 'a\\b''c', ts timestamp(3) with time zone "
    "DEFAULT now(), "
    "t0 timestamptz DEFAULT '2020-01-01 00:00:00+02', iv interval day to second(3), j jsonb "
    "DEFAULT '{}', "
    "a integer[] DEFAULT '{1,2}', b bit varying(5) DEFAULT B'101', u uuid, f real, c char(3), s "
    "smallint, "
    "g integer GENERATED ALWAYS AS (s * 2) STORED, w integer DEFAULT app.twice(3), mm app.mood[], "
    "CONSTRAINT t_pk PRIMARY KEY (id), CONSTRAINT fk FOREIGN KEY (p) REFERENCES parent (id) "
    "ON UPDATE CASCADE ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED, "
    "CONSTRAINT ck CHECK (s > 0 AND n <> 'x''y'), EXCLUDE USING btree (u WITH =))",
    "ALTER TABLE app.t ADD CONSTRAINT later CHECK (f > 0) NOT VALID",
    "ALTER TABLE app.t ADD CONSTRAINT fk_later FOREIGN KEY (p) REFERENCES parent (id) NOT VALID",
    "CREATE INDEX t_low ON app.t USING btree (lower(n) COLLATE \"C\" text_pattern_ops DESC NULLS "
    "LAST, s) "
    "INCLUDE (d) WITH (fillfactor = 70) WHERE s IS NOT NULL",
    "CREATE INDEX t_gin ON app.t USING gin (j jsonb_path_ops)",
    "CREATE UNIQUE INDEX t_nn ON app.t (u) NULLS NOT DISTINCT",
    "CREATE INDEX t_sum ON app.t ((s + 1), (app.twice(s)))",
    "COMMENT ON TABLE app.t IS 'a table'",
    "COMMENT ON COLUMN app.t.n IS 'it''s'",
    "COMMENT ON INDEX app.t_gin IS 'an index'",
    "COMMENT ON CONSTRAINT ck ON app.t IS 'a check'",
    "ALTER TABLE app.t ALTER COLUMN n SET STORAGE EXTERNAL",
    "CREATE UNLOGGED TABLE public.fast (x integer) WITH (fillfactor = 50, autovacuum_enabled = "
    "false)",
    "CREATE TABLE public.base (a integer NOT NULL, b text, CONSTRAINT base_ck CHECK (a > 0))",
    "CREATE TABLE public.derived (c integer, CONSTRAINT own_ck CHECK (c > 1)) INHERITS "
    "(public.base)",
    "ALTER TABLE public.derived ALTER COLUMN b SET DEFAULT 'there'",
    "CREATE TABLE public.parts (k integer NOT NULL, at date NOT NULL, v text, PRIMARY KEY (k, at), "
    "CHECK (k > 0)) PARTITION BY RANGE (at)",
    "CREATE TABLE public.parts_2020 PARTITION OF public.parts (v DEFAULT 'old') FOR VALUES FROM "
    "('2020-01-01') TO ('2021-01-01')",
    "CREATE TABLE public.parts_rest PARTITION OF public.parts DEFAULT PARTITION BY LIST (k)",
    "CREATE TABLE public.parts_rest_1 PARTITION OF public.parts_rest FOR VALUES IN (1, 2)",
    "CREATE INDEX parts_v ON public.parts (v)",
    "CREATE INDEX parts_2020_own ON public.parts_2020 (k)",
    "CREATE VIEW app.v AS SELECT t.id, p.code FROM app.t t JOIN parent p ON p.id = t.p",
    "CREATE VIEW app.a_first WITH (security_barrier = true) AS SELECT * FROM app.v WHERE code <> "
    "'x;'",
    "CREATE VIEW app.by_key AS SELECT id, code, count(*) FROM parent GROUP BY id",
    "CREATE MATERIALIZED VIEW app.mv AS SELECT id, count(*) AS n FROM app.v GROUP BY id",
    "CREATE UNIQUE INDEX mv_id ON app.mv (id)",
    "CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.n := 'x'; RETURN "
    "NEW; END $$",
    "CREATE TRIGGER touch BEFORE INSERT OR UPDATE OF n ON app.t FOR EACH ROW WHEN (NEW.s > 0) "
    "EXECUTE FUNCTION app.touch()",
    "ALTER TABLE app.t DISABLE TRIGGER touch",
    "CREATE FUNCTION app.rows() RETURNS SETOF app.t LANGUAGE sql AS 'SELECT * FROM app.t'",
    "CREATE VIEW app.z AS SELECT id FROM app.rows()",
    "CREATE FUNCTION app.atomic() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM "
    "app.z; END",
    "CREATE RULE quiet AS ON DELETE TO public.fast DO INSTEAD NOTHING",
    "ALTER TABLE public.fast ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY own ON public.fast FOR SELECT TO PUBLIC USING (x > 0)",
    "CREATE STATISTICS app.st (dependencies) ON s, f FROM app.t",
    "ALTER TABLE public.parent REPLICA IDENTITY FULL",
    "CREATE TABLE public.\"\xC3\x9C \"\"q\"\".x'; DROP TABLE y; --\" (\"select\" integer PRIMARY "
    "KEY, \"a.b\" text, \"\xE2\x82\xAC\" text)",
    "CREATE INDEX \"i \"\"q\"\"\" ON public.\"\xC3\x9C \"\"q\"\".x'; DROP TABLE y; --\" (\"a.b\", "
    "\"\xE2\x82\xAC\")",
    "CREATE TABLE public.\"User\" (\"user\" integer REFERENCES public.\"\xC3\x9C \"\"q\"\".x'; "
    "DROP TABLE y; --\")",
    "CREATE TABLE public.nothing ()",
};

TEST(ModelPostgresqlTest, ARichSchemaReadsEqualAfterItIsMadeAgain) {
  const Catalogue catalogue = expect_round_trip(Dialect::postgresql, kRichPostgresql);
  ASSERT_NE(catalogue.find_table({"app", "t"}), nullptr);
}

TEST(ModelPostgresqlTest, WhatItReadIsInTheModel) {
  EmptyDatabase database(Dialect::postgresql);
  database.run_all(kRichPostgresql);
  const Catalogue catalogue = database.read();
  const Table* const table = catalogue.find_table({"app", "t"});
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(table->columns.size(), 20U);
  EXPECT_EQ(table->find_column("m")->type.kind, TypeKind::enumeration);
  EXPECT_TRUE(table->find_column("mm")->type.array);
  EXPECT_EQ(table->find_column("q")->type.kind, TypeKind::user);
  EXPECT_EQ(*table->find_column("t0")->default_expression,
            "'2019-12-31 22:00:00+00'::timestamp with time zone");
  EXPECT_EQ(table->indexes.size(), 4U);
  EXPECT_EQ(table->foreign_keys.size(), 2U);
  EXPECT_FALSE(table->foreign_keys[1].validated);
  EXPECT_EQ(table->native_constraints.size(), 1U);
  EXPECT_THAT(table->depends_on, ::testing::Contains("routine app.twice(x integer)"));
  const Table* const part = catalogue.find_table({"public", "parts_2020"});
  ASSERT_NE(part, nullptr);
  EXPECT_EQ(*part->partition_of, (Name{"public", "parts"}));
  EXPECT_FALSE(part->primary_key.has_value()) << "it comes with the parent's";
  EXPECT_EQ(part->indexes.size(), 1U);
  EXPECT_EQ(catalogue.views.size(), 5U);
  EXPECT_EQ(catalogue.routines.size(), 6U);
  EXPECT_EQ(catalogue.find_table({"pg_catalog", "pg_class"}), nullptr);
}

TEST(ModelPostgresqlTest, WhoReadsDoesNotMatter) {  // trap 34
  EmptyDatabase database(Dialect::postgresql);
  database.run_all(kRichPostgresql);
  const Catalogue before = database.read();
  database.run_all({"SET search_path = app, public", "SET DateStyle = 'SQL, DMY'",
                    "SET TimeZone = 'Asia/Tokyo'", "SET IntervalStyle = 'iso_8601'",
                    "SET extra_float_digits = 0", "SET quote_all_identifiers = on"});
  EXPECT_EQ(lines_of(differences(before, database.read())), "");
  database.run("BEGIN");
  EXPECT_EQ(lines_of(differences(before, database.read())), "");
  EXPECT_EQ(database.connection().transaction(), TransactionState::open);
  EXPECT_EQ(*query_text(database.connection(), "SHOW search_path", Call{}), "app, public");
  EXPECT_EQ(*query_text(database.connection(), "SHOW TimeZone", Call{}), "Asia/Tokyo");
}

TEST(ModelPostgresqlTest, AnInvalidIndexIsToldAndNotMade) {  // trap 29
  EmptyDatabase database(Dialect::postgresql);
  database.run_all({"CREATE TABLE t (a integer)", "INSERT INTO t VALUES (1), (1)"});
  EXPECT_FALSE(
      database.connection().run("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)", Call{}).ok());
  const Catalogue catalogue = database.read();
  ASSERT_EQ(catalogue.tables[0].indexes.size(), 1U);
  EXPECT_FALSE(catalogue.tables[0].indexes[0].valid);
  const auto script = create_statements(catalogue, Dialect::postgresql);
  ASSERT_TRUE(script.ok());
  EXPECT_TRUE(script->after_data.empty());
  ASSERT_EQ(script->remarks.size(), 1U);
  EXPECT_THAT(script->remarks[0].line(), ::testing::StartsWith("index public.i: left out"));
}

TEST(ModelPostgresqlTest, SchemasAndTablesMayBeChosen) {
  EmptyDatabase database(Dialect::postgresql);
  database.run_all(
      {"CREATE SCHEMA \"it's, a {schema}\"", "CREATE TABLE \"it's, a {schema}\".t (a integer)",
       "CREATE TABLE public.\"__MigrationsHistory\" (id serial PRIMARY KEY, a integer)",
       "CREATE INDEX ours ON public.\"__MigrationsHistory\" (a)",
       "CREATE TABLE theirs (a integer)"});
  Scope scope;
  scope.schemas = {"it's, a {schema}"};
  EXPECT_EQ(database.read(scope).tables.size(), 1U);
  scope.schemas = {"nobody"};
  const auto none = read_catalogue(database.connection(), scope, Call{});
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().type, ErrorType::not_found);
  EXPECT_EQ(database.connection().transaction(), TransactionState::none);
  scope.schemas = {"public"};
  scope.left_out_tables = {"__MigrationsHistory"};
  const Catalogue catalogue = database.read(scope);
  ASSERT_EQ(catalogue.tables.size(), 1U);
  EXPECT_TRUE(catalogue.sequences.empty());
}

/// The server itself locks a table against being dropped while it writes a default of it down.
TEST(ModelPostgresqlTest, AReadingThatMustWaitForAnAlterEndsWithItsCall) {
  EmptyDatabase database(Dialect::postgresql);
  database.run("CREATE TABLE t (a integer DEFAULT 1)");
  const auto other = database.another();
  ASSERT_TRUE(other->run("BEGIN", Call{}).ok());
  ASSERT_TRUE(other->run("LOCK TABLE t IN ACCESS EXCLUSIVE MODE", Call{}).ok());
  const Call call{{}, std::chrono::milliseconds(300)};
  const auto read = read_catalogue(database.connection(), Scope{}, call);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().type, ErrorType::network_timeout);
  EXPECT_EQ(database.connection().transaction(), TransactionState::none);
  ASSERT_TRUE(other->run("ROLLBACK", Call{}).ok());
  EXPECT_EQ(database.read().tables.size(), 1U);
}

/// Counts what is asked of a real connection.
class CountingConnection final : public Connection {
 public:
  explicit CountingConnection(Connection& real) : real_(real) {}
  [[nodiscard]] Dialect dialect() const override { return real_.dialect(); }
  [[nodiscard]] const ServerInfo& server() const override { return real_.server(); }
  [[nodiscard]] const SessionId& session() const override { return real_.session(); }
  [[nodiscard]] TransactionState transaction() const override { return real_.transaction(); }
  [[nodiscard]] Result<Done> run(std::string_view sql, const Call& call,
                                 std::span<const Parameter> parameters) override {
    ++asked;
    return real_.run(sql, call, parameters);
  }
  [[nodiscard]] Result<std::unique_ptr<Rows>> query(
      std::string_view sql, const Call& call, std::span<const Parameter> parameters) override {
    ++asked;
    return real_.query(sql, call, parameters);
  }
  [[nodiscard]] Result<Done> copy_in(std::string_view sql, std::string_view data,
                                     const Call& call) override {
    return real_.copy_in(sql, data, call);
  }
  [[nodiscard]] std::int64_t error_position() const override { return real_.error_position(); }
  [[nodiscard]] Status reset(const Call& call) override { return real_.reset(call); }
  int asked = 0;

 private:
  Connection& real_;
};

class ModelQueriesTest : public ::testing::TestWithParam<Dialect> {};
INSTANTIATE_TEST_SUITE_P(Servers, ModelQueriesTest,
                         ::testing::Values(Dialect::postgresql, Dialect::mysql, Dialect::sqlite));

TEST_P(ModelQueriesTest, AHundredTablesTakeAsManyAsOne) {
  EmptyDatabase database(GetParam());
  CountingConnection counting(database.connection());
  int of_one = 0;
  for (int i = 0; i < 100; ++i) {
    const std::string name = "t" + std::to_string(i);
    database.run("CREATE TABLE " + name + " (a int PRIMARY KEY, b int UNIQUE, CHECK (b > 0), " +
                 "FOREIGN KEY (b) REFERENCES t0 (a))");
    database.run("CREATE INDEX i" + name + " ON " + name + " (b, a)");
    if (i > 0 && i < 99) continue;
    counting.asked = 0;
    const auto read = read_catalogue(counting, Scope{}, Call{});
    ASSERT_TRUE(read.ok()) << read.error().text();
    EXPECT_EQ(read->tables.size(), static_cast<std::size_t>(i + 1));
    if (i == 0) of_one = counting.asked;
  }
  EXPECT_EQ(counting.asked, of_one);
}

}  // namespace
}  // namespace dunlin::sql::model
