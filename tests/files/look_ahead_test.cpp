// What the enumeration looks at beforehand is what it would have found itself: everything, once, in
// the same order.
#include <set>

#include "files/enumerate.h"
#include "files/fixture.h"
#include "fs/clone.h"
#include "support/short_calls.h"

namespace dunlin::files::testing {
namespace {

using dunlin::testing::BrokenListing;

constexpr int kInLarge = 3000;  // many slices

void make_wide_tree(const std::string& root) {
  stdfs::create_directories(root + "/large");
  for (int n = 0; n < kInLarge; ++n) std::ofstream(root + "/large/f" + std::to_string(n)) << n;
  for (int d = 0; d < 40; ++d) {
    const std::string below = root + "/d" + std::to_string(d);
    stdfs::create_directories(below + "/inner/empty");
    for (int n = 0; n < d % 5; ++n) std::ofstream(below + "/inner/f" + std::to_string(n)) << n;
  }
  std::ofstream(root + "/large/last") << "after the others";
}

/// Paths of all items of a type in the order of their ids.
std::vector<std::string> listed(const LocalExecution& execution, std::string_view task_type) {
  std::map<std::int64_t, std::string> by_id;
  for (const LocalItem* item : execution.items(task_type))
    by_id[item->row.id.value] = item->row.directory_path + "/" + item->row.name;
  std::vector<std::string> paths;
  for (const auto& [id, path] : by_id) paths.push_back(path);
  return paths;
}

TEST(FilesLookAhead, FindsEverythingOnceInTheSameOrderWithAnyNumberOfThreads) {
  const ScratchDirectory scratch;
  make_wide_tree(scratch.file("src"));
  std::vector<std::string> files;
  std::vector<std::string> directories;
  for (const int threads : {1, 3, 16}) {
    SCOPED_TRACE(threads);
    CopyTest test(scratch.file("src") + "/", scratch.file("dst"));
    LocalExecution::Options options;
    options.threads = threads;
    LocalExecution& execution = test.start(options);
    ASSERT_TRUE(is_ok(execution.enumerate()));
    const auto found = listed(execution, kCopyFiles);
    EXPECT_EQ(found.size(), static_cast<std::size_t>(kInLarge + 1 + 8 * (1 + 2 + 3 + 4)));
    EXPECT_EQ(std::set<std::string>(found.begin(), found.end()).size(), found.size());
    if (threads == 1) files = found;
    if (threads == 1) directories = listed(execution, kCreateDirectory);
    EXPECT_EQ(found, files);
    EXPECT_EQ(listed(execution, kCreateDirectory), directories);
  }
}

TEST(FilesLookAhead, AHalfReadDirectoryIsGoneOnWith) {
  const ScratchDirectory scratch;
  make_wide_tree(scratch.file("src"));
  CopyTest test(scratch.file("src") + "/", scratch.file("dst"));
  test.settings.batch_size = 700;
  int commits = 0;
  LocalExecution::Options options;
  options.threads = 8;
  options.on_commit = [&commits]() -> Status {
    if (++commits == 3) return Error(ErrorType::interrupted, "as a kill would");
    return success();
  };
  LocalExecution& execution = test.start(options);
  EXPECT_FALSE(execution.enumerate().ok());
  ASSERT_GT(listed(execution, kCopyFiles).size(), 0U);
  LocalExecution& again = test.take_over();
  ASSERT_TRUE(is_ok(again.enumerate()));
  const auto found = listed(again, kCopyFiles);
  EXPECT_EQ(found.size(), static_cast<std::size_t>(kInLarge + 1 + 8 * (1 + 2 + 3 + 4)));
  EXPECT_EQ(std::set<std::string>(found.begin(), found.end()).size(), found.size());
}

TEST(FilesLookAhead, ACancelEndsItWhateverIsBeingLookedAt) {
  const ScratchDirectory scratch;
  make_wide_tree(scratch.file("src"));
  CopyTest test(scratch.file("src") + "/", scratch.file("dst"));
  test.settings.batch_size = 100;
  LocalExecution* execution = nullptr;
  int commits = 0;
  LocalExecution::Options options;
  options.threads = 8;
  options.on_commit = [&]() -> Status {
    if (++commits == 2) execution->cancel_source().request(CancelReason::pause);
    return success();
  };
  execution = &test.start(options);
  const Status ended = execution->enumerate();
  ASSERT_FALSE(ended.ok());
  EXPECT_EQ(ended.error().type, ErrorType::interrupted);
}

TEST(FilesLookAhead, WhatAnEarlierProcessHasListedIsLookedAtAgain) {
  const ScratchDirectory scratch;
  for (const char* root : {"src", "dst"}) write_file(scratch.file(root) + "/f", "old content");
  CopyTest test(scratch.file("src") + "/", scratch.file("dst"));
  ASSERT_TRUE(is_ok(test.start().enumerate()));
  // Changed during a pause.
  write_file(scratch.file("src/f"), "new content", 1'700'000'000);
  LocalExecution& resumed = test.take_over();
  ASSERT_TRUE(is_ok(resumed.run_to_end()));
  EXPECT_EQ(read_all(scratch.file("dst/f")), "new content");
}

/// What was listed before the error is copied, the error is an item's, and nothing takes it for the
/// end of the directory.
TEST(FilesLookAhead, ADirectoryThatCanBeListedInPartIsCopiedInPartAndSaysSo) {
  for (const int threads : {1, 8}) {
    SCOPED_TRACE(threads);
    const ScratchDirectory scratch;
    make_wide_tree(scratch.file("src"));
    CopyTest test(scratch.file("src") + "/", scratch.file("dst"));
    LocalExecution::Options options;
    options.threads = threads;
    LocalExecution& execution = test.start(options);
    {
      const BrokenListing broken(scratch.file("src/large"));
      ASSERT_TRUE(is_ok(execution.run_to_end()));
    }
    EXPECT_EQ(error_of(execution, "large", kCopyFiles), ErrorType::read_error);
    EXPECT_EQ(execution.count(ItemStatus::failed), 1);
    const auto arrived = std::distance(stdfs::directory_iterator(scratch.file("dst/large")), {});
    EXPECT_GT(arrived, 100);
    EXPECT_LT(arrived, kInLarge);
    EXPECT_TRUE(stdfs::exists(scratch.file("dst/d39/inner/f3"))) << "the others go on";
  }
}

TEST(FilesLookAhead, ADirectoryThatCannotBeListedIsAnItemThatFails) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may list any";
  const ScratchDirectory scratch;
  make_wide_tree(scratch.file("src"));
  ASSERT_EQ(::chmod(scratch.file("src/d3").c_str(), 0300), 0);
  CopyTest test(scratch.file("src") + "/", scratch.file("dst"));
  LocalExecution::Options options;
  options.threads = 8;
  LocalExecution& execution = test.start(options);
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(error_of(execution, "d3", kCopyFiles), ErrorType::permission_denied);
  EXPECT_EQ(execution.count(ItemStatus::failed), 1);
  ASSERT_EQ(::chmod(scratch.file("src/d3").c_str(), 0755), 0);
}

TEST(FsCloneRefusals, OnlyWhatAWholeFileSystemDeclinesIsRemembered) {
  fs::CloneRefusals refusals;
  const fs::CloneRefusals::Devices devices{1, 2};
  for (const int own : {0, EINVAL, ETXTBSY, EPERM, ENOSPC}) {
    refusals.note(devices, own);
    EXPECT_EQ(refusals.declined(devices), 0) << own;
  }
  refusals.note(devices, EOPNOTSUPP);
  EXPECT_EQ(refusals.declined(devices), EOPNOTSUPP);
  EXPECT_EQ(refusals.declined({2, 1}), 0);
}

}  // namespace
}  // namespace dunlin::files::testing
