// The parent; see parser_process.h.
#include "sandbox/parser_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/logging.h"
#include "base/text.h"
#include "sandbox/parser_child.h"

namespace dunlin::sandbox {
namespace {

// A request to pause is answered within 300 ms (conventions.md).
constexpr std::chrono::milliseconds kLookUp{50};
/// For the start of the process, which reads the database: a busy machine is no reason to give up.
constexpr std::chrono::milliseconds kStart{60'000};

Error failed(int errno_value, const char* what) {
  return error_from_errno(errno_value, what);
}

/// What posix_spawn(3) is told: its socket as descriptor 3, nothing to read or write otherwise, no
/// handler or mask of ours, and out of the terminal's reach, since the Ctrl-C of a person is for
/// us.
struct Spawning {
  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};

  explicit Spawning(int socket) {
    ::posix_spawn_file_actions_init(&actions);
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
      ::posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    ::posix_spawn_file_actions_adddup2(&actions, socket, STDERR_FILENO + 1);
    ::posix_spawnattr_init(&attributes);
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~Spawning() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
  Spawning(const Spawning&) = delete;
  Spawning& operator=(const Spawning&) = delete;
};

bool send_request(int socket, char letter, int fd) {
  iovec bytes{&letter, 1};
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = space;
  message.msg_controllen = sizeof space;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return TEMP_FAILURE_RETRY(::sendmsg(socket, &message, MSG_NOSIGNAL)) == 1;
}

}  // namespace

ParserProcess::~ParserProcess() {
  end();
}

bool reap_within(pid_t child, std::chrono::milliseconds limit) {
  const auto end_at = std::chrono::steady_clock::now() + limit;
  // Not the C library's pidfd_open(): it came with glibc 2.36.
  const UniqueFd handle(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  while (true) {
    const pid_t ended = TEMP_FAILURE_RETRY(::waitpid(child, nullptr, WNOHANG));
    if (ended != 0) return true;  // also when it is no child of ours: there is nothing to wait for
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end_at - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    // Without a handle (a kernel before 5.3, no descriptors left) it is asked now and then.
    pollfd one{handle.get(), POLLIN, 0};
    ::poll(&one, handle ? 1 : 0,
           static_cast<int>(handle ? left.count() : std::min(left, kLookUp).count()));
  }
}

void ParserProcess::end() {
  socket_.reset();
  std::erase_if(left_behind_, [](pid_t one) { return reap_within(one, {}); });
  if (child_ < 0) return;
  ::kill(child_, SIGKILL);
  if (!reap_within(child_, kGoneLimit)) {
    log_warn(
        "the process {} that looked into a file was killed and is not gone after {} s: it is left "
        "behind",
        child_, kGoneLimit.count() / 1000);
    left_behind_.push_back(child_);
  }
  child_ = -1;
}

Status ParserProcess::start(const CancelToken& cancel) {
  if (child_ >= 0) return success();
  int ends[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return failed(errno, "make the socket of a parser");
  UniqueFd ours(ends[0]);
  // Never descriptor 3 itself: a copy onto itself would keep O_CLOEXEC, and be closed.
  const UniqueFd given(ends[1]);
  const UniqueFd theirs(::fcntl(given.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 2));
  if (!theirs) return failed(errno, "make the socket of a parser");
  Spawning spawning(theirs.get());
  std::vector<char*> words;
  words.reserve(command_.size() + 1);
  for (const std::string& word : command_) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  char* nothing[] = {nullptr};
  pid_t child = -1;
  const int refused = ::posix_spawn(&child, command_.front().c_str(), &spawning.actions,
                                    &spawning.attributes, words.data(), nothing);
  if (refused != 0) return failed(refused, "start the process of a parser");
  child_ = child;
  socket_ = std::move(ours);
  auto first = receive(cancel, std::max(limit_, kStart));
  if (first.ok() && first->outcome == Outcome::told && first->text.empty()) return success();
  end();
  if (!first.ok()) return std::move(first).error();
  return Error(ErrorType::unsupported_item,
               "the process that looks into files could not be started" +
                   (first->text.empty() ? "" : ": " + escape_bytes(first->text)));
}

/// One answer of a child that is there; one that gave none is gone afterwards.
Result<Answer> ParserProcess::receive(const CancelToken& cancel, std::chrono::milliseconds limit) {
  const auto end_at = std::chrono::steady_clock::now() + limit;
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end_at - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
      end();
      return Answer{Outcome::too_slow, ""};
    }
    pollfd one{socket_.get(), POLLIN, 0};
    const int there = ::poll(&one, 1, static_cast<int>(std::min(left, kLookUp).count()));
    if (const Status go_on = cancel.check(); !go_on.ok()) {
      end();
      return go_on.error();
    }
    if (there < 0 && errno != EINTR) return failed(errno, "wait for a parser");
    if (there <= 0) continue;
    std::string text(kMostAnswerBytes + 1, '\0');
    const ssize_t got = TEMP_FAILURE_RETRY(::recv(socket_.get(), text.data(), text.size(), 0));
    if (got <= 0 || static_cast<std::size_t>(got) == text.size() || text[0] != kReady) {
      if (got > 0) text.resize(static_cast<std::size_t>(got));
      end();
      return Answer{Outcome::crashed, got > 0 ? text.substr(1) : ""};
    }
    text.resize(static_cast<std::size_t>(got));
    return Answer{Outcome::told, text.substr(1)};
  }
}

Result<Answer> ParserProcess::ask(char letter, int fd, const CancelToken& cancel) {
  DUNLIN_TRY(start(cancel));
  if (!send_request(socket_.get(), letter, fd)) {
    // It has ended since the last answer: somebody killed it. That says nothing about this file.
    end();
    DUNLIN_TRY(start(cancel));
    if (!send_request(socket_.get(), letter, fd)) return failed(errno, "ask a parser");
  }
  return receive(cancel, limit_);
}

Status ParserProcess::ready(const CancelToken& cancel) {
  return start(cancel);
}

}  // namespace dunlin::sandbox
