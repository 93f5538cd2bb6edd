// Connections to a real MariaDB server: what every connection must do, and what is its own.
#include <cstdlib>
#include <set>

#include "sql/connection_subjects.h"
#include "sql/mariadb/connection.h"
#include "sql/mariadb/error_codes.h"
#include "support/mariadb_server.h"

namespace dunlin::sql {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// One for all tests of this program: made when the first asks.
dunlin::testing::MariadbServer& mariadb_server() {
  static dunlin::testing::MariadbServer server;
  return server;
}

Result<std::unique_ptr<Connection>> connect_to_mariadb(const std::string& url,
                                                       const Call& call = {}) {
  DUNLIN_ASSIGN(const ServerAddress address, parse_server_address(url));
  return connect_mariadb(address, call);
}

class MariadbSubject final : public OfMariadb {
 public:
  [[nodiscard]] Result<std::unique_ptr<Connection>> connect() override {
    DUNLIN_ASSIGN(const auto first, connect_to_mariadb(mariadb_server().address()));
    DUNLIN_ASSIGN(const Done made, first->run("CREATE DATABASE IF NOT EXISTS tests", Call{}));
    static_cast<void>(made);
    return connect_to_mariadb(mariadb_server().address("tests"));
  }
};

INSTANTIATE_TEST_SUITE_P(Mariadb, ConnectionConformance,
                         ::testing::Values([] { return std::make_shared<MariadbSubject>(); }));

class MariadbConnectionTest : public OneConnection {
 protected:
  void SetUp() override { take(MariadbSubject().connect()); }
};

TEST_F(MariadbConnectionTest, SaysItsVersionAndDatabase) {
  EXPECT_EQ(connection_->server().product, "MariaDB");
  EXPECT_GE(connection_->server().version_number, 101100);
  EXPECT_EQ(connection_->server().database, "tests");
  EXPECT_FALSE(connection_->server().pooled);
}

TEST_F(MariadbConnectionTest, ParametersComeThroughWhateverTheyHold) {
  for (const std::string& value :
       {std::string("it's"), std::string("back\\slash"), std::string("\"double\" `tick` ? $1"),
        std::string("line\nend\r\t\x1a"), std::string("-- comment /* */"),
        std::string("vi\xC3\xA8r \xF0\x9F\x90\xA6"), std::string()}) {
    const std::array parameters = {Parameter(value), Parameter()};
    EXPECT_EQ(text("SELECT ? /* ? */ -- ?\n", std::span(parameters).first(1)), value);
    EXPECT_EQ(text("SELECT concat('?', ?, coalesce(?, '!'))", parameters), "?" + value + "!");
  }
  run("SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES'");
  const std::array parameters = {Parameter("a\\'b")};
  EXPECT_EQ(text("SELECT ?", parameters), "a\\'b");
}

TEST_F(MariadbConnectionTest, APlaceWithoutAParameterIsADefect) {
  const std::array parameters = {Parameter("a")};
  EXPECT_EQ(connection_->run("SELECT ?, ?", Call{}, parameters).error().type, ErrorType::defect);
  EXPECT_EQ(connection_->run("SELECT 1", Call{}, parameters).error().type, ErrorType::defect);
}

TEST_F(MariadbConnectionTest, ProceduresWithSeveralResultsAreReadToTheirEnd) {
  run("DROP PROCEDURE IF EXISTS several");
  run("CREATE PROCEDURE several() BEGIN SELECT 1; SELECT 2; INSERT INTO nowhere VALUES (1); END");
  const auto done = connection_->run("CALL several()", Call{});
  ASSERT_FALSE(done.ok());
  EXPECT_THAT(done.error().message, HasSubstr("nowhere")) << "an error behind the first results";
  run("DROP PROCEDURE several");
  run("CREATE PROCEDURE several() BEGIN SELECT 1; SELECT 2; END");
  run("CALL several()");
  EXPECT_EQ(text("SELECT 3"), "3");
  EXPECT_EQ(text("CALL several()"), "1");
  EXPECT_EQ(text("SELECT 4"), "4");
}

TEST_F(MariadbConnectionTest, ALineOfAnErrorIsAPlaceInTheStatement) {
  const std::string sql = "SELECT 1,\n  2,\n  , FROM t";
  ASSERT_FALSE(connection_->run(sql, Call{}).ok());
  EXPECT_EQ(connection_->error_position(), static_cast<std::int64_t>(sql.rfind('\n')) + 2);
}

TEST_F(MariadbConnectionTest, WarningsAreHandedOver) {
  run("DROP TABLE IF EXISTS w");
  run("CREATE TABLE w (a TINYINT)");
  run("SET SESSION sql_mode = ''");
  const Done done = run("INSERT INTO w VALUES (1000)");
  ASSERT_EQ(done.notices.size(), 1U);
  EXPECT_THAT(done.notices.front(), HasSubstr("Out of range"));
}

TEST_F(MariadbConnectionTest, ALateKillDoesNotEndTheNextStatement) {
  for (int i = 0; i < 50; ++i) {
    CancelSource source;
    std::thread later([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(200 * (i % 10)));
      source.request(CancelReason::cancel);
    });
    const auto done = connection_->run("SELECT SLEEP(0.001)", Call{source.token(), {}});
    static_cast<void>(done.ok());
    later.join();
    ASSERT_EQ(text("SELECT 1"), "1") << i;
  }
}

