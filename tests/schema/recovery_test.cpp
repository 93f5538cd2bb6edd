// Death, take-over and company: every migration is applied exactly once.
#include <csignal>
#include <set>
#include <thread>

#include "base/crash_point.h"
#include "base/process.h"
#include "schema/fixture.h"
#include "support/self_exec.h"

namespace dunlin::schema {
namespace {

using engine::ItemStatus;

constexpr const char* kFolder = "DUNLIN_TEST_FOLDER";

class SchemaRecovery : public SchemaTest {
 protected:
  void fill() {
    file("1_A.sql", "CREATE TABLE a(x); INSERT INTO a VALUES(1);\n-- dunlin:down\nDROP TABLE a;");
    file("2_B.sql",
         "CREATE TABLE b(x); INSERT INTO b SELECT x + 1 FROM a;\n-- dunlin:down\nDROP TABLE b;");
    file("3_C.sql",
         "INSERT INTO b VALUES(7); UPDATE a SET x = x + 1;\n-- dunlin:down\nUPDATE a SET x = x - "
         "1; DELETE FROM b WHERE x = 7;");
  }
  testing::LocalExecution::Options journaled() {
    auto options = as("0001");
    options.journal_path = (folder_ / "journal").native();
    return options;
  }
  std::map<std::string, std::string> child() const { return {{kFolder, folder_.native()}}; }
  std::unique_ptr<testing::LocalExecution> next_owner(engine::Run& run) {
    if (!std::filesystem::exists(folder_ / "journal"))
      return std::make_unique<testing::LocalExecution>(run, journaled());
    auto taken = testing::LocalExecution::take_over(run, journaled());
    EXPECT_TRUE(taken.ok()) << taken.error().text();
    return std::move(taken).value();
  }
  void expect_all_applied_once() {
    EXPECT_EQ(history(), "1_A 2_B 3_C");
    EXPECT_EQ(text("SELECT x FROM a"), "2");
    EXPECT_EQ(text("SELECT x FROM b"), "2 7");
    EXPECT_EQ(text("SELECT count(*) FROM __MigrationsHistoryLog"), "3");
  }
  void clean() {
    std::filesystem::remove(database_path_);
    std::filesystem::remove(folder_ / "journal");
  }
};

class SchemaChild : public SchemaRecovery {
 protected:
  void SetUp() override { use(std::getenv(kFolder)); }
  void TearDown() override {}
};

TEST_F(SchemaChild, DISABLED_Migrates) {
  auto run = make_run();
  testing::LocalExecution local(*run, journaled());
  const Status status = local.run_to_end();
  ASSERT_TRUE(status.ok()) << status.error().text();
  if (std::getenv("DUNLIN_TEST_UNDO") != nullptr) {
    ASSERT_TRUE(local.undo().ok());
  }
  run.reset();
}

/// Without a state directory, as a start-up script would.
TEST_F(SchemaChild, DISABLED_MigratesAmongOthers) {
  auto run = make_run();
  testing::LocalExecution local(*run, as(std::to_string(1000 + ::getpid() % 9000)));
  const Status status = local.run_to_end();
  ASSERT_TRUE(status.ok()) << status.error().text();
  EXPECT_EQ(local.count(ItemStatus::failed), 0);
}

TEST_F(SchemaChild, DISABLED_GoesOnAfterBeingStopped) {
  auto run = make_run();
  testing::LocalExecution local(*run, as("0001"));
  const Status status = local.run_to_end();
  ::_exit(!status.ok() && status.error().type == ErrorType::stale_owner ? 0 : 1);
}

#if DUNLIN_CRASH_POINTS
TEST_F(SchemaRecovery, ADeathAtEveryStepEndsLikeAnUndisturbedRun) {
  fill();
  auto logged = child();
  logged["DUNLIN_CRASH_LOG"] = (folder_ / "log").native();
  ASSERT_TRUE(testing::succeeded(testing::run_self("SchemaChild.DISABLED_Migrates", logged)));
  expect_all_applied_once();
  clean();
  std::multiset<std::string> hits;
  std::ifstream log(folder_ / "log");
  for (std::string line; std::getline(log, line);) hits.insert(line);
  const std::set<std::string> names(hits.begin(), hits.end());
  EXPECT_GE(names.size(), 11U);
  for (const std::string& name : names) {
    for (const std::size_t n : {std::size_t{1}, hits.count(name)}) {
      SCOPED_TRACE(name + ":" + std::to_string(n));
      auto dying = child();
      dying["DUNLIN_CRASH_AT"] = name + ":" + std::to_string(n);
      ASSERT_TRUE(testing::was_killed(testing::run_self("SchemaChild.DISABLED_Migrates", dying)));
      auto run = make_run();
      const auto local = next_owner(*run);
      const Status status = local->run_to_end();
      ASSERT_TRUE(status.ok()) << status.error().text();
      EXPECT_EQ(local->count(ItemStatus::completed), 3);
      ASSERT_TRUE(local->verify().ok());
      EXPECT_EQ(local->verified(), 3);
      run->close(local->context());
      run.reset();
      expect_all_applied_once();
      EXPECT_EQ(text("SELECT count(*) FROM __MigrationsLock"), "0");
      clean();
    }
  }
}

TEST_F(SchemaRecovery, AfterADeathAnEmptyStateDirectoryChangesNothing) {
  fill();
  for (const char* point :
       {"schema.commit.before:2", "schema.commit.after:2", "schema.lock.after:1"}) {
    SCOPED_TRACE(point);
    auto dying = child();
    dying["DUNLIN_CRASH_AT"] = point;
    ASSERT_TRUE(testing::was_killed(testing::run_self("SchemaChild.DISABLED_Migrates", dying)));
    expect_up("0002");  // another execution: the dead one's lock is cleared, too
    expect_all_applied_once();
    clean();
  }
}

TEST_F(SchemaRecovery, ADeathInUndoIsFinishedByTheNextOwner) {
  fill();
  for (const char* point :
       {"schema.commit.before:4", "schema.commit.after:4", "schema.commit.after:6"}) {
    SCOPED_TRACE(point);
    auto dying = child();
    dying["DUNLIN_CRASH_AT"] = point;
    dying["DUNLIN_TEST_UNDO"] = "1";
    ASSERT_TRUE(testing::was_killed(testing::run_self("SchemaChild.DISABLED_Migrates", dying)));
    auto run = make_run();
    const auto local = next_owner(*run);
    ASSERT_TRUE(local->undo().ok());
    EXPECT_EQ(local->count(ItemStatus::rolled_back), 3);
    EXPECT_EQ(schema(), "");
    EXPECT_EQ(history(), "");
    run.reset();
    clean();
  }
}

TEST_F(SchemaRecovery, AStoppedOwnerThatGoesOnAfterATakeOverWritesNothing) {
  fill();
  auto stopping = child();
  stopping["DUNLIN_CRASH_STOP"] = "schema.begin.before:2";
  const pid_t pid = testing::start_self("SchemaChild.DISABLED_GoesOnAfterBeingStopped", stopping);
  ASSERT_TRUE(WIFSTOPPED(testing::wait_self(pid, WUNTRACED)));
  {
    const auto run = make_run();
    testing::LocalExecution local(*run, as("0001"));
    local.mutable_ledger().epoch = 2;
    const Status status = local.run_to_end();
    ASSERT_TRUE(status.ok()) << status.error().text();
  }
  expect_all_applied_once();
  ::kill(pid, SIGCONT);
  EXPECT_TRUE(testing::succeeded(testing::wait_self(pid))) << "it has to end with stale_owner";
  expect_all_applied_once();
}

TEST_F(SchemaRecovery, TheLockSaysWhoHoldsItAndALivingHolderKeepsIt) {
  fill();
  auto stopping = child();
  stopping["DUNLIN_CRASH_STOP"] = "schema.begin.before:2";
  const pid_t pid = testing::start_self("SchemaChild.DISABLED_Migrates", stopping);
  ASSERT_TRUE(WIFSTOPPED(testing::wait_self(pid, WUNTRACED)));
  {
    const auto run = make_run(0);
    testing::LocalExecution local(*run, as("0002"));
    const Status status = local.run_to_end();
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().type, ErrorType::lock_held);
    EXPECT_NE(status.error().message.find("process " + std::to_string(pid)), std::string::npos)
        << status.error().message;
    EXPECT_NE(status.error().message.find(host_name()), std::string::npos);
  }
  ::kill(pid, SIGCONT);
  EXPECT_TRUE(testing::succeeded(testing::wait_self(pid)));
  expect_all_applied_once();
}
#endif

TEST_F(SchemaRecovery, ManyProcessesAtOnceApplyEachMigrationExactlyOnce) {
  fill();
  for (int i = 4; i <= 20; ++i) file(std::to_string(i) + "_Count.sql", "UPDATE a SET x = x + 1;");
  std::vector<pid_t> children;
  for (int i = 0; i < 5; ++i)
    children.push_back(testing::start_self("SchemaChild.DISABLED_MigratesAmongOthers", child()));
  for (const pid_t pid : children) EXPECT_TRUE(testing::succeeded(testing::wait_self(pid)));
  EXPECT_EQ(text("SELECT x FROM a"), "19");
  EXPECT_EQ(text("SELECT count(*) FROM __MigrationsHistory"), "20");
  EXPECT_EQ(text("SELECT count(*) FROM __MigrationsHistoryLog"), "20");
}

TEST_F(SchemaRecovery, ALockOfAnotherMachineIsNeverTaken) {
  fill();
  expect_up();
  exec(
      "INSERT INTO __MigrationsLock VALUES(1, 'x', 1, 1, 'elsewhere', 'b', 1, 'anna@elsewhere', "
      "'2026')");
  file("4_D.sql", "SELECT 1");
  const auto run = make_run(0);
  testing::LocalExecution local(*run, as("0002"));
  const Status status = local.run_to_end();
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("anna@elsewhere"), std::string::npos);
  EXPECT_NE(status.error().message.find("__MigrationsLock"), std::string::npos);
}

