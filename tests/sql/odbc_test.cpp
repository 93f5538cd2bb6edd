// Connections through drivers of ODBC to real servers: what every connection must do, and what is
// their own.
#include <glob.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "base/clock.h"
#include "sql/connection_subjects.h"
#include "sql/odbc/connection.h"
#include "support/mariadb_server.h"
#include "support/postgresql_server.h"
#include "support/scratch.h"

#ifdef __SANITIZE_ADDRESS__
// psqlodbc 13 keeps some 380 bytes of each statement that was prepared, and nobody else can free
// them.
extern "C" const char* __lsan_default_suppressions();  // NOLINT(bugprone-reserved-identifier)
extern "C" const char* __lsan_default_suppressions() {
  return "leak:psqlodbc\n";
}
#endif

namespace dunlin::sql {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

/// Where Debian puts a driver, whatever the architecture; no odbc.ini is needed then.
std::string driver_file(const std::string& name) {
  glob_t found{};
  std::string path;
  if (::glob(("/usr/lib/*/odbc/" + name).c_str(), 0, nullptr, &found) == 0)
    path = found.gl_pathv[0];
  ::globfree(&found);
  if (path.empty()) ADD_FAILURE() << name << " is not installed; try: ./dev setup test";
  return path;
}

dunlin::testing::PostgresqlServer& postgresql_behind_odbc() {
  static dunlin::testing::PostgresqlServer server;
  return server;
}
dunlin::testing::MariadbServer& mariadb_behind_odbc() {
  static dunlin::testing::MariadbServer server;
  return server;
}

std::string odbc_postgresql_url(const std::string& database = "postgres") {
  auto& server = postgresql_behind_odbc();
  return "odbc:Driver=" + driver_file("psqlodbcw.so") + ";Server=" + server.sockets() +
         ";Port=" + std::to_string(server.port()) + ";UID=owner;Database=" + database;
}
std::string odbc_mariadb_url(const std::string& database) {
  return "odbc:Driver=" + driver_file("libmaodbc.so") +
         ";Socket=" + mariadb_behind_odbc().socket_file() + ";UID=root;Database=" + database;
}
std::string odbc_sqlite_url(const std::string& file) {
  return "odbc:Driver=" + driver_file("libsqlite3odbc.so") + ";Database=" + file;
}

Result<std::unique_ptr<Connection>> connect_by_odbc(const std::string& url, const Call& call = {}) {
  DUNLIN_ASSIGN(const OdbcAddress address, parse_odbc_address(url));
  return connect_odbc(address, call);
}

std::int64_t peak_kib() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line))
    if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6));
  return 0;
}

class OdbcPostgresqlSubject final : public OfPostgresql {
 public:
  [[nodiscard]] Result<std::unique_ptr<Connection>> connect() override {
    return connect_by_odbc(odbc_postgresql_url());
  }
};

class OdbcMariadbSubject final : public OfMariadb {
 public:
  [[nodiscard]] Result<std::unique_ptr<Connection>> connect() override {
    DUNLIN_ASSIGN(const auto first, connect_by_odbc(odbc_mariadb_url("mysql")));
    DUNLIN_TRY(run_only(*first, "CREATE DATABASE IF NOT EXISTS tests", Call{}));
    return connect_by_odbc(odbc_mariadb_url("tests"));
  }
};

class OdbcSqliteSubject final : public OfSqlite {
 public:
  [[nodiscard]] Result<std::unique_ptr<Connection>> connect() override {
    return connect_by_odbc(odbc_sqlite_url(file()));
  }
};

INSTANTIATE_TEST_SUITE_P(OdbcPostgresql, ConnectionConformance, ::testing::Values([] {
                           return std::make_shared<OdbcPostgresqlSubject>();
                         }));
INSTANTIATE_TEST_SUITE_P(OdbcMariadb, ConnectionConformance,
                         ::testing::Values([] { return std::make_shared<OdbcMariadbSubject>(); }));
