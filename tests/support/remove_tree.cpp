// remove_tree: only the directory in hand is open, the way up is "..", so depth costs nothing.
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>
#include <vector>

#include "support/adversarial_tree.h"
#include "support/tree_compare.h"

namespace dunlin::testing {
namespace {

constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

class Removal {
 public:
  explicit Removal(std::string root) : path_(std::move(root)) {}
  Removal(const Removal&) = delete;
  Removal& operator=(const Removal&) = delete;
  ~Removal() {
    if (fd_ >= 0) ::close(fd_);
  }

  void run() {
    struct stat info{};
    if (::lstat(path_.c_str(), &info) != 0) {
      if (errno != ENOENT) fail("lstat");
      return;
    }
    device_ = info.st_dev;
    if (!S_ISDIR(info.st_mode)) return remove_entry(AT_FDCWD, path_);
    const std::string root = path_;
    enter(AT_FDCWD, root);
    while (!frames_.empty()) {
      if (frames_.back().directories.empty()) {
        leave(root);
      } else {
        const std::string name = std::move(frames_.back().directories.back());
        frames_.back().directories.pop_back();
        path_ += "/" + name;
        enter(fd_, name);
      }
    }
  }

 private:
  struct Frame {
    std::string name;
    ino_t inode;
    std::vector<std::string> directories;  ///< still to be removed
  };

  [[noreturn]] void fail(const std::string& what, const std::string& name = "") const {
    const int error = errno;
    throw std::runtime_error("remove_tree: " + what + " " +
                             escaped(name.empty() ? path_ : path_ + "/" + name) + ": " +
                             std::strerror(error) + " (errno " + std::to_string(error) + ")");
  }

  static bool clear_flags(int fd) {
    int flags = 0;
    if (::ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return true;  // it has none
    const int cleared = flags & ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
    return cleared == flags || ::ioctl(fd, FS_IOC_SETFLAGS, &cleared) == 0;
  }

  void remove_entry(int directory, const std::string& name) const {
    if (::unlinkat(directory, name.c_str(), 0) == 0) return;
    if (errno != EPERM) fail("unlink", name);
    const int fd =
        ::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) clear_flags(fd);
    if (fd >= 0) ::close(fd);
    if (::unlinkat(directory, name.c_str(), 0) != 0) fail("unlink", name);
  }

  /// Makes it the directory in hand, writable, and removes all in it but directories.
  void enter(int parent, const std::string& name) {
    int fd = ::openat(parent, name.c_str(), kOpenDirectory);
    if (fd < 0 && errno == EACCES && ::fchmodat(parent, name.c_str(), 0700, 0) == 0) {
      fd = ::openat(parent, name.c_str(), kOpenDirectory);
    }
    if (fd < 0) fail("open");
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
    struct stat info{};
    if (::fstat(fd_, &info) != 0) fail("stat");
    errno = EXDEV;
    if (info.st_dev != device_) fail("mounted");
    if (!clear_flags(fd_)) fail("clear the flags of");
    if ((info.st_mode & 0700U) != 0700 && ::fchmod(fd_, 0700) != 0) fail("chmod");
    frames_.push_back({name, info.st_ino, {}});
    list(frames_.back());
  }

  void list(Frame& frame) const {
    const int copy = ::openat(fd_, ".", kOpenDirectory);
    DIR* const stream = copy < 0 ? nullptr : ::fdopendir(copy);
    if (stream == nullptr) fail("list");
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(stream)) names.emplace_back(entry->d_name);
    ::closedir(stream);
    for (std::string& name : names) {
      if (name == "." || name == "..") continue;
      struct stat info{};
      if (::fstatat(fd_, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) fail("stat", name);
      if (S_ISDIR(info.st_mode)) {
        frame.directories.push_back(std::move(name));
      } else {
        remove_entry(fd_, name);
      }
    }
  }

  void leave(const std::string& root) {
    const std::string name = std::move(frames_.back().name);
    frames_.pop_back();
    if (frames_.empty()) {
      if (::rmdir(root.c_str()) != 0) fail("rmdir");
      return;
    }
    const int above = ::openat(fd_, "..", kOpenDirectory);
    if (above < 0) fail("open the parent of");
    ::close(fd_);
    fd_ = above;
    struct stat info{};
    errno = ESTALE;
    if (::fstat(fd_, &info) != 0 || info.st_ino != frames_.back().inode) fail("moved");
    if (::unlinkat(fd_, name.c_str(), AT_REMOVEDIR) != 0) fail("rmdir");
    path_.resize(path_.size() - name.size() - 1);
  }

  std::string path_;
  dev_t device_ = 0;
  int fd_ = -1;
  std::vector<Frame> frames_;
};

}  // namespace

void remove_tree(const std::string& root) {
  std::string path = root;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  Removal(path).run();
}

}  // namespace dunlin::testing
