// Parsers in a confined process: what they tell, what they may not do, and what their end means.
#include "sandbox/parser_process.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/unique_fd.h"
#include "sandbox/content_parsers.h"
#include "support/scratch.h"

namespace dunlin::sandbox::testing {
namespace {

using dunlin::testing::ScratchDirectory;

std::string start_of(int fd) {
  std::string bytes(64, '\0');
  const ssize_t got = ::pread(fd, bytes.data(), bytes.size(), 0);
  bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return bytes;
}

std::string answer(bool done) {
  return done ? "done" : "refused";
}

/// Each does one thing that no parser has to do; what returns "done" was not stopped.
Parsers misbehaving() {
  Parsers parsers;
  parsers['r'] = [](int fd) { return start_of(fd); };
  parsers['o'] = [](int) { return answer(::open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0); };
  parsers['O'] = [](int fd) {
    return answer(::openat(fd, "/proc/self/mem", O_RDWR | O_CLOEXEC) >= 0);
  };
  parsers['s'] = [](int) { return answer(::socket(AF_INET, SOCK_STREAM, 0) >= 0); };
  parsers['u'] = [](int) { return answer(::socket(AF_UNIX, SOCK_STREAM, 0) >= 0); };
  parsers['f'] = [](int) { return answer(::fork() >= 0); };
  parsers['e'] = [](int) {
    char* nothing[] = {nullptr};
    return answer(::execve("/bin/true", nothing, nothing) == 0);
  };
  parsers['w'] = [](int fd) { return answer(::write(fd, "x", 1) == 1); };
  parsers['t'] = [](int fd) { return answer(::ftruncate(fd, 0) == 0); };
  parsers['k'] = [](int) { return answer(::kill(::getppid(), 0) == 0); };
  parsers['p'] = [](int) { return answer(::syscall(SYS_ptrace, 0, 0, 0, 0) == 0); };
  parsers['x'] = [](int) {
    return answer(::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                         0) != MAP_FAILED);
  };
  parsers['c'] = [](int) -> std::string {
    ::raise(SIGSEGV);
    ::_exit(9);
  };
  parsers['q'] = [](int) -> std::string { ::_exit(0); };
  parsers['h'] = [](int) -> std::string {
    for (volatile bool on = true; on;) continue;
    return "done";
  };
  parsers['l'] = [](int) { return std::string(kMostAnswerBytes * 2, 'x'); };
  parsers['m'] = [](int) -> std::string {
    for (int n = 0; n < 1024; ++n) {
      void* got =
          ::mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (got == MAP_FAILED) return "refused";
    }
    return "done";
  };
  parsers['n'] = [](int fd) { return std::to_string(fd); };
  return parsers;
}

/// The child's life; reached by ParserProcess alone.
TEST(ParserChild, DISABLED_Misbehaves) {
  ::_exit(serve_parsers(misbehaving()));
}
TEST(ParserChild, DISABLED_TellsTypes) {
  ::_exit(content_parser_main());
}
TEST(ParserChild, DISABLED_IsNotConfined) {
  ::_exit(refuse_to_serve("it is a test"));
}

ParserCommand child(const std::string& test) {
  return {{"/proc/self/exe", "--gtest_filter=ParserChild.DISABLED_" + test,
           "--gtest_also_run_disabled_tests"},
          kParserLimit};
}

class SandboxParser : public ::testing::Test {
 protected:
  UniqueFd file(const std::string& content, int flags = O_RDWR) const {
    std::ofstream(scratch.file("file"), std::ios::binary | std::ios::trunc) << content;
    UniqueFd opened(::open(scratch.file("file").c_str(), flags | O_CLOEXEC));
    EXPECT_TRUE(opened);
    return opened;
  }
  Answer ask(ParserProcess& process, char letter, const UniqueFd& file) const {
    auto answer = process.ask(letter, file.get(), CancelToken());
    EXPECT_TRUE(answer.ok()) << answer.error().text();
    return answer.ok() ? *answer : Answer{Outcome::crashed, "no answer"};
  }
  const ScratchDirectory scratch;
};

TEST_F(SandboxParser, ReadsWhatItWasHandedAndNothingElseStaysOpen) {
  ParserProcess process(child("Misbehaves"));
  const UniqueFd one = file("content");
  for (int n = 0; n < 50; ++n) EXPECT_EQ(ask(process, 'r', one).text, "content");
  EXPECT_EQ(ask(process, 'n', one).text, "4") << "the file before was closed";
}

/// The seccomp proof: what reaches out ends the child, and the answer says that it crashed.
TEST_F(SandboxParser, WhatReachesOutIsKilled) {
  const UniqueFd one = file("content");
  for (const char letter : {'o', 'O', 's', 'u', 'f', 'e', 'w', 't', 'k', 'p', 'x'}) {
    ParserProcess process(child("Misbehaves"));
    EXPECT_EQ(ask(process, 'r', one).text, "content");
    const Answer told = ask(process, letter, one);
    EXPECT_EQ(told.outcome, Outcome::crashed) << letter << " " << told.text;
    EXPECT_EQ(ask(process, 'r', one).text, "content") << letter << ": a new child serves";
  }
}

TEST_F(SandboxParser, ACrashIsAnAnswerAboutOneFile) {
  ParserProcess process(child("Misbehaves"));
  const UniqueFd one = file("content");
  for (const char letter : {'c', 'q', '?'}) {
    EXPECT_EQ(ask(process, letter, one).outcome, Outcome::crashed) << letter;
    EXPECT_EQ(ask(process, 'r', one).text, "content");
  }
}

TEST_F(SandboxParser, WhatIsSaidIsBounded) {
  ParserProcess process(child("Misbehaves"));
  EXPECT_LE(ask(process, 'l', file("content")).text.size(), kMostAnswerBytes);
}

TEST_F(SandboxParser, OneThatHangsIsKilledAfterItsTime) {
  ParserCommand command = child("Misbehaves");
  command.limit = std::chrono::milliseconds(1500);
  ParserProcess process(command);
  const UniqueFd one = file("content");
  EXPECT_EQ(ask(process, 'h', one).outcome, Outcome::too_slow);
  EXPECT_EQ(ask(process, 'r', one).text, "content");
}

TEST_F(SandboxParser, ACancelEndsTheWait) {
  ParserProcess process(child("Misbehaves"));
  const UniqueFd one = file("content");
  CancelSource source;
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    source.request(CancelReason::pause);
  });
  const auto answer = process.ask('h', one.get(), source.token());
  canceller.join();
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().type, ErrorType::interrupted);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_F(SandboxParser, ItsMemoryIsBounded) {
  ParserProcess process(child("Misbehaves"));
  EXPECT_EQ(ask(process, 'm', file("content")).text, "refused");
}
#endif

