// Addresses of databases of any dialect.
#include "sql/database_address.h"

#include <array>
#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace dunlin::sql {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(DatabaseAddressTest, OfAFileAndOfAServer) {
  const auto file = parse_database_address("sqlite:/tmp/../tmp/a.db");
  ASSERT_TRUE(file.ok()) << file.error().text();
  EXPECT_EQ(file->dialect, Dialect::sqlite);
  EXPECT_EQ(file->text(), "sqlite:/tmp/a.db");
  const auto server =
      parse_database_address("postgresql://anna@db.example:5433/shop?sslmode=require");
  ASSERT_TRUE(server.ok()) << server.error().text();
  EXPECT_EQ(server->dialect, Dialect::postgresql);
  EXPECT_EQ(server->text(), "postgres://anna@db.example:5433/shop?sslmode=require");
}

TEST(DatabaseAddressTest, AReferenceToAPasswordIsKeptWithItsWholePath) {
  const auto server = parse_database_address("postgres://anna@h/shop?password=file:secret.txt");
  ASSERT_TRUE(server.ok()) << server.error().text();
  EXPECT_THAT(server->text(), HasSubstr("password=file"));
  EXPECT_THAT(server->text(), HasSubstr("/secret.txt"));
  EXPECT_THAT(server->text(), Not(HasSubstr("file%3Asecret")));
}

TEST(DatabaseAddressTest, APasswordIsRefusedAndNotRepeated) {
  const auto server = parse_database_address("postgres://anna:hunter2@h/shop");
  ASSERT_FALSE(server.ok());
  EXPECT_THAT(server.error().message, HasSubstr("?password=env:NAME"));
  EXPECT_THAT(server.error().text(), Not(HasSubstr("hunter2")));
}

TEST(DatabaseAddressTest, WhatCannotBeReachedIsRefusedWithWhatCan) {
  for (const char* const url : {"mssql://h/d", "oracle://h/d", "/srv/shop.db", ""}) {
    SCOPED_TRACE(url);
    const auto address = parse_database_address(url);
    ASSERT_FALSE(address.ok());
    EXPECT_EQ(address.error().type, ErrorType::invalid_input);
    EXPECT_THAT(address.error().message, HasSubstr("postgres://USER@HOST/DATABASE"));
  }
  EXPECT_THAT(parse_database_address("/srv/shop.db").error().message,
              HasSubstr("write sqlite:/srv/shop.db"));
}

TEST(DatabaseAddressTest, OfADataSourceOfOdbc) {
  const auto source = parse_database_address(
      "odbc:Driver={ODBC Driver; 18};Server=h,1433;UID=sa; PWD = file:secret.txt;Encrypt=yes;;");
  ASSERT_TRUE(source.ok()) << source.error().text();
  ASSERT_TRUE(source->odbc);
  EXPECT_EQ(source->odbc->find("driver")->value, "ODBC Driver; 18");
  EXPECT_THAT(source->text(),
              ::testing::MatchesRegex("odbc:Driver=.ODBC Driver; 18.;Server=h,1433;UID=sa;"
                                      "PWD=file:/.*secret.txt;Encrypt=yes"));
  const auto again = parse_database_address(source->text());
  ASSERT_TRUE(again.ok()) << again.error().text();
  EXPECT_EQ(again->text(), source->text());
  ASSERT_EQ(::setenv("DUNLIN_TEST_PASSWORD", "a;b}c", 1), 0);
  const auto named = parse_odbc_address("odbc:DSN=shop;PWD=env:DUNLIN_TEST_PASSWORD;Protocol=x");
  ASSERT_TRUE(named.ok());
  const std::array more = {OdbcAddress::Option{"protocol", "7.4-0", {}},
                           OdbcAddress::Option{"StepAPI", "1", {}}};
  EXPECT_EQ(named->connection_string(more)->reveal(),
            "DSN=shop;PWD={a;b}}c};Protocol=x;StepAPI=1;");
}

RC_GTEST_PROP(OdbcAddressProperty, WhatIsKeptIsReadAgainTheSame, (const std::string& bytes)) {
  const auto address = parse_odbc_address("odbc:Driver=x;" + bytes);
  if (!address.ok()) return;
  const auto again = parse_odbc_address(address->text());
  RC_ASSERT(again.ok());
  RC_ASSERT(again->text() == address->text());
  RC_ASSERT(again->options.size() == address->options.size());
  for (std::size_t i = 0; i < again->options.size(); ++i)
    RC_ASSERT(again->options[i].value == address->options[i].value);
}

RC_GTEST_PROP(OdbcAddressProperty, AnyValueGoesThereAndBack, ()) {
  const auto value = *rc::gen::container<std::string>(
      rc::gen::element('{', '}', ';', '=', ' ', 'a', '%', '+', '\'', '[', ']', ','));
  OdbcAddress address;
  address.options.push_back({"DSN", value, {}});
  address.options.push_back({"Server", "h", {}});
  const auto again = parse_odbc_address(address.text());
  RC_ASSERT(again.ok());
  RC_ASSERT(again->find("dsn")->value == value);
  RC_ASSERT(again->find("server")->value == "h");
}

TEST(DatabaseAddressTest, WhatIsNoDataSourceIsRefusedWithoutItsPassword) {
  struct Case {
    const char* url;
    const char* what;
  };
  for (const Case& one : std::initializer_list<Case>{
           {"odbc:DSN=shop;PWD=canary", "PWD=env:NAME"},
           {"odbc:DSN=shop;Password={can;canary}", "Password=env:NAME"},
           {"odbc:Driver=psqlodbcw.so;pqopt={password=canary}", "PWD=env:NAME"},
           {"odbc:UID=me;PWD=env:X", "names no driver"},
           {"odbc:", "names no driver"},
           {"odbc:DSN=a;dsn=b", "twice"},
           {"odbc:DSN=a;canary", "has no `=`"},
           {"odbc:DSN={a", "has no `}`"},
           {"odbc:DSN={a}b", "stands no `;`"},
           {"odbc:DSN=a\nb", "control character"}}) {
    const auto address = parse_database_address(one.url);
    ASSERT_FALSE(address.ok()) << one.url;
    EXPECT_EQ(address.error().type, ErrorType::invalid_input);
    EXPECT_THAT(address.error().message, HasSubstr(one.what)) << one.url;
    EXPECT_THAT(address.error().text() + address.error().remediation, Not(HasSubstr("canary")));
  }
}

TEST(DatabaseAddressTest, AMissingDatabaseIsNotFound) {
  const auto address = parse_database_address("sqlite:/nonexistent/dunlin.db");
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(connect_database(*address, Call{}, false).error().type, ErrorType::not_found);
}

}  // namespace
}  // namespace dunlin::sql
