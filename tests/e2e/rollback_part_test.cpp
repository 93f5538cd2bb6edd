// A part of what was done is taken back: a directory, a pattern, a batch, an item. All else stays
// as it is, and what is kept for a rollback is given up in time.
#include <sys/stat.h>

#include <filesystem>

#include "e2e/world.h"
#include "support/scratch.h"

namespace dunlin::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class RollbackPart : public World {
 protected:
  [[nodiscard]] struct stat look(const std::string& name) const {
    struct stat info{};
    EXPECT_EQ(::lstat(path(name).c_str(), &info), 0) << name;
    return info;
  }
  [[nodiscard]] bool exists(const std::string& name) const {
    return std::filesystem::exists(std::filesystem::symlink_status(path(name)));
  }
  /// Below src and dst: sub/ and other/, some of it at both sides.
  void copy_over_what_is_there() {
    for (const char* name : {"sub/a.txt", "sub/deep/b.jpg", "other/c.txt", "other/d.jpg"})
      write(std::string("src/") + name, "new");
    write("dst/sub/a.txt", "old, and of another size");
    write("dst/other/c.txt", "old, and of another size");
    std::filesystem::copy(path("dst"), path("before"), std::filesystem::copy_options::recursive);
    std::filesystem::permissions(path("src/sub/deep"), std::filesystem::perms(0555));
    ASSERT_EQ(run({"copy", path("src") + "/", path("dst")}).code, 0);
  }
};

TEST_F(RollbackPart, ADirectoryIsTakenBackAndAllElseStays) {
  copy_over_what_is_there();
  const struct stat root = look("dst");
  const struct stat other = look("dst/other/c.txt");
  const Finished part = run({"rollback", "1", "--path", "sub/*", "--yes"});
  EXPECT_EQ(part.code, 0) << part.err;
  EXPECT_THAT(part.out, AllOf(HasSubstr("took back 3 of what was done"),
                              HasSubstr("completed: copy "), HasSubstr("taken back")));
  EXPECT_FALSE(exists("dst/sub/deep"));
  EXPECT_EQ(look("dst/sub/a.txt").st_size, look("before/sub/a.txt").st_size);
  EXPECT_EQ(look("dst/other/c.txt").st_ino, other.st_ino);
  EXPECT_EQ(look("dst").st_mtim.tv_nsec, root.st_mtim.tv_nsec) << "finished directories stay so";
  EXPECT_EQ(status(), "completed");
  EXPECT_EQ(run({"verify", "1"}).code, 0);
  EXPECT_EQ(json({"status", "1"})["rollback_part"], nullptr);
  EXPECT_THAT(run({"audit", "show", "1"}).out, HasSubstr("sub/*"));

  EXPECT_EQ(run({"rollback", "1", "--yes"}).code, 0);
  EXPECT_EQ(difference("before", "dst"), "");
  EXPECT_THAT(leftovers("dst"), IsEmpty());
}

TEST_F(RollbackPart, ByPatternByBatchByItemAndByEntity) {
  copy_over_what_is_there();
  EXPECT_EQ(run({"rollback", "1", "--path", "*.jpg", "--yes"}).code, 0);
  EXPECT_FALSE(exists("dst/sub/deep/b.jpg"));
  EXPECT_FALSE(exists("dst/other/d.jpg"));
  EXPECT_TRUE(exists("dst/sub/deep"));
  EXPECT_EQ(look("dst/sub/deep").st_mode & 0777, 0555U);
  EXPECT_EQ(run({"rollback", "1", "--entity", "other", "--yes"}).code, 0);
  EXPECT_EQ(look("dst/other/c.txt").st_size, look("before/other/c.txt").st_size);
  const Finished nothing = run({"rollback", "1", "--path", "*.png", "--yes"});
  EXPECT_EQ(nothing.code, 2);
  EXPECT_THAT(nothing.err, HasSubstr("dunlin items 1"));
  EXPECT_EQ(run({"rollback", "1", "--batch", "0", "--yes"}).code, 2);
  EXPECT_EQ(run({"rollback", "1", "--task", "files-x", "--yes"}).code, 2);
}

TEST_F(RollbackPart, WhatOthersHaveChangedOfItIsLeftAndNamed) {
  copy_over_what_is_there();
  write("dst/sub/a.txt", "somebody's");
  const Finished part = run({"rollback", "1", "--path", "sub/*", "--yes"});
  EXPECT_EQ(part.code, 1);
  EXPECT_THAT(part.out, HasSubstr("1 left alone, changed since; why: dunlin errors 1"));
  EXPECT_THAT(run({"errors", "1"}).out, HasSubstr("sub/a.txt"));
  EXPECT_FALSE(exists("dst/sub/deep"));
  const auto end = json_lines(run({"rollback", "1", "--path", "other/*", "--yes", "--json"}).out);
  ASSERT_FALSE(end.empty());
  EXPECT_EQ(end.back()["part"]["rolled_back"], 2);
  EXPECT_EQ(end.back()["part"]["left_alone"], 0);
}

