// Empty databases for tests of the model: made on the real servers of this program, gone with the
// test.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sql/database_address.h"
#include "sql/model/create.h"
#include "sql/model/differences.h"
#include "sql/model/read_catalogue.h"
#include "sql/sqlite_connection.h"
#include "support/mariadb_server.h"
#include "support/postgresql_server.h"
#include "support/scratch.h"

namespace dunlin::sql::model {

inline dunlin::testing::PostgresqlServer& model_postgresql() {
  static dunlin::testing::PostgresqlServer server;
  return server;
}
inline dunlin::testing::MariadbServer& model_mariadb() {
  static dunlin::testing::MariadbServer server;
  return server;
}

inline std::unique_ptr<Connection> open_database(const std::string& url) {
  auto address = parse_database_address(url);
  if (!address.ok()) throw std::runtime_error(address.error().text());
  auto connection = connect_database(*address, Call{}, true);
  if (!connection.ok()) throw std::runtime_error(connection.error().text());
  return std::move(*connection);
}

class EmptyDatabase {
 public:
  explicit EmptyDatabase(Dialect dialect) : dialect_(dialect) {
    static int count = 0;
    name_ = "model" + std::to_string(++count);
    switch (dialect) {
      case Dialect::postgresql:
        admin_ = open_database(model_postgresql().address());
        run_on(*admin_, "CREATE DATABASE " + name_);
        connection_ = open_database(model_postgresql().address(name_));
        break;
      case Dialect::mysql:
        admin_ = open_database(model_mariadb().address());
        run_on(*admin_, "CREATE DATABASE " + name_ + " CHARACTER SET utf8mb4");
        connection_ = open_database(model_mariadb().address(name_));
        break;
      default:
        connection_ = open_database("sqlite:" + scratch_.file("db"));
        break;
    }
  }
  ~EmptyDatabase() {
    connection_.reset();
    if (admin_)
      admin_->run("DROP DATABASE " + name_, Call{}).ignore("the server goes with the program");
  }
  EmptyDatabase(const EmptyDatabase&) = delete;
  EmptyDatabase& operator=(const EmptyDatabase&) = delete;

  [[nodiscard]] Connection& connection() { return *connection_; }
  [[nodiscard]] Dialect dialect() const { return dialect_; }

  [[nodiscard]] std::unique_ptr<Connection> another() const {
    return open_database(model_postgresql().address(name_));
  }
  void run(const std::string& sql) { run_on(*connection_, sql); }
  void run_all(const std::vector<std::string>& statements) {
    for (const std::string& sql : statements) run(sql);
  }
  void make(const Catalogue& catalogue, std::vector<Remark>* remarks = nullptr) {
    auto script = create_statements(catalogue, dialect_);
    ASSERT_TRUE(script.ok()) << script.error().text();
    run_all(script->before_data);
    run_all(script->after_data);
    if (remarks != nullptr) *remarks = script->remarks;
  }
  [[nodiscard]] Catalogue read(const Scope& scope = {}) {
    auto catalogue = read_catalogue(*connection_, scope, Call{});
    EXPECT_TRUE(catalogue.ok()) << catalogue.error().text();
    return catalogue.ok() ? std::move(*catalogue) : Catalogue{};
  }
  /// Empty again: quicker than another one.
  void clear() {
    if (dialect_ == Dialect::postgresql) {
      run("DROP SCHEMA public CASCADE");
      run("CREATE SCHEMA public");
    } else {
      run("DROP DATABASE " + name_);
      run("CREATE DATABASE " + name_ + " CHARACTER SET utf8mb4");
      run("USE " + name_);
    }
  }
  /// The statement that was refused, and why; nullopt: none was.
  [[nodiscard]] std::optional<std::string> try_to_make(const Catalogue& catalogue) {
    const auto script = create_statements(catalogue, dialect_);
    if (!script.ok()) return script.error().text();
    for (const auto* const list : {&script->before_data, &script->after_data})
      for (const std::string& sql : *list)
        if (const auto done = connection_->run(sql, Call{}); !done.ok())
          return sql + "\n" + done.error().text();
    return std::nullopt;
  }

 private:
  static void run_on(Connection& connection, const std::string& sql) {
    const auto done = connection.run(sql, Call{});
    EXPECT_TRUE(done.ok()) << sql << "\n" << (done.ok() ? "" : done.error().text());
  }

  Dialect dialect_;
  dunlin::testing::ScratchDirectory scratch_ = dunlin::testing::ScratchDirectory::in_memory();
  std::string name_;
  std::unique_ptr<Connection> admin_;
  std::unique_ptr<Connection> connection_;
};

inline std::string lines_of(const std::vector<Difference>& found) {
  std::string out;
  for (const Difference& one : found) out += one.line() + "\n";
  return out;
}

/// What is made from the first reading reads as the first.
inline Catalogue expect_round_trip(Dialect dialect, const std::vector<std::string>& statements,
                                   std::vector<Remark>* remarks = nullptr) {
  EmptyDatabase first(dialect);
  first.run_all(statements);
  const Catalogue before = first.read();
  EmptyDatabase second(dialect);
  second.make(before, remarks);
  const Catalogue after = second.read();
  EXPECT_EQ(lines_of(differences(before, after)), "");
  EXPECT_TRUE(before == after);
  const auto one = fingerprint(before);
  const auto other = fingerprint(after);
  EXPECT_TRUE(one.ok() && other.ok() && *one == *other);
  return before;
}

}  // namespace dunlin::sql::model
