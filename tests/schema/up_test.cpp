// `migrate up`: discovery, applying, failure, refusals.
#include "schema/discovery.h"
#include "schema/fixture.h"

namespace dunlin::schema {
namespace {

using engine::ItemStatus;

class Up : public SchemaTest {};
class Discover : public SchemaTest {
 protected:
  Result<Migrations> discovered() const {
    return MigrationFiles::read(std::vector{directory_.native()}, sql::Dialect::sqlite)
        .understand(TransactionMode::per_migration);
  }
};

TEST_F(Up, AppliesInOrderOfTheNumbersNotOfTheNames) {
  file("10_Second.sql", "ALTER TABLE t ADD COLUMN b; ");
  file("9_First.up.sql", "CREATE TABLE t(a)");
  file("00000000000000000000000000000000000000011_Third.sql", "ALTER TABLE t ADD COLUMN c;");
  file("20251119143022_Last.up.sql", "ALTER TABLE t ADD COLUMN d;");
  expect_up();
  EXPECT_EQ(
      history(),
      "9_First 10_Second 00000000000000000000000000000000000000011_Third 20251119143022_Last");
  EXPECT_EQ(schema(), "CREATE TABLE t(a, b, c, d)");
}

TEST_F(Up, RecordsWhoWhatAndWhen) {
  file("1_Make.up.sql", "CREATE TABLE t(a);");
  file("1_Make.down.sql", "DROP TABLE t;");
  expect_up();
  EXPECT_EQ(text("SELECT ProductVersion FROM __MigrationsHistory"), "dunlin 9.9");
  EXPECT_EQ(text("SELECT substr(Checksum, 1, 16) || length(Checksum) FROM __MigrationsHistory"),
            "sha256-script-1:210");
  EXPECT_EQ(text("SELECT AppliedDate LIKE '20__-__-__T%Z' AND AppliedBy LIKE '%@%' AND DurationMs "
                 ">= 0 FROM __MigrationsHistory"),
            "1");
  EXPECT_EQ(
      text("SELECT Direction || Event || Attempt || UpSql || DownSql FROM __MigrationsHistoryLog"),
      "updone1CREATE TABLE t(a);DROP TABLE t;");
  EXPECT_EQ(text("SELECT count(*) FROM __MigrationsLock"), "0");
}

TEST_F(Up, AgainOrFromAnotherStateDirectoryDoesNothing) {
  file("1_Make.sql", "CREATE TABLE t(a);");
  expect_up("0001");
  expect_up("0002");
  file("2_More.sql", "CREATE TABLE u(a);");
  expect_up("0003");
  EXPECT_EQ(history(), "1_Make 2_More");
  EXPECT_EQ(text("SELECT count(*) FROM __MigrationsHistoryLog"), "2");
}

TEST_F(Up, StatementsEndWhereSqliteSaysSo) {
  file("1_Hard.sql",
       "\xEF\xBB\xBF-- a comment; with a semicolon\n/* and ; another\n -- */ CREATE TABLE t(a TEXT "
       "DEFAULT ';', \"b;c\");;\n"
       "CREATE TRIGGER tr AFTER INSERT ON t BEGIN\n  UPDATE t SET a = CASE WHEN 1 THEN 'x;''y' "
       "END; -- ;\n"
       "  SELECT 1;\nEND;\nINSERT INTO t VALUES('-- no comment', ';'); SELECT * FROM t;\n-- the "
       "end");
  expect_up();
  EXPECT_EQ(text("SELECT a || \"b;c\" FROM t"), "x;'y;");
}

TEST_F(Up, EmptyScriptsAndNoMigrationsAreFine) {
  expect_up("0001");
  file("1_Empty.sql", "");
  file("2_Comment.up.sql", "-- nothing yet\n");
  expect_up("0002");
  EXPECT_EQ(history(), "1_Empty 2_Comment");
}

TEST_F(Up, AFailingSecondStatementLeavesNothing) {
  file("1_Good.sql", "CREATE TABLE good(a);");
  file("2_Bad.sql",
       "CREATE TABLE bad(a);\n\n-- now it breaks\nINSERT INTO bad VALUES(1);\nINSERT INTO "
       "missing\n VALUES(1);\n");
  file("3_Never.sql", "CREATE TABLE never(a);");
  const Status status = up("0001");
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().type, ErrorType::migration_failed);
  const std::string message = status.error().text();
  for (const char* part :
       {"2_Bad.sql:5", "no such table: missing", "INSERT INTO missing", "SQLITE_ERROR"}) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
  EXPECT_EQ(schema(), "CREATE TABLE good(a)");
  EXPECT_EQ(history(), "1_Good");
  EXPECT_EQ(text("SELECT MigrationId || Event FROM __MigrationsHistoryLog"),
            "1_Gooddone 2_Badfailed");

