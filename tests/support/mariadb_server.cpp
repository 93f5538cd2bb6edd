#include "support/mariadb_server.h"

#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <stdexcept>
#include <vector>

#include "support/free_port.h"

namespace dunlin::testing {
namespace {

constexpr const char* kServer = "/usr/sbin/mariadbd";

}  // namespace

MariadbServer::MariadbServer() : sockets_("/tmp") {
  if (!std::filesystem::exists(kServer))
    throw std::runtime_error("no MariaDB server is installed; try: ./dev setup test");
  // It refuses to run as root; run_tests.py does not run these as root, a person may.
  if (::geteuid() == 0) {
    for (const std::string& folder : {scratch_.path(), sockets_.path()})
      if (::chown(folder.c_str(), 65534, 65534) != 0) throw std::runtime_error("chown " + folder);
  }
  const Finished made = run_process(
      words({"/usr/bin/mariadb-install-db", "--no-defaults", "--datadir=" + scratch_.file("data"),
             "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"}));
  if (made.code != 0) throw std::runtime_error("mariadb-install-db: " + made.out + made.err);
  port_ = free_port();
  start();
}

MariadbServer::~MariadbServer() {
  kill();
}

ProcessOptions MariadbServer::words(std::vector<std::string> more) const {
  std::vector<std::string> words;
  if (::geteuid() == 0)
    words = {"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"};
  words.insert(words.end(), more.begin(), more.end());
  return {words, {}, "/", 0};
}

void MariadbServer::start() {
  // A folder of its own for temporary tables: a server that starts removes those it finds in /tmp,
  // also of one that runs.
  // Flushed once a second: what a kill of the process may not lose has been written.
  process_ = std::make_unique<Process>(words(
      {kServer, "--no-defaults", "--datadir=" + scratch_.file("data"),
       "--tmpdir=" + scratch_.path(), "--socket=" + sockets_.file("s"),
       "--pid-file=" + scratch_.file("pid"), "--port=" + std::to_string(port_),
       "--bind-address=127.0.0.1", "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=2",
       "--innodb-buffer-pool-size=64M", "--max-connections=300"}));
  if (!process_->says("ready for connections"))
    throw std::runtime_error("MariaDB does not start: " + process_->err());
}

void MariadbServer::kill() {
  if (!process_) return;
  process_->signal(SIGKILL);
  static_cast<void>(process_->wait());
  process_.reset();
}

std::string MariadbServer::address(const std::string& database) const {
  return "mysql://root@/" + database + "?socket=" + sockets_.file("s");
}

std::string MariadbServer::tcp_address(const std::string& user, const std::string& database) const {
  return "mysql://" + user + "@127.0.0.1:" + std::to_string(port_) + "/" + database;
}

}  // namespace dunlin::testing
