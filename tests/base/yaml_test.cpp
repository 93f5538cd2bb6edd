#include "base/yaml.h"

#include <chrono>
#include <string>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace dunlin {
namespace {

std::string as_json(std::string_view text, YamlLimits limits = {}) {
  const auto document = parse_yaml(text, "plan.yaml", limits);
  return document.ok() ? dump_json(document->root()) : document.error().message;
}

TEST(ParseYaml, ScalarsFollowTheCoreSchema) {
  EXPECT_EQ(as_json("[~, null, Null, NULL, , true, True, FALSE]"),
            "[null,null,null,null,null,true,true,false]");
  EXPECT_EQ(as_json("[0, -1, +12, 0x1F, 0o17, 0123, 18446744073709551615]"),
            "[0,-1,12,31,15,123,18446744073709551615]");
  EXPECT_EQ(as_json("[1.5, -.5, 1., 1e3, 1.5E-2]"), "[1.5,-0.5,1.0,1000.0,0.015]");
  EXPECT_EQ(
      as_json("[yes, no, on, off, y, nULL, tRUE, 0b1, 1_000, 12:30, 1.2.3, 0x, -, e3, .]"),
      R"(["yes","no","on","off","y","nULL","tRUE","0b1","1_000","12:30","1.2.3","0x","-","e3","."])");
  EXPECT_EQ(as_json(R"(["12", 'true', "null", '', "\u00e9"])"),
            "[\"12\",\"true\",\"null\",\"\",\"\xc3\xa9\"]");
  EXPECT_EQ(as_json("a: |\n  one\n  two\nb: >-\n  one\n  two\n"),
            R"({"a":"one\ntwo\n","b":"one two"})");
  EXPECT_EQ(as_json("[!!str 12, !!float 3, !!int 3, !!str true]"), R"(["12",3.0,3,"true"])");
  EXPECT_EQ(as_json("{12: a, true: b}"), R"({"12":"a","true":"b"})");
}

TEST(ParseYaml, NothingIsNull) {
  EXPECT_EQ(as_json(""), "null");
  EXPECT_EQ(as_json("# only a comment\n"), "null");
  EXPECT_EQ(as_json("key:\n"), R"({"key":null})");
}

TEST(ParseYaml, JsonIsYaml) {
  const std::string json = R"({"a":[1,-2,3.5,true,null,"x\n\"\\\/"],"b":{},"c":[]})";
  EXPECT_EQ(as_json(json), R"({"a":[1,-2,3.5,true,null,"x\n\"\\/"],"b":{},"c":[]})");
  EXPECT_EQ(as_json("{\n\t\"a\": 1,\n\t\"b\": [\n\t\t2\n\t]\n}\n"), R"({"a":1,"b":[2]})");
}

TEST(ParseYaml, AliasesAreExpanded) {
  EXPECT_EQ(as_json("a: &x {k: [1]}\nb: *x\nc: &y s\nd: *y\n"),
            R"({"a":{"k":[1]},"b":{"k":[1]},"c":"s","d":"s"})");
}

TEST(ParseYaml, KnowsWhereThingsStand) {
  const std::string text =
      "name: n\n"
      "tasks:\n"
      "  - id: a\n"
      "    source: /s\n"
      "  - {id: b, 'x/y': 1}\n"
      "again: &r {k: v}\n"
      "more: *r\n";
  const auto document = parse_yaml(text, "plan.yaml");
  ASSERT_TRUE(document.ok()) << document.error().text();
  EXPECT_EQ(document->where("/name"), "plan.yaml:1:1");
  EXPECT_EQ(document->where("/tasks"), "plan.yaml:2:1");
  EXPECT_EQ(document->where("/tasks/0/source"), "plan.yaml:4:5");
  EXPECT_EQ(document->where("/tasks/1"), "plan.yaml:5:5");
  EXPECT_EQ(document->where("/tasks/1/id"), "plan.yaml:5:6");
  EXPECT_EQ(document->where("/tasks/1/x~1y"), "plan.yaml:5:13");
  EXPECT_EQ(document->where("/tasks/7/id"), "plan.yaml:2:1");
  EXPECT_EQ(document->where("/more/k"), "plan.yaml:7:1");
  EXPECT_EQ(document->where(""), "plan.yaml:1:1");
  EXPECT_EQ(document->error_at("/tasks/0/source", "no such directory").message,
            "plan.yaml:4:5: no such directory");
}