  file("2_Bad.sql", "CREATE TABLE bad(a);");  // corrected: another `up` goes on
  expect_up("0002");
  EXPECT_EQ(history(), "1_Good 2_Bad 3_Never");
  EXPECT_EQ(text("SELECT Attempt FROM __MigrationsHistoryLog WHERE MigrationId = '2_Bad'"), "1 2");
}

TEST_F(Up, ACorrectedFileGoesOnInTheSameExecution) {
  file("1_A.sql", "CREATE TABLE a(x);");
  file("2_B.sql", "CREATE TABL b(x);");
  const auto first = make_run();
  testing::LocalExecution local(*first);
  ASSERT_FALSE(local.run_to_end().ok());
  file("2_B.sql", "CREATE TABLE b(x);");
  const auto second = make_run();
  local.take_over(*second);
  for (auto& [id, batch] :
       local.mutable_ledger().batches) {  // a fatal error leaves its batch pending (batch_end.h)
    if (batch.row.status == store::BatchStatus::failed)
      batch.row.status = store::BatchStatus::pending;
  }
  for (auto& [id, item] : local.mutable_ledger().items) {
    if (item.row.status == ItemStatus::failed) item.row.status = ItemStatus::pending;
  }
  const Status status = local.run_to_end();
  ASSERT_TRUE(status.ok()) << status.error().text();
  EXPECT_EQ(local.count(ItemStatus::completed), 2);
}

TEST_F(Up, TheLineIsThatOfTheErrorAlsoWithinAStatement) {
  file("1_Bad.sql", "CREATE TABLE t(a);\nCREATE TABLE u(\n  a,\n  b c d e,,\n  f);\n");
  const Status status = up();
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("1_Bad.sql:4:"), std::string::npos)
      << status.error().message;
}

TEST_F(Up, AMigrationCannotEndItsTransactionOrEditTheHistory) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"COMMIT;", "remove BEGIN"},
      {"BEGIN; CREATE TABLE u(a); COMMIT;", "remove BEGIN"},
      {"ROLLBACK", "remove BEGIN"},
      {"DELETE FROM __MigrationsHistory", "its own history"},
      {"DROP TABLE \"__migrationslock\"", "its own history"},
      {"ATTACH ':memory:' AS x", "attach"},
      {"SELECT 'never closed", "line 1"},
  };
  for (const auto& [sql, expected] : bad) {
    SCOPED_TRACE(sql);
    file("1_Bad.sql", "CREATE TABLE t(a UNIQUE); " + sql);
    const Status status = up();
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().type, ErrorType::invalid_input);
    EXPECT_NE(status.error().message.find("1_Bad.sql"), std::string::npos)
        << status.error().message;
    EXPECT_NE(status.error().message.find(expected), std::string::npos) << status.error().message;
    EXPECT_FALSE(problems().empty());
    EXPECT_FALSE(std::filesystem::exists(database_path_)) << "found before anything ran";
  }
}

