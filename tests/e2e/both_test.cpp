// Two versions that are both kept, hard links instead of copies, clones: as a user meets them.
#include <sys/stat.h>

#include <filesystem>

#include "e2e/world.h"
#include "support/scratch.h"

namespace dunlin::e2e {
namespace {

using ::testing::HasSubstr;

class Both : public World {
 protected:
  void SetUp() override {
    write("src/a.txt", "new");
    write("src/sub/b", "only here");
    write("dst/a.txt", "the old one");
  }
  [[nodiscard]] std::string content(const std::string& name) const {
    const Finished done = testing::run_process({{"/bin/cat", path(name)}, {}, "", 0});
    return done.code == 0 ? done.out : "(none)";
  }
  [[nodiscard]] ino_t inode(const std::string& name) const {
    struct stat raw{};
    return ::lstat(path(name).c_str(), &raw) == 0 ? raw.st_ino : 0;
  }
};

TEST_F(Both, KeepBothShowsEverywhereUnderWhichNameItArrived) {
  ASSERT_EQ(run({"copy", path("src") + "/", path("dst"), "--conflict", "keep_both"}).code, 0);
  EXPECT_EQ(content("dst/a.txt"), "the old one");
  EXPECT_EQ(content("dst/a (2).txt"), "new");
  EXPECT_THAT(run({"items", "last"}).out, HasSubstr("a.txt -> a (2).txt"));
  bool named = false;
  for (const Json& page : json_lines(run({"items", "last", "--json"}).out))
    for (const Json& item : page.is_array() ? page : Json::array({page}))
      named = named || item.value("destination_name", Json()) == "a (2).txt";
  EXPECT_TRUE(named);
  std::string ledger;
  for (const auto& entry : std::filesystem::directory_iterator(state() + "/executions"))
    ledger = entry.path().string() + "/ledger.db";
  const Finished view = testing::run_process({{"/usr/bin/sqlite3", ledger,
                                               "SELECT destination_path FROM file_operations "
                                               "WHERE source_path LIKE '%a.txt'"},
                                              {},
                                              "",
                                              0});
  EXPECT_EQ(view.out, path("dst") + "/a (2).txt\n") << view.err;
  EXPECT_EQ(run({"verify", "last"}).code, 0);
  ASSERT_EQ(run({"manifest", "last", "-o", path("SUMS")}).code, 0);
  EXPECT_THAT(content("SUMS"), HasSubstr("a (2).txt"));
  EXPECT_EQ(run({"rollback", "last", "--yes"}).code, 0);
  EXPECT_EQ(content("dst/a (2).txt"), "(none)");
  EXPECT_EQ(content("dst/a.txt"), "the old one");
}

TEST_F(Both, RenameMakesRoomAndRollbackGivesTheNameBack) {
  ASSERT_EQ(run({"copy", path("src") + "/", path("dst"), "--conflict", "rename"}).code, 0);
  EXPECT_EQ(content("dst/a.txt"), "new");
  EXPECT_EQ(content("dst/a (2).txt"), "the old one");
  EXPECT_THAT(run({"items", "last"}).out, HasSubstr("what stood there is now 'a (2).txt'"));
  EXPECT_EQ(run({"rollback", "last", "--yes"}).code, 0);
  EXPECT_EQ(content("dst/a.txt"), "the old one");
}

TEST_F(Both, LinkMakesFurtherNamesAndSaysSo) {
  const Finished linked = run({"copy", "--link", path("src") + "/", path("dst")});
  ASSERT_EQ(linked.code, 0) << linked.err;
  EXPECT_THAT(linked.out, HasSubstr("linked"));
  EXPECT_THAT(linked.out, HasSubstr("found to be what was put there"));
  EXPECT_EQ(inode("dst/a.txt"), inode("src/a.txt"));
  EXPECT_EQ(run({"verify", "last"}).code, 0);
  EXPECT_EQ(run({"rollback", "last", "--yes"}).code, 0);
  EXPECT_EQ(content("dst/a.txt"), "the old one");
  EXPECT_EQ(content("src/a.txt"), "new");
}

TEST_F(Both, WhatCanOnlyBeDoneOnOneFileSystemIsRefusedBeforeAnythingIsDone) {
  const testing::ScratchDirectory memory("/dev/shm");
  for (const char* flag : {"--link", "--reflink", "--reflink=always"}) {
    const Finished refused = run({"copy", flag, path("src") + "/", memory.file("to")});
    EXPECT_EQ(refused.code, 3) << flag << refused.out << refused.err;
    EXPECT_THAT(refused.out + refused.err, HasSubstr("file system")) << flag;
    EXPECT_FALSE(std::filesystem::exists(memory.file("to"))) << flag;
  }
  EXPECT_EQ(run({"copy", "--reflink=auto", path("src") + "/", memory.file("to")}).code, 0);
  EXPECT_EQ(run({"copy", "--reflink=sometimes", path("src") + "/", memory.file("to")}).code, 2);
  EXPECT_EQ(run({"move", "--link", path("src") + "/", path("dst")}).code, 2);
}

}  // namespace
}  // namespace dunlin::e2e
