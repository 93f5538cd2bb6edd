// What is asked of every item before the first one is begun.
#include "files/item_checks.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>

#include "files/fixture.h"
#include "files/site.h"

namespace dunlin::files::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Options = std::map<std::string, std::string>;
using Snapshot = std::map<std::string, std::string>;

/// What the checks find of a copy of `source` to `target`.
class FilesItemChecks : public ::testing::Test {
 protected:
  std::vector<engine::Problem> found(const Options& options = {},
                                     engine::Preflight preflight = engine::Preflight::automatic) {
    CopyTest copy(scratch_.file("source/"), scratch_.file("target"), options);
    copy.settings.preflight = preflight;
    LocalExecution& execution = copy.start();
    EXPECT_TRUE(is_ok(execution.enumerate()));
    const bool readable = !stdfs::exists(scratch_.file("source/hole"));
    const auto before = readable ? snapshot(scratch_.file("source")) : Snapshot();
    const bool stood = stdfs::exists(scratch_.file("target"));
    auto problems = execution.check_items();
    EXPECT_TRUE(problems.ok()) << (problems.ok() ? "" : problems.error().text());
    if (readable) {
      EXPECT_EQ(snapshot(scratch_.file("source")), before);
    }
    EXPECT_EQ(stdfs::exists(scratch_.file("target")), stood);
    return problems.ok() ? *std::move(problems) : std::vector<engine::Problem>{};
  }
  void copy_once() {
    CopyTest copy(scratch_.file("source/"), scratch_.file("target"));
    ASSERT_TRUE(is_ok(copy.start().run_to_end()));
  }

  const ScratchDirectory scratch_;
};

bool refuses(const engine::Problem& problem) {
  return problem.critical && !problem.can_continue;
}

