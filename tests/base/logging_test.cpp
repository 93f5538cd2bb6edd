#include "base/logging.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/file_io.h"
#include "base/json.h"
#include "support/scratch.h"

namespace dunlin {
namespace {

/// What `body` writes to stderr, in a process of its own, since the level is process-wide.
std::string logged_by(const std::function<void()>& body) {
  const testing::ScratchDirectory scratch;
  const std::string path = scratch.file("stderr");
  const pid_t child = ::fork();
  if (child == 0) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(fd, STDERR_FILENO);
    body();
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  return *read_file(path);
}

TEST(Logging, OneCallIsOneLine) {
  const std::string text = logged_by([] {
    log_init(LogLevel::info, false);
    log_info("copied {} of {}", 3, std::string("a\nb\x1b[31m\xff"));
    log_debug("not shown");
    log_error("bad");
  });
  ASSERT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_EQ(text.substr(24, 7), " info  ");
  EXPECT_NE(text.find("Z info  copied 3 of a\\x0ab\\x1b[31m\\xff\n"), std::string::npos) << text;
  EXPECT_NE(text.find("Z error bad\n"), std::string::npos) << text;
}

TEST(Logging, JsonLinesAreJson) {
  const std::string text = logged_by([] {
    log_init(LogLevel::debug, true);
    log_warn("a \"quoted\"\nname {}", "\xff");
  });
  const auto line = parse_json(text);
  ASSERT_TRUE(line.ok()) << text;
  EXPECT_EQ(string_or(*line, "level", ""), "warn");
  EXPECT_EQ(string_or(*line, "message", ""), "a \"quoted\"\nname \\xff");
  EXPECT_EQ(string_or(*line, "time", "").size(), 24U);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
}

TEST(Logging, WarningsShowUnlessSwitchedOff) {
  EXPECT_NE(logged_by([] { log_warn("w"); }).find("w\n"), std::string::npos);
  EXPECT_EQ(logged_by([] { log_info("i"); }), "");
  EXPECT_EQ(logged_by([] {
              log_init(LogLevel::off, false);
              log_error("e");
            }),
            "");
}

TEST(Logging, LinesOfThreadsDoNotMix) {
  const std::string text = logged_by([] {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([] {
        for (int k = 0; k < 200; ++k) log_error("{}", std::string(300, 'x'));
      });
    }
  });
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 800);
  EXPECT_EQ(text.size() % 800, 0U);
}

TEST(Logging, LevelNames) {
  EXPECT_EQ(log_level_from_name("warning"), LogLevel::warn);
  for (const LogLevel level :
       {LogLevel::debug, LogLevel::info, LogLevel::warn, LogLevel::error, LogLevel::off}) {
    EXPECT_EQ(log_level_from_name(to_string(level)), level);
  }
  EXPECT_EQ(log_level_from_name("verbose"), std::nullopt);
}

}  // namespace
}  // namespace dunlin
