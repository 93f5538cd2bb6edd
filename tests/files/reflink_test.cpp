// Clones instead of copies: where the file system has them (XFS, btrfs: as root, on images), and
// where it declines.
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstdlib>

#include "base/crash_point.h"
#include "files/fixture.h"
#include "support/denied_calls.h"
#include "support/self_exec.h"
#include "support/short_calls.h"

namespace dunlin::files::testing {
namespace {

using dunlin::testing::run_self;
using dunlin::testing::ShortCalls;
using dunlin::testing::was_killed;
using dunlin::testing::with_denied_calls;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Runs to its end while FICLONE answers with `error`; 0: it claims to have cloned.
Status run_declined(LocalExecution& execution, int error) {
  Status status = success();
  with_denied_calls({{SYS_ioctl, error, 1, static_cast<std::uint32_t>(FICLONE)}},
                    [&] { status = execution.run_to_end(); });
  return status;
}

class FilesReflink : public ::testing::TestWithParam<int> {};

TEST_P(FilesReflink, WhatCannotBeClonedIsCopied) {
  const ScratchDirectory scratch;
  make_odd_tree(scratch.file("source"));
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(run_declined(execution, GetParam())));
  EXPECT_TRUE(all_ended(execution));
  EXPECT_EQ(snapshot(scratch.file("target")), snapshot(scratch.file("source")));
  EXPECT_EQ(execution.item("a.txt")->row.action, "created");
}

TEST_P(FilesReflink, AskedForAlwaysItFailsAndIsNotCopied) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "content");
  CopyTest copy(scratch.file("source/"), scratch.file("target"), {{"reflink", "always"}});
  LocalExecution& execution = copy.start();
  const Status status = run_declined(execution, GetParam());
  EXPECT_FALSE(stdfs::exists(scratch.file("target/f")));
  EXPECT_THAT(own_names(scratch.file("target")), IsEmpty());
  if (GetParam() == 0) {  // it ended early, and XFS does so when there is no more room
    EXPECT_EQ(status.ok() ? *error_of(execution, "f") : status.error().type, ErrorType::disk_full);
    return;
  }
  ASSERT_TRUE(is_ok(status));
  EXPECT_EQ(error_of(execution, "f"), ErrorType::unsupported_item);
  EXPECT_THAT(execution.item("f")->error->remediation, HasSubstr("--reflink"));
}

INSTANTIATE_TEST_SUITE_P(Answers, FilesReflink,
                         ::testing::Values(EXDEV, EOPNOTSUPP, ENOTTY, EINVAL, ENOSYS, EPERM,
                                           ETXTBSY, 0));

TEST(FilesReflinkPlan, SaysWhatCannotBe) {
  const auto problems = [](const Json& strategy) {
    const Json document = {{"kind", "files"},
                           {"source", {{"paths", {"/a"}}}},
                           {"destination", {{"base_path", "/b"}}},
                           {"strategy", strategy}};
    return make_files_kind()->check(document);
  };
  EXPECT_THAT(problems({{"operation", "reflink"}}), IsEmpty());
  EXPECT_THAT(problems({{"operation", "move"}, {"reflink", "never"}}), IsEmpty());
  for (const Json& wrong :
       {Json{{"reflink", "sometimes"}}, Json{{"operation", "move"}, {"reflink", "always"}},
        Json{{"operation", "reflink"}, {"reflink", "never"}},
        Json{{"operation", "reflink"}, {"preserve", "no-holes"}}})
    EXPECT_EQ(problems(wrong).size(), 1U) << wrong.dump();
}

/// Does any extent of the file belong to another one, too?
bool shares_content(const std::string& path) {
  constexpr std::size_t kExtents = 64;
  alignas(fiemap) std::byte memory[sizeof(fiemap) + kExtents * sizeof(fiemap_extent)] = {};
  auto* map = reinterpret_cast<fiemap*>(memory);
  map->fm_length = FIEMAP_MAX_OFFSET;
  map->fm_flags = FIEMAP_FLAG_SYNC;
  map->fm_extent_count = kExtents;
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(::ioctl(file.get(), FS_IOC_FIEMAP, map), 0) << path;
  for (std::uint32_t n = 0; n < map->fm_mapped_extents; ++n)
    if ((map->fm_extents[n].fe_flags & FIEMAP_EXTENT_SHARED) != 0) return true;
  return false;
}

