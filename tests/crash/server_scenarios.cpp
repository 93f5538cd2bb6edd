// Migrations of a schema at real servers, each made for the loop.
#include <filesystem>
#include <fstream>

#include "base/check.h"
#include "scenario.h"
#include "sql/database_address.h"
#include "support/mariadb_server.h"
#include "support/postgresql_server.h"

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

void execute(const std::string& url, const std::string& sql) {
  const auto address = sql::parse_database_address(url);
  DUNLIN_CHECK(address.ok(), url);
  const auto connection = sql::connect_database(*address, sql::Call{}, false);
  DUNLIN_CHECK(connection.ok(), connection.error().text());
  const auto done = (*connection)->run(sql, sql::Call{});
  DUNLIN_CHECK(done.ok(), sql + ": " + done.error().text());
}

class ServerScenario : public Scenario {
 public:
  void make_source(const std::string& folder) override {
    migrations_ = folder + "/migrations";
    fsys::create_directories(migrations_);
    write_migrations();
  }
  std::vector<std::string> command() const override {
    return {"migrate", "up", "--db", url(), "--dir", migrations_, "--lock-timeout", "60"};
  }
  std::vector<std::string> impatient_command() const override {
    return {"migrate", "up", "--db", url(), "--dir", migrations_, "--lock-timeout", "1"};
  }
  std::vector<std::string> publishing_points() const override {
    return {"schema.commit.after", "schema.lock.after", "engine.execute.before",
            "engine.execute.after"};
  }

 protected:
  [[nodiscard]] virtual std::string url() const = 0;
  virtual void write_migrations() = 0;
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(migrations_ + "/" + name) << text;
  }

 private:
  std::string migrations_;
};

class PostgresqlScenario final : public ServerScenario {
 public:
  std::string name() const override { return "schema-postgresql"; }
  void reset_destination() override {
    execute(server_.address(), "DROP DATABASE IF EXISTS loop WITH (FORCE)");
    execute(server_.address(), "CREATE DATABASE loop");
  }
  std::string state() override {
    return rows_of(url(),
                   R"(SELECT "MigrationId", "Checksum" FROM "__MigrationsHistory" ORDER BY 1)") +
           rows_of(
               url(),
               "SELECT c.relname, c.relkind, a.attname, format_type(a.atttypid, a.atttypmod), "
               "a.attnotnull, i.indisvalid FROM pg_class c LEFT JOIN pg_attribute a ON "
               "a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped LEFT JOIN pg_index i "
               "ON i.indexrelid = c.oid WHERE c.relnamespace = 'public'::regnamespace ORDER BY "
               "c.relname, a.attnum") +
           rows_of(url(), "SELECT n FROM trace ORDER BY n");
  }
  std::vector<std::string> leftovers() override {
    const std::string locks =
        rows_of(url(), "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'");
    return locks == "0|\n" ? std::vector<std::string>{} : std::vector<std::string>{"a lock"};
  }

 protected:
  std::string url() const override { return server_.address("loop"); }
  void write_migrations() override {
    write(
        "001_make.sql",
        "CREATE TABLE trace(n int);\nINSERT INTO trace VALUES (1);\nCREATE TABLE t(a int, b int);");
    write(
        "2_mixed.sql",
        "INSERT INTO trace VALUES (2);\nCREATE INDEX CONCURRENTLY ta ON t(a);\nINSERT INTO trace "
        "VALUES (3);\nDROP INDEX CONCURRENTLY ta;\nVACUUM t;\nCREATE UNIQUE INDEX CONCURRENTLY tb "
        "ON t(b);");
    write("3_each.sql",
          "-- dunlin:transaction false\nINSERT INTO trace VALUES (4);\nALTER TABLE t ADD COLUMN c "
          "text;\nBEGIN;\nINSERT INTO trace VALUES (5);\nINSERT INTO trace VALUES (6);\nCOMMIT;");
    write("0010_type.sql",
          "CREATE TYPE mood AS ENUM ('low');\nALTER TYPE mood ADD VALUE 'high';\nCREATE TABLE m(m "
          "mood DEFAULT 'high');\nINSERT INTO trace VALUES (7);");
    write("20251119143022_view.sql", "CREATE VIEW v AS SELECT a FROM t;");
  }

 private:
  testing::PostgresqlServer server_;
};

class MariadbScenario final : public ServerScenario {
 public:
  std::string name() const override { return "schema-mariadb"; }
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
           rows_of(url(), "SELECT n FROM trace ORDER BY n");
  }
  std::vector<std::string> leftovers() override { return {}; }

 protected:
  std::string url() const override { return server_.address("loop"); }
  void write_migrations() override {
    write(
        "001_make.sql",
        "CREATE TABLE trace(n int);\nINSERT INTO trace VALUES (1);\nCREATE TABLE t(a int, b int);");
    write(
        "2_mixed.sql",
        "INSERT INTO trace VALUES (2);\nALTER TABLE t ADD INDEX ta (a);\nALTER TABLE t ADD COLUMN "
        "c int, DROP COLUMN b;\nINSERT INTO trace VALUES (3);\nINSERT INTO trace VALUES "
        "(4);\nRENAME TABLE t TO u;\nCREATE TABLE x(a int);\nDROP TABLE x;\nTRUNCATE TABLE u;");
    write("3_routines.sql",
          "CREATE PROCEDURE p() BEGIN INSERT INTO trace VALUES (5); INSERT INTO trace VALUES (6); "
          "END;\nCREATE TRIGGER tr BEFORE INSERT ON u FOR EACH ROW SET NEW.c = 1;\nCALL p();\nDROP "
          "TRIGGER tr;");
    write("0010_view.sql", "CREATE VIEW v AS SELECT a FROM u;\nINSERT INTO trace VALUES (7);");
  }

 private:
  testing::MariadbServer server_;
};

}  // namespace

std::unique_ptr<Scenario> make_server_scenario(const std::string& server) {
  if (server == "postgresql") return std::make_unique<PostgresqlScenario>();
  return std::make_unique<MariadbScenario>();
}

}  // namespace dunlin::crash