TEST_F(Up, AStatementThatEndsTheTransactionByItselfFailsAndLeavesNothing) {
  file("1_Bad.sql", "CREATE TABLE t(a UNIQUE); INSERT OR ROLLBACK INTO t VALUES(1), (1)");
  const Status status = up();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().type, ErrorType::migration_failed);
  EXPECT_NE(status.error().message.find("UNIQUE"), std::string::npos) << status.error().message;
  EXPECT_EQ(schema(), "");
  EXPECT_EQ(history(), "");
}

TEST_F(Up, WhatNoTransactionCanHoldRunsAlone) {
  file("1_Make.sql", "CREATE TABLE t(a); INSERT INTO t VALUES(1); VACUUM; INSERT INTO t VALUES(2)");
  expect_up();
  EXPECT_EQ(text("SELECT a FROM t"), "1 2");
  EXPECT_EQ(text("SELECT Event || Statement FROM __MigrationsHistoryLog"),
            "passed2 begun3 passed3 done0");
}

TEST_F(Up, OptionsStandInLinesOfTheirOwn) {
  file("1_Own.sql",
       "-- dunlin:transaction false\nBEGIN; CREATE TABLE t(a); INSERT INTO t VALUES(1); COMMIT;\n"
       "INSERT INTO t VALUES(2);");
  expect_up();
  EXPECT_EQ(text("SELECT a FROM t"), "1 2");
  EXPECT_EQ(text("SELECT Event || Statement FROM __MigrationsHistoryLog"), "passed4 done0");
  for (const auto& [line, expected] : std::vector<std::pair<std::string, std::string>>{
           {"-- dunlin:transactoin false", "write transaction"},
           {"-- dunlin:timeout soon", "a number of seconds"},
           {"-- dunlin:transaction maybe", "true or false"},
           {"-- dunlin:transaction true\nVACUUM;", "cannot keep"},
           {"-- dunlin:transaction false\nBEGIN;", "never committed"},
           {"-- dunlin:transaction false\nCOMMIT;", "no transaction to commit"},
           {"-- dunlin:transaction false\nBEGIN; VACUUM; COMMIT;", "begins above"},
           {"-- dunlin:transaction false\nBEGIN; ROLLBACK;", "take back a part"}}) {
    SCOPED_TRACE(line);
    file("2_Bad.sql", "SELECT 1;\n" + line);
    const auto found = problems();
    ASSERT_EQ(found.size(), 1U);
    EXPECT_NE(found.front().find("2_Bad.sql:"), std::string::npos) << found.front();
    EXPECT_NE(found.front().find(expected), std::string::npos) << found.front();
  }
}

TEST_F(Up, AnEmptyOrRenouncedWayBackIsNone) {
  file("1_A.up.sql", "CREATE TABLE a(x);");
  file("1_A.down.sql", "-- nothing to see here\n");
  file("2_B.sql", "-- dunlin:irreversible\nCREATE TABLE b(x);\n-- dunlin:down\nDROP TABLE b;\n");
  const auto run = make_run();
  testing::LocalExecution local(*run);
  ASSERT_TRUE(local.run_to_end().ok());
  EXPECT_EQ(text("SELECT count(*) FROM __MigrationsHistoryLog WHERE DownSql IS NOT NULL"), "0");
  ASSERT_TRUE(local.undo().ok());
  EXPECT_EQ(history(), "1_A 2_B");
  EXPECT_NE(local.item("2_B")->error->message.find("irreversible"), std::string::npos);
}

TEST_F(Up, CommentsAndWhiteSpaceMayChangeStatementsMayNot) {
  file("1_Make.sql", "CREATE TABLE t(a);\n");
  expect_up();
  file("1_Make.sql",
       "\xEF\xBB\xBF"
       "CREATE TABLE t(a); \r\n-- said since\r\n");
  ASSERT_EQ(preflight().size(), 1U);
  EXPECT_FALSE(preflight().front().critical);
  EXPECT_NE(problems().front().find("only in comments"), std::string::npos) << problems().front();
  file("1_Make.sql", "CREATE  TABLE\n t(a);\n");
  EXPECT_FALSE(preflight().front().critical);
  EXPECT_NE(problems().front().find("only in white space"), std::string::npos)
      << problems().front();
  expect_up("0002");
  file("1_Make.sql", "CREATE TABLE t(b);\n");
  EXPECT_TRUE(preflight().front().critical);
  EXPECT_FALSE(preflight().front().can_continue);
}

