// Connections to a real PostgreSQL server: what every connection must do, and what is its own.
#include <thread>

#include "sql/connection_subjects.h"
#include "sql/postgresql/connection.h"
#include "sql/postgresql/sqlstate.h"
#include "support/other_postgresql.h"
#include "support/postgresql_server.h"

namespace dunlin::sql {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

/// One for all tests of this program: made when the first asks.
dunlin::testing::PostgresqlServer& server() {
  static dunlin::testing::PostgresqlServer server;
  return server;
}

Result<std::unique_ptr<Connection>> connect_to(const std::string& url, const Call& call = {}) {
  DUNLIN_ASSIGN(const ServerAddress address, parse_server_address(url));
  return connect_postgresql(address, call);
}

class PostgresqlSubject final : public OfPostgresql {
 public:
  [[nodiscard]] Result<std::unique_ptr<Connection>> connect() override {
    return connect_to(server().address());
  }
};

INSTANTIATE_TEST_SUITE_P(Postgresql, ConnectionConformance,
                         ::testing::Values([] { return std::make_shared<PostgresqlSubject>(); }));

class PostgresqlConnectionTest : public OneConnection {
 protected:
  void SetUp() override { take(connect_to(server().address())); }
};

TEST_F(PostgresqlConnectionTest, SaysItsVersionAndDatabase) {
  EXPECT_EQ(connection_->server().product, "PostgreSQL");
  EXPECT_GE(connection_->server().version_number, 150000);
  if (const char* const wanted = std::getenv("DUNLIN_TEST_POSTGRESQL")) {
    EXPECT_EQ(connection_->server().version_number / 10000, std::atoi(wanted));
  }
  EXPECT_EQ(connection_->server().database, "postgres");
  EXPECT_EQ(connection_->server().user, "owner");
  EXPECT_EQ(std::to_string(connection_->session().process), text("SELECT pg_backend_pid()"));
}

TEST_F(PostgresqlConnectionTest, ParametersAreNeverPartOfTheStatement) {
  const std::vector<Parameter> parameters = {"'; DROP TABLE t; --", std::nullopt, "7"};
  EXPECT_EQ(text("SELECT $1::text || coalesce($2::text, '-') || ($3::int + 1)", parameters),
            "'; DROP TABLE t; ---8");
}

TEST_F(PostgresqlConnectionTest, AnErrorHasCodePlaceAndHint) {
  const auto failed = connection_->run("SELECT lenght('x')", Call{});
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().native.domain, "sqlstate");
  EXPECT_EQ(failed.error().native.code, "42883");
  EXPECT_EQ(connection_->error_position(), 8);
  EXPECT_THAT(failed.error().remediation, HasSubstr("No function matches"));
  run("SELECT 1");
  EXPECT_EQ(connection_->error_position(), 0);
}

TEST_F(PostgresqlConnectionTest, ThePlaceOfAnErrorCountsCharacters) {  // trap 10
  const auto failed = connection_->run("SELECT '\xC3\xA9\xC3\xA9', nobody", Call{});
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(connection_->error_position(), 14);
}

TEST_F(PostgresqlConnectionTest, AStatementWhileRowsAreReadIsADefectAndHarmsThemNot) {
  const auto rows = connection_->query("SELECT generate_series(1, 3)", Call{});
  ASSERT_TRUE(rows.ok());
  ASSERT_TRUE(*(*rows)->next());
  const auto too = connection_->run("SELECT 1", Call{});
  ASSERT_FALSE(too.ok());
  EXPECT_EQ(too.error().type, ErrorType::defect);
  EXPECT_FALSE(too.error().possibly_applied) << "it was never sent";
  ASSERT_TRUE(*(*rows)->next());
  EXPECT_EQ((*rows)->text(0), "2");
}

TEST_F(PostgresqlConnectionTest, AFailedTransactionSaysSo) {
  run("BEGIN");
  EXPECT_FALSE(connection_->run("SELECT 1/0", Call{}).ok());
  EXPECT_EQ(connection_->transaction(), TransactionState::failed);
  EXPECT_EQ(connection_->run("SELECT 1", Call{}).error().type, ErrorType::invalid_state);
  ASSERT_TRUE(connection_->reset(Call{}).ok());
  EXPECT_EQ(connection_->transaction(), TransactionState::none);
}

