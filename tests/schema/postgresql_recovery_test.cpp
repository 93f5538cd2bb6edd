// Death, take-over and company on a real PostgreSQL server: every statement is applied exactly
// once, whoever dies and whatever the state directory has forgotten.
#include <csignal>
#include <set>
#include <thread>

#include <gmock/gmock.h>

#include "base/crash_point.h"
#include "base/process.h"
#include "schema/postgresql_fixture.h"
#include "support/self_exec.h"

namespace dunlin::schema {
namespace {

using ::testing::HasSubstr;

constexpr const char* kServerFolder = "DUNLIN_TEST_FOLDER";
constexpr const char* kServerUrl = "DUNLIN_TEST_URL";

class PostgresqlRecovery : public PostgresqlSchemaTest {
 protected:
  /// Each statement leaves a row, so that one that ran twice is seen.
  void fill() {
    file(
        "1_A.sql",
        "CREATE TABLE trace(n int);\nINSERT INTO trace VALUES (1);\nCREATE TABLE t(a int, b int);");
    file("2_B.sql",
         "INSERT INTO trace VALUES (2);\nCREATE INDEX CONCURRENTLY ta ON t(a);\nINSERT INTO trace "
         "VALUES (3);\nDROP INDEX CONCURRENTLY ta;\nVACUUM t;\nCREATE UNIQUE INDEX CONCURRENTLY tb "
         "ON t(b);");
    file("3_C.sql", "ALTER TABLE t ADD COLUMN c text;\nINSERT INTO trace VALUES (4);");
  }
  [[nodiscard]] std::map<std::string, std::string> child() const {
    return {{kServerFolder, folder_.native()}, {kServerUrl, url_}};
  }
  void expect_all_applied_once() {
    EXPECT_EQ(history(), "1_A 2_B 3_C");
    EXPECT_EQ(text("SELECT n FROM trace ORDER BY n"), "1 2 3 4");
    EXPECT_EQ(schema(), schema_);
    EXPECT_EQ(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), "0");
  }
  void clean() const {
    exec("DROP SCHEMA public CASCADE");
    exec("CREATE SCHEMA public");
  }
  const std::string schema_ = "trainteger,binteger,ctext tbibinteger+ tracerninteger";
};

class ServerChild : public MigrationTest {
 protected:
  void SetUp() override { use(std::getenv(kServerFolder)); }
  void TearDown() override {}
  [[nodiscard]] std::string url() const override { return std::getenv(kServerUrl); }
};

TEST_F(ServerChild, DISABLED_Migrates) {
  constexpr std::int64_t kWaits_s = 120;  // for many others on a busy machine
  auto run = make_run(kWaits_s);
  testing::LocalExecution local(*run, as(std::to_string(1000 + ::getpid() % 9000)));
  const Status status = local.run_to_end();
  // Its own output goes nowhere; DUNLIN_TEST_VERBOSE lets this through.
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.error().text().c_str());
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(local.count(engine::ItemStatus::failed), 0);
}

#if DUNLIN_CRASH_POINTS
TEST_F(PostgresqlRecovery, ADeathAtEveryStepEndsLikeAnUndisturbedRun) {
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

TEST_F(PostgresqlRecovery, AnIndexWithoutANameIsNotLeftInDoubt) {
  file("1_A.sql", "CREATE TABLE t(a int);\nCREATE INDEX CONCURRENTLY ON t(a);");
  for (const char* const place : {"schema.alone.before:1", "schema.alone.after:1"}) {
    SCOPED_TRACE(place);
    auto dying = child();
    dying["DUNLIN_CRASH_AT"] = place;
    ASSERT_TRUE(testing::was_killed(testing::run_self("ServerChild.DISABLED_Migrates", dying)));
    expect_up("0002");
    EXPECT_EQ(schema(), "trainteger t_a_idxiainteger+");
    clean();
  }
}

TEST_F(PostgresqlRecovery, AnAnnouncedStatementThatIsTakenOutSkipsNoOther) {
  file("1_A.sql",
       "CREATE TABLE t(a int);\nCREATE INDEX CONCURRENTLY ta ON t(a);\nDROP INDEX CONCURRENTLY IF "
       "EXISTS zz;\nINSERT INTO t VALUES (1);");
  auto dying = child();
  dying["DUNLIN_CRASH_AT"] = "schema.alone.before:1";
  ASSERT_TRUE(testing::was_killed(testing::run_self("ServerChild.DISABLED_Migrates", dying)));
  file("1_A.sql", "CREATE TABLE t(a int);\nINSERT INTO t VALUES (1);");
  expect_up("0002");
  EXPECT_EQ(text("SELECT a FROM t"), "1");
}

TEST_F(PostgresqlRecovery, AStoppedHolderKeepsTheLockAndIsNamed) {
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
    EXPECT_THAT(status.error().message, HasSubstr("owner, from this host"));
  }
  EXPECT_EQ(history(), "1_A");
  ::kill(pid, SIGCONT);
  EXPECT_TRUE(testing::succeeded(testing::wait_self(pid)));
  expect_all_applied_once();
}