/// Which of its names was listed first is the file system's doing, so each comes back first once.
TEST_F(RollbackPart, ASetOfHardLinksComesTogetherAgainNameByName) {
  for (const char* first : {"one", "two", "three"}) {
    const auto elsewhere = testing::ScratchDirectory::in_memory();
    write("src/one", "content");
    for (const char* other : {"two", "three"})
      std::filesystem::create_hard_link(path("src/one"), path(std::string("src/") + other));
    ASSERT_EQ(run({"move", path("src") + "/", elsewhere.file("dst")}).code, 0);
    ASSERT_EQ(run({"rollback", "last", "--path", first, "--yes"}).code, 0);
    EXPECT_TRUE(exists(std::string("src/") + first));
    ASSERT_EQ(run({"rollback", "last", "--yes"}).code, 0);
    EXPECT_EQ(std::filesystem::hard_link_count(path("src/one")), 3U) << first;
    std::filesystem::remove_all(path("src"));
  }
}

TEST_F(RollbackPart, OfAMoveItsDirectoriesAreMadeAgainAsTheyWere) {
  write("src/sub/deep/a.txt", "content");
  write("src/sub/deep/b.txt", "content");
  write("src/rest/c.txt", "content");
  std::filesystem::permissions(path("src/sub/deep"), std::filesystem::perms(0750));
  const struct stat was = look("src/sub/deep");
  ASSERT_EQ(run({"move", path("src") + "/", path("dst"), "--delete-empty-src-dirs"}).code, 0);
  ASSERT_FALSE(exists("src/sub"));
  EXPECT_EQ(run({"rollback", "1", "--path", "*/a.txt", "--yes"}).code, 0);
  EXPECT_TRUE(exists("src/sub/deep/a.txt"));
  EXPECT_FALSE(exists("src/sub/deep/b.txt"));
  EXPECT_FALSE(exists("src/rest"));
  const struct stat is = look("src/sub/deep");
  EXPECT_EQ(is.st_mode, was.st_mode);
  EXPECT_EQ(is.st_mtim.tv_sec, was.st_mtim.tv_sec);
  EXPECT_TRUE(exists("dst/sub/deep/b.txt"));
  EXPECT_FALSE(exists("dst/sub/deep/a.txt"));
  EXPECT_EQ(run({"rollback", "1", "--yes"}).code, 0);
  EXPECT_TRUE(exists("src/sub/deep/b.txt"));
  EXPECT_TRUE(exists("src/rest/c.txt"));
  EXPECT_FALSE(exists("dst"));
}

TEST_F(RollbackPart, InTheBackground) {
  copy_over_what_is_there();
  ASSERT_EQ(run({"rollback", "1", "--path", "sub/*", "--yes", "--detach"}).code, 0);
  EXPECT_TRUE(eventually([&] { return !exists("dst/sub/deep") && status() == "completed"; }));
  EXPECT_TRUE(exists("dst/other/d.jpg"));
}

TEST_F(RollbackPart, WhatIsKeptIsNamedAndGivenUpInTime) {
  copy_over_what_is_there();
  EXPECT_GT(json({"status", "1"})["kept_bytes"], 0);
  EXPECT_THAT(run({"status", "1"}).out, AllOf(HasSubstr("of old versions, for a rollback, until "),
                                              HasSubstr("dunlin accept 1")));
  write("src/other/c.txt", "changed once more");
  // Perhaps over when it has ended itself.
  const Finished short_lived =
      run({"copy", path("src") + "/", path("dst"), "--undo-retention", "1ms"});
  ASSERT_EQ(short_lived.code, 0);
  const Finished next = run({"copy", path("src") + "/", path("elsewhere")});
  EXPECT_EQ(next.code, 0);
  EXPECT_THAT(short_lived.err + next.err,
              HasSubstr("execution 2: what it kept for its rollback is given up"));
  EXPECT_EQ(json({"status", "2"})["undo"], "removed");
  EXPECT_EQ(json({"status", "1"})["undo"], "kept");
  EXPECT_EQ(run({"rollback", "2", "--yes"}).code, 2);
  EXPECT_THAT(run({"audit", "show", "2"}).out, HasSubstr("undo_retention"));
}

}  // namespace
}  // namespace dunlin::e2e