TEST_F(PostgresqlConnectionTest, NoticesAreHandedOver) {
  EXPECT_THAT(run("DO $$ BEGIN RAISE NOTICE 'look; %', 1; RAISE WARNING 'here'; END $$").notices,
              ElementsAre("NOTICE: look; 1", "WARNING: here"));
  EXPECT_THAT(run("SELECT 1").notices, ElementsAre());
}

TEST_F(PostgresqlConnectionTest, TakesTheDataOfACopy) {  // trap 9
  run("CREATE TEMPORARY TABLE c (a int, b text)");
  const auto copied = connection_->copy_in("COPY c FROM stdin", "1\tone;'\n2\t\\N\n3\t\n", Call{});
  ASSERT_TRUE(copied.ok()) << copied.error().text();
  EXPECT_EQ(copied->affected, 3);
  EXPECT_EQ(text("SELECT string_agg(coalesce(b, 'NULL'), ',' ORDER BY a) FROM c"), "one;',NULL,");
  std::string many;
  for (int i = 0; i < 200000; ++i) many += std::to_string(i) + "\tsome text of a row\n";
  EXPECT_EQ(connection_->copy_in("COPY c FROM stdin", many, Call{})->affected, 200000);
  const auto bad = connection_->copy_in("COPY c FROM stdin", "1\tx\nno number\ty\n", Call{});
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().native.code, "22P02");
  EXPECT_FALSE(connection_->copy_in("SELECT 1", "x", Call{}).ok());
  EXPECT_FALSE(connection_->run("COPY c FROM stdin", Call{}).ok());
  EXPECT_FALSE(connection_->run("COPY c TO stdout", Call{}).ok());
  for (const char* copy : {"COPY c FROM stdin", "COPY c TO stdout", ""}) {
    const auto rows = connection_->query(copy, Call{});
    ASSERT_FALSE(rows.ok());
    EXPECT_EQ(rows.error().type, ErrorType::invalid_input) << copy;
  }
  EXPECT_EQ(text("SELECT count(*) FROM c"), "200003") << "it goes on";
}

TEST_F(PostgresqlConnectionTest, ResetGivesBackLocksAndSettings) {  // trap 34
  run("SELECT pg_advisory_lock(4711)");
  run("SELECT set_config('search_path', '', false)");
  run("SET ROLE pg_monitor");
  run("PREPARE p AS SELECT 1");
  ASSERT_TRUE(connection_->reset(Call{}).ok());
  EXPECT_EQ(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), "0");
  EXPECT_EQ(text("SHOW search_path"), "\"$user\", public");
  EXPECT_EQ(text("SELECT current_user"), "owner");
  EXPECT_EQ(text("SHOW client_connection_check_interval"), "2s") << "ours are there again";
}

TEST_F(PostgresqlConnectionTest, WhatWasPreparedMayBeTakenAwayByAnyStatement) {
  const std::vector<Request> ask = {{"SELECT $1::int + 1", {"4"}, true, true}};
  const std::vector<Request> begin = {{"BEGIN"}, ask.front()};
  for (int i = 0; i < 3; ++i) {
    const auto answers = connection_->run_all(i == 2 ? begin : ask, Call{});
    ASSERT_TRUE(answers.ok()) << answers.error().text();
    EXPECT_EQ(answers->back(), "5");
    run("DEALLOCATE ALL");
  }
  const auto within = connection_->run_all(ask, Call{});
  ASSERT_FALSE(within.ok()) << "what the transaction has done would be lost without a word";
  EXPECT_EQ(within.error().native.code, "26000");
  EXPECT_EQ(connection_->transaction(), TransactionState::failed);
  run("ROLLBACK");
  EXPECT_EQ(connection_->run_all(ask, Call{})->back(), "5");
}

TEST_F(PostgresqlConnectionTest, AWaitForALockThatTakesTooLongIsToldApart) {
  run("CREATE TABLE IF NOT EXISTS locked (a int)");
  run("BEGIN");
  run("LOCK TABLE locked");
  auto other = connect_to(server().address());
  ASSERT_TRUE(other.ok());
  ASSERT_TRUE((*other)->run("SET lock_timeout = '100ms'", Call{}).ok());
  const auto waited = (*other)->run("SELECT * FROM locked", Call{});
  ASSERT_FALSE(waited.ok());
  EXPECT_EQ(waited.error().type, ErrorType::database_locked);
}

