// Only part of a tree is copied: by flags, by a plan, from a list; what is said about the rest.
#include <sys/stat.h>

#include <filesystem>

#include "base/file_io.h"
#include "e2e/world.h"

namespace dunlin::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class SelectedCopy : public World {
 protected:
  [[nodiscard]] bool there(const std::string& name) const {
    return std::filesystem::exists(path(name));
  }
};

TEST_F(SelectedCopy, FlagsMayBeRepeatedAndTheSummarySaysWhatWasLeftOut) {
  for (const char* name : {"a.c", "a.o", "keep.o", "build/x", "b.txt"})
    write("src/" + std::string(name), "x");
  const Finished done =
      run({"copy", path("src/"), path("dst"), "--exclude", "*.o", "--exclude", "!keep.o",
           "--exclude=/build/", "--include", "*.c", "--include", "*.o", "--max-size", "1MiB"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_TRUE(there("dst/a.c"));
  EXPECT_TRUE(there("dst/keep.o"));
  for (const char* name : {"dst/a.o", "dst/b.txt", "dst/build"}) EXPECT_FALSE(there(name)) << name;
  EXPECT_THAT(done.out, HasSubstr("left out    2 entries by --exclude, 1 entry by --include"));
  EXPECT_THAT(run({"status", "last"}).out, HasSubstr("1 entry by --include"));
  EXPECT_EQ(json({"status", "last"})["left_out"], "2 entries by --exclude, 1 entry by --include");
  EXPECT_EQ(json({"status", "last"})["tasks"].size(), 4U);
}

TEST_F(SelectedCopy, NothingMatchedIsSaidAndIsNoError) {
  write("src/a.txt", "x");
  const Finished done = run({"copy", path("src/"), path("dst"), "--include", "*.jpg"});
  EXPECT_EQ(done.code, 0);
  EXPECT_THAT(done.out, HasSubstr("nothing matched, all was left out, 1 entry by --include"));
  const Finished all = run({"copy", path("src/"), path("dst")});
  EXPECT_THAT(all.out, Not(HasSubstr("left out")));
}

TEST_F(SelectedCopy, TheListOfFilesFromIsPartOfThePlan) {
  for (const char* name : {"a", "d/b", "d/c"}) write("src/" + std::string(name), "x");
  write("list", "a\nd/b\n");
  EXPECT_EQ(run({"copy", path("src/"), path("dst"), "--files-from", path("list")}).code, 0);
  EXPECT_TRUE(there("dst/a") && there("dst/d/b"));
  EXPECT_FALSE(there("dst/d/c"));
  write("list", "a\nabsent\n");
  const Finished missing = run({"copy", path("src/"), path("dst2"), "--files-from", path("list")});
  EXPECT_EQ(missing.code, 1);
  EXPECT_THAT(run({"errors", "last"}).out, HasSubstr("source_vanished"));
}

TEST_F(SelectedCopy, APlanSelectsAsTheFlagsDo) {
  for (const char* name : {"a.jpg", "b.txt", "cache/c.jpg"}) write("src/" + std::string(name), "x");
  write("plan.yaml", "kind: files\nsource:\n  paths: [" + path("src/") +
                         "]\n  include_patterns: ['*.jpg']\n  exclude_patterns: [cache/]\n"
                         "  min_file_size: 1\n  modified_since: 1d\n  file_types: [image]\n"
                         "destination: {base_path: " +
                         path("dst") + "}\n");
  EXPECT_EQ(run({"run", path("plan.yaml")}).code, 0);
  EXPECT_TRUE(there("dst/a.jpg"));
  EXPECT_FALSE(there("dst/b.txt") || there("dst/cache"));
}

TEST_F(SelectedCopy, SymlinksAreCopiedAsWhatTheyPointTo) {
  write("src/a/f", "inside");
  write("elsewhere/g", "of elsewhere");
  std::filesystem::create_symlink("a", path("src/in"));
  std::filesystem::create_symlink("../elsewhere", path("src/out"));
  std::filesystem::create_symlink("../late", path("src/dangling"));
  EXPECT_EQ(run({"copy", path("src"), path("t1/"), "--follow-symlinks", "in_tree"}).code, 0);
  EXPECT_TRUE(there("t1/src/in/f"));
  EXPECT_TRUE(std::filesystem::is_symlink(path("t1/src/out")));
  const Finished done = run({"copy", "-L", path("src"), path("t2/")});
  EXPECT_EQ(done.code, 1) << "what leads nowhere is said";
  EXPECT_TRUE(there("t2/src/in/f") && there("t2/src/out/g"));
  EXPECT_THAT(run({"errors", "last"}).out, HasSubstr("dangling"));
  write("late", "here now");
  const Finished again = run({"retry", "last"});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_TRUE(there("t2/src/dangling"));
  std::filesystem::remove_all(path("src"));
  std::filesystem::remove_all(path("elsewhere"));
  EXPECT_EQ(run({"verify", "last"}).code, 0) << "needs no source";
  EXPECT_THAT(done.out, HasSubstr("t2/src, symlinks followed"));
  EXPECT_EQ(run({"rollback", "last", "--yes"}).code, 0);
  EXPECT_FALSE(there("t2/src"));
  write("one/f", "x");
  const Finished move = run({"move", path("one"), path("two/"), "-L"});
  EXPECT_EQ(move.code, 2);
  EXPECT_THAT(move.err, HasSubstr("not its to remove"));
}

TEST_F(SelectedCopy, TypesAreToldByWhatFilesHold) {
  write("src/photo", "\xff\xd8\xff\xe0 JFIF and so on");
  write("src/d/words.jpg", "no photo at all\n");
  write("src/paper.txt", "%PDF-1.7\n");
  write("src/main.c", "int main(void) { return 0; }\n");
  ASSERT_EQ(::mkfifo(path("src/pipe.jpg").c_str(), 0600), 0);
  const Finished done =
      run({"copy", path("src/"), path("dst"), "--file-types", "image/jpeg,application/*,code"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_TRUE(there("dst/photo") && there("dst/paper.txt") && there("dst/main.c"));
  EXPECT_FALSE(there("dst/d/words.jpg") || there("dst/pipe.jpg"));
  EXPECT_THAT(done.out, HasSubstr("left out    2 entries by --file-types"));
  write("plan.yaml", "kind: files\nsource: {paths: [" + path("src/") +
                         "], file_types: [\"Image/*\"]}\ndestination: {base_path: " + path("dst2") +
                         "}\n");
  EXPECT_EQ(run({"run", path("plan.yaml")}).code, 0);
  EXPECT_TRUE(there("dst2/photo"));
  EXPECT_FALSE(there("dst2/paper.txt"));
  EXPECT_EQ(run({"content-parser-child"}).code, 1) << "no verb for people";
}

TEST_F(SelectedCopy, AWrongRuleIsRefusedBeforeAnythingIsDone) {
  write("src/a", "x");
  const auto refused = [&](const std::vector<std::string>& flags) {
    std::vector<std::string> words{"copy", path("src/"), path("dst")};
    words.insert(words.end(), flags.begin(), flags.end());
    const Finished done = run(words);
    EXPECT_EQ(done.code, 2);
    return done.err;
  };
  EXPECT_THAT(refused({"--exclude", "[a"}), HasSubstr("'[a' can match nothing"));
  EXPECT_THAT(refused({"--min-size", "x"}), HasSubstr("min_file_size"));
  EXPECT_THAT(refused({"--exlude", "a"}), HasSubstr("did you mean '--exclude'?"));
  EXPECT_THAT(refused({"--files-from", path("absent")}), HasSubstr("--files-from: "));
  EXPECT_FALSE(there("dst"));
}

}  // namespace
}  // namespace dunlin::e2e
