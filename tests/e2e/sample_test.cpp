// A sample is tried first: `--test N`, which copies it into a place of its own, proves it, removes
// it, and says how long the whole would take (engine.md X-3).
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <set>

#include "base/crash_point.h"
#include "base/file_io.h"
#include "e2e/world.h"
#include "support/tree_compare.h"

namespace dunlin::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class TestMode : public World {
 protected:
  void SetUp() override {
    make_tree("src", 200, 2000);
    write("src/deep/er/est/large", std::string(300'000, 'l'));
    write("src/empty", "");
    write("dst/stands/here", "already");
    keep("src");
    keep("dst");
  }
  /// As it is now, with its times, for expect_untouched().
  void keep(const std::string& name) const {
    fs::create_directories(path("before"));
    const std::vector<std::string> words{"/bin/cp", "-a", path(name), path("before/" + name)};
    ASSERT_EQ(testing::run_process({words, {}, "", 0}).code, 0);
  }
  void expect_untouched(bool times = true) const {
    testing::CompareOptions options;
    options.directory_times = times;
    for (const char* name : {"src", "dst"})
      EXPECT_THAT(
          testing::tree_differences(path(std::string("before/") + name), path(name), options),
          IsEmpty())
          << name;
  }
  [[nodiscard]] std::vector<std::string> words(const std::vector<std::string>& more) const {
    std::vector<std::string> all{"copy", path("src") + "/", path("dst")};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

TEST_F(TestMode, ASampleIsCopiedProvenRemovedAndTheWholeEstimated) {
  const Finished done = run(words({"--test", "40"}));
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_THAT(
      done.out,
      AllOf(HasSubstr("completed: test: copy "), HasSubstr("copied      40 files"),
            HasSubstr("all 40 files compared equal"), HasSubstr("sample      40 of 202 files"),
            HasSubstr("estimate    the whole would take about "), HasSubstr("dst/.dunlin-test-"),
            HasSubstr("removed")));
  expect_untouched();
  const Json report = json({"report", "last"});
  const Json& test = report["test"];
  EXPECT_EQ(test["whole"]["items"], 202);
  EXPECT_EQ(test["sample"]["items"], 40);
  EXPECT_EQ(test["place_removed"], true);
  EXPECT_EQ(test["interrupted"], false);
  EXPECT_LE(test["estimate"]["low_seconds"], test["estimate"]["seconds"]);
  EXPECT_LE(test["estimate"]["seconds"], test["estimate"]["high_seconds"]);
  EXPECT_THAT(run({"report", "last"}).out, HasSubstr("estimate"));
  EXPECT_THAT(run({"report", "last", "--format", "html"}).out, HasSubstr("<h2>Test</h2>"));
  bool large = false;
  bool empty = false;
  for (const Json& item : json({"items", "last", "--limit", "0"})) {
    large = large || item["path"] == "deep/er/est/large";
    empty = empty || item["path"] == "empty";
  }
  EXPECT_TRUE(large && empty) << "each class of sizes gives one";
}

/// The lots are drawn anew each time: that both fail by chance is less likely than one in 100,000.
TEST_F(TestMode, IsSpreadOverTheTreeAndAnotherForEachExecution) {
  std::set<std::string> directories;
  const auto draw = [&] {
    std::set<std::string> paths;
    EXPECT_EQ(run(words({"--test", "30"})).code, 0);
    for (const Json& item : json({"items", "last", "--limit", "0"})) {
      const std::string file = item["path"];
      if (file.find("/f") == std::string::npos) continue;
      paths.insert(file);
      directories.insert(file.substr(0, file.find('/')));
    }
    return paths;
  };
  const auto first = draw();
  EXPECT_GE(directories.size(), 3U);
  EXPECT_NE(draw(), first);
}

TEST_F(TestMode, TheLastJsonLineHoldsTheEstimate) {
  const Finished done = run(words({"--test", "10", "--json"}));
  ASSERT_EQ(done.code, 0) << done.err;
  const Json last = json_lines(done.out).back();
  EXPECT_EQ(last["event"], "finished");
  EXPECT_EQ(last["test"]["sample"]["items"], 10);
  EXPECT_TRUE(last["test"]["estimate"]["seconds"].is_number());
}

TEST_F(TestMode, ToNowhereYetLeavesNowhereBehind) {
  EXPECT_EQ(run({"copy", path("src"), path("a/b/c"), "--test", "5"}).code, 0);
  EXPECT_FALSE(fs::exists(path("a")));
  EXPECT_THAT(leftovers(""), IsEmpty());
}

TEST_F(TestMode, MoreThanThereIsTakesAllOfIt) {
  const Finished done = run(words({"--test", "5000"}));
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("sample      202 of 202 files"));
  expect_untouched();
}

TEST_F(TestMode, OfAMoveLeavesTheSourceAlone) {
  const Finished done =
      run({"move", path("src") + "/", path("dst"), "--delete-empty-src-dirs", "--test", "20"});
  EXPECT_EQ(done.code, 0) << done.err;
  expect_untouched();
}

TEST_F(TestMode, OfSeveralSourcesAndOfOneFile) {
  make_tree("more", 30, 100);
  const Finished several = run({"copy", path("src"), path("more"), path("dst"), "--test", "9"});
  EXPECT_EQ(several.code, 0) << several.err;
  EXPECT_THAT(several.out, HasSubstr("sample      9 of 232 files"));
  const Finished one = run({"copy", path("src/deep/er/est/large"), path("dst"), "--test", "9"});
  EXPECT_EQ(one.code, 0) << one.err;
  EXPECT_THAT(one.out, HasSubstr("sample      1 of 1 file"));
  expect_untouched();
}

TEST_F(TestMode, TakesOnlyWhatThePlanTakes) {
  const Finished done = run(words({"--test", "50", "--exclude", "/d1/", "--max-size", "100kB"}));
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("sample      50 of 161 files"));
  for (const Json& item : json({"items", "last", "--limit", "0"}))
    EXPECT_THAT(item["path"].get<std::string>(), Not(HasSubstr("d1/")));
}

TEST_F(TestMode, DirectoriesWithoutRightsAreRemovedToo) {
  ASSERT_EQ(::chmod(path("src/deep/er/est").c_str(), 0555), 0);
  ASSERT_EQ(::chmod(path("src/deep/er").c_str(), 0555), 0);
  EXPECT_EQ(run(words({"--test", "50"})).code, 0);
  EXPECT_THAT(leftovers("dst"), IsEmpty());
  ASSERT_EQ(::chmod(path("src/deep/er").c_str(), 0755), 0);
  ASSERT_EQ(::chmod(path("src/deep/er/est").c_str(), 0755), 0);
}

TEST_F(TestMode, WhatFailsIsSaidAndNothingIsLeft) {
  if (::geteuid() == 0) GTEST_SKIP() << "nothing is forbidden to root";
  ASSERT_EQ(::chmod(path("src/empty").c_str(), 0), 0);
  const Finished done = run(words({"--test", "300"}));
  EXPECT_EQ(done.code, 1) << done.out;
  EXPECT_THAT(done.out, HasSubstr("permission_denied"));
  EXPECT_THAT(leftovers("dst"), IsEmpty());
}

TEST_F(TestMode, InAPlanAndByItsMode) {
  const std::string plan = "kind: files\nsource: {paths: [" + path("src") +
                           "/]}\ndestination: {base_path: " + path("dst") + "}\n";
  write("plan.yaml", plan);
  EXPECT_THAT(run({"run", path("plan.yaml"), "--mode", "test"}).out,
              HasSubstr("sample      100 of 202 files"));
  write("test.yaml", plan + "mode: test\nsettings: {sample_size: 7}\n");
  EXPECT_THAT(run({"run", path("test.yaml")}).out, HasSubstr("sample      7 of 202 files"));
  EXPECT_THAT(run({"run", path("plan.yaml"), "--test", "8"}).out,
              HasSubstr("sample      8 of 202 files"));
  const Finished both = run({"run", path("plan.yaml"), "--test", "8", "--mode", "full"});
  EXPECT_EQ(both.code, 2);
  EXPECT_THAT(both.err, HasSubstr("--test and --mode full exclude each other"));
  EXPECT_EQ(run(words({"--test", "8", "--dry-run"})).code, 2);
  EXPECT_EQ(run(words({"--test", "0"})).code, 2);
  expect_untouched();
}

TEST_F(TestMode, HasNothingToTakeBackOrToCompare) {
  ASSERT_EQ(run(words({"--test", "3"})).code, 0);
  for (const char* verb : {"rollback", "verify", "retry", "resume"}) {
    const Finished refused = run({verb, "last", "--yes"});
    EXPECT_EQ(refused.code, 2) << verb;
    EXPECT_THAT(refused.err, AllOf(HasSubstr("is a test"), HasSubstr("without --test"))) << verb;
  }
  EXPECT_EQ(run({"delete", "last"}).code, 0);
}

TEST_F(TestMode, OtherKindsSayThatTheyCannotAndWhatCan) {
  const auto refused = [&](const std::vector<std::string>& line) {
    const Finished done = run(line);
    EXPECT_EQ(done.code, 2) << line.front();
    EXPECT_THAT(done.err, AllOf(HasSubstr("cannot be tested"), HasSubstr("--dry-run")));
  };
  write("migrations/1_a.up.sql", "CREATE TABLE t(id INTEGER PRIMARY KEY);\n");
  const std::string db = "sqlite:" + path("a.db");
  refused({"migrate", "up", "--db", db, "--dir", path("migrations"), "--test", "3"});
  EXPECT_FALSE(fs::exists(path("a.db")));
  ASSERT_EQ(run({"migrate", "up", "--db", db, "--dir", path("migrations")}).code, 0);
  refused({"load", db, "sqlite:" + path("b.db"), "--all", "--test", "3"});
  refused({"copy", "--link", path("src") + "/", path("dst"), "--test", "3"});
  expect_untouched();
}

TEST_F(TestMode, APausedOneKeepsItsPlaceAndACancelRemovesIt) {
  Process test(dunlin(words({"--test", "200", "--io-limit", "100kB/s", "--batch-size", "10"})));
  ASSERT_TRUE(is_under_way());
  ASSERT_EQ(run({"pause", "last"}).code, 0);
  EXPECT_EQ(test.wait(), 4) << test.err();
  EXPECT_THAT(leftovers("dst"), Not(IsEmpty()));
  EXPECT_EQ(run({"rollback", "last", "--yes"}).code, 2);
  EXPECT_EQ(run({"cancel", "last"}).code, 0);
  EXPECT_THAT(leftovers("dst"), IsEmpty());
  expect_untouched();
}

TEST_F(TestMode, WritesBesideWhoWritesTheDestination) {
  const std::string plan = "kind: files\nsource: {paths: [" + path("src") +
                           "/]}\ndestination: {base_path: " + path("dst") +
                           "}\nsettings: {selective_pause: [{path: \"*\"}]}\n";
  write("plan.yaml", plan);
  ASSERT_EQ(run({"run", path("plan.yaml")}).code, 4);
  EXPECT_EQ(run(words({"--test", "3"})).code, 0);
}

#if DUNLIN_CRASH_POINTS

class TestModeKilled : public TestMode, public ::testing::WithParamInterface<const char*> {
 protected:
  void kill() {
    ProcessOptions options = dunlin(words({"--test", "60", "--batch-size", "20"}));
    options.environment["DUNLIN_CRASH_AT"] = GetParam();
    ASSERT_EQ(testing::run_process(options).code, 128 + SIGKILL) << "never came there";
  }
  /// Between the two steps nobody is left who could put the time back.
  static bool keeps_times() {
    return std::string_view(GetParam()) != "files.remove_scratch.after:1";
  }
};

TEST_P(TestModeKilled, GoesOnAndLeavesNothing) {
  ASSERT_NO_FATAL_FAILURE(kill());
  const Finished resumed = run({"resume", "last"});
  EXPECT_EQ(resumed.code, 0) << resumed.out << resumed.err;
  EXPECT_THAT(resumed.out, HasSubstr("sample      60 of 202 files"));
  EXPECT_THAT(resumed.out, HasSubstr("it was interrupted, so its time measures nothing"));
  EXPECT_THAT(leftovers("dst"), IsEmpty());
  expect_untouched(keeps_times());
}

TEST_P(TestModeKilled, IsCancelledAndLeavesNothing) {
  ASSERT_NO_FATAL_FAILURE(kill());
  EXPECT_EQ(run({"cancel", "last"}).code, 0);
  EXPECT_THAT(leftovers("dst"), IsEmpty());
  expect_untouched(keeps_times());
}

INSTANTIATE_TEST_SUITE_P(At, TestModeKilled,
                         ::testing::Values("engine.append.after:1", "engine.execute.before:1",
                                           "files.write.after:2", "files.publish.after:1",
                                           "files.outcomes.after:2", "ledger.commit.after:4",
                                           "files.directory_times.after:1",
                                           "files.remove_scratch.before:1",
                                           "files.remove_scratch.after:1"));

#endif

}  // namespace
}  // namespace dunlin::e2e
