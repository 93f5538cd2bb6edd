// Same size, same times, other content: what a comparison of times cannot tell, and what is done
// about it.
#include <sys/mount.h>

#include "files/fixture.h"

namespace dunlin::files::testing {
namespace {

using ::testing::HasSubstr;

/// Calls `second` once, when the second block is about to be read.
class BetweenBlocks final : public Permits {
 public:
  Status acquire(std::int64_t, std::int64_t, const CancelToken& cancel) override {
    if (++asked == 2 && second) second();
    return cancel.check();
  }
  int asked = 0;
  std::function<void()> second;
};

class FilesFreshNeedsRoot : public ::testing::TestWithParam<const char*> {};

/// ramfs gives every change within one tick of the kernel (4 to 10 ms) the same time.
TEST_P(FilesFreshNeedsRoot, AFileChangedWithinOneTickOfItsClockNeverArrivesMixed) {
  const ScratchDirectory scratch;
  stdfs::create_directory(scratch.file("source"));
  ASSERT_EQ(::mount("none", scratch.file("source").c_str(), "ramfs", 0, nullptr), 0);
  const std::string old_content(2 << 20, 'a');
  const std::string new_content(2 << 20, 'b');
  int unseen = 0;
  for (int n = 0; n < 40; ++n) {
    const std::string source = scratch.file("source/f");
    write_file(source, old_content);
    BetweenBlocks permits;
    permits.second = [&] {
      const UniqueFd file(::open(source.c_str(), O_WRONLY | O_CLOEXEC));
      ASSERT_EQ(::pwrite(file.get(), new_content.data(), new_content.size(), 0), 2 << 20);
    };
    struct stat touched{};
    LocalExecution::Options options;
    options.permits = &permits;
    options.on_item = [&](const engine::ItemRow& row) {
      if (row.name != "f" || permits.asked > 0) return;
      const UniqueFd file(::open(source.c_str(), O_WRONLY | O_CLOEXEC));
      ASSERT_EQ(::pwrite(file.get(), "a", 1, 0), 1);
      ASSERT_EQ(::stat(source.c_str(), &touched), 0);
    };
    const std::string target = scratch.file("target" + std::to_string(n));
    CopyTest copy(scratch.file("source/"), target, {{"verify", GetParam()}});
    ASSERT_TRUE(is_ok(copy.start(options).run_to_end()));
    struct stat after{};
    ASSERT_EQ(::stat(source.c_str(), &after), 0);
    unseen += after.st_ctim.tv_sec == touched.st_ctim.tv_sec &&
              after.st_ctim.tv_nsec == touched.st_ctim.tv_nsec;
    const std::string arrived = read_all(target + "/f");
    ASSERT_TRUE(arrived == old_content || arrived == new_content) << "mixed, in try " << n;
    stdfs::remove_all(target);
  }
  EXPECT_GT(unseen, 0) << "no change was hidden by the clock: nothing was shown";
  EXPECT_EQ(::umount2(scratch.file("source").c_str(), MNT_DETACH), 0);
}

INSTANTIATE_TEST_SUITE_P(Verify, FilesFreshNeedsRoot, ::testing::Values("full", "none"));

/// rsync's rule, written in docs/files.md: by size and time it is unchanged.
TEST(FilesFresh, OtherContentOfTheSameSizeAndTimeIsTakenForUnchangedAndSaysSo) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "one");
  write_file(scratch.file("target/f"), "two");
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(read_all(scratch.file("target/f")), "two");
  EXPECT_THAT(execution.item("f")->row.message, HasSubstr("unchanged: same type, size and time"));
  CopyTest always(scratch.file("source/"), scratch.file("target"), {{"conflict", "overwrite"}});
  ASSERT_TRUE(is_ok(always.start().run_to_end()));
  EXPECT_EQ(read_all(scratch.file("target/f")), "one");
}

}  // namespace
}  // namespace dunlin::files::testing
