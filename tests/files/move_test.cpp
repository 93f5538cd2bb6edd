// Moves: within a file system by renames, across file systems by copies whose sources go only where
// the copy is proven. What is at one end is never missing at both.
#include <sys/mount.h>

#include <utility>

#include "files/move_fixture.h"

namespace dunlin::files::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Ends as if killed when the walk comes to its `nth` commit.
LocalExecution::Options killed_at_commit(int nth) {
  LocalExecution::Options options;
  options.on_commit = [nth, seen = 0]() mutable {
    return ++seen == nth ? Status(Error(ErrorType::interrupted, "killed")) : success();
  };
  return options;
}

class FilesMove : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Places, FilesMove, ::testing::Bool(), [](const auto& tested) {
  return tested.param ? "AcrossFileSystems" : "WithinOne";
});

TEST_P(FilesMove, TheTreeArrivesExactlyAndOnlyItsDirectoriesStay) {
  const Places at(GetParam());
  make_odd_tree(at.source());
  const auto before = snapshot(at.source());
  const ino_t inode = inode_of(at.source("/sub/script"));
  CopyTest move = at.move();
  LocalExecution& execution = move.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_TRUE(all_ended(execution));
  EXPECT_EQ(snapshot(at.target()), before);
  EXPECT_THAT(files_below(at.source()), IsEmpty());
  EXPECT_TRUE(stdfs::is_directory(at.source("/sub/deep/er")));
  EXPECT_THAT(own_names(at.target()), IsEmpty());
  ASSERT_TRUE(is_ok(execution.verify()));
  EXPECT_EQ(execution.differences(), 0);
  const LocalItem* const item = execution.item("sub/script");
  if (GetParam()) {
    EXPECT_EQ(item->row.action, "moved");
    EXPECT_FALSE(item->row.checksum.empty());
    EXPECT_NE(item->row.proof, store::Proof::none);
  } else {
    EXPECT_EQ(item->row.action, "renamed");
    EXPECT_EQ(inode_of(at.target("/sub/script")), inode);
    EXPECT_EQ(item->row.transferred_bytes, 0);
  }
}

