// `migrate up` on a real MariaDB server, where no statement of a schema can be taken back: what is
// done is written down statement by statement.
#include <csignal>
#include <set>
#include <thread>

#include <gmock/gmock.h>

#include "base/crash_point.h"
#include "base/process.h"
#include "schema/mariadb_fixture.h"
#include "support/self_exec.h"

namespace dunlin::schema {
namespace {

using engine::ItemStatus;
using ::testing::HasSubstr;

class MariadbUp : public MariadbSchemaTest {
 protected:
  Error error_of_up(const std::string& last_digits = "0001") {
    const Status status = up(last_digits);
    EXPECT_FALSE(status.ok());
    return status.ok() ? Error() : status.error();
  }
};

TEST_F(MariadbUp, AppliesInOrderAndRecordsWhoWhatAndWhen) {
  file("10_Second.sql", "ALTER TABLE t ADD COLUMN b text");
  file("9_First.up.sql",
       "CREATE TABLE t(a int);\nINSERT INTO t VALUES (1);\nINSERT INTO t VALUES (2);");
  file("9_First.down.sql", "DROP TABLE t");
  expect_up();
  EXPECT_EQ(history(), "9_First 10_Second");
  EXPECT_EQ(schema(), "t(a int(11),b text)");
  EXPECT_EQ(events(), "begun1 passed1 done0 begun1 passed1 done0");
  EXPECT_EQ(text("SELECT ProductVersion FROM __MigrationsHistory LIMIT 1"), "dunlin 9.9");
  EXPECT_EQ(text("SELECT AppliedDate > UTC_TIMESTAMP() - INTERVAL 1 MINUTE AND AppliedBy LIKE "
                 "'%@%' AND DurationMs >= 0 FROM __MigrationsHistory LIMIT 1"),
            "1");
  EXPECT_EQ(text("SELECT DownSql FROM __MigrationsHistoryLog WHERE DownSql IS NOT NULL"),
            "DROP TABLE t");
  expect_up("0002");
  EXPECT_EQ(history(), "9_First 10_Second");
}

TEST_F(MariadbUp, AFailureIsShownWhereItIsAndGoesOnThere) {
  file("1_Bad.sql",
       "CREATE TABLE t(a int);\nINSERT INTO t VALUES (1);\nALTER TABLE t\n  ADD COLUMN b int "
       "nonsense;\n"
       "CREATE TABLE u(a int);");
  const Error error = error_of_up();
  EXPECT_EQ(error.type, ErrorType::migration_failed);
  for (const char* part : {"1_Bad.sql:4", "error in your SQL syntax", "ALTER TABLE t"})
    EXPECT_THAT(error.text(), HasSubstr(part));
  EXPECT_EQ(events(), "begun1 passed1 passed2 begun3 failed3");
  EXPECT_EQ(history(), "");
  file("1_Bad.sql",
       "CREATE TABLE t(a int);\nINSERT INTO t VALUES (7);\nALTER TABLE t ADD COLUMN b int;");
  EXPECT_THAT(error_of_up("0001").text(), HasSubstr("they are others now"));
  file("1_Bad.sql",
       "CREATE TABLE t(a int);\nINSERT INTO t VALUES (1);\nALTER TABLE t ADD COLUMN b int;\n"
       "CREATE TABLE u(a int);");
  expect_up("0001");
  EXPECT_EQ(schema(), "t(a int(11),b int(11)) u(a int(11))");
  EXPECT_EQ(text("SELECT a FROM t"), "1");
}

TEST_F(MariadbUp, RoutinesWithAndWithoutDelimiter) {
  file("1_With.sql",
       "CREATE TABLE t(a int);\nDELIMITER //\nCREATE PROCEDURE p()\nBEGIN\n  INSERT INTO t VALUES "
       "(1); INSERT INTO t VALUES (2);\nEND//\nDELIMITER ;\nCALL p();");
  file("2_Without.sql",
       "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW BEGIN IF NEW.a IS NULL THEN SET NEW.a = "
       "9; END IF; END;\nINSERT INTO t VALUES (NULL);");
  expect_up();
  EXPECT_EQ(text("SELECT a FROM t ORDER BY a"), "1 2 9");
}

TEST_F(MariadbUp, AProcedureThatChangesTheSchemaCommitsByItself) {
  file("1_Make.sql",
       "CREATE TABLE t(a int);\nCREATE PROCEDURE p() BEGIN INSERT INTO t VALUES (1); ALTER TABLE t "
       "ADD COLUMN b int; END;");
  file("2_Call.sql", "INSERT INTO t VALUES (0);\nCALL p();\nINSERT INTO t(a) VALUES (2);");
  expect_up();
  EXPECT_EQ(history(), "1_Make 2_Call");
  EXPECT_EQ(text("SELECT a FROM t ORDER BY a"), "0 1 2");
}

TEST_F(MariadbUp, WhatAMigrationSetsInItsSessionEndsWithIt) {
  file("1_Set.sql", "SET SESSION sql_mode = 'ANSI_QUOTES';\nCREATE TABLE \"t\"(a int);");
  file("2_Plain.sql", "CREATE TABLE u(a varchar(9) DEFAULT \"x\");");
  expect_up();
  EXPECT_EQ(history(), "1_Set 2_Plain");
}

TEST_F(MariadbUp, AMissingDatabaseIsMade) {
  database_ += "_new";
  file("1_Make.sql", "CREATE TABLE t(a int);");
  EXPECT_TRUE(problems().empty());
  expect_up();
  EXPECT_EQ(history(), "1_Make");
}

TEST_F(MariadbUp, WhatTakesNoWritesIsToldBefore) {
  exec("SET GLOBAL read_only = 1");
  file("1_Make.sql", "CREATE TABLE t(a int);");
  const auto found = preflight();
  exec("SET GLOBAL read_only = 0");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.front().error.type, ErrorType::read_only_destination);
}

TEST_F(MariadbUp, UndoTakesBackInReverseWithoutTheFiles) {
  file("1_A.sql", "CREATE TABLE a(x int);\n-- dunlin:down\nDROP TABLE a;");
  file("2_B.sql", "CREATE TABLE b(x int);\n-- dunlin:down\nDROP TABLE b;");
  const auto run = make_run();
  testing::LocalExecution local(*run);
  ASSERT_TRUE(local.run_to_end().ok());
  std::filesystem::remove_all(directory_);
  ASSERT_TRUE(local.undo().ok());
  EXPECT_EQ(local.count(ItemStatus::rolled_back), 2);
  EXPECT_EQ(schema(), "");
  EXPECT_EQ(history(), "");
}

TEST_F(MariadbUp, AStatementThatTakesTooLongIsEndedAtTheServer) {
  statement_timeout_s_ = 1;
  file("1_Long.sql", "CREATE TABLE t(a int);\nINSERT INTO t SELECT SLEEP(60);");
  const Error error = error_of_up();
  EXPECT_EQ(error.type, ErrorType::migration_failed);
  EXPECT_THAT(error.message, HasSubstr("dunlin:timeout"));
  EXPECT_EQ(text("SELECT count(*) FROM t"), "0");
}

class MariadbRecovery : public MariadbSchemaTest {
 protected:
  /// Statements of many kinds; each that inserts leaves a row, so that one that ran twice is seen.
  void fill() {
    file(
        "1_A.sql",
        "CREATE TABLE trace(n int);\nINSERT INTO trace VALUES (1);\nCREATE TABLE t(a int, b int);");
    file("2_B.sql",
         "INSERT INTO trace VALUES (2);\nALTER TABLE t ADD INDEX ta (a);\nALTER TABLE t ADD COLUMN "
         "c "
         "int, DROP COLUMN b;\nINSERT INTO trace VALUES (3);\nRENAME TABLE t TO u;\nCREATE "
         "PROCEDURE "
         "p() BEGIN SELECT 1; SELECT 2; END;\nCREATE TABLE x(a int);\nDROP TABLE x;");
    file("3_C.sql", "CREATE VIEW v AS SELECT a FROM u;\nINSERT INTO trace VALUES (4);");
  }
  [[nodiscard]] std::map<std::string, std::string> child() const {
    return {{"DUNLIN_TEST_FOLDER", folder_.native()}, {"DUNLIN_TEST_URL", url()}};
  }
  void expect_all_applied_once() const {
    EXPECT_EQ(history(), "1_A 2_B 3_C");
    EXPECT_EQ(text("SELECT n FROM trace ORDER BY n"), "1 2 3 4");
    EXPECT_EQ(schema(), "p trace(n int(11)) u(a int(11),c int(11)) u.ta(a) v(a int(11))");
  }
  void clean() const {
    on(server().address(), "DROP DATABASE " + database_);
    on(server().address(), "CREATE DATABASE " + database_);
  }
};

#if DUNLIN_CRASH_POINTS
TEST_F(MariadbRecovery, ADeathAtEveryStepEndsLikeAnUndisturbedRun) {
  fill();
  auto logged = child();
  logged["DUNLIN_CRASH_LOG"] = (folder_ / "log").native();
  ASSERT_TRUE(testing::succeeded(testing::run_self("ServerChild.DISABLED_Migrates", logged)));
  expect_all_applied_once();
  std::multiset<std::string> hits;
  std::ifstream log(folder_ / "log");
  for (std::string line; std::getline(log, line);) hits.insert(line);
  EXPECT_GE(std::set<std::string>(hits.begin(), hits.end()).size(), 14U);
  for (auto name = hits.begin(); name != hits.end(); name = hits.upper_bound(*name)) {
    // Each of them is the crash loop's (tests/crash/server_scenarios.cpp).
    for (const std::size_t n :
         std::set<std::size_t>{1, hits.count(*name) / 2 + 1, hits.count(*name)}) {
      SCOPED_TRACE(*name + ":" + std::to_string(n));
      clean();
      auto dying = child();
      dying["DUNLIN_CRASH_AT"] = *name + ":" + std::to_string(n);
      ASSERT_TRUE(testing::was_killed(testing::run_self("ServerChild.DISABLED_Migrates", dying)));
      expect_up("0002");  // another execution: nothing local is left
      expect_all_applied_once();
    }
  }
}

TEST_F(MariadbRecovery, WhatCannotBeFoundOutIsNamedAndLeftAlone) {
  file("1_Drop.sql",
       "CREATE TABLE a(x int);\nCREATE TABLE b(x int);\nDROP TABLE a,\n  b;\nCREATE TABLE c(x "
       "int);");
  auto dying = child();
  dying["DUNLIN_CRASH_AT"] = "schema.alone.before:3";
  ASSERT_TRUE(testing::was_killed(testing::run_self("ServerChild.DISABLED_Migrates", dying)));
  exec("DROP TABLE a");  // as a server that died between the two would have left it
  for (const char* const execution : {"0002", "0003"}) {
    const Status status = up(execution);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().type, ErrorType::migration_failed) << "the item itself is in doubt";
    for (const char* const part : {"1_Drop.sql:3", "cannot be found out", "DROP TABLE a"})
      EXPECT_THAT(status.error().text(), HasSubstr(part));
    EXPECT_THAT(status.error().remediation, HasSubstr("look whether it was"));
    EXPECT_EQ(schema(), "b(x int(11))") << "nothing more is done";
  }
}

