// What stands round a driver of ODBC, without a server: text, literals, the tables of codes, the
// watch over its calls.
#include <array>
#include <atomic>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sql/odbc/error_codes.h"
#include "sql/odbc/statement_text.h"
#include "sql/odbc/utf16.h"
#include "sql/odbc/watch.h"
#include "support/process.h"

namespace dunlin::sql {
namespace {

/// What is told behind a call would end the next statement.
TEST(CallWatchTest, NobodyIsToldBehindTheCall) {
  CallWatch watch;
  std::atomic<int> begun{0};
  std::atomic<int> ended{0};
  watch.begin(Call{}, std::chrono::milliseconds(10), [&] {
    ++begun;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    ++ended;
  });
  ASSERT_TRUE(watch.enter().ok());
  ASSERT_TRUE(dunlin::testing::eventually([&] { return begun == 1; }, std::chrono::seconds(10)));
  watch.leave();
  EXPECT_EQ(ended, 1);
  ASSERT_TRUE(watch.told());
  EXPECT_EQ(watch.told()->type, ErrorType::network_timeout);
  EXPECT_EQ(watch.enter().error().type, ErrorType::network_timeout) << "nothing more is begun";
  watch.begin(Call{}, std::chrono::milliseconds(0), {});
  EXPECT_FALSE(watch.told());
  ASSERT_TRUE(watch.enter().ok());
  watch.leave();
  EXPECT_EQ(begun, 1);
}

TEST(OdbcCodes, EachRowOfTheTables) {
  std::set<std::string_view> states;
  for (const OdbcStateInfo& row : odbc_state_table()) {
    EXPECT_TRUE(states.insert(row.state).second) << row.state;
    for (const Dialect dialect :
         {Dialect::postgresql, Dialect::mysql, Dialect::sqlite, Dialect::sqlserver})
      EXPECT_EQ(error_type_of_odbc(dialect, row.state, 0), row.type) << row.state;
  }
  std::set<int> codes;
  for (const SqlserverCodeInfo& row : sqlserver_code_table()) {
    EXPECT_TRUE(codes.insert(row.code).second) << row.code;
    EXPECT_EQ(error_type_of_odbc(Dialect::sqlserver, "HY000", row.code), row.type) << row.code;
  }
}

TEST(OdbcCodes, TheServersOwnComeFirst) {
  EXPECT_EQ(error_type_of_odbc(Dialect::sqlserver, "40001", 1205), ErrorType::deadlock_detected);
  EXPECT_EQ(error_type_of_odbc(Dialect::sqlserver, "23000", 99999), ErrorType::constraint_violation)
      << "by its state";
  EXPECT_EQ(error_type_of_odbc(Dialect::sqlserver, "HY999", 0), ErrorType::invalid_data)
      << "by its class";
  EXPECT_EQ(error_type_of_odbc(Dialect::postgresql, "40P01", 1), ErrorType::deadlock_detected);
  EXPECT_EQ(error_type_of_odbc(Dialect::postgresql, "57P01", 35), ErrorType::connection_reset);
  EXPECT_EQ(error_type_of_odbc(Dialect::mysql, "HY000", 1213), ErrorType::deadlock_detected);
  EXPECT_EQ(error_type_of_odbc(Dialect::mysql, "HY018", 1317), ErrorType::temporary_failure);
  EXPECT_EQ(error_type_of_odbc(Dialect::sqlite, "HY000", 5), ErrorType::database_locked);
  EXPECT_EQ(error_type_of_odbc(Dialect::sqlite, "HY000", 1), ErrorType::invalid_data);
  EXPECT_TRUE(says_cancelled(Dialect::sqlserver, "HY008", 0));
  EXPECT_TRUE(says_cancelled(Dialect::mysql, "HY018", 1317));
  EXPECT_FALSE(says_cancelled(Dialect::postgresql, "42601", 1));
}

TEST(OdbcStatementText, PlacesBecomeLiterals) {
  const std::array two = {Parameter("a'b"), Parameter()};
  EXPECT_EQ(*odbc_statement(Dialect::postgresql, "SELECT $2, $1, '$1', \"$1\" -- $1", two),
            "SELECT NULL, 'a''b', '$1', \"$1\" -- $1");
  EXPECT_EQ(*odbc_statement(Dialect::sqlserver, "SELECT ?, '?', [?], ?", two),
            "SELECT N'a''b', '?', [?], NULL");
  EXPECT_EQ(*odbc_statement(Dialect::postgresql, "a=$1", std::array{Parameter("\\'")}),
            "a= E'\\\\'''");
  EXPECT_EQ(odbc_statement(Dialect::mysql, "SELECT ?", two).error().type, ErrorType::defect);
  EXPECT_EQ(odbc_statement(Dialect::postgresql, "SELECT $3, $1", two).error().type,
            ErrorType::defect);
}

TEST(OdbcStatementText, OneStatementAtATime) {
  EXPECT_TRUE(*holds_no_statement(Dialect::postgresql, " -- x\n ; /* y */"));
  EXPECT_FALSE(*holds_no_statement(Dialect::postgresql, "SELECT 1; -- x"));
  EXPECT_FALSE(holds_no_statement(Dialect::postgresql, "SELECT 1; SELECT 2").ok());
  EXPECT_FALSE(holds_no_statement(Dialect::postgresql, "SELECT 1; 'open").ok());
  EXPECT_FALSE(*holds_no_statement(
      Dialect::postgresql,
      "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END"));
  EXPECT_FALSE(*holds_no_statement(Dialect::sqlserver, "DECLARE @a int; SET @a = 1; SELECT @a"))
      << "one batch";
  EXPECT_FALSE(holds_no_statement(Dialect::sqlserver, "SELECT 1\nGO\nSELECT 2").ok());
}

TEST(OdbcStatementText, WhatOnlyReadsFitsACursor) {
  EXPECT_TRUE(fits_a_cursor("/* x */ SELECT 1"));
  EXPECT_FALSE(fits_a_cursor("SELECT a INTO b FROM c"));
  EXPECT_FALSE(fits_a_cursor("WITH x AS (DELETE FROM t RETURNING a) SELECT * FROM x"));
  EXPECT_FALSE(fits_a_cursor("SHOW all"));
}

TEST(OdbcUtf16, ThereAndBack) {
  for (const std::string& utf8 :
       {std::string("plain"),
        std::string("vi\xC3\xA8r \xE2\x82\xAC \xF0\x9F\x90\xA6\xF4\x8F\xBF\xBF"),
        std::string("a\0b", 3), std::string()}) {
    const auto wide = utf16_of(utf8);
    ASSERT_TRUE(wide.ok());
    EXPECT_EQ(utf8_of(*wide), utf8);
  }
  EXPECT_EQ(utf16_of("\xF0\x9F\x90\xA6")->size(), 2U);
  EXPECT_FALSE(utf16_of("\xED\xA0\x80").ok()) << "half of a pair";
  EXPECT_EQ(utf8_of(std::array<SQLWCHAR, 2>{0xD83D, 'x'}), "\xEF\xBF\xBDx");
}

}  // namespace
}  // namespace dunlin::sql
