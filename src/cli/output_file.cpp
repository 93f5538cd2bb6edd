// See output_file.h.
#include "cli/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include <fmt/format.h>

#include "base/file_io.h"
#include "base/text.h"

namespace dunlin::cli {
namespace {

Error exists(const std::string& path) {
  Error error(ErrorType::invalid_input, fmt::format("'{}' exists already", escape_bytes(path)));
  error.remediation = "name another file, or let it be replaced with --yes";
  return error;
}

/// Also where the file system cannot rename without replacing: link(2) gives way as well.
Status give_name(const std::string& temporary, const std::string& path, bool replace) {
  if (replace) {
    if (::rename(temporary.c_str(), path.c_str()) == 0) return success();
  } else {
    if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0)
      return success();
    if (errno == EEXIST) return exists(path);
    if (::link(temporary.c_str(), path.c_str()) == 0) {
      ::unlink(temporary.c_str());
      return success();
    }
    if (errno == EEXIST) return exists(path);
  }
  return error_from_errno(errno, fmt::format("write '{}'", escape_bytes(path)), true);
}

}  // namespace

Status into_new_file(const std::string& path, bool replace,
                     const std::function<Status(const Write&)>& produce) {
  struct stat found{};
  if (!replace && ::lstat(path.c_str(), &found) == 0) return exists(path);
  const std::string temporary = fmt::format("{}.tmp-{}", path, ::getpid());
  const std::size_t slash = path.rfind('/');
  const std::string folder =
      slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
  const auto attempt = [&]() -> Status {
    DUNLIN_ASSIGN(const UniqueFd file,
                  open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644));
    DUNLIN_TRY(
        produce([&](std::string_view bytes) { return write_all(file.get(), bytes, temporary); }));
    DUNLIN_TRY(fsync_file(file.get(), temporary));
    DUNLIN_TRY(give_name(temporary, path, replace));
    return fsync_directory(folder);
  };
  Status done = attempt();
  if (!done.ok()) ::unlink(temporary.c_str());
  return done;
}

}  // namespace dunlin::cli
