// See root_directories.h.
#include "files/root_directories.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "base/unique_fd.h"

namespace dunlin::files {

bool same_directory(const fs::Directory& one, const fs::Directory& other) {
  return one.device() == other.device() && one.inode() == other.inode();
}

Result<bool> any_above(const fs::Directory& directory,
                       const std::function<bool(const fs::FileInfo&)>& is_it) {
  UniqueFd held;
  int at = directory.fd();
  DUNLIN_ASSIGN(fs::FileInfo here, directory.info());
  while (!is_it(here)) {
    UniqueFd parent(::openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!parent) return directory.error(errno, "look at the parents of", "");
    DUNLIN_ASSIGN(const fs::FileInfo above,
                  fs::info_of(parent.get(), directory.shown_path(), directory.side()));
    if (above.device == here.device && above.inode == here.inode) return false;
    here = above;
    held = std::move(parent);
    at = held.get();
  }
  return true;
}

Result<bool> lies_in(const fs::Directory& inner, const fs::Directory& outer) {
  return any_above(inner, [&](const fs::FileInfo& above) {
    return above.device == outer.device() && above.inode == outer.inode();
  });
}

std::optional<std::string> path_below(const fs::Directory& inner, const fs::Directory& outer) {
  std::string above = outer.real_path();
  if (above.empty()) return std::nullopt;
  if (above.back() != '/') above += '/';
  const std::string path = inner.real_path();
  if (!path.starts_with(above)) return std::nullopt;
  return path.substr(above.size());
}

Result<fs::Directory> open_derived(fs::Directory base, const Layout& where) {
  if (where.destination_name.empty()) return base;
  DUNLIN_ASSIGN(const auto there, base.find(where.destination_name));
  if (there && there->type != fs::EntryType::directory) {
    Error error(ErrorType::destination_exists,
                base.shown(where.destination_name) + " is a " +
                    std::string(fs::to_string(there->type)) +
                    " at the destination, where the directory of this name would be copied to");
    error.remediation = "name the place itself: SRC/ DST/NAME copies the contents of SRC into it";
    return error;
  }
  return base.open_directory(where.destination_name);
}

}  // namespace dunlin::files
