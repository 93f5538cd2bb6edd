// Addresses of databases of any dialect.
#include "sql/database_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

TEST(DatabaseAddressTest, AMissingDatabaseIsNotFound) {
  const auto address = parse_database_address("sqlite:/nonexistent/dunlin.db");
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(connect_database(*address, Call{}, false).error().type, ErrorType::not_found);
}

}  // namespace
}  // namespace dunlin::sql