INSTANTIATE_TEST_SUITE_P(OdbcSqlite, ConnectionConformance,
                         ::testing::Values([] { return std::make_shared<OdbcSqliteSubject>(); }));

class OdbcTest : public OneConnection {
 protected:
  void connect(const std::string& url) { take(connect_by_odbc(url)); }
  Error error_of(std::string_view sql) {
    const auto found = query_text(*connection_, sql, Call{});
    EXPECT_FALSE(found.ok()) << sql;
    return found.ok() ? Error() : found.error();
  }
  /// How much more memory the process has needed, while it reads so many rows.
  std::int64_t kib_to_read(std::string_view sql, std::int64_t rows_wanted) {
    std::ofstream("/proc/self/clear_refs") << 5;  // the peak begins anew
    const std::int64_t before = peak_kib();
    const auto rows = connection_->query(sql, Call{});
    EXPECT_TRUE(rows.ok()) << rows.error().text();
    if (!rows.ok()) return 0;
    std::int64_t count = 0;
    while (true) {
      const auto more = (*rows)->next();
      EXPECT_TRUE(more.ok()) << more.error().text();
      if (!more.ok() || !*more) break;
      ++count;
    }
    EXPECT_EQ(count, rows_wanted);
#ifdef __SANITIZE_ADDRESS__
    static_cast<void>(before);
    return 0;  // it keeps for itself what was given back
#else
    return peak_kib() - before;
#endif
  }
  void parameters_come_through(const std::string& place) {
    for (const std::string& value :
         {std::string("it's"), std::string("back\\slash"), std::string("\"dou\" `tick` ? $1 {x}"),
          std::string("line\nend\r\t\x1a"), std::string("-- comment /* */; SELECT 2"),
          std::string("vi\xC3\xA8r \xF0\x9F\x90\xA6"), std::string()}) {
      const std::array parameters = {Parameter(value)};
      EXPECT_EQ(text("SELECT " + place + " /* x */ -- y\n", parameters), value);
    }
    const std::string large(3 << 20, 'x');
    EXPECT_TRUE(text("SELECT " + place, std::array{Parameter(large)}) == large)
        << "a long value, in pieces";
    EXPECT_EQ(text("SELECT " + place, std::array{Parameter()}), "NULL");
    EXPECT_EQ(connection_->run("SELECT 1", Call{}, std::array{Parameter("a")}).error().type,
              ErrorType::defect);
    EXPECT_EQ(connection_->run("SELECT \xFF", Call{}).error().type, ErrorType::invalid_input);
  }
};

class OdbcPostgresqlTest : public OdbcTest {
 protected:
  void SetUp() override { connect(odbc_postgresql_url()); }
};
class OdbcMariadbTest : public OdbcTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(OdbcMariadbSubject().connect().ok());
    connect(odbc_mariadb_url("tests"));
  }
};
class OdbcSqliteTest : public OdbcTest {
 protected:
  void SetUp() override { connect(odbc_sqlite_url(scratch_.file("db"))); }
  dunlin::testing::ScratchDirectory scratch_;
};

TEST_F(OdbcPostgresqlTest, SaysItsVersionAndDatabase) {
  EXPECT_EQ(connection_->dialect(), Dialect::postgresql);
  EXPECT_EQ(connection_->server().product, "PostgreSQL");
  EXPECT_GE(connection_->server().version_number, 150000);
  EXPECT_EQ(connection_->server().database, "postgres");
  EXPECT_EQ(connection_->server().user, "owner");
  EXPECT_EQ(std::to_string(connection_->session().process), text("SELECT pg_backend_pid()"));
}

TEST_F(OdbcPostgresqlTest, ParametersComeThroughWhateverTheyHold) {
  parameters_come_through("$1::text");
  run("SET standard_conforming_strings = off");
  EXPECT_EQ(text("SELECT $1::text", std::array{Parameter("a\\'b")}), "a\\'b");
  EXPECT_EQ(text("SELECT $2::int + $1::int * 10", std::array{Parameter("4"), Parameter("2")}),
            "42");
}