TEST_F(PostgresqlRecovery, AStoppedOneWhoseSessionWasEndedWritesNothing) {
  fill();
  auto stopping = child();
  stopping["DUNLIN_CRASH_STOP"] = "schema.commit.before:1";
  const pid_t pid = testing::start_self("ServerChild.DISABLED_Migrates", stopping);
  ASSERT_TRUE(WIFSTOPPED(testing::wait_self(pid, WUNTRACED)));
  EXPECT_EQ(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                 "current_database() AND application_name LIKE 'dunlin,%'"),
            "t");
  expect_up("0002");
  expect_all_applied_once();
  ::kill(pid, SIGCONT);
  testing::wait_self(pid);
  expect_all_applied_once();
}
#endif

TEST_F(PostgresqlRecovery, WhatTheServerStillRunsForADeadOneIsWaitedFor) {
  file("1_Long.sql", "CREATE TABLE t(a int);\nINSERT INTO t SELECT 1 FROM pg_sleep(600);");
  const pid_t pid = testing::start_self("ServerChild.DISABLED_Migrates", child());
  const std::string running =
      "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE "
      "'%pg_sleep(600)' "
      "AND pid <> pg_backend_pid()";
  while (text(running) != "1") std::this_thread::sleep_for(std::chrono::milliseconds(50));
  ::kill(pid, SIGKILL);
  EXPECT_TRUE(testing::was_killed(testing::wait_self(pid)));
  EXPECT_EQ(text(running), "1") << "the server knows nothing of it yet";
  file("1_Long.sql", "CREATE TABLE t(a int);\nINSERT INTO t VALUES (2);");
  const std::int64_t begin_ms = SystemClock().monotonic_ms();
  expect_up("0002");
  EXPECT_LT(SystemClock().monotonic_ms() - begin_ms, 10'000) << "a dead holder is cleared";
  EXPECT_EQ(text(running), "0");
  EXPECT_EQ(text("SELECT a FROM t"), "2");
}

TEST_F(PostgresqlRecovery, AConnectionThatIsCutInTheMidstIsMadeAnew) {
  file("1_A.sql", "CREATE TABLE a(x int);");
  file(
      "2_Cut.sql",
      "CREATE TABLE b(x int);\nINSERT INTO b SELECT 1 WHERE pg_terminate_backend(pg_backend_pid()) "
      "IS NULL;");
  const auto run = make_run();
  testing::LocalExecution local(*run);
  const Status status = local.run_to_end();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().category(), ErrorCategory::transient) << status.error().text();
  EXPECT_EQ(history(), "1_A");
  file("2_Cut.sql", "CREATE TABLE b(x int);");
  expect_up("0002");
  EXPECT_EQ(history(), "1_A 2_Cut");
}

TEST_F(PostgresqlRecovery, ManyProcessesAtOnceApplyEachMigrationExactlyOnce) {
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
  EXPECT_EQ(text(R"(SELECT count(*) FROM "__MigrationsHistoryLog" WHERE "Event" = 'done')"), "20");
  EXPECT_EQ(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), "0");
}

TEST_F(PostgresqlRecovery, ALongStatementIsEndedByAPauseAndLeavesNothing) {
  file("1_Long.sql", "CREATE TABLE t(a int); SELECT pg_sleep(600);");
  const auto run = make_run();
  testing::LocalExecution local(*run);
  std::thread pausing([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    local.cancel_source().request(CancelReason::pause);
  });
  const Status status = local.run_to_end();
  pausing.join();
  EXPECT_TRUE(status.ok() || status.error().type == ErrorType::interrupted)
      << status.error().text();
  EXPECT_EQ(schema(), "");
  EXPECT_EQ(text("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE "
                 "'%pg_sleep(600)'"),
            "0");
}

}  // namespace
}  // namespace dunlin::schema