TEST_F(SandboxParser, OneThatCannotBeStartedIsAnErrorAndSaysWhy) {
  ParserProcess absent({{"/nowhere/at/all"}, kParserLimit});
  const auto none = absent.ready(CancelToken());
  ASSERT_FALSE(none.ok());
  ParserProcess unconfined(child("IsNotConfined"));
  const auto refused = unconfined.ready(CancelToken());
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, ::testing::HasSubstr("it is a test"));
}

TEST_F(SandboxParser, NoChildIsLeftBehind) {
  {
    ParserProcess process(child("Misbehaves"));
    ASSERT_TRUE(process.ready(CancelToken()).ok());
  }
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(SandboxParser, TypesAreToldByContent) {
  ParserProcess process(child("TellsTypes"));
  const auto type = [&](const std::string& content) {
    return ask(process, kMimeType, file(content)).text;
  };
  EXPECT_EQ(type("\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01"), "image/jpeg");
  EXPECT_EQ(type(std::string("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16)), "image/png");
  EXPECT_EQ(type("%PDF-1.7\n"), "application/pdf");
  EXPECT_EQ(type("just words\n"), "text/plain");
  EXPECT_EQ(type(""), "inode/x-empty");
  EXPECT_EQ(type(std::string(4096, '\0')), "application/octet-stream");
}

TEST(SandboxEnd, AChildThatDoesNotGoIsNotWaitedForWithoutALimit) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::alarm(60);  // whatever becomes of the test
    while (true) ::pause();
  }
  EXPECT_FALSE(reap_within(child, std::chrono::milliseconds(20)));
  EXPECT_EQ(::kill(child, 0), 0) << "it was called there, and is gone";
  ::kill(child, SIGKILL);
  EXPECT_TRUE(reap_within(child, kGoneLimit));
  EXPECT_EQ(::kill(child, 0), -1) << "its end was not taken";
}

/// As root too the child is nobody, and may not even read what it was not handed.
class SandboxParserNeedsRoot : public SandboxParser {};
TEST_F(SandboxParserNeedsRoot, TheChildIsNotRoot) {
  ParserProcess process(child("Misbehaves"));
  ASSERT_TRUE(process.ready(CancelToken()).ok());
  std::string children;
  std::getline(std::ifstream("/proc/self/task/" + std::to_string(::getpid()) + "/children"),
               children, ' ');
  ASSERT_FALSE(children.empty());
  std::ifstream status("/proc/" + children + "/status");
  std::string uid;
  std::string capabilities;
  std::string seccomp;
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("Uid:")) uid = line;
    if (line.starts_with("CapEff:")) capabilities = line;
    if (line.starts_with("Seccomp:")) seccomp = line;
  }
  EXPECT_EQ(uid, "Uid:\t65534\t65534\t65534\t65534");
  EXPECT_EQ(capabilities, "CapEff:\t0000000000000000");
  EXPECT_EQ(seccomp, "Seccomp:\t2");
}

}  // namespace
}  // namespace dunlin::sandbox::testing