TEST(ParseYaml, ErrorsHaveTheirPlace) {
  EXPECT_EQ(
      as_json("a: 1\nb: 2\na: 3\n"),
      "plan.yaml:3:1: the key \"a\" is given twice, first on line 1; join the two, or take one "
      "out");
  EXPECT_EQ(as_json("a: 1\n  b: 2\n").substr(0, 12), "plan.yaml:2:");
  EXPECT_EQ(as_json("a: [1, 2\n").substr(0, 10), "plan.yaml:");
  EXPECT_EQ(as_json("a: *nobody\n").substr(0, 12), "plan.yaml:1:");
  EXPECT_EQ(as_json("? [a]\n: b\n"), "plan.yaml:1:3: a key must be a single word or text");
  EXPECT_EQ(as_json("~: b\n"), "plan.yaml:1:1: a key is empty or null; quote it if it is text");
  EXPECT_EQ(as_json("a: .inf\n"), "plan.yaml:1:4: .inf is not finite; quote it if it is text");
  EXPECT_NE(as_json("a: 1e999\n").find("plan.yaml:1:4: the number 1e999"), std::string::npos);
  EXPECT_NE(as_json("a: 99999999999999999999\n").find("does not fit into 64 bits"),
            std::string::npos);
  EXPECT_NE(as_json("a: !!python/object:os.system x\n").find("the tag"), std::string::npos);
  EXPECT_NE(as_json("a: !own x\n").find("the tag !own"), std::string::npos);
  EXPECT_NE(as_json("a: !!int x\n").find("the tag"), std::string::npos);
  EXPECT_NE(as_json("a: 1\n---\nb: 2\n").find("plan.yaml:2:1: more than one document"),
            std::string::npos);
  EXPECT_NE(as_json("x: &a {k: 1}\ny:\n  <<: *a\n").find("merge keys"), std::string::npos);
  EXPECT_NE(as_json("a: \xff\n").find("plan.yaml:1:4: the text is no UTF-8"), std::string::npos);
  EXPECT_NE(as_json(std::string_view("a: 1\nb: \0\n", 11))
                .find("plan.yaml:2:4: the control character \\x00 is not allowed"),
            std::string::npos);
}

// Found by the fuzzer: yaml-cpp 0.7 answers with bytes that are no UTF-8.
TEST(ParseYaml, EscapesThatBecomeBrokenTextAreRefused) {
  EXPECT_NE(as_json(R"(a: "\N")").find("plan.yaml:1:4: the escapes"), std::string::npos);
  EXPECT_NE(as_json(R"("\_": a)").find("plan.yaml:1:1: the escapes"), std::string::npos);
  EXPECT_EQ(as_json(R"(a: "\u0085\u00a0\x41")"),
            "{\"a\":\"\xc2\x85\xc2\xa0"
            "A\"}");
}

TEST(ParseYaml, AHostileFileNameIsEscaped) {
  EXPECT_EQ(parse_yaml("[", "a\nb").error().message.substr(0, 7), "a\\x0ab:");
}

TEST(ParseYaml, LimitsHold) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_EQ(as_json(nested(64)).substr(0, 2), "[[");
  EXPECT_NE(as_json(nested(65)).find("nested deeper than 64"), std::string::npos);
  EXPECT_NE(as_json(std::string(1'000'000, '[')).find("plan.yaml:"), std::string::npos);
  EXPECT_NE(as_json(std::string(100'000, '{')).find("plan.yaml:"), std::string::npos);
  std::string blocks;
  for (int i = 0; i < 100'000; ++i) blocks += "- ";
  EXPECT_NE(as_json(blocks).find("plan.yaml:"), std::string::npos);
  EXPECT_EQ(as_json("[1, 2, 3]", {.max_bytes = 5}), "plan.yaml: larger than 5 bytes");
  EXPECT_NE(as_json("[1, 2, 3]", {.max_nodes = 3}).find("more than 3 values"), std::string::npos);
  EXPECT_NE(as_json("[&a x, *a, *a]", {.max_aliases = 1}).find("more than 1 aliases"),
            std::string::npos);
}

TEST(ParseYaml, BillionLaughsStopAtTheNodeLimit) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 9; ++k) text += before + (k < 8 ? ", " : "]\n");
  }
  EXPECT_NE(as_json(text).find("more than 1000000 values"), std::string::npos);
}

TEST(ParseYaml, AliasesCannotNestDeeperThanTheLimit) {
  std::string text = "a0: &a0 [[[[[[[[[[x]]]]]]]]]]\n";
  for (int i = 1; i < 8; ++i) {
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [[[[[[[[[[*a" +
            std::to_string(i - 1) + "]]]]]]]]]]\n";
  }
  EXPECT_NE(as_json(text).find("nested deeper than 64"), std::string::npos);
  EXPECT_NE(as_json("&a [*a]").find("an alias inside of what it names"), std::string::npos);
}

// Quadratic time for the keys of one map would take minutes here.
TEST(ParseYamlTimeAlone, ManyKeysTakeLinearTime) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "key" + std::to_string(i) + ": 0\n";
  const auto start = std::chrono::steady_clock::now();
  const auto document = parse_yaml(text, "plan.yaml");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(15));
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->root().size(), 100'000U);
  EXPECT_EQ(document->position("/key99999").line, 100'000);
}

RC_GTEST_PROP(ParseYamlProperty, AnyTextIsParsedOrRefused, ()) {
  const auto text = *rc::gen::container<std::string>(
      rc::gen::elementOf(std::string(":-[]{}&*!|>'\"%@`#?,. \n\tab01~<")));
  const auto document = parse_yaml(text, "plan.yaml");
  if (document.ok()) {
    RC_ASSERT(*parse_json(dump_json(document->root())) == document->root());
  } else {
    RC_ASSERT(document.error().message.starts_with("plan.yaml"));
  }
}

}  // namespace
}  // namespace dunlin
