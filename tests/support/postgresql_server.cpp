#include "support/postgresql_server.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/free_port.h"

namespace dunlin::testing {
namespace {

namespace fs = std::filesystem;

/// The one that is asked for, else the newest of Debian's.
std::string find_programs() {
  if (const char* wanted = std::getenv("DUNLIN_TEST_POSTGRESQL")) {
    const std::string programs = postgresql_programs(std::atoi(wanted));
    if (programs.empty())
      throw std::runtime_error(std::string("no PostgreSQL ") + wanted +
                               " is installed; try: bash tools/servers.sh");
    return programs;
  }
  std::vector<std::pair<int, std::string>> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", ignored))
    found.emplace_back(std::atoi(entry.path().filename().c_str()), (entry.path() / "bin").string());
  if (found.empty())
    throw std::runtime_error("no PostgreSQL server is installed; try: ./dev setup test");
  return std::max_element(found.begin(), found.end())->second;
}

/// The state and the parent of a process; '?' when it is gone.
std::pair<char, pid_t> state_of(const std::string& pid) {
  std::ifstream in("/proc/" + pid + "/stat");
  std::string text;
  std::getline(in, text);  // which takes its end between opening and reading for no text
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return {'?', 0};
  std::istringstream rest(text.substr(name_end + 1));
  char state = '?';
  pid_t parent = 0;
  rest >> state >> parent;
  return {state, parent};
}

bool is_alive(pid_t pid) {
  const char state = state_of(std::to_string(pid)).first;
  return state != '?' && state != 'Z' && state != 'X';
}

std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> children;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (state_of(name).second == parent) children.push_back(std::stoi(name));
  }
  return children;
}

}  // namespace

std::string postgresql_programs(int version) {
  // tools/servers.sh puts them beside the build folder, from which tests run.
  char own[4096];
  const ssize_t length = ::readlink("/proc/self/exe", own, sizeof own);
  const fs::path program(std::string(own, length > 0 ? static_cast<std::size_t>(length) : 0));
  const fs::path build = program.parent_path();
  for (const fs::path& folder :
       {fs::path("/usr/lib/postgresql") / std::to_string(version),
        build.parent_path() / "servers" / ("postgresql-" + std::to_string(version))}) {
    std::error_code ignored;
    if (fs::exists(folder / "bin" / "postgres", ignored)) return (folder / "bin").string();
  }
  return {};
}

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
  if (!process_) return;
  // Not kill(): nobody would give its shared memory back.
  process_->signal(SIGQUIT);
  static_cast<void>(process_->wait());
}

ProcessOptions PostgresqlServer::words(std::vector<std::string> more) const {
  std::vector<std::string> words;
  if (::geteuid() == 0)
    words = {"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"};
  words.insert(words.end(), more.begin(), more.end());
  return {words, {}, "/", 0};
}

void PostgresqlServer::start() {
  // One that a kill has left tells the server which shared memory it has to give back. Where
  // somebody else has that process number by now, the server would take him for itself.
  const std::string pid_file = scratch_.file("data/postmaster.pid");
  pid_t before = 0;
  std::ifstream(pid_file) >> before;
  std::error_code ignored;
  if (before > 0 && (::kill(before, 0) == 0 || errno != ESRCH)) fs::remove(pid_file, ignored);
  process_ = std::make_unique<Process>(
      words({programs_ + "/postgres", "-D", scratch_.file("data"), "-k", sockets_.path(), "-p",
             std::to_string(port_), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c",
             "max_connections=150", "-c", "shared_buffers=32MB"}));
  if (!process_->says("database system is ready to accept connections"))
    throw std::runtime_error("PostgreSQL does not start: " + process_->err());
}

void PostgresqlServer::kill() {
  if (!process_) return;
  // Stopped first, so that it starts no more of them.
  process_->signal(SIGSTOP);
  const std::vector<pid_t> children = children_of(process_->pid());
  for (const pid_t child : children) ::kill(child, SIGKILL);
  process_->signal(SIGKILL);
  static_cast<void>(process_->wait());
  process_.reset();
  // Nobody's children now; a new server would refuse to begin beside one that is still there.
  for (const pid_t child : children)
    static_cast<void>(eventually([child] { return !is_alive(child); }));
}

std::string PostgresqlServer::address(const std::string& database) const {
  return "postgres://owner@:" + std::to_string(port_) + "/" + database + "?host=" + sockets_.path();
}

std::string PostgresqlServer::tcp_address(const std::string& user,
                                          const std::string& database) const {
  return "postgres://" + user + "@127.0.0.1:" + std::to_string(port_) + "/" + database;
}

}  // namespace dunlin::testing
