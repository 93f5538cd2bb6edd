#include "engine/control_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>

#include "base/check.h"

namespace dunlin::engine {
namespace {

constexpr std::size_t kMessageMax = 1 << 20;
constexpr int kPollMs = 200;
/// A client that connects and then says nothing, or does not read its answer, must not hold up the
/// others, nor the control rows. Nobody waits longer for an answer.
constexpr int kClientMs = kControlAnswerMs;

using SteadyClock = std::chrono::steady_clock;

/// sun_path holds 107 bytes and state paths may be longer: go through the directory's descriptor
/// instead.
Result<sockaddr_un> address_in(const UniqueFd& directory, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = "/proc/self/fd/" + std::to_string(directory.get()) + "/" + name;
  if (path.size() >= sizeof address.sun_path)
    return Error(ErrorType::invalid_input, "socket name too long: " + name);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

Result<UniqueFd> open_directory(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_DIRECTORY | O_PATH | O_CLOEXEC));
  if (!fd) return error_from_errno(errno, "open '" + path + "'");
  return fd;
}

/// Rounded up: whoever waits for it does not wake before the time.
int remaining_ms(SteadyClock::time_point deadline) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - SteadyClock::now()).count();
  return left < 0 ? 0 : static_cast<int>(left);
}

Result<std::string> read_line(int fd, int timeout_ms) {
  const auto deadline = SteadyClock::now() + std::chrono::milliseconds(timeout_ms);
  std::string line;
  char buffer[4096];
  for (;;) {
    pollfd waiting{fd, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, remaining_ms(deadline));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return Error(ErrorType::network_timeout, "no answer on the control socket");
    const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return error_from_errno(errno, "read the control socket");
    if (n == 0) return Error(ErrorType::connection_reset, "the control socket was closed");
    line.append(buffer, static_cast<std::size_t>(n));
    if (const auto end = line.find('\n'); end != std::string::npos) return line.substr(0, end);
    if (line.size() > kMessageMax)
      return Error(ErrorType::invalid_input, "message on the control socket is too long");
  }
}

/// All of it within the time, or an error: whoever does not read holds nobody up.
Status write_line(int fd, std::string line, int timeout_ms) {
  const auto deadline = SteadyClock::now() + std::chrono::milliseconds(timeout_ms);
  line += '\n';
  std::size_t sent = 0;
  while (sent < line.size()) {
    const ssize_t n =
        ::send(fd, line.data() + sent, line.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      sent += static_cast<std::size_t>(n);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return error_from_errno(errno, "write the control socket", true);
    pollfd waiting{fd, POLLOUT, 0};
    const int ready = ::poll(&waiting, 1, remaining_ms(deadline));
    if (ready == 0)
      return Error(ErrorType::network_timeout, "the control socket is not read at the other end");
  }
  return success();
}

}  // namespace

Result<std::unique_ptr<ControlServer>> ControlServer::start(const std::string& directory,
                                                            const std::string& name,
                                                            Handler handler, Poll poll) {
  DUNLIN_ASSIGN(const UniqueFd dir, open_directory(directory));
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return error_from_errno(errno, "make a control socket");
  DUNLIN_ASSIGN(const sockaddr_un address, address_in(dir, name));
  // The owner lock is ours, so a socket that is there belongs to a dead owner.
  if (::unlinkat(dir.get(), name.c_str(), 0) != 0 && errno != ENOENT) {
    return error_from_errno(errno,
                            "remove the old control socket '" + directory + "/" + name + "'");
  }
  const mode_t old_mask = ::umask(0177);
  const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int bind_errno = errno;
  ::umask(old_mask);
  if (bound != 0)
    return error_from_errno(bind_errno, "bind the control socket '" + directory + "/" + name + "'");
  if (::listen(fd.get(), 16) != 0) return error_from_errno(errno, "listen on the control socket");
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC));
  if (!wake) return error_from_errno(errno, "make an eventfd");
  return std::unique_ptr<ControlServer>(new ControlServer(
      directory, name, std::move(fd), std::move(wake), std::move(handler), std::move(poll)));
}

ControlServer::ControlServer(std::string directory, std::string name, UniqueFd socket,
                             UniqueFd wake, Handler handler, Poll poll)
    : directory_(std::move(directory)),
      name_(std::move(name)),
      socket_(std::move(socket)),
      wake_(std::move(wake)),
      handler_(std::move(handler)),
      poll_(std::move(poll)),
      thread_([this] { loop(); }) {}

ControlServer::~ControlServer() {
  ending_ = true;
  const std::uint64_t one = 1;
  DUNLIN_CHECK(::write(wake_.get(), &one, sizeof one) == sizeof one, "an eventfd takes a count");
  thread_.join();
  ::unlink((directory_ + "/" + name_).c_str());
}

void ControlServer::loop() {
  auto next_poll = SteadyClock::now();
  while (!ending_) {
    pollfd waiting[2] = {{socket_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    const int ready = ::poll(waiting, 2, remaining_ms(next_poll));
    if (ending_) return;
    if (ready > 0) {
      const UniqueFd client(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (client) serve(client.get());
    }
    if (SteadyClock::now() >= next_poll) {
      poll_();
      next_poll = SteadyClock::now() + std::chrono::milliseconds(kPollMs);
    }
  }
}

void ControlServer::serve(int client) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return;
  const Result<std::string> line = read_line(client, kClientMs);
  if (!line.ok()) return;
  Json answer;
  const Result<Json> request = parse_json(*line, "control request");
  if (request.ok() && request->is_object()) {
    answer = handler_(*request, peer.uid);
    if (answer.is_null()) return;
  } else {
    answer["accepted"] = false;
    answer["message"] = "not a JSON object";
  }
  write_line(client, dump_json(answer), kClientMs)
      .ignore("a client that has gone, or does not read, needs no answer");
}

Result<Json> ask_owner(const std::string& directory, const std::string& name, const Json& request,
                       std::int64_t timeout_ms) {
  DUNLIN_ASSIGN(const UniqueFd dir, open_directory(directory));
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return error_from_errno(errno, "make a socket");
  DUNLIN_ASSIGN(const sockaddr_un address, address_in(dir, name));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Error(ErrorType::endpoint_unreachable,
                 std::string("no owner is listening (") + std::strerror(errno) + ")");
  }
  DUNLIN_TRY(write_line(fd.get(), dump_json(request), static_cast<int>(timeout_ms)));
  DUNLIN_ASSIGN(const std::string line, read_line(fd.get(), static_cast<int>(timeout_ms)));
  return parse_json(line, "control answer");
}

}  // namespace dunlin::engine
