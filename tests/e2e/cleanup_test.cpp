// What an execution leaves behind by itself: cleanup_policy (engine.md X-22).
#include <csignal>

#include "base/crash_point.h"
#include "e2e/world.h"
#include "support/tree_compare.h"

namespace dunlin::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using Words = std::vector<std::string>;

class Cleanup : public World {
 protected:
  void SetUp() override {
    make_tree("src", 60, 3000);
    write("src/z/bad", "cannot be placed");
    write("src/kept", "takes its place");
    write("dst/z/other", "was there");
    write("dst/kept", "was there");
    ASSERT_EQ(
        testing::run_process({{"/bin/cp", "-a", path("dst"), path("before")}, {}, "", 0}).code, 0);
  }
  [[nodiscard]] Words slow(Words more) const {
    more.insert(more.end(), {"--io-limit", "60KB/s"});
    return copy(more);
  }
  [[nodiscard]] Words copy(const Words& more) const {
    Words words{"copy", path("src") + "/", path("dst"), "--batch-size", "4"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  /// Once all has been checked and some of it is done, somebody puts a directory where the last
  /// file is to stand.
  void get_in_its_way() const {
    ASSERT_TRUE(is_under_way());
    // The same on both sides, its time too.
    write("dst/z/bad/in", "somebody's");
    EXPECT_EQ(
        testing::run_process({{"/bin/cp", "-a", path("dst/z/bad"), path("before/z")}, {}, "", 0})
            .code,
        0);
    static_cast<void>(run({"limits", "last", "--io", "none"}));
  }
  /// Of both sides' names and contents; times of directories are somebody's now.
  [[nodiscard]] std::vector<std::string> differences() const {
    testing::CompareOptions options;
    options.directory_times = false;
    return testing::tree_differences(path("before"), path("dst"), options);
  }
};

TEST_F(Cleanup, AFailureIsTakenBackAtOnceWhereThatIsAskedFor) {
  Process done(dunlin(slow({"--stop-on-first-error", "--on-failure", "rollback"})));
  get_in_its_way();
  EXPECT_EQ(done.wait(), 1) << done.out() << done.err();
  EXPECT_THAT(done.out(), AllOf(HasSubstr("what was done is taken back (on_failure: rollback)"),
                                HasSubstr("rolled_back: copy "), HasSubstr("it had failed")));
  EXPECT_THAT(differences(), IsEmpty());
  const Json status = json({"status", "last"});
  EXPECT_EQ(status["status"], "rolled_back");
  EXPECT_EQ(status["failure_taken_back"], true);
  EXPECT_EQ(run({"watch", "last"}).code, 1);
  EXPECT_THAT(run({"errors", "last"}).out, HasSubstr("z/bad"));
  EXPECT_THAT(run({"audit", "show", "last"}).out, HasSubstr("execution.failure_taken_back"));
}

TEST_F(Cleanup, ItemsThatFailAreNoFailureOfTheWhole) {
  Process done(dunlin(slow({"--on-failure", "rollback"})));
  get_in_its_way();
  EXPECT_EQ(done.wait(), 1) << done.err();
  EXPECT_EQ(status(), "completed");
  EXPECT_THAT(differences(), Not(IsEmpty()));
}

TEST_F(Cleanup, WithoutItAFailureStays) {
  Process done(dunlin(slow({"--stop-on-first-error"})));
  get_in_its_way();
  EXPECT_EQ(done.wait(), 1) << done.err();
  EXPECT_EQ(status(), "failed");
}

TEST_F(Cleanup, InTheBackgroundToo) {
  const Finished started =
      run(slow({"--stop-on-first-error", "--on-failure", "rollback", "--detach"}));
  EXPECT_EQ(started.code, 0) << started.err;
  get_in_its_way();
  EXPECT_EQ(run({"watch", "last"}).code, 1) << "who watches it sees it to its end";
  EXPECT_EQ(status(), "rolled_back");
  EXPECT_THAT(differences(), IsEmpty());
}

TEST_F(Cleanup, AsJsonItSaysTheEndOnce) {
  Process done(dunlin(slow({"--max-failures", "0", "--on-failure", "rollback", "--json"})));
  get_in_its_way();
  EXPECT_EQ(done.wait(), 1) << done.err();
  int ends = 0;
  bool said = false;
  const auto lines = json_lines(done.out());
  for (const Json& line : lines) {
    if (line["event"] == "finished") ++ends;
    said = said || line["event"] == "rolling_back";
  }
  EXPECT_EQ(ends, 1);
  EXPECT_TRUE(said);
  EXPECT_EQ(lines.back()["status"], "rolled_back");
  EXPECT_EQ(lines.back()["exit_code"], 1);
}

/// What is found afterwards is for a person to decide about.
TEST_F(Cleanup, WhatAVerificationFindsLaterIsNoFailureToBeTakenBack) {
  ASSERT_EQ(run(copy({"--on-failure", "rollback"})).code, 0);
  write("dst/kept", "by somebody");
  EXPECT_EQ(run({"verify", "last"}).code, 6);
  static_cast<void>(run({"resume", "last"}));
  EXPECT_NE(status(), "rolled_back");
  EXPECT_TRUE(fs::exists(path("dst/z/bad")));
}

TEST_F(Cleanup, AStartThatIsRefusedTakesNothingBack) {
  Process first(dunlin(slow({"--on-failure", "rollback"})));
  ASSERT_TRUE(is_under_way());
  ASSERT_EQ(run({"pause", "last"}).code, 0);
  EXPECT_EQ(first.wait(), 4);
  const std::size_t done = differences().size();
  ASSERT_GT(done, 0U);
  fs::rename(path("src"), path("away"));
  EXPECT_NE(run({"resume", "last"}).code, 0);
  EXPECT_NE(status(), "rolled_back");
  EXPECT_EQ(differences().size(), done);
}

#if DUNLIN_CRASH_POINTS
TEST_F(Cleanup, KilledBetweenTheFailureAndItsRollbackItIsTakenBackByResume) {
  ProcessOptions options = dunlin(slow({"--stop-on-first-error", "--on-failure", "rollback"}));
  options.environment["DUNLIN_CRASH_AT"] = "engine.take_back_failure.before:1";
  Process killed(options);
  get_in_its_way();
  ASSERT_EQ(killed.wait(), 128 + SIGKILL);
  ASSERT_EQ(status(), "failed");
  ASSERT_THAT(differences(), Not(IsEmpty()));
  EXPECT_THAT(run({"status", "last"}).out, HasSubstr("take back what was done"));
  const Finished resumed = run({"resume", "last"});
  EXPECT_EQ(resumed.code, 1) << "as its failure: " << resumed.out << resumed.err;
  EXPECT_EQ(json({"status", "last"})["failure_taken_back"], true);
  EXPECT_THAT(differences(), IsEmpty());
}
#endif

TEST_F(Cleanup, NothingIsKeptForARollbackWhereThatIsDropped) {
  EXPECT_EQ(run(copy({"--undo", "drop"})).code, 0);
  const Json status = json({"status", "last"});
  EXPECT_EQ(status["undo"], "removed");
  EXPECT_EQ(status["kept_bytes"], 0);
  EXPECT_THAT(leftovers("dst"), IsEmpty());
  EXPECT_NE(run({"rollback", "last", "--yes"}).code, 0);
}

}  // namespace
}  // namespace dunlin::e2e
