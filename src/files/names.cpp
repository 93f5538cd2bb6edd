// Names; see names.h.
#include "files/names.h"

#include <algorithm>

#include "fs/file_system.h"

namespace dunlin::files {
namespace {

constexpr std::size_t kNamesKept = 200'000;
constexpr std::size_t kPathsKept = 4096;
/// What FAT, exFAT and NTFS refuse in a name.
constexpr std::string_view kForbidden = "\"*/:<>?\\|";

bool unusual(std::string_view name) {
  return name.ends_with('.') || name.ends_with(' ') ||
         std::any_of(name.begin(), name.end(), [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return byte < 0x20 || byte >= 0x7f || kForbidden.find(c) != std::string_view::npos;
         });
}

}  // namespace

/// Is `name` in the listing? From memory when it was seen there before, else read anew: somebody
/// may have made it since.
Result<bool> Names::stands(const fs::Directory& directory, const std::string& path,
                           std::string_view name) {
  {
    const std::scoped_lock lock(mutex_);
    const auto found = folders_.find(path);
    if (found != folders_.end() && (!found->second.folds || found->second.names.contains(name)))
      return true;
  }
  Folder folder;
  DUNLIN_ASSIGN(folder.folds, fs::may_fold_names(directory));
  bool stands = !folder.folds;
  if (folder.folds) {
    DUNLIN_ASSIGN(fs::Listing listing, fs::Listing::open(directory));
    while (true) {
      DUNLIN_ASSIGN(const auto entry, listing.next());
      if (!entry) break;
      stands = stands || entry->name == name;
      if (folder.names.size() < kNamesKept) folder.names.emplace(entry->name);
    }
  }
  const std::scoped_lock lock(mutex_);
  if (kept_ + folder.names.size() > kNamesKept || folders_.size() > kPathsKept) {
    folders_.clear();
    kept_ = 0;
  }
  Folder& kept = folders_[path];
  kept_ = kept_ - kept.names.size() + folder.names.size();
  kept = std::move(folder);
  return stands;
}

Result<std::optional<Error>> Names::clash(const fs::Directory& directory, const std::string& path,
                                          std::string_view name) {
  DUNLIN_ASSIGN(const bool itself, stands(directory, path, name));
  if (itself) return std::optional<Error>();
  return std::optional(Error(ErrorType::name_clash,
                             directory.shown(name) +
                                 ": another name stands there that the destination takes for the "
                                 "same; it is left as it is"));
}

Result<std::optional<Error>> Names::clash_on_way(fs::DirectoryCache& root,
                                                 const std::string& path) {
  if (path.empty()) return std::optional<Error>();
  {
    const std::scoped_lock lock(mutex_);
    if (exact_.contains(path)) return std::optional<Error>();
  }
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string parent = path.substr(0, begin == 0 ? 0 : begin - 1);
    DUNLIN_ASSIGN(const auto directory, root.get(parent));
    DUNLIN_ASSIGN(auto found, clash(*directory, parent, path.substr(begin, end - begin)));
    if (found) return found;
    begin = end + 1;
  }
  const std::scoped_lock lock(mutex_);
  if (exact_.size() >= kPathsKept) exact_.clear();
  exact_.insert(path);
  return std::optional<Error>();
}

Error as_name_error(Error error, std::string_view path) {
  const std::string& code = error.native.code;
  bool doubtful = false;
  for (std::size_t begin = 0; begin <= path.size() && !doubtful;) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    doubtful = unusual(path.substr(begin, end - begin));
    begin = end + 1;
  }
  if ((code != "EINVAL" && code != "ENOENT") || !doubtful) return error;
  error.type = ErrorType::invalid_name;
  error.message += " (the destination cannot hold this name)";
  return error;
}

}  // namespace dunlin::files