/// Child's life of a copy on a disk with clones: begins or takes over.
TEST(FilesReflinkChild, DISABLED_Runs) {
  const std::string disk = std::getenv("DUNLIN_TEST_DIRECTORY");
  CopyTest copy(disk + "/source/", disk + "/target", {{"reflink", "always"}});
  LocalExecution::Options options;
  options.journal_path = disk + "/journal";
  std::unique_ptr<LocalExecution> taken;
  if (stdfs::exists(options.journal_path)) taken = copy.take_over_from(options);
  LocalExecution& execution = taken ? *taken : copy.start(options);
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  ASSERT_EQ(execution.item("large")->row.action, "cloned");
}

class FilesReflinkNeedsRoot : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string image = scratch_.file("image");
    stdfs::create_directory(disk());
    const std::string make = "truncate -s 320M '" + image + "' && mkfs." + GetParam() + " -q '" +
                             image + "' >/dev/null 2>&1 && mount -o loop '" + image + "' '" +
                             disk() + "'";
    ASSERT_EQ(std::system(make.c_str()), 0) << "needs its tools and a loop device";
    make_odd_tree(source());
    write_file(source() + "/large", std::string(1 << 20, 'l') + std::string(1 << 20, 'L'));
    set_mtime(source(), 1'200'000'000);
  }
  void TearDown() override { ::umount2(disk().c_str(), MNT_DETACH); }

  [[nodiscard]] std::string disk() const { return scratch_.file("disk"); }
  [[nodiscard]] std::string source() const { return disk() + "/source"; }
  [[nodiscard]] std::string target() const { return disk() + "/target"; }

 private:
  const ScratchDirectory scratch_;
};

TEST_P(FilesReflinkNeedsRoot, ATreeArrivesExactlyAndSharesItsContent) {
  fs::Features features;
  features.large_file_bytes = 1 << 20;
  features.chunk_bytes = 256 << 10;
  CopyTest copy(source() + "/", target(), {{"reflink", "always"}}, features);
  LocalExecution& execution = copy.start();
  const auto problems = copy.run().preflight(execution.context());
  ASSERT_TRUE(problems.ok());
  EXPECT_THAT(*problems, IsEmpty());
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_TRUE(all_ended(execution));
  EXPECT_EQ(snapshot(target()), snapshot(source()));
  const LocalItem* large = execution.item("large");
  EXPECT_EQ(large->row.action, "cloned");
  EXPECT_EQ(large->row.transferred_bytes, 2 << 20);
  EXPECT_NE(large->row.checksum, "") << "its source was read";
  // btrfs reports no direct I/O, so there the pages are dropped before they are read.
  const bool direct = std::string(GetParam()) == "xfs";
  EXPECT_EQ(large->row.proof, direct ? store::Proof::device : store::Proof::evicted)
      << "the clone was read back";
  for (const char* name : {"/large", "/block", "/sub/sparse"})
    EXPECT_TRUE(shares_content(target() + name)) << name;
  ASSERT_TRUE(is_ok(execution.verify()));
  EXPECT_EQ(execution.differences(), 0);
  ASSERT_TRUE(is_ok(execution.undo()));
  EXPECT_FALSE(stdfs::exists(target()));
}

TEST_P(FilesReflinkNeedsRoot, WithoutVerificationNothingIsReadOrClaimed) {
  CopyTest copy(source() + "/", target(), {{"verify", "none"}});
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  const LocalItem* large = execution.item("large");
  EXPECT_EQ(large->row.action, "cloned");
  EXPECT_EQ(large->row.checksum, "");
  EXPECT_EQ(large->row.proof, store::Proof::none);
  EXPECT_EQ(snapshot(target()), snapshot(source()));
}

