// What the destination has already is found with the listing, and only that.
#include "files/unchanged.h"

#include <set>

#include "files/enumerate.h"
#include "files/fixture.h"

namespace dunlin::files::testing {
namespace {

using Options = std::map<std::string, std::string>;

/// Without old versions that are kept for a rollback.
std::map<std::string, std::string> tree(const std::string& root, bool directory_times = true) {
  auto found = snapshot(root, directory_times);
  std::erase_if(found, [](const auto& entry) { return entry.first.starts_with("/.dunlin-"); });
  return found;
}

class FilesUnchanged : public ::testing::Test {
 protected:
  void SetUp() override {
    make_odd_tree(scratch_.file("src"));
    write_file(scratch_.file("src/newer"), "old", 1'500'000'000);
    CopyTest first(scratch_.file("src/"), scratch_.file("dst"));
    ASSERT_TRUE(is_ok(first.start().run_to_end()));
  }
  /// Lists and says which files were found to need nothing: paths by their status after it.
  std::set<std::string> skipped_by_listing(const Options& options = {}, int threads = 4) {
    CopyTest copy(scratch_.file("src/"), scratch_.file("dst"), options);
    LocalExecution& execution = start(copy, threads);
    EXPECT_TRUE(is_ok(execution.enumerate()));
    return skipped_of(execution);
  }
  static LocalExecution& start(CopyTest& copy, int threads = 4) {
    LocalExecution::Options with;
    with.threads = threads;
    with.may_skip = true;
    return copy.start(with);
  }
  static std::set<std::string> skipped_of(const LocalExecution& execution) {
    std::set<std::string> paths;
    for (const LocalItem* item : execution.items(kCopyFiles)) {
      const std::string& below = item->row.directory_path;
      if (item->row.status == ItemStatus::skipped)
        paths.insert(below.empty() ? item->row.name : below + "/" + item->row.name);
    }
    return paths;
  }

  const ScratchDirectory scratch_;
};

/// Symlinks and sets of hard links wait for their turn.
TEST_F(FilesUnchanged, PlainFilesOfACompleteCopyNeedNothing) {
  for (const int threads : {1, 8}) {
    const auto skipped = skipped_by_listing({}, threads);
    EXPECT_TRUE(skipped.contains("a.txt"));
    EXPECT_TRUE(skipped.contains("sub/deep/er/c.bin"));
    EXPECT_FALSE(skipped.contains("shared"));
    EXPECT_FALSE(skipped.contains("sub/deep/er/shared again"));
    for (const std::string& path : skipped)
      EXPECT_FALSE(stdfs::is_symlink(scratch_.file("src/" + path))) << path;
  }
}

/// How each file ended: with the listing, where `early`, or in its turn.
std::map<std::string, std::string> outcomes(const ScratchDirectory& scratch, const char* to,
                                            bool early, const Options& options) {
  CopyTest copy(scratch.file("src/"), scratch.file(to), options);
  LocalExecution::Options with;
  with.may_skip = early;
  LocalExecution& execution = copy.start(with);
  EXPECT_TRUE(is_ok(execution.run_to_end()));
  std::map<std::string, std::string> ended;
  for (const LocalItem* item : execution.items(kCopyFiles)) {
    ended[item->row.directory_path + "/" + item->row.name] =
        std::string(store::to_string(item->row.status)) + " " + item->row.action + " " +
        item->row.message;
  }
  return ended;
}

TEST_F(FilesUnchanged, TheOutcomesAreThoseOfTheirTurn) {
  CopyTest second(scratch_.file("src/"), scratch_.file("other"));
  ASSERT_TRUE(is_ok(second.start().run_to_end()));
  int change = 0;
  for (const char* conflict :
       {"skip", "overwrite_if_newer", "rename", "keep_both", "overwrite_if_different"}) {
    SCOPED_TRACE(conflict);
    write_file(scratch_.file("src/sub/b.txt"), "changed\n", 1'650'000'000 + ++change);
    write_file(scratch_.file("src/a.txt"), "changed\n", 1'350'000'000 + change);
    write_file(scratch_.file("src/added" + std::to_string(change)), "added\n");
    const Options options{{"conflict", conflict}};
    EXPECT_EQ(outcomes(scratch_, "dst", true, options),
              outcomes(scratch_, "other", false, options));
    EXPECT_EQ(tree(scratch_.file("dst"), false), tree(scratch_.file("other"), false));
  }
}

TEST_F(FilesUnchanged, WhatDiffersOrIsMissingWaitsForItsTurn) {
  write_file(scratch_.file("src/sub/b.txt"), "BETA\n", 1'650'000'000);
  stdfs::remove(scratch_.file("dst/empty"));
  set_mtime(scratch_.file("dst/block"), 1'400'000'000);
  CopyTest copy(scratch_.file("src/"), scratch_.file("dst"));
  LocalExecution& execution = start(copy);
  ASSERT_TRUE(is_ok(execution.enumerate()));
  const auto skipped = skipped_of(execution);
  EXPECT_FALSE(skipped.contains("sub/b.txt"));
  EXPECT_FALSE(skipped.contains("empty"));
  EXPECT_FALSE(skipped.contains("block"));
  EXPECT_TRUE(skipped.contains("a.txt"));
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(tree(scratch_.file("dst")), tree(scratch_.file("src")));
}

TEST_F(FilesUnchanged, WhatIsToBeReplacedOrReadOrTakenAwayWaitsForItsTurn) {
  EXPECT_TRUE(skipped_by_listing({{"conflict", "overwrite"}}).empty());
  EXPECT_TRUE(skipped_by_listing({{"conflict", "fail"}}).empty());
  EXPECT_TRUE(skipped_by_listing({{"checksum", ""}}).empty());
  CopyTest move(scratch_.file("src/"), scratch_.file("dst"), {}, {}, "move");
  LocalExecution& moving = start(move);
  ASSERT_TRUE(is_ok(moving.enumerate()));
  EXPECT_TRUE(skipped_of(moving).empty());
  EXPECT_FALSE(skipped_by_listing({{"conflict", "skip"}}).empty());
  EXPECT_FALSE(skipped_by_listing({{"conflict", "overwrite_if_newer"}}).empty());
}

/// A symlink at the destination leads nowhere that is looked at.
TEST_F(FilesUnchanged, ADirectoryThatIsASymlinkAtTheDestinationIsNotLookedInto) {
  stdfs::rename(scratch_.file("dst/sub"), scratch_.file("elsewhere"));
  stdfs::create_directory_symlink(scratch_.file("elsewhere"), scratch_.file("dst/sub"));
  const auto skipped = skipped_by_listing();
  EXPECT_TRUE(skipped.contains("a.txt"));
  for (const std::string& path : skipped) EXPECT_FALSE(path.starts_with("sub/")) << path;
}

/// The list of an earlier process may be days old.
TEST_F(FilesUnchanged, AListingThatIsGoneOnWithLeavesAllToTheirTurn) {
  CopyTest copy(scratch_.file("src/"), scratch_.file("dst"));
  copy.settings.batch_size = 2;
  int commits = 0;
  LocalExecution::Options with;
  with.may_skip = true;
  with.on_commit = [&commits]() -> Status {
    if (++commits == 2) return Error(ErrorType::interrupted, "as a kill would");
    return success();
  };
  LocalExecution& execution = copy.start(with);
  ASSERT_FALSE(execution.enumerate().ok());
  const auto before = skipped_of(execution);
  LocalExecution& again = copy.take_over();
  ASSERT_TRUE(is_ok(again.enumerate()));
  EXPECT_EQ(skipped_of(again), before);
  ASSERT_TRUE(is_ok(again.run_to_end()));
  EXPECT_EQ(tree(scratch_.file("dst")), tree(scratch_.file("src")));
}

/// All is to be checked before any of it ends.
TEST_F(FilesUnchanged, NothingEndsWithItsListingWhereAllIsToBeShown) {
  CopyTest copy(scratch_.file("src/"), scratch_.file("dst"));
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.enumerate()));
  EXPECT_TRUE(skipped_of(execution).empty());
}

}  // namespace
}  // namespace dunlin::files::testing
