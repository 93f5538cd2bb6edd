// What is asked of a server by whichever way it is reached, and what tests of one connection share.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "sql/connection_conformance.h"
#include "support/scratch.h"

namespace dunlin::sql {

/// Ends the session by a statement of another one.
class ServerSubject : public ConnectionSubject {
 public:
  void cut(Connection& connection) override {
    const auto other = connect();
    ASSERT_TRUE(other.ok());
    const auto done = (*other)->run(ending(connection.session().process), Call{});
    EXPECT_TRUE(done.ok()) << done.error().text();
  }
  [[nodiscard]] bool somebody_works(Connection& asking) override {
    const auto count = query_text(asking, count_of_others(), Call{});
    return !count.ok() || *count != "0";
  }

 protected:
  [[nodiscard]] virtual std::string ending(std::int64_t process) const = 0;
  /// Of those that run a statement.
  [[nodiscard]] virtual std::string count_of_others() const = 0;
};

class OfPostgresql : public ServerSubject {
 public:
  [[nodiscard]] std::string long_query() const override { return "SELECT pg_sleep(60)"; }

 protected:
  [[nodiscard]] std::string ending(std::int64_t process) const override {
    return "SELECT pg_terminate_backend(" + std::to_string(process) + ")";
  }
  [[nodiscard]] std::string count_of_others() const override {
    return "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND backend_type = "
           "'client backend' AND pid <> pg_backend_pid()";
  }
};

class OfMariadb : public ServerSubject {
 public:
  [[nodiscard]] std::string long_query() const override { return "SELECT SLEEP(60)"; }

 protected:
  [[nodiscard]] std::string ending(std::int64_t process) const override {
    return "KILL " + std::to_string(process);
  }
  [[nodiscard]] std::string count_of_others() const override {
    return "SELECT count(*) FROM information_schema.processlist WHERE command IN ('Query', "
           "'Execute') AND id <> CONNECTION_ID()";
  }
};

class OfSqlite : public ConnectionSubject {
 public:
  [[nodiscard]] std::string long_query() const override {
    return "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c";
  }
  [[nodiscard]] bool somebody_works(Connection&) override { return false; }
  [[nodiscard]] bool can_be_cut() const override { return false; }
  void cut(Connection&) override {}

 protected:
  [[nodiscard]] std::string file() const { return scratch_.file("db"); }

 private:
  dunlin::testing::ScratchDirectory scratch_;
};

/// One connection, and what tests ask of it.
class OneConnection : public ::testing::Test {
 protected:
  void take(Result<std::unique_ptr<Connection>> connected) {
    ASSERT_TRUE(connected.ok()) << connected.error().text();
    connection_ = std::move(*connected);
  }
  Done run(std::string_view sql, std::span<const Parameter> parameters = {}) {
    const auto done = connection_->run(sql, Call{}, parameters);
    EXPECT_TRUE(done.ok()) << sql << ": " << done.error().text();
    return done.ok() ? *done : Done{};
  }
  std::string text(std::string_view sql, std::span<const Parameter> parameters = {}) {
    const auto found = query_text(*connection_, sql, Call{}, parameters);
    EXPECT_TRUE(found.ok()) << sql << ": " << found.error().text();
    return found.ok() ? found->value_or("NULL") : "error";
  }

  std::unique_ptr<Connection> connection_;
};

}  // namespace dunlin::sql
