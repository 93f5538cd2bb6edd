// SourceTrees: the sources of one execution, reached by the paths that the ledger keeps.
//
// With one source those are paths below its root. Several sources are entries of one tree that
// nobody has ever seen: `NAME/…` of a source that is a directory, `NAME` of one that is not, as
// they arrive at the destination (docs/adr/0009). That tree's root is no directory, so who wants an
// entry asks for the directory that holds it, with the entry's name.
//
// What is opened stays open, so that another directory under the same path is noticed. Immutable
// but for the caches of handles; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "files/plan.h"
#include "fs/directory.h"

namespace dunlin::files {

class SourceTrees {
 public:
  using Handle = std::shared_ptr<const fs::Directory>;

  /// A directory opened by its path: a source, or one that holds sources which are no directories.
  struct Root {
    std::string path;
    fs::Follow follow = fs::Follow::never;
    bool whole_tree = false;         ///< it is a source itself
    std::vector<std::string> names;  ///< several sources: of those that are, or lie in, it
    std::unique_ptr<fs::DirectoryCache> cache;
    /// Of several: why it could not be opened. What is taken from it, or back to it, fails with
    /// this, and the others go on; all that begins work asks for all of them (Site::identity).
    std::optional<Error> missing;
    /// Not of one that is missing.
    [[nodiscard]] const fs::Directory& directory() const { return cache->root(); }
  };

  /// The error of the only source; of several each has its own.
  [[nodiscard]] static Result<std::unique_ptr<SourceTrees>> open(const FilesPlan& plan,
                                                                 const Layout& layout,
                                                                 fs::Features features);

  /// A directory that is, or lies in, a source; not the root of several.
  [[nodiscard]] Result<Handle> get(const std::string& directory_path);
  /// The directory that holds an entry, by the entry's path in the ledger.
  [[nodiscard]] Result<Handle> holder(const std::string& directory_path, const std::string& name);
  /// Is, or with several sources will be, an entry of this name there? False where the directory
  /// cannot be opened.
  [[nodiscard]] Result<bool> has_entry(const std::string& directory_path, const std::string& name);
  /// It was removed; see DirectoryCache.
  void forget(const std::string& directory_path);

  /// Of a directory that is, or lies in, a source: that source's root, and the path below it.
  [[nodiscard]] const Root& root_of(const std::string& directory_path) const;
  [[nodiscard]] std::string_view below_root(const std::string& directory_path) const;
  /// The root of several sources: no directory of any file system.
  [[nodiscard]] bool is_virtual(const std::string& directory_path) const {
    return several_ && directory_path.empty();
  }

  /// One of several sources, itself.
  [[nodiscard]] bool is_named(const std::string& directory_path) const {
    return several_ && directory_path.find('/') == std::string::npos;
  }

  [[nodiscard]] const std::vector<Root>& roots() const { return roots_; }
  /// Of a device that one of the roots is on: which root is the first on it. The same in every
  /// process, as device numbers are not. Only one source: not asked for.
  [[nodiscard]] std::size_t first_root_on(std::uint64_t device) const;
  /// Opens the path of a root again.
  [[nodiscard]] Result<fs::Directory> look_again(const Root& root) const;

 private:
  SourceTrees(fs::Features features, bool several) : features_(features), several_(several) {}
  [[nodiscard]] std::size_t index_of(std::string_view directory_path,
                                     const std::string& name) const;

  fs::Features features_;
  bool several_;
  std::vector<Root> roots_;
  std::map<std::string, std::size_t, std::less<>> by_name_;  ///< of several: index in roots_
};

}  // namespace dunlin::files
