#include "support/cutting_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>

namespace dunlin::testing {
namespace {

constexpr int kPoll_ms = 20;

int connect_to_file(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return -1;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0)
    return fd;
  if (fd >= 0) ::close(fd);
  return -1;
}

/// What there is; 0: it has ended.
ssize_t receive(int fd, std::string& bytes) {
  bytes.resize(65536);
  const ssize_t got = ::recv(fd, bytes.data(), bytes.size(), 0);
  bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return got;
}

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

}  // namespace

CuttingProxy::CuttingProxy(std::string server_socket) : server_socket_(std::move(server_socket)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  constexpr int kWaiting = 64;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      ::listen(listener_, kWaiting) != 0) {
    ::close(listener_);
    throw std::runtime_error("no port is free");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { work(); });
}

CuttingProxy::~CuttingProxy() {
  ending_ = true;
  thread_.join();
  for (Pair& pair : pairs_) close_both(pair);
  ::close(listener_);
}

void CuttingProxy::lose(Loss what, int request) {
  const std::lock_guard lock(mutex_);
  what_ = what;
  at_ = request;
  requests_ = 0;
  has_lost_ = false;
}

int CuttingProxy::cut_all() {
  const std::lock_guard lock(mutex_);
  const int count = static_cast<int>(pairs_.size());
  for (Pair& pair : pairs_) close_both(pair);
  pairs_.clear();
  return count;
}

void CuttingProxy::close_both(Pair& pair) {
  for (int* const fd : {&pair.client, &pair.server}) {
    if (*fd >= 0) ::close(*fd);
    *fd = -1;
  }
}

void CuttingProxy::take() {
  const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (client < 0) return;
  const int server = connect_to_file(server_socket_);
  if (server < 0) {
    ::close(client);
    return;
  }
  pairs_.push_back({client, server, false, false});
}

/// False: this connection is over.
bool CuttingProxy::from_client(Pair& pair) {
  std::string bytes;
  if (receive(pair.client, bytes) <= 0) return false;
  if (!pair.asking) {
    pair.asking = true;
    const bool chosen = ++requests_ == at_;
    if (chosen && what_ == Loss::request) {
      has_lost_ = true;
      return false;
    }
    pair.lose_reply = chosen && what_ == Loss::reply;
  }
  return send_all(pair.server, bytes);
}

bool CuttingProxy::from_server(Pair& pair) {
  std::string bytes;
  const ssize_t got = receive(pair.server, bytes);
  if (pair.lose_reply) {
    has_lost_ = true;
    return false;
  }
  if (got <= 0) return false;
  pair.asking = false;
  return send_all(pair.client, bytes);
}

void CuttingProxy::work() {
  std::vector<pollfd> ready;
  while (!ending_) {
    ready.assign(1, {listener_, POLLIN, 0});
    {
      const std::lock_guard lock(mutex_);
      for (const Pair& pair : pairs_) {
        ready.push_back({pair.client, POLLIN, 0});
        ready.push_back({pair.server, POLLIN, 0});
      }
    }
    // Short, since nothing wakes it when connections were cut meanwhile.
    if (::poll(ready.data(), ready.size(), kPoll_ms) <= 0) continue;
    const std::lock_guard lock(mutex_);
    const std::size_t polled = (ready.size() - 1) / 2;
    for (std::size_t i = 0; i < polled && i < pairs_.size(); ++i) {
      Pair& pair = pairs_[i];
      const pollfd& client = ready[1 + i * 2];
      const pollfd& server = ready[2 + i * 2];
      if (pair.client != client.fd || pair.server != server.fd) break;  // cut_all came between
      bool good = true;
      // The server's first: what it said before its client's next request answers the one before.
      if (server.revents != 0) good = from_server(pair);
      if (good && client.revents != 0) good = from_client(pair);
      if (!good) close_both(pair);
    }
    std::erase_if(pairs_, [](const Pair& pair) { return pair.client < 0; });
    if (ready[0].revents != 0) take();
  }
}

}  // namespace dunlin::testing