TEST_F(OdbcPostgresqlTest, ValuesAreThoseThatTheServerWrites) {
  EXPECT_EQ(text("SELECT true"), "t");
  EXPECT_EQ(text("SELECT '\\x0001ff'::bytea"), "\\x0001ff");
  EXPECT_EQ(text("SELECT 0.1::float8 + 0.2"), "0.30000000000000004");
  EXPECT_EQ(text("SELECT ARRAY['a', NULL]"), "{a,NULL}");
  EXPECT_EQ(text("SELECT timestamp '2020-01-02 03:04:05.123456'"), "2020-01-02 03:04:05.123456");
  EXPECT_EQ(text("SELECT $$a ? {fn now()}$$"), "a ? {fn now()}");
  run("SET TimeZone = 'Asia/Kolkata'");
  EXPECT_EQ(text("SELECT timestamptz '2020-01-02 03:04:05+00';"), "2020-01-02 08:34:05+05:30");
  EXPECT_EQ(text("SELECT date 'infinity' -- x"), "infinity");
  EXPECT_EQ(text("SELECT timestamp '-infinity'"), "-infinity");
  EXPECT_EQ(text("SELECT date '0044-03-15 BC'"), "0044-03-15 BC");
  const auto rows = connection_->query("SELECT 1 AS a, current_date AS \"b c\"", Call{});
  ASSERT_TRUE(rows.ok()) << rows.error().text();
  EXPECT_EQ((*rows)->name(1), "b c");
  ASSERT_TRUE(*(*rows)->next());
  ASSERT_FALSE(*(*rows)->next());
  run("CREATE TEMPORARY TABLE d (a date)");
  const Error refused = error_of("INSERT INTO d VALUES ('infinity') RETURNING a");
  EXPECT_EQ(refused.type, ErrorType::unsupported_item) << "the driver would show 0000-00-00";
  EXPECT_THAT(refused.message, HasSubstr("::text"));
  EXPECT_EQ(text("SELECT count(*) FROM d"), "0");
  EXPECT_EQ(text("SELECT 1"), "1") << "it goes on";
}

TEST_F(OdbcPostgresqlTest, AMillionRowsAreNotGathered) {
  EXPECT_LT(kib_to_read("SELECT 'row number ' || generate_series(1, 1000000)", 1000000), 8 << 10);
  EXPECT_EQ(connection_->transaction(), TransactionState::none);
}

TEST_F(OdbcPostgresqlTest, RowsOfWhatWritesComeWithoutACursor) {
  run("CREATE TEMPORARY TABLE w (a int)");
  EXPECT_EQ(text("WITH x AS (INSERT INTO w VALUES (1), (2) RETURNING a) SELECT sum(a) FROM x"),
            "3");
  EXPECT_EQ(text("INSERT INTO w VALUES (7) RETURNING a"), "7");
  EXPECT_EQ(text("SELECT count(*) FROM w"), "3");
  EXPECT_EQ(text("SHOW server_encoding"), "UTF8");
}

TEST_F(OdbcPostgresqlTest, AFailedTransactionSaysSo) {
  run("BEGIN");
  EXPECT_FALSE(connection_->run("SELECT 1/0", Call{}).ok());
  EXPECT_EQ(connection_->transaction(), TransactionState::failed);
  EXPECT_EQ(connection_->run("SELECT 1", Call{}).error().type, ErrorType::invalid_state);
  run("ROLLBACK");
  EXPECT_EQ(connection_->transaction(), TransactionState::none);
}

