// Copying trees and files: what a user sees at the destination.
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "base/hash.h"
#include "files/fixture.h"
#include "files/md5_queue.h"

namespace dunlin::files::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(FilesCopy, AnOddTreeArrivesExactly) {
  const ScratchDirectory scratch;
  make_odd_tree(scratch.file("source"));
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_TRUE(all_ended(execution));
  EXPECT_EQ(snapshot(scratch.file("target")), snapshot(scratch.file("source")));
  EXPECT_THAT(own_names(scratch.file("target")), IsEmpty());
  ASSERT_TRUE(is_ok(execution.verify()));
  EXPECT_EQ(execution.differences(), 0);
  EXPECT_EQ(execution.verified(), execution.count(ItemStatus::completed));
}

TEST(FilesCopy, SmallBatchesOfManyDirectoriesAndSeveralThreads) {
  const ScratchDirectory scratch;
  make_odd_tree(scratch.file("source"));
  for (int n = 0; n < 60; ++n) {
    write_file(scratch.file("source/many/" + std::to_string(n) + "/x/y/file"), std::to_string(n));
  }
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  copy.settings.batch_size = 7;
  LocalExecution::Options options;
  options.threads = 4;
  LocalExecution& execution = copy.start(options);
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_TRUE(all_ended(execution));
  EXPECT_EQ(snapshot(scratch.file("target")), snapshot(scratch.file("source")));
  for (const auto& [id, batch] : execution.ledger().batches) EXPECT_LE(batch.row.item_count, 8);
}

TEST(FilesCopy, ATrailingSlashMeansTheContents) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "x");
  ASSERT_TRUE(is_ok(CopyTest(scratch.file("source/"), scratch.file("one")).start().run_to_end()));
  EXPECT_EQ(read_all(scratch.file("one/f")), "x");
  ASSERT_TRUE(is_ok(CopyTest(scratch.file("source"), scratch.file("two")).start().run_to_end()));
  EXPECT_EQ(read_all(scratch.file("two/source/f")), "x");
  ASSERT_TRUE(
      is_ok(CopyTest(scratch.file("source/."), scratch.file("three")).start().run_to_end()));
  EXPECT_EQ(read_all(scratch.file("three/f")), "x");
}

TEST(FilesCopy, AFileGoesIntoADirectoryOrTakesTheNewName) {
  const ScratchDirectory scratch;
  write_file(scratch.file("f"), "x");
  stdfs::create_directory(scratch.file("there"));
  const auto before = snapshot(scratch.file("there"), false);
  ASSERT_TRUE(is_ok(CopyTest(scratch.file("f"), scratch.file("there")).start().run_to_end()));
  EXPECT_EQ(read_all(scratch.file("there/f")), "x");
  EXPECT_EQ(snapshot(scratch.file("there"), false).at(""), before.at(""))
      << "a parent keeps its mode";
  ASSERT_TRUE(is_ok(CopyTest(scratch.file("f"), scratch.file("new/")).start().run_to_end()));
  EXPECT_EQ(read_all(scratch.file("new/f")), "x");
  ASSERT_TRUE(is_ok(CopyTest(scratch.file("f"), scratch.file("deep/er/g")).start().run_to_end()));
  EXPECT_EQ(read_all(scratch.file("deep/er/g")), "x");
}

TEST(FilesCopy, ASymlinkNamedAsSourceIsCopiedAsSymlink) {
  const ScratchDirectory scratch;
  write_file(scratch.file("directory/f"), "x");
  stdfs::create_symlink("directory", scratch.file("link"));
  ASSERT_TRUE(is_ok(CopyTest(scratch.file("link"), scratch.file("one/")).start().run_to_end()));
  EXPECT_EQ(stdfs::read_symlink(scratch.file("one/link")), "directory");
  ASSERT_TRUE(is_ok(CopyTest(scratch.file("link/"), scratch.file("two")).start().run_to_end()));
  EXPECT_EQ(read_all(scratch.file("two/f")), "x");
}

