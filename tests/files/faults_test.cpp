// What a kernel or a device refuses: the same result by another way, or the right error and nothing
// half-made under a final name.
#include <fcntl.h>

#include <cerrno>

#include "files/fixture.h"
#include "support/denied_calls.h"

namespace dunlin::files::testing {
namespace {

using dunlin::testing::DeniedCall;
using dunlin::testing::with_denied_calls;
using ::testing::HasSubstr;

constexpr unsigned kRenameFlags = 4;  // arguments of renameat2, from 0

/// Runs a copy to its end while the calls are denied.
Status run_denied(LocalExecution& execution, const std::vector<DeniedCall>& calls) {
  Status status = success();
  with_denied_calls(calls, [&] { status = execution.run_to_end(); });
  return status;
}

struct OldKernel {
  const char* name;
  std::vector<DeniedCall> without;
};
class FilesOnAnOldKernel : public ::testing::TestWithParam<OldKernel> {};

TEST_P(FilesOnAnOldKernel, TheResultIsTheSame) {
  const ScratchDirectory scratch;
  make_odd_tree(scratch.file("source"));
  write_file(scratch.file("target/a.txt"), "an older version");
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(run_denied(execution, GetParam().without)));
  EXPECT_TRUE(all_ended(execution));
  auto result = snapshot(scratch.file("target"));
  result.erase("/.dunlin-undo-456789ab");
  result.erase("/.dunlin-undo-456789ab/" + std::to_string(execution.item("a.txt")->row.id.value));
  EXPECT_EQ(result, snapshot(scratch.file("source")));
}

INSTANTIATE_TEST_SUITE_P(
    Without, FilesOnAnOldKernel,
    ::testing::Values(OldKernel{"Openat2", {{__NR_openat2, ENOSYS}}},
                      OldKernel{"RenameNoreplace", {{__NR_renameat2, EINVAL, kRenameFlags, 1}}},
                      OldKernel{"RenameExchange", {{__NR_renameat2, EINVAL, kRenameFlags, 2}}},
                      OldKernel{"RenameFlags",
                                {{__NR_renameat2, EINVAL, kRenameFlags, 1},
                                 {__NR_renameat2, EINVAL, kRenameFlags, 2}}},
                      OldKernel{"Flags", {{__NR_ioctl, ENOTTY}}}),
    [](const auto& tested) { return tested.param.name; });

TEST(FilesFaults, ASetOfLinksBeyondTheLimitGoesOnAsCopies) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/a"), "shared");
  stdfs::create_hard_link(scratch.file("source/a"), scratch.file("source/b"));
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(run_denied(execution, {{__NR_linkat, EMLINK}})));
  EXPECT_TRUE(all_ended(execution));
  EXPECT_EQ(read_all(scratch.file("target/a")), "shared");
  EXPECT_EQ(read_all(scratch.file("target/b")), "shared");
  EXPECT_THAT(execution.items("link_set").front()->row.message, HasSubstr("Too many links"));
}

TEST(FilesFaults, AttributesThatAreRefusedAreNamedAndTheFileArrives) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "x");
  ASSERT_EQ(::setxattr(scratch.file("source/f").c_str(), "user.note", "n", 1, 0), 0);
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(run_denied(execution, {{__NR_fsetxattr, EOPNOTSUPP}})));
  EXPECT_EQ(read_all(scratch.file("target/f")), "x");
  EXPECT_THAT(execution.item("f")->row.message, HasSubstr("user.note not preserved"));
}

TEST(FilesFaults, WithoutTheRightADeviceNodeIsListedAsMissing) {
  const ScratchDirectory scratch;
  CopyTest copy("/dev/null", scratch.file("null"));
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(run_denied(execution, {{__NR_mknodat, EPERM}})));
  EXPECT_EQ(error_of(execution, "null"), ErrorType::permission_denied);
  EXPECT_FALSE(stdfs::exists(scratch.file("null")));
}

struct Fault {
  const char* name;
  std::vector<DeniedCall> calls;
  ErrorType type;
};
class FilesFault : public ::testing::TestWithParam<Fault> {};

TEST_P(FilesFault, EndsInItsTypeAndLeavesNothingHalfMade) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), std::string(100'000, 'x'));
  write_file(scratch.file("source/old"), "new content");
  write_file(scratch.file("target/old"), "old content", 1'000'000'000);
  const auto before = snapshot(scratch.file("target"), false);
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution& execution = copy.start();
  const Status status = run_denied(execution, GetParam().calls);
  std::optional<ErrorType> type;
  if (!status.ok()) {
    type = status.error().type;
  } else {
    type = error_of(execution, "f");
  }
  ASSERT_TRUE(type.has_value());
  EXPECT_EQ(to_string(*type), to_string(GetParam().type))
      << (status.ok() ? execution.item("f")->error->text() : status.error().text());
  // The device is mended; what is left is taken up and completed.
  ASSERT_TRUE(is_ok(copy.take_over().settle()));
  auto after = snapshot(scratch.file("target"), false);
  after.erase("/.dunlin-undo-456789ab");  // perhaps made, and empty
  EXPECT_EQ(after, before);
}

INSTANTIATE_TEST_SUITE_P(
    By, FilesFault,
    ::testing::Values(
        Fault{"WriteEio", {{__NR_write, EIO}}, ErrorType::write_error},
        Fault{"WriteFull", {{__NR_write, ENOSPC}}, ErrorType::disk_full},
        Fault{"WriteQuota", {{__NR_write, EDQUOT}}, ErrorType::quota_exceeded},
        Fault{"FlushEio", {{__NR_syncfs, EIO}, {__NR_fsync, EIO}}, ErrorType::write_error},
        Fault{"ReadEio", {{__NR_read, EIO}}, ErrorType::read_error},
        Fault{"RenameReadOnly", {{__NR_renameat2, EROFS}}, ErrorType::read_only_destination}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace dunlin::files::testing
