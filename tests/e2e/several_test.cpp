// Several sources in one command: what the user sees, and that it is one execution in everything.
#include <csignal>

#include "base/file_io.h"
#include "e2e/world.h"

namespace dunlin::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Several : public World {
 protected:
  void make_sources() {
    make_tree("x/photos", 30, 3000);
    make_tree("y/music", 30, 3000);
    write("z/list.txt", "a list\n");
  }
  [[nodiscard]] std::vector<std::string> words(const std::string& verb,
                                               std::vector<std::string> more = {}) const {
    std::vector<std::string> all{verb, path("x/photos"), path("y/music"), path("z/list.txt"),
                                 path("dst")};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

TEST_F(Several, AreCopiedVerifiedAndTakenBackAsOne) {
  make_sources();
  const Finished done = run(words("copy"));
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_THAT(done.out, HasSubstr("completed: copy " + path("x/photos") + ", " + path("y/music") +
                                  ", " + path("z/list.txt") + " to " + path("dst")));
  EXPECT_THAT(done.out, HasSubstr("all 61 files compared equal"));
  EXPECT_EQ(difference("x/photos", "dst/photos"), "");
  EXPECT_EQ(difference("y/music", "dst/music"), "");
  EXPECT_EQ(*read_file(path("dst/list.txt")), "a list\n");
  EXPECT_EQ(run({"verify", "1"}).code, 0);
  const Json again = json(words("copy"));
  EXPECT_EQ(again["progress"]["skipped_files"], 61) << again.dump(1);
  EXPECT_EQ(run({"rollback", "2", "--yes"}).code, 0);
  EXPECT_EQ(run({"rollback", "1", "--yes"}).code, 0);
  EXPECT_FALSE(fs::exists(path("dst")));
}

TEST_F(Several, AreMovedAndAllComeBack) {
  make_sources();
  fs::create_directory(path("before"));
  fs::copy(path("x"), path("before/x"), fs::copy_options::recursive);
  fs::copy(path("y"), path("before/y"), fs::copy_options::recursive);
  const Finished done = run(words("move", {"--delete-empty-src-dirs"}));
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(difference("before/x/photos", "dst/photos"), "");
  EXPECT_EQ(difference("before/y/music", "dst/music"), "");
  EXPECT_TRUE(fs::is_empty(path("x/photos")));
  EXPECT_TRUE(fs::is_empty(path("y/music")));
  EXPECT_TRUE(fs::is_empty(path("z")));
  EXPECT_EQ(run({"verify", "1"}).code, 0);
  EXPECT_EQ(run({"rollback", "1", "--yes"}).code, 0);
  EXPECT_EQ(difference("before/x", "x"), "");
  EXPECT_EQ(difference("before/y", "y"), "");
  EXPECT_EQ(*read_file(path("z/list.txt")), "a list\n");
  EXPECT_FALSE(fs::exists(path("dst")));
}

/// Killed while both are under way; between the lives one of the sources is another directory.
TEST_F(Several, GoOnAfterAKillUnlessOneOfThemIsAnother) {
  make_sources();
  Process copy(dunlin(words("copy", {"--io-limit", "60kB/s", "--batch-size", "5"})));
  ASSERT_TRUE(is_under_way());
  copy.signal(SIGKILL);
  EXPECT_EQ(copy.wait(), 128 + SIGKILL);
  fs::rename(path("y/music"), path("y/aside"));
  fs::create_directory(path("y/music"));
  const Finished refused = run({"resume", "last"});
  EXPECT_EQ(refused.code, 4) << refused.out << refused.err;
  const Json status = json({"status", "last"});
  EXPECT_EQ(status["reason"]["type"], "root_changed") << status.dump(1);
  EXPECT_THAT(status["reason"].dump(), HasSubstr(path("y/music")));
  fs::remove(path("y/music"));
  fs::rename(path("y/aside"), path("y/music"));
  EXPECT_EQ(run({"resume", "last"}).code, 0);
  EXPECT_EQ(difference("x/photos", "dst/photos"), "");
  EXPECT_EQ(difference("y/music", "dst/music"), "");
  EXPECT_THAT(leftovers("dst"), IsEmpty());
}

TEST_F(Several, WhatCannotBeIsRefusedBeforeAnythingHappens) {
  make_sources();
  make_tree("other/photos", 1, 10);
  const auto refused = [&](std::vector<std::string> words, const std::string& why) {
    const Finished done = run(words);
    EXPECT_EQ(done.code, 2) << done.out << done.err;
    EXPECT_THAT(done.err, HasSubstr(why));
    EXPECT_FALSE(fs::exists(path("dst")));
  };
  refused({"copy", path("x/photos"), path("other/photos"), path("dst")}, "both arrive as 'photos'");
  refused({"copy", path("x/photos") + "/", path("y/music"), path("dst")},
          "without a slash at its end");
  refused({"copy", path("x/photos"), path("x/photos"), path("dst")}, "given twice");
  refused({"copy", path("x/photos"), path("gone"), path("dst")}, path("gone"));
  refused({"copy", path("x/photos"), path("y/music"), path("z/list.txt")}, "is no directory");
  const Finished into = run({"copy", path("x/photos"), path("y/music"), path("y/music/new")});
  EXPECT_EQ(into.code, 3) << into.out << into.err;
  EXPECT_THAT(into.out + into.err, HasSubstr("copied into itself"));
}

}  // namespace
}  // namespace dunlin::e2e
