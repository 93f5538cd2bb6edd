#include "naive.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tree.h"

namespace dunlin::attack {
namespace {

namespace stdfs = std::filesystem;

struct Roots {
  std::string source;
  std::string destination;
};

std::vector<std::string> listed(const std::string& root) {
  std::vector<std::string> paths;
  std::error_code error;
  for (stdfs::recursive_directory_iterator at(root, error), end; at != end; at.increment(error))
    paths.push_back(at->path().lexically_relative(root));
  return paths;
}

void copy_file(const std::string& from, const std::string& to, const struct stat& info) {
  std::ifstream in(from, std::ios::binary);
  std::ofstream out(to, std::ios::binary);
  out << in.rdbuf();
  out.close();
  ::chmod(to.c_str(), info.st_mode & 07777);
  const timespec times[2] = {info.st_atim, info.st_mtim};
  ::utimensat(AT_FDCWD, to.c_str(), times, 0);
  if (::geteuid() == 0 && ::chown(to.c_str(), info.st_uid, info.st_gid) != 0) return;
}

void copy(const Roots& roots) {
  ::mkdir(roots.destination.c_str(), 0755);
  for (const std::string& path : listed(roots.source)) {
    const std::string from = below(roots.source, path);
    const std::string to = below(roots.destination, path);
    struct stat info{};
    if (::lstat(from.c_str(), &info) != 0) continue;
    if (S_ISDIR(info.st_mode)) ::mkdir(to.c_str(), 0755);
    if (S_ISREG(info.st_mode)) copy_file(from, to, info);
  }
}

void move(const Roots& roots) {
  copy(roots);
  for (const std::string& path : listed(roots.source)) ::unlink(below(roots.source, path).c_str());
}

void verify(const Roots& roots) {
  for (const std::string& path : listed(roots.destination)) {
    char first = 0;
    std::ifstream in(below(roots.destination, path), std::ios::binary);
    in.get(first);
  }
}

void roll_back(const Roots& roots) {
  std::vector<std::string> paths = listed(roots.source);
  std::reverse(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    const std::string to = below(roots.destination, path);
    if (::unlink(to.c_str()) != 0) ::rmdir(to.c_str());
  }
}

}  // namespace

int run_naive(const std::vector<std::string>& words) {
  const auto state = std::find(words.begin(), words.end(), "--state");
  if (words.empty() || state == words.end() || state + 1 == words.end()) return 2;
  const std::string plan = *(state + 1) + ".naive";
  Roots roots;
  if ((words[0] == "copy" || words[0] == "move") && words.size() > 2) {
    roots = {words[1], words[2]};
    if (!roots.source.ends_with('/'))
      roots.destination = below(roots.destination, stdfs::path(roots.source).filename());
    std::ofstream(plan) << roots.source << "\n" << roots.destination << "\n";
  } else {
    std::ifstream in(plan);
    if (!std::getline(in, roots.source) || !std::getline(in, roots.destination)) return 2;
  }
  if (words[0] == "verify")
    verify(roots);
  else if (words[0] == "rollback")
    roll_back(roots);
  else if (words[0] == "move")
    move(roots);
  else
    copy(roots);
  return 0;
}

}  // namespace dunlin::attack
