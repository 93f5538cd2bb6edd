// `migrate up` through PgBouncer in transaction mode, where a session's lock is nobody's.
#include "support/pgbouncer.h"

#include <csignal>
#include <thread>

#include <gmock/gmock.h>

#include "base/crash_point.h"
#include "schema/postgresql_fixture.h"
#include "support/self_exec.h"

namespace dunlin::schema {
namespace {

using ::testing::HasSubstr;

class BehindPgBouncer : public PostgresqlSchemaTest {
 protected:
  static testing::PgBouncer& proxy() {
    constexpr int kPoolSize = 60;  // two for each of those who run, one for each who waits
    static testing::PgBouncer proxy(server(), kPoolSize);
    return proxy;
  }
  [[nodiscard]] std::string url() const override { return proxy().address(database_); }
  void fill(int count) {
    file("1_Make.sql", "CREATE TABLE trace(n int); INSERT INTO trace VALUES (1);");
    for (int i = 2; i <= count; ++i)
      file(std::to_string(i) + "_Count.sql",
           "INSERT INTO trace VALUES (" + std::to_string(i) + ");");
  }
  [[nodiscard]] std::map<std::string, std::string> child() const {
    return {{"DUNLIN_TEST_FOLDER", folder_.native()}, {"DUNLIN_TEST_URL", url()}};
  }
  void expect_each_once(int count) {
    EXPECT_EQ(text("SELECT count(*) FROM trace"), std::to_string(count));
    EXPECT_EQ(text("SELECT count(DISTINCT n) FROM trace"), std::to_string(count));
    EXPECT_EQ(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), "0");
  }
};

TEST_F(BehindPgBouncer, AppliesAndLeavesNoLock) {
  fill(3);
  EXPECT_TRUE(problems().empty());
  expect_up();
  EXPECT_EQ(history(), "1_Make 2_Count 3_Count");
  expect_each_once(3);
}

TEST_F(BehindPgBouncer, ManyProcessesAtOnceApplyEachMigrationExactlyOnce) {
  fill(20);
  std::vector<pid_t> children;
  for (int i = 0; i < 12; ++i)
    children.push_back(testing::start_self("ServerChild.DISABLED_Migrates", child()));
  for (const pid_t pid : children) EXPECT_TRUE(testing::succeeded(testing::wait_self(pid)));
  expect_each_once(20);
}

TEST_F(BehindPgBouncer, WhoeverWorksIsNamedAlsoInTheSecondMigration) {
  file("1_A.sql", "CREATE TABLE t(a int);");
  file("2_B.sql", "CREATE TABLE names AS SELECT current_setting('application_name') AS name;");
  expect_up();
  EXPECT_THAT(text("SELECT name FROM names"), HasSubstr("dunlin"));
}

TEST_F(BehindPgBouncer, WhatNoTransactionCanHoldIsRefusedBeforeAnythingRuns) {
  file("1_Make.sql", "CREATE TABLE t(a int);");
  file("2_Index.sql", "SELECT 1;\nCREATE INDEX CONCURRENTLY ta ON t(a);");
  ASSERT_EQ(problems().size(), 1U);
  EXPECT_THAT(problems().front(), HasSubstr("2_Index.sql:2"));
  EXPECT_THAT(preflight().front().error.remediation, HasSubstr("the server's own address"));
  EXPECT_TRUE(preflight().front().critical);
  EXPECT_FALSE(up().ok()) << "also when pre-flight was passed by";
  EXPECT_EQ(text("SELECT count(*) FROM pg_class WHERE relname = 'ta'"), "0");
}

TEST_F(BehindPgBouncer, WhatTheServerStillRunsForADeadOneIsWaitedFor) {
  file("1_Long.sql", "CREATE TABLE t(a int);\nINSERT INTO t SELECT 1 FROM pg_sleep(600);");
  const pid_t pid = testing::start_self("ServerChild.DISABLED_Migrates", child());
  const std::string running =
      "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE "
      "'%pg_sleep(600)' "
      "AND pid <> pg_backend_pid()";
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

#if DUNLIN_CRASH_POINTS
TEST_F(BehindPgBouncer, AStoppedHolderKeepsTheLockAlsoFromThoseWhoComeDirectly) {
  fill(3);
  auto stopping = child();
  stopping["DUNLIN_CRASH_STOP"] = "schema.begin.before:2";
  const pid_t pid = testing::start_self("ServerChild.DISABLED_Migrates", stopping);
  ASSERT_TRUE(WIFSTOPPED(testing::wait_self(pid, WUNTRACED)));
  for (const std::string& address : {url(), url_}) {
    auto other = plan(0);
    other.document["destination"]["url"] = address;
    const auto run = make_schema_kind("dunlin 9.9")->open(other);
    ASSERT_TRUE(run.ok());
    testing::LocalExecution local(**run, as("0002"));
    const Status status = local.run_to_end();
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().type, ErrorType::lock_held);
    EXPECT_THAT(status.error().message, HasSubstr("process " + std::to_string(pid)));
  }
  ::kill(pid, SIGCONT);
  EXPECT_TRUE(testing::succeeded(testing::wait_self(pid)));
  expect_each_once(3);
}

TEST_F(BehindPgBouncer, ADeathAtEveryStepEndsLikeAnUndisturbedRun) {
  fill(3);
  for (const char* const point :
       {"schema.lock.after:1", "schema.tables.after:1", "schema.begin.after:2",
        "schema.statement.after:3", "schema.history.after:2", "schema.commit.before:2",
        "schema.commit.after:2", "schema.unlock.before:1"}) {
    SCOPED_TRACE(point);
    auto dying = child();
    dying["DUNLIN_CRASH_AT"] = point;
    ASSERT_TRUE(testing::was_killed(testing::run_self("ServerChild.DISABLED_Migrates", dying)));
    expect_up("0002");
    expect_each_once(3);
    exec("DROP SCHEMA public CASCADE");
    exec("CREATE SCHEMA public");
  }
}
#endif

}  // namespace
}  // namespace dunlin::schema
