// Names: what is only known once a destination is asked: whether a name that was found there is
// ours, or another one that the file system takes for the same (case or normalisation folded), and
// whether it can hold a name at all.
//
// A file system that folds finds our `a.txt` where `A.txt` stands, and would have one replace the
// other. Only a listing tells the real names; it is read when a name is found that we have not
// just made, once for each directory as long as it fits, so a fresh copy reads none. Any thread.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"
#include "fs/directory.h"

namespace dunlin::files {

class Names {
 public:
  /// name_clash when `name`, found in `directory` (which is `path` below the root), stands there
  /// under other bytes; nullopt when it is itself.
  [[nodiscard]] Result<std::optional<Error>> clash(const fs::Directory& directory,
                                                   const std::string& path, std::string_view name);
  /// The same of each component of `path`: a directory that could not be made, because another one
  /// is taken for it, takes no files of its own through that one.
  [[nodiscard]] Result<std::optional<Error>> clash_on_way(fs::DirectoryCache& root,
                                                          const std::string& path);

 private:
  struct Folder {
    bool folds = false;
    std::set<std::string, std::less<>> names;  ///< empty: not read, or too many to keep
  };
  [[nodiscard]] Result<bool> stands(const fs::Directory& directory, const std::string& path,
                                    std::string_view name);

  std::mutex mutex_;
  std::map<std::string, Folder> folders_;
  std::size_t kept_ = 0;         ///< names in folders_
  std::set<std::string> exact_;  ///< paths of directories that were found to be themselves
};

/// The same error, as invalid_name where it means that a file system cannot hold the name: they
/// answer with EINVAL (FAT), or ENOENT (exFAT by FUSE). `path`: the name, or that of a directory
/// that could not be made.
[[nodiscard]] Error as_name_error(Error error, std::string_view path);

}  // namespace dunlin::files
