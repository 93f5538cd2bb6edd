// Migrations of a schema at real servers, each made for the loop.
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/check.h"
#include "server_scenario.h"
#include "sql/database_address.h"
#include "support/mariadb_server.h"
#include "support/postgresql_server.h"
#include "support/process.h"

namespace dunlin::crash {
namespace {

namespace fsys = std::filesystem;

/// Every row of a query, its columns joined.
std::string rows_of(const std::string& url, const std::string& query) {
  const auto address = sql::parse_database_address(url);
  DUNLIN_CHECK(address.ok(), url);
  const auto connection = sql::connect_database(*address, sql::Call{}, false);
  DUNLIN_CHECK(connection.ok(), connection.error().text());
  const auto rows = (*connection)->query(query, sql::Call{});
  DUNLIN_CHECK(rows.ok(), query + ": " + rows.error().text());
  std::string text;
  for (auto more = (*rows)->next(); more.ok() && *more; more = (*rows)->next()) {
    for (int i = 0; i < (*rows)->columns(); ++i) {
      text += (*rows)->text(i);
      text += '|';
    }
    text += '\n';
  }
  return text;
}

/// The first column of each row.
std::vector<std::string> lines_of(const std::string& rows) {
  std::vector<std::string> lines;
  std::istringstream in(rows);
  for (std::string line; std::getline(in, line);) lines.push_back(line.substr(0, line.find('|')));
  return lines;
}

Status try_execute(const std::string& url, const std::string& sql) {
  const auto address = sql::parse_database_address(url);
  DUNLIN_CHECK(address.ok(), url);
  const auto connection = sql::connect_database(*address, sql::Call{}, false);
  DUNLIN_CHECK(connection.ok(), connection.error().text());
  return sql::run_only(**connection, sql, sql::Call{});
}

void execute(const std::string& url, const std::string& sql) {
  const Status done = try_execute(url, sql);
  DUNLIN_CHECK(done.ok(), sql + ": " + done.error().text());
}

class PostgresqlScenario final : public ServerScenario {
 public:
  explicit PostgresqlScenario(SchemaWay way)
      : ServerScenario("postgresql", way), proxy_(server_.socket_file()) {}
  void kill_server() override { server_.kill(); }
  void start_server() override { server_.start(); }
  testing::CuttingProxy& proxy() override { return proxy_; }
  std::vector<std::string> sessions() override {
    return lines_of(rows_of(server_.address(),
                            "SELECT pid FROM pg_stat_activity WHERE application_name LIKE "
                            "'dunlin,%' ORDER BY backend_start"));
  }
  void end_session(const std::string& session) override {
    constexpr const char* kWithin_ms = "10000";
    static_cast<void>(rows_of(server_.address(),
                              "SELECT pg_terminate_backend(" + session + ", " + kWithin_ms + ")"));
  }
  void reset_destination() override {
    execute(server_.address(), "DROP DATABASE IF EXISTS loop WITH (FORCE)");
    execute(server_.address(), "CREATE DATABASE loop");
    if (way() != SchemaWay::tenants) return;
    for (const std::string& schema : schemas()) execute(url(), "CREATE SCHEMA " + schema);
  }
  std::string state() override {
    std::string text;
    for (const std::string& schema : schemas()) text += state_of(schema);
    return text;
  }
  std::vector<std::string> leftovers() override {
    const bool gone = testing::eventually([&] {
      return rows_of(url(), "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0|\n";
    });
    return gone ? std::vector<std::string>{} : std::vector<std::string>{"a lock"};
  }

 protected:
  std::string url() const override { return server_.address("loop"); }
  std::string proxied_url() const override {
    return "postgres://owner@127.0.0.1:" + std::to_string(proxy_.port()) + "/loop";
  }
  void write_migrations() override {
    write(
        "001_make",
        "CREATE TABLE trace(n int);\nINSERT INTO trace VALUES (1);\nCREATE TABLE t(a int, b int);",
        "DROP TABLE t;\nDROP TABLE trace;");
    // The rest is what no transaction can hold.
    if (way() == SchemaWay::all_in_one) return write_more_for_a_transaction();
    write(
        "2_mixed",
        "INSERT INTO trace VALUES (2);\nCREATE INDEX CONCURRENTLY ta ON t(a);\nINSERT INTO trace "
        "VALUES (3);\nDROP INDEX CONCURRENTLY ta;\nVACUUM t;\nCREATE UNIQUE INDEX CONCURRENTLY tb "
        "ON t(b);",
        "INSERT INTO trace VALUES (12);\nDROP INDEX CONCURRENTLY tb;\nINSERT INTO trace VALUES "
        "(13);\nVACUUM t;\nINSERT INTO trace VALUES (14);");
    write("3_each",
          "-- dunlin:transaction false\nINSERT INTO trace VALUES (4);\nALTER TABLE t ADD COLUMN c "
          "text;\nBEGIN;\nINSERT INTO trace VALUES (5);\nINSERT INTO trace VALUES (6);\nCOMMIT;",
          "-- dunlin:transaction false\nALTER TABLE t DROP COLUMN c;\nBEGIN;\nINSERT INTO trace "
          "VALUES (15);\nINSERT INTO trace VALUES (16);\nCOMMIT;");
    write("0010_type",
          "CREATE TYPE mood AS ENUM ('low');\nALTER TYPE mood ADD VALUE 'high';\nCREATE TABLE m(m "
          "mood DEFAULT 'high');\nINSERT INTO trace VALUES (7);",
          "DROP TABLE m;\nDROP TYPE mood;\nINSERT INTO trace VALUES (17);");
    write("20251119143022_view", "CREATE VIEW v AS SELECT a FROM t;", "DROP VIEW v;");
  }

 private:
  void write_more_for_a_transaction() {
    write("2_index", "CREATE INDEX ta ON t(a);\nINSERT INTO trace VALUES (2);", "DROP INDEX ta;");
    write("3_column", "ALTER TABLE t ADD COLUMN c text;\nINSERT INTO trace VALUES (3);",
          "ALTER TABLE t DROP COLUMN c;");
    write("4_view", "CREATE VIEW v AS SELECT a FROM t;\nINSERT INTO trace VALUES (4);",
          "DROP VIEW v;");
  }
  [[nodiscard]] std::vector<std::string> schemas() const {
    if (way() != SchemaWay::tenants) return {"public"};
    return {"tenant_1", "tenant_2", "tenant_3"};
  }
  [[nodiscard]] std::string state_of(const std::string& schema) const {
    const std::string in = schema + ".";
    return schema + "\n" +
           rows_of(url(), R"(SELECT "MigrationId", "Checksum" FROM )" + in +
                              R"("__MigrationsHistory" ORDER BY 1)") +
           rows_of(url(),
                   "SELECT c.relname, c.relkind, a.attname, format_type(a.atttypid, a.atttypmod), "
                   "a.attnotnull, i.indisvalid FROM pg_class c LEFT JOIN pg_attribute a ON "
                   "a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped LEFT JOIN pg_index "
                   "i ON i.indexrelid = c.oid WHERE c.relnamespace = '" +
                       schema + "'::regnamespace ORDER BY c.relname, a.attnum") +
           rows_of(url(), "SELECT n FROM " + in + "trace ORDER BY n") +
           rows_of(url(), R"(SELECT "MigrationId", "Event", "Statement" FROM )" + in +
                              R"("__MigrationsHistoryLog" )"
                              R"(WHERE "Event" IN ('passed', 'done') ORDER BY "Sequence")");
  }
  testing::PostgresqlServer server_;
  testing::CuttingProxy proxy_;
};

class MariadbScenario final : public ServerScenario {
 public:
  explicit MariadbScenario(SchemaWay way)
      : ServerScenario("mariadb", way), proxy_(server_.socket_file()) {}
  void kill_server() override { server_.kill(); }
  void start_server() override { server_.start(); }
  testing::CuttingProxy& proxy() override { return proxy_; }
  std::vector<std::string> sessions() override {
    return lines_of(rows_of(server_.address(), kSessions + " ORDER BY id"));
  }
  void end_session(const std::string& session) override {
    // One that ended meanwhile is no error of ours, but of the statement.
    static_cast<void>(try_execute(server_.address(), "KILL CONNECTION " + session));
    static_cast<void>(testing::eventually(
        [&] { return rows_of(server_.address(), kSessions + " AND id = " + session).empty(); }));
  }
  void reset_destination() override {
    execute(server_.address(), "DROP DATABASE IF EXISTS `loop`");
    execute(server_.address(), "CREATE DATABASE `loop`");
  }
  std::string state() override {
    return rows_of(url(), "SELECT MigrationId, Checksum FROM __MigrationsHistory ORDER BY 1") +
           rows_of(url(),
                   "SELECT table_name, column_name, column_type, is_nullable FROM "
                   "information_schema.columns WHERE table_schema = DATABASE() ORDER BY "
                   "table_name, ordinal_position") +
           rows_of(
               url(),
               "SELECT table_name, index_name, column_name FROM information_schema.statistics "
               "WHERE table_schema = DATABASE() ORDER BY table_name, index_name, seq_in_index") +
           rows_of(url(),
                   "SELECT routine_name FROM information_schema.routines WHERE "
                   "routine_schema = DATABASE() ORDER BY 1") +
           rows_of(url(), "SELECT n FROM trace ORDER BY n") +
           rows_of(url(),
                   "SELECT MigrationId, Event, Statement FROM __MigrationsHistoryLog WHERE Event "
                   "IN ('passed', 'done') ORDER BY Sequence");
  }
  std::vector<std::string> leftovers() override {
    // The locks are of sessions.
    const bool gone = testing::eventually([&] { return sessions().empty(); });
    return gone ? std::vector<std::string>{} : std::vector<std::string>{"a session"};
  }

