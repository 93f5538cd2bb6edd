// See process.h.
#include "support/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <thread>

#include <pty.h>
#include <utmp.h>

namespace dunlin::testing {

namespace {

std::string content_of(int fd) {
  std::string out;
  char buffer[65536];
  for (ssize_t got = 0;
       (got = ::pread(fd, buffer, sizeof buffer, static_cast<off_t>(out.size()))) > 0;)
    out.append(buffer, static_cast<std::size_t>(got));
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (auto& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

}  // namespace

struct Process::Streams {
  int out = -1;
  int err = -1;
  int terminal = -1;  ///< our end of the pseudo-terminal
  std::thread reader;
  std::atomic<bool> ending{false};
  std::mutex mutex;
  std::string seen;

  ~Streams() {
    ending = true;
    if (reader.joinable()) reader.join();
    for (const int fd : {out, err, terminal})
      if (fd >= 0) ::close(fd);
  }

  void read_terminal() {
    char buffer[4096];
    for (;;) {
      pollfd ready{terminal, POLLIN, 0};
      const int found = ::poll(&ready, 1, 50);
      if (found == 0 && ending) return;
      if (found <= 0) continue;
      const ssize_t got = ::read(terminal, buffer, sizeof buffer);
      if (got <= 0) return;  // EIO: the child's side is closed
      const std::lock_guard lock(mutex);
      seen.append(buffer, static_cast<std::size_t>(got));
    }
  }
};

Process::Process(const ProcessOptions& options) : streams_(std::make_unique<Streams>()) {
  std::vector<std::string> words = options.words;
  std::vector<std::string> variables;
  const char* path = std::getenv("PATH");
  variables.push_back(std::string("PATH=") + (path != nullptr ? path : "/usr/bin:/bin"));
  for (const auto& [name, value] : options.environment) variables.push_back(name + "=" + value);
  const auto arguments = pointers(words);
  const auto environment = pointers(variables);
  int inner = -1;
  if (options.terminal_columns > 0) {
    winsize size{};
    size.ws_col = static_cast<unsigned short>(options.terminal_columns);
    size.ws_row = 24;
    if (::openpty(&streams_->terminal, &inner, nullptr, nullptr, &size) != 0)
      throw std::runtime_error("no pseudo-terminal");
    ::fcntl(streams_->terminal, F_SETFD, FD_CLOEXEC);
  } else {
    streams_->out = ::memfd_create("out", MFD_CLOEXEC);
    streams_->err = ::memfd_create("err", MFD_CLOEXEC);
  }
  pid_ = ::fork();
  if (pid_ == 0) {
    if (inner >= 0) {
      ::login_tty(inner);
    } else {
      const int nothing = ::open("/dev/null", O_RDONLY);
      ::dup2(nothing, 0);
      ::dup2(streams_->out, 1);
      ::dup2(streams_->err, 2);
    }
    if (!options.folder.empty() && ::chdir(options.folder.c_str()) != 0) ::_exit(126);
    ::execve(arguments[0], arguments.data(), environment.data());
    ::_exit(127);
  }
  if (inner >= 0) {
    ::close(inner);
    streams_->reader = std::thread([streams = streams_.get()] { streams->read_terminal(); });
  }
}

Process::~Process() {
  if (!code_) {
    ::kill(pid_, SIGKILL);
    ::kill(pid_, SIGCONT);
    int status = 0;
    ::waitpid(pid_, &status, 0);
  }
}

void Process::signal(int number) const {
  ::kill(pid_, number);
}

std::optional<int> Process::wait(milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!code_) {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_)
      code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    else if (std::chrono::steady_clock::now() >= end)
      return std::nullopt;
    else
      sleep_for(milliseconds(2));
  }
  return code_;
}

std::string Process::out() const {
  if (streams_->terminal < 0) return content_of(streams_->out);
  const std::lock_guard lock(streams_->mutex);
  return streams_->seen;
}

std::string Process::err() const {
  return streams_->terminal < 0 ? content_of(streams_->err) : "";
}

bool Process::says(const std::string& text, milliseconds patience) {
  return eventually(
      [&] {
        return out().find(text) != std::string::npos || err().find(text) != std::string::npos;
      },
      patience);
}

Finished run_process(const ProcessOptions& options, milliseconds patience) {
  Process process(options);
  const auto code = process.wait(patience);
  return {code.value_or(-1), process.out(), process.err()};
}

void sleep_for(milliseconds time) {
  std::this_thread::sleep_for(time);
}

}  // namespace dunlin::testing
