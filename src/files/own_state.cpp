// See own_state.h.
#include "files/own_state.h"

#include "files/records.h"
#include "files/root_directories.h"

namespace dunlin::files {

/// By its inode, and by its place at the destination.
Status OwnState::find(Site& site) {
  const std::string& path = context_.state_path();
  if (path.empty()) return success();
  DUNLIN_ASSIGN(const fs::Directory state, fs::Directory::open_root(path, fs::Side::source));
  device_ = state.device();
  inode_ = state.inode();
  const auto to = site.nearest_destination();
  if (to.ok() && to->missing.empty()) below_destination_ = path_below(state, to->directory);
  return success();
}

Result<bool> OwnState::is_it(const std::string& directory_path, std::string_view name,
                             const fs::FileInfo& info) {
  if (below_destination_ && below_destination_->ends_with(name) &&
      *below_destination_ ==
          (directory_path.empty() ? "" : directory_path + "/") + std::string(name))
    return true;
  if (info.type == fs::EntryType::directory && info.device == device_ && info.inode == inode_)
    return true;
  const std::string_view digits = execution_in_name(name);
  if (digits.empty()) return false;
  return context_.is_own_execution(digits);
}

}  // namespace dunlin::files
