// Documents by the ending of their name, and what is said of those that are none.
#include "base/document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dunlin {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string of(std::string_view text, std::string_view file) {
  const auto document = parse_document(text, file);
  return document.ok() ? dump_json(document->root()) : document.error().message;
}

TEST(Document, JsonIsTakenStrictlyAndYamlAsYaml) {
  EXPECT_EQ(of("{\"a\": 1,}", "p.yaml"), R"({"a":1})");
  EXPECT_EQ(of("{\"a\": 1,}", "p.json"),
            "p.json:1:8: JSON has no comma before '}'; take this one out");
  EXPECT_EQ(of("a: 1", "p.json"),
            "p.json:1:1: this is no JSON: it begins with 'a' and not with '{'; if it is YAML, name "
            "the file .yaml");
  EXPECT_EQ(of(R"({"a": "\ud83d\ude00"})", "p.json"), "{\"a\":\"\xf0\x9f\x98\x80\"}");
  EXPECT_EQ(of("\xef\xbb\xbf{\"a\": 1}", "p.json"), R"({"a":1})");
}

TEST(Document, MistakesOfJsonAreNamedWhereTheyAre) {
  EXPECT_EQ(of("{\n  \"a\": 1\n  \"b\": 2\n}", "p.json"),
            "p.json:2:9: a comma is missing here, between two members");
  EXPECT_THAT(of("{\n  \"a\": {\n    \"b\": 2\n}\n", "p.json"), StartsWith("p.json:1:1: the '{'"));
  EXPECT_THAT(of("{\"a\": 1 // why\n}", "p.json"), StartsWith("p.json:1:9: JSON has no comments"));
  EXPECT_THAT(of("{'a': 1}", "p.json"), HasSubstr("double quotes only"));
  EXPECT_THAT(of("{a: 1}", "p.json"), HasSubstr("JSON wants \"a\""));
  EXPECT_THAT(of("{\"a\": True}", "p.json"), HasSubstr("JSON writes true, not True"));
  EXPECT_EQ(of("", "p.json"), "p.json:1:1: the file is empty");
}

TEST(Document, MistakesOfYamlAreToldByTheLinesAround) {
  EXPECT_THAT(of("a:\n\tb: 1\n", "p.yaml"), StartsWith("p.yaml:2:1: a tab indents this line"));
  EXPECT_THAT(of("kind files\na: 1\n", "p.yaml"),
              StartsWith("p.yaml:1:1: \"kind files\" has no colon; write kind: files"));
  EXPECT_THAT(of("kind:files\na: 1\n", "p.yaml"), HasSubstr("no space after its colon"));
  EXPECT_THAT(of("a: b: c\n", "p.yaml"), HasSubstr("put the value in quotes: \"b: c\""));
  EXPECT_THAT(of("a:\n    b: 1\n  c: 2\n", "p.yaml"),
              StartsWith("p.yaml:3:3: this line is indented by 2 spaces"));
  EXPECT_THAT(of("a: [1, 2\nb: 3\n", "p.yaml"), StartsWith("p.yaml:1:4: the '[' here"));
  EXPECT_THAT(of("a: *.tmp\n", "p.yaml"), HasSubstr("put a pattern in quotes: \"*.tmp\""));
  EXPECT_THAT(of("a: \"b\nc: d\n", "p.yaml"), StartsWith("p.yaml:1:4: the quote that begins here"));
  EXPECT_THAT(of("a: @b\n", "p.yaml"), HasSubstr("text cannot begin with '@' here"));
}

TEST(Document, AMessageIsTakenApart) {
  const auto told = placed_message(Error(ErrorType::plan_invalid, "p.yaml:3:7: a: b"), "p.yaml");
  EXPECT_EQ(told.at.line, 3);
  EXPECT_EQ(told.at.column, 7);
  EXPECT_EQ(told.why, "a: b");
  EXPECT_EQ(placed_message(Error(ErrorType::plan_invalid, "p.yaml: too large"), "p.yaml").why,
            "too large");
}

}  // namespace
}  // namespace dunlin