 protected:
  std::string url() const override { return server_.address("loop"); }
  std::string proxied_url() const override {
    return "mysql://root@127.0.0.1:" + std::to_string(proxy_.port()) + "/loop";
  }
  void write_migrations() override {
    write(
        "001_make",
        "CREATE TABLE trace(n int);\nINSERT INTO trace VALUES (1);\nCREATE TABLE t(a int, b int);",
        "DROP TABLE t;\nDROP TABLE trace;");
    write(
        "2_mixed",
        "INSERT INTO trace VALUES (2);\nALTER TABLE t ADD INDEX ta (a);\nALTER TABLE t ADD COLUMN "
        "c int, DROP COLUMN b;\nINSERT INTO trace VALUES (3);\nINSERT INTO trace VALUES "
        "(4);\nRENAME TABLE t TO u;\nCREATE TABLE x(a int);\nDROP TABLE x;\nTRUNCATE TABLE u;",
        "INSERT INTO trace VALUES (12);\nRENAME TABLE u TO t;\nALTER TABLE t DROP COLUMN c, ADD "
        "COLUMN b int;\nINSERT INTO trace VALUES (13);\nINSERT INTO trace VALUES (14);\nALTER "
        "TABLE t DROP INDEX ta;");
    write("3_routines",
          "CREATE PROCEDURE p() BEGIN INSERT INTO trace VALUES (5); INSERT INTO trace VALUES (6); "
          "END;\nCREATE TRIGGER tr BEFORE INSERT ON u FOR EACH ROW SET NEW.c = 1;\nCALL p();\nDROP "
          "TRIGGER tr;",
          "DROP PROCEDURE p;\nINSERT INTO trace VALUES (15);\nINSERT INTO trace VALUES (16);");
    write("0010_view", "CREATE VIEW v AS SELECT a FROM u;\nINSERT INTO trace VALUES (7);",
          "DROP VIEW v;\nINSERT INTO trace VALUES (17);");
  }

