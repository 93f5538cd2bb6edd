#include "base/process.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include <gtest/gtest.h>

namespace dunlin {
namespace {

pid_t start_sleeper() {
  const pid_t child = ::fork();
  if (child == 0) {
    for (;;) ::pause();
  }
  return child;
}

ProcessIdentity identity_of(pid_t pid) {
  ProcessIdentity identity = *ProcessIdentity::current();
  identity.pid = pid;
  identity.start_time = *process_start_time(pid);
  return identity;
}

TEST(ProcessIdentity, ThisProcessIsItself) {
  const auto self = ProcessIdentity::current();
  ASSERT_TRUE(self.ok()) << self.error().text();
  EXPECT_EQ(self->pid, ::getpid());
  EXPECT_EQ(self->boot_id.size(), 36U);
  EXPECT_GT(self->start_time, 0U);
  EXPECT_FALSE(self->host.empty());
  EXPECT_TRUE(*self->matches());
}

TEST(ProcessIdentity, AReusedPidIsSomebodyElse) {
  ProcessIdentity other = *ProcessIdentity::current();
  other.start_time += 1;
  EXPECT_FALSE(*other.matches());
  EXPECT_EQ(kill_process(other, SIGKILL).error().type, ErrorType::not_found);  // we are still here
}

TEST(ProcessIdentity, AnotherBootIsSomebodyElse) {
  ProcessIdentity other = *ProcessIdentity::current();
  other.boot_id = "00000000-0000-0000-0000-000000000000";
  EXPECT_FALSE(*other.matches());
  const Status status = kill_process(other, SIGKILL);
  EXPECT_EQ(status.error().type, ErrorType::not_found);
  EXPECT_NE(status.error().message.find("earlier boot"), std::string::npos);
}

TEST(ProcessIdentity, KillsExactlyTheNamedProcess) {
  const pid_t child = start_sleeper();
  const ProcessIdentity identity = identity_of(child);
  EXPECT_TRUE(*identity.matches());
  ASSERT_TRUE(kill_process(identity, SIGTERM).ok());
  int status = 0;
  // Dead but not yet waited for: a zombie does not run.
  siginfo_t died{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &died, WEXITED | WNOWAIT), 0);
  EXPECT_FALSE(*identity.matches());
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
  EXPECT_FALSE(*identity.matches());
  EXPECT_EQ(kill_process(identity, SIGTERM).error().type, ErrorType::not_found);
}

TEST(ProcessIdentity, NonsenseIsNobody) {
  ProcessIdentity nobody = *ProcessIdentity::current();
  for (const pid_t pid : {0, -1}) {
    nobody.pid = pid;  // kill(2) would take these for whole groups
    EXPECT_FALSE(*nobody.matches());
    EXPECT_EQ(kill_process(nobody, 0).error().type, ErrorType::not_found);
  }
  EXPECT_EQ(process_start_time(0x7ffffff0).error().type, ErrorType::not_found);
}

// The name of a program may contain blanks and parentheses, which stand in /proc/PID/stat as they
// are.
TEST(ProcessIdentity, AProgramNamedLikeAStatLineIsUnderstood) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const int fd = ::open("/proc/self/comm", O_WRONLY);
    static_cast<void>(!::write(fd, "a) R 1 (b", 9));
    static_cast<void>(!::write(ready[1], "x", 1));
    for (;;) ::pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  constexpr std::int64_t kMinute = 6000;  // clock ticks
  EXPECT_NEAR(static_cast<double>(*process_start_time(child)),
              static_cast<double>(*process_start_time(::getpid())), kMinute);
  EXPECT_TRUE(*identity_of(child).matches());
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
}

}  // namespace
}  // namespace dunlin
