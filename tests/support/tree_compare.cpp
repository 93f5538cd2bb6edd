// How the walk stays within eight descriptors: only the directory in hand is open on each side; the
// way up is "..", checked against the inode that was left.
#include "support/tree_compare.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <stdexcept>
#include <utility>

#include "support/file_compare.h"

namespace dunlin::testing {

std::string escaped(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F && byte != '\\') {
      text += c;
    } else {
      text += {'\\', 'x', kDigits[byte >> 4U], kDigits[byte & 15U]};
    }
  }
  return text;
}

namespace {

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

using Inode = std::pair<dev_t, ino_t>;
using Attributes = std::map<std::string, std::string>;

Inode inode_of(const struct stat& info) {
  return {info.st_dev, info.st_ino};
}

std::string reason() {
  return std::strerror(errno);
}  // NOLINT(concurrency-mt-unsafe)

/// Without a new atime where we may; never waits for a FIFO that took the file's place.
Fd open_at(int directory, const std::string& name, int flags) {
  const int all = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags;
  const int fd = ::openat(directory, name.c_str(), all | O_NOATIME);
  if (fd >= 0 || errno != EPERM) return Fd(fd);
  return Fd(::openat(directory, name.c_str(), all));
}

/// Sorted. Empty, with errno, if the directory cannot be listed or entered.
std::optional<std::vector<std::string>> names_in(int directory) {
  if (::faccessat(directory, ".", X_OK, AT_EACCESS) != 0) return std::nullopt;
  const int copy = ::fcntl(directory, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return std::nullopt;
  DIR* const stream = ::fdopendir(copy);
  if (stream == nullptr) {
    ::close(copy);
    return std::nullopt;
  }
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
    errno = 0;
  }
  const int error = errno;
  ::closedir(stream);
  errno = error;
  if (error != 0) return std::nullopt;
  std::sort(names.begin(), names.end());
  return names;
}

std::string type_name(mode_t mode) {
  for (const auto& [type, name] : {std::pair<unsigned, const char*>(S_IFREG, "file"),
                                   {S_IFDIR, "directory"},
                                   {S_IFLNK, "symlink"},
                                   {S_IFIFO, "FIFO"},
                                   {S_IFSOCK, "socket"},
                                   {S_IFCHR, "character device"},
                                   {S_IFBLK, "block device"}}) {
    if ((mode & S_IFMT) == type) return name;
  }
  return "unknown";
}

std::string time_text(const timespec& time) {
  return std::to_string(time.tv_sec) + " s + " + std::to_string(time.tv_nsec) + " ns";
}

std::string mode_text(mode_t mode) {
  std::string text;
  for (const unsigned shift : {9U, 6U, 3U, 0U}) text += std::to_string(mode >> shift & 7U);
  return text;
}

std::string value_text(const std::string& value) {
  const std::string count = std::to_string(value.size()) + " bytes";
  return value.empty() ? count : count + " " + escaped(value.substr(0, 80));
}

std::optional<std::string> target_of(int directory, const std::string& name) {
  std::string target(4096, '\0');  // PATH_MAX: no file system of Linux keeps a longer one
  const ssize_t size = ::readlinkat(directory, name.c_str(), target.data(), target.size());
  if (size < 0) return std::nullopt;
  target.resize(static_cast<std::size_t>(size));
  return target;
}

/// Empty, with errno, if something could not be read. A file system without xattrs has none.
std::optional<Attributes> attributes_of(const std::string& path) {
  Attributes all;
  ssize_t size = ::llistxattr(path.c_str(), nullptr, 0);
  if (size < 0 && errno != EOPNOTSUPP) return std::nullopt;
  if (size <= 0) return all;
  std::string names(static_cast<std::size_t>(size), '\0');
  size = ::llistxattr(path.c_str(), names.data(), names.size());
  if (size < 0) return std::nullopt;
  names.resize(static_cast<std::size_t>(size));
  std::string value;
  for (std::size_t at = 0; at < names.size(); at += std::strlen(&names[at]) + 1) {
    value.resize(65'536);  // XATTR_SIZE_MAX
    size = ::lgetxattr(path.c_str(), &names[at], value.data(), value.size());
    if (size < 0) return std::nullopt;
    all.emplace(&names[at], value.substr(0, static_cast<std::size_t>(size)));
  }
  return all;
}

constexpr unsigned kJudgedFlags = FS_NODUMP_FL | FS_NOATIME_FL | FS_APPEND_FL | FS_IMMUTABLE_FL;

unsigned flags_of(int fd) {
  int flags = 0;  // the kernel writes an int, whatever the header says
  return ::ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 ? static_cast<unsigned>(flags) & kJudgedFlags
                                                   : 0U;
}

std::string flags_text(unsigned flags) {
  std::string text;
  for (const auto& [bit, name] : {std::pair<unsigned, const char*>(FS_NODUMP_FL, "nodump "),
                                  {FS_NOATIME_FL, "noatime "},
                                  {FS_APPEND_FL, "append "},
                                  {FS_IMMUTABLE_FL, "immutable "}}) {
    if ((flags & bit) != 0) text += name;
  }
  return text.empty() ? "none" : text.substr(0, text.size() - 1);
}

class Comparison {
 public:
  explicit Comparison(const CompareOptions& options) : options_(options) {}
  std::vector<std::string> run(const std::string& one, const std::string& other);

 private:
  struct Frame {
    Inode one;
    Inode other;
    std::string path;               ///< "" for the roots
    std::vector<std::string> left;  ///< directories of both sides still to go into, last first
  };
  struct Linked {
    Inode one;
    Inode other;
    std::string path;
  };
  using Key = Inode Linked::*;

  void say(const std::string& name, const std::string& what);
  void say(const std::string& name, const std::string& what, const std::string& one,
           const std::string& other);
  void enter(const std::string& name);
  void directory(Fd one, Fd other, const std::string& path);
  bool up();
  void entry(const std::string& name);
  void common(const std::string& name, const struct stat& one, const struct stat& other);
  void file(const std::string& name, const struct stat& one, const struct stat& other);
  void attributes(const std::string& name);
  void flags(const std::string& name, int one, int other);
  void links(Key together, Key apart, const std::string& what);
  [[nodiscard]] bool ignored(const std::string& name) const {
    return std::ranges::find(options_.ignore_names, name) != options_.ignore_names.end();
  }
  [[nodiscard]] std::string path_of(const std::string& name) const {
    if (name == ".") return path_.empty() ? "." : path_;
    return path_.empty() ? name : path_ + "/" + name;
  }

  const CompareOptions& options_;
  Fd one_;            // the directory in hand
  Fd other_;          // the same of the second side
  std::string path_;  // of it
  std::vector<Frame> frames_;
  std::vector<Linked> linked_;
  CompareBuffers buffers_;
  std::vector<std::string> lines_;
};

void Comparison::say(const std::string& name, const std::string& what) {
  lines_.push_back(escaped(path_of(name)) + ": " + what);
}

void Comparison::say(const std::string& name, const std::string& what, const std::string& one,
                     const std::string& other) {
  if (one != other) say(name, what + ": " + one + " | " + other);
}

std::vector<std::string> Comparison::run(const std::string& one, const std::string& other) {
  one_ = open_at(AT_FDCWD, one, O_DIRECTORY);
  if (one_.get() < 0) say(".", "cannot be opened on the first side: " + reason());
  other_ = open_at(AT_FDCWD, other, O_DIRECTORY);
  if (other_.get() < 0) say(".", "cannot be opened on the second side: " + reason());
  if (one_.get() < 0 || other_.get() < 0) return lines_;
  entry(".");
  enter(".");
  while (!frames_.empty()) {
    std::vector<std::string>& left = frames_.back().left;
    if (left.empty()) {
      if (!up()) break;
      continue;
    }
    const std::string name = left.back();
    left.pop_back();
    enter(name);
  }
  if (options_.links) {
    links(&Linked::one, &Linked::other, "one file on the first side, two on the second, with ");
    links(&Linked::other, &Linked::one, "two files on the first side, one on the second, with ");
  }
  return std::move(lines_);
}

void Comparison::enter(const std::string& name) {
  Fd one = open_at(one_.get(), name, O_DIRECTORY | O_NOFOLLOW);
  if (one.get() < 0) say(name, "cannot be opened on the first side: " + reason());
  Fd other = open_at(other_.get(), name, O_DIRECTORY | O_NOFOLLOW);
  if (other.get() < 0) say(name, "cannot be opened on the second side: " + reason());
  if (one.get() < 0 || other.get() < 0) return;
  directory(std::move(one), std::move(other), name == "." ? "" : path_of(name));
}

/// Goes into a directory of both sides, and compares what is in it. A pair that cannot be listed is
/// left at once, by the descriptors of its parents, which are open until then.
void Comparison::directory(Fd one, Fd other, const std::string& path) {
  const std::string before = std::exchange(path_, path);
  flags(".", one.get(), other.get());
  const auto names = names_in(one.get());
  if (!names) say(".", "cannot be listed on the first side: " + reason());
  const auto others = names_in(other.get());
  if (!others) say(".", "cannot be listed on the second side: " + reason());
  if (!names || !others) {
    path_ = before;
    return;
  }
  struct stat one_info{};
  struct stat other_info{};
  if (::fstat(one.get(), &one_info) != 0 || ::fstat(other.get(), &other_info) != 0) {
    throw std::runtime_error("fstat of " + escaped(path) + ": " + reason());
  }
  one_ = std::move(one);
  other_ = std::move(other);
  frames_.push_back({inode_of(one_info), inode_of(other_info), path_, {}});
  auto mine = names->begin();
  auto theirs = others->begin();
  while (mine != names->end() || theirs != others->end()) {
    if (theirs == others->end() || (mine != names->end() && *mine < *theirs)) {
      say(*mine++, "missing on the second side");
    } else if (mine == names->end() || *theirs < *mine) {
      if (!ignored(*theirs)) say(*theirs, "only on the second side");
      ++theirs;
    } else {
      entry(*mine++);
      ++theirs;
    }
  }
  std::reverse(frames_.back().left.begin(), frames_.back().left.end());
}

/// Back to the parent of the directory in hand; false above the roots.
bool Comparison::up() {
  frames_.pop_back();
  if (frames_.empty()) return false;
  const Frame& parent = frames_.back();
  for (Fd* const side : {&one_, &other_}) {
    Fd above = open_at(side->get(), "..", O_DIRECTORY);
    struct stat info{};
    if (above.get() < 0 || ::fstat(above.get(), &info) != 0 ||
        inode_of(info) != (side == &one_ ? parent.one : parent.other)) {
      throw std::runtime_error("moved while it was compared: " + escaped(path_));
    }
    *side = std::move(above);
  }
  path_ = parent.path;
  return true;
}

void Comparison::entry(const std::string& name) {
  struct stat one{};
  struct stat other{};
  if (::fstatat(one_.get(), name.c_str(), &one, AT_SYMLINK_NOFOLLOW) != 0) {
    return say(name, "cannot be looked at on the first side: " + reason());
  }
  if (::fstatat(other_.get(), name.c_str(), &other, AT_SYMLINK_NOFOLLOW) != 0) {
    return say(name, "cannot be looked at on the second side: " + reason());
  }
  if ((one.st_mode & S_IFMT) != (other.st_mode & S_IFMT)) {
    return say(name, "type", type_name(one.st_mode), type_name(other.st_mode));
  }
  common(name, one, other);
  if (S_ISDIR(one.st_mode)) {
    if (name != ".") frames_.back().left.push_back(name);
    return;
  }
  if (one.st_nlink > 1 || other.st_nlink > 1) {
    linked_.push_back({inode_of(one), inode_of(other), path_of(name)});
  }
  if (S_ISREG(one.st_mode)) return file(name, one, other);
  if (S_ISLNK(one.st_mode)) {
    const auto target = target_of(one_.get(), name);
    const auto twin = target_of(other_.get(), name);
    if (!target || !twin) return say(name, "target cannot be read: " + reason());
    return say(name, "target", escaped(*target), escaped(*twin));
  }
  if (S_ISCHR(one.st_mode) || S_ISBLK(one.st_mode)) {
    const auto text = [](dev_t device) {
      return std::to_string(major(device)) + ":" + std::to_string(minor(device));
    };
    say(name, "device", text(one.st_rdev), text(other.st_rdev));
  }
}

/// What every type of entry has.
void Comparison::common(const std::string& name, const struct stat& one, const struct stat& other) {
  if (!S_ISLNK(one.st_mode)) say(name, "mode", mode_text(one.st_mode), mode_text(other.st_mode));
  if (options_.owner) {
    say(name, "uid", std::to_string(one.st_uid), std::to_string(other.st_uid));
    say(name, "gid", std::to_string(one.st_gid), std::to_string(other.st_gid));
  }
  if (options_.directory_times || !S_ISDIR(one.st_mode)) {
    say(name, "mtime", time_text(one.st_mtim), time_text(other.st_mtim));
  }
  if (options_.xattrs || options_.acls) attributes(name);
}

void Comparison::file(const std::string& name, const struct stat& one, const struct stat& other) {
  say(name, "size", std::to_string(one.st_size), std::to_string(other.st_size));
  const bool same_size = one.st_size == other.st_size;
  if (!options_.flags && !(same_size && one.st_size > 0)) return;
  const Fd mine = open_at(one_.get(), name, O_NOFOLLOW);
  if (mine.get() < 0) say(name, "cannot be read on the first side: " + reason());
  const Fd theirs = open_at(other_.get(), name, O_NOFOLLOW);
  if (theirs.get() < 0) say(name, "cannot be read on the second side: " + reason());
  if (mine.get() < 0 || theirs.get() < 0) return;
  flags(name, mine.get(), theirs.get());
  if (!same_size) return;
  const OpenPair files{mine.get(), theirs.get(), one, other};
  const std::string content = content_difference(files, buffers_);
  if (!content.empty()) say(name, "content: " + content);
  const std::string holes = options_.holes ? hole_difference(files) : "";
  if (!holes.empty()) say(name, holes);
}

/// By the path in /proc: it works for every type, unreadable ones too, and at every depth.
void Comparison::attributes(const std::string& name) {
  const auto path = [&](int fd) { return "/proc/self/fd/" + std::to_string(fd) + "/" + name; };
  const auto one = attributes_of(path(one_.get()));
  if (!one) return say(name, "xattrs cannot be read on the first side: " + reason());
  const auto other = attributes_of(path(other_.get()));
  if (!other) return say(name, "xattrs cannot be read on the second side: " + reason());
  if (*one == *other) return;
  Attributes both = *one;
  both.insert(other->begin(), other->end());
  for (const auto& [key, unused] : both) {
    if (!(key.starts_with("system.posix_acl_") ? options_.acls : options_.xattrs)) continue;
    const auto text = [&wanted = key](const Attributes& all) {
      const auto found = all.find(wanted);
      return found == all.end() ? "none" : value_text(found->second);
    };
    const bool equal = one->contains(key) && other->contains(key) && one->at(key) == other->at(key);
    if (!equal) say(name, "xattr " + escaped(key) + ": " + text(*one) + " | " + text(*other));
  }
}

void Comparison::flags(const std::string& name, int one, int other) {
  if (options_.flags) say(name, "flags", flags_text(flags_of(one)), flags_text(flags_of(other)));
}

/// Names that are one inode by `together` but not by `apart`: one line for each piece that came
/// off the largest piece, so that one broken link is one line, whichever of the names it is.
void Comparison::links(Key together, Key apart, const std::string& what) {
  using Piece = std::vector<std::size_t>;  // places in linked_: the order of the walk
  std::map<Inode, std::map<Inode, Piece>> groups;
  for (std::size_t n = 0; n < linked_.size(); ++n) {
    groups[linked_[n].*together][linked_[n].*apart].push_back(n);
  }
  std::map<std::size_t, std::string> found;  // inode numbers decide nothing that is said
  for (const auto& [inode, pieces] : groups) {
    const auto largest = std::ranges::max_element(pieces, [](const auto& one, const auto& other) {
      return std::pair(one.second.size(), other.second.front()) <
             std::pair(other.second.size(), one.second.front());
    });
    const std::string with = what + escaped(linked_[largest->second.front()].path);
    for (const auto& [unused, piece] : pieces) {
      if (&piece == &largest->second) continue;
      found[piece.front()] = escaped(linked_[piece.front()].path) + ": " + with;
    }
  }
  for (auto& [unused, line] : found) lines_.push_back(std::move(line));
}

}  // namespace

std::vector<std::string> tree_differences(const std::string& one, const std::string& other,
                                          const CompareOptions& options) {
  return Comparison(options).run(one, other);
}

}  // namespace dunlin::testing