TEST_F(OdbcPostgresqlTest, ACancelledReadLeavesTheConnectionUsable) {
  CancelSource source;
  const auto rows =
      connection_->query("SELECT generate_series(1, 100000000)", Call{source.token(), {}});
  ASSERT_TRUE(rows.ok()) << rows.error().text();
  ASSERT_TRUE(*(*rows)->next());
  EXPECT_EQ(connection_->transaction(), TransactionState::open) << "rows are still to come";
  EXPECT_EQ(connection_->run("SELECT 1", Call{}).error().type, ErrorType::defect);
  source.request(CancelReason::pause);
  EXPECT_EQ((*rows)->next().error().type, ErrorType::interrupted);
  EXPECT_FALSE(*(*rows)->next());
  EXPECT_EQ(text("SELECT 1"), "1");
  EXPECT_EQ(connection_->transaction(), TransactionState::none);
}

TEST_F(OdbcPostgresqlTest, ErrorsAreThoseOfTheServer) {
  run("CREATE TEMPORARY TABLE u (a int PRIMARY KEY, b int NOT NULL)");
  const Error error = error_of("SELECT lenght('x')");
  EXPECT_EQ(error.native.domain, "sqlstate");
  EXPECT_EQ(error.native.code, "42883");
  EXPECT_EQ(error.message, "function lenght(unknown) does not exist");
  EXPECT_EQ(error_of("SELECT 1 / (a - a) FROM generate_series(1, 5) a").native.code, "22012");
  EXPECT_EQ(connection_->transaction(), TransactionState::none) << "whatever the driver began";
  EXPECT_EQ(error_of("INSERT INTO u VALUES (1, NULL)").type, ErrorType::constraint_violation);
  EXPECT_EQ(error_of("SET statement_timeout = '1ms'; SELECT 1").type, ErrorType::invalid_input);
  run("SET statement_timeout = '100ms'");
  EXPECT_EQ(error_of("SELECT pg_sleep(60)").type, ErrorType::temporary_failure)
      << "not ended by us";
}

TEST_F(OdbcPostgresqlTest, AnOperatorThatTheDriverTakesForAPlaceIsTold) {
  const Error error = error_of("SELECT '{}'::jsonb ? 'a'");
  EXPECT_EQ(error.type, ErrorType::unsupported_item);
  EXPECT_THAT(error.remediation, HasSubstr("jsonb_exists"));
  EXPECT_EQ(text("SELECT jsonb_exists('{\"a\": 1}', 'a') /* ? */"), "t");
}

TEST_F(OdbcPostgresqlTest, ACopyWouldWaitForEver) {
  run("CREATE TEMPORARY TABLE c (a int)");
  for (const char* copy : {"COPY c FROM stdin", "/* x */ copy c TO STDOUT"}) {
    EXPECT_EQ(connection_->run(copy, Call{}).error().type, ErrorType::invalid_input) << copy;
    EXPECT_EQ(connection_->query(copy, Call{}).error().type, ErrorType::invalid_input) << copy;
  }
  EXPECT_EQ(connection_->copy_in("COPY c FROM stdin", "1\n", Call{}).error().type,
            ErrorType::unsupported_item);
  EXPECT_EQ(text("SELECT 1"), "1");
}

TEST_F(OdbcPostgresqlTest, NoticesAreHandedOver) {
  EXPECT_THAT(run("DO $$ BEGIN RAISE NOTICE 'look'; END $$").notices, ElementsAre("NOTICE: look"));
  EXPECT_THAT(run("SELECT 1").notices, ElementsAre());
  EXPECT_THAT(run("-- nothing").notices, ElementsAre());
}

TEST_F(OdbcPostgresqlTest, ResetGivesBackLocksAndSettings) {
  run("SELECT pg_advisory_lock(4712)");
  run("SELECT set_config('search_path', '', false)");
  ASSERT_TRUE(connection_->reset(Call{}).ok());
  EXPECT_EQ(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), "0");
  EXPECT_EQ(text("SHOW search_path"), "\"$user\", public");
}