TEST_F(Up, WhoHasNothingToDoTakesNoLock) {
  file("1_Make.sql", "CREATE TABLE t(a);");
  expect_up();
  exec("INSERT INTO __MigrationsLock VALUES(1, 'x', 1, 1, 'elsewhere', 'b', 1, 'x', '2026')");
  expect_up("0002");
}

TEST_F(Up, RebuildingATableKeepsTheRowsThatReferToIt) {
  file("1_Make.sql",
       "CREATE TABLE parent(id INTEGER PRIMARY KEY, name TEXT);"
       "CREATE TABLE child(id INTEGER PRIMARY KEY, parent INT REFERENCES parent(id) ON DELETE "
       "CASCADE);"
       "INSERT INTO parent VALUES(1, 'a'), (2, 'b'); INSERT INTO child VALUES(1, 1), (2, 2);");
  file("2_Rebuild.sql",
       "PRAGMA foreign_keys = OFF; CREATE TABLE parent_new(id INTEGER PRIMARY KEY, name TEXT NOT "
       "NULL);"
       "INSERT INTO parent_new SELECT * FROM parent; DROP TABLE parent; ALTER TABLE parent_new "
       "RENAME TO parent;");
  expect_up();
  EXPECT_EQ(text("SELECT count(*) FROM child"), "2");
}

TEST_F(Up, NewOrphansAreAFailureOldOnesAreNot) {
  file("1_Make.sql",
       "CREATE TABLE parent(id INTEGER PRIMARY KEY); CREATE TABLE child(parent INT REFERENCES "
       "parent(id));"
       "INSERT INTO parent VALUES(1); INSERT INTO child VALUES(1);");
  expect_up();
  exec("INSERT INTO child VALUES(99)");
  file("2_Fine.sql", "CREATE TABLE other(a);");
  expect_up();
  file("3_Orphans.sql", "DELETE FROM parent;");
  const Status status = up();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().type, ErrorType::migration_failed);
  EXPECT_EQ(text("SELECT count(*) FROM parent"), "1");
}

TEST_F(Up, AChangedFileIsRefusedBeforeAnythingRuns) {
  file("1_Make.sql", "CREATE TABLE t(a);");
  expect_up();
  file("1_Make.sql", "CREATE TABLE t(a, b);");
  file("2_More.sql", "CREATE TABLE u(a);");
  ASSERT_EQ(problems().size(), 1U);
  EXPECT_NE(problems().front().find("1_Make.sql' was changed"), std::string::npos);
  EXPECT_FALSE(up("0002").ok()) << "also when pre-flight was passed by";
  EXPECT_EQ(history(), "1_Make");
}

TEST_F(Up, GapsAndLatecomersAreRefusedUnlessOneIsToldToGoOn) {
  file("1_A.sql", "CREATE TABLE a(x);");
  file("3_C.sql", "CREATE TABLE c(x);");
  expect_up();
  std::filesystem::remove(directory_ / "1_A.sql");
  file("2_B.sql", "CREATE TABLE b(x);");
  ASSERT_EQ(preflight().size(), 2U);
  for (const engine::Problem& problem : preflight()) {
    EXPECT_TRUE(problem.critical && !problem.can_continue);
    EXPECT_NE(problem.error.remediation.find("--out-of-order"), std::string::npos);
  }
  settings_ = {{"out_of_order", true}};
  for (const engine::Problem& problem : preflight()) EXPECT_FALSE(problem.critical);
  const auto run = make_run();
  testing::LocalExecution local(*run, as("0002"));
  EXPECT_TRUE(local.run_to_end().ok());
  EXPECT_EQ(history(), "1_A 3_C 2_B");
}

