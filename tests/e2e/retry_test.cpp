// A retry into directories that have got their final mode, flags and times already.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crash_point.h"
#include "base/unique_fd.h"
#include "e2e/world.h"

namespace dunlin::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;

class Retry : public World {
 protected:
  void TearDown() override {
    for (const char* tree : {"src", "dst"}) {
      for (const char* name : {"/closed", "/closed/deeper", ""}) {
        const std::string directory = path(tree) + name;
        set_flags(directory, 0);
        ::chmod(directory.c_str(), 0755);
      }
    }
  }
  static void set_flags(const std::string& directory, unsigned flags) {
    const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    unsigned now = 0;
    if (::ioctl(fd.get(), FS_IOC_GETFLAGS, &now) != 0) return;
    now = (now & ~static_cast<unsigned>(FS_IMMUTABLE_FL)) | flags;
    static_cast<void>(::ioctl(fd.get(), FS_IOC_SETFLAGS, &now));
  }
  static unsigned flags_of(const std::string& directory) {
    const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    unsigned now = 0;
    return ::ioctl(fd.get(), FS_IOC_GETFLAGS, &now) == 0 ? now & FS_IMMUTABLE_FL : 0;
  }
  /// Three directories, of which every one holds files that the first try cannot write: they are
  /// larger than it may. One of them replaces an older version.
  void make_closed_tree(unsigned flags) {
    for (const char* name : {"src/top", "src/closed/large", "src/closed/deeper/large"})
      write(name, std::string(3 << 20, 'x'));
    // Several batches have their part in this one, at the same time.
    for (int n = 0; n < 5; ++n)
      write("src/closed/large" + std::to_string(n), std::string(3 << 20, 'y'));
    for (int n = 0; n < 6; ++n) write("src/closed/small" + std::to_string(n), "s");
    write("dst/closed/large", "an older version");
    for (const char* name : {"src/closed/deeper", "src/closed", "src"}) {
      ::chmod(path(name).c_str(), 0555);
      const timespec times[2] = {{1'000'000'000, 5}, {1'200'000'000, 123'456'789}};
      ASSERT_EQ(::utimensat(AT_FDCWD, path(name).c_str(), times, 0), 0);
      if (std::string(name) != "src") set_flags(path(name), flags);
    }
  }
  /// Where the directory `deeper` is to be made, a file stands, in a directory that is finished
  /// all the same.
  void make_blocked_tree(unsigned flags) {
    write("src/closed/deeper/inside/file", "content");
    write("src/closed/other/file", "other");
    write("dst/closed/deeper", "in the way");
    close("src/closed/deeper", 0);
    close("src/closed", flags);
    close("src", 0);
    const Finished first = run({"copy", path("src") + "/", path("dst"), "--batch-size", "2"});
    ASSERT_EQ(first.code, 1) << first.out << first.err;
    EXPECT_THAT(first.out, ::testing::HasSubstr("2 directories"));
    set_flags(path("dst/closed"), 0);
    ::chmod(path("dst/closed").c_str(), 0755);
    fs::remove(path("dst/closed/deeper"));
    close("dst/closed", flags);
  }
  void close(const std::string& name, unsigned flags) const {
    ::chmod(path(name).c_str(), 0555);
    const timespec times[2] = {{1'000'000'000, 5}, {1'200'000'000, 123'456'789}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path(name).c_str(), times, 0), 0);
    set_flags(path(name), flags);
  }
  void makes_the_blocked_one() {
    const Finished retried = run({"retry", "last"});
    EXPECT_EQ(retried.code, 0) << retried.out << retried.err << run({"errors", "last"}).out;
    expect_finished("after the retry");
    EXPECT_EQ(difference("src", "dst"), "");
    EXPECT_EQ(run({"verify", "last"}).code, 0);
  }
  [[nodiscard]] Finished copy_under_limit() const {
    ProcessOptions options = dunlin({"copy", path("src") + "/", path("dst"), "--batch-size", "2"});
    const std::vector<std::string> shell{"/bin/bash", "-c", "ulimit -f 2048; exec \"$0\" \"$@\""};
    options.words.insert(options.words.begin(), shell.begin(), shell.end());
    return testing::run_process(options);
  }
  void expect_finished(const std::string& when) const {
    for (const char* name : {"", "/closed", "/closed/deeper"}) {
      struct stat from{};
      struct stat to{};
      ASSERT_EQ(::stat((path("src") + name).c_str(), &from), 0);
      ASSERT_EQ(::stat((path("dst") + name).c_str(), &to), 0);
      EXPECT_EQ(from.st_mode, to.st_mode) << when << name;
      EXPECT_EQ(from.st_mtim.tv_sec, to.st_mtim.tv_sec) << when << name;
      EXPECT_EQ(from.st_mtim.tv_nsec, to.st_mtim.tv_nsec) << when << name;
      EXPECT_EQ(flags_of(path("src") + name), flags_of(path("dst") + name)) << when << name;
    }
  }
  void retries_and_takes_back() {
    const Finished first = copy_under_limit();
    ASSERT_EQ(first.code, 1) << first.out << first.err;
    expect_finished("after the copy");
    const Finished retried = run({"retry", "last"});
    EXPECT_EQ(retried.code, 0) << retried.out << retried.err << run({"errors", "last"}).out;
    expect_finished("after the retry");
    EXPECT_EQ(run({"verify", "last"}).code, 0);
    for (const char* name : {"/top", "/closed/large", "/closed/deeper/large"})
      EXPECT_EQ(fs::file_size(path("dst") + name), 3U << 20);
    EXPECT_EQ(run({"rollback", "last", "--yes"}).code, 0);
    EXPECT_EQ(fs::file_size(path("dst/closed/large")), 16U);
    EXPECT_FALSE(fs::exists(path("dst/top")));
    EXPECT_THAT(leftovers("dst"), IsEmpty());
  }
};

