// Loading rows from one SQLite database into another: what arrives, and what is refused.
#include <algorithm>

#include "records/fixture.h"

namespace dunlin::records {
namespace {

using engine::ItemStatus;

class Load : public RecordsTest, public ::testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Modes, Load, ::testing::Values("per-batch", "single"),
                         [](const auto& mode) {
                           return mode.param[0] == 's' ? "Single" : "PerBatch";
                         });

TEST_P(Load, EveryStorageClassArrivesExactly) {
  source(kThings);
  source(
      "CREATE TABLE extremes(a, b INTEGER, c REAL, d TEXT, e BLOB);"
      "INSERT INTO extremes VALUES(9223372036854775807, -9223372036854775808, 9e999, '', x''),"
      "(-9e999, 'text in an integer column', 1e-308, 'nul' || char(0) || 'inside', "
      "zeroblob(70000)),"
      "(NULL, NULL, NULL, NULL, NULL), (CAST(x'ff00fe' AS TEXT), 1.5, 'x', 7, 'text in a blob "
      "column'),"
      "(-0.0, 0, 0.1, 'snow ☃', x'00');");
  load(GetParam());
  expect_same("SELECT * FROM things ORDER BY id");
  expect_same(
      "SELECT rowid, *, typeof(a), typeof(b), typeof(c), typeof(d), typeof(e) FROM extremes ORDER "
      "BY rowid");
  expect_same("SELECT sql FROM sqlite_master WHERE name IN ('things', 'extremes') ORDER BY name");
}

TEST_P(Load, NamesFromHellAreQuoted) {
  source(
      R"(CREATE TABLE "a ""quoted"" table; DROP TABLE x"("select" INTEGER PRIMARY KEY, "col""umn" TEXT, [a b], `ünïcode`);)"
      R"(INSERT INTO "a ""quoted"" table; DROP TABLE x" VALUES(1, 'it''s', 2, 3), (2, '"', NULL, 4);)");
  load(GetParam());
  expect_same(R"(SELECT * FROM "a ""quoted"" table; DROP TABLE x" ORDER BY 1)");
}

TEST_P(Load, TablesWithoutRowidAreSplitByTheirKey) {
  source(
      "CREATE TABLE pairs(word TEXT COLLATE NOCASE, n INT, v, PRIMARY KEY(word COLLATE BINARY, n "
      "DESC)) WITHOUT ROWID;"
      "WITH RECURSIVE n(i) AS (VALUES(0) UNION ALL SELECT i + 1 FROM n WHERE i < 49) "
      "INSERT INTO pairs SELECT CASE i % 2 WHEN 0 THEN 'Key' ELSE 'key' END, i / 2 % 7, i FROM n "
      "WHERE i < 14;"
      "INSERT INTO pairs SELECT char(65 + n % 26) || n, n, zeroblob(3) FROM (SELECT v AS n FROM "
      "pairs);"
      "CREATE TABLE blobs(k BLOB PRIMARY KEY, v) WITHOUT ROWID;"
      "INSERT INTO blobs VALUES(x'', 1), (x'00', 2), ('', 3), ('a', 4), (1, 5), (2.5, 6), (-9e999, "
      "7), (x'ff', 8);");
  load(GetParam(), 3);
  expect_same("SELECT * FROM pairs ORDER BY word COLLATE BINARY, n");
  expect_same("SELECT * FROM blobs ORDER BY k");
}

TEST_P(Load, NullKeysDuplicatesAndKeylessTables) {
  source(
      "CREATE TABLE nullable(k TEXT PRIMARY KEY, v); INSERT INTO nullable VALUES(NULL, 1), (NULL, "
      "2), ('a', 3);"
      "CREATE TABLE heap(v); INSERT INTO heap VALUES(1), (1), (1), (NULL), (NULL); DELETE FROM "
      "heap WHERE rowid = 2;"
      "CREATE TABLE shadowed(rowid TEXT, oid TEXT); INSERT INTO shadowed VALUES('x', 'y'), ('x', "
      "'y');");
  load(GetParam(), 2);
  expect_same("SELECT rowid, * FROM nullable ORDER BY rowid");
  expect_same("SELECT rowid, * FROM heap ORDER BY rowid");
  expect_same("SELECT _rowid_, * FROM shadowed ORDER BY _rowid_");
}

TEST_P(Load, EmptyTablesAreCreatedAndRunawayRowidsAreSplit) {
  source(
      "CREATE TABLE empty(a PRIMARY KEY, b); CREATE TABLE sparse(id INTEGER PRIMARY KEY, v);"
      "INSERT INTO sparse VALUES(-9223372036854775808, 'lowest'), (-1, 'b'), (0, 'c'), "
      "(5000000000, 'd'), "
      "(9223372036854775807, 'highest');");
  load(GetParam(), 1);
  EXPECT_TRUE(target_has("empty"));
  expect_same("SELECT * FROM sparse ORDER BY id");
}

TEST_P(Load, GeneratedColumnsAreComputedByTheTarget) {
  source(
      "CREATE TABLE g(a INT, twice INT AS (a * 2), b TEXT, plus INT GENERATED ALWAYS AS (a + 1) "
      "STORED);"
      "INSERT INTO g(a, b) VALUES(1, 'x'), (2, 'y'), (NULL, 'z');");
  load(GetParam());
  expect_same("SELECT * FROM g ORDER BY rowid");
}

TEST_P(Load, ViewsVirtualTablesAndOurOwnTablesAreLeftOut) {
  source(
      "CREATE TABLE kept(a); CREATE VIEW v AS SELECT * FROM kept; CREATE VIRTUAL TABLE words USING "
      "fts5(t);"
      "CREATE TABLE counted(id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO counted VALUES(41);"
      "CREATE TABLE __dunlin_batches(x); CREATE TABLE __MigrationsLock(x); INSERT INTO words "
      "VALUES('a');"
      "CREATE TABLE __MigrationsHistory(MigrationId TEXT PRIMARY KEY); INSERT INTO "
      "__MigrationsHistory VALUES('1_A');");
  load(GetParam());
  EXPECT_TRUE(target_has("kept"));
  EXPECT_FALSE(target_has("v"));
  EXPECT_FALSE(target_has("words"));
  EXPECT_FALSE(target_has("words_data"));
  EXPECT_FALSE(target_has("__MigrationsLock"));
  expect_same("SELECT * FROM __MigrationsHistory");
  expect_same("SELECT seq FROM sqlite_sequence WHERE name = 'counted'");
}

TEST_F(Load, TheTargetsConflictClausesAndTriggersSwallowNoRow) {
  const std::string tables =
      "CREATE TABLE replaced(id INTEGER PRIMARY KEY, v UNIQUE ON CONFLICT REPLACE);"
      "CREATE TABLE ignored(id INTEGER PRIMARY KEY, v NOT NULL ON CONFLICT IGNORE); CREATE TABLE "
      "dropped(id INTEGER PRIMARY KEY);";
  source(
      "CREATE TABLE replaced(id INTEGER PRIMARY KEY, v); CREATE TABLE ignored(id INTEGER PRIMARY "
      "KEY, v);"
      "CREATE TABLE dropped(id INTEGER PRIMARY KEY); INSERT INTO dropped VALUES(1);"
      "INSERT INTO replaced VALUES(1, 'x'); INSERT INTO ignored VALUES(1, NULL);");
  target(tables +
         "INSERT INTO replaced VALUES(9, 'x');"
         "CREATE TRIGGER swallow BEFORE INSERT ON dropped BEGIN SELECT RAISE(IGNORE); END");
  const auto run = make_run();
  testing::LocalExecution local(*run, options());
  const Status status = local.run_to_end();
  ASSERT_TRUE(status.ok()) << status.error().text();
  EXPECT_EQ(local.count(ItemStatus::failed), 3);
  EXPECT_EQ(rows(target_path_, "SELECT * FROM replaced"), rows(source_path_, "SELECT 9, 'x'"));
}

TEST_F(Load, OneHugeValuePasses) {
  source(
      "CREATE TABLE t(v); INSERT INTO t VALUES(randomblob(40000000)), (1), (zeroblob(20000000))");
  load("per-batch", 1);
  expect_same("SELECT rowid, length(v), hex(substr(v, 1, 64)), v = v FROM t ORDER BY rowid");
}

TEST_F(Load, RangesFollowBatchSizeWithoutGapOrOverlap) {
  source(kThings);
  const auto run = make_run();
  testing::LocalExecution local(*run, options(10));
  ASSERT_TRUE(local.enumerate().ok());
  EXPECT_EQ(local.items("create_table").size(), 1U);
  EXPECT_EQ(local.items("load_table").size(), 10U);
  EXPECT_NE(local.item("things[3,30]"), nullptr);
  EXPECT_NE(local.item("things[273,285]"), nullptr);
  ASSERT_TRUE(local.execute().ok());
  EXPECT_EQ(count("things"), 95);
}

TEST_F(Load, BatchesEndAtBytesToo) {
  source(
      "CREATE TABLE t(v); INSERT INTO t VALUES(zeroblob(1000)), (zeroblob(1000)), "
      "(zeroblob(1000)), (1)");
  const auto run = make_run();
  auto limited = options(1000);
  limited.settings.batch_bytes = 1500;
  testing::LocalExecution local(*run, limited);
  ASSERT_TRUE(local.run_to_end().ok());
  EXPECT_EQ(local.items("load_table").size(), 2U);
  EXPECT_EQ(count("t"), 4);
}

TEST_F(Load, ARenamedTableKeepsItsShape) {
  source(
      R"(CREATE TABLE "old name"(id INTEGER PRIMARY KEY, parent INT REFERENCES "old name"(id), CHECK(id > 0));
            INSERT INTO "old name" VALUES(1, NULL), (2, 1);)");
  const auto run = make_run(
      "per-batch", {{{"source", {{"table", "old name"}}}, {"target", {{"table", "new \"name"}}}}});
  testing::LocalExecution local(*run, options());
  const Status status = local.run_to_end();
  ASSERT_TRUE(status.ok()) << status.error().text();
  EXPECT_EQ(rows(target_path_, R"(SELECT * FROM "new ""name")"),
            rows(source_path_, R"(SELECT * FROM "old name")"));
  EXPECT_FALSE(open(target_path_).exec(R"(INSERT INTO "new ""name" VALUES(-1, NULL))").ok());
}

TEST_F(Load, ADuplicateKeyFailsItsRangeAndTheOthersGoOn) {
  source(kThings);
  target(
      "CREATE TABLE things(id INTEGER PRIMARY KEY, name TEXT NOT NULL, weight REAL, payload BLOB, "
      "anything);"
      "INSERT INTO things VALUES(33, 'was here', 0, 0, 0)");
  const auto run = make_run();
  testing::LocalExecution local(*run, options(10));
  ASSERT_TRUE(local.run_to_end().ok());
  EXPECT_EQ(local.count(ItemStatus::failed), 1);
  const testing::LocalItem* item = local.item("things[33,60]");
  ASSERT_NE(item, nullptr);
  ASSERT_TRUE(item->error.has_value());
  EXPECT_EQ(item->error->type, ErrorType::constraint_violation);
  EXPECT_EQ(count("things"), 86) << "the failed range left nothing, the row that was there stays";
}

TEST_F(Load, SingleIsAllOrNothing) {
  source(kThings);
  target(
      "CREATE TABLE things(id INTEGER PRIMARY KEY, name TEXT NOT NULL, weight REAL, payload BLOB, "
      "anything);"
      "INSERT INTO things VALUES(33, 'was here', 0, 0, 0)");
  const auto run = make_run("single");
  testing::LocalExecution local(*run, options(10));
  const Status status = local.run_to_end();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().category(), ErrorCategory::fatal)
      << "the engine must not count it and go on";
  EXPECT_NE(status.error().message.find("UNIQUE"), std::string::npos);
  EXPECT_FALSE(run->commit(local.context()).ok())
      << "a commit without the failed range would be a part";
  run->close(local.context());
  EXPECT_EQ(count("things"), 1);
}

TEST_F(Load, RowsAddedToTheSourceMeanwhileAreNotInTheSnapshot) {
  source(std::string("PRAGMA journal_mode = WAL;") + kThings);
  const auto run = make_run();
  testing::LocalExecution local(*run, options(10));
  ASSERT_TRUE(local.enumerate().ok());
  source("INSERT INTO things VALUES(4, 'late', 0, 0, 0); DELETE FROM things WHERE id = 3");
  ASSERT_TRUE(local.execute().ok());
  EXPECT_EQ(rows(target_path_, "SELECT count(*), min(id) FROM things"),
            rows(source_path_, "SELECT 95, 3"));
}

TEST_F(Load, TextKeepsItsEncoding) {
  source(
      "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t(v); INSERT INTO t VALUES('snow ☃'), "
      "(char(0x10FFFF))");
  load();
  EXPECT_EQ(open(target_path_).query_text("PRAGMA encoding").value(), "UTF-16le");
  expect_same("SELECT v, hex(v) FROM t");
}

class Preflight : public RecordsTest {
 protected:
  std::vector<std::string> problems(Json entities = "auto") {
    const auto run = make_run("per-batch", std::move(entities));
    testing::LocalExecution local(*run, options());
    const auto found = run->preflight(local.context());
    EXPECT_TRUE(found.ok()) << found.error().text();
    std::vector<std::string> messages;
    if (found.ok()) {
      for (const engine::Problem& problem : found.value())
        messages.push_back(problem.error.message);
    }
    return messages;
  }
};

TEST_F(Preflight, NamesEveryProblemAtOnceAndLeavesNoTrace) {
  source(
      "CREATE TABLE t(a INTEGER, b TEXT, c, d); CREATE TABLE k(id INTEGER PRIMARY KEY); CREATE "
      "TABLE w(a)");
  target(
      "CREATE TABLE t(a TEXT, b TEXT AS (a), c); CREATE TABLE k(id INT PRIMARY KEY); CREATE VIEW w "
      "AS SELECT 1 AS a;"
      "CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT 1; END");
  const auto found = problems();
  EXPECT_EQ(found.size(), 6U) << ::testing::PrintToString(found);
  EXPECT_EQ(rows(target_path_, "SELECT count(*) FROM sqlite_master WHERE name LIKE '%dunlin%'"),
            rows(target_path_, "SELECT 0"));
}

TEST_F(Preflight, AMissingTargetIsFineAndStaysMissing) {
  source("CREATE TABLE t(a)");
  EXPECT_TRUE(problems().empty());
  EXPECT_FALSE(std::filesystem::exists(target_path_));
  EXPECT_EQ(problems({{{"source", {{"table", "nope"}}}}}).size(), 1U);
}

TEST_F(Preflight, ASourceThatIsMissingOrNoDatabaseIsAProblem) {
  EXPECT_EQ(problems().size(), 1U);
  exec(folder_ / "other.db", "CREATE TABLE t(a)");
  std::filesystem::copy_file(std::filesystem::path("/proc/self/exe"), source_path_);
  EXPECT_EQ(problems().size(), 1U);
}

TEST(RecordsPlan, OneLineForms) {
  const auto kind = make_records_kind();
  const auto plan = kind->plan_for({"load",
                                    {"sqlite:/a.db", "sqlite:/b.db"},
                                    {{"tables", "x,y"}, {"transaction-mode", "single"}}});
  ASSERT_TRUE(plan.ok()) << plan.error().text();
  EXPECT_TRUE(kind->check(plan.value()).empty());
  EXPECT_EQ(plan.value()["entities"].size(), 2U);
  const auto postgres =
      kind->plan_for({"load", {"postgres://h/d", "sqlite:/b.db"}, {{"all", "true"}}});
  ASSERT_FALSE(postgres.ok());
  EXPECT_NE(postgres.error().message.find("sqlite:PATH"), std::string::npos);
  EXPECT_FALSE(kind->plan_for({"load", {"sqlite:/a.db", "sqlite:/a.db"}, {{"all", ""}}}).ok())
      << "onto itself";
  EXPECT_FALSE(kind->plan_for({"load", {"sqlite:/a.db", "sqlite:/b.db"}, {}}).ok())
      << "what is to be loaded?";
  EXPECT_FALSE(kind->plan_for({"load", {"sqlite:/a.db", "sqlite::memory:"}, {{"all", ""}}}).ok());
  EXPECT_FALSE(kind->plan_for({"load", {"sqlite:/a.db"}, {{"all", ""}}}).ok());
}

TEST(RecordsPlan, EveryProblemNamesItsKey) {
  const auto kind = make_records_kind();
  const auto problems = kind->check(
      {{"source", {{"ulr", "x"}}},
       {"entities", {{{"source", {{"table", "t"}}}}, {{"source", {{"table", "T"}}}}, 7}},
       {"settings", {{"transaction_mode", "per-record"}}}});
  const auto has = [&](const std::string& text) {
    return std::any_of(problems.begin(), problems.end(),
                       [&](const auto& p) { return p.find(text) != std::string::npos; });
  };
  EXPECT_TRUE(has("/source/ulr: unknown key; did you mean url?"))
      << ::testing::PrintToString(problems);
  EXPECT_TRUE(has("/destination: is missing"));
  EXPECT_TRUE(has("/entities/1/target/table: is written twice"));
  EXPECT_TRUE(has("/entities/2: must be a table of keys"));
  EXPECT_TRUE(has("/settings/transaction_mode"));
}

}  // namespace
}  // namespace dunlin::records