TEST_F(Up, PreflightLeavesNoTrace) {
  file("1_A.sql", "CREATE TABLE a(x);");
  EXPECT_TRUE(problems().empty());
  EXPECT_FALSE(std::filesystem::exists(database_path_));
  std::ofstream(database_path_)
      << "this is no database, but long enough to be taken for one by somebody who does not look";
  EXPECT_FALSE(problems().empty());
  std::filesystem::remove_all(directory_);
  EXPECT_FALSE(problems().empty()) << "a directory that is gone is never an empty one";
}

TEST_F(Up, ADryRunLeavesNoTrace) {
  file("1_A.sql", "CREATE TABLE a(x);");
  for (const bool exists : {false, true}) {
    if (exists) exec("CREATE TABLE mine(x)");
    const auto run = make_run();
    testing::LocalExecution::Options options;
    options.settings.mode = "dry_run";
    testing::LocalExecution local(*run, options);
    ASSERT_TRUE(local.enumerate().ok());
    const auto rehearsed = local.rehearse();
    ASSERT_TRUE(rehearsed.ok());
    ASSERT_EQ(rehearsed->size(), 1U);
    EXPECT_EQ(rehearsed->front().row.action, "applied");
    if (exists) {
      EXPECT_EQ(text("SELECT name FROM sqlite_master"), "mine");
    } else {
      EXPECT_FALSE(std::filesystem::exists(database_path_));
    }
  }
}

TEST_F(Up, UndoRunsTheRecordedDownAndNotTheFile) {
  file("1_A.up.sql", "CREATE TABLE a(x);");
  file("1_A.down.sql", "DROP TABLE a;");
  file("2_B.sql", "-- dunlin:up\nCREATE TABLE b(x);\n-- dunlin:down\nDROP TABLE b;\n");
  const auto run = make_run();
  testing::LocalExecution local(*run);
  ASSERT_TRUE(local.run_to_end().ok());
  EXPECT_EQ(history(), "1_A 2_B");
  std::filesystem::remove_all(directory_);
  ASSERT_TRUE(local.undo().ok());
  EXPECT_EQ(local.count(ItemStatus::rolled_back), 2);
  EXPECT_EQ(schema(), "");
  EXPECT_EQ(history(), "");
  EXPECT_EQ(text("SELECT Direction || MigrationId FROM __MigrationsHistoryLog"),
            "up1_A up2_B down2_B down1_A");
}

TEST_F(Up, UndoRefusesWhatHasNoWayBack) {
  file("1_A.sql", "CREATE TABLE a(x);");
  file("2_B.sql", "CREATE TABLE b(x);\n-- dunlin:down\nDROP TABLE b;");
  const auto run = make_run();
  testing::LocalExecution local(*run, as("0001"));
  ASSERT_TRUE(local.run_to_end().ok());
  ASSERT_TRUE(local.undo().ok());
  EXPECT_EQ(local.item("2_B")->row.status, ItemStatus::rolled_back);
  ASSERT_TRUE(local.item("1_A")->error.has_value());
  EXPECT_NE(local.item("1_A")->error->message.find("irreversible"), std::string::npos);
  EXPECT_EQ(history(), "1_A");
}

TEST_F(Up, UndoKeepsWhatALaterExecutionBuildsUpon) {
  file("1_A.sql", "CREATE TABLE a(x);\n-- dunlin:down\nDROP TABLE a;");
  auto run = make_run();
  testing::LocalExecution local(*run, as("0001"));
  ASSERT_TRUE(local.run_to_end().ok());
  run.reset();  // gives the lock back
  file("2_B.sql", "ALTER TABLE a ADD COLUMN y;");
  expect_up("0002");
  const auto later = make_run();
  local.take_over(*later);
  ASSERT_TRUE(local.undo().ok());
  ASSERT_TRUE(local.item("1_A")->error.has_value());
  EXPECT_EQ(local.item("1_A")->error->type, ErrorType::destination_changed);
  EXPECT_EQ(history(), "1_A 2_B");
}