/// Neither driver nor manager would return before the network gives up. It takes the 5 s of the
/// interface.
TEST_F(OdbcPostgresqlTest, AServerThatConfirmsNothingIsGivenUp) {
  const auto backend = static_cast<pid_t>(connection_->session().process);
  ASSERT_EQ(::kill(backend, SIGSTOP), 0);
  const std::int64_t begun = steady_ns();
  const auto done =
      connection_->run("SELECT pg_sleep(60)", Call{{}, std::chrono::milliseconds(200)});
  const std::int64_t took_ms = (steady_ns() - begun) / 1'000'000;
  ::kill(backend, SIGCONT);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().type, ErrorType::network_timeout);
  EXPECT_TRUE(done.error().possibly_applied);
  EXPECT_THAT(done.error().message, HasSubstr("did not confirm"));
  EXPECT_GE(took_ms, 5'000);
  EXPECT_LT(took_ms, 9'000);
  EXPECT_EQ(connection_->transaction(), TransactionState::lost);
  ASSERT_TRUE(connection_->reset(Call{}).ok());
  EXPECT_TRUE(dunlin::testing::eventually(
      [&] {
        return text("SELECT count(*) FROM pg_stat_activity WHERE pid = " +
                    std::to_string(backend)) == "0";
      },
      std::chrono::seconds(20)))
      << "the server notices that nobody waits for it";
}

TEST_F(OdbcPostgresqlTest, WhyNobodyIsThereIsSaidWithoutThePassword) {
  run("DROP ROLE IF EXISTS guest");
  run("CREATE ROLE guest LOGIN PASSWORD 'ri;g}h%41+{t'");
  const std::string tcp = "odbc:Driver=" + driver_file("psqlodbcw.so") + ";Server=127.0.0.1;Port=" +
                          std::to_string(postgresql_behind_odbc().port()) +
                          ";UID=guest;Database=postgres";
  const std::string with = tcp + ";PWD=env:DUNLIN_TEST_ODBC_PASSWORD";
  ::setenv("DUNLIN_TEST_ODBC_PASSWORD", "ri;g}h%41+{t", 1);
  const auto right = connect_by_odbc(with);
  EXPECT_TRUE(right.ok()) << right.error().text();
  ::setenv("DUNLIN_TEST_ODBC_PASSWORD", "canary", 1);
  const Error wrong = connect_by_odbc(with).error();
  EXPECT_EQ(wrong.type, ErrorType::auth_failure) << wrong.text();
  EXPECT_THAT(wrong.text(), Not(HasSubstr("canary")));
  EXPECT_THAT(wrong.text(), HasSubstr("DUNLIN_TEST_ODBC_PASSWORD"));
  const Error none = connect_by_odbc(tcp).error();
  EXPECT_EQ(none.type, ErrorType::auth_failure) << none.text();
  EXPECT_THAT(none.remediation, HasSubstr("PWD=env:NAME"));
  EXPECT_EQ(connect_by_odbc(odbc_postgresql_url("nobody")).error().type, ErrorType::not_found);
}

TEST(OdbcConnectTest, WhoDoesNotAnswerIsNotWaitedFor) {
  const int listening = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listening, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listening, 8), 0);
  ASSERT_EQ(::getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size), 0);
  for (const char* driver : {"psqlodbcw.so", "libmaodbc.so"}) {
    const std::string url = "odbc:Driver=" + driver_file(driver) +
                            ";Server=127.0.0.1;Port=" + std::to_string(ntohs(address.sin_port)) +
                            ";UID=u;Database=d";
    const std::int64_t begun = steady_ns();
    const auto connected = connect_by_odbc(url, Call{{}, std::chrono::milliseconds(300)});
    ASSERT_FALSE(connected.ok());
    EXPECT_EQ(connected.error().type, ErrorType::endpoint_unreachable) << connected.error().text();
    EXPECT_LT((steady_ns() - begun) / 1'000'000, 900) << driver;
    CancelSource cancelled;
    cancelled.request(CancelReason::cancel);
    EXPECT_EQ(connect_by_odbc(url, Call{cancelled.token(), {}}).error().type,
              ErrorType::interrupted);
  }
  ::close(listening);
}

