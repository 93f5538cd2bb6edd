// Clones: what kernels and file systems answer. Real ones are in tests/files/reflink_test.cpp.
#include "fs/clone.h"

#include <linux/fs.h>

#include <cerrno>

#include "fs/fixture.h"
#include "support/denied_calls.h"

namespace dunlin::fs::testing {
namespace {

using dunlin::testing::with_denied_calls;

class FsClone : public ::testing::Test {
 protected:
  FsClone() { write(scratch.file("from"), "content"); }

  /// With FICLONE answered by `error`; 0: it claims to have cloned.
  Result<Clone> clone(int error) {
    Result<Clone> done = Error(ErrorType::defect, "not run");
    const UniqueFd from(::open(scratch.file("from").c_str(), O_RDONLY | O_CLOEXEC));
    const UniqueFd to(
        ::open(scratch.file("to").c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    with_denied_calls({{SYS_ioctl, error, 1, static_cast<std::uint32_t>(FICLONE)}},
                      [&] { done = clone_content(from.get(), "'from'", to.get(), "'to'"); });
    return done;
  }
  ScratchDirectory scratch;
};

TEST_F(FsClone, WhatIsDeclinedIsNoErrorAndSaysWhy) {
  for (const int error : {EXDEV, EOPNOTSUPP, ENOTTY, EINVAL, ENOSYS, EPERM, EACCES, ETXTBSY}) {
    const auto done = clone(error);
    ASSERT_TRUE(done.ok()) << done.error().text();
    EXPECT_EQ(done->declined, error);
    EXPECT_EQ(stdfs::file_size(scratch.file("to")), 0U);
  }
}

TEST_F(FsClone, WhatACopyWouldMeetTooIsAnError) {
  EXPECT_EQ(type_of(clone(EIO)), ErrorType::write_error);
  EXPECT_EQ(type_of(clone(ENOSPC)), ErrorType::disk_full);
  EXPECT_EQ(type_of(clone(EDQUOT)), ErrorType::quota_exceeded);
}

TEST_F(FsClone, ACloneThatIsShorterThanItsSourceIsNone) {
  const auto done = clone(0);
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(done->declined, ENOSPC);
}

TEST_F(FsClone, FilesOfAnotherFileSystemAreNamedAsTheObstacle) {
  const ScratchDirectory memory("/dev/shm");
  const auto here = Directory::open_root(scratch.path(), Side::source);
  const auto there = Directory::open_root(memory.path(), Side::destination);
  ASSERT_TRUE(here.ok() && there.ok());
  EXPECT_EQ(clone_obstacle(*here, *there), EXDEV);
  EXPECT_EQ(clone_obstacle(*there, *there), EOPNOTSUPP);
  EXPECT_TRUE(stdfs::is_empty(memory.path()));
}

}  // namespace
}  // namespace dunlin::fs::testing
