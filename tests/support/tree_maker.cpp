// The system calls behind the adversarial tree.
#include "support/tree_maker.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "support/tree_compare.h"

namespace dunlin::testing {
namespace {

/// ids without a name are the rule in a migration; -1 is the only one that cannot be.
constexpr uid_t kOwners[] = {0, 0, 1, 1000, 12'345, 65'534, 65'536, 2'147'483'648, 4'294'967'294};

void require(bool worked, const char* what, const std::string& path) {
  if (worked) return;
  const int error = errno;
  throw std::runtime_error(std::string("adversarial tree: ") + what + " " + escaped(path) + ": " +
                           std::strerror(error) + " (errno " + std::to_string(error) + ")");
}

std::string path_of(const Folder& at, const std::string& name) {
  return at.path + "/" + name;
}

int create(const Folder& at, const std::string& name) {
  const int fd =
      ::openat(at.fd, name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  require(fd >= 0, "create", path_of(at, name));
  return fd;
}

std::string in_proc(const Folder& at, const std::string& name) {
  return "/proc/self/fd/" + std::to_string(at.fd) + "/" + name;
}

}  // namespace

const std::vector<timespec>& adversarial_times() {
  static const std::vector<timespec> times = {
      {0, 0},
      {0, 1},
      {-1, 0},
      {-1, 999'999'999},  // one nanosecond before 1970: truncation towards zero makes it 1970
      {-1'500'000'000, 500'000'000},
      {-2'147'483'648, 0},  // 1901-12-13, the least of ext4, which takes no nanoseconds there
      {-2'147'483'647, 1},
      {951'782'400, 0},  // 2000-02-29
      {1'700'000'000, 123'456'789},
      {1'700'000'000, 999'999'999},
      {1'700'000'001, 0},
      {1'700'000'000, 123'456'000},  // whole microseconds
      {2'147'483'647, 999'999'999},  // 2038-01-19
      {2'147'483'648, 0},
      {4'294'967'295, 999'999'999},  // 2106-02-07
      {4'294'967'296, 0},
      {9'223'372'036, 854'775'807},  // 2262-04-11: the end of nanoseconds in 64 bits
      {9'223'372'037, 0},
      {13'569'465'600, 7},  // 2400
  };
  return times;
}

std::string acl_bytes(const std::vector<AclEntry>& entries) {
  std::string bytes;
  const auto append = [&bytes](std::uint32_t value, unsigned size) {
    for (unsigned n = 0; n < size; ++n) bytes += static_cast<char>(value >> (8 * n) & 0xFFU);
  };
  append(2, 4);
  for (const AclEntry& entry : entries) {
    append(entry.tag, 2);
    append(entry.permissions, 2);
    append(entry.id, 4);
  }
  return bytes;
}

TreeMaker::TreeMaker(const std::string& root, const AdversarialOptions& options)
    : options_(options), random_(options.seed) {
  const int fd = ::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  require(fd >= 0, "open", root);
  folders_.push_back({fd, root, look(0710), {}, 0});
}

TreeMaker::~TreeMaker() {
  for (const Folder& folder : folders_) ::close(folder.fd);
}

std::string TreeMaker::bytes(std::size_t size) {
  std::string all(size + 8, '\0');
  for (std::size_t at = 0; at < size; at += 8) {
    const std::uint64_t word = random_();
    std::memcpy(&all[at], &word, 8);
  }
  all.resize(size);
  return all;
}

Look TreeMaker::look(mode_t mode) {
  const auto& times = adversarial_times();
  // In this order: arguments have none.
  const uid_t uid = kOwners[random(std::size(kOwners))];
  const gid_t gid = kOwners[random(std::size(kOwners))];
  timespec time = times[random(times.size())];
  if (random(2) == 0) {
    time.tv_sec = 1'000'000'000 + static_cast<time_t>(random(700'000'000));
    time.tv_nsec = static_cast<long>(random(1'000'000'000));
  }
  return {mode, uid, gid, time};
}

Folder& TreeMaker::folder(Folder& at, const std::string& name, mode_t mode) {
  require(::mkdirat(at.fd, name.c_str(), 0700) == 0, "mkdir", path_of(at, name));
  const int fd = ::openat(at.fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  require(fd >= 0, "open", path_of(at, name));
  folders_.push_back({fd, path_of(at, name), look(mode), {}, 0});
  return folders_.back();
}

void TreeMaker::write(int fd, const Folder& at, const std::string& name, const std::string& content,
                      off_t offset) {
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t wrote = ::pwrite(fd, content.data() + done, content.size() - done,
                                   offset + static_cast<off_t>(done));
    if (wrote <= 0) ::close(fd);
    require(wrote > 0, "write", path_of(at, name));
    done += static_cast<std::size_t>(wrote);
  }
}

void TreeMaker::file(Folder& at, const std::string& name, const std::string& content,
                     const Look& look) {
  const int fd = create(at, name);
  write(fd, at, name, content, 0);
  ::close(fd);
  dress(at, name, look);
}

void TreeMaker::sparse(Folder& at, const std::string& name, off_t size,
                       const std::vector<Extent>& data, bool zeros) {
  const int fd = create(at, name);
  for (const Extent& extent : data) {
    write(fd, at, name, zeros ? std::string(extent.size, '\0') : bytes(extent.size), extent.offset);
  }
  const bool sized = ::ftruncate(fd, size) == 0;
  ::close(fd);
  require(sized, "truncate", path_of(at, name));
  dress(at, name, look());
}

void TreeMaker::reserved(Folder& at, const std::string& name, std::size_t content, off_t reserved,
                         bool keep) {
  const int fd = create(at, name);
  write(fd, at, name, bytes(content), 0);
  const bool worked = ::fallocate(fd, keep ? FALLOC_FL_KEEP_SIZE : 0, 0, reserved) == 0;
  ::close(fd);
  require(worked, "fallocate", path_of(at, name));
  dress(at, name, look());
}

void TreeMaker::symlink(Folder& at, const std::string& name, const std::string& target,
                        const Look& look) {
  require(::symlinkat(target.c_str(), at.fd, name.c_str()) == 0, "symlink", path_of(at, name));
  Look link = look;
  link.mode = S_IFLNK;
  dress(at, name, link);
}

void TreeMaker::node(Folder& at, const std::string& name, const Look& look, dev_t device) {
  const mode_t made = (look.mode & S_IFMT) | 0600U;
  require(::mknodat(at.fd, name.c_str(), made, device) == 0, "mknod", path_of(at, name));
  dress(at, name, look);
}

void TreeMaker::link(Folder& from, const std::string& name, Folder& to, const std::string& other) {
  require(::linkat(from.fd, name.c_str(), to.fd, other.c_str(), 0) == 0, "link",
          path_of(to, other));
}

void TreeMaker::xattr(Folder& at, const std::string& name, const std::string& key,
                      const std::string& value) {
  require(::lsetxattr(in_proc(at, name).c_str(), key.c_str(), value.data(), value.size(), 0) == 0,
          "set an xattr of", path_of(at, name));
}

void TreeMaker::flags_at_end(Folder& at, const std::string& name, unsigned flags) {
  flags_.push_back({&at, name, flags});
}

/// The owner before the mode, for chown clears setuid; the time last.
void TreeMaker::dress(Folder& at, const std::string& name, const Look& look) {
  const std::string path = path_of(at, name);
  if (as_root()) {
    require(::fchownat(at.fd, name.c_str(), look.uid, look.gid, AT_SYMLINK_NOFOLLOW) == 0, "chown",
            path);
  }
  if (!S_ISLNK(look.mode)) {
    require(::fchmodat(at.fd, name.c_str(), look.mode & 07777U, 0) == 0, "chmod", path);
  }
  const timespec times[] = {look.mtime, look.mtime};
  require(::utimensat(at.fd, name.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0, "set the time of",
          path);
}

void TreeMaker::add_flags(int fd, unsigned flags, const std::string& path) {
  int now = 0;
  require(::ioctl(fd, FS_IOC_GETFLAGS, &now) == 0, "get the flags of", path);
  now |= static_cast<int>(flags);
  require(::ioctl(fd, FS_IOC_SETFLAGS, &now) == 0, "set the flags of", path);
}

void TreeMaker::finish() {
  for (auto folder = folders_.rbegin(); folder != folders_.rend(); ++folder) {
    const int fd = folder->fd;
    const std::string& path = folder->path;
    const Look& look = folder->look;
    if (as_root()) require(::fchown(fd, look.uid, look.gid) == 0, "chown", path);
    require(::fchmod(fd, look.mode) == 0, "chmod", path);
    for (const auto& [key, value] : folder->xattrs) {
      require(::fsetxattr(fd, key.c_str(), value.data(), value.size(), 0) == 0, "set an xattr of",
              path);
    }
    const timespec times[] = {look.mtime, look.mtime};
    require(::futimens(fd, times) == 0, "set the time of", path);
  }
  if (!as_root() || !options_.flags) return;
  for (const Flags& file : flags_) {
    const std::string path = path_of(*file.at, file.name);
    const int fd = ::openat(file.at->fd, file.name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    require(fd >= 0, "open", path);
    add_flags(fd, file.flags, path);
    ::close(fd);
  }
  for (const Folder& folder : folders_) {
    if (folder.flags != 0) add_flags(folder.fd, folder.flags, folder.path);
  }
}

}  // namespace dunlin::testing