 private:
  const std::string kSessions =
      "SELECT id FROM information_schema.processlist WHERE user = 'root' AND id <> CONNECTION_ID()";
  testing::MariadbServer server_;
  testing::CuttingProxy proxy_;
};

}  // namespace

std::string ServerScenario::name() const {
  constexpr std::array<const char*, 4> kWays = {"", "-down", "-all-in-one", "-tenants"};
  return "schema-" + server_name_ + kWays.at(static_cast<std::size_t>(way_));
}

void ServerScenario::make_source(const std::string& folder) {
  migrations_ = folder + "/migrations";
  fsys::create_directories(migrations_);
  write_migrations();
}

std::vector<std::string> ServerScenario::preparation() const {
  if (way_ != SchemaWay::down) return {};
  return {"migrate", "up", "--db", url(), "--dir", migrations_};
}

std::vector<std::string> ServerScenario::migrate(const std::string& lock_timeout_s) const {
  std::vector<std::string> words = {"migrate",        way_ == SchemaWay::down ? "down" : "up",
                                    "--db",           is_proxied_ ? proxied_url() : url(),
                                    "--dir",          migrations_,
                                    "--lock-timeout", lock_timeout_s};
  if (way_ == SchemaWay::down) words.insert(words.end(), {"--target", "1"});
  if (way_ == SchemaWay::all_in_one)
    words.insert(words.end(), {"--transaction-mode", "all_in_one"});
  if (way_ == SchemaWay::tenants)
    words.insert(words.end(), {"--tenants", "tenant_*", "--concurrency", "1"});
  return words;
}

void ServerScenario::write(const std::string& name, const std::string& up,
                           const std::string& down) const {
  const auto file = [&](const char* direction) {
    return migrations_ + "/" + name + "." + direction + ".sql";
  };
  std::ofstream(file("up")) << up;
  std::ofstream(file("down")) << down;
}

std::unique_ptr<Scenario> make_server_scenario(const std::string& server, SchemaWay way) {
  if (server == "postgresql") return std::make_unique<PostgresqlScenario>(way);
  return std::make_unique<MariadbScenario>(way);
}

}  // namespace dunlin::crash
