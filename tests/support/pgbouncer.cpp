#include "support/pgbouncer.h"

#include <unistd.h>

#include <fstream>
#include <stdexcept>
#include <vector>

#include "support/free_port.h"

namespace dunlin::testing {

PgBouncer::PgBouncer(const PostgresqlServer& server, int pool_size)
    : scratch_("/tmp"), port_(free_port()) {
  const std::string file = scratch_.file("pgbouncer.ini");
  std::ofstream(file) << "[databases]\n* = host=" << server.sockets() << " port=" << server.port()
                      << " user=owner\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = "
                      << port_ << "\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n"
                      << "max_client_conn = 500\ndefault_pool_size = " << pool_size
                      << "\nserver_idle_timeout = 5\n";
  std::vector<std::string> words;
  if (::geteuid() == 0) {
    words = {"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"};
    for (const std::string& path : {scratch_.path(), file})
      if (::chown(path.c_str(), 65534, 65534) != 0) throw std::runtime_error("chown " + path);
  }
  words.insert(words.end(), {"/usr/sbin/pgbouncer", file});
  process_ = std::make_unique<Process>(ProcessOptions{words, {}, "/", 0});
  if (!process_->says("process up"))
    throw std::runtime_error("PgBouncer does not start (./dev setup test): " + process_->err());
}

std::string PgBouncer::address(const std::string& database) const {
  return "postgres://owner@127.0.0.1:" + std::to_string(port_) + "/" + database;
}

}  // namespace dunlin::testing
