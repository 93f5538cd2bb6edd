// Plans that wait for others: one after another by `depends_on` (engine.md ).
#include <csignal>

#include "base/file_io.h"
#include "e2e/world.h"

namespace dunlin::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class WaitingPlans : public World {
 protected:
  /// Stores a plan that copies `name` to `destination`; returns its id.
  std::string store(const std::string& name, const std::string& destination,
                    const std::vector<std::string>& before = {}, const std::string& id = "",
                    bool held = false) {
    make_tree(name, 4, 100);
    Json plan = {{"kind", "files"},
                 {"name", name},
                 {"source", {{"paths", {path(name) + "/"}}}},
                 {"destination", {{"base_path", path(destination)}}}};
    if (!before.empty()) plan["depends_on"] = before;
    if (!id.empty()) plan["id"] = id;
    if (held) plan["settings"] = {{"selective_pause", {{{"path", "*"}}}}};
    write(name + ".json", plan.dump());
    const Finished done = run({"plan", "create", path(name + ".json"), "--json"});
    EXPECT_EQ(done.code, 0) << done.err;
    return done.code == 0 ? json_lines(done.out).back()["id"].get<std::string>() : "";
  }
  [[nodiscard]] std::string status_of(const std::string& number) const {
    return string_or(json({"status", number}), "status", "");
  }
};

TEST_F(WaitingPlans, OneComesAfterTheOther) {
  const std::string first = store("first", "dst");
  const std::string second = store("second", "dst", {first});
  const Finished early = run({"run", second});
  EXPECT_EQ(early.code, 3) << early.out;
  EXPECT_THAT(early.err, AllOf(HasSubstr("(first): has never run"),
                               HasSubstr("dunlin run " + first), HasSubstr("--wait")));
  EXPECT_EQ(json({"ps", "--all"}).size(), 0U) << "nothing was recorded";
  EXPECT_EQ(run({"run", second, "--dry-run"}).code, 0) << "who changes nothing waits for nobody";
  ASSERT_EQ(run({"run", first, "--dry-run"}).code, 0);
  EXPECT_EQ(run({"run", second}).code, 3) << "a dry run does not do what is waited for";
  ASSERT_EQ(run({"run", first}).code, 0);
  EXPECT_EQ(run({"run", second}).code, 0);
  const Finished again = run({"run", second});
  EXPECT_EQ(again.code, 3);
  EXPECT_THAT(again.err,
              HasSubstr("has completed before the last run of this plan, and not since"));
  ASSERT_EQ(run({"run", first}).code, 0);
  EXPECT_EQ(run({"run", second}).code, 0);
}

TEST_F(WaitingPlans, WithWaitItBeginsWhenTheOtherHasCompletedOnOneDestination) {
  const std::string first = store("first", "dst", {}, "", true);
  const std::string second = store("second", "dst", {first});
  ASSERT_EQ(run({"run", first}).code, 4);  // held
  const Finished now = run({"run", second});
  EXPECT_EQ(now.code, 3);
  EXPECT_THAT(now.err,
              AllOf(HasSubstr("execution 1 of it is paused"), HasSubstr("dunlin resume 1")));
  Process waiting(dunlin({"run", second, "--wait"}));
  ASSERT_TRUE(waiting.says("execution 2 waits"));
  EXPECT_TRUE(waiting.says("(first): execution 1 of it is paused"));
  EXPECT_EQ(status_of("2"), "pending");
  EXPECT_FALSE(fs::exists(path("dst/d0/f0"))) << "neither has copied anything";
  ASSERT_EQ(run({"resume", "1", "--held"}).code, 0);
  EXPECT_EQ(waiting.wait(), 0) << waiting.out() << waiting.err();
  EXPECT_EQ(status_of("2"), "completed");
}

TEST_F(WaitingPlans, WhatIsWaitedForMayWriteWhereTheOtherWillWrite) {
  const std::string first = store("first", "dst");
  const std::string second = store("second", "dst", {first});
  const std::string third = store("third", "dst");
  Process waiting(dunlin({"run", second, "--wait"}));
  ASSERT_TRUE(waiting.says("has never run"));
  const Finished other = run({"run", third});
  EXPECT_EQ(other.code, 5) << "nobody waits for that one";
  EXPECT_THAT(other.err, HasSubstr("execution 1 (pending) writes the same destination"));
  EXPECT_EQ(run({"run", first}).code, 0);
  EXPECT_EQ(waiting.wait(), 0) << waiting.out() << waiting.err();
}

TEST_F(WaitingPlans, AnInterruptEndsTheWaitAndLosesNothing) {
  const std::string first = store("first", "one");
  const std::string second = store("second", "two", {first});
  Process waiting(dunlin({"run", second, "--wait"}));
  ASSERT_TRUE(waiting.says("has never run"));
  waiting.signal(SIGINT);
  EXPECT_EQ(waiting.wait(), 4);
  EXPECT_THAT(waiting.out(), HasSubstr("dunlin resume 1 --wait"));
  EXPECT_EQ(status_of("1"), "pending");
  const Finished early = run({"resume", "1"});
  EXPECT_EQ(early.code, 3) << "it still waits";
  EXPECT_THAT(early.err, HasSubstr("has never run"));
  Process again(dunlin({"resume", "1", "--wait"}));
  ASSERT_TRUE(again.says("has never run"));
  ASSERT_EQ(run({"run", first}).code, 0);
  EXPECT_EQ(again.wait(), 0) << again.err();
  EXPECT_EQ(difference("second", "two"), "");
}

