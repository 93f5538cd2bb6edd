// See signals.h.
#include "cli/signals.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>

#include "base/check.h"

namespace dunlin::cli {

namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};
/// Written by end() to wake the thread: no signal has this number.
constexpr unsigned char kEnd = 0;

/// A handler can reach nothing but statics.
std::atomic<int> handler_fd{-1};  // NOLINT(readability-identifier-naming)
struct sigaction former[3];       // NOLINT(readability-identifier-naming)

extern "C" void dunlin_on_signal(int signal) {
  const int saved = errno;
  const auto byte = static_cast<unsigned char>(signal);
  if (const int fd = handler_fd.load(); fd >= 0) {
    // A full pipe holds enough signals already.
    [[maybe_unused]] const ssize_t written = ::write(fd, &byte, 1);
  }
  errno = saved;
}

}  // namespace

SignalWatch::SignalWatch() {
  int ends[2];
  DUNLIN_CHECK(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0, "a pipe for signals");
  read_.reset(ends[0]);
  write_.reset(ends[1]);
  ::fcntl(read_.get(), F_SETFL, 0);
  handler_fd = write_.get();
  struct sigaction action{};
  action.sa_handler = dunlin_on_signal;
  action.sa_flags = SA_RESTART;
  sigfillset(&action.sa_mask);
  for (int i = 0; i < 3; ++i) ::sigaction(kSignals[i], &action, &former[i]);
}

SignalWatch::~SignalWatch() {
  end();
  for (int i = 0; i < 3; ++i) ::sigaction(kSignals[i], &former[i], nullptr);
  handler_fd = -1;
}

void SignalWatch::start(std::function<void(int)> pause, std::function<void()> stop) {
  pause_ = std::move(pause);
  stop_ = std::move(stop);
  thread_ = std::thread([this] { loop(); });
}

void SignalWatch::end() {
  if (thread_.joinable()) {
    [[maybe_unused]] const ssize_t written = ::write(write_.get(), &kEnd, 1);
    thread_.join();
  }
  if (pausing_.joinable()) pausing_.join();
}

void SignalWatch::loop() {
  for (;;) {
    unsigned char byte = kEnd;
    const ssize_t got = ::read(read_.get(), &byte, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got != 1 || byte == kEnd) return;
    if (!pausing_.joinable())
      pausing_ = std::thread([this, byte] { pause_(byte); });
    else if (byte == SIGINT)
      stop_();
  }
}

void ignore_signals_of_writes() {
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
}

}  // namespace dunlin::cli