TEST_P(FilesMove, UndoIsTheStartInEveryNameTimeAndLink) {
  for (const bool directories : {false, true}) {
    SCOPED_TRACE(directories);
    const Places at(GetParam());
    make_movable_tree(at.source());
    write_file(at.target("/a.txt"), "an older one", 1'100'000'000, 0600);
    set_mtime(at.target(), 1'100'000'001);
    const auto source = snapshot(at.source());
    const auto target = snapshot(at.target());
    CopyTest move = at.move(directories ? Options{{kDirectories, "true"}} : Options{});
    move.settings.batch_size = 5;
    LocalExecution& execution = move.start();
    ASSERT_TRUE(is_ok(execution.run_to_end()));
    EXPECT_TRUE(all_ended(execution));
    EXPECT_EQ(stdfs::exists(at.source("/sub")), !directories);
    EXPECT_TRUE(stdfs::exists(at.source()));
    ASSERT_TRUE(is_ok(execution.undo()));
    EXPECT_EQ(snapshot(at.source()), source);
    EXPECT_EQ(snapshot(at.target()), target);
    EXPECT_THAT(own_names(at.source()), IsEmpty());
  }
}

TEST_P(FilesMove, WhatIsLeftOutStaysWithItsDirectory) {
  const Places at(GetParam());
  write_file(at.source("/there/already"), "of the source");
  write_file(at.source("/new/file"), "new");
  write_file(at.target("/there/already"), "of the target");
  CopyTest move = at.move({{"conflict", "skip"}, {kDirectories, "true"}});
  LocalExecution& execution = move.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_TRUE(all_ended(execution));
  EXPECT_EQ(read_all(at.source("/there/already")), "of the source");
  EXPECT_EQ(read_all(at.target("/there/already")), "of the target");
  EXPECT_FALSE(stdfs::exists(at.source("/new")));
  EXPECT_THAT(execution.item("there", "remove_directories")->row.message, HasSubstr("not empty"));
}

TEST_P(FilesMove, WhatLooksTheSameIsReplacedBecauseOnlyItsOwnContentIsProven) {
  const Places at(GetParam());
  write_file(at.source("/same"), "one");
  write_file(at.target("/same"), "two");  // size and time are the same
  CopyTest move = at.move();
  LocalExecution& execution = move.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(read_all(at.target("/same")), "one");
  EXPECT_FALSE(stdfs::exists(at.source("/same")));
  ASSERT_TRUE(is_ok(execution.undo()));
  EXPECT_EQ(read_all(at.target("/same")), "two");
  EXPECT_EQ(read_all(at.source("/same")), "one");
}

TEST_P(FilesMove, UndoLeavesWhatWasChangedSinceAndTakesBackTheRest) {
  const Places at(GetParam());
  for (const char* name : {"/changed", "/occupied", "/untouched"})
    write_file(at.source(name), std::string("of ") + name);
  CopyTest move = at.move();
  LocalExecution& execution = move.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  write_file(at.target("/changed"), "written after the move", 1'550'000'000);
  write_file(at.source("/occupied"), "somebody's new file", 1'560'000'000);
  static_cast<void>(execution.undo());
  EXPECT_EQ(read_all(at.target("/changed")), "written after the move");
  EXPECT_FALSE(stdfs::exists(at.source("/changed")));
  EXPECT_EQ(read_all(at.source("/occupied")), "somebody's new file");
  EXPECT_EQ(read_all(at.target("/occupied")), "of /occupied");
  EXPECT_EQ(read_all(at.source("/untouched")), "of /untouched");
  EXPECT_FALSE(stdfs::exists(at.target("/untouched")));
  EXPECT_EQ(error_of(execution, "changed"), ErrorType::destination_changed);
  EXPECT_EQ(error_of(execution, "occupied"), ErrorType::destination_changed);
  EXPECT_EQ(error_of(execution, "untouched"), std::nullopt);
}

TEST_P(FilesMove, ASourceDirectoryThatMayNotBeEmptiedKeepsItsFilesAndTheTargetGetsNone) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may empty everything";
  const Places at(GetParam());
  write_file(at.source("/open/file"), "goes");
  write_file(at.source("/closed/file"), "stays");
  write_file(at.target("/closed/file"), "older", 1'100'000'000);
  ASSERT_EQ(::chmod(at.source("/closed").c_str(), 0555), 0);
  CopyTest move = at.move();
  LocalExecution& execution = move.start();
  static_cast<void>(execution.run_to_end());
  EXPECT_EQ(error_of(execution, "closed/file"), ErrorType::permission_denied);
  EXPECT_EQ(read_all(at.source("/closed/file")), "stays");
  EXPECT_EQ(read_all(at.target("/closed/file")), "older");
  EXPECT_EQ(read_all(at.target("/open/file")), "goes");
  EXPECT_FALSE(stdfs::exists(at.source("/open/file")));
  ASSERT_EQ(::chmod(at.source("/closed").c_str(), 0755), 0);
}

TEST_P(FilesMove, ARootThatMayNotBeEmptiedIsRefusedBeforeAnythingHappens) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may empty everything";
  const Places at(GetParam());
  write_file(at.source("/file"), "stays");
  ASSERT_EQ(::chmod(at.source().c_str(), 0555), 0);
  CopyTest move = at.move();
  LocalExecution& execution = move.start();
  const auto problems = move.run().preflight(execution.context());
  ASSERT_TRUE(problems.ok());
  ASSERT_EQ(problems->size(), 1U);
  EXPECT_EQ(problems->front().error.type, ErrorType::permission_denied);
  ASSERT_EQ(::chmod(at.source().c_str(), 0755), 0);
}

TEST(FilesMoveWithin, OntoItselfOrAnotherNameOfItselfIsRefused) {
  const ScratchDirectory scratch;
  write_file(scratch.file("d/file"), "only one");
  stdfs::create_hard_link(scratch.file("d/file"), scratch.file("d/other name"));
  for (const char* target : {"d/file", "d/", "d/other name"}) {
    SCOPED_TRACE(target);
    CopyTest move(scratch.file("d/file"), scratch.file(target), {}, {}, "move");
    LocalExecution& execution = move.start();
    static_cast<void>(execution.run_to_end());
    EXPECT_EQ(error_of(execution, "file"), ErrorType::destination_exists);
    EXPECT_EQ(read_all(scratch.file("d/file")), "only one");
    EXPECT_EQ(read_all(scratch.file("d/other name")), "only one");
  }
}

/// Taken off also where a check fails: no mount outlives its test. The Run may still hold handles.
struct Unmounted {
  std::string path;
  ~Unmounted() { ::umount2(path.c_str(), MNT_DETACH); }
};

TEST(FilesMoveNeedsRoot, AcrossABindMountOfTheSameFileSystemItIsACopy) {
  const Places at(false);
  write_file(at.source("/inside/file"), "by a copy");
  write_file(at.source("/beside"), "by a rename");
  ASSERT_EQ(
      ::mount(at.source("/inside").c_str(), at.source("/inside").c_str(), "", MS_BIND, nullptr), 0);
  const Unmounted unmounted{at.source("/inside")};
  CopyTest move = at.move();
  LocalExecution& execution = move.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_TRUE(all_ended(execution));
  EXPECT_EQ(read_all(at.target("/inside/file")), "by a copy");
  EXPECT_FALSE(stdfs::exists(at.source("/inside/file")));
  EXPECT_EQ(execution.item("inside/file")->row.action, "moved");
  EXPECT_EQ(execution.item("beside")->row.action, "renamed");
  ASSERT_TRUE(is_ok(execution.undo()));
  EXPECT_EQ(read_all(at.source("/inside/file")), "by a copy");
  EXPECT_EQ(read_all(at.source("/beside")), "by a rename");
}

/// As the engine has it: a batch that a pause or a cancel ends counts as not begun, and nobody
/// settles it. So what has its name is brought to its end.
TEST_P(FilesMove, WhatIsPublishedWhenItIsPausedIsMovedAndAccountedFor) {
  const Places at(GetParam());
  for (int n = 0; n < 6; ++n) write_file(at.source("/file " + std::to_string(n)), "content");
  write_file(at.target("/file 3"), "an older one", 1'100'000'000);
  const auto source = snapshot(at.source());
  const auto target = snapshot(at.target());
  CopyTest move = at.move();
  LocalExecution* execution = nullptr;
  bool paused = false;
  LocalExecution::Options options;
  options.on_fence = [&] {
    int there = 0;
    for (int n = 0; n < 6; ++n)
      there += read_all(at.target("/file " + std::to_string(n))) == "content" ? 1 : 0;
    if (there >= 3 && !std::exchange(paused, true))
      execution->cancel_source().request(CancelReason::pause);
    return success();
  };
  execution = &move.start(options);
  EXPECT_FALSE(execution->run_to_end().ok());
  int moved = 0;
  for (int n = 0; n < 6; ++n) {
    const std::string name = "file " + std::to_string(n);
    const bool done = execution->item(name)->row.status == ItemStatus::completed;
    EXPECT_EQ(stdfs::exists(at.source("/" + name)), !done) << name;
    EXPECT_EQ(read_all(at.target("/" + name)) == "content", done) << name;
    moved += done ? 1 : 0;
  }
  EXPECT_GE(moved, 3);
  LocalExecution& next = move.take_over();
  ASSERT_TRUE(is_ok(next.run_to_end()));
  EXPECT_THAT(files_below(at.source()), IsEmpty());
  ASSERT_TRUE(is_ok(next.undo()));
  for (const auto& [name, line] : source) {
    if (name.empty()) continue;
    EXPECT_EQ(snapshot(at.source())[name], line) << name;
  }
  EXPECT_EQ(snapshot(at.target())["/file 3"], target.at("/file 3"));
}

/// The first name has gone before the walk comes to the second one.
TEST_P(FilesMove, ASetOfHardLinksStaysASetWhileItIsMovedDuringTheWalk) {
  const Places at(GetParam());
  write_file(at.source("/one"), "content");
  stdfs::create_hard_link(at.source("/one"), at.source("/another"));
  const auto source = snapshot(at.source());
  CopyTest move = at.move();
  move.settings.batch_size = 1;
  LocalExecution& execution = move.start(killed_at_commit(2));
  ASSERT_FALSE(execution.enumerate().ok());
  ASSERT_TRUE(is_ok(execution.execute()));
  ASSERT_EQ(files_below(at.source()).size(), 1U);
  LocalExecution& next = move.take_over();
  ASSERT_TRUE(is_ok(next.run_to_end()));
  EXPECT_TRUE(all_ended(next));
  EXPECT_THAT(files_below(at.source()), IsEmpty());
  EXPECT_EQ(inode_of(at.target("/one")), inode_of(at.target("/another")));
  ASSERT_TRUE(is_ok(next.undo()));
  EXPECT_EQ(snapshot(at.source()), source);
}

/// Its first name has gone when the other one is written: what was written is nowhere else.
TEST_P(FilesMove, AFurtherNameThatIsWrittenAfterTheFirstHasGoneArrivesAsItIs) {
  for (const bool replaced : {false, true}) {
    SCOPED_TRACE(replaced ? "replaced, perhaps under the same inode number" : "written in place");
    const Places at(GetParam());
    write_file(at.source("/one"), "content");
    stdfs::create_hard_link(at.source("/one"), at.source("/another"));
    CopyTest move = at.move();
    LocalExecution* execution = nullptr;
    std::string written;
    LocalExecution::Options options;
    options.on_item = [&](const engine::ItemRow& row) {
      const LocalItem* const link = execution->items("link_set").front();
      if (row.id != link->row.id || !written.empty()) return;
      written = "/" + row.name;
      if (replaced) stdfs::remove(at.source(written));
      write_file(at.source(written), "what came later", 1'700'000'000);
    };
    execution = &move.start(options);
    ASSERT_TRUE(is_ok(execution->run_to_end()));
    ASSERT_FALSE(written.empty());
    EXPECT_FALSE(stdfs::exists(at.source(written)));
    EXPECT_EQ(read_all(at.target(written)), "what came later");
    ASSERT_TRUE(is_ok(execution->verify()));
    // Written through a name that is left, the file that was renamed has changed: that is said.
    EXPECT_EQ(execution->differences(), GetParam() || replaced ? 0 : 1);
  }
}

/// An inode number that a new file has got from a set that is gone makes it no member of that set.
TEST_P(FilesMove, ANewFileUnderTheInodeOfASetThatIsGoneIsMovedByItself) {
  const Places at(GetParam());
  write_file(at.source("/one"), "content");
  stdfs::create_hard_link(at.source("/one"), at.source("/another"));
  const ino_t inode = inode_of(at.source("/one"));
  CopyTest move = at.move();
  move.settings.batch_size = 1;
  LocalExecution& execution = move.start(killed_at_commit(2));
  ASSERT_FALSE(execution.enumerate().ok());
  ASSERT_TRUE(is_ok(execution.execute()));
  stdfs::remove(files_below(at.source()).at(0));
  // ext4 gives the number to the next one; where it does not, this shows nothing, and harms nobody.
  const std::string fresh = at.source("/fresh");
  for (int n = 0; n < 100; ++n) {
    write_file(fresh, "not the same");
    if (inode_of(fresh) == inode) break;
    stdfs::rename(fresh, at.source("/other " + std::to_string(n)));
  }
  LocalExecution& next = move.take_over();
  ASSERT_TRUE(is_ok(next.run_to_end()));
  EXPECT_TRUE(all_ended(next));
  EXPECT_THAT(next.items("link_set"), IsEmpty());
  EXPECT_THAT(files_below(at.source()), IsEmpty());
}

/// It would be nowhere any more, and the time of the directory that holds it would be lost.
TEST_P(FilesMove, AnEmptyDirectoryThatCouldNotBeMadeStays) {
  const Places at(GetParam());
  stdfs::create_directories(at.source("/d/empty"));
  stdfs::create_directories(at.source("/arrives"));
  write_file(at.target("/d"), "stands in the way");
  CopyTest move = at.move({{"delete-empty-src-dirs", "true"}});
  LocalExecution& execution = move.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_TRUE(stdfs::is_directory(at.source("/d/empty")));
  EXPECT_FALSE(stdfs::exists(at.source("/arrives")));
  EXPECT_EQ(execution.item("d/empty", "remove_directories")->row.message,
            "stays: it is not at the destination");
}

/// Whoever has emptied a disk takes it out; what was moved can be proven without it.
TEST_P(FilesMove, VerifyDoesWithoutTheSourceRoot) {
  const Places at(GetParam());
  write_file(at.source("/file"), "content");
  CopyTest move = at.move();
  LocalExecution& execution = move.start();
  const auto identity = move.run().root_identity(execution.context());
  ASSERT_TRUE(identity.ok());
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  stdfs::remove(at.source());
  LocalExecution& later = move.take_over();
  EXPECT_TRUE(*move.run().same_destination(later.context(), *identity));
  ASSERT_TRUE(is_ok(later.verify()));
  EXPECT_EQ(later.differences(), 0);
}

}  // namespace
}  // namespace dunlin::files::testing
