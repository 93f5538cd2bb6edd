// ObjectServer: serves MemoryBackends on a Unix socket from one poll loop; and the process for it.
//
// The store that outlives dunlin in crash tests. One thread: requests of all connections are
// carried out one after the other, in order of arrival, so a run with one client is deterministic.
// A connection holds at most one request and one answer (wire.h bounds both); a client that dies at
// any byte costs only its connection.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "objects/memory_backend.h"

namespace dunlin::testing {

/// Fills a bucket with `count` objects of `size` bytes, the same for the same seed; keys are
/// "dir-<i mod 10>/object-<i>".
[[nodiscard]] Status fill(objects::Backend& backend, std::int64_t count, std::int64_t size,
                          std::uint64_t seed);

class ObjectServer {
 public:
  /// One bucket per name. A client whose call met Fault::lose_request or lose_reply is cut off.
  ObjectServer(const Clock& clock, const std::vector<std::string>& buckets);
  ~ObjectServer();

  [[nodiscard]] objects::MemoryBackend* bucket(const std::string& name);
  /// Listens; an older socket file at the path is replaced.
  [[nodiscard]] Status listen(const std::string& socket_path);
  /// Serves until `stop_fd` is readable.
  [[nodiscard]] Status run(int stop_fd);

 private:
  struct Connection;

  void accept_all();
  void receive(Connection& connection);
  void answer(Connection& connection, std::string_view frame);
  void send(Connection& connection);

  std::map<std::string, std::unique_ptr<objects::MemoryBackend>> buckets_;
  std::map<int, std::unique_ptr<Connection>> connections_;
  UniqueFd listener_;
};

/// memory_object_server as a child process, ended by the destructor. It accepts when the
/// constructor has returned.
class ObjectServerProcess {
 public:
  /// `arguments` after the socket path, for example {"--fault", "put:3:lose_reply"}.
  explicit ObjectServerProcess(std::vector<std::string> arguments = {});
  ~ObjectServerProcess();
  ObjectServerProcess(const ObjectServerProcess&) = delete;
  ObjectServerProcess& operator=(const ObjectServerProcess&) = delete;

  [[nodiscard]] const std::string& socket_path() const { return socket_path_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// An address for plans and command lines, for example address("source", "photos/").
  [[nodiscard]] std::string address(const std::string& bucket, const std::string& prefix) const;

 private:
  std::string directory_;
  std::string socket_path_;
  pid_t pid_ = -1;
};

}  // namespace dunlin::testing