TEST_F(MariadbRecovery, WhatWasInDoubtAndIsTakenOutAsTold) {
  file("1_Drop.sql",
       "CREATE TABLE a(x int);\nCREATE TABLE b(x int);\nDROP TABLE a,\n  b;\nCREATE TABLE c(x "
       "int);");
  auto dying = child();
  dying["DUNLIN_CRASH_AT"] = "schema.alone.before:3";
  ASSERT_TRUE(testing::was_killed(testing::run_self("ServerChild.DISABLED_Migrates", dying)));
  exec("DROP TABLE a");
  EXPECT_FALSE(up("0002").ok());
  exec("DROP TABLE b");
  file("1_Drop.sql", "CREATE TABLE a(x int);\nCREATE TABLE b(x int);\nCREATE TABLE c(x int);");
  expect_up("0003");
  EXPECT_EQ(schema(), "c(x int(11))");
}
TEST_F(MariadbRecovery, AnAnnouncedStatementThatWasNotDoneMayBeCorrected) {
  file("1_Add.sql",
       "CREATE TABLE a(x int);\nCREATE TABLE b(x int);\nALTER TABLE a ADD COLUMN y int;");
  auto dying = child();
  dying["DUNLIN_CRASH_AT"] = "schema.alone.before:3";
  ASSERT_TRUE(testing::was_killed(testing::run_self("ServerChild.DISABLED_Migrates", dying)));
  file("1_Add.sql",
       "CREATE TABLE a(x int);\nCREATE TABLE b(x int);\nALTER TABLE b ADD COLUMN y int;");
  expect_up("0003");
  EXPECT_EQ(schema(), "a(x int(11)) b(x int(11),y int(11))");
}

