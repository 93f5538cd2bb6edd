// A MariaDB server for the tests of the schema kind: one per program, a database per test.
#pragma once

#include <string>

#include "schema/fixture.h"
#include "sql/mariadb/connection.h"
#include "support/mariadb_server.h"

namespace dunlin::schema {

class MariadbSchemaTest : public MigrationTest {
 protected:
  static testing::MariadbServer& server() {
    static testing::MariadbServer server;
    return server;
  }
  void SetUp() override {
    MigrationTest::SetUp();
    static int number = 0;
    database_ = "test" + std::to_string(++number);
    on(server().address(), "CREATE DATABASE " + database_);
  }
  [[nodiscard]] std::string url() const override { return server().address(database_); }

  [[nodiscard]] static std::unique_ptr<sql::Connection> connect(const std::string& url) {
    auto address = sql::parse_server_address(url);
    EXPECT_TRUE(address.ok());
    auto connection = sql::connect_mariadb(*address, sql::Call{});
    EXPECT_TRUE(connection.ok()) << connection.error().text();
    return connection.ok() ? std::move(connection).value() : nullptr;
  }
  static void on(const std::string& url, const std::string& sql) {
    const auto connection = connect(url);
    ASSERT_NE(connection, nullptr);
    const auto done = connection->run(sql, sql::Call{});
    ASSERT_TRUE(done.ok()) << sql << ": " << done.error().text();
  }
  void exec(const std::string& sql) const { on(url(), sql); }
  /// The first column of every row, joined by blanks.
  [[nodiscard]] std::string text(const std::string& query) const {
    const auto connection = connect(url());
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
    return text(
        "SELECT h.MigrationId FROM __MigrationsHistory h JOIN __MigrationsHistoryLog l ON "
        "l.MigrationId = h.MigrationId AND l.Event = 'done' AND l.Direction = 'up' ORDER BY "
        "l.Sequence");
  }
  [[nodiscard]] std::string events() const {
    return text("SELECT concat(Event, Statement) FROM __MigrationsHistoryLog ORDER BY Sequence");
  }
  /// Tables with their columns, indexes and routines, but dunlin's own.
  [[nodiscard]] std::string schema() const {
    return text(
        "SELECT concat(table_name, '(', group_concat(column_name, ' ', column_type ORDER BY "
        "ordinal_position), ')') FROM information_schema.columns WHERE table_schema = DATABASE() "
        "AND table_name NOT LIKE '\\\\_\\\\_Migrations%' GROUP BY table_name UNION ALL SELECT "
        "concat(table_name, '.', index_name, '(', group_concat(column_name ORDER BY "
        "seq_in_index), ')') FROM information_schema.statistics WHERE table_schema = DATABASE() "
        "AND table_name NOT LIKE '\\\\_\\\\_Migrations%' GROUP BY table_name, index_name UNION ALL "
        "SELECT routine_name FROM information_schema.routines WHERE routine_schema = DATABASE() "
        "ORDER BY 1");
  }

  std::string database_;
};

}  // namespace dunlin::schema
