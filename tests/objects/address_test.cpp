// Addresses, the copy rule for prefixes, and plans.
#include "objects/address.h"

#include <gtest/gtest.h>

#include "objects/objects_kind.h"
#include "objects/objects_plan.h"

namespace dunlin::objects {
namespace {

TEST(Address, TextAndBack) {
  for (const char* text : {"mem:/run/s#b/", "mem:/run/s#b/p", "mem:/run/s#b/p/",
                           "mem:/run/s#b//x/../", "mem:/a%23b%25#bucket/#%23"}) {
    const auto address = parse_address(text);
    ASSERT_TRUE(address.ok()) << text;
    EXPECT_EQ(address->text(), text);
  }
  const auto odd = parse_address("mem:/a%23b%25#bucket/#%23");
  EXPECT_EQ(odd->socket_path, "/a#b%");
  EXPECT_EQ(odd->prefix, "#%23");  // keys are taken literally
  EXPECT_EQ(parse_address("mem:/s#b")->prefix, "");
}

TEST(Address, WhatIsNoneIsRefusedWithTheForm) {
  for (const char* text : {"", "mem:", "mem:/s", "mem:#b/p", "mem:/s#", "mem:/s#/p",
                           "mem:/s%2f#b/p", "mem:/s%#b/", "s3://b/p", "mem:/s#b/\xff"}) {
    const auto address = parse_address(text);
    ASSERT_FALSE(address.ok()) << text;
    EXPECT_NE(address.error().message.find("mem:SOCKET#BUCKET/PREFIX"), std::string::npos);
  }
}

struct Rule {
  const char* source;
  const char* destination;
  const char* key;   ///< of the source
  const char* goes;  ///< of the destination
};

TEST(KeyMap, FollowsTheCopyRuleOfRsync) {
  for (const auto& [source, destination, key, goes] : std::initializer_list<Rule>{
           {"photos/", "old/", "photos/a/b", "old/a/b"},
           {"photos/", "old", "photos/a", "old/a"},
           {"photos", "old/", "photos/a", "old/photos/a"},
           {"photos", "old", "photos/a", "old/photos/a"},
           {"x/photos", "", "x/photos/a", "photos/a"},
           {"x/photos", "old/", "x/photos", "old/photos"},
           {"", "old/", "a//b", "old/a//b"},
           {"", "", "/lead", "/lead"},
           {"a//", "", "a///b", "/b"},
           {"photos/", "old/", "photos/", "old/"},
       }) {
    const KeyMap keys({"/s", "b", source}, {"/s", "c", destination});
    EXPECT_EQ(keys.destination_key(keys.name(key), false), goes) << source << " " << destination;
    EXPECT_EQ(keys.source_key(keys.name(key)), key);
  }
}

TEST(KeyMap, ANamedSourceIsNotItsNeighbours) {
  const KeyMap keys({"/s", "b", "photos"}, {"/s", "c", ""});
  EXPECT_EQ(keys.list_prefix(), "photos/");
  EXPECT_EQ(keys.exact_source_key(), "photos");
  EXPECT_FALSE(KeyMap({"/s", "b", "photos/"}, {"/s", "c", ""}).exact_source_key());
}

TEST(KeyMap, OwnStateIsKnownAnywhereInAKey) {
  const ExecutionId id{"01890000-0000-7000-8000-0123456789ab"};
  EXPECT_EQ(KeyMap({"/s", "b", ""}, {"/s", "c", "p/"}).undo_prefix(id), "p/.dunlin-undo-456789ab/");
  EXPECT_EQ(KeyMap({"/s", "b", ""}, {"/s", "c", "p/x"}).undo_prefix(id),
            "p/.dunlin-undo-456789ab/");
  EXPECT_TRUE(is_own_state(".dunlin-undo-456789ab/1"));
  EXPECT_TRUE(is_own_state("a/b/.dunlin-undo-456789ab/1"));
  EXPECT_TRUE(is_own_state("a/.dunlin-probe-456789ab"));
  EXPECT_FALSE(is_own_state("a/.dunlin-undo-456789a/1"));
  EXPECT_FALSE(is_own_state("a.dunlin-undo-456789ab/1"));
  EXPECT_FALSE(is_own_state(".dunlin-undo-456789abc/1"));
  EXPECT_FALSE(is_own_state(".dunlin-undo-"));
}

class ObjectsKindTest : public ::testing::Test {
 protected:
  const std::unique_ptr<engine::Kind> kind_ = make_objects_kind();