TEST_F(MariadbRecovery, AStoppedHolderKeepsTheLockAndIsNamed) {
  fill();
  auto stopping = child();
  stopping["DUNLIN_CRASH_STOP"] = "schema.begin.before:2";
  const pid_t pid = testing::start_self("ServerChild.DISABLED_Migrates", stopping);
  ASSERT_TRUE(WIFSTOPPED(testing::wait_self(pid, WUNTRACED)));
  {
    const auto run = make_run(0);
    testing::LocalExecution local(*run, as("0002"));
    const Status status = local.run_to_end();
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().type, ErrorType::lock_held);
    EXPECT_THAT(status.error().message, HasSubstr("process " + std::to_string(pid)));
    EXPECT_THAT(status.error().message, HasSubstr(host_name()));
    EXPECT_THAT(status.error().message, HasSubstr("user root"));
  }
  EXPECT_EQ(history(), "1_A");
  ::kill(pid, SIGCONT);
  EXPECT_TRUE(testing::succeeded(testing::wait_self(pid)));
  expect_all_applied_once();
}
#endif

TEST_F(MariadbRecovery, WhatTheServerStillRunsForADeadOneIsNotOvertaken) {
  file("1_Long.sql", "CREATE TABLE t(a int);\nINSERT INTO t SELECT SLEEP(600);");
  const pid_t pid = testing::start_self("ServerChild.DISABLED_Migrates", child());
  const std::string running =
      "SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'INSERT%SLEEP(600)%'";
  while (text(running) != "1") std::this_thread::sleep_for(std::chrono::milliseconds(50));
  ::kill(pid, SIGKILL);
  EXPECT_TRUE(testing::was_killed(testing::wait_self(pid)));
  file("1_Long.sql", "CREATE TABLE t(a int);\nINSERT INTO t VALUES (2);");
  const std::int64_t begin_ms = SystemClock().monotonic_ms();
  expect_up("0002");
  EXPECT_LT(SystemClock().monotonic_ms() - begin_ms, 10'000) << "a dead holder is cleared";
  EXPECT_EQ(text(running), "0");
  EXPECT_EQ(text("SELECT a FROM t"), "2");
}

TEST_F(MariadbRecovery, ADeathBetweenTheTwoTablesOfTheHistoryHindersNobody) {
  file("1_A.sql", "CREATE TABLE a(n int)");
  expect_up();
  exec("DROP TABLE a");
  exec("DELETE FROM __MigrationsHistory");
  exec("DROP TABLE __MigrationsHistoryLog");
  EXPECT_TRUE(problems().empty());
  expect_up("0002");
  EXPECT_EQ(history(), "1_A");
}

TEST_F(MariadbRecovery, ManyProcessesAtOnceApplyEachMigrationExactlyOnce) {
  fill();
  for (int i = 4; i <= 20; ++i)
    file(std::to_string(i) + "_Count.sql",
         "INSERT INTO trace VALUES (" + std::to_string(i + 1) + ")");
  std::vector<pid_t> children;
  for (int i = 0; i < 12; ++i)
    children.push_back(testing::start_self("ServerChild.DISABLED_Migrates", child()));
  for (const pid_t pid : children) EXPECT_TRUE(testing::succeeded(testing::wait_self(pid)));
  EXPECT_EQ(text("SELECT count(*) FROM trace"), "21");
  EXPECT_EQ(text("SELECT count(DISTINCT n) FROM trace"), "21");
  EXPECT_EQ(text("SELECT count(*) FROM __MigrationsHistoryLog WHERE Event = 'done'"), "20");
}

TEST_F(MariadbRecovery, AServerThatIsKilledInTheMidstLosesNothing) {
  fill();
  file("4_Long.sql", "INSERT INTO trace VALUES (5);\nINSERT INTO trace SELECT SLEEP(600);");
  const pid_t pid = testing::start_self("ServerChild.DISABLED_Migrates", child());
  const std::string running =
      "SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'INSERT%SLEEP(600)%'";
  while (text(running) != "1") std::this_thread::sleep_for(std::chrono::milliseconds(50));
  server().kill();
  EXPECT_FALSE(testing::succeeded(testing::wait_self(pid)));
  server().start();
  EXPECT_EQ(history(), "1_A 2_B 3_C");
  file("4_Long.sql", "INSERT INTO trace VALUES (5);");
  expect_up("0002");
  EXPECT_EQ(text("SELECT n FROM trace ORDER BY n"), "1 2 3 4 5");
}

}  // namespace
}  // namespace dunlin::schema