TEST_F(SchemaRecovery, WaitingForTheLockIsWokenByCancellation) {
  fill();
  expect_up();
  exec(
      "INSERT INTO __MigrationsLock VALUES(1, 'x', 1, 1, 'elsewhere', 'b', 1, 'anna@elsewhere', "
      "'2026')");
  file("4_D.sql", "SELECT 1");  // who has nothing to do waits for nothing
  const auto run = make_run(60);
  testing::LocalExecution local(*run, as("0002"));
  const std::int64_t begin = SystemClock().monotonic_ms();
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    local.cancel_source().request(CancelReason::cancel);
  });
  const Status status = local.run_to_end();
  canceller.join();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().type, ErrorType::interrupted);
  EXPECT_LT(SystemClock().monotonic_ms() - begin, 5000);
}

TEST_F(SchemaRecovery, ALongStatementIsInterruptedAndLeavesNothing) {
  file("1_Long.sql",
       "CREATE TABLE t(a); INSERT INTO t WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 "
       "FROM n) SELECT i FROM n;");
  const auto run = make_run();
  testing::LocalExecution local(*run);
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    local.cancel_source().request(CancelReason::pause);
  });
  const Status status = local.run_to_end();
  canceller.join();
  EXPECT_TRUE(status.ok() || status.error().type == ErrorType::interrupted)
      << status.error().text();
  EXPECT_EQ(local.count(ItemStatus::completed), 0);
  EXPECT_EQ(schema(), "");
}

