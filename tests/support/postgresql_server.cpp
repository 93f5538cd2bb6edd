#include "support/postgresql_server.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "support/free_port.h"

namespace dunlin::testing {
namespace {

namespace fs = std::filesystem;

/// The newest that is installed.
std::string find_programs() {
  std::vector<std::pair<int, std::string>> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", ignored))
    found.emplace_back(std::atoi(entry.path().filename().c_str()), (entry.path() / "bin").string());
  if (found.empty())
    throw std::runtime_error("no PostgreSQL server is installed; try: ./dev setup test");
  return std::max_element(found.begin(), found.end())->second;
}

}  // namespace

PostgresqlServer::PostgresqlServer() : sockets_("/tmp"), programs_(find_programs()) {
  // PostgreSQL refuses to run as root; run_tests.py does not run these as root, a person may.
  if (::geteuid() == 0) {
    for (const std::string& folder : {scratch_.path(), sockets_.path()})
      if (::chown(folder.c_str(), 65534, 65534) != 0) throw std::runtime_error("chown " + folder);
  }
  const Finished made =
      run_process(words({programs_ + "/initdb", "-D", scratch_.file("data"), "-U", "owner", "-A",
                         "trust", "--no-sync", "--no-instructions", "-E", "UTF8", "--locale=C"}));
  if (made.code != 0) throw std::runtime_error("initdb: " + made.out + made.err);
  std::ofstream(scratch_.file("data/pg_hba.conf"))
      << "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
  port_ = free_port();
  start();
}

PostgresqlServer::~PostgresqlServer() {
  kill();
}

ProcessOptions PostgresqlServer::words(std::vector<std::string> more) const {
  std::vector<std::string> words;
  if (::geteuid() == 0)
    words = {"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"};
  words.insert(words.end(), more.begin(), more.end());
  return {words, {}, "/", 0};
}

void PostgresqlServer::start() {
  std::error_code ignored;
  fs::remove(scratch_.file("data/postmaster.pid"), ignored);
  process_ = std::make_unique<Process>(
      words({programs_ + "/postgres", "-D", scratch_.file("data"), "-k", sockets_.path(), "-p",
             std::to_string(port_), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c",
             "max_connections=150", "-c", "shared_buffers=32MB"}));
  if (!process_->says("database system is ready to accept connections"))
    throw std::runtime_error("PostgreSQL does not start: " + process_->err());
}

void PostgresqlServer::kill() {
  if (!process_) return;
  // Its children end when they see that it is gone; at once, when all of its group are killed.
  process_->signal(SIGQUIT);
  static_cast<void>(process_->wait());
  process_.reset();
}

std::string PostgresqlServer::address(const std::string& database) const {
  return "postgres://owner@:" + std::to_string(port_) + "/" + database + "?host=" + sockets_.path();
}

std::string PostgresqlServer::tcp_address(const std::string& user,
                                          const std::string& database) const {
  return "postgres://" + user + "@127.0.0.1:" + std::to_string(port_) + "/" + database;
}

}  // namespace dunlin::testing
