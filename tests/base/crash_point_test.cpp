// Each case runs in a forked child: the environment is read once per process, and a hit point
// kills.
#include "base/crash_point.h"

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/file_io.h"
#include "support/scratch.h"

namespace dunlin {
namespace {

pid_t start(const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    body();
    ::_exit(0);
  }
  return child;
}

int finish(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

TEST(CrashPoint, DoesNothingUnlessChosen) {
  const int status = finish(start([] { crash_point_hit("files.publish.before"); }));
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(CrashPoint, KillsAtTheChosenHitAndNotBefore) {
  const testing::ScratchDirectory scratch;
  const std::string log = scratch.file("hits");
  const int status = finish(start([&log] {
    ::setenv("DUNLIN_CRASH_AT", "files.publish.after:3", 1);
    ::setenv("DUNLIN_CRASH_LOG", log.c_str(), 1);
    for (int i = 0; i < 10; ++i) {
      crash_point_hit("files.publish.before");
      crash_point_hit("files.publish.after");
    }
  }));
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  std::string expected;
  for (int i = 0; i < 3; ++i) expected += "files.publish.before\nfiles.publish.after\n";
  EXPECT_EQ(*read_file(log), expected);
}

TEST(CrashPoint, TheLogOfACleanRunListsAllHitsOfAllThreads) {
  const testing::ScratchDirectory scratch;
  const std::string log = scratch.file("hits");
  for (int run = 0; run < 2; ++run) {  // a second process appends
    finish(start([&log] {
      ::setenv("DUNLIN_CRASH_LOG", log.c_str(), 1);
      std::vector<std::jthread> threads;
      threads.reserve(4);
      for (int i = 0; i < 4; ++i) {
        threads.emplace_back([] {
          for (int k = 0; k < 100; ++k) crash_point_hit("store.commit.before");
        });
      }
    }));
  }
  const std::string content = *read_file(log);
  EXPECT_EQ(content.size(), 2 * 4 * 100 * std::string("store.commit.before\n").size());
}

TEST(CrashPoint, StopsInsteadOfDying) {
  const pid_t child = start([] {
    ::setenv("DUNLIN_CRASH_STOP", "engine.lease.before:2", 1);
    crash_point_hit("engine.lease.before");
    crash_point_hit("engine.lease.before");
  });
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, WUNTRACED), child);
  EXPECT_TRUE(WIFSTOPPED(status));
  ASSERT_EQ(::kill(child, SIGCONT), 0);
  status = finish(child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(CrashPoint, SleepsAtEveryHit) {
  const auto begin = std::chrono::steady_clock::now();
  finish(start([] {
    ::setenv("DUNLIN_CRASH_SLEEP", "files.write.after:30", 1);
    crash_point_hit("files.write.after");
    crash_point_hit("files.write.after");
    crash_point_hit("files.write.before");
  }));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(60));
}

// A misspelt choice would let the crash loop pass without a crash.
TEST(CrashPoint, AMisspeltChoiceEndsTheProcess) {
  for (const auto* choice : {"files.publish.after", "files.publish.after:", "files.publish.after:x",
                             "files.publish.after:0", ":3"}) {
    const int status = finish(start([choice] {
      ::close(STDERR_FILENO);
      ::setenv("DUNLIN_CRASH_AT", choice, 1);
      crash_point_hit("another");
    }));
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) << choice;
  }
}

}  // namespace
}  // namespace dunlin