TEST(FilesCopy, ChecksumsAreThoseOfTheContentAndTheProofIsNamed) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "hello\n");
  CopyTest copy(scratch.file("source/"), scratch.file("target"), {{"hash", "md5,xxh3"}});
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  const LocalItem* item = execution.item("f");
  ASSERT_NE(item, nullptr);
  EXPECT_THAT(item->row.checksum, HasSubstr("md5:b1946ac92492d2347c6235b4d2611184 xxh3:"));
  EXPECT_NE(item->row.proof, store::Proof::none);
  EXPECT_EQ(item->row.transferred_bytes, 6);
  EXPECT_EQ(item->row.action, "created");
}

/// Small files are hashed many at a time and large ones while they are copied; the checksum says
/// nothing of it. 150 of them are more than are taken at once, and no multiple of that.
TEST(FilesCopy, ChecksumsAreRightAboutTheSizeUpToWhichFilesAreHashedTogether) {
  const ScratchDirectory scratch;
  std::map<std::string, std::string> contents;
  const std::size_t bound = Md5Queue::kContentMax;
  for (const std::size_t size : {bound - 1, bound, bound + 1, 3 * bound})
    contents["f" + std::to_string(size)] = std::string(size, 'l');
  for (std::size_t size = 0; size < 150; ++size)
    contents["f" + std::to_string(size)] = std::string(size, 's');
  for (const auto& [name, content] : contents) write_file(scratch.file("source/" + name), content);
  for (const char* verify : {"full", "basic"}) {
    SCOPED_TRACE(verify);
    const std::string target = scratch.file(std::string("to-") + verify);
    CopyTest copy(scratch.file("source/"), target, {{"hash", "md5"}, {"verify", verify}});
    LocalExecution& execution = copy.start();
    ASSERT_TRUE(is_ok(execution.run_to_end()));
    for (const auto& [name, content] : contents) {
      EXPECT_EQ(read_all(target + "/" + name), content);
      EXPECT_EQ(execution.item(name)->row.checksum,
                "md5:" + hex(*hash_bytes(HashKind::md5, content)));
    }
  }
}

/// A file with holes, read as the zeros that they stand for, and one that is "large" here.
TEST(FilesCopy, ChecksumsOfHolesAndOfFilesInPartsAreThoseOfTheContent) {
  const ScratchDirectory scratch;
  const std::string content = std::string(8192, '\0') + "data" + std::string(20000, '\0');
  write_file(scratch.file("source/holes"), "");
  stdfs::resize_file(scratch.file("source/holes"), content.size());
  {
    std::fstream file(scratch.file("source/holes"), std::ios::in | std::ios::out);
    file.seekp(8192).write("data", 4);
  }
  for (const std::int64_t large_from : {256LL << 20, 4096LL}) {
    const std::string target = scratch.file("to-" + std::to_string(large_from));
    fs::Features features;
    features.large_file_bytes = large_from;
    features.chunk_bytes = 4096;
    CopyTest copy(scratch.file("source/"), target, {{"hash", "md5"}}, features);
    LocalExecution& execution = copy.start();
    ASSERT_TRUE(is_ok(execution.run_to_end()));
    EXPECT_EQ(execution.item("holes")->row.checksum,
              "md5:" + hex(*hash_bytes(HashKind::md5, content)));
  }
}

TEST(FilesCopy, WithoutVerificationNothingIsReadBackOrHashed) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "hello\n");
  CopyTest copy(scratch.file("source/"), scratch.file("target"), {{"verify", "none"}});
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(execution.item("f")->row.proof, store::Proof::none);
  EXPECT_EQ(execution.item("f")->row.checksum, "");
  CopyTest basic(scratch.file("source/"), scratch.file("basic"), {{"verify", "basic"}});
  LocalExecution& second = basic.start();
  ASSERT_TRUE(is_ok(second.run_to_end()));
  EXPECT_EQ(second.item("f")->row.proof, store::Proof::none);
  EXPECT_THAT(second.item("f")->row.checksum, HasSubstr("md5:"));
}

TEST(FilesCopy, ASecondRunWritesNothing) {
  const ScratchDirectory scratch;
  make_odd_tree(scratch.file("source"));
  ASSERT_TRUE(
      is_ok(CopyTest(scratch.file("source/"), scratch.file("target")).start().run_to_end()));
  CopyTest again(scratch.file("source/"), scratch.file("target"));
  LocalExecution& execution = again.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(execution.count(ItemStatus::skipped, "batch_file_operation"),
            static_cast<std::int64_t>(execution.items("batch_file_operation").size()));
  EXPECT_EQ(execution.item("a.txt")->row.message, "unchanged: same type, size and time");
  EXPECT_EQ(snapshot(scratch.file("target")), snapshot(scratch.file("source")));
}