TEST(OdbcConnectTest, WhatIsNotThereIsToldApart) {
  for (const char* url : {"odbc:DSN=nobody made this", "odbc:Driver=/nowhere/at_all.so"}) {
    const Error error = connect_by_odbc(url).error();
    EXPECT_EQ(error.type, ErrorType::invalid_input) << error.text();
    EXPECT_THAT(error.remediation, HasSubstr("odbcinst -q -d"));
  }
  for (const char* driver : {"psqlodbcw.so", "libmaodbc.so"})
    EXPECT_EQ(connect_by_odbc("odbc:Driver=" + driver_file(driver) +
                              ";Server=127.0.0.1;Port=1;UID=u;Database=d")
                  .error()
                  .type,
              ErrorType::endpoint_unreachable);
}

/// A driver without wide calls: the manager narrows text letter by letter.
TEST(OdbcConnectTest, ADriverWithoutWideCallsGetsTextAsItIs) {
  std::string url = odbc_postgresql_url();
  url.replace(url.find("psqlodbcw"), 9, "psqlodbca");
  const auto connected = connect_by_odbc(url);
  ASSERT_TRUE(connected.ok()) << connected.error().text();
  EXPECT_EQ(query_text(**connected, "SELECT '\xF0\x9F\x90\xA6'", Call{})->value(),
            "\xF0\x9F\x90\xA6");
}

TEST_F(OdbcMariadbTest, SaysItsVersionAndDatabase) {
  EXPECT_EQ(connection_->dialect(), Dialect::mysql);
  EXPECT_EQ(connection_->server().product, "MariaDB");
  EXPECT_GE(connection_->server().version_number, 101100);
  EXPECT_EQ(connection_->server().database, "tests");
  EXPECT_EQ(std::to_string(connection_->session().process), text("SELECT CONNECTION_ID()"));
}

TEST_F(OdbcMariadbTest, ParametersComeThroughWhateverTheyHold) {
  parameters_come_through("?");
  run("SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES'");
  EXPECT_EQ(text("SELECT ?", std::array{Parameter("a\\'b")}), "a\\'b");
  EXPECT_EQ(text("SELECT hex(?)", std::array{Parameter(std::string("a\0b", 3))}), "610062");
}

TEST_F(OdbcMariadbTest, ValuesAreThoseThatTheServerWrites) {
  EXPECT_EQ(text("SELECT X'0001ff'"), std::string("\0\x01\xff", 3));
  EXPECT_EQ(text("SELECT CAST('2020-01-02 03:04:05.123456' AS DATETIME(6))"),
            "2020-01-02 03:04:05.123456");
  EXPECT_EQ(text("SELECT 18446744073709551615"), "18446744073709551615");
  EXPECT_EQ(text("SELECT 1.50"), "1.50");
  EXPECT_EQ(text("SELECT concat('a', char(0 USING utf8mb4), 'b')"), std::string("a\0b", 3));
}

TEST_F(OdbcMariadbTest, RowsThatAreFoundCount) {
  run("DROP TABLE IF EXISTS f");
  run("CREATE TABLE f (a INTEGER)");
  run("INSERT INTO f VALUES (1), (1)");
  EXPECT_EQ(run("UPDATE f SET a = 1").affected, 2);
}

TEST_F(OdbcMariadbTest, ProceduresWithSeveralResultsAreReadToTheirEnd) {
  run("DROP PROCEDURE IF EXISTS several");
  run("CREATE PROCEDURE several() BEGIN SELECT 1; SELECT 2; INSERT INTO nowhere VALUES (1); END");
  const auto done = connection_->run("CALL several()", Call{});
  ASSERT_FALSE(done.ok());
  EXPECT_THAT(done.error().message, HasSubstr("nowhere")) << "an error behind the first results";
  run("DROP PROCEDURE several");
  run("CREATE PROCEDURE several() BEGIN SELECT 1; SELECT 2; END");
  run("CALL several()");
  EXPECT_EQ(text("CALL several()"), "1");
  EXPECT_EQ(text("SELECT 4"), "4");
}

