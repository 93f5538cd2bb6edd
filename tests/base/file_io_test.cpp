#include "base/file_io.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "support/scratch.h"

namespace dunlin {
namespace {

TEST(UniqueFd, ClosesOnceAndKeepsErrno) {
  const int raw = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  {
    UniqueFd first(raw);
    UniqueFd second(std::move(first));
    EXPECT_FALSE(first.valid());  // NOLINT(bugprone-use-after-move,clang-analyzer-cplusplus.Move)
    EXPECT_EQ(second.get(), raw);
    errno = EIO;
  }
  EXPECT_EQ(errno, EIO);
  EXPECT_EQ(::fcntl(raw, F_GETFD), -1);
  UniqueFd kept(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int released = kept.release();
  kept.reset();
  EXPECT_GE(::fcntl(released, F_GETFD), 0);
  ::close(released);
}

TEST(FileIo, WrittenDurablyAndReadBack) {
  const testing::ScratchDirectory scratch;
  const std::string path = scratch.file("settings");
  const std::string content = std::string(200'000, 'x') + '\0' + "end";
  ASSERT_TRUE(write_file_durably(path, "old").ok());
  const mode_t before = ::umask(0077);
  ASSERT_TRUE(write_file_durably(path, content, 0644).ok());
  ::umask(before);
  EXPECT_EQ(*read_file(path), content);
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0644U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(scratch.path()), {}), 1)
      << "a temporary is left";
}

TEST(FileIo, AFailedWriteLeavesTheOldFileAndNoTemporary) {
  const testing::ScratchDirectory scratch;
  const std::string path = scratch.file("settings");
  ASSERT_TRUE(write_file_durably(path, "old").ok());
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    ::setrlimit(RLIMIT_FSIZE, &limit);  // every write beyond 1000 bytes fails with EFBIG
    const Status status = write_file_durably(path, std::string(5000, 'n'));
    ::_exit(!status.ok() && status.error().native.code == "EFBIG" ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(*read_file(path), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(scratch.path()), {}), 1);
}

TEST(FileIo, ErrorsNameTheFile) {
  const testing::ScratchDirectory scratch;
  EXPECT_EQ(read_file(scratch.file("no\nne")).error().type, ErrorType::not_found);
  EXPECT_NE(read_file(scratch.file("no\nne")).error().message.find("no\\x0ane'"),
            std::string::npos);
  EXPECT_EQ(read_file(scratch.path()).error().type, ErrorType::invalid_input);
  EXPECT_FALSE(write_file_durably(scratch.file("none/file"), "x").ok());
  ASSERT_TRUE(write_file_durably(scratch.file("five"), "12345").ok());
  EXPECT_EQ(read_file(scratch.file("five"), 4).error().type, ErrorType::invalid_input);
  EXPECT_EQ(*read_file(scratch.file("five"), 5), "12345");
}

TEST(FileIo, AFileThatEndsEarlyIsNoSuccess) {
  const testing::ScratchDirectory scratch;
  ASSERT_TRUE(write_file_durably(scratch.file("five"), "12345").ok());
  const auto fd = open_file(scratch.file("five"), O_RDONLY);
  char buffer[10];
  EXPECT_EQ(*read_up_to(fd->get(), buffer, 10, "'five'"), 5U);
  EXPECT_TRUE(pread_all(fd->get(), buffer, 3, 2, "'five'").ok());
  EXPECT_EQ(std::string(buffer, 3), "345");
  const Status early = pread_all(fd->get(), buffer, 4, 2, "'five'");
  EXPECT_EQ(early.error().message, "read 'five': ended after 3 of 4 bytes");
  EXPECT_EQ(read_exactly(fd->get(), buffer, 1, "'five'").error().type, ErrorType::read_error);
}

// A pipe takes and gives less than asked, and a timer interrupts both ends all the time.
TEST(FileIo, ShortCountsAndInterruptionsAreGoneOn) {
  struct sigaction quiet{};
  quiet.sa_handler = [](int) {};  // without SA_RESTART, so that calls end with EINTR
  struct sigaction before{};
  ASSERT_EQ(::sigaction(SIGALRM, &quiet, &before), 0);
  const itimerval often{{0, 500}, {0, 500}};
  ASSERT_EQ(::setitimer(ITIMER_REAL, &often, nullptr), 0);
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const std::string sent(8 << 20, 'p');
  std::jthread sender([&] {
    EXPECT_TRUE(write_all(writer.get(), sent, "pipe").ok());
    writer.reset();
  });
  std::string got(sent.size(), '\0');
  EXPECT_TRUE(read_exactly(reader.get(), got.data(), got.size(), "pipe").ok());
  EXPECT_EQ(got, sent);
  EXPECT_EQ(*read_up_to(reader.get(), got.data(), 1, "pipe"), 0U);
  const itimerval never{};
  ::setitimer(ITIMER_REAL, &never, nullptr);
  ::sigaction(SIGALRM, &before, nullptr);
}

}  // namespace
}  // namespace dunlin
