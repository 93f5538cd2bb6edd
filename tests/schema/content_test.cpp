// How the log keeps SQL: compressed or as it is, and never taken for what it is not.
#include "schema/content.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zstd.h>

#include "base/text.h"

namespace dunlin::schema {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string many_tables(int count) {
  std::string sql;
  for (int i = 0; i < count; ++i)
    sql += "CREATE TABLE t" + std::to_string(i) + "(id int PRIMARY KEY, name text NOT NULL);\n";
  return sql;
}

std::string read(const std::string& kept) {
  const auto sql = content_of(kept);
  EXPECT_TRUE(sql.ok()) << sql.error().text();
  return sql.ok() ? *sql : std::string("an error");
}

Error refused(const std::string& kept) {
  const auto sql = content_of(kept);
  EXPECT_FALSE(sql.ok()) << kept.substr(0, 60);
  return sql.ok() ? Error(ErrorType::defect, "read") : sql.error();
}

TEST(Content, ShortOnesStayReadable) {
  for (const std::string sql : {"", "SELECT 1;", "-- a comment\nDROP TABLE \"t\";\r\n"}) {
    EXPECT_EQ(kept_content(sql), sql);
    EXPECT_EQ(read(sql), sql);
  }
  std::string noise;  // nothing is won by compressing it
  for (unsigned i = 0, x = 1; i < 4000; ++i, x = x * 1664525U + 1013904223U)
    noise += static_cast<char>('!' + x / 65536 % 90);
  EXPECT_EQ(kept_content(noise), noise);
}

TEST(Content, LongOnesComeBackByteForByte) {
  const std::string sql =
      "\xEF\xBB\xBF-- \x01\x1b[31m 'ü' \"\\ `$1 ?\r\n" + many_tables(200) + "SELECT 1";
  const std::string kept = kept_content(sql);
  EXPECT_THAT(kept, StartsWith("dunlin:content:1:zstd:" + std::to_string(sql.size()) + ":"));
  EXPECT_LT(kept.size(), sql.size() / 4);
  EXPECT_EQ(kept.find_first_of("'\"\\`\n"), std::string::npos);
  EXPECT_EQ(read(kept), sql);
  EXPECT_EQ(kept_content(sql), kept) << "the same each time";
}

TEST(Content, AScriptThatBeginsWithTheMarkIsNotMistaken) {
  const std::string one_mark(kContentMark);
  for (const std::string& sql : {one_mark, one_mark + "1:zstd:5:AAAA", one_mark + "2:new:",
                                 one_mark + "1:plain:0:", one_mark + many_tables(100)}) {
    const std::string kept = kept_content(sql);
    EXPECT_NE(kept, sql);
    EXPECT_EQ(read(kept), sql);
    EXPECT_EQ(read(kept_content(kept)), kept);
  }
}

TEST(Content, WhatIsDamagedIsNeverReadAsSomethingElse) {
  const std::string sql = many_tables(40);
  const std::string kept = kept_content(sql);
  for (std::size_t at = kContentMark.size(); at < kept.size(); ++at) {
    std::string damaged = kept;
    damaged[at] = damaged[at] == 'A' ? 'B' : 'A';
    const ErrorType type = refused(damaged).type;
    EXPECT_TRUE(type == ErrorType::state_corrupt || type == ErrorType::state_version) << at;
    EXPECT_FALSE(content_of(kept.substr(0, at)).ok()) << "cut at " << at;
  }
  const Error error = refused(kept + "AAAA");
  EXPECT_EQ(error.type, ErrorType::state_corrupt);
  EXPECT_THAT(error.remediation, HasSubstr("backup"));
}

TEST(Content, WhatIsLargerThanItSaysOrMayBeIsRefused) {
  std::string frame(ZSTD_compressBound(1 << 20), '\0');
  const std::string zeros(1 << 20, ' ');
  frame.resize(ZSTD_compress(frame.data(), frame.size(), zeros.data(), zeros.size(), 3));
  const std::string content = base64_encode(frame);
  const std::string head = std::string(kContentMark) + "1:zstd:";
  EXPECT_EQ(read(head + "1048576:" + content), zeros);
  EXPECT_THAT(refused(head + "100:" + content).message, HasSubstr("the size that it says"));
  EXPECT_THAT(refused(head + "99999999999:" + content).message,
              HasSubstr("99999999999 bytes, and no migration has"));
  EXPECT_THAT(refused(head + "99999999999999999999999:" + content).message,
              HasSubstr("does not say its size"));
  EXPECT_FALSE(content_of(head + "2097152:" + base64_encode(frame + frame)).ok());
}

TEST(Content, AFormOfANewerVersionIsRefusedByName) {
  for (const char* form : {"2:zstd:10:AAAA", "1:brotli:10:AAAA", "", "11:zstd:1:A"}) {
    const Error error = refused(std::string(kContentMark) + form);
    EXPECT_EQ(error.type, ErrorType::state_version) << form;
    EXPECT_THAT(error.message, HasSubstr(std::string(kContentMark) + form));
    EXPECT_THAT(error.remediation, HasSubstr("ProductVersion"));
  }
}

}  // namespace
}  // namespace dunlin::schema
