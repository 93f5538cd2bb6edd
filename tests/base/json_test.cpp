#include "base/json.h"

#include <chrono>
#include <string>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace dunlin {
namespace {

std::string failure(std::string_view text, JsonLimits limits = {}) {
  const auto parsed = parse_json(text, "in.json", limits);
  if (parsed.ok()) return "accepted";
  EXPECT_EQ(parsed.error().type, ErrorType::invalid_input);
  return parsed.error().message;
}

TEST(ParseJson, KeepsOrderAndTypes) {
  const auto parsed =
      parse_json(R"({"b":1,"a":[true,null,-2,1.5,18446744073709551615,"x\n"],"c":{}})");
  ASSERT_TRUE(parsed.ok()) << parsed.error().text();
  EXPECT_EQ(dump_json(*parsed),
            R"({"b":1,"a":[true,null,-2,1.5,18446744073709551615,"x\n"],"c":{}})");
}

TEST(ParseJson, ErrorsHaveTheirPlace) {
  EXPECT_EQ(failure("{\n  \"a\": 1,\n  \"b\" 2\n}").substr(0, 13), "in.json:3:7: ");
  EXPECT_EQ(failure("[1,2").substr(0, 11), "in.json:1:5");
  EXPECT_NE(failure("{\"a\":1,\n \"a\":2}").find("in.json:2"), std::string::npos);
  EXPECT_NE(failure("{\"a\":1,\"a\":2}").find("the key \"a\" is given twice"), std::string::npos);
}

TEST(ParseJson, RefusesWhatIsNoJson) {
  for (const auto* bad :
       {"", " ", "{", "[1,]", "{\"a\":1,}", "nul", "1 2", "{} x", "'a'", "\"\xff\"", "\"\x01\"",
        "NaN", "01", "1e999", "/* c */ 1", "{a:1}", "\"\\ud800\""}) {
    EXPECT_TRUE(failure(bad).starts_with("in.json:")) << bad << ": " << failure(bad);
  }
}

TEST(ParseJson, DepthAndSizeAreLimited) {
  EXPECT_EQ(failure(std::string(64, '[') + std::string(64, ']')), "accepted");
  EXPECT_NE(failure(std::string(65, '[') + std::string(65, ']')).find("deeper than 64"),
            std::string::npos);
  EXPECT_NE(failure(std::string(5'000'000, '[')).find("deeper than 64"), std::string::npos);
  EXPECT_EQ(failure("[1,2,3]", {.max_bytes = 3}), "in.json: larger than 3 bytes");
}

// ordered_json alone looks every new key up linearly and would take minutes here.
TEST(ParseJsonTimeAlone, ManyKeysTakeLinearTime) {
  std::string text = "{";
  for (int i = 0; i < 150'000; ++i) text += "\"key" + std::to_string(i) + "\":0,";
  const auto start = std::chrono::steady_clock::now();
  const auto parsed = parse_json(text + "\"last\":1}");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(15));
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->size(), 150'001U);
  EXPECT_NE(failure(text + "\"key7\":1}").find("\"key7\" is given twice"), std::string::npos);
}

RC_GTEST_PROP(ParseJsonProperty, AnyBytesAreParsedOrRefused, (const std::string& bytes)) {
  const auto parsed = parse_json(bytes);
  if (parsed.ok()) RC_ASSERT(*parse_json(dump_json(*parsed)) == *parsed);
}

TEST(DumpJson, NeverThrows) {
  EXPECT_EQ(dump_json(Json("\xff")), "\"\xef\xbf\xbd\"");
}

TEST(PathFields, AUtf8NameStandsByItself) {
  Json object;
  put_path(object, "path", "dir/\xc3\xa9\n\\x");
  EXPECT_EQ(object.dump(), "{\"path\":\"dir/\xc3\xa9\\n\\\\x\"}");
}

TEST(PathFields, OtherBytesComeWithTheirBase64) {
  Json object;
  put_path(object, "path", "a\xff");
  EXPECT_EQ(object.dump(), R"({"path":"a\\xff","path_b64":"Yf8="})");
  put_path(object, "path", "b");
  EXPECT_EQ(object.dump(), R"({"path":"b"})");
}

RC_GTEST_PROP(PathFieldsProperty, RoundTrip, (const std::string& bytes)) {
  Json object;
  put_path(object, "path", bytes);
  RC_ASSERT(*get_path(*parse_json(dump_json(object)), "path") == bytes);
}

TEST(PathFields, UnusableFieldsAreErrors) {
  for (const auto* bad :
       {"{}", "[]", "{\"path\":1}", "{\"path\":\"a\",\"path_b64\":\"?\"}", "{\"path_b64\":3}"}) {
    EXPECT_FALSE(get_path(*parse_json(bad), "path").ok()) << bad;
  }
}

TEST(JsonMembers, FallBackWithoutThrowing) {
  const Json object = *parse_json(R"({"s":"x","i":-3,"u":18446744073709551615,"b":true})");
  EXPECT_EQ(string_or(object, "s", "d"), "x");
  EXPECT_EQ(string_or(object, "i", "d"), "d");
  EXPECT_EQ(integer_or(object, "i", 9), -3);
  EXPECT_EQ(integer_or(object, "u", 9), 9);
  EXPECT_EQ(integer_or(object, "s", 9), 9);
  EXPECT_TRUE(boolean_or(object, "b", false));
  EXPECT_EQ(find_member(object, "none"), nullptr);
  EXPECT_EQ(find_member(Json::array(), "none"), nullptr);
  EXPECT_EQ(json_pointer_token("a/b~c"), "a~1b~0c");
}

}  // namespace
}  // namespace dunlin
