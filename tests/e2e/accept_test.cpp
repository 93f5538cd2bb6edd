// What was migrated is accepted: nothing is kept for a rollback any more, and the record may go.
#include <sys/stat.h>
#include <unistd.h>

#include "e2e/world.h"

namespace dunlin::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Accept : public World {
 protected:
  /// Execution 2 has overwritten a file and keeps its old version.
  void overwrite() {
    make_tree("src", 6, 1000);
    ASSERT_EQ(run({"copy", path("src") + "/", path("dst")}).code, 0);
    write("src/d0/f0", "the new version");
    ASSERT_EQ(run({"copy", path("src") + "/", path("dst")}).code, 0);
    ASSERT_FALSE(leftovers("dst").empty());
  }
};

TEST_F(Accept, FreesWhatWasKeptAndForbidsTheRollback) {
  overwrite();
  const Finished done = run({"accept", "2"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_TRUE(leftovers("dst").empty());
  EXPECT_EQ(json({"status", "2"})["undo"], "removed");
  const Finished back = run({"rollback", "2", "--yes"});
  EXPECT_EQ(back.code, 2);
  EXPECT_THAT(back.err, HasSubstr("it cannot be taken back"));
  EXPECT_EQ(run({"accept", "2"}).code, 0) << "may be said again";
  EXPECT_EQ(run({"verify", "2"}).code, 0) << "what was written can still be compared";
  EXPECT_EQ(run({"rollback", "1", "--yes"}).code, 1)
      << "of another execution; f0 is not its any more";
}

TEST_F(Accept, ThatCouldNotRemoveItGoesOnWhenSaidAgain) {
  if (::geteuid() == 0) GTEST_SKIP() << "nothing is forbidden to root";
  overwrite();
  ASSERT_EQ(::chmod(path("dst").c_str(), 0500), 0);
  EXPECT_NE(run({"accept", "2"}).code, 0);
  EXPECT_EQ(run({"rollback", "2", "--yes"}).code, 2) << "some of it may be gone";
  EXPECT_EQ(run({"delete", "2", "--yes"}).code, 2);
  ASSERT_EQ(::chmod(path("dst").c_str(), 0700), 0);
  EXPECT_EQ(run({"accept", "2"}).code, 0);
  EXPECT_TRUE(leftovers("dst").empty());
}

TEST_F(Accept, WaitsForTheEnd) {
  make_tree("src", 40, 200'000);
  ASSERT_EQ(run({"copy", path("src"), path("dst"), "--detach", "--io-limit", "1MB/s"}).code, 0);
  ASSERT_TRUE(is_under_way());
  ASSERT_EQ(run({"pause", "1"}).code, 0);
  EXPECT_TRUE(eventually([&] { return status() == "paused"; }));
  EXPECT_THAT(run({"accept", "1"}).err, HasSubstr("once it has ended"));
  EXPECT_THAT(run({"delete", "1", "--yes"}).err, HasSubstr("dunlin cancel 1"));
  EXPECT_EQ(run({"cancel", "1"}).code, 0);
}

TEST_F(Accept, WhatARetryKeepsAfterwardsIsRemovedWithItsEnd) {
  if (::geteuid() == 0) GTEST_SKIP() << "nothing is forbidden to root";
  make_tree("src", 3, 100);
  ASSERT_EQ(run({"copy", path("src") + "/", path("dst")}).code, 0);
  write("src/d0/f0", "the new version");
  ASSERT_EQ(::chmod(path("src/d0/f0").c_str(), 0), 0);
  ASSERT_EQ(run({"copy", path("src") + "/", path("dst")}).code, 1);
  ASSERT_EQ(run({"accept", "2"}).code, 0);
  ASSERT_EQ(::chmod(path("src/d0/f0").c_str(), 0600), 0);
  EXPECT_EQ(run({"retry", "2"}).code, 0);
  EXPECT_EQ(difference("src", "dst"), "");
  EXPECT_TRUE(leftovers("dst").empty());
}

TEST_F(Accept, TheRecordOfWhatKeepsNothingIsDeleted) {
  overwrite();
  const Finished kept = run({"delete", "2", "--yes"});
  EXPECT_EQ(kept.code, 2);
  EXPECT_THAT(kept.err, HasSubstr("dunlin accept 2"));
  ASSERT_EQ(run({"accept", "2"}).code, 0);
  EXPECT_EQ(run({"delete", "2", "--yes"}).code, 0);
  EXPECT_THAT(run({"ps", "--all"}).out, AllOf(HasSubstr("\n 1  "), Not(HasSubstr("\n 2  "))));
  EXPECT_EQ(run({"status", "2"}).code, 2);
  EXPECT_EQ(run({"rollback", "1", "--yes"}).code, 1);
}

TEST_F(Accept, OfADryRunThereIsNothingAndItsRecordGoesAtOnce) {
  make_tree("src", 2, 10);
  ASSERT_EQ(run({"copy", path("src"), path("dst"), "--dry-run"}).code, 0);
  EXPECT_EQ(run({"accept", "1"}).code, 2);
  EXPECT_EQ(run({"delete", "1"}).code, 0);
}

}  // namespace
}  // namespace dunlin::e2e
