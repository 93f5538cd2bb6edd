// See foresight.h. By system calls of its own: it judges what `files` and `fs` do.
#include "e2e/foresight.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>

namespace dunlin::e2e {

namespace {

const char* const kNames[] = {"a", "b", "a (2)", "c.txt", "d.jpg", "e", "f", "g.txt"};
constexpr std::int64_t kEpoch = 1'600'000'000;

struct Maker {
  Rng& rng;
  std::vector<std::string> files{};

  void date(const std::string& path, int flags = AT_SYMLINK_NOFOLLOW) const {
    // Few seconds, so that some are the same on both sides.
    const timespec at{kEpoch + static_cast<time_t>(rng.below(3)), 0};
    const timespec both[2] = {at, at};
    if (::utimensat(AT_FDCWD, path.c_str(), both, flags) != 0) throw std::runtime_error(path);
  }

  void make(const std::string& path) {
    const auto kind = rng.below(20);
    if (kind == 0) {
      if (::mkfifo(path.c_str(), 0600) != 0) throw std::runtime_error(path);
    } else if (kind <= 2) {
      if (::symlink(rng.chance(0.5) ? "a" : "../b", path.c_str()) != 0)
        throw std::runtime_error(path);
    } else if (kind <= 5 && !files.empty()) {
      if (::link(files[rng.below(files.size())].c_str(), path.c_str()) != 0)
        throw std::runtime_error(path);
      return;
    } else {
      std::ofstream(path) << std::string(rng.below(4) * 3, rng.chance(0.5) ? 'x' : 'y');
      ::chmod(path.c_str(), rng.chance(0.8) ? 0644 : 0400);
      files.push_back(path);
    }
    date(path);
  }
};

/// Who looks must not leave a trace either.
int open_unseen(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_RDONLY | O_NOATIME | O_CLOEXEC);
  if (fd < 0) throw std::runtime_error(path);
  return fd;
}

std::string content(const std::string& path) {
  const int fd = open_unseen(path, 0);
  std::string text(4096, '\0');
  const ssize_t length = ::read(fd, text.data(), text.size());
  ::close(fd);
  text.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
  return text;
}

/// Path and line.
using Lines = std::vector<std::pair<std::string, std::string>>;

void view(const std::string& root, const std::string& below, Look look, Lines& found) {
  const std::string path = below.empty() ? root : root + "/" + below;
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) {
    found.emplace_back(below, below + " is not there");
    return;
  }
  std::ostringstream line;
  line << (below.empty() ? "." : below) << ' ' << std::oct << info.st_mode << std::dec << ' '
       << info.st_uid << ':' << info.st_gid << ' ' << info.st_mtim.tv_sec << '.'
       << info.st_mtim.tv_nsec;
  if (look == Look::untouched) {
    line << ' ' << info.st_ino << ' ' << info.st_ctim.tv_sec << '.' << info.st_ctim.tv_nsec;
    if (!S_ISLNK(info.st_mode))  // no call reads one without a trace
      line << ' ' << info.st_atim.tv_sec << '.' << info.st_atim.tv_nsec;
  }
  if (!S_ISDIR(info.st_mode) && look != Look::without_links) line << " links " << info.st_nlink;
  if (S_ISLNK(info.st_mode)) {
    char target[256];
    const ssize_t length = ::readlink(path.c_str(), target, sizeof target);
    line << " -> " << std::string(target, length > 0 ? static_cast<std::size_t>(length) : 0);
  }
  if (S_ISREG(info.st_mode)) line << ' ' << content(path);
  found.emplace_back(below.empty() ? "." : below, line.str());
  if (!S_ISDIR(info.st_mode)) return;
  std::vector<std::string> names;
  {
    const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(open_unseen(path, O_DIRECTORY)),
                                                      &::closedir);
    if (!listing) throw std::runtime_error(path);
    while (const dirent* entry = ::readdir(listing.get())) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names)
    view(root, below.empty() ? name : below + "/" + name, look, found);
}

Json pick(Rng& rng, const std::vector<std::string>& values) {
  return values[rng.below(values.size())];
}

}  // namespace

void make_random_tree(const std::string& root, Rng& rng, int entries) {
  if (::mkdir(root.c_str(), 0755) != 0) throw std::runtime_error(root);
  Maker maker{rng};
  std::vector<std::string> directories{root};
  for (int n = 0; n < entries; ++n) {
    const std::string path =
        directories[rng.below(directories.size())] + "/" + kNames[rng.below(std::size(kNames))];
    struct stat there{};
    if (::lstat(path.c_str(), &there) == 0) continue;
    if (rng.chance(0.25)) {
      if (::mkdir(path.c_str(), rng.chance(0.9) ? 0755 : 0700) != 0) throw std::runtime_error(path);
      directories.push_back(path);
    } else {
      maker.make(path);
    }
  }
  for (auto path = directories.rbegin(); path != directories.rend(); ++path) maker.date(*path, 0);
}

Json random_plan(const std::string& source, const std::string& destination, Rng& rng) {
  const std::string operation = pick(rng, {"copy", "copy", "copy", "move", "move", "hardlink"});
  Json plan = {{"kind", "files"},
               {"source", {{"paths", {source}}}},
               {"destination", {{"base_path", destination}}},
               {"strategy", {{"operation", operation}}},
               {"settings", {{"batch_size", rng.between(1, 6)}, {"io_concurrency", 4}}}};
  Json& strategy = plan["strategy"];
  strategy["conflict_resolution"] =
      pick(rng, {"skip", "overwrite", "overwrite_if_newer", "overwrite_if_different", "rename",
                 "keep_both", "fail", "ask"});
  if (strategy["conflict_resolution"] == "overwrite_if_different" && rng.chance(0.5))
    strategy["compare"] = "content";
  if (rng.chance(0.2)) plan["source"]["exclude_patterns"] = {pick(rng, {"*.txt", "a", "b/", "/e"})};
  if (rng.chance(0.1)) plan["source"]["include_patterns"] = {pick(rng, {"*.txt", "a", "f/**"})};
  if (rng.chance(0.1)) plan["source"]["min_file_size"] = 3;
  if (rng.chance(0.2)) strategy["special_files"] = "skip";
  if (rng.chance(0.2)) plan["settings"]["preflight"] = "streaming";
  if (rng.chance(0.2)) plan["settings"]["verification_level"] = "basic";
  if (operation == "move" && rng.chance(0.5)) strategy["remove_emptied_directories"] = true;
  return plan;
}

std::vector<std::string> outside_view(const std::string& root, Look look) {
  Lines found;
  view(root, "", look, found);
  std::vector<std::string> lines;
  for (auto& [path, line] : found) lines.push_back(std::move(line));
  return lines;
}

std::map<std::string, std::string> outside_by_path(const std::string& root) {
  Lines found;
  view(root, "", Look::without_links, found);
  return {found.begin(), found.end()};
}

}  // namespace dunlin::e2e
