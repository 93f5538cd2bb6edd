// Inodes; see inode.h.
#include "fs/inode.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <string_view>

#include "base/binary.h"

namespace dunlin::fs {
namespace {

constexpr std::size_t kUsualListBytes = 256;
// XFS shows to root, beside system.posix_acl_*, the form in which it stores an ACL. It goes and
// comes with the ACL: whoever removes it removes the ACL.
constexpr std::string_view kStoredAcl = "trusted.SGI_ACL_";
constexpr int kAttempts = 8;  // a list or value that grows while it is read

/// The only way by which Linux before 6.13 reaches attributes and mode through O_PATH: a link that
/// leads to the held inode itself, not to a name.
std::string proc_path(int fd) {
  return "/proc/self/fd/" + std::to_string(fd);
}

bool has_no_xattrs(int errno_value) {
  return errno_value == EOPNOTSUPP || errno_value == ENOSYS;
}

ssize_t list_raw(InodeRef inode, char* buffer, std::size_t size) {
  return inode.path_only ? ::listxattr(proc_path(inode.fd).c_str(), buffer, size)
                         : ::flistxattr(inode.fd, buffer, size);
}

ssize_t get_raw(InodeRef inode, const std::string& name, char* buffer, std::size_t size) {
  return inode.path_only ? ::getxattr(proc_path(inode.fd).c_str(), name.c_str(), buffer, size)
                         : ::fgetxattr(inode.fd, name.c_str(), buffer, size);
}

/// Calls `read(buffer, size)` until what it reads fits.
template <typename Read>
ssize_t read_growing(std::string& buffer, std::size_t first_size, const Read& read) {
  buffer.resize(first_size);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const ssize_t got = read(buffer.data(), buffer.size());
    if (got >= 0) {
      buffer.resize(static_cast<std::size_t>(got));
      return got;
    }
    if (errno != ERANGE) return -1;
    const ssize_t needed = read(nullptr, 0);
    if (needed < 0) return -1;
    buffer.resize(static_cast<std::size_t>(needed) + 1);
  }
  errno = ERANGE;
  return -1;
}

timespec spec_of(const Time& time) {
  timespec spec{};
  spec.tv_sec = time.seconds;
  spec.tv_nsec = time.nanoseconds;
  return spec;
}

}  // namespace

const std::uint32_t kFinalFlags = FS_IMMUTABLE_FL | FS_APPEND_FL;
const std::uint32_t kFlags =
    kFinalFlags | FS_NODUMP_FL | FS_NOATIME_FL | FS_SYNC_FL | FS_DIRSYNC_FL;

Result<UniqueFd> open_node(const Directory& directory, std::string_view name) {
  DUNLIN_ASSIGN(UniqueFd fd, directory.open_file(name, O_PATH));
  return fd;
}

Result<std::vector<Xattr>> read_xattrs(InodeRef inode, const Directory& directory,
                                       std::string_view name) {
  std::vector<Xattr> found;
  std::string names;
  const ssize_t listed = read_growing(names, kUsualListBytes, [&](char* buffer, std::size_t size) {
    return list_raw(inode, buffer, size);
  });
  if (listed < 0) {
    if (has_no_xattrs(errno)) return found;
    return directory.error(errno, "list attributes of", name);
  }
  for (std::size_t begin = 0; begin < names.size();) {
    Xattr attribute;
    attribute.name = names.c_str() + begin;
    begin += attribute.name.size() + 1;
    if (attribute.name.starts_with(kStoredAcl)) continue;
    const ssize_t got =
        read_growing(attribute.value, kUsualListBytes, [&](char* buffer, std::size_t size) {
          return get_raw(inode, attribute.name, buffer, size);
        });
    if (got < 0) {
      if (errno == ENODATA || has_no_xattrs(errno)) continue;
      return directory.error(errno, "read attribute " + attribute.name + " of", name);
    }
    found.push_back(std::move(attribute));
  }
  std::sort(found.begin(), found.end(),
            [](const Xattr& one, const Xattr& other) { return one.name < other.name; });
  return found;
}

Result<Extended> read_extended(InodeRef inode, const Directory& directory, std::string_view name) {
  Extended extended;
  DUNLIN_ASSIGN(extended.xattrs, read_xattrs(inode, directory, name));
  unsigned flags = 0;
  if (!inode.path_only && ::ioctl(inode.fd, FS_IOC_GETFLAGS, &flags) == 0)
    extended.flags = flags & kFlags;
  return extended;
}

int set_xattr(InodeRef inode, const Xattr& attribute) {
  const char* name = attribute.name.c_str();
  const int done = inode.path_only ? ::setxattr(proc_path(inode.fd).c_str(), name,
                                                attribute.value.data(), attribute.value.size(), 0)
                                   : ::fsetxattr(inode.fd, name, attribute.value.data(),
                                                 attribute.value.size(), 0);
  return done == 0 ? 0 : errno;
}

int remove_xattr(InodeRef inode, const std::string& name) {
  const int done = inode.path_only ? ::removexattr(proc_path(inode.fd).c_str(), name.c_str())
                                   : ::fremovexattr(inode.fd, name.c_str());
  return done == 0 || errno == ENODATA ? 0 : errno;
}

int change_owner(InodeRef inode, std::uint32_t uid, std::uint32_t gid) {
  return ::fchownat(inode.fd, "", uid, gid, AT_EMPTY_PATH) == 0 ? 0 : errno;
}

int change_mode(InodeRef inode, std::uint32_t mode) {
  const int done =
      inode.path_only ? ::chmod(proc_path(inode.fd).c_str(), mode) : ::fchmod(inode.fd, mode);
  return done == 0 ? 0 : errno;
}

int change_times(InodeRef inode, const Time& atime, const Time& mtime) {
  const timespec times[2] = {spec_of(atime), spec_of(mtime)};
  const int done = inode.path_only ? ::utimensat(inode.fd, "", times, AT_EMPTY_PATH)
                                   : ::futimens(inode.fd, times);
  return done == 0 ? 0 : errno;
}

std::uint32_t final_flags_of(int fd) {
  unsigned flags = 0;
  return ::ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 ? flags & kFinalFlags : 0;
}

int change_flags(int fd, std::uint32_t flags, std::uint32_t mask, std::uint32_t* before) {
  unsigned now = 0;
  if (::ioctl(fd, FS_IOC_GETFLAGS, &now) != 0) return errno;
  if (before != nullptr) *before = now;
  const unsigned wanted = (now & ~mask) | (flags & mask);
  if (wanted == now) return 0;
  return ::ioctl(fd, FS_IOC_SETFLAGS, &wanted) == 0 ? 0 : errno;
}

std::string encode_extended(const Extended& extended) {
  ByteWriter out;
  out.u8(extended.flags ? 1 : 0).varint(extended.flags.value_or(0));
  out.varint(extended.xattrs.size());
  for (const Xattr& attribute : extended.xattrs) out.bytes(attribute.name).bytes(attribute.value);
  return out.take();
}

Result<Extended> decode_extended(std::string_view bytes) {
  ByteReader in(bytes);
  Extended extended;
  const bool has_flags = in.u8() != 0;
  const auto flags = static_cast<std::uint32_t>(in.varint());
  if (has_flags) extended.flags = flags;
  for (std::size_t n = in.count(); n > 0 && in.ok(); --n) {
    Xattr attribute;
    attribute.name = in.bytes();
    attribute.value = in.bytes();
    extended.xattrs.push_back(std::move(attribute));
  }
  DUNLIN_TRY(in.finish("attributes of a file"));
  return extended;
}

}  // namespace dunlin::fs
