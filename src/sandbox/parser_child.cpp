// The child; see parser_child.h.
#include "sandbox/parser_child.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/unique_fd.h"
#include "sandbox/confine.h"
#include "sandbox/parser_process.h"

namespace dunlin::sandbox {
namespace {

constexpr int kSocket = 3;

struct Request {
  char letter = 0;
  UniqueFd file;
};

/// False when nobody asks any more.
bool receive(Request& request) {
  char letter = 0;
  iovec bytes{&letter, 1};
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = space;
  message.msg_controllen = sizeof space;
  const ssize_t got = TEMP_FAILURE_RETRY(::recvmsg(kSocket, &message, MSG_CMSG_CLOEXEC));
  if (got != 1) return false;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return false;
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  request.file.reset(fd);
  request.letter = letter;
  return true;
}

bool say(std::string_view text) {
  text = text.substr(0, kMostAnswerBytes);
  return ::send(kSocket, text.data(), text.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(text.size());
}

/// Should the parent be gone when a parser hangs, nobody else ends it. SIGALRM does, unhandled.
void set_alarm(bool on) {
  itimerval timer{};
  if (on) timer.it_value.tv_sec = kParserLimit.count() / 1000 + 1;
  static_cast<void>(::setitimer(ITIMER_REAL, &timer, nullptr));
}

}  // namespace

int refuse_to_serve(const std::string& why) {
  static_cast<void>(say("-" + why));
  return 1;
}

int serve_parsers(const Parsers& parsers) {
  if (const Status confined = confine(kSocket); !confined.ok()) {
    ::_exit(refuse_to_serve(confined.error().message));
  }
  if (!say(std::string(1, kReady))) ::_exit(1);
  // Past confine() only _exit(): what runs at exit would call what is forbidden now.
  for (Request request; receive(request);) {
    const auto parser = parsers.find(request.letter);
    if (parser == parsers.end()) ::_exit(2);
    set_alarm(true);
    const std::string answer = parser->second(request.file.get());
    set_alarm(false);
    request.file.reset();
    if (!say(std::string(1, kReady) + answer)) break;
  }
  ::_exit(0);
}

}  // namespace dunlin::sandbox