TEST_P(FilesReflinkNeedsRoot, NeverIsACopyAndSoIsAFileWithoutItsHoles) {
  for (const auto& options : {std::map<std::string, std::string>{{"reflink", "never"}},
                              std::map<std::string, std::string>{{"preserve", "no-holes"}}}) {
    CopyTest copy(source() + "/", target(), options);
    ASSERT_TRUE(is_ok(copy.start().run_to_end()));
    EXPECT_FALSE(shares_content(target() + "/large"));
    stdfs::remove_all(target());
  }
}

TEST_P(FilesReflinkNeedsRoot, AnotherFileSystemIsRefusedBeforeAnythingIsDone) {
  const ScratchDirectory elsewhere;
  CopyTest copy(source() + "/", elsewhere.file("target"), {{"reflink", "always"}});
  LocalExecution& execution = copy.start();
  const auto problems = copy.run().preflight(execution.context());
  ASSERT_TRUE(problems.ok());
  ASSERT_EQ(problems->size(), 1U);
  EXPECT_THAT(problems->front().error.message, HasSubstr("not on one file system"));
  EXPECT_THAT(problems->front().error.remediation, HasSubstr("--reflink"));
  EXPECT_FALSE(problems->front().can_continue);
}

/// Writes into the source when its content is about to be read for the hash: after the clone.
class AfterTheClone final : public Permits {
 public:
  Status acquire(std::int64_t bytes, std::int64_t, const CancelToken& cancel) override {
    if (bytes > 0 && change) std::exchange(change, nullptr)();
    return cancel.check();
  }
  std::function<void()> change;
};

TEST_P(FilesReflinkNeedsRoot, ASourceThatChangesMeanwhileIsTriedAgain) {
  stdfs::remove_all(source());
  write_file(source() + "/f", std::string(1 << 20, 'a'));
  AfterTheClone permits;
  permits.change = [&] {
    const UniqueFd file(::open((source() + "/f").c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_EQ(::pwrite(file.get(), "changed", 7, 1000), 7);
  };
  CopyTest copy(source() + "/", target(), {{"reflink", "always"}});
  LocalExecution::Options options;
  options.permits = &permits;
  LocalExecution& execution = copy.start(options);
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_FALSE(permits.change) << "nothing was shown";
  EXPECT_GT(execution.item("f")->row.attempt, 0) << "nobody has seen it";
  EXPECT_EQ(read_all(target() + "/f"), read_all(source() + "/f"));
}

TEST_P(FilesReflinkNeedsRoot, AnInterruptedCloneAndAHalfOneAreMadeGood) {
  CopyTest copy(source() + "/", target());
  LocalExecution& execution = copy.start();
  {
    const ShortCalls calls(7, true);
    ASSERT_TRUE(is_ok(execution.run_to_end()));
    EXPECT_GT(ShortCalls::shortened(), 10);
  }
  for (const LocalItem* item : execution.items())
    EXPECT_EQ(item->row.attempt, 0) << item->row.name << ": nothing of this is a failure";
  EXPECT_EQ(snapshot(target()), snapshot(source()));
}

#if DUNLIN_CRASH_POINTS
TEST_P(FilesReflinkNeedsRoot, AKillAroundTheCloneLeavesNothingAndIsMadeGood) {
  const auto expected = snapshot(source());
  for (const char* point : {"fs.clone.before:2", "fs.clone.after:2", "files.write.after:1",
                            "files.publish.before:1", "files.publish.after:1"}) {
    SCOPED_TRACE(point);
    const std::map<std::string, std::string> where{{"DUNLIN_TEST_DIRECTORY", disk()}};
    auto killed = where;
    killed["DUNLIN_CRASH_AT"] = point;
    ASSERT_TRUE(was_killed(run_self("FilesReflinkChild.DISABLED_Runs", killed)));
    ASSERT_EQ(run_self("FilesReflinkChild.DISABLED_Runs", where), 0);
    EXPECT_EQ(snapshot(target()), expected);
    stdfs::remove_all(target());
    stdfs::remove(disk() + "/journal");
  }
}
#endif

INSTANTIATE_TEST_SUITE_P(On, FilesReflinkNeedsRoot, ::testing::Values("xfs", "btrfs"),
                         [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace dunlin::files::testing