TEST_F(Retry, MakesADirectoryInAClosedOneAndFinishesThatAgain) {
  make_blocked_tree(0);
  makes_the_blocked_one();
}

TEST_F(Retry, OpensAClosedDirectoryForTheTimeAndFinishesItAgain) {
  make_closed_tree(0);
  retries_and_takes_back();
}

class RetryNeedsRoot : public Retry {};

TEST_F(RetryNeedsRoot, MakesADirectoryInAnImmutableOneAndFinishesThatAgain) {
  make_blocked_tree(FS_IMMUTABLE_FL);
  if (flags_of(path("src/closed")) == 0) GTEST_SKIP() << "no flags on this file system";
  makes_the_blocked_one();
}

TEST_F(RetryNeedsRoot, OpensAnImmutableDirectoryForTheTimeAndFinishesItAgain) {
  make_closed_tree(FS_IMMUTABLE_FL);
  if (flags_of(path("src/closed")) == 0) GTEST_SKIP() << "no flags on this file system";
  retries_and_takes_back();
}

#if DUNLIN_CRASH_POINTS
class RetryKilled : public Retry, public ::testing::WithParamInterface<const char*> {};

TEST_P(RetryKilled, LeavesTheDirectoriesFinishedAfterResume) {
  make_closed_tree(0);
  ASSERT_EQ(copy_under_limit().code, 1);
  ProcessOptions killed = dunlin({"retry", "last"});
  killed.environment["DUNLIN_CRASH_AT"] = GetParam();
  ASSERT_EQ(testing::run_process(killed).code, 128 + SIGKILL);
  const Finished resumed = run({"resume", "last"});
  EXPECT_EQ(resumed.code, 0) << resumed.out << resumed.err;
  expect_finished("after resume");
  EXPECT_EQ(run({"verify", "last"}).code, 0);
}

TEST_P(RetryKilled, LeavesTheDirectoriesFinishedAfterCancel) {
  make_closed_tree(0);
  ASSERT_EQ(copy_under_limit().code, 1);
  ProcessOptions killed = dunlin({"retry", "last"});
  killed.environment["DUNLIN_CRASH_AT"] = GetParam();
  ASSERT_EQ(testing::run_process(killed).code, 128 + SIGKILL);
  EXPECT_EQ(run({"cancel", "last"}).code, 0);
  expect_finished("after cancel");
  EXPECT_THAT(leftovers("dst/closed"), IsEmpty());
}

class RetryOfADirectoryKilled : public Retry, public ::testing::WithParamInterface<const char*> {
 protected:
  void retry_killed() {
    make_blocked_tree(0);
    ProcessOptions killed = dunlin({"retry", "last"});
    killed.environment["DUNLIN_CRASH_AT"] = GetParam();
    ASSERT_EQ(testing::run_process(killed).code, 128 + SIGKILL);
  }
};

TEST_P(RetryOfADirectoryKilled, LeavesItsParentFinishedAfterResume) {
  retry_killed();
  EXPECT_EQ(run({"resume", "last"}).code, 0);
  expect_finished("after resume");
  EXPECT_EQ(difference("src", "dst"), "");
}

TEST_P(RetryOfADirectoryKilled, LeavesItsParentFinishedAfterCancel) {
  retry_killed();
  EXPECT_EQ(run({"cancel", "last"}).code, 0);
  struct stat from{};
  struct stat to{};
  ASSERT_EQ(::stat(path("src/closed").c_str(), &from), 0);
  ASSERT_EQ(::stat(path("dst/closed").c_str(), &to), 0);
  EXPECT_EQ(from.st_mode, to.st_mode);
  EXPECT_EQ(from.st_mtim.tv_nsec, to.st_mtim.tv_nsec);
}

/// Its second try must not close again what it has just opened for the files.
TEST_P(RetryOfADirectoryKilled, AnExistingReadOnlyDirectoryStaysOpenUntilItsFilesAreThere) {
  write("src/closed/deeper/file", "deep");
  write("src/closed/file", "content");
  fs::create_directories(path("dst/closed"));
  close("dst/closed", 0);
  ProcessOptions killed = dunlin({"copy", path("src") + "/", path("dst")});
  killed.environment["DUNLIN_CRASH_AT"] = GetParam();
  ASSERT_EQ(testing::run_process(killed).code, 128 + SIGKILL);
  const Finished resumed = run({"resume", "last"});
  EXPECT_EQ(resumed.code, 0) << resumed.out << run({"errors", "last"}).out;
  EXPECT_EQ(difference("src", "dst"), "");
}

INSTANTIATE_TEST_SUITE_P(At, RetryOfADirectoryKilled,
                         ::testing::Values("engine.execute.before:1",
                                           "files.create_directories.before:1",
                                           "fs.make_directory.after:1",
                                           "files.create_directories.after:1",
                                           "engine.end_batch.before:1"));

INSTANTIATE_TEST_SUITE_P(At, RetryKilled,
                         ::testing::Values("engine.intent.after:1", "files.write.before:1",
                                           "files.write.after:2", "files.intents.after:1",
                                           "files.publish.after:1", "files.publish.after:2",
                                           "files.flush_names.after:1", "files.outcomes.after:1",
                                           "engine.end_batch.before:1"));
#endif

}  // namespace
}  // namespace dunlin::e2e