/// Whom the server's own settings or another person ended was not cancelled by us.
TEST_F(PostgresqlConnectionTest, AStatementTimeoutOfTheServerIsNoRequestOfOurs) {  // trap 33
  run("SET statement_timeout = '100ms'");
  const auto ended = connection_->run("SELECT pg_sleep(60)", Call{});
  ASSERT_FALSE(ended.ok());
  EXPECT_EQ(ended.error().type, ErrorType::temporary_failure);
  EXPECT_EQ(ended.error().native.code, "57014");
  EXPECT_THAT(ended.error().message, HasSubstr("statement timeout"));
}

TEST_F(PostgresqlConnectionTest, KnowsThatItMayOnlyRead) {
  run("DROP DATABASE IF EXISTS only_read");
  run("CREATE DATABASE only_read");
  run("ALTER DATABASE only_read SET default_transaction_read_only = on");
  const auto other = connect_to(server().address("only_read"));
  ASSERT_TRUE(other.ok()) << other.error().text();
  EXPECT_TRUE((*other)->server().read_only);
  EXPECT_EQ((*other)->run("CREATE TABLE x (a int)", Call{}).error().type,
            ErrorType::read_only_destination);
}

TEST_F(PostgresqlConnectionTest, WhyNobodyIsThereIsSaidWithoutThePassword) {
  run("DROP ROLE IF EXISTS guest");
  run("CREATE ROLE guest LOGIN PASSWORD 'right'");
  const std::string tcp = server().tcp_address("guest", "postgres");
  const auto with = [&](const std::string& password) {
    std::string url = tcp;
    return url.replace(url.find("guest"), 5, "guest:" + password);
  };
  EXPECT_TRUE(connect_to(with("right")).ok());

  const Error wrong = connect_to(with("canary")).error();
  EXPECT_EQ(wrong.type, ErrorType::auth_failure) << wrong.text();
  EXPECT_EQ(wrong.native.code, "28P01");
  EXPECT_THAT(wrong.text(), Not(HasSubstr("canary")));
  EXPECT_THAT(wrong.text(), HasSubstr("postgres://guest@127.0.0.1"));

  const Error none = connect_to(tcp).error();
  EXPECT_EQ(none.type, ErrorType::auth_failure);
  EXPECT_THAT(none.remediation, HasSubstr("?password=env:NAME"));

  EXPECT_EQ(connect_to(server().address("nobody")).error().type, ErrorType::not_found);
  EXPECT_EQ(connect_to("postgres://u@127.0.0.1:1/d").error().type, ErrorType::endpoint_unreachable);
  EXPECT_EQ(connect_to("postgres:///d?host=/nowhere").error().type,
            ErrorType::endpoint_unreachable);
}

TEST_F(PostgresqlConnectionTest, AServerThatIsKilledIsNoticedAndComesBack) {
  run("CREATE TABLE IF NOT EXISTS kept (a int)");
  server().kill();
  const auto gone = connection_->run("SELECT 1", Call{});
  ASSERT_FALSE(gone.ok());
  EXPECT_EQ(gone.error().type, ErrorType::connection_reset);
  EXPECT_EQ(connect_to(server().address()).error().type, ErrorType::endpoint_unreachable);
  server().start();
  SetUp();
  EXPECT_EQ(text("SELECT count(*) FROM kept"), "0");
}

TEST(OnPostgresql18, ConnectionsConform) {
  dunlin::testing::expect_on_postgresql(18, "Postgresql/ConnectionConformance.*", 11);
}
TEST(OnPostgresql18, ConnectionsDoWhatIsTheirOwn) {
  dunlin::testing::expect_on_postgresql(18, "PostgresqlConnectionTest.*", 14);
}

TEST(Sqlstate, EachRowOfTheTable) {
  for (const SqlstateInfo& row : sqlstate_table())
    EXPECT_EQ(error_type_of_sqlstate(row.state), row.type) << row.state;
  EXPECT_EQ(error_type_of_sqlstate("23505"), ErrorType::constraint_violation) << "by its class";
  EXPECT_EQ(error_type_of_sqlstate("08006"), ErrorType::connection_reset);
  EXPECT_EQ(error_type_of_sqlstate("42P01"), ErrorType::invalid_data);
  EXPECT_EQ(error_type_of_sqlstate("ZZ999"), ErrorType::invalid_data);
  EXPECT_EQ(error_type_of_sqlstate("40P01"), ErrorType::deadlock_detected) << "before its class";
}

}  // namespace
}  // namespace dunlin::sql
