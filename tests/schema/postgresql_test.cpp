// `migrate up` on a real PostgreSQL server: transactions and what cannot run in one, sessions,
// failures, refusals.
#include <thread>

#include <gmock/gmock.h>

#include "schema/postgresql_fixture.h"

namespace dunlin::schema {
namespace {

using engine::ItemStatus;
using ::testing::HasSubstr;

class PostgresqlUp : public PostgresqlSchemaTest {
 protected:
  Error error_of_up(const std::string& last_digits = "0001") {
    const Status status = up(last_digits);
    EXPECT_FALSE(status.ok());
    return status.ok() ? Error() : status.error();
  }
};

TEST_F(PostgresqlUp, AppliesInOrderAndRecordsWhoWhatAndWhen) {
  file("10_Second.sql", "ALTER TABLE t ADD COLUMN b text");
  file("9_First.up.sql", "CREATE TABLE t(a int);\nCREATE INDEX ti ON t(a);");
  file("9_First.down.sql", "DROP TABLE t");
  expect_up();
  EXPECT_EQ(history(), "9_First 10_Second");
  EXPECT_EQ(schema(), "trainteger,btext tiiainteger+");
  EXPECT_EQ(events(), "done0 done0") << "each in one transaction";
  EXPECT_EQ(text(R"(SELECT "ProductVersion" FROM "__MigrationsHistory" LIMIT 1)"), "dunlin 9.9");
  EXPECT_EQ(text(R"(SELECT "AppliedDate" > now() - interval '1 minute' AND "AppliedBy" LIKE '%@%' )"
                 R"(AND "DurationMs" >= 0 FROM "__MigrationsHistory" LIMIT 1)"),
            "t");
  EXPECT_EQ(
      text(R"(SELECT "DownSql" FROM "__MigrationsHistoryLog" WHERE "MigrationId" = '9_First')"),
      "DROP TABLE t");
  EXPECT_EQ(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), "0");
  expect_up("0002");
  EXPECT_EQ(events(), "done0 done0") << "again: nothing";
}

TEST_F(PostgresqlUp, AFailingStatementLeavesNothingAndIsShownWhereItIs) {
  file("1_Good.sql", "CREATE TABLE good(a int);");
  file("2_Bad.sql", "CREATE TABLE bad(a int);\n\nINSERT INTO bad\n  SELECT b\n  FROM missing;\n");
  const Error error = error_of_up();
  EXPECT_EQ(error.type, ErrorType::migration_failed);
  for (const char* part : {"2_Bad.sql:5", "missing", "INSERT INTO bad"})
    EXPECT_THAT(error.text(), HasSubstr(part));
  EXPECT_THAT(schema(), HasSubstr("good"));
  EXPECT_EQ(schema().find("bad"), std::string::npos);
  EXPECT_EQ(history(), "1_Good");
  EXPECT_EQ(events(), "done0 failed2");

  file("2_Bad.sql", "CREATE TABLE bad(a int);");
  expect_up("0002");
  EXPECT_EQ(history(), "1_Good 2_Bad");
}

TEST_F(PostgresqlUp, StatementsThatNoTransactionHoldsRunAloneAndAreJournaled) {
  file("1_Mixed.sql",
       "CREATE TABLE t(a int, b int);\nINSERT INTO t VALUES (1, 2);\nCREATE INDEX CONCURRENTLY ta "
       "ON t(a);\nCREATE INDEX CONCURRENTLY tb ON t(b);\nINSERT INTO t VALUES (3, 4);");
  file("2_Vacuum.sql", "VACUUM t;");
  expect_up();
  EXPECT_EQ(events(), "passed2 begun3 passed3 begun4 passed4 done0 begun1 passed1 done0");
  EXPECT_EQ(text("SELECT a FROM t ORDER BY a"), "1 3");
  EXPECT_EQ(schema().find("INVALID"), std::string::npos);
}

TEST_F(PostgresqlUp, AnEnumValueCanBeUsedByTheStatementAfterIt) {
  file("1_Type.sql", "CREATE TYPE mood AS ENUM ('low'); CREATE TABLE t(m mood);");
  file("2_Value.sql", "ALTER TYPE mood ADD VALUE 'high'; INSERT INTO t VALUES ('high');");
  expect_up();
  EXPECT_EQ(text("SELECT m FROM t"), "high");
}

TEST_F(PostgresqlUp, AnIndexThatWasLeftInvalidIsMadeAnewAValidOneStays) {
  file("1_Make.sql", "CREATE TABLE t(a int); INSERT INTO t VALUES (1), (1);");
  file("2_Index.sql", "CREATE UNIQUE INDEX CONCURRENTLY ta ON t(a);");
  EXPECT_THAT(error_of_up("0001").message, HasSubstr("2_Index.sql:1"));
  EXPECT_THAT(schema(), HasSubstr("INVALID"));
  file("2_Index.sql",
       "DELETE FROM t; CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS ta ON public.\"t\"(a);");
  expect_up("0002");
  EXPECT_EQ(schema().find("INVALID"), std::string::npos) << "IF NOT EXISTS would have kept it";
  const std::string oid = text("SELECT 'ta'::regclass::oid");
  file("3_Again.sql", "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS ta ON t(a);");
  expect_up("0003");
  EXPECT_EQ(text("SELECT 'ta'::regclass::oid"), oid);
}

TEST_F(PostgresqlUp, AFailureBehindWhatIsDoneGoesOnThereAndKeepsToWhatWasDone) {
  file("1_Mixed.sql",
       "CREATE TABLE t(a int);\nCREATE INDEX CONCURRENTLY ta ON t(a);\nINSERT INTO missing VALUES "
       "(1);");
  EXPECT_THAT(error_of_up("0001").message, HasSubstr("1_Mixed.sql:3"));
  EXPECT_EQ(events(), "passed1 begun2 passed2 failed3");
  file("1_Mixed.sql", "CREATE TABLE u(a int);\nSELECT 1;\nINSERT INTO t VALUES (1);");
  EXPECT_THAT(error_of_up("0002").text(), HasSubstr("has failed at statement 3 of 3"));
  const Error error = error_of_up("0001");
  EXPECT_THAT(error.text(), HasSubstr("the first 2 of its statements have been applied already"));
  EXPECT_THAT(error.remediation, HasSubstr("let these statements stand"));
  file("1_Mixed.sql",
       "CREATE TABLE t(a int);\nCREATE INDEX CONCURRENTLY ta ON t(a);\nINSERT INTO t VALUES (1);");
  expect_up("0001");
  EXPECT_EQ(text("SELECT a FROM t"), "1");
}

TEST_F(PostgresqlUp, ItsOwnTransactionsOnlyWhereItSaysSo) {
  file("1_Own.sql", "BEGIN;\nCREATE TABLE t(a int);\nCOMMIT;");
  const Error error = error_of_up();
  EXPECT_EQ(error.type, ErrorType::invalid_input);
  EXPECT_THAT(error.message, HasSubstr("1_Own.sql:1"));
  EXPECT_THAT(error.message, HasSubstr("-- dunlin:transaction false"));
  file("1_Own.sql",
       "-- dunlin:transaction false\nBEGIN ISOLATION LEVEL SERIALIZABLE;\nCREATE TABLE t(level "
       "text);\nINSERT INTO t SELECT current_setting('transaction_isolation');\nCOMMIT;\nINSERT "
       "INTO t SELECT current_setting('transaction_isolation');");
  expect_up();
  EXPECT_EQ(events(), "passed4 done0");
  EXPECT_EQ(text("SELECT level FROM t"), "serializable read committed");
  mode_ = "none";
  file("2_Each.sql", "INSERT INTO t VALUES ('a'); INSERT INTO t VALUES ('b');");
  expect_up("0002");
  EXPECT_EQ(events(), "passed4 done0 passed1 done0");
}

TEST_F(PostgresqlUp, AProcedureThatCommitsIsNoticed) {
  file("1_Make.sql",
       "CREATE TABLE t(a int); CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t "
       "VALUES (1); COMMIT; END $$;");
  expect_up();
  file("2_Call.sql", "CALL p();");
  // The server itself refuses a commit in our transaction.
  EXPECT_THAT(error_of_up("0002").message, HasSubstr("invalid transaction termination"));
  EXPECT_EQ(text("SELECT count(*) FROM t"), "0");
}

TEST_F(PostgresqlUp, WhatAMigrationSetsInItsSessionEndsWithIt) {
  file(
      "1_Dump.sql",
      "\\set ON_ERROR_STOP on\nSELECT pg_catalog.set_config('search_path', '', false);\nCREATE "
      "TABLE public.t(a int);\nCREATE TEMP TABLE public_t(a int);\nSET standard_conforming_strings "
      "= off;\nPREPARE q AS SELECT 1;\n");
  file("2_Plain.sql", "CREATE TABLE u(a text DEFAULT '\\'); PREPARE q AS SELECT 2;");
  expect_up();
  EXPECT_EQ(history(), "1_Dump 2_Plain");
  EXPECT_THAT(text("SELECT to_regclass('public.u')"), HasSubstr("u"));
  exec("CREATE ROLE clerk");
  exec("GRANT ALL ON SCHEMA public TO clerk");
  file("3_Role.sql", "SET ROLE clerk; CREATE TABLE clerks(a int);");
  file("4_Owner.sql", "CREATE TABLE owners(a int);");
  expect_up("0002");
  EXPECT_EQ(
      text("SELECT tableowner FROM pg_tables WHERE tablename IN ('clerks', 'owners') ORDER BY "
           "tablename"),
      "clerk owner");
}

TEST_F(PostgresqlUp, ScriptsMayPrepareAndTakeAwayWhatIsPrepared) {
  const std::string prepares = "DO $$BEGIN EXECUTE 'PREPARE q AS SELECT 1'; END$$;";
  file("1_A.sql", "CREATE TABLE a(x int);" + prepares);
  file("2_B.sql", "CREATE TABLE b(x int);" + prepares);
  file("3_C.sql", "CREATE TABLE c(x int);INSERT INTO c VALUES (1);DEALLOCATE ALL;");
  file("4_D.sql", "DO $$BEGIN EXECUTE 'DEALLOCATE ALL'; END$$; CREATE TABLE d(x int);");
  file("5_E.sql", "CREATE TABLE e(x int);");
  expect_up();
  EXPECT_EQ(history(), "1_A 2_B 3_C 4_D 5_E");
  EXPECT_EQ(events(), "done0 done0 done0 done0 done0");
  EXPECT_EQ(text("SELECT count(*) FROM c"), "1");
}

TEST_F(PostgresqlUp, AScriptThatGivesTheLockBackEndsTheRun) {
  file("1_Unlock.sql", "SELECT pg_advisory_unlock_all(); CREATE TABLE t(a int);");
  file("2_Next.sql", "CREATE TABLE u(a int);");
  EXPECT_EQ(error_of_up().type, ErrorType::stale_owner);
  EXPECT_EQ(history(), "1_Unlock") << "its own transaction was still kept by a lock";
}

TEST_F(PostgresqlUp, DataOfCopyAndClientsWords) {
  file("1_Dump.sql",
       "\\restrict abc\nCREATE TABLE t(a int, b text);\nCOPY t FROM stdin;\n1\tone; still "
       "one\n2\t\\N\n\\.\nINSERT INTO t VALUES (3, 'x');\n\\unrestrict abc\n");
  expect_up();
  EXPECT_EQ(text("SELECT a FROM t ORDER BY a"), "1 2 3");
  file("2_Bad.sql", "SELECT 1;\n\\! rm -rf /\n");
  ASSERT_EQ(problems().size(), 1U);
  EXPECT_THAT(problems().front(), HasSubstr("2_Bad.sql:2"));
  EXPECT_THAT(problems().front(), HasSubstr("never run"));
}

TEST_F(PostgresqlUp, AMissingDatabaseIsMade) {
  database_ += "_New";
  url_ = server().address(database_);
  file("1_Make.sql", "CREATE TABLE t(a int);");
  EXPECT_TRUE(problems().empty());
  {
    const auto run = make_run();
    testing::LocalExecution::Options options;
    options.settings.mode = "dry_run";
    testing::LocalExecution local(*run, options);
    ASSERT_TRUE(local.enumerate().ok());
  }
  const auto count = [&] {
    const auto connection = connect(server().address());
    return *sql::query_text(*connection,
                            "SELECT count(*) FROM pg_database WHERE datname = '" + database_ + "'",
                            sql::Call{});
  };
  EXPECT_EQ(count(), "0") << "looking makes nothing";
  expect_up();
  EXPECT_EQ(history(), "1_Make");
}

TEST_F(PostgresqlUp, AnotherSchemasHistoryIsNotOverlooked) {
  exec("CREATE SCHEMA app");
  file("1_Make.sql", "CREATE TABLE t(a int);");
  const std::string plain = url_;
  url_ = plain + "&options=-csearch_path%3Dapp";
  expect_up();
  EXPECT_EQ(text(R"(SELECT "MigrationId" FROM app."__MigrationsHistory")"), "1_Make");
  url_ = plain;
  ASSERT_EQ(problems().size(), 1U);
  EXPECT_THAT(problems().front(), HasSubstr("there is one in 'app'"));
  EXPECT_TRUE(preflight().front().critical);
}

TEST_F(PostgresqlUp, WhatTakesNoWritesIsToldBefore) {
  exec("ALTER DATABASE " + database_ + " SET default_transaction_read_only = on");
  file("1_Make.sql", "CREATE TABLE t(a int);");
  ASSERT_EQ(preflight().size(), 1U);
  EXPECT_EQ(preflight().front().error.type, ErrorType::read_only_destination);
}

TEST_F(PostgresqlUp, WhoMayNotMakeTablesIsToldBefore) {
  exec("CREATE ROLE guest LOGIN");
  file("1_Make.sql", "CREATE TABLE t(a int);");
  const std::size_t at = url_.find("owner@");
  url_.replace(at, 5, "guest");
  ASSERT_EQ(preflight().size(), 1U);
  EXPECT_EQ(preflight().front().error.type, ErrorType::permission_denied);
}

TEST_F(PostgresqlUp, NobodyThereIsToldBefore) {
  file("1_Make.sql", "CREATE TABLE t(a int);");
  url_ = "postgres://owner@127.0.0.1:1/none";
  const auto run = make_run();
  testing::LocalExecution local(*run);
  const auto found = run->preflight(local.context());
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->size(), 1U);
  EXPECT_EQ(found->front().error.type, ErrorType::endpoint_unreachable);
}

