// Renames; see placement.h.
#include "fs/placement.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <string>

#include <stdio.h>

#include "base/crash_point.h"

namespace dunlin::fs {
namespace {

/// The answers of kernels and file systems that do not know a rename flag.
bool unsupported(int errno_value) {
  return errno_value == EINVAL || errno_value == ENOSYS || errno_value == EOPNOTSUPP;
}

bool links_unsupported(int errno_value) {
  return unsupported(errno_value) || errno_value == EPERM || errno_value == EMLINK;
}

bool rename_at(const Directory& from_directory, std::string_view from,
               const Directory& to_directory, std::string_view to, unsigned flags) {
  return ::renameat2(from_directory.fd(), std::string(from).c_str(), to_directory.fd(),
                     std::string(to).c_str(), flags) == 0;
}

bool link_at(const Directory& from_directory, std::string_view from, const Directory& to_directory,
             std::string_view to) {
  if (!from_directory.features().hard_links) {
    errno = EPERM;
    return false;
  }
  return ::linkat(from_directory.fd(), std::string(from).c_str(), to_directory.fd(),
                  std::string(to).c_str(), 0) == 0;
}

Status changed(const Directory& directory, std::string_view name) {
  Error error = directory.error(ESTALE, "replace", name);
  error.message += " (it is not what it was when the decision was made)";
  return error;
}

/// The new version stands under `name`, the old one under `temporary`.
Status keep_exchanged(const Directory& directory, std::string_view temporary, std::string_view name,
                      const FileInfo& expected, const Directory& kept, std::string_view kept_name) {
  const auto old = directory.find(temporary);
  const bool as_expected = old.ok() && old->has_value() && (*old)->same_content_as(expected);
  if (as_expected) {
    DUNLIN_CRASH_POINT("fs.keep_old.before");
    const Status moved = rename_new(directory, temporary, kept, kept_name);
    DUNLIN_CRASH_POINT("fs.keep_old.after");
    if (moved.ok()) return success();
    if (!rename_at(directory, temporary, directory, name, RENAME_EXCHANGE)) {
      return directory.error(errno, "put back after a failed replacement", name);
    }
    return moved;
  }
  if (!rename_at(directory, temporary, directory, name, RENAME_EXCHANGE)) {
    return directory.error(errno, "put back after a failed replacement", name);
  }
  return changed(directory, name);
}

/// Without RENAME_EXCHANGE: the old version gets its second name first.
Status replace_by_link(const Directory& directory, std::string_view temporary,
                       std::string_view name, const FileInfo& expected, const Directory& kept,
                       std::string_view kept_name) {
  DUNLIN_ASSIGN(const auto old, directory.find(name));
  if (!old || !old->same_content_as(expected)) return changed(directory, name);
  DUNLIN_CRASH_POINT("fs.keep_old.before");
  const bool linked = link_at(directory, name, kept, kept_name);
  if (!linked && errno == EEXIST) {
    // An earlier attempt of ours died between the two steps: fine when it is the same file.
    DUNLIN_ASSIGN(const auto before, kept.find(kept_name));
    if (!before || before->inode != expected.inode) return kept.error(EEXIST, "keep", kept_name);
  } else if (!linked && links_unsupported(errno)) {
    DUNLIN_TRY(rename_new(directory, name, kept, kept_name));
  } else if (!linked) {
    return directory.error(errno, "keep the old version of", name);
  }
  DUNLIN_CRASH_POINT("fs.keep_old.after");
  return rename_over(directory, temporary, directory, name);
}

}  // namespace

Status rename_new(const Directory& from_directory, std::string_view from,
                  const Directory& to_directory, std::string_view to) {
  DUNLIN_CRASH_POINT("fs.rename_new.before");
  bool done = false;
  if (to_directory.features().rename_noreplace) {
    done = rename_at(from_directory, from, to_directory, to, RENAME_NOREPLACE);
    if (!done && !unsupported(errno)) return to_directory.error(errno, "rename to", to);
  }
  if (!done && link_at(from_directory, from, to_directory, to)) {
    DUNLIN_CRASH_POINT("fs.rename_new.linked");
    DUNLIN_TRY(from_directory.remove_file(from));
    done = true;
  }
  if (!done) {
    if (!links_unsupported(errno)) return to_directory.error(errno, "link", to);
    // Two of our own threads with two names that the file system takes for one: neither may look
    // between the other's look and rename.
    static std::mutex look_and_rename;
    const std::scoped_lock lock(look_and_rename);
    DUNLIN_ASSIGN(const auto there, to_directory.find(to));
    if (there) return to_directory.error(EEXIST, "rename to", to);
    DUNLIN_TRY(rename_over(from_directory, from, to_directory, to));
  }
  DUNLIN_CRASH_POINT("fs.rename_new.after");
  return success();
}

Status make_link(const Directory& from_directory, std::string_view from,
                 const Directory& to_directory, std::string_view to) {
  if (!link_at(from_directory, from, to_directory, to))
    return to_directory.error(errno, "link", to);
  return success();
}

Status make_link(int from, const Directory& to_directory, std::string_view to) {
  if (!to_directory.features().hard_links) return to_directory.error(EPERM, "link", to);
  const std::string name(to);
  DUNLIN_CRASH_POINT("fs.link.before");
  int done = ::linkat(from, "", to_directory.fd(), name.c_str(), AT_EMPTY_PATH);
  // ENOENT: not without CAP_DAC_READ_SEARCH (before Linux 6.10). This leads to the inode, too: the
  // kernel follows its own link, and no further one behind it.
  if (done != 0 && errno == ENOENT) {
    const std::string held = "/proc/self/fd/" + std::to_string(from);
    done = ::linkat(AT_FDCWD, held.c_str(), to_directory.fd(), name.c_str(), AT_SYMLINK_FOLLOW);
  }
  if (done != 0) return to_directory.error(errno, "link", to);
  DUNLIN_CRASH_POINT("fs.link.after");
  return success();
}

bool link_impossible(const Error& error) {
  const std::string& code = error.native.code;
  return code == "EMLINK" || code == "EXDEV" || code == "EPERM" || code == "EOPNOTSUPP" ||
         code == "ENOSYS" || code == "ENOENT";
}

Status replace_keeping(const Directory& directory, std::string_view temporary,
                       std::string_view name, const FileInfo& expected, const Directory& kept,
                       std::string_view kept_name) {
  if (directory.features().rename_exchange) {
    DUNLIN_CRASH_POINT("fs.exchange.before");
    if (rename_at(directory, temporary, directory, name, RENAME_EXCHANGE)) {
      DUNLIN_CRASH_POINT("fs.exchange.after");
      return keep_exchanged(directory, temporary, name, expected, kept, kept_name);
    }
    if (errno == ENOENT) return changed(directory, name);
    if (!unsupported(errno)) return directory.error(errno, "replace", name);
  }
  return replace_by_link(directory, temporary, name, expected, kept, kept_name);
}

Status rename_over(const Directory& from_directory, std::string_view from,
                   const Directory& to_directory, std::string_view to) {
  DUNLIN_CRASH_POINT("fs.rename_over.before");
  if (!rename_at(from_directory, from, to_directory, to, 0)) {
    return to_directory.error(errno, "rename to", to);
  }
  DUNLIN_CRASH_POINT("fs.rename_over.after");
  return success();
}

}  // namespace dunlin::fs
