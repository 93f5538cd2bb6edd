// Clones; see clone.h.
#include "fs/clone.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/crash_point.h"
#include "base/file_io.h"

namespace dunlin::fs {
namespace {

/// The answers of kernels, file systems and seccomp filters that do not clone these two files:
/// another file system, no such operation, files with and without checksums or compression, a swap
/// file, a call that is not known or not allowed.
bool declines(int errno_value) {
  switch (errno_value) {
    case EXDEV:
    case EOPNOTSUPP:
    case ENOTTY:
    case EINVAL:
    case ENOSYS:
    case EPERM:
    case EACCES:
    case ETXTBSY:
      return true;
    default:
      return false;
  }
}

std::int64_t size_of(int fd) {
  struct stat info{};
  return ::fstat(fd, &info) == 0 ? info.st_size : -1;
}

/// 0 or errno.
int clone_once(int from, int to) {
  return TEMP_FAILURE_RETRY(::ioctl(to, FICLONE, from)) == 0 ? 0 : errno;
}

}  // namespace

Result<Clone> clone_content(int from, const Subject& from_shown, int to, const Subject& to_shown) {
  DUNLIN_CRASH_POINT("fs.clone.before");
  const int failed = clone_once(from, to);
  if (failed != 0 && !declines(failed)) {
    Error error = error_from_errno(failed, to_shown.text(), true);
    return std::move(error).with_context("clone " + from_shown.text());
  }
  if (failed != 0) return Clone{failed, 0};
  DUNLIN_CRASH_POINT("fs.clone.after");
  Clone clone{0, size_of(to)};
  if (clone.bytes < size_of(from)) clone.declined = ENOSPC;
  return clone;
}

int CloneRefusals::declined(const Devices& devices) const {
  const std::scoped_lock lock(mutex_);
  const auto found = known_.find(devices);
  return found == known_.end() ? 0 : found->second;
}

void CloneRefusals::note(const Devices& devices, int declined) {
  // The others may be the file's own (EINVAL: it has no checksums; ETXTBSY: a swap file).
  if (declined != EXDEV && declined != EOPNOTSUPP && declined != ENOTTY && declined != ENOSYS)
    return;
  const std::scoped_lock lock(mutex_);
  known_.emplace(devices, declined);
}

int clone_obstacle(const Directory& from, const Directory& to) {
  if (!to.features().reflink) return EOPNOTSUPP;
  const UniqueFd one(::openat(to.fd(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  const UniqueFd two(::openat(to.fd(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!one || !two) return 0;
  // A directory is never cloned, but the kernel looks first whether both are on one file system.
  // (btrfs: also where two subvolumes have two device numbers.)
  if (const int why = clone_once(from.fd(), one.get()); why == EXDEV) return why;
  constexpr std::string_view kContent = "dunlin";
  if (!write_all(one.get(), kContent.data(), kContent.size(), "probe").ok()) return 0;
  const int why = clone_once(one.get(), two.get());
  return declines(why) ? why : 0;
}

}  // namespace dunlin::fs