TEST_F(WaitingPlans, KilledWhileItWaitsItGoesOnOrIsGivenUp) {
  const std::string first = store("first", "one");
  const std::string second = store("second", "two", {first});
  Process waiting(dunlin({"run", second, "--wait"}));
  ASSERT_TRUE(waiting.says("has never run"));
  waiting.signal(SIGKILL);
  EXPECT_EQ(waiting.wait(), 128 + SIGKILL);
  EXPECT_EQ(status_of("1"), "pending");
  EXPECT_EQ(run({"cancel", "1"}).code, 0);
  EXPECT_EQ(status_of("1"), "cancelled");
}

TEST_F(WaitingPlans, InTheBackgroundToo) {
  const std::string first = store("first", "one");
  const std::string second = store("second", "two", {first});
  const Finished handed = run({"run", second, "--wait", "--detach"});
  ASSERT_EQ(handed.code, 0) << handed.err;
  EXPECT_THAT(handed.out, HasSubstr("execution 1 waits in the background"));
  ASSERT_EQ(run({"run", first}).code, 0);
  EXPECT_TRUE(eventually([this] { return status_of("1") == "completed"; }));
  EXPECT_EQ(difference("second", "two"), "");
}

TEST_F(WaitingPlans, WhatHasFailedRefusesWithItsCause) {
  const std::string first = store("first", "one");
  const std::string second = store("second", "two", {first});
  fs::remove_all(path("first"));
  ASSERT_EQ(run({"run", first}).code, 3) << "its source is gone";
  for (const bool wait : {false, true}) {
    std::vector<std::string> words{"run", second};
    if (wait) words.emplace_back("--wait");
    const Finished refused = run(words);
    EXPECT_EQ(refused.code, 3) << refused.out;
    EXPECT_THAT(refused.err, AllOf(HasSubstr("execution 1 of it has failed"),
                                   HasSubstr("dunlin errors 1"), Not(HasSubstr("--wait begins"))));
  }
}

TEST_F(WaitingPlans, ACircleIsRefusedAndPrinted) {
  const std::string a = "0193e0a0-7c1b-7d52-9f00-00000000000a";
  const std::string b = "0193e0a0-7c1b-7d52-9f00-00000000000b";
  const std::string c = "0193e0a0-7c1b-7d52-9f00-00000000000c";
  store("first", "one", {}, a);
  store("second", "two", {a}, b);
  store("third", "three", {b}, c);
  Json plan = *parse_json(*read_file(path("first.json")));
  plan["depends_on"] = {c};
  write("first.json", plan.dump());
  for (const char* verb : {"create", "check"}) {
    const Finished refused = run({"plan", verb, path("first.json")});
    EXPECT_EQ(refused.code, 2) << verb;
    EXPECT_THAT(refused.err, HasSubstr(a + " (first) -> " + c + " (third) -> " + b +
                                       " (second) -> " + a + " (first)"))
        << verb;
  }
  EXPECT_EQ(json({"plan", "list"}).size(), 3U);
}

TEST_F(WaitingPlans, ListShowAndCheckSayWhetherTheyAreMet) {
  const std::string first = store("first", "one");
  const std::string second = store("second", "two", {first});
  EXPECT_THAT(run({"plan", "list"}).out, AllOf(HasSubstr("WAITS FOR"), HasSubstr("0 of 1 met")));
  EXPECT_THAT(run({"plan", "check", second}).out, HasSubstr("(first): has never run"));
  const Finished shown = run({"plan", "show", second});
  EXPECT_THAT(shown.err, HasSubstr("(first): has never run"));
  EXPECT_TRUE(parse_json(shown.out).ok()) << "what is printed is a plan";
  ASSERT_EQ(run({"run", first}).code, 0);
  EXPECT_THAT(run({"plan", "list"}).out, HasSubstr("1 of 1 met"));
  for (const Json& one : json({"plan", "list"})) {
    if (one["id"] != second) continue;
    EXPECT_EQ(one["depends_on"][0]["id"], first);
    EXPECT_EQ(one["depends_on"][0]["met"], true);
  }
}

TEST_F(WaitingPlans, WhatOthersWaitForIsNotDeleted) {
  const std::string first = store("first", "one");
  const std::string second = store("second", "two", {first});
  const Finished refused = run({"plan", "delete", first});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("is waited for by plan " + second + " (second)"),
                                 HasSubstr("dunlin plan delete " + second)));
  EXPECT_EQ(run({"plan", "delete", second}).code, 0);
  EXPECT_EQ(run({"plan", "delete", first}).code, 0);
}

}  // namespace
}  // namespace dunlin::e2e
