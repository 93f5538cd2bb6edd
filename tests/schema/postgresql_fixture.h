// A PostgreSQL server for the tests of the schema kind: one per program, a database per test.
#pragma once

#include <cstdlib>
#include <string>

#include "schema/fixture.h"
#include "sql/postgresql/connection.h"
#include "support/postgresql_server.h"

namespace dunlin::schema {

class PostgresqlSchemaTest : public MigrationTest {
 protected:
  static testing::PostgresqlServer& server() {
    static testing::PostgresqlServer server;
    return server;
  }
  void SetUp() override {
    MigrationTest::SetUp();
    static int number = 0;
    database_ = "test" + std::to_string(++number);
    url_ = server().address(database_);
    on(server().address(), "CREATE DATABASE " + database_);
  }
  [[nodiscard]] std::string url() const override { return url_; }

  [[nodiscard]] static std::unique_ptr<sql::Connection> connect(const std::string& url) {
    auto address = sql::parse_server_address(url);
    EXPECT_TRUE(address.ok());
    auto connection = sql::connect_postgresql(*address, sql::Call{});
    EXPECT_TRUE(connection.ok()) << connection.error().text();
    return connection.ok() ? std::move(connection).value() : nullptr;
  }
  static void on(const std::string& url, const std::string& sql) {
    const auto connection = connect(url);
    ASSERT_NE(connection, nullptr);
    const auto done = connection->run(sql, sql::Call{});
    ASSERT_TRUE(done.ok()) << sql << ": " << done.error().text();
  }
  void exec(const std::string& sql) const { on(url_, sql); }
  /// The first column of every row, joined by blanks.
  [[nodiscard]] std::string text(const std::string& query) const {
    const auto connection = connect(url_);
    if (!connection) return "no connection";
    const auto rows = connection->query(query, sql::Call{});
    EXPECT_TRUE(rows.ok()) << query << ": " << rows.error().text();
    std::string result;
    if (!rows.ok()) return result;
    for (auto more = (*rows)->next(); more.ok() && *more; more = (*rows)->next()) {
      if (!result.empty()) result += ' ';
      result += (*rows)->text(0);
    }
    return result;
  }
  [[nodiscard]] std::string history() const {
    return text(R"(SELECT h."MigrationId" FROM public."__MigrationsHistory" h JOIN )"
                R"(public."__MigrationsHistoryLog" l ON l."MigrationId" = h."MigrationId" AND )"
                R"(l."Event" = 'done' AND l."Direction" = 'up' ORDER BY l."Sequence")");
  }
  [[nodiscard]] std::string events() const {
    return text(R"(SELECT "Event" || "Statement" FROM public."__MigrationsHistoryLog" )"
                R"(ORDER BY "Sequence")");
  }
  /// Tables, columns and indexes but dunlin's own, with whether an index can be used.
  [[nodiscard]] std::string schema() const {
    return text(
        "SELECT c.relname::text || c.relkind::text || coalesce((SELECT string_agg(a.attname || "
        "format_type(a.atttypid, a.atttypmod), ',' ORDER BY a.attnum) FROM pg_attribute a WHERE "
        "a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '') || coalesce((SELECT "
        "CASE WHEN i.indisvalid THEN '+' ELSE '-INVALID' END FROM pg_index i WHERE i.indexrelid = "
        "c.oid), '') FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relname "
        "!~ '^__Migrations' ORDER BY c.relname");
  }

  std::string database_;
  std::string url_;
};

}  // namespace dunlin::schema
