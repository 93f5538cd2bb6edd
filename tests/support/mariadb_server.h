// A MariaDB server of a test's own: made, started, killed and removed with it. Debian's binaries;
// reached by a socket in a short folder of its own, so that any number run side by side. Making one
// takes some seconds: share it among the tests of a suite. One thread.
#pragma once

#include <memory>
#include <string>

#include "support/process.h"
#include "support/scratch.h"

namespace dunlin::testing {

class MariadbServer {
 public:
  /// Throws std::runtime_error, with what the server said, when it cannot be made or started.
  MariadbServer();
  ~MariadbServer();
  MariadbServer(const MariadbServer&) = delete;
  MariadbServer& operator=(const MariadbServer&) = delete;

  /// As "root", who may do anything; no password is asked.
  [[nodiscard]] std::string address(const std::string& database = "mysql") const;
  /// By TCP, where a user made with a password is asked for it.
  [[nodiscard]] std::string tcp_address(const std::string& user, const std::string& database) const;

  [[nodiscard]] std::string socket_file() const { return sockets_.file("s"); }

  /// Its one process by SIGKILL; its data are recovered at the next start.
  void kill();
  void start();

 private:
  [[nodiscard]] ProcessOptions words(std::vector<std::string> more) const;

  ScratchDirectory scratch_;
  ScratchDirectory sockets_;
  int port_ = 0;
  std::unique_ptr<Process> process_;
};

}  // namespace dunlin::testing
