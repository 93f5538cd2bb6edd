// Renames that replace nothing, replacements that lose nothing: with every feature and without.
#include "fs/placement.h"

#include "fs/fixture.h"

namespace dunlin::fs::testing {
namespace {

struct Way {
  std::string name;
  Features features;
};

Features without(bool noreplace, bool exchange, bool links) {
  Features features;
  features.rename_noreplace = noreplace;
  features.rename_exchange = exchange;
  features.hard_links = links;
  return features;
}

class FsPlacement : public ::testing::TestWithParam<Way> {
 protected:
  FsPlacement() {
    stdfs::create_directories(scratch.file("d/kept"));
    write(scratch.file("d/temporary"), "new");
  }
  Directory directory() { return open(scratch.file("d"), GetParam().features); }
  Directory kept() { return open(scratch.file("d/kept"), GetParam().features); }
  std::string at(const std::string& name) { return read(scratch.file("d/" + name)); }
  bool exists(const std::string& name) { return stdfs::exists(scratch.file("d/" + name)); }

  ScratchDirectory scratch;
};
INSTANTIATE_TEST_SUITE_P(Ways, FsPlacement,
                         ::testing::Values(Way{"all", {}},
                                           Way{"by_link", without(false, false, true)},
                                           Way{"by_rename", without(false, false, false)},
                                           Way{"exchange_only", without(false, true, true)}),
                         [](const auto& tested) { return tested.param.name; });

TEST_P(FsPlacement, ANewNameIsGiven) {
  ASSERT_TRUE(is_ok(rename_new(directory(), "temporary", directory(), "f")));
  EXPECT_EQ(at("f"), "new");
  EXPECT_FALSE(exists("temporary"));
}

TEST_P(FsPlacement, AnExistingNameIsNotReplaced) {
  write(scratch.file("d/f"), "theirs");
  EXPECT_EQ(type_of(rename_new(directory(), "temporary", directory(), "f")),
            ErrorType::destination_exists);
  EXPECT_EQ(at("f"), "theirs");
  EXPECT_EQ(at("temporary"), "new");
}

TEST_P(FsPlacement, AReplacementKeepsTheOldVersion) {
  write(scratch.file("d/f"), "old");
  const auto expected = directory().info("f");
  ASSERT_TRUE(is_ok(replace_keeping(directory(), "temporary", "f", *expected, kept(), "7")));
  EXPECT_EQ(at("f"), "new");
  EXPECT_EQ(at("kept/7"), "old");
  EXPECT_FALSE(exists("temporary"));
}

TEST_P(FsPlacement, AReplacementOfASymlinkKeepsTheSymlink) {
  stdfs::create_symlink("somewhere", scratch.file("d/f"));
  const auto expected = directory().info("f");
  ASSERT_TRUE(is_ok(replace_keeping(directory(), "temporary", "f", *expected, kept(), "7")));
  EXPECT_EQ(at("f"), "new");
  EXPECT_EQ(stdfs::read_symlink(scratch.file("d/kept/7")), "somewhere");
}

TEST_P(FsPlacement, AChangedOldVersionStays) {
  write(scratch.file("d/f"), "old");
  const auto expected = directory().info("f");
  write(scratch.file("d/f"), "edited meanwhile");
  EXPECT_EQ(type_of(replace_keeping(directory(), "temporary", "f", *expected, kept(), "7")),
            ErrorType::destination_changed);
  EXPECT_EQ(at("f"), "edited meanwhile");
  EXPECT_EQ(at("temporary"), "new");
  EXPECT_FALSE(exists("kept/7"));
}

TEST_P(FsPlacement, ARemovedOldVersionIsAChange) {
  write(scratch.file("d/f"), "old");
  const auto expected = directory().info("f");
  stdfs::remove(scratch.file("d/f"));
  EXPECT_EQ(type_of(replace_keeping(directory(), "temporary", "f", *expected, kept(), "7")),
            ErrorType::destination_changed);
  EXPECT_FALSE(exists("f"));
  EXPECT_EQ(at("temporary"), "new");
}

TEST_P(FsPlacement, WhenTheOldVersionCannotBeKeptNothingChanges) {
  write(scratch.file("d/f"), "old");
  write(scratch.file("d/kept/7"), "in the way");
  const auto expected = directory().info("f");
  EXPECT_EQ(type_of(replace_keeping(directory(), "temporary", "f", *expected, kept(), "7")),
            ErrorType::destination_exists);
  EXPECT_EQ(at("f"), "old");
  EXPECT_EQ(at("temporary"), "new");
  EXPECT_EQ(at("kept/7"), "in the way");
}

TEST(FsPlacementFallback, ALinkLeftByACrashBetweenTheStepsIsFinished) {
  const ScratchDirectory scratch;
  stdfs::create_directory(scratch.file("kept"));
  write(scratch.file("f"), "old");
  write(scratch.file("temporary"), "new");
  stdfs::create_hard_link(scratch.file("f"), scratch.file("kept/7"));
  const Directory directory = open(scratch.path(), without(false, false, true));
  const Directory kept = open(scratch.file("kept"), without(false, false, true));
  const auto expected = directory.info("f");
  ASSERT_TRUE(is_ok(replace_keeping(directory, "temporary", "f", *expected, kept, "7")));
  EXPECT_EQ(read(scratch.file("f")), "new");
  EXPECT_EQ(read(scratch.file("kept/7")), "old");
}

}  // namespace
}  // namespace dunlin::fs::testing