TEST_F(MariadbConnectionTest, APasswordIsAskedForAndNeverShown) {
  run("CREATE OR REPLACE USER clerk@'127.0.0.1' IDENTIFIED BY 'hunter2'");
  run("GRANT ALL ON tests.* TO clerk@'127.0.0.1'");
  const std::string url = mariadb_server().tcp_address("clerk", "tests");
  const auto without = connect_to_mariadb(url);
  ASSERT_FALSE(without.ok());
  EXPECT_EQ(without.error().type, ErrorType::auth_failure);
  EXPECT_THAT(without.error().remediation, HasSubstr("password=env:NAME"));
  ::setenv("DUNLIN_TEST_PASSWORD", "hunter2", 1);
  const auto with = connect_to_mariadb(url + "?password=env:DUNLIN_TEST_PASSWORD");
  ASSERT_TRUE(with.ok()) << with.error().text();
  ::setenv("DUNLIN_TEST_PASSWORD", "wrong", 1);
  const auto wrong = connect_to_mariadb(url + "?password=env:DUNLIN_TEST_PASSWORD");
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().type, ErrorType::auth_failure);
  EXPECT_THAT(wrong.error().text(), Not(HasSubstr("wrong")));
}

TEST_F(MariadbConnectionTest, WhatIsNotThereIsToldApart) {
  EXPECT_EQ(connect_to_mariadb(mariadb_server().address("nobody_made_this")).error().type,
            ErrorType::not_found);
  EXPECT_EQ(connect_to_mariadb("mysql://root@127.0.0.1:1/x").error().type,
            ErrorType::endpoint_unreachable);
  EXPECT_EQ(connect_to_mariadb(mariadb_server().address() + "&ssl_mode=perhaps").error().type,
            ErrorType::invalid_input);
  EXPECT_EQ(connect_to_mariadb(mariadb_server().address() + "&charset=latin1").error().type,
            ErrorType::invalid_input);
}

TEST(MariadbCodes, EachStandsOnceAndHasItsType) {
  std::set<unsigned int> codes;
  for (const MariadbCodeInfo& row : mariadb_code_table())
    EXPECT_TRUE(codes.insert(row.code).second) << row.code;
  EXPECT_EQ(error_type_of_mariadb(1213, "40001"), ErrorType::deadlock_detected);
  EXPECT_EQ(error_type_of_mariadb(9999, "23000"), ErrorType::constraint_violation);
  EXPECT_EQ(error_type_of_mariadb(9999, "HY000"), ErrorType::invalid_data);
}

}  // namespace
}  // namespace dunlin::sql
