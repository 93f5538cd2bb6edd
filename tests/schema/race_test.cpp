// Many processes at once, round by round, one of them stopped for a while and one killed: never two
// at a time, each migration once, no lock left (anchors/schema.md, goal G2).
//
// DUNLIN_RACE_ROUNDS and DUNLIN_RACE_PROCESSES make it the long proof (`./dev race`).
#include <csignal>
#include <random>
#include <thread>

#include <gmock/gmock.h>

#include "schema/mariadb_fixture.h"
#include "schema/postgresql_fixture.h"
#include "support/pgbouncer.h"
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
};

class Mariadb : public MariadbSchemaTest {
 protected:
  [[nodiscard]] static std::string guard() {
    return "SELECT CASE WHEN GET_LOCK('guard', 0) = 1 THEN 1 ELSE (SELECT 1 UNION SELECT 2) END;\n"
           "DO SLEEP(0.002);\nDO RELEASE_LOCK('guard');\n";
  }
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
  void fill() {
    this->file("1_Make.sql", "CREATE TABLE trace(n int);\nCREATE TABLE guard(n int PRIMARY KEY);");
    for (int i = 2; i <= kMigrations; ++i)
      this->file(std::to_string(i) + "_Count.sql",
                 this->guard() + "INSERT INTO trace VALUES (" + std::to_string(i) + ");");
  }
};
using Ways = ::testing::Types<Direct, Pooled, Mariadb>;
TYPED_TEST_SUITE(Race, Ways);

TYPED_TEST(Race, NeverTwoAtATimeAndEachMigrationOnce) {
  this->fill();
  const int rounds = number_from("DUNLIN_RACE_ROUNDS", 1);
  const int processes = number_from("DUNLIN_RACE_PROCESSES", 8);
  std::mt19937 random(static_cast<unsigned>(number_from("DUNLIN_RACE_SEED", 1)));
  std::uniform_int_distribution<int> moment_ms(20, 400);
  const std::map<std::string, std::string> child = {{"DUNLIN_TEST_FOLDER", this->folder_.native()},
                                                    {"DUNLIN_TEST_URL", this->url()}};
  for (int round = 0; round < rounds; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    std::vector<pid_t> children;
    for (int i = 0; i < processes; ++i)
      children.push_back(testing::start_self("ServerChild.DISABLED_Migrates", child));
    const pid_t stopped = children[0];
    const pid_t killed = children[1];
    std::this_thread::sleep_for(std::chrono::milliseconds(moment_ms(random)));
    ::kill(stopped, SIGSTOP);
    std::this_thread::sleep_for(std::chrono::milliseconds(moment_ms(random)));
    ::kill(killed, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(moment_ms(random)));
    ::kill(stopped, SIGCONT);
    for (const pid_t pid : children) {
      const int status = testing::wait_self(pid);
      EXPECT_TRUE(pid == killed || testing::succeeded(status)) << (pid == stopped ? "stopped" : "");
    }
    EXPECT_EQ(this->text("SELECT count(*) FROM trace"), std::to_string(this->kMigrations - 1));
    EXPECT_EQ(this->text("SELECT count(DISTINCT n) FROM trace"),
              std::to_string(this->kMigrations - 1));
    std::string left = this->locks_left();
    for (int i = 0; i < 100 && left != "0"; ++i) {  // those of the killed one go by themselves
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      left = this->locks_left();
    }
    EXPECT_EQ(left, "0");
    if (this->HasFailure()) return;
    if (round + 1 < rounds) this->fresh();
  }
}

}  // namespace
}  // namespace dunlin::schema
