#include "judge.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <limits.h>

#include "base/check.h"
#include "tree.h"

namespace dunlin::attack {
namespace {

namespace stdfs = std::filesystem;

constexpr std::size_t kMostFindings = 5;
constexpr std::uint32_t kEvents = IN_OPEN | IN_ACCESS | IN_MODIFY | IN_ATTRIB | IN_CREATE |
                                  IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF |
                                  IN_MOVE_SELF;

std::string content_of(const stdfs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string target_of(const stdfs::path& path) {
  std::string target(PATH_MAX, '\0');
  const ssize_t length = ::readlink(path.c_str(), target.data(), target.size());
  target.resize(length < 0 ? 0 : static_cast<std::size_t>(length));
  return target;
}

/// Names and values, the names of the system's too.
std::string attributes_of(const stdfs::path& path) {
  std::array<char, 4096> names{};
  const ssize_t listed = ::llistxattr(path.c_str(), names.data(), names.size());
  std::string text;
  for (const char* name = names.data(); name < names.data() + listed;
       name += std::strlen(name) + 1) {
    std::array<char, 4096> value{};
    const ssize_t got = ::lgetxattr(path.c_str(), name, value.data(), value.size());
    text.append(name).append("=").append(value.data(), got < 0 ? 0 : static_cast<std::size_t>(got));
    text += ' ';
  }
  return text;
}

std::string inside_of(const stdfs::path& path, mode_t mode) {
  if (S_ISREG(mode)) return content_of(path);
  return S_ISLNK(mode) ? target_of(path) : std::string();
}

/// Of `path` everything but the access time, which the judge itself moves.
std::string picture_of(const stdfs::path& path) {
  struct stat info{};
  DUNLIN_CHECK(::lstat(path.c_str(), &info) == 0, "the judge cannot look at " + path.string());
  std::ostringstream text;
  text << std::oct << "mode " << info.st_mode << std::dec << ", owner " << info.st_uid << ":"
       << info.st_gid << ", links " << info.st_nlink << ", inode " << info.st_ino << ", size "
       << info.st_size << ", mtime " << info.st_mtim.tv_sec << "." << info.st_mtim.tv_nsec
       << ", ctime " << info.st_ctim.tv_sec << "." << info.st_ctim.tv_nsec << ", attributes "
       << attributes_of(path) << ", content "
       << std::hash<std::string>{}(inside_of(path, info.st_mode));
  return text.str();
}

std::string words_of(std::uint32_t mask) {
  constexpr std::pair<std::uint32_t, const char*> kWords[] = {
      {IN_OPEN, "opened"},           {IN_ACCESS, "read"},         {IN_MODIFY, "written"},
      {IN_ATTRIB, "attributes set"}, {IN_CREATE, "created"},      {IN_DELETE, "removed"},
      {IN_MOVED_FROM, "moved away"}, {IN_MOVED_TO, "moved here"}, {IN_DELETE_SELF, "removed"},
      {IN_MOVE_SELF, "moved"},       {IN_Q_OVERFLOW, "and more"},
  };
  std::string words;
  for (const auto& [bit, word] : kWords) {
    if ((mask & bit) != 0) words.append(words.empty() ? "" : ", ").append(word);
  }
  return words;
}

void add(std::vector<Finding>& findings, std::size_t& count, Witness witness, std::string text) {
  if (++count <= kMostFindings) findings.push_back({witness, std::move(text)});
}

}  // namespace

const char* to_string(Witness witness) {
  switch (witness) {
    case Witness::event:
      return "event";
    case Witness::picture:
      return "picture";
    case Witness::marker:
      return "marker";
  }
  return "";
}

Outside::Outside(std::string root)
    : root_(std::move(root)), inotify_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  DUNLIN_CHECK(inotify_.valid(), "inotify");
  watch();
  before_ = picture();
  static_cast<void>(events());
}

void Outside::watch() {
  const auto add_watch = [&](const std::string& path) {
    const int number = ::inotify_add_watch(inotify_.get(), path.c_str(), kEvents | IN_ONLYDIR);
    DUNLIN_CHECK(number >= 0, "inotify cannot watch " + path);
    watched_[number] = path;
  };
  add_watch(root_);
  for (const auto& entry : stdfs::recursive_directory_iterator(root_)) {
    if (entry.symlink_status().type() == stdfs::file_type::directory) add_watch(entry.path());
  }
}

std::set<std::string> Outside::events() {
  std::set<std::string> seen;
  alignas(inotify_event) std::array<char, 64 << 10> buffer;
  for (ssize_t got = 0; (got = ::read(inotify_.get(), buffer.data(), buffer.size())) > 0;) {
    for (const char* at = buffer.data(); at < buffer.data() + got;) {
      const auto* event = reinterpret_cast<const inotify_event*>(at);
      at += sizeof(inotify_event) + event->len;
      if ((event->mask & IN_IGNORED) != 0) continue;
      const auto folder = watched_.find(event->wd);
      const std::string path = folder == watched_.end() ? "" : folder->second;
      std::string text = below(path, event->len > 0 ? event->name : "");
      text += ": ";
      text += words_of(event->mask);
      seen.insert(std::move(text));
    }
  }
  return seen;
}

Outside::Picture Outside::picture() const {
  Picture found;
  found[root_] = picture_of(root_);
  for (const auto& entry : stdfs::recursive_directory_iterator(root_))
    found[entry.path()] = picture_of(entry.path());
  return found;
}

std::vector<Finding> Outside::touched() {
  std::vector<Finding> findings;
  std::size_t count = 0;
  for (const std::string& event : events()) add(findings, count, Witness::event, event);
  const Picture now = picture();
  count = 0;
  for (const auto& [path, shown] : before_) {
    const auto found = now.find(path);
    if (found == now.end()) {
      add(findings, count, Witness::picture, path + ": is not there any more");
    } else if (found->second != shown) {
      std::string text = path;
      text.append("\n    was ").append(shown).append("\n    is  ").append(found->second);
      add(findings, count, Witness::picture, std::move(text));
    }
  }
  for (const auto& [path, shown] : now) {
    if (!before_.contains(path)) add(findings, count, Witness::picture, path + ": is new");
  }
  static_cast<void>(events());  // the judge's own
  return findings;
}

std::vector<Finding> carried_in(const std::string& folder) {
  std::vector<Finding> findings;
  std::size_t count = 0;
  for (const auto& entry : stdfs::recursive_directory_iterator(folder)) {
    const stdfs::path& path = entry.path();
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0) continue;
    const std::pair<const char*, std::string> places[] = {
        {"name", path.filename()},
        {"attributes", attributes_of(path)},
        {S_ISLNK(info.st_mode) ? "target" : "content", inside_of(path, info.st_mode)},
    };
    for (const auto& [place, text] : places) {
      if (text.find(kMarker) != std::string::npos)
        add(findings, count, Witness::marker, path.string() + ": the outside's " + place);
    }
  }
  return findings;
}

}  // namespace dunlin::attack
