// A tree is moved: what the user sees, what is left where, and that all of it comes back.
#include <filesystem>

#include "base/crash_point.h"
#include "base/file_io.h"
#include "e2e/world.h"
#include "support/scratch.h"

namespace dunlin::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class Move : public World {};

TEST_F(Move, ATreeIsMovedReportedAndTakenBack) {
  make_tree("src", 30, 3000);
  make_tree("reference", 30, 3000);
  const Finished done = run({"move", path("src"), path("dst"), "--delete-empty-src-dirs"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("completed: move "));
  EXPECT_THAT(done.out, HasSubstr("found as moved"));
  EXPECT_THAT(done.out, Not(HasSubstr("compared equal")));
  EXPECT_EQ(difference("reference", "dst/src"), "");
  EXPECT_THAT(run({"items", "1"}).out, HasSubstr("renamed"));
  EXPECT_EQ(run({"verify", "1"}).code, 0);
  EXPECT_EQ(run({"rollback", "1", "--yes"}).code, 0);
  EXPECT_EQ(difference("reference", "src"), "");
}

/// Names of one file are taken back by several batches at the same time.
TEST_F(Move, SetsOfLinksComeBackFromAnotherDisk) {
  const auto memory = testing::ScratchDirectory::in_memory();
  for (int n = 0; n < 30; ++n) {
    const std::string set = "/s" + std::to_string(n);
    for (const char* root : {"src", "reference"}) {
      write(root + ("/a" + set), std::string(20'000, static_cast<char>('a' + n % 26)));
      for (const char* other : {"/b", "/c"}) {
        std::filesystem::create_directories(path(root + std::string(other)));
        std::filesystem::create_hard_link(path(root + ("/a" + set)), path(root + (other + set)));
      }
    }
  }
  EXPECT_EQ(run({"move", path("src") + "/", memory.file("dst"), "--batch-size", "4",
                 "--concurrency", "8"})
                .code,
            0);
  const Finished back = run({"rollback", "last", "--yes"});
  EXPECT_EQ(back.code, 0) << back.out << run({"errors", "last"}).out;
  EXPECT_EQ(difference("reference", "src"), "");
  EXPECT_FALSE(std::filesystem::exists(memory.file("dst")));
}

TEST_F(Move, CountsFilesOnceAndTheirDirectoriesBesideThem) {
  write("src/one", "1");
  write("src/sub/two", "22");
  const Finished done = run({"move", path("src"), path("dst"), "--delete-empty-src-dirs"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("moved       2 files in 2 directories"));
  EXPECT_THAT(done.out, HasSubstr("all 2 files found as moved"));
  const Finished status = run({"status", "last"});
  EXPECT_THAT(status.out, HasSubstr("files       2 files moved of 2\n"));
  EXPECT_THAT(status.out, HasSubstr("directories 2 made or found of 2\n"));
  const Json progress = json({"status", "last"})["progress"];
  EXPECT_EQ(progress["total_files"], 2);
  EXPECT_EQ(progress["successful_files"], 2);
  EXPECT_EQ(progress["verified_files"], 2);
  EXPECT_EQ(progress["total_directories"], 2);
  EXPECT_EQ(progress["successful_directories"], 2);
  EXPECT_EQ(progress["total_steps"], 3) << "the times of two, the removal of one";
  const Finished back = run({"rollback", "last", "--yes"});
  EXPECT_EQ(back.code, 0) << back.err;
  EXPECT_THAT(back.out, HasSubstr("taken back  2 files, 2 directories"));

  const Finished single = run({"copy", path("src/one"), path("single")});
  EXPECT_THAT(single.out, HasSubstr("copied      1 file, 1 B"));
}

TEST_F(Move, ARetryThatEmptiesADirectoryRemovesItAndThoseAbove) {
  write("src/a/b/late", "late");
  write("src/a/early", "early");
  write("src/c/stays not", "c");
  write("dst/src/a/b/late/in the way", "a directory of this name");
  const Finished first = run({"move", path("src"), path("dst"), "--delete-empty-src-dirs"});
  EXPECT_EQ(first.code, 1) << first.out << first.err;
  EXPECT_THAT(first.out, HasSubstr("failed      1 file: destination_exists 1"));
  EXPECT_TRUE(std::filesystem::exists(path("src/a/b/late")));
  EXPECT_FALSE(std::filesystem::exists(path("src/c")));
  std::filesystem::remove_all(path("dst/src/a/b/late"));
  const Finished retried = run({"retry", "last"});
  EXPECT_EQ(retried.code, 0) << retried.out << retried.err;
  EXPECT_EQ(*read_file(path("dst/src/a/b/late")), "late");
  EXPECT_FALSE(std::filesystem::exists(path("src/a"))) << "empty since the retry";
  EXPECT_TRUE(std::filesystem::exists(path("src")));
  EXPECT_EQ(run({"rollback", "last", "--yes"}).code, 0);
  EXPECT_EQ(*read_file(path("src/a/b/late")), "late");
}

#if DUNLIN_CRASH_POINTS
/// Whoever cancels it may never come back to it.
TEST_F(Move, ARollbackThatWasKilledLeavesNothingHalfMadeWhenItIsCancelled) {
  const auto elsewhere = testing::ScratchDirectory::in_memory();
  make_tree("src", 30, 2000);
  make_tree("reference", 30, 2000);
  ASSERT_EQ(run({"move", path("src") + "/", elsewhere.file("dst")}).code, 0);
  ProcessOptions options = dunlin({"rollback", "last", "--yes"});
  options.environment["DUNLIN_CRASH_AT"] = "files.restore_sources.written:1";
  ASSERT_EQ(testing::run_process(options).code, 128 + SIGKILL);
  ASSERT_THAT(leftovers("src"), Not(IsEmpty()));
  const Finished cancelled = run({"cancel", "last"});
  EXPECT_EQ(cancelled.code, 0) << cancelled.out << cancelled.err;
  EXPECT_EQ(status(), "cancelled");
  EXPECT_THAT(leftovers("src"), IsEmpty());
  const Finished rolled_back = run({"rollback", "last", "--yes"});
  EXPECT_EQ(rolled_back.code, 0) << rolled_back.out << rolled_back.err;
  EXPECT_EQ(difference("reference", "src"), "");
  EXPECT_FALSE(std::filesystem::exists(elsewhere.file("dst")));
}

/// The directories to be removed are listed in chunks, after what was left out has been said.
TEST_F(Move, WhatWasLeftOutIsSaidOnceWhereverTheListingDies) {
  bool killed = true;
  for (int n = 1; killed; ++n) {
    const std::string source = "src" + std::to_string(n);
    for (int k = 0; k < 7; ++k) write(source + "/d" + std::to_string(k) + "/file", "x");
    write(source + "/left.out", "x");
    ProcessOptions options = dunlin({"move", path(source), path("dst"), "--delete-empty-src-dirs",
                                     "--exclude", "*.out", "--batch-size", "2"});
    options.environment["DUNLIN_CRASH_AT"] = "engine.append.after:" + std::to_string(n);
    killed = testing::run_process(options).code == 128 + SIGKILL;
    if (killed) {
      EXPECT_EQ(run({"resume", "last"}).code, 0);
    }
    int said = 0;
    for (const Json& task : json({"tasks", "last"})) said += task["task_type"] == "selection";
    EXPECT_EQ(said, 1) << "killed after chunk " << n;
    ASSERT_LT(n, 40);
    if (!killed) {
      EXPECT_GT(n, 8) << "the directories were listed in one chunk";
    }
  }
}
#endif

TEST_F(Move, OntoItselfSaysWhatToDoAndLosesNothing) {
  write("d/file", "only one");
  const Finished done = run({"move", path("d/file"), path("d/")});
  EXPECT_EQ(done.code, 1);
  EXPECT_THAT(run({"errors", "last"}).out, HasSubstr("the same file"));
  EXPECT_EQ(run({"move", path("d"), path("d/inside")}).code, 3);
  EXPECT_EQ(*read_file(path("d/file")), "only one");
}

TEST_F(Move, ItsHelpNamesOnlyWhatFilesKnow) {
  const Finished help = run({"move", "--help"});
  EXPECT_THAT(help.out, HasSubstr("--delete-empty-src-dirs"));
  EXPECT_THAT(help.out, HasSubstr("--preserve"));
  EXPECT_THAT(help.out, Not(HasSubstr("--multipart-threshold")));
}

}  // namespace
}  // namespace dunlin::e2e