TEST_F(Up, TenThousandMigrationsAreListedInNoTime) {
  for (int i = 1; i <= 2000; ++i) file(std::to_string(i) + "_M.sql", "SELECT " + std::to_string(i));
  const auto run = make_run();
  testing::LocalExecution local(*run);
  const std::int64_t begin = SystemClock().monotonic_ms();
  ASSERT_TRUE(local.enumerate().ok());
  EXPECT_LT(SystemClock().monotonic_ms() - begin, 5000);
  EXPECT_EQ(local.items().size(), 2000U);
  EXPECT_EQ(local.ledger().batches.rbegin()->second.depends_on.size(), 1U)
      << "a chain also across chunks";
}

TEST_F(Discover, RefusesEveryAmbiguityAtOnce) {
  file("1_A.sql", "");
  file("001_B.up.sql", "");
  file("2_C.down.sql", "");
  file("3_Nul.sql", std::string("SELECT 1;\0DROP TABLE x", 22));
  file("4_D.sql", "-- dunlin:down\nSELECT 1");
  file("4_D.down.sql", "SELECT 1");
  const auto found = discovered();
  ASSERT_FALSE(found.ok());
  for (const char* part :
       {"version 1 is used twice", "2_C.up.sql", "NUL", "both say how to go down"}) {
    EXPECT_NE(found.error().message.find(part), std::string::npos) << found.error().message;
  }
}

TEST_F(Discover, LeavesOtherFilesAlone) {
  file("1_A.up.sql", "a");
  file("README.md", "");
  file("7zip_notes.sql", "");
  file("seed.sql", "");
  file("2.sql", "b");
  std::filesystem::create_directory(directory_ / "3_Folder.sql");
  const auto found = discovered();
  ASSERT_TRUE(found.ok()) << found.error().text();
  ASSERT_EQ(found->size(), 2U);
  EXPECT_EQ(found->begin()->second.id, "1_A");
  EXPECT_EQ(found->rbegin()->second.id, "2");
}

TEST_F(Discover, PartsKeepTheirLineNumbers) {
  file("1_A.sql", "-- head\n-- dunlin:up\nSELECT 1;\n-- dunlin:down  \r\n\nSELECT 2;");
  const auto found = discovered();
  ASSERT_TRUE(found.ok());
  const Migration& migration = found->begin()->second;
  EXPECT_EQ(migration.up.sql, "-- head\n-- dunlin:up\nSELECT 1;\n");
  EXPECT_EQ(migration.up_steps.steps.front().line, 3);
  EXPECT_EQ(migration.down.sql, "-- dunlin:down  \r\n\nSELECT 2;");
  EXPECT_EQ(migration.down.first_line, 4);
}

TEST_F(Discover, ProjectsOfOtherToolsAreReadAsTheyAre) {
  file("20150101_dbmate.sql",
       "-- migrate:up transaction:false\nSELECT 1;\nSELECT 2;\n-- migrate:down\nSELECT 3;\n");
  file("00002_goose.sql",
       "-- +goose NO TRANSACTION\n-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n-- +goose "
       "StatementEnd\nSELECT 2;\n-- +goose Down\nSELECT 3;\nSELECT 4;\n");
  file("000003_migrate.up.sql", "SELECT 1;");
  file("000003_migrate.down.sql", "SELECT 2;");
  file("V4.1__flyway.sql", "SELECT 1;");
  file("V4_10__flyway.sql", "SELECT 1;");
  file("U4.1__undone.sql", "SELECT 2;");
  std::filesystem::create_directory(directory_ / "2019-10-06-080000_diesel");
  file("2019-10-06-080000_diesel/up.sql", "SELECT 1;");
  file("2019-10-06-080000_diesel/down.sql", "SELECT 2;");
  std::filesystem::create_directory(directory_ / "7_empty");
  const auto found = discovered();
  ASSERT_TRUE(found.ok()) << found.error().text();
  std::string ids;
  for (const auto& [version, migration] : *found)
    ids += migration.id + (migration.has_way_back ? "-" : "") +
           std::to_string(migration.up_steps.segments.size()) + " ";
  EXPECT_EQ(ids,
            "00002_goose-2 000003_migrate-1 V4.1__flyway-1 V4_10__flyway1 20150101_dbmate-2 "
            "2019-10-06-080000_diesel-1 ");
  const Migration& goose = found->begin()->second;
  EXPECT_EQ(goose.up_steps.steps.front().line, 4);
  const auto down = read_steps(sql::Dialect::sqlite, goose.down, TransactionMode::per_migration);
  ASSERT_TRUE(down.ok());
  EXPECT_EQ(down->segments.size(), 2U) << "NO TRANSACTION is for both ways";
  EXPECT_EQ(down->steps.front().line, 8);
}

