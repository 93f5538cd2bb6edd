// What every Connection must do, asked of real servers.
//
//   class MySubject : public ConnectionSubject { … };
//   INSTANTIATE_TEST_SUITE_P(My, ConnectionConformance, ::testing::Values(&make_my_subject));
//
// The tests are in connection_conformance.cpp, once in the program however its sources are grouped.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sql/connection.h"
#include "support/process.h"

namespace dunlin::sql {

class ConnectionSubject {
 public:
  virtual ~ConnectionSubject() = default;
  [[nodiscard]] virtual Result<std::unique_ptr<Connection>> connect() = 0;
  /// One row with one column, after a minute.
  [[nodiscard]] virtual std::string long_query() const = 0;
  /// Whether any other session of the server runs a statement just now.
  [[nodiscard]] virtual bool somebody_works(Connection& asking) = 0;
  /// False: there is no server that could be gone. Declared, not assumed.
  [[nodiscard]] virtual bool can_be_cut() const { return true; }
  /// Ends the session from outside.
  virtual void cut(Connection& connection) = 0;
};

class ConnectionConformance
    : public ::testing::TestWithParam<std::function<std::shared_ptr<ConnectionSubject>()>> {
 protected:
  void SetUp() override {
    subject_ = GetParam()();
    connection_ = connect();
    ASSERT_NE(connection_, nullptr);
    run("DROP TABLE IF EXISTS t");
    run("CREATE TABLE t (a INTEGER PRIMARY KEY, b VARCHAR(200))");
  }
  [[nodiscard]] std::unique_ptr<Connection> connect() const {
    auto connection = subject_->connect();
    EXPECT_TRUE(connection.ok()) << connection.error().text();
    return connection.ok() ? std::move(*connection) : nullptr;
  }
  /// MariaDB calls a session busy for a moment after it has answered. Far less than long_query().
  [[nodiscard]] bool nobody_works_any_more() const {
    constexpr auto kPatience = std::chrono::seconds(20);
    return dunlin::testing::eventually([&] { return !subject_->somebody_works(*connect()); },
                                       kPatience);
  }
  Done run(std::string_view sql) {
    const auto done = connection_->run(sql, Call{});
    EXPECT_TRUE(done.ok()) << sql << ": " << done.error().text();
    return done.ok() ? *done : Done{};
  }
  [[nodiscard]] Error error_of(std::string_view sql, const Call& call = {}) {
    const auto done = connection_->run(sql, call);
    EXPECT_FALSE(done.ok()) << sql;
    return done.ok() ? Error() : done.error();
  }
  [[nodiscard]] std::string text(std::string_view sql) {
    const auto found = query_text(*connection_, sql, Call{});
    EXPECT_TRUE(found.ok()) << sql << ": " << found.error().text();
    return found.ok() ? found->value_or("NULL") : "error";
  }

  std::shared_ptr<ConnectionSubject> subject_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace dunlin::sql
