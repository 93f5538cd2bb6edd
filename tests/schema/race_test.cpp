// Many processes at once, round by round: whoever has the lock is stopped for a while, and whoever
// has it later is killed within a statement. Never two at a time, each migration once, no lock
// left, a time-out names the holder, a dead one's statement is not overtaken and his lock soon free
// (anchors/schema.md, goal G2).
//
// DUNLIN_RACE_ROUNDS and DUNLIN_RACE_PROCESSES make it the long proof (`./dev race`), which also
// asks how soon.
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <random>
#include <regex>
#include <thread>

#include <gmock/gmock.h>

#include "schema/mariadb_fixture.h"
#include "schema/postgresql_fixture.h"
#include "support/pgbouncer.h"
#include "support/process.h"
#include "support/self_exec.h"

namespace dunlin::schema {
namespace {

int number_from(const char* name, int fallback) {
  const char* const text = std::getenv(name);
  return text == nullptr ? fallback : std::atoi(text);
}

/// PostgreSQL, without a proxy.
class Direct : public PostgresqlSchemaTest {
 protected:
  /// Fails when another one is in the midst of a migration.
  [[nodiscard]] static std::string guard() {
    return "SELECT CASE WHEN pg_try_advisory_xact_lock(42) THEN 1 ELSE (SELECT 1 / count(*) FROM "
           "pg_class WHERE oid = 0) END;\n"
           "SELECT pg_sleep(0.002);\n";
  }
  /// Still at work when its client has died.
  [[nodiscard]] static std::string long_statement() { return "SELECT pg_sleep(1);\n"; }
  /// "…, process N" of whoever has the lock; or, `at_length`, is in the long statement.
  [[nodiscard]] std::string holder(bool at_length) const {
    const std::string owner =
        "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE "
        "l.locktype = 'advisory' AND l.granted AND l.objid <> 42 AND a.datname = "
        "current_database() AND a.application_name <> ''";
    return text(owner +
                (at_length ? " AND EXISTS (SELECT 1 FROM pg_stat_activity WHERE state = "
                             "'active' AND query LIKE 'SELECT pg_sleep(1)%' AND datname = "
                             "current_database())"
                           : "") +
                " LIMIT 1");
  }
  static constexpr const char* kName = "PostgreSQL";
  [[nodiscard]] std::string locks_left() const {
    return text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'");
  }
  void fresh() const {
    exec("DROP SCHEMA public CASCADE");
    exec("CREATE SCHEMA public");
  }
};

class Pooled : public Direct {
 protected:
  [[nodiscard]] std::string url() const override {
    constexpr int kPoolSize = 100;
    static testing::PgBouncer proxy(server(), kPoolSize);
    return proxy.address(database_);
  }
  static constexpr const char* kName = "PostgreSQL behind PgBouncer";
};

class Mariadb : public MariadbSchemaTest {
 protected:
  [[nodiscard]] static std::string guard() {
    return "SELECT CASE WHEN GET_LOCK('guard', 0) = 1 THEN 1 ELSE (SELECT 1 UNION SELECT 2) END;\n"
           "DO SLEEP(0.002);\nDO RELEASE_LOCK('guard');\n";
  }
  [[nodiscard]] static std::string long_statement() {
    return "DO GET_LOCK('guard', 0);\nDO SLEEP(1);\nDO RELEASE_LOCK('guard');\n";
  }
  [[nodiscard]] std::string holder(bool at_length) const {
    constexpr const char* kLocks =
        "SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND "
        "table_name = '__MigrationsLock'";
    constexpr const char* kAtLength =
        "SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE() AND info = 'DO "
        "SLEEP(1)'";
    if (text(kLocks) != "1" || (at_length && text(kAtLength) != "1")) return "";
    return text(
        "SELECT l.LockedBy FROM __MigrationsLock l JOIN information_schema.processlist p "
        "ON p.id = l.Session");
  }
  static constexpr const char* kName = "MariaDB";
  [[nodiscard]] std::string locks_left() const {
    return text(
        "SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> "
        "CONNECTION_ID()");
  }
  void fresh() const {
    on(server().address(), "DROP DATABASE " + database_);
    on(server().address(), "CREATE DATABASE " + database_);
  }
};

template <typename Base>
class Race : public Base {
 protected:
  static constexpr int kMigrations = 10;
  static constexpr int kLong = 5;
  void fill() {
    this->file("1_Make.sql", "CREATE TABLE trace(n int);\nCREATE TABLE guard(n int PRIMARY KEY);");
    for (int i = 2; i <= kMigrations; ++i)
      this->file(std::to_string(i) + "_Count.sql",
                 this->guard() + (i == kLong ? this->long_statement() : "") +
                     "INSERT INTO trace VALUES (" + std::to_string(i) + ");");
  }
  [[nodiscard]] static pid_t pid_of(const std::string& holder) {
    static const std::regex kProcess("process ([0-9]+)");
    std::smatch found;
    return std::regex_search(holder, found, kProcess) ? std::stoi(found[1].str()) : 0;
  }
  /// The process that has the lock, once there is one of these; 0: all of them have ended.
  pid_t wait_for_holder(const std::vector<pid_t>& children, bool at_length) {
    const auto end = std::chrono::steady_clock::now() + testing::kPatience;
    while (std::chrono::steady_clock::now() < end) {
      const pid_t pid = pid_of(this->holder(at_length));
      if (pid != 0 && std::count(children.begin(), children.end(), pid) > 0) return pid;
      for (const pid_t child : children) {
        siginfo_t info{};
        const bool asked =
            ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) == 0;
        if (asked && info.si_pid != 0) return 0;  // who ends has seen that all is applied
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return 0;
  }
  /// One more, who does not wait; whom he is told to look for.
  void expect_holder_is_named(pid_t pid) {
    const auto run = this->make_run(0);
    testing::LocalExecution local(*run, this->as("0002"));
    const Status status = local.run_to_end();
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().type, ErrorType::lock_held) << status.error().text();
    EXPECT_THAT(status.error().message, ::testing::HasSubstr("process " + std::to_string(pid)));
    ++named_;
  }
  void stop_a_holder(const std::vector<pid_t>& children) {
    const pid_t pid = wait_for_holder(children, false);
    if (pid == 0) return;
    ::kill(pid, SIGSTOP);
    // It may have given the lock back in between.
    if (pid_of(this->holder(false)) == pid) {
      ++stopped_;
      expect_holder_is_named(pid);
      std::this_thread::sleep_for(std::chrono::milliseconds(moment_ms_(random_)));
      EXPECT_EQ(pid_of(this->holder(false)), pid) << "it is stopped, not dead";
    }
    ::kill(pid, SIGCONT);
  }
  /// Takes it away from `children`.
  void kill_a_holder(std::vector<pid_t>& children) {
    const pid_t pid = wait_for_holder(children, true);
    if (pid == 0) return;
    ::kill(pid, SIGKILL);
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(testing::was_killed(testing::wait_self(pid)));
    std::erase(children, pid);
    const pid_t next = wait_for_holder(children, false);
    EXPECT_NE(next, 0) << "the lock of a dead holder is not free";
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - begin);
    slowest_ms_ = std::max<std::int64_t>(slowest_ms_, took.count());
    ++killed_;
  }

