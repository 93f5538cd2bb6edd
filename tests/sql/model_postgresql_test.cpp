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

}  // namespace
}  // namespace dunlin::sql::model
