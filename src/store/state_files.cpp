#include "store/state_files.h"

#include <cerrno>
#include <filesystem>

#include <fmt/format.h>

#include "base/logging.h"

namespace dunlin::store {

Error state_file_error(std::string_view what) {
  return error_from_errno(errno, what, true);
}

Result<bool> is_plain(const std::string& path, mode_t type) {
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0) {
    if (errno == ENOENT) return false;
    return state_file_error(fmt::format("stat '{}'", path));
  }
  if ((found.st_mode & S_IFMT) == type) return true;
  return Error(ErrorType::state_unusable,
               fmt::format("'{}' is not a plain {}", path, type == S_IFDIR ? "directory" : "file"));
}

void remove_tree(const std::string& path) {
  std::error_code problem;
  std::filesystem::remove_all(path, problem);
  if (problem) log_warn("cannot remove '{}': {}", path, problem.message());
}

Result<bool> make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0) return true;
  if (errno != EEXIST) return state_file_error(fmt::format("mkdir '{}'", path));
  DUNLIN_ASSIGN(const bool there, is_plain(path, S_IFDIR));
  if (!there)
    return Error(ErrorType::state_unusable, fmt::format("'{}' went away while it was made", path));
  return false;
}

}  // namespace dunlin::store
