// Metadata; see metadata.h.
#include "fs/metadata.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace dunlin::fs {
namespace {

constexpr mode_t kSetIds = S_ISUID | S_ISGID;

timespec spec_of(const Time& time) {
  timespec spec{};
  spec.tv_sec = time.seconds;
  spec.tv_nsec = time.nanoseconds;
  return spec;
}

/// Only a user without the right, or a file system without owners, is a loss; all else an error.
bool is_loss(int errno_value) {
  return errno_value == EPERM || errno_value == EINVAL || errno_value == EOPNOTSUPP ||
         errno_value == ENOSYS;
}

}  // namespace

Result<Loss> apply_metadata(int fd, const FileInfo& from, const Directory& directory,
                            std::string_view name) {
  Loss loss;
  DUNLIN_ASSIGN(const FileInfo now, info_of(fd, name, directory.side()));
  mode_t mode = from.mode;
  if (now.uid != from.uid || now.gid != from.gid) {
    if (::fchown(fd, from.uid, from.gid) != 0) {
      if (!is_loss(errno)) return directory.error(errno, "change owner of", name);
      loss = "owner not preserved";
      mode &= ~kSetIds;
      if (now.gid != from.gid && ::fchown(fd, static_cast<uid_t>(-1), from.gid) == 0) {
        loss = "owner not preserved (group is)";
      }
      if (mode != from.mode) loss += ", setuid and setgid taken off";
    }
  }
  // Always: a chown that succeeded may have cleared bits, and the temporary was made 0600.
  if (::fchmod(fd, mode) != 0) return directory.error(errno, "change mode of", name);
  const timespec times[2] = {spec_of(from.atime), spec_of(from.mtime)};
  if (::futimens(fd, times) != 0) return directory.error(errno, "change times of", name);
  return loss;
}

Result<Loss> apply_symlink_metadata(const Directory& directory, std::string_view name,
                                    const FileInfo& from) {
  Loss loss;
  const std::string text(name);
  DUNLIN_ASSIGN(const FileInfo now, directory.info(name));
  if (now.uid != from.uid || now.gid != from.gid) {
    if (::fchownat(directory.fd(), text.c_str(), from.uid, from.gid, AT_SYMLINK_NOFOLLOW) != 0) {
      if (!is_loss(errno)) return directory.error(errno, "change owner of", name);
      loss = "owner not preserved";
    }
  }
  const timespec times[2] = {spec_of(from.atime), spec_of(from.mtime)};
  if (::utimensat(directory.fd(), text.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
    if (!is_loss(errno)) return directory.error(errno, "change times of", name);
    loss += loss.empty() ? "times not preserved" : ", times not preserved";
  }
  return loss;
}

Result<Loss> apply_directory_metadata(const Directory& directory, const FileInfo& from) {
  return apply_metadata(directory.fd(), from, directory, "");
}

}  // namespace dunlin::fs