TEST_F(OdbcMariadbTest, ErrorsAreThoseOfTheServer) {
  const std::string sql = "SELECT 1,\n  2,\n  , FROM t";
  const auto failed = connection_->run(sql, Call{});
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().native.domain, "mariadb");
  EXPECT_EQ(failed.error().native.code, "1064");
  EXPECT_THAT(failed.error().message, Not(HasSubstr("[ma-")));
  EXPECT_EQ(connection_->error_position(), static_cast<std::int64_t>(sql.rfind('\n')) + 2);
  EXPECT_EQ(connect_by_odbc(odbc_mariadb_url("nobody")).error().type, ErrorType::not_found);
}

TEST_F(OdbcMariadbTest, WarningsAreHandedOver) {
  run("CREATE TEMPORARY TABLE w (a TINYINT)");
  run("SET SESSION sql_mode = ''");
  const Done done = run("INSERT INTO w VALUES (1000)");
  ASSERT_EQ(done.notices.size(), 1U);
  EXPECT_THAT(done.notices.front(), HasSubstr("Out of range"));
}

TEST_F(OdbcMariadbTest, APasswordIsAskedForAndNeverShown) {
  run("CREATE OR REPLACE USER clerk@localhost IDENTIFIED BY 'ri;g}h%41+{t'");
  run("GRANT ALL ON tests.* TO clerk@localhost");
  std::string url = odbc_mariadb_url("tests");
  url.replace(url.find("UID=root"), 8, "UID=clerk");
  EXPECT_EQ(connect_by_odbc(url).error().type, ErrorType::auth_failure);
  url += ";PWD=env:DUNLIN_TEST_ODBC_PASSWORD";
  ::setenv("DUNLIN_TEST_ODBC_PASSWORD", "ri;g}h%41+{t", 1);
  const auto right = connect_by_odbc(url);
  EXPECT_TRUE(right.ok()) << right.error().text();
  ::setenv("DUNLIN_TEST_ODBC_PASSWORD", "canary", 1);
  const Error wrong = connect_by_odbc(url).error();
  EXPECT_EQ(wrong.type, ErrorType::auth_failure) << wrong.text();
  EXPECT_THAT(wrong.text(), Not(HasSubstr("canary")));
}

TEST_F(OdbcMariadbTest, DdlEndsATransaction) {
  run("BEGIN");
  EXPECT_EQ(connection_->transaction(), TransactionState::open);
  run("CREATE OR REPLACE TABLE ended (a INTEGER)");
  EXPECT_EQ(connection_->transaction(), TransactionState::none) << "as the server says";
}

TEST_F(OdbcSqliteTest, ValuesAndParameters) {
  EXPECT_EQ(connection_->dialect(), Dialect::sqlite);
  EXPECT_EQ(connection_->server().version_number / 10000, 3);
  parameters_come_through("$1");
  EXPECT_EQ(text("SELECT x'0001ff'"), std::string("\0\x01\xff", 3));
  EXPECT_EQ(text("SELECT hex($1)", std::array{Parameter(std::string("a\0b", 3))}), "610062");
  EXPECT_EQ(text("SELECT 9223372036854775807"), "9223372036854775807");
}

TEST_F(OdbcSqliteTest, ManyRowsAreNotGathered) {
  EXPECT_LT(kib_to_read("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT "
                        "100000) SELECT printf('%0200d', n) FROM c",
                        100000),
            8 << 10);
}

TEST_F(OdbcSqliteTest, ErrorsAreThoseOfTheLibrary) {
  run("CREATE TABLE t (a INTEGER PRIMARY KEY)");
  run("INSERT INTO t VALUES (1)");
  const Error error = connection_->run("INSERT INTO t VALUES (1)", Call{}).error();
  EXPECT_EQ(error.native.domain, "sqlite");
  EXPECT_EQ(error.native.code, "19");
  run("CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END");
  EXPECT_EQ(text("SELECT count(*) FROM sqlite_master"), "2");
}

}  // namespace
}  // namespace dunlin::sql