TEST_F(Discover, WhatWouldBePassedOverIsRefused) {
  file("1_A.up.sql", "SELECT 1;\n-- dunlin:down\nSELECT 2;");
  file("U7__gone.sql", "SELECT 1");
  file("2_B.sql", "-- +goose ENVSUB ON\n-- +goose Up\nSELECT '${HOME}';");
  const auto found = discovered();
  ASSERT_FALSE(found.ok());
  for (const char* part : {"which way all of it goes", "no migration that goes up",
                           "2_B.sql:1: values of the environment"})
    EXPECT_NE(found.error().message.find(part), std::string::npos) << found.error().message;
}

TEST_F(Discover, LeavesOutTheStatementsOfWhatIsAppliedAndUnchanged) {
  file("1_Same.sql", "CREATE TABLE a(x);\n-- dunlin:down\nDROP TABLE a;");
  file("2_Other.sql", "CREATE TABLE b(x);");
  file("3_New.up.sql", "CREATE TABLE c(x);");
  file("4_Same.up.sql", "CREATE TABLE d(x);");
  file("4_Same.down.sql", "DROP TABLE d;");
  auto whole = discovered();
  ASSERT_TRUE(whole.ok()) << whole.error().text();
  const auto sum = [&](const char* id) { return whole->at(version_of(id)).checksum; };
  std::map<Version, Applied> applied;
  applied[version_of("1")] = {"1_Same", sum("1")};
  applied[version_of("2")] = {"2_Other", sum("1")};
  applied[version_of("4")] = {"4_Same", sum("4")};
  auto found = MigrationFiles::read(std::vector{directory_.native()}, sql::Dialect::sqlite)
                   .understand(TransactionMode::per_migration, applied);
  ASSERT_TRUE(found.ok()) << found.error().text();
  for (const auto& [version, migration] : *found) {
    EXPECT_EQ(migration.checksum, sum(version.text().c_str())) << migration.id;
    EXPECT_EQ(migration.is_read, version == version_of("2") || version == version_of("3"))
        << migration.id;
  }
  for (const char* id : {"1", "4"}) {
    Migration& same = found->at(version_of(id));
    EXPECT_TRUE(same.up_steps.steps.empty());
    ASSERT_TRUE(read_statements(same, sql::Dialect::sqlite, TransactionMode::per_migration).ok());
    EXPECT_EQ(same.up_steps.steps.size(), 1U);
    EXPECT_TRUE(same.has_way_back);
  }
}

TEST_F(Up, AppliesWhatSomebodyTookBackSinceTheFilesWereRead) {
  file("1_A.sql", "CREATE TABLE a(x)");
  file("2_B.sql", "CREATE TABLE b(x)");
  expect_up();
  const auto run = make_run();
  testing::LocalExecution local(*run, as("0002"));
  const auto problems = run->preflight(local.context());  // reads that all is applied
  ASSERT_TRUE(problems.ok()) << problems.error().text();
  exec("DROP TABLE b; DELETE FROM __MigrationsHistory WHERE MigrationId = '2_B'");
  ASSERT_TRUE(local.enumerate().ok());
  exec("DROP TABLE a; DELETE FROM __MigrationsHistory WHERE MigrationId = '1_A'");
  const Status done = local.execute();
  ASSERT_TRUE(done.ok()) << done.error().text();
  EXPECT_EQ(history(), "2_B");
  EXPECT_EQ(schema(), "CREATE TABLE b(x)");
}