/// Checks and dry run of a copy that would refuse what stands there, to a destination whose clock
/// nobody knows beforehand.
TEST(FilesItemChecksNeedsRoot, AnExistingDestinationKeepsItsTimesWhereNothingIsWritten) {
  const ScratchDirectory scratch = ScratchDirectory::in_memory();
  for (const char* name : {"lower", "upper", "work", "overlay"})
    stdfs::create_directory(scratch.file(name));
  const std::string options = "lowerdir=" + scratch.file("lower") +
                              ",upperdir=" + scratch.file("upper") +
                              ",workdir=" + scratch.file("work");
  const std::string overlay = scratch.file("overlay");
  ASSERT_EQ(::mount("overlay", overlay.c_str(), "overlay", 0, options.c_str()), 0);
  write_file(scratch.file("source/f"), "content");
  write_file(overlay + "/target/f", "stands there");
  set_mtime(overlay + "/target", 1'100'000'000);
  for (const bool unnamed : {true, false}) {
    fs::Features features;
    features.unnamed_files = unnamed;
    struct stat before{};
    ASSERT_EQ(::stat((overlay + "/target").c_str(), &before), 0);
    CopyTest copy(scratch.file("source/"), overlay + "/target", {{"conflict", "fail"}}, features);
    LocalExecution& execution = copy.start();
    const auto problems = copy.run().preflight(execution.context());
    EXPECT_TRUE(problems.ok() && problems->empty());
    ASSERT_TRUE(is_ok(execution.enumerate()));
    const auto found = execution.check_items();
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(found->size(), 1U);
    EXPECT_TRUE(execution.rehearse().ok());
    struct stat after{};
    ASSERT_EQ(::stat((overlay + "/target").c_str(), &after), 0);
    EXPECT_EQ(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
    EXPECT_EQ(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
    if (unnamed) {
      EXPECT_EQ(after.st_ctim.tv_sec, before.st_ctim.tv_sec);
      EXPECT_EQ(after.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
    }
  }
  EXPECT_EQ(::umount2(overlay.c_str(), MNT_DETACH), 0);
}

TEST_F(FilesItemChecks, WhatCanBeCopiedHasNoProblem) {
  write_file(scratch_.file("source/sub/f"), "content");
  stdfs::create_symlink("nowhere", scratch_.file("source/link"));
  EXPECT_THAT(found(), IsEmpty());
  copy_once();
  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(FilesItemChecks, AFileThatMayNotBeReadIsNamedAndRefusesOnlyAllOrNothing) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read it";
  write_file(scratch_.file("source/secret"), "content");
  write_file(scratch_.file("source/plain"), "content");
  ASSERT_EQ(::chmod(scratch_.file("source/secret").c_str(), 0), 0);
  const auto by_itself = found();
  ASSERT_EQ(by_itself.size(), 1U);
  EXPECT_THAT(by_itself[0].error.message, HasSubstr("/source/secret"));
  EXPECT_EQ(by_itself[0].error.type, ErrorType::permission_denied);
  EXPECT_FALSE(refuses(by_itself[0]));
  const auto complete = found({}, engine::Preflight::complete);
  ASSERT_EQ(complete.size(), 1U);
  EXPECT_TRUE(refuses(complete[0]));
}

TEST_F(FilesItemChecks, ManyOfOneKindAreCounted) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read them";
  for (int n = 0; n < 25; ++n) {
    const std::string path = scratch_.file("source/f" + std::to_string(n));
    write_file(path, "content");
    ASSERT_EQ(::chmod(path.c_str(), 0), 0);
  }
  const auto problems = found({}, engine::Preflight::complete);
  ASSERT_EQ(problems.size(), 10U);
  EXPECT_THAT(problems.back().error.message, HasSubstr("and 15 more"));
  EXPECT_THAT(found().back().error.message, HasSubstr("and 22 more"));
}

TEST_F(FilesItemChecks, TooLittleRoomRefusesBeforeAnythingIsWritten) {
  write_file(scratch_.file("source/f"), std::string(100'000, 'x'));
  const auto problems = found({{"space-reservation", "100%"}});
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].error.type, ErrorType::disk_full);
  EXPECT_TRUE(refuses(problems[0]));
  EXPECT_THAT(problems[0].error.message, HasSubstr("to be kept free"));
  EXPECT_THAT(problems[0].error.remedy("1"), HasSubstr("--preflight streaming"));
}

TEST_F(FilesItemChecks, WhatIsThereAlreadyNeedsNoRoom) {
  write_file(scratch_.file("source/f"), std::string(100'000, 'x'));
  copy_once();
  EXPECT_THAT(found({{"space-reservation", "100%"}}), IsEmpty());
  write_file(scratch_.file("source/new"), "content");
  EXPECT_EQ(found({{"space-reservation", "100%"}}).size(), 1U);
}

/// Each takes a block at least: less room than that is looked at closely, too.
TEST_F(FilesItemChecks, SmallFilesThatAreThereAlreadyNeedNoRoomEither) {
  for (int n = 0; n < 300; ++n) write_file(scratch_.file("source/f" + std::to_string(n)), "x");
  copy_once();
  struct statvfs raw{};
  ASSERT_EQ(::statvfs(scratch_.path().c_str(), &raw), 0);
  // More than their bytes and less than their blocks stays.
  const auto free =
      static_cast<std::int64_t>(raw.f_bavail) * static_cast<std::int64_t>(raw.f_frsize);
  for (const std::int64_t left : {10'000, 400'000})
    EXPECT_THAT(found({{"space-reservation", std::to_string(free - left)}}), IsEmpty()) << left;
}

TEST_F(FilesItemChecks, WhatWouldBeSkippedNeedNotBeReadable) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read it";
  write_file(scratch_.file("source/f"), "content");
  copy_once();
  ASSERT_EQ(::chmod(scratch_.file("source/f").c_str(), 0), 0);
  EXPECT_THAT(found({{"conflict", "skip"}}, engine::Preflight::complete), IsEmpty());
}

TEST_F(FilesItemChecks, AFileWhereADirectoryHasToBeIsNamed) {
  write_file(scratch_.file("source/sub/f"), "content");
  write_file(scratch_.file("target/sub"), "a file");
  EXPECT_THAT(found({}, engine::Preflight::complete), ::testing::Not(IsEmpty()));
}

TEST_F(FilesItemChecks, HolesAndFurtherNamesNeedNoRoom) {
  write_file(scratch_.file("source/hole"), "");
  stdfs::create_hard_link(scratch_.file("source/hole"), scratch_.file("source/same"));
  // More than any disk here has.
  ASSERT_EQ(::truncate(scratch_.file("source/hole").c_str(), off_t{8} << 40), 0);
  EXPECT_THAT(found(), IsEmpty());
  EXPECT_EQ(found({{"preserve", "no-holes"}}).size(), 1U);
}

TEST_F(FilesItemChecks, WhatThePlanRefusesIsNamed) {
  write_file(scratch_.file("source/f"), "content");
  write_file(scratch_.file("source/g"), "content");
  write_file(scratch_.file("target/f"), "other");
  const auto problems = found({{"conflict", "fail"}});
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].error.type, ErrorType::destination_exists);
  EXPECT_THAT(problems[0].error.message, HasSubstr("/target/f"));
}

TEST_F(FilesItemChecks, AMoveNeedsTheRightToRemoveFromEachDirectory) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may remove";
  write_file(scratch_.file("source/sub/f"), "content");
  write_file(scratch_.file("source/sub/g"), "content");
  ASSERT_EQ(::chmod(scratch_.file("source/sub").c_str(), 0555), 0);
  CopyTest move(scratch_.file("source/"), scratch_.file("target"), {}, {}, "move");
  LocalExecution& execution = move.start();
  ASSERT_TRUE(is_ok(execution.enumerate()));
  const auto problems = execution.check_items();
  ASSERT_TRUE(problems.ok()) << problems.error().text();
  ASSERT_EQ(problems->size(), 1U);
  EXPECT_THAT((*problems)[0].error.message, HasSubstr("/source/sub"));
  ASSERT_EQ(::chmod(scratch_.file("source/sub").c_str(), 0755), 0);
}

TEST(FilesClockSkew, OfAServerIsSaidAndRoundingIsNone) {
  const std::int64_t now_ms = 1'700'000'000'500;
  const auto skew = [&](std::int64_t seconds) {
    return clock_skew({1'700'000'000 + seconds, 0}, now_ms, "'/mnt/server'");
  };
  for (const std::int64_t none : {0, 2, -2}) EXPECT_FALSE(skew(none)) << none;
  EXPECT_THAT(skew(3600)->message, HasSubstr("'/mnt/server': its clock is 1h"));
  EXPECT_THAT(skew(3600)->message, HasSubstr("ahead of this machine's"));
  EXPECT_THAT(skew(-90)->message, HasSubstr("behind this machine's"));
}

TEST_F(FilesItemChecks, WhatIsToStayFreePausesACopyThatWouldTakeIt) {
  write_file(scratch_.file("source/f"), "content");
  CopyTest copy(scratch_.file("source/"), scratch_.file("target"), {{"space-reservation", "100%"}});
  const Status status = copy.start().run_to_end();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().type, ErrorType::disk_full);
  EXPECT_THAT(status.error().message, HasSubstr("space_reservation"));
  EXPECT_FALSE(stdfs::exists(scratch_.file("target/f")));
}

}  // namespace
}  // namespace dunlin::files::testing