struct ConflictCase {
  std::string policy;
  std::string expected;  ///< content of the destination afterwards
  ItemStatus status;
};
class FilesConflict : public ::testing::TestWithParam<ConflictCase> {};

TEST_P(FilesConflict, DecidesAndDryRunSaysTheSame) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "new content");
  write_file(scratch.file("target/f"), "old", 1'000'000'000);
  CopyTest copy(scratch.file("source/"), scratch.file("target"), {{"conflict", GetParam().policy}});
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.enumerate()));
  const auto rehearsed = execution.rehearse();
  ASSERT_TRUE(rehearsed.ok());
  ASSERT_TRUE(is_ok(execution.execute()));
  EXPECT_EQ(read_all(scratch.file("target/f")), GetParam().expected);
  const LocalItem* item = execution.item("f");
  EXPECT_EQ(item->row.status, GetParam().status);
  for (const LocalItem& one : *rehearsed) {
    if (one.row.id != item->row.id) continue;
    EXPECT_EQ(one.row.status, item->row.status);
    EXPECT_EQ(one.row.action, item->row.action);
  }
}
INSTANTIATE_TEST_SUITE_P(
    Policies, FilesConflict,
    ::testing::Values(ConflictCase{"skip", "old", ItemStatus::skipped},
                      ConflictCase{"overwrite", "new content", ItemStatus::completed},
                      ConflictCase{"overwrite_if_different", "new content", ItemStatus::completed},
                      ConflictCase{"overwrite_if_newer", "new content", ItemStatus::completed},
                      ConflictCase{"fail", "old", ItemStatus::failed},
                      ConflictCase{"ask", "old", ItemStatus::failed}),
    [](const auto& tested) { return tested.param.policy; });

TEST(FilesCopy, SpecialFilesAreMadeAnewOrSkippedAsAsked) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "x");
  ASSERT_EQ(::mkfifo(scratch.file("source/pipe").c_str(), 0604), 0);
  ASSERT_EQ(::mknod(scratch.file("source/socket").c_str(), S_IFSOCK | 0644, 0), 0);
  ASSERT_EQ(::chmod(scratch.file("source/pipe").c_str(), 0604), 0);
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  ASSERT_TRUE(is_ok(copy.start().run_to_end()));
  EXPECT_EQ(snapshot(scratch.file("target")), snapshot(scratch.file("source")));
  CopyTest skipping(scratch.file("source/"), scratch.file("other"), {{"special-files", "skip"}});
  LocalExecution& execution = skipping.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(execution.item("pipe")->row.status, ItemStatus::skipped);
  EXPECT_THAT(execution.item("pipe")->row.message, HasSubstr("special_files: skip (a FIFO)"));
  EXPECT_FALSE(stdfs::exists(scratch.file("other/pipe")));
}

TEST(FilesCopy, OwnStateIsLeftOutAndNothingElseOfThatName) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/.dunlin-456789ab-1-17"), "partial");
  write_file(scratch.file("source/.dunlin-undo-456789ab/3"), "old");
  write_file(scratch.file("source/state/state.db"), "ours");
  write_file(scratch.file("source/.dunlin-01234567-1-17"), "of nobody's execution");
  write_file(scratch.file("source/.dunlin-notes"), "a user's own");
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution::Options options;
  options.state_path = scratch.file("source/state");
  LocalExecution& execution = copy.start(options);
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_THAT(own_names(scratch.file("target")),
              ::testing::UnorderedElementsAre("/.dunlin-notes", "/.dunlin-01234567-1-17"));
  EXPECT_FALSE(stdfs::exists(scratch.file("target/state")));
  for (const char* name : {"state", ".dunlin-undo-456789ab", ".dunlin-456789ab-1-17"})
    EXPECT_THAT(execution.item(name)->row.message, HasSubstr("own_state")) << name;
}

