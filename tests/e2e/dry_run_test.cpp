// What would be done is looked at first: `--dry-run` in every form, for every kind.
#include <sys/stat.h>
#include <unistd.h>

#include "e2e/world.h"

namespace dunlin::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class DryRun : public World {
 protected:
  void make_conflicts() {
    make_tree("src", 12, 3000);
    ASSERT_EQ(run({"copy", path("src") + "/", path("dst")}).code, 0);
    write("src/d0/new", "not there yet");
    write("src/d1/f1", "of another size");
  }
};

TEST_F(DryRun, SaysWhatWouldBeCreatedOverwrittenAndSkippedAndChangesNothing) {
  make_conflicts();
  struct stat before{};
  ASSERT_EQ(::stat(path("dst/d0").c_str(), &before), 0);
  const Finished done = run({"copy", path("src") + "/", path("dst"), "--dry-run"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, AllOf(HasSubstr("dry run: copy "), HasSubstr("create      1 file"),
                              HasSubstr("d0/new"), HasSubstr("overwrite   1 file"),
                              HasSubstr("d1/f1"), HasSubstr("skipped     11 files: unchanged"),
                              HasSubstr("changed     nothing"), Not(HasSubstr("verified"))));
  EXPECT_THAT(difference("src", "dst"), Not(""));
  struct stat after{};
  ASSERT_EQ(::stat(path("dst/d0").c_str(), &after), 0);
  EXPECT_EQ(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
  EXPECT_TRUE(leftovers("dst").empty());
}

TEST_F(DryRun, IsAnEventForEachItemWithJson) {
  make_conflicts();
  const Finished done = run({"copy", path("src") + "/", path("dst"), "-n", "--json"});
  ASSERT_EQ(done.code, 0) << done.err;
  int created = 0;
  for (const Json& line : json_lines(done.out)) {
    if (line["event"] != "operation" || line["action"] != "created") continue;
    EXPECT_EQ(line["path"], "d0/new");
    ++created;
  }
  EXPECT_EQ(created, 1);
  EXPECT_EQ(json_lines(done.out).back()["event"], "finished");
}

TEST_F(DryRun, ToNowhereYetMakesNoDirectory) {
  make_tree("src", 4, 10);
  EXPECT_THAT(run({"copy", path("src"), path("a/b/c"), "-n"}).out,
              HasSubstr("create      4 files"));
  EXPECT_FALSE(std::filesystem::exists(path("a")));
}

TEST_F(DryRun, WhatWouldFailEndsWithItsCode) {
  make_tree("src", 3, 10);
  ASSERT_EQ(run({"copy", path("src"), path("dst")}).code, 0);
  write("src/d0/f0", "changed since");
  const Finished done = run({"copy", path("src"), path("dst"), "--dry-run", "--conflict", "fail"});
  EXPECT_EQ(done.code, 1) << done.out;
  EXPECT_THAT(done.out,
              AllOf(HasSubstr("destination_exists"), HasSubstr("what would fail and why")));
}

TEST_F(DryRun, WhatRefusesTheStartRefusesItToo) {
  if (::geteuid() == 0) GTEST_SKIP() << "nothing is forbidden to root";
  make_tree("src", 2, 10);
  std::filesystem::create_directory(path("closed"));
  ASSERT_EQ(::chmod(path("closed").c_str(), 0500), 0);
  const Finished done = run({"copy", path("src"), path("closed/dst"), "--dry-run"});
  EXPECT_EQ(done.code, 3) << done.out;
  EXPECT_THAT(done.out, HasSubstr("Permission denied"));
}

TEST_F(DryRun, HasNothingToTakeBackOrToCompare) {
  make_tree("src", 2, 10);
  ASSERT_EQ(run({"copy", path("src"), path("dst"), "--dry-run"}).code, 0);
  for (const char* verb : {"rollback", "verify"}) {
    const Finished refused = run({verb, "last", "--yes"});
    EXPECT_EQ(refused.code, 2) << verb;
    EXPECT_THAT(refused.err, AllOf(HasSubstr("is a dry run: it has changed nothing"),
                                   HasSubstr("dunlin items 1")));
  }
}

TEST_F(DryRun, WaitsForNobodyWhoWritesTheSameDestination) {
  make_tree("src", 40, 200'000);
  ASSERT_EQ(run({"copy", path("src"), path("dst"), "--detach", "--io-limit", "1MB/s"}).code, 0);
  EXPECT_EQ(run({"copy", path("src"), path("dst"), "--dry-run"}).code, 0);
  EXPECT_EQ(run({"cancel", "1"}).code, 0);
}

TEST_F(DryRun, OfAPlanAndOfAMove) {
  make_tree("src", 3, 10);
  write("plan.yaml", "kind: files\nsource: {paths: [" + path("src") +
                         "/]}\ndestination: {base_path: " + path("dst") +
                         "}\nstrategy: {operation: move}\nmode: dry_run\n");
  const Finished done = run({"run", path("plan.yaml")});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, AllOf(HasSubstr("dry run: move "), HasSubstr("rename      3 files")));
  EXPECT_FALSE(std::filesystem::exists(path("dst")));
  const Finished twice = run({"run", path("plan.yaml"), "--dry-run", "--mode", "full"});
  EXPECT_EQ(twice.code, 2);
  EXPECT_THAT(twice.err, HasSubstr("exclude each other"));
}

TEST_F(DryRun, OfRowsAndMigrations) {
  write("migrations/1_a.up.sql", "CREATE TABLE t(id INTEGER PRIMARY KEY);\n");
  const std::vector<std::string> up = {
      "migrate", "up", "--db", "sqlite:" + path("a.db"), "--dir", path("migrations")};
  std::vector<std::string> dry = up;
  dry.emplace_back("--dry-run");
  EXPECT_THAT(run(dry).out, HasSubstr("apply       1 migration"));
  EXPECT_FALSE(std::filesystem::exists(path("a.db")));
  ASSERT_EQ(run(up).code, 0);
  const Finished rows =
      run({"load", "sqlite:" + path("a.db"), "sqlite:" + path("b.db"), "--all", "--dry-run"});
  EXPECT_EQ(rows.code, 0) << rows.err;
  EXPECT_FALSE(std::filesystem::exists(path("b.db")));
}

}  // namespace
}  // namespace dunlin::e2e
