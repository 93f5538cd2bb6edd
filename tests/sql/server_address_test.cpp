// Addresses of servers: what is taken, what is kept, what is refused; never a password in a
// message.
#include "sql/server_address.h"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dunlin::sql {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ServerAddress, IsKeptInOneForm) {
  struct Case {
    const char* url;
    const char* text;
  };
  for (const Case& one : std::initializer_list<Case>{
           {"postgres://", "postgres:///"},
           {"postgresql://me@db.example:6000/app", "postgres://me@db.example:6000/app"},
           {"mariadb://root@localhost/app", "mysql://root@localhost/app"},
           {"sqlserver://sa@host/d", "mssql://sa@host/d"},
           {"postgres://[::1]:5432/x", "postgres://[::1]:5432/x"},
           {"postgres://a%40b@h/d%2Fe%20f", "postgres://a%40b@h/d%2Fe%20f"},
           {"postgres://me:se%3Acret@h/d", "postgres://me@h/d"},
           {"postgres://me:p%2Fw@h/d%40e", "postgres://me@h/d%40e"},
           {"postgres:///d?host=/var/run/pg&port=6000", "postgres://:6000/d?host=/var/run/pg"},
           {"postgres://h/d?sslmode=verify-full&application_name=x",
            "postgres://h/d?application_name=x&sslmode=verify-full"},
           {"postgres://h/d?password=env:PGPASS", "postgres://h/d?password=env%3APGPASS"},
           {"mysql://u@h/d?ssl_mode=REQUIRED&user=", "mysql://u@h/d?ssl_mode=REQUIRED"}}) {
    const auto address = parse_server_address(one.url);
    if (std::string_view(one.url).ends_with("&user=")) {
      EXPECT_FALSE(address.ok());
      continue;
    }
    ASSERT_TRUE(address.ok()) << one.url << ": " << address.error().message;
    EXPECT_EQ(address->text(), one.text);
    const auto again = parse_server_address(address->text());
    ASSERT_TRUE(again.ok()) << address->text();
    EXPECT_EQ(again->text(), one.text) << "said twice it changes nothing more";
  }
}

TEST(ServerAddress, ThePasswordIsHandedOverApart) {
  const auto written = parse_server_address("postgres://me:se%3Acr%20et@h/d");
  ASSERT_TRUE(written.ok());
  EXPECT_EQ(written->user, "me");
  EXPECT_EQ(written->resolve_password()->reveal(), "se:cr et");
  ASSERT_EQ(::setenv("DUNLIN_TEST_PASSWORD", "from there", 1), 0);
  const auto named = parse_server_address("postgres://me@h/d?password=env:DUNLIN_TEST_PASSWORD");
  ASSERT_TRUE(named.ok());
  EXPECT_EQ(named->resolve_password()->reveal(), "from there");
  EXPECT_TRUE(parse_server_address("postgres://me@h/d")->resolve_password()->empty());
}

TEST(ServerAddress, WhatIsWrongIsSaidWithoutThePassword) {
  struct Case {
    const char* url;
    const char* what;
  };
  for (const Case& one : std::initializer_list<Case>{
           {"oracle://u:canary@h/d", "begins with postgres://"},
           {"u:canary@h/d", "begins with postgres://"},
           {"postgres://u:canary/x@h/d", "written %2F"},
           {"postgres://localhost/my@db", "written %2F"},
           {"postgres://u:canary@h:0/d", "`0` is no port"},
           {"postgres://u:canary@h:65536/d", "is no port"},
           {"postgres://u:canary@h:5432x/d", "is no port"},
           {"postgres://u:canary%@h/d", "password has a `%`"},
           {"postgres://u:canary%00@h/d", "password has a `%`"},
           {"postgres://u:canary@h1,h2/d", "several hosts"},
           {"postgres://u:canary@[::1/d", "has no ]"},
           {"postgres://u:canary@h/d?sslmod=require", "no option `sslmod`"},
           {"postgres://u:canary@h/d?sslmode=a&sslmode=b", "twice"},
           {"postgres://u:canary@h/d?password=env:X", "a password and a reference"},
           {"postgres://u@h/d?password=canary", "?password"},
           {"postgres://u:canary@h/d#x", "%23"}}) {
    const auto address = parse_server_address(one.url);
    ASSERT_FALSE(address.ok()) << one.url;
    EXPECT_EQ(address.error().type, ErrorType::invalid_input);
    EXPECT_THAT(address.error().message, HasSubstr(one.what)) << one.url;
    EXPECT_THAT(address.error().text() + address.error().remediation, Not(HasSubstr("canary")));
  }
  EXPECT_EQ(parse_server_address("postgres://h/d?sslmod=x").error().remediation, "write `sslmode`");
}

}  // namespace
}  // namespace dunlin::sql
