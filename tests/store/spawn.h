// Children of a test that are to die: the test program runs itself again with one (disabled) test
// as the child's part.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace dunlin::store::test {

/// A child process; killed and reaped when the object goes.
class Child {
 public:
  /// Runs `test` ("Suite.DISABLED_Name") with the variables ("NAME=value") added to the
  /// environment. Its standard output can be read by read_line().
  Child(const std::string& test, const std::vector<std::string>& variables) {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) return;
    output_ = ends[0];
    std::vector<std::string> environment = variables;
    for (char** one = environ; *one != nullptr; ++one) environment.emplace_back(*one);
    std::vector<char*> environment_pointers;
    for (std::string& one : environment) environment_pointers.push_back(one.data());
    environment_pointers.push_back(nullptr);
    std::vector<std::string> arguments = {"/proc/self/exe", "--gtest_filter=" + test,
                                          "--gtest_also_run_disabled_tests", "--gtest_brief=1"};
    std::vector<char*> argument_pointers;
    for (std::string& one : arguments) argument_pointers.push_back(one.data());
    argument_pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    if (::posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, argument_pointers.data(),
                      environment_pointers.data()) != 0) {
      pid_ = -1;
    }
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      wait();
    }
    if (output_ >= 0) ::close(output_);
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Never without a child: kill(-1) would mean every process of the machine.
  void signal(int number) const {
    if (pid_ > 0) ::kill(pid_, number);
  }
  /// Waits for its end: the signal it died of (SIGKILL 9), or minus its exit code.
  int wait() {
    if (pid_ <= 0) return -1;
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
  }
  /// The next line of its output; empty at the end.
  std::string read_line() {
    std::string line;
    char c = 0;
    while (::read(output_, &c, 1) == 1) {
      if (c == '\n') {
        if (!line.empty()) return line;
      } else {
        line += c;
      }
    }
    return line;
  }

 private:
  pid_t pid_ = -1;
  int output_ = -1;
};

}  // namespace dunlin::store::test
