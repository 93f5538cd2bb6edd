// Many processes at once, round by round: whoever has the lock is stopped for a while, and whoever
// has it later is killed within a statement. Never two at a time, each migration once, no lock
// left, a time-out names the holder, a dead one's statement is not overtaken and his lock soon free
// (anchors/schema.md, goal G2).
//
// DUNLIN_RACE_ROUNDS and DUNLIN_RACE_PROCESSES make it the long proof (`./dev race`), which also
// asks how soon.
#include <sys/wait.h>

#include <algorithm>
#include <array>
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
  /// Ends when the gate is opened; still at work when its client has died.
  [[nodiscard]] static std::string wait_at(int gate) {
    return "DO $$BEGIN WHILE EXISTS (SELECT 1 FROM race.gate WHERE n = " + std::to_string(gate) +
           ") LOOP PERFORM pg_sleep(0.01); END LOOP; END$$;\n";
  }
  void close_gates() const {
    exec("CREATE SCHEMA IF NOT EXISTS race");
    exec("CREATE TABLE IF NOT EXISTS race.gate(n int)");
    exec("INSERT INTO race.gate VALUES (1), (2)");
  }
  void open_gate(int gate) const {
    exec("DELETE FROM race.gate WHERE n = " + std::to_string(gate));
  }
  /// "…, process N" of whoever has the lock and, when one is named, waits at that gate.
  [[nodiscard]] std::string holder(int gate = 0) const {
    // By the key of the owner's lock: behind a proxy the session with the other one may bear the
    // name of another process (DISCARD ALL).
    const std::string owner =
        "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid, "
        "encode(sha256('dunlin owner \"public\".\"__MigrationsHistory\"'), 'hex') AS key WHERE "
        "l.locktype = 'advisory' AND l.granted AND a.datname = current_database() AND "
        "l.classid::bigint = ('x' || substr(key, 1, 8))::bit(32)::bigint AND l.objid::bigint = "
        "('x' || substr(key, 9, 8))::bit(32)::bigint";
    const std::string there =
        " AND EXISTS (SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'DO "
        "%gate WHERE n = " +
        std::to_string(gate) + "%' AND datname = current_database())";
    return text(owner + (gate == 0 ? "" : there) + " LIMIT 1");
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
  [[nodiscard]] static std::string wait_at(int gate) {
    return "SELECT CASE WHEN GET_LOCK('guard', 0) = 1 THEN 1 ELSE (SELECT 1 UNION SELECT 2) END;\n"
           "SELECT n FROM race.gate WHERE n = " +
           std::to_string(gate) + " LOCK IN SHARE MODE;\nDO RELEASE_LOCK('guard');\n";
  }
  /// By locks of rows: a GET_LOCK that waits while its client dies has ended the server itself, by
  /// a fault of MariaDB 10.11, within some forty rounds.
  void close_gates() {
    on(server().address(), "CREATE DATABASE IF NOT EXISTS race");
    on(server().address(), "CREATE TABLE IF NOT EXISTS race.gate(n int PRIMARY KEY)");
    on(server().address(), "INSERT IGNORE INTO race.gate VALUES (1), (2)");
    for (std::size_t i = 0; i < gates_.size(); ++i) {
      gates_[i] = connect(server().address());
      ASSERT_TRUE(gates_[i]->run("BEGIN", sql::Call{}).ok());
      const auto rows = gates_[i]->query(
          "SELECT n FROM race.gate WHERE n = " + std::to_string(i + 1) + " FOR UPDATE",
          sql::Call{});
      ASSERT_TRUE(rows.ok() && (*rows)->next().ok());
    }
  }
  void open_gate(int gate) { gates_[static_cast<std::size_t>(gate) - 1].reset(); }
  [[nodiscard]] std::string holder(int gate = 0) const {
    const std::string there =
        "SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE "
        "'SELECT n FROM race.gate WHERE n = " +
        std::to_string(gate) + "%'";
    if (text("SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND "
             "table_name = '__MigrationsLock'") != "1" ||
        (gate != 0 && text(there) != "1"))
      return "";
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

 private:
  std::array<std::unique_ptr<sql::Connection>, 2> gates_;  ///< hold their locks
};

template <typename Base>
class Race : public Base {
 protected:
  static constexpr int kMigrations = 10;
  static constexpr int kStopped = 3;  ///< the migration in which a holder is stopped
  static constexpr int kKilled = 6;
  void fill() {
    this->file("1_Make.sql", "CREATE TABLE trace(n int);\nCREATE TABLE guard(n int PRIMARY KEY);");
    for (int i = 2; i <= kMigrations; ++i)
      this->file(std::to_string(i) + "_Count.sql", this->guard() +
                                                       (i == kStopped  ? this->wait_at(1)
                                                        : i == kKilled ? this->wait_at(2)
                                                                       : "") +
                                                       "INSERT INTO trace VALUES (" +
                                                       std::to_string(i) + ");");
  }
  [[nodiscard]] static pid_t pid_of(const std::string& holder) {
    static const std::regex kProcess("process ([0-9]+)");
    std::smatch found;
    return std::regex_search(holder, found, kProcess) ? std::stoi(found[1].str()) : 0;
  }
  /// The one of these that has the lock, once one has; 0: one of them has ended instead.
  pid_t wait_for_holder(const std::vector<pid_t>& children, int gate) {
    pid_t pid = 0;
    static_cast<void>(testing::eventually([&] {
      pid = pid_of(this->holder(gate));
      if (std::count(children.begin(), children.end(), pid) > 0) return true;
      pid = 0;
      return std::any_of(children.begin(), children.end(), [](pid_t child) {
        siginfo_t info{};
        const int asked =
            ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT);
        return asked == 0 && info.si_pid != 0;
      });
    }));
    EXPECT_NE(pid, 0) << "nobody has the lock";
    return pid;
  }
  /// One more, who does not wait: whom he is told to look for.
  void expect_is_named(pid_t pid) {
    const auto run = this->make_run(0);
    testing::LocalExecution local(*run, this->as("0002"));
    const Status status = local.run_to_end();
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().type, ErrorType::lock_held) << status.error().text();
    EXPECT_THAT(status.error().message, ::testing::HasSubstr("process " + std::to_string(pid)));
  }
  void stop_a_holder(const std::vector<pid_t>& children) {
    const pid_t pid = wait_for_holder(children, 1);
    if (pid == 0) return;
    ::kill(pid, SIGSTOP);
    expect_is_named(pid);
    std::this_thread::sleep_for(std::chrono::milliseconds(moment_ms_(random_)));
    EXPECT_EQ(pid_of(this->holder()), pid) << "it is stopped, not dead";
    ::kill(pid, SIGCONT);
    this->open_gate(1);
  }
  /// Takes it away from `children`.
  void kill_a_holder(std::vector<pid_t>& children) {
    const pid_t pid = wait_for_holder(children, 2);
    if (pid == 0) return;
    ::kill(pid, SIGKILL);
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(testing::was_killed(testing::wait_self(pid)));
    std::erase(children, pid);
    wait_for_holder(children, 0);
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - begin);
    slowest_ms_ = std::max<std::int64_t>(slowest_ms_, took.count());
    // Its statement may still be at the gate, and who comes next must not meet it.
    std::this_thread::sleep_for(std::chrono::milliseconds(moment_ms_(random_)));
    this->open_gate(2);
  }

  std::mt19937 random_{static_cast<unsigned>(number_from("DUNLIN_RACE_SEED", 1))};
  std::uniform_int_distribution<int> moment_ms_{20, 400};
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
    this->close_gates();
    std::vector<pid_t> children;
    for (int i = 0; i < processes; ++i)
      children.push_back(testing::start_self("ServerChild.DISABLED_Migrates", child));
    this->stop_a_holder(children);
    this->kill_a_holder(children);
    for (const int gate : {1, 2}) this->open_gate(gate);  // also where nobody was seen to wait
    for (const pid_t pid : children) EXPECT_TRUE(testing::succeeded(testing::wait_self(pid)));
    EXPECT_EQ(this->text("SELECT count(*) FROM trace"), std::to_string(this->kMigrations - 1));
    EXPECT_EQ(this->text("SELECT count(DISTINCT n) FROM trace"),
              std::to_string(this->kMigrations - 1));
    EXPECT_TRUE(testing::eventually([&] { return this->locks_left() == "0"; }));
  }
  std::printf(
      "race: %s: %d rounds of %d processes; in each a holder stopped and named to one who does not "
      "wait, a holder killed; the next had the lock after at most %lld ms\n",
      TypeParam::kName, round, processes, static_cast<long long>(this->slowest_ms_));
  constexpr std::int64_t kCleared_ms = 10'000;
  const bool asks_how_soon = rounds > 1;
  EXPECT_TRUE(!asks_how_soon || this->slowest_ms_ <= kCleared_ms);
}

}  // namespace
}  // namespace dunlin::schema