TEST(FilesCopy, ABackupThatIsBroughtBackNeverReplacesTheStateInUse) {
  const ScratchDirectory scratch;
  write_file(scratch.file("backup/home/state/state.db"), "of then");
  write_file(scratch.file("backup/home/state of mine"), "a user's own");
  write_file(scratch.file("backup/state/state.db"), "of another place");
  write_file(scratch.file("disk/home/state/state.db"), "in use");
  stdfs::create_directory_symlink("disk", scratch.file("link"));
  for (const char* conflict : {"overwrite", "keep_both"}) {
    CopyTest copy(scratch.file("backup/"), scratch.file("disk"), {{"conflict", conflict}});
    LocalExecution::Options options;
    options.state_path = scratch.file("link/home/state");
    LocalExecution& execution = copy.start(options);
    ASSERT_TRUE(is_ok(execution.run_to_end()));
    EXPECT_EQ(read_all(scratch.file("disk/home/state/state.db")), "in use");
    EXPECT_EQ(read_all(scratch.file("disk/home/state of mine")), "a user's own");
    EXPECT_EQ(read_all(scratch.file("disk/state/state.db")), "of another place");
    EXPECT_THAT(execution.item("home/state")->row.message, HasSubstr("own_state"));
    EXPECT_EQ(execution.item("home/state/state.db"), nullptr);
  }
}

TEST(FilesCopy, WhatCannotBeReadFailsAloneAndIsNoEmptyDirectory) {
  if (::geteuid() == 0) GTEST_SKIP() << "root reads everything";
  const ScratchDirectory scratch;
  write_file(scratch.file("source/good"), "x");
  write_file(scratch.file("source/secret"), "x", 1'500'000'000, 0000);
  write_file(scratch.file("source/closed/inside"), "x");
  ASSERT_EQ(::chmod(scratch.file("source/closed").c_str(), 0000), 0);
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(read_all(scratch.file("target/good")), "x");
  EXPECT_EQ(error_of(execution, "secret"), ErrorType::permission_denied);
  const LocalItem* closed = execution.item("closed", "batch_file_operation");
  ASSERT_NE(closed, nullptr);
  EXPECT_EQ(closed->row.status, ItemStatus::failed);
  EXPECT_EQ(closed->error->type, ErrorType::permission_denied);
  ASSERT_EQ(::chmod(scratch.file("source/closed").c_str(), 0700), 0);
  ::chmod(scratch.file("target/closed").c_str(), 0700);
}

TEST(FilesCopy, AFileThatVanishesAfterTheListingIsCalledVanished) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "x");
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.enumerate()));
  stdfs::remove(scratch.file("source/f"));
  ASSERT_TRUE(is_ok(execution.execute()));
  EXPECT_EQ(error_of(execution, "f"), ErrorType::source_vanished);
}

TEST(FilesCopy, AFileReplacedByAnotherTypeAfterTheListingIsRefused) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "x");
  write_file(scratch.file("secret"), "outside");
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.enumerate()));
  stdfs::remove(scratch.file("source/f"));
  stdfs::create_symlink(scratch.file("secret"), scratch.file("source/f"));
  ASSERT_TRUE(is_ok(execution.execute()));
  EXPECT_EQ(error_of(execution, "f"), ErrorType::source_changed);
  EXPECT_FALSE(stdfs::exists(scratch.file("target/f")));
}

TEST(FilesCopy, AFileThatIsWrittenWhileItIsCopiedNeverArrivesMixed) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), std::string(16 << 20, 'a'));
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.enumerate()));
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    const int fd = ::open(scratch.file("source/f").c_str(), O_WRONLY);
    for (off_t at = 0; !stop; at = (at + 4097) % (16 << 20)) {
      EXPECT_EQ(::pwrite(fd, "b", 1, at), 1);
    }
    ::close(fd);
  });
  ASSERT_TRUE(is_ok(execution.execute()));
  stop = true;
  writer.join();
  EXPECT_EQ(execution.item("f")->row.status, ItemStatus::failed);
  EXPECT_EQ(error_of(execution, "f"), ErrorType::source_changed);
  EXPECT_EQ(execution.item("f")->row.attempt, 3) << "tried as often as the policy says";
  EXPECT_FALSE(stdfs::exists(scratch.file("target/f")));
  EXPECT_THAT(own_names(scratch.file("target")), IsEmpty());
}

