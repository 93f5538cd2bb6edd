// A PostgreSQL server of a test's own: made, started, killed and removed with it. Reached by a
// socket in a short folder of its own, so that any number run side by side. Makes a cluster in
// about a second: share one among the tests of a suite. One thread.
//
// Debian's binaries, the newest; or those of the major version that DUNLIN_TEST_POSTGRESQL names,
// Debian's or those of tools/servers.sh.
#pragma once

#include <memory>
#include <string>

#include "support/process.h"
#include "support/scratch.h"

namespace dunlin::testing {

/// Where the programs of a major version are; empty: nowhere.
[[nodiscard]] std::string postgresql_programs(int version);

class PostgresqlServer {
 public:
  /// Throws std::runtime_error, with what the server said, when it cannot be made or started.
  PostgresqlServer();
  ~PostgresqlServer();
  PostgresqlServer(const PostgresqlServer&) = delete;
  PostgresqlServer& operator=(const PostgresqlServer&) = delete;

  /// As "owner", who may do anything; no password is asked.
  [[nodiscard]] std::string address(const std::string& database = "postgres") const;
  /// By TCP, where a password is asked (scram-sha-256).
  [[nodiscard]] std::string tcp_address(const std::string& user, const std::string& database) const;
  [[nodiscard]] int port() const { return port_; }
  /// The folder of its socket.
  [[nodiscard]] std::string sockets() const { return sockets_.path(); }
  [[nodiscard]] std::string socket_file() const {
    return sockets_.file(".s.PGSQL." + std::to_string(port_));
  }

  /// All of its processes by SIGKILL; its data are recovered at the next start.
  void kill();
  void start();

 private:
  [[nodiscard]] ProcessOptions words(std::vector<std::string> more) const;

  ScratchDirectory scratch_;
  ScratchDirectory sockets_;
  std::string programs_;
  int port_ = 0;
  std::unique_ptr<Process> process_;
};

}  // namespace dunlin::testing
