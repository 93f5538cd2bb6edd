#include "sql/odbc/watch.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace dunlin::sql {
namespace {

using std::chrono::milliseconds;

constexpr unsigned long kMostSockets = 8;

/// The call of the kernel in which a thread waits, as it says itself: number, then arguments.
std::string syscall_of(pid_t thread) {
  std::ifstream file(fmt::format("/proc/self/task/{}/syscall", thread));
  std::string text;
  std::getline(file, text);
  return text;
}

/// The descriptors on which it waits there.
std::vector<int> waits_on(const std::string& call) {
  char* at = nullptr;
  const long number = std::strtol(call.c_str(), &at, 10);
  if (at == call.c_str()) return {};  // "running"
  const unsigned long first = std::strtoul(at, &at, 16);
  const unsigned long second = std::strtoul(at, &at, 16);
  switch (number) {
    case SYS_read:
    case SYS_write:
    case SYS_readv:
    case SYS_writev:
    case SYS_recvfrom:
    case SYS_sendto:
    case SYS_recvmsg:
    case SYS_sendmsg:
    case SYS_connect:
      return {static_cast<int>(first)};
#ifdef SYS_poll
    case SYS_poll:
#endif
    case SYS_ppoll:
      break;
    default:
      return {};
  }
  std::vector<pollfd> polled(std::min(second, kMostSockets));
  // Its stack may be gone by now: read as another process's memory, which cannot fault.
  const iovec here{polled.data(), polled.size() * sizeof(pollfd)};
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel writes it as a number
  const iovec there{reinterpret_cast<void*>(first), here.iov_len};
  if (::process_vm_readv(::getpid(), &here, 1, &there, 1, 0) != static_cast<ssize_t>(here.iov_len))
    return {};
  std::vector<int> found;
  found.reserve(polled.size());
  for (const pollfd& one : polled) found.push_back(one.fd);
  return found;
}

/// Shuts the sockets on which a thread waits. One that it has left meanwhile is left alone, also
/// when its number is somebody else's by now.
bool cut(pid_t thread) {
  const std::string call = syscall_of(thread);
  bool done = false;
  for (const int one : waits_on(call)) {
    struct stat status{};
    if (one < 0 || ::fstat(one, &status) != 0 || !S_ISSOCK(status.st_mode)) continue;
    const int held = ::fcntl(one, F_DUPFD_CLOEXEC, 0);
    if (held < 0) continue;
    if (syscall_of(thread) == call) done = ::shutdown(held, SHUT_RDWR) == 0 || done;
    ::close(held);
  }
  return done;
}

}  // namespace

CallWatch::CallWatch() : thread_([this] { run(); }) {}

CallWatch::~CallWatch() {
  {
    const std::scoped_lock lock(mutex_);
    ends_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void CallWatch::begin(const Call& call, milliseconds timeout, std::function<void()> tell) {
  const std::scoped_lock lock(mutex_);
  call_ = call;
  deadline_ = Deadline(timeout);
  timeout_ms_ = timeout.count();
  tell_ = std::move(tell);
  told_.reset();
  was_cut_ = false;
}

std::optional<Error> CallWatch::over() const {
  const Status cancelled = call_.cancel.check();
  if (!cancelled.ok()) return cancelled.error();
  if (!deadline_.passed()) return std::nullopt;
  return Error(ErrorType::network_timeout, fmt::format("not done within {} ms", timeout_ms_));
}

Status CallWatch::enter() {
  const std::scoped_lock lock(mutex_);
  if (told_) return *told_;
  if (std::optional<Error> why = over()) return *std::move(why);
  caller_ = static_cast<pid_t>(::syscall(SYS_gettid));
  inside_ = true;
  if (asleep_) wake_.notify_one();
  return success();
}

void CallWatch::leave() {
  std::unique_lock lock(mutex_);
  inside_ = false;
  has_told_.wait(lock, [&] { return !telling_; });
}

void CallWatch::run() {
  std::unique_lock lock(mutex_);
  while (!ends_) {
    if (!inside_) {
      asleep_ = true;
      wake_.wait(lock);
      asleep_ = false;
      continue;
    }
    wake_.wait_for(lock, milliseconds(kSlice_ms));
    if (inside_ && !ends_) look(lock);
  }
}

void CallWatch::look(std::unique_lock<std::mutex>& lock) {
  const bool tells = !told_;
  if (tells) {
    told_ = over();
    if (!told_) return;
    confirm_ = Deadline(kConfirmWithin);
    if (!tell_) return;
  } else if (tell_ && !confirm_.passed()) {
    return;
  }
  telling_ = true;  // leave() waits for it
  lock.unlock();
  bool done = false;
  if (tells) {
    tell_();
  } else {
    done = cut(caller_);
  }
  lock.lock();
  telling_ = false;
  was_cut_ = done || was_cut_;
  has_told_.notify_all();
}

}  // namespace dunlin::sql