TEST_F(PostgresqlUp, AStatementThatTakesTooLongIsEndedAtTheServer) {
  statement_timeout_s_ = 1;
  file("1_Long.sql", "CREATE TABLE t(a int); SELECT pg_sleep(60);");
  const Error error = error_of_up();
  EXPECT_EQ(error.type, ErrorType::migration_failed);
  EXPECT_THAT(error.message, HasSubstr("dunlin:timeout"));
  EXPECT_EQ(text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(60)%'"),
            "0");
  EXPECT_EQ(schema(), "");
  exec("ALTER ROLE owner SET statement_timeout = '100ms'");
  file("1_Long.sql", "-- dunlin:timeout 0\nCREATE TABLE t(a int); SELECT pg_sleep(0.5);");
  expect_up("0002");
  exec("ALTER ROLE owner RESET statement_timeout");
}

TEST_F(PostgresqlUp, AChangeThatWaitsForALockKeepsOthersWaitingForAMomentOnly) {
  file("1_Make.sql", "CREATE TABLE t(a int); INSERT INTO t VALUES (1);");
  expect_up();
  file("2_Alter.sql", "INSERT INTO t VALUES (2); ALTER TABLE t ADD COLUMN b int;");
  const auto reader = connect(url_);
  ASSERT_TRUE(reader->run("BEGIN", sql::Call{}).ok());
  ASSERT_TRUE(reader->run("SELECT * FROM t", sql::Call{}).ok());
  Status status = success();
  std::thread migrating([&] { status = up("0002"); });
  std::int64_t longest_ms = 0;
  const auto another = connect(url_);
  const std::int64_t begin_ms = SystemClock().monotonic_ms();
  while (SystemClock().monotonic_ms() - begin_ms < 4'000) {
    const std::int64_t asked_ms = SystemClock().monotonic_ms();
    ASSERT_TRUE(another->run("SELECT count(*) FROM t", sql::Call{}).ok());
    longest_ms = std::max(longest_ms, SystemClock().monotonic_ms() - asked_ms);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ASSERT_TRUE(reader->run("COMMIT", sql::Call{}).ok());
  migrating.join();
  EXPECT_TRUE(status.ok()) << status.error().text();
  EXPECT_EQ(text("SELECT a FROM t ORDER BY a"), "1 2") << "what was rolled back was done once";
  EXPECT_GT(longest_ms, 500) << "it did wait behind the change";
  EXPECT_LT(longest_ms, 3'000) << "the reader held its lock for 4 s";
}

TEST_F(PostgresqlUp, UndoTakesBackInReverseWithoutTheFiles) {
  file("1_A.sql", "CREATE TABLE a(x int);\n-- dunlin:down\nDROP TABLE a;");
  file("2_B.sql",
       "CREATE TABLE b(x int);\nCREATE INDEX CONCURRENTLY bx ON b(x);\n-- dunlin:down\nDROP INDEX "
       "CONCURRENTLY bx;\nDROP TABLE b;");
  const auto run = make_run();
  testing::LocalExecution local(*run);
  ASSERT_TRUE(local.run_to_end().ok());
  std::filesystem::remove_all(directory_);
  ASSERT_TRUE(local.undo().ok());
  EXPECT_EQ(local.count(ItemStatus::rolled_back), 2);
  EXPECT_EQ(schema(), "");
  EXPECT_EQ(history(), "");
}

TEST_F(PostgresqlUp, ADryRunLeavesNoTrace) {
  file("1_A.sql", "CREATE TABLE a(x int);");
  const auto run = make_run();
  testing::LocalExecution::Options options;
  options.settings.mode = "dry_run";
  testing::LocalExecution local(*run, options);
  ASSERT_TRUE(local.enumerate().ok());
  ASSERT_TRUE(local.rehearse().ok());
  EXPECT_EQ(text("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"), "0");
}

}  // namespace
}  // namespace dunlin::schema
