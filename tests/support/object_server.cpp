// ObjectServer and its process; see object_server.h.
#include "support/object_server.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "base/binary.h"
#include "base/ids.h"
#include "base/rng.h"
#include "objects/wire.h"

extern char** environ;

namespace dunlin::testing {

namespace {

constexpr std::size_t kHeaderBytes = sizeof(std::uint32_t);
constexpr std::size_t kReadBytes = 256U << 10U;

Status make_address(const std::string& path, sockaddr_un& address) {
  address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return Error(ErrorType::invalid_input, "the socket path is longer than 107 bytes");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return success();
}

std::string number(std::int64_t value) {
  std::string digits = std::to_string(value);
  return std::string(digits.size() < 6 ? 6 - digits.size() : 0, '0') + digits;
}

}  // namespace

Status fill(objects::Backend& backend, std::int64_t count, std::int64_t size, std::uint64_t seed) {
  const CancelToken never;
  for (std::int64_t i = 0; i < count; ++i) {
    Rng rng(seed + static_cast<std::uint64_t>(i));
    std::string bytes(static_cast<std::size_t>(size), '\0');
    for (auto& byte : bytes) byte = static_cast<char>(rng.next());
    const std::string key = "dir-" + std::to_string(i % 10) + "/object-" + number(i);
    DUNLIN_TRY(backend.put(key, bytes, {}, {}, never));
  }
  return success();
}

struct ObjectServer::Connection {
  UniqueFd fd;
  std::string in;
  std::string out;
  bool closing = false;
};

ObjectServer::ObjectServer(const Clock& clock, const std::vector<std::string>& buckets) {
  for (const auto& name : buckets) {
    const std::string identity = "memory:" + new_uuid_v7(clock.wall_ms()) + "#" + name;
    buckets_[name] = std::make_unique<objects::MemoryBackend>(clock, identity);
  }
}
ObjectServer::~ObjectServer() = default;

objects::MemoryBackend* ObjectServer::bucket(const std::string& name) {
  const auto at = buckets_.find(name);
  return at == buckets_.end() ? nullptr : at->second.get();
}

Status ObjectServer::listen(const std::string& socket_path) {
  sockaddr_un address{};
  DUNLIN_TRY(make_address(socket_path, address));
  listener_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener_) return error_from_errno(errno, "create a socket");
  if (::unlink(socket_path.c_str()) != 0 && errno != ENOENT) {
    return error_from_errno(errno, "remove the old socket", true);
  }
  if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(listener_.get(), 128) != 0) {
    return error_from_errno(errno, "listen on the socket", true);
  }
  return success();
}

void ObjectServer::accept_all() {
  for (;;) {
    UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) return;
    const int key = fd.get();
    auto connection = std::make_unique<Connection>();
    connection->fd = std::move(fd);
    connections_[key] = std::move(connection);
  }
}

void ObjectServer::answer(Connection& connection, std::string_view frame) {
  const CancelToken never;
  auto request = objects::decode_request(frame);
  if (!request.ok()) {
    connection.closing = true;
    return;
  }
  objects::Reply reply;
  if (objects::MemoryBackend* found = bucket(request->bucket)) {
    reply = objects::serve(*found, *request, never);
  } else {
    reply.error = Error(ErrorType::not_found, "there is no bucket '" + request->bucket + "'");
    reply.error->native = {"object_store", "NoSuchBucket"};
  }
  if (reply.error && reply.error->type == ErrorType::connection_reset) {
    connection.closing = true;
    return;
  }
  std::string content = objects::encode(reply);
  if (content.size() > objects::kMaxFrameBytes) {
    reply = {};
    reply.error = Error(ErrorType::unsupported_item, "the answer is larger than a frame");
    content = objects::encode(reply);
  }
  ByteWriter header;
  header.u32(static_cast<std::uint32_t>(content.size()));
  connection.out = header.take() + content;
}

void ObjectServer::receive(Connection& connection) {
  std::string& in = connection.in;
  const std::size_t before = in.size();
  in.resize(before + kReadBytes);
  const ssize_t got = ::recv(connection.fd.get(), in.data() + before, kReadBytes, 0);
  in.resize(before + static_cast<std::size_t>(got > 0 ? got : 0));
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) connection.closing = true;
  if (in.size() < kHeaderBytes) return;
  const std::uint32_t size = ByteReader(in).u32();
  if (size > objects::kMaxFrameBytes) {
    connection.closing = true;
  } else if (in.size() - kHeaderBytes >= size) {
    // A whole frame counts even when the client has gone: it was sent.
    answer(connection, std::string_view(in).substr(kHeaderBytes, size));
    in.erase(0, kHeaderBytes + size);
  }
}

void ObjectServer::send(Connection& connection) {
  std::string& out = connection.out;
  const ssize_t count = ::send(connection.fd.get(), out.data(), out.size(), MSG_NOSIGNAL);
  if (count < 0 && errno != EAGAIN && errno != EINTR) connection.closing = true;
  if (count > 0) out.erase(0, static_cast<std::size_t>(count));
}

Status ObjectServer::run(int stop_fd) {
  for (;;) {
    std::vector<pollfd> entries{{stop_fd, POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    for (const auto& [fd, connection] : connections_) {
      // While an answer waits, nothing more is read: one request and one answer per connection.
      entries.push_back({fd, static_cast<short>(connection->out.empty() ? POLLIN : POLLOUT), 0});
    }
    if (::poll(entries.data(), entries.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return error_from_errno(errno, "poll");
    }
    if (entries[0].revents != 0) return success();
    if (entries[1].revents != 0) accept_all();
    for (std::size_t n = 2; n < entries.size(); ++n) {
      if (entries[n].revents == 0) continue;
      const auto at = connections_.find(entries[n].fd);
      Connection& connection = *at->second;
      if (connection.out.empty()) receive(connection);
      if (!connection.out.empty()) send(connection);
      if (connection.closing) connections_.erase(at);
    }
  }
}

ObjectServerProcess::ObjectServerProcess(std::vector<std::string> arguments) {
  std::array<char, 32> name{"/tmp/dunlin-objects-XXXXXX"};
  DUNLIN_CHECK(::mkdtemp(name.data()) != nullptr, "no temporary directory");
  directory_ = name.data();
  socket_path_ = directory_ + "/socket";
  std::array<char, 4096> self{};
  const ssize_t length = ::readlink("/proc/self/exe", self.data(), self.size() - 1);
  DUNLIN_CHECK(length > 0, "no /proc/self/exe");
  std::string program(self.data(), static_cast<std::size_t>(length));
  program = program.substr(0, program.rfind('/')) + "/memory_object_server";

  arguments.insert(arguments.begin(), {program, socket_path_});
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  DUNLIN_CHECK(::posix_spawn(&pid_, program.c_str(), nullptr, nullptr, argv.data(), environ) == 0,
               "memory_object_server cannot be started");
  sockaddr_un address{};
  DUNLIN_CHECK(make_address(socket_path_, address).ok(), "the temporary directory is too deep");
  for (int n = 0; n < 1000; ++n) {
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  DUNLIN_CHECK(false, "memory_object_server does not answer");
}

ObjectServerProcess::~ObjectServerProcess() {
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
  ::unlink(socket_path_.c_str());
  ::rmdir(directory_.c_str());
}

std::string ObjectServerProcess::address(const std::string& bucket,
                                         const std::string& prefix) const {
  return "mem:" + socket_path_ + "#" + bucket + "/" + prefix;
}

}  // namespace dunlin::testing