TEST(MigrationVersion, ComparesNumberByNumber) {
  const auto before = [](const char* one, const char* other) {
    return version_of(one) < version_of(other) && !(version_of(other) < version_of(one));
  };
  EXPECT_TRUE(before("9_a", "10_b"));
  EXPECT_TRUE(before("1.2_a", "1.10_b"));
  EXPECT_TRUE(before("1_a", "1.1_b"));
  EXPECT_TRUE(before("V1.9__a", "V1_10__b"));
  EXPECT_TRUE(before("20191100000001000000_a", "20191100000001000001_b"));
  EXPECT_TRUE(before("99999999999999999999999999999999_a", "100000000000000000000000000000000_b"));
  const std::string nines(300, '9');
  EXPECT_TRUE(before((nines + "_a").c_str(), ("1" + std::string(300, '0') + "_b").c_str()));
  EXPECT_TRUE(before(("1" + std::string(239, '0') + "_a").c_str(), (nines + "_b").c_str()));
  EXPECT_TRUE(before((nines + "_b").c_str(), "R__a"));
  EXPECT_TRUE(before("R__a", "R__b"));
  EXPECT_EQ(version_of("V01_2__x"), version_of("1.2.0_y"));
  EXPECT_EQ(version_of("007.0_a").text(), "7");
  EXPECT_EQ(version_of("1.02.0_a").text(), "1.2");
  EXPECT_EQ(version_of("V1__x").text(), "1");
  EXPECT_EQ(version_of("2019-10-06-080000_x").text(), "20191006080000");
  EXPECT_EQ(version_of("1_2fa").text(), "1");
  EXPECT_EQ(version_of("0").text(), "0");
  EXPECT_EQ(version_of("name").text(), "");
}

TEST(SchemaPlanForm, OneLineForms) {
  const auto kind = make_schema_kind();
  const auto plan =
      kind->plan_for({"migrate", {"up"}, {{"db", "sqlite:/x/a.db"}, {"dir", "some/dir"}}});
  ASSERT_TRUE(plan.ok()) << plan.error().text();
  EXPECT_TRUE(kind->check(plan.value()).empty());
  EXPECT_EQ(plan.value()["source"]["directory"].get<std::string>().front(), '/');
  const auto diff = kind->plan_for({"migrate", {"diff"}, {{"db", "sqlite:/x/a.db"}, {"dir", "d"}}});
  ASSERT_FALSE(diff.ok());
  EXPECT_NE(diff.error().message.find("`dunlin migrate diff` is not available"), std::string::npos);
  EXPECT_FALSE(kind->plan_for({"migrate", {"up"}, {{"db", "mssql://h/d"}, {"dir", "d"}}}).ok());
  const auto odbc = kind->plan_for({"migrate", {"up"}, {{"db", "odbc:DSN=shop"}, {"dir", "d"}}});
  ASSERT_FALSE(odbc.ok());
  EXPECT_EQ(odbc.error().type, ErrorType::invalid_input);
  EXPECT_THAT(odbc.error().message,
              ::testing::HasSubstr("ODBC; write postgres://USER@HOST/DATABASE"));
  EXPECT_FALSE(kind->plan_for({"migrate", {"up"}, {{"db", "sqlite:/x/a.db"}}}).ok());
  EXPECT_EQ(kind->check({{"source", {{"dir", "x"}}},
                         {"settings", {{"transaction_mode", "all"}, {"lock_timeout_seconds", -1}}}})
                .size(),
            5U);
}

}  // namespace
}  // namespace dunlin::schema