TEST_F(SchemaRecovery, VerificationByALaterOwnerLeavesNoTrace) {
  fill();
  auto run = make_run();
  testing::LocalExecution local(*run);
  ASSERT_TRUE(local.run_to_end().ok());
  run->close(local.context());
  // Somebody else is migrating: neither waited for nor disturbed.
  exec(
      "INSERT INTO __MigrationsLock VALUES(1, 'x', 1, 1, 'elsewhere', 'b', 1, 'anna@elsewhere', "
      "'2026')");
  const auto later = make_run();
  local.take_over(*later);
  ASSERT_TRUE(local.verify().ok());
  EXPECT_EQ(local.verified(), 3);
  const std::int64_t begin = SystemClock().monotonic_ms();
  later->close(local.context());
  EXPECT_LT(SystemClock().monotonic_ms() - begin, 5000);
  EXPECT_EQ(text("SELECT LockedBy FROM __MigrationsLock"), "anna@elsewhere");
  std::filesystem::remove(database_path_);
  const auto last = make_run();
  local.take_over(*last);
  ASSERT_TRUE(local.verify().ok());
  EXPECT_EQ(local.differences(), 3);
  last->close(local.context());
  EXPECT_FALSE(std::filesystem::exists(database_path_));
}

TEST_F(SchemaRecovery, ADeadOwnersLockIsGivenBackByAnAttemptWithNothingLeftToDo) {
  fill();
  expect_up("0001");
  exec("INSERT INTO __MigrationsLock VALUES(1, '" + as("0001").execution.value +
       "', 1, 1, 'elsewhere', 'b', 1, 'anna@elsewhere', '2026')");
  const auto run = make_run();
  testing::LocalExecution local(*run, as("0001"));
  local.take_over(*run);
  run->close(local.context());
  EXPECT_EQ(text("SELECT count(*) FROM __MigrationsLock"), "0");
}

TEST_F(SchemaRecovery, VerificationFindsAMissingRowAndAChangedFile) {
  fill();
  const auto run = make_run();
  testing::LocalExecution local(*run);
  ASSERT_TRUE(local.run_to_end().ok());
  exec("DELETE FROM __MigrationsHistory WHERE MigrationId = '2_B'");
  ASSERT_TRUE(local.verify().ok());
  EXPECT_EQ(local.differences(), 1);
  file("1_A.sql", "something else");
  const auto later = make_run();
  local.take_over(*later);
  ASSERT_TRUE(local.verify().ok());
  EXPECT_EQ(local.differences(), 2);
}

}  // namespace
}  // namespace dunlin::schema