  [[nodiscard]] std::string problems(const char* text) const {
    std::string all;
    for (const auto& line : kind_->check(*parse_json(text))) all += line + "\n";
    return all;
  }
};

TEST_F(ObjectsKindTest, ACopyBecomesAPlanThatChecks) {
  const engine::CommandLine line{"copy",
                                 {"mem:/run/s#b/p/", "mem:../s#c/"},
                                 {{"conflict", "overwrite"}, {"part-size", "1MiB"}}};
  ASSERT_TRUE(kind_->accepts(line));
  const auto document = kind_->plan_for(line);
  ASSERT_TRUE(document.ok()) << document.error().text();
  EXPECT_EQ(document->at("kind"), "objects");
  EXPECT_EQ(document->at("source").at("address"), "mem:/run/s#b/p/");
  EXPECT_EQ(document->at("strategy").at("conflict_resolution"), "overwrite");
  EXPECT_TRUE(kind_->check(*document).empty());
  // Resumed from another directory it must mean the same socket.
  EXPECT_TRUE(document->at("destination").at("address").get<std::string>().starts_with("mem:/"));
}

TEST_F(ObjectsKindTest, PathsBelongToFiles) {
  EXPECT_FALSE(kind_->accepts({"copy", {"/a", "/b"}, {}}));
  EXPECT_FALSE(kind_->accepts({"copy", {"./mem:a", "/b"}, {}}));
  EXPECT_FALSE(kind_->accepts({"load", {"mem:/s#b/", "mem:/s#c/"}, {}}));
  const engine::CommandLine mixed{"copy", {"/a", "mem:/s#c/"}, {}};
  ASSERT_TRUE(kind_->accepts(mixed));
  EXPECT_EQ(kind_->plan_for(mixed).error().type, ErrorType::invalid_input);
  const engine::CommandLine move{"move", {"mem:/s#b/", "mem:/s#c/"}, {}};
  ASSERT_TRUE(kind_->accepts(move));
  EXPECT_EQ(kind_->plan_for(move).error().type, ErrorType::invalid_input);
}

TEST_F(ObjectsKindTest, EveryProblemOfAPlanIsNamedWithItsKey) {
  const std::string all = problems(R"({"kind": "objects", "source": {"adress": "x"},
      "destination": {"address": "mem:relative#b/"},
      "strategy": {"conflict_resolution": "overwrite_if_newr", "part_size": "0", "partsize": 1}})");
  EXPECT_NE(all.find("/source/adress: unknown key; did you mean address?"), std::string::npos)
      << all;
  EXPECT_NE(all.find("/source/address: "), std::string::npos) << all;
  EXPECT_NE(all.find("/destination/address: the socket's path must begin with"), std::string::npos);
  EXPECT_NE(all.find("did you mean overwrite_if_newer?"), std::string::npos) << all;
  EXPECT_NE(all.find("/strategy/part_size: must be a size"), std::string::npos) << all;
  EXPECT_NE(all.find("/strategy/partsize: unknown key; did you mean part_size?"),
            std::string::npos);
  EXPECT_NE(problems("{}").find("/destination: is missing"), std::string::npos);
}

TEST_F(ObjectsKindTest, ClaimsOfNestedPrefixesAreNestedPaths) {
  engine::Plan plan;
  plan.document = *parse_json(R"({"source": {"address": "mem:/s#a/"},
                                  "destination": {"address": "mem:/s#b/p/q/"}})");
  const auto claims = kind_->claims(plan);
  ASSERT_TRUE(claims.ok());
  EXPECT_EQ(*claims, (std::vector<engine::Claim>{"mem:/s#b/p/q"}));
  EXPECT_EQ(kind_->describe(plan), "copy mem:/s#a/ to mem:/s#b/p/q/");
}

}  // namespace
}  // namespace dunlin::objects
