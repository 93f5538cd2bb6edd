// What is a secret in a text, what is not, and that none is left where redact() has been.
#include "base/redact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "base/error.h"

namespace dunlin {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Case {
  std::string_view text;
  std::string_view shown;
};

TEST(Redact, TheAddressesOfTheContractAreShownWithoutTheirPasswords) {
  constexpr Case kCases[] = {
      {"postgres://anna:pw@db:5432/shop", "postgres://anna:***@db:5432/shop"},
      {"mysql://anna:pw@db/shop", "mysql://anna:***@db/shop"},
      {"mssql://sa:pw@db;encrypt=yes", "mssql://sa:***@db;encrypt=yes"},
      {"mssql://db;user=sa;password=p;w;encrypt=yes",
       "mssql://db;user=sa;password=***;encrypt=yes"},
      {"s3://KEY:secret/with/slashes@bucket/a", "s3://KEY:***@bucket/a"},
      {"s3://bucket/a?X-Amz-Signature=abc&x=1", "s3://bucket/a?X-Amz-Signature=***&x=1"},
      {"az://box/a?sv=2024&sig=a%2Bb%3D&se=9", "az://box/a?sv=2024&sig=***&se=9"},
      {"dw://node/a?access_token=abc", "dw://node/a?access_token=***"},
      {"postgres://db/x?sslpassword=abc&sslmode=require",
       "postgres://db/x?sslpassword=***&sslmode=require"},
      {"postgres://anna:pss:w?r#d@db/x", "postgres://anna:***@db/x"},
      {"https://u:p w 'x'@h/", "https://u:***@h/"},
      {"https://h/?pass%77ord=abc", "https://h/?pass%77ord=***"},
      {"--db=postgres://anna:pw@db/x", "--db=postgres://anna:***@db/x"},
      {"--db-password=pw", "--db-password=***"},
      {"odbc:DSN=shop;PWD=pw;UID=me", "odbc:DSN=shop;PWD=***;UID=me"},
      {"--db=odbc:Driver={a;b};Password={p;x=w}}z};Database=d",
       "--db=odbc:Driver={a;b};Password={***};Database=d"},
      {"odbc:DSN=shop;PWD={env:NAME};UID=me", "odbc:DSN=shop;PWD={env:NAME};UID=me"},
  };
  for (const Case& one : kCases) {
    EXPECT_EQ(redact(one.text, SecretsIn::value), one.shown);
    EXPECT_EQ(mask_secrets(one.text, SecretsIn::value, '*').size(), one.text.size());
  }
}

TEST(Redact, WhatIsNoSecretStaysAsItIs) {
  for (const char* value :
       {"/data/photos", "sqlite:/srv/shop.db", "mem:/run/s#bucket/a?sig=x",
        "postgres://db:5432/shop", "postgres://anna@db/shop", "https://h:8080/@scope/a",
        "s3://bucket/a@b:c", "csv:/a:b@c", "/mirror/http://u:p@h/x", "/data/password=a/token=b",
        "--as-token=env:CI_TOKEN", "--as-token=file:/run/token", "--exclude=password=*", "*.o", ""})
    EXPECT_EQ(redact(value, SecretsIn::value), value);
  for (const char* text : {"open '/data/photos': Permission denied", "the token was revoked",
                           "basic or full", "a bearer of it", "12:30://", "sort=passwords",
                           "env:PASSWORD is not set", "--as-token file:/run/x"})
    EXPECT_EQ(redact(text), text);
}

TEST(Redact, MessagesOfServersKeepTheirSenseAndLoseTheSecret) {
  constexpr Case kCases[] = {
      {"cannot reach 'postgres://anna:pw@db/x': timed out",
       "cannot reach 'postgres://anna:***@db/x': timed out"},
      {"two: mysql://a:b@c/ and mysql://d:e@f/", "two: mysql://a:***@c/ and mysql://d:***@f/"},
      {"fe_sendauth: password=abc host=db", "fe_sendauth: password=*** host=db"},
      {"AccountName=a;AccountKey=b+c/d==;EndpointSuffix=e",
       "AccountName=a;AccountKey=***;EndpointSuffix=e"},
      {"sent Authorization: Basic YTpi", "sent Authorization: ***"},
      {"Bearer eyJhbGciOi.J9", "Bearer ***"},
      {"password='a b' is wrong", "password='***' is wrong"},
      {"AWS_SECRET_ACCESS_KEY=abc", "AWS_SECRET_ACCESS_KEY=***"},
  };
  for (const Case& one : kCases) EXPECT_EQ(redact(one.text), one.shown);
}

TEST(Redact, ATokenOfOurOwnIsFoundWhereverItStands) {
  const std::string token = "dunlin_1a2b3c4d_" + std::string(64, 'e');
  for (const SecretsIn in : {SecretsIn::text, SecretsIn::value, SecretsIn::document})
    EXPECT_EQ(redact("a " + token + ".", in), "a dunlin_1a2b3c4d_***.");
  EXPECT_EQ(redact("dunlin_test.db"), "dunlin_test.db");
}

TEST(Redact, InADocumentTheValueOfAKeyIsOne) {
  constexpr Case kCases[] = {
      {"  password: a b # c\nx: 1\n", "  password: ***\nx: 1\n"},
      {"{\"password\": \"a\\\"b\", \"x\": 1}", "{\"password\": \"***\", \"x\": 1}"},
      {"{password: a, x: 1}", "{password: ***, x: 1}"},
      {"password: env:PGPASSWORD\n", "password: env:PGPASSWORD\n"},
      {"url: postgres://u:p@h/x\n", "url: postgres://u:***@h/x\n"},
      {"secret_key = abc\n", "secret_key = ***\n"},
  };
  for (const Case& one : kCases) {
    EXPECT_EQ(redact(one.text, SecretsIn::document), one.shown);
    EXPECT_EQ(mask_secrets(one.text, SecretsIn::document, 'x').size(), one.text.size());
  }
}

TEST(Redact, NamesOfSecretsAreKnownInEachSpelling) {
  for (const char* name :
       {"password", "PGPASSWORD", "ssl-password", "secret", "client_secret", "secret_key",
        "AWS_SECRET_ACCESS_KEY", "accountKey", "sas", "sas_token", "sig", "pass%77d", "api-key"})
    EXPECT_TRUE(names_secret(name)) << name;
  for (const char* name : {"passenger", "key", "table", "signature_version", "user", "author", ""})
    EXPECT_FALSE(names_secret(name)) << name;
}

TEST(Redact, AnErrorIsToldWithoutThem) {
  Error error(ErrorType::auth_failure, "refused: postgres://u:pw@h/x");
  error.with_context("reading mysql://u:pw@h/y");
  error.remediation = "look at s3://k:pw@b/z of %E";
  EXPECT_THAT(error.text(), Not(HasSubstr("pw")));
  EXPECT_EQ(error.remedy("3"), "look at s3://k:***@b/z of 3");
}

std::string word_of(const std::string& letters, int least) {
  const int size = *rc::gen::inRange(least, 24);
  return *rc::gen::container<std::string>(static_cast<std::size_t>(size),
                                          rc::gen::elementOf(letters));
}

/// Letters that stand nowhere else in what is made below, so that a part of it would be seen.
constexpr const char* kInSecret = "QXZ%+~$!*,;:@()[]{}|^=\\Q";

RC_GTEST_PROP(RedactProperty, NoPartOfAPasswordIsLeftAndTheRestIs, ()) {
  const std::string secret = "Q" + word_of(kInSecret, 1) + "X";
  const std::string scheme = *rc::gen::elementOf(std::vector<std::string>{
      "postgres", "postgresql", "mysql", "mssql", "s3", "az", "dw", "https"});
  const std::string host = word_of("abcdef.-", 1);
  const std::string address = scheme + "://user:" + secret + "@" + host + "/path?a=b";
  for (const SecretsIn in : {SecretsIn::value, SecretsIn::text, SecretsIn::document}) {
    const std::string shown = redact(address, in);
    RC_ASSERT(shown == scheme + "://user:***@" + host + "/path?a=b");
  }
  const std::string sentence = "cannot open " + address + " now";
  RC_ASSERT(redact(sentence).find_first_of("QXZ") == std::string::npos);
  RC_ASSERT(mask_secrets(address, SecretsIn::value, 'x').find_first_of("QXZ") == std::string::npos);
}

RC_GTEST_PROP(RedactProperty, AnyTextIsBornAndSaidTwiceIsSaidOnce, (const std::string& bytes)) {
  const std::string spiced = *rc::gen::elementOf(std::vector<std::string>{
                                 "", "a://b:", "password=", "x?sig=", "{token: ", "Bearer "}) +
                             bytes +
                             *rc::gen::elementOf(std::vector<std::string>{"", "@h", "\"", "&"});
  for (const SecretsIn in : {SecretsIn::value, SecretsIn::text, SecretsIn::document}) {
    std::size_t last = 0;
    for (const SecretSpan& span : secret_spans(spiced, in)) {
      RC_ASSERT(span.begin >= last);
      RC_ASSERT(span.begin < span.end);
      RC_ASSERT(span.end <= spiced.size());
      last = span.end;
    }
    const std::string once = redact(spiced, in);
    RC_ASSERT(redact(once, in) == once);
  }
}

}  // namespace
}  // namespace dunlin