  std::mt19937 random_{static_cast<unsigned>(number_from("DUNLIN_RACE_SEED", 1))};
  std::uniform_int_distribution<int> moment_ms_{20, 400};
  int stopped_ = 0;
  int named_ = 0;
  int killed_ = 0;
  std::int64_t slowest_ms_ = 0;
};
using Ways = ::testing::Types<Direct, Pooled, Mariadb>;
TYPED_TEST_SUITE(Race, Ways);

TYPED_TEST(Race, NeverTwoAtATimeAndEachMigrationOnce) {
  this->fill();
  const int rounds = number_from("DUNLIN_RACE_ROUNDS", 1);
  const int processes = number_from("DUNLIN_RACE_PROCESSES", 8);
  const std::map<std::string, std::string> child = {{"DUNLIN_TEST_FOLDER", this->folder_.native()},
                                                    {"DUNLIN_TEST_URL", this->url()}};
  int round = 0;
  for (; round < rounds && !this->HasFailure(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    if (round > 0) this->fresh();
    std::vector<pid_t> children;
    for (int i = 0; i < processes; ++i)
      children.push_back(testing::start_self("ServerChild.DISABLED_Migrates", child));
    this->stop_a_holder(children);
    this->kill_a_holder(children);
    for (const pid_t pid : children) EXPECT_TRUE(testing::succeeded(testing::wait_self(pid)));
    EXPECT_EQ(this->text("SELECT count(*) FROM trace"), std::to_string(this->kMigrations - 1));
    EXPECT_EQ(this->text("SELECT count(DISTINCT n) FROM trace"),
              std::to_string(this->kMigrations - 1));
    EXPECT_TRUE(testing::eventually([&] { return this->locks_left() == "0"; }));
  }
  EXPECT_EQ(this->killed_, round);
  std::printf(
      "race: %s: %d rounds of %d processes, %d holders stopped, %d time-outs named them, %d "
      "holders killed, the next had the lock after at most %lld ms\n",
      TypeParam::kName, round, processes, this->stopped_, this->named_, this->killed_,
      static_cast<long long>(this->slowest_ms_));
  if (rounds == 1) return;
  constexpr std::int64_t kCleared_ms = 10'000;
  EXPECT_LE(this->slowest_ms_, kCleared_ms);
  EXPECT_GE(this->stopped_, rounds / 2);
}

}  // namespace
}  // namespace dunlin::schema