TEST(FilesCopy, ASymlinkAtTheDestinationLeadsNowhere) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/sub/f"), "x");
  stdfs::create_directory(scratch.file("outside"));
  stdfs::create_directory(scratch.file("target"));
  stdfs::create_symlink(scratch.file("outside"), scratch.file("target/sub"));
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(execution.item("sub/f")->row.status, ItemStatus::failed);
  EXPECT_EQ(error_of(execution, "sub/f"), ErrorType::destination_exists);
  EXPECT_TRUE(stdfs::is_empty(scratch.file("outside")));
}

TEST(FilesCopy, ADirectoryIsNeverReplacedByAFile) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "x");
  write_file(scratch.file("target/f/inner"), "y");
  CopyTest copy(scratch.file("source/"), scratch.file("target"), {{"conflict", "overwrite"}});
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(error_of(execution, "f"), ErrorType::destination_exists);
  EXPECT_EQ(read_all(scratch.file("target/f/inner")), "y");
}

TEST(FilesCopy, AnOverwriteLeavesOtherNamesOfTheOldFileAlone) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "new");
  write_file(scratch.file("target/f"), "old!");
  stdfs::create_hard_link(scratch.file("target/f"), scratch.file("target/other"));
  ASSERT_TRUE(
      is_ok(CopyTest(scratch.file("source/"), scratch.file("target")).start().run_to_end()));
  EXPECT_EQ(read_all(scratch.file("target/f")), "new");
  EXPECT_EQ(read_all(scratch.file("target/other")), "old!");
}

TEST(FilesCopy, PathsLongerThanPathMax) {
  const ScratchDirectory scratch;
  stdfs::create_directory(scratch.file("source"));
  const std::string part(200, 'p');
  int at = ::open(scratch.file("source").c_str(), O_RDONLY | O_DIRECTORY);
  for (int n = 0; n < 30; ++n) {
    ASSERT_EQ(::mkdirat(at, part.c_str(), 0755), 0);
    const int next = ::openat(at, part.c_str(), O_RDONLY | O_DIRECTORY);
    ::close(at);
    at = next;
  }
  const int file = ::openat(at, "deep file", O_CREAT | O_WRONLY, 0644);
  ASSERT_EQ(::write(file, "deep", 4), 4);
  ::close(file);
  ::close(at);
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_TRUE(all_ended(execution));
  ASSERT_TRUE(is_ok(execution.verify()));
  EXPECT_EQ(execution.differences(), 0);
  EXPECT_EQ(execution.count(ItemStatus::completed, "batch_file_operation"), 1);
  ASSERT_TRUE(is_ok(execution.undo()));
  EXPECT_FALSE(stdfs::exists(scratch.file("target")));
}

TEST(FilesCopy, EveryFallbackGivesTheSameResult) {
  const std::vector<std::pair<std::string, void (*)(fs::Features&)>> without{
      {"openat2", [](fs::Features& features) { features.openat2 = false; }},
      {"rename flags",
       [](fs::Features& features) {
         features.rename_noreplace = features.rename_exchange = false;
       }},
      {"rename flags and links",
       [](fs::Features& features) {
         features.rename_noreplace = features.rename_exchange = features.hard_links = false;
       }},
      {"syncfs", [](fs::Features& features) { features.syncfs = false; }},
      {"direct I/O", [](fs::Features& features) { features.direct_io = false; }},
      {"direct I/O and eviction",
       [](fs::Features& features) { features.direct_io = features.eviction = false; }},
  };
  for (const auto& [name, take_away] : without) {
    SCOPED_TRACE("without " + name);
    const ScratchDirectory scratch;
    make_odd_tree(scratch.file("source"));
    write_file(scratch.file("target/a.txt"), "was here");
    fs::Features features;
    take_away(features);
    CopyTest copy(scratch.file("source/"), scratch.file("target"), {}, features);
    const auto before = snapshot(scratch.file("target"));
    LocalExecution& execution = copy.start();
    ASSERT_TRUE(is_ok(execution.run_to_end()));
    EXPECT_TRUE(all_ended(execution));
    EXPECT_THAT(own_names(scratch.file("target")), SizeIs(1)) << "the undo folder";
    ASSERT_TRUE(is_ok(execution.undo()));
    EXPECT_EQ(snapshot(scratch.file("target")), before);
  }
}

}  // namespace
}  // namespace dunlin::files::testing
