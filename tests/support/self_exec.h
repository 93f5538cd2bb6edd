// Runs one test of this very program in a process of its own, for tests about death: crash points
// read their environment once per process, so a child has to be a fresh program, not a fork.
//
// The child's test has the prefix DISABLED_, so that an ordinary run leaves it out.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <map>
#include <string>
#include <vector>

#include "base/check.h"

namespace dunlin::testing {

/// Starts `/proc/self/exe --gtest_filter=<test>` with `environment` added; its output goes to
/// /dev/null.
inline pid_t start_self(const std::string& test,
                        const std::map<std::string, std::string>& environment) {
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) variables.emplace_back(*entry);
  for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
  std::vector<std::string> arguments = {"/proc/self/exe", "--gtest_filter=" + test,
                                        "--gtest_also_run_disabled_tests"};
  std::vector<char*> argv;
  std::vector<char*> envp;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  for (std::string& variable : variables) envp.push_back(variable.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  const pid_t pid = ::fork();
  DUNLIN_CHECK(pid >= 0, "fork");
  if (pid == 0) {
    const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    ::dup2(null, STDOUT_FILENO);
    if (::getenv("DUNLIN_TEST_VERBOSE") == nullptr) ::dup2(null, STDERR_FILENO);
    ::execve("/proc/self/exe", argv.data(), envp.data());
    ::_exit(127);
  }
  return pid;
}

/// The wait status of that process.
inline int wait_self(pid_t pid, int options = 0) {
  int status = 0;
  DUNLIN_CHECK(::waitpid(pid, &status, options) == pid, "waitpid");
  return status;
}

inline int run_self(const std::string& test,
                    const std::map<std::string, std::string>& environment) {
  return wait_self(start_self(test, environment));
}

inline bool was_killed(int status) {
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}
inline bool succeeded(int status) {
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace dunlin::testing
