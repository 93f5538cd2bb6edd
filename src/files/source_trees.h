// SourceTrees: the sources of one execution, reached by the paths that the ledger keeps.
//
// With one source those are paths below its root. Several sources are entries of one tree that
// nobody has ever seen: `NAME/…` of a source that is a directory, `NAME` of one that is not, as
// they arrive at the destination (docs/adr/0009). That tree's root is no directory, so who wants an
// entry asks for the directory that holds it, with the entry's name.
//
// What is opened stays open while the process may hold so many directories; beyond that the ones
// used last stay, and the others are opened again when they are needed. Another directory under the
// same path is noticed by its numbers. Immutable but for the handles; any thread.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "files/layout.h"
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
    /// Of several: why it could not be opened. What is taken from it, or back to it, fails with
    /// this, and the others go on; all that begins work asks for all of them (Site::identity).
    std::optional<Error> missing;
    std::uint64_t device = 0;  ///< not of one that is missing, as the next
    std::uint64_t inode = 0;
    [[nodiscard]] bool is(const fs::Directory& other) const {
      return device == other.device() && inode == other.inode();
    }
    /// For messages: itself, or of those that lie in it the first.
    [[nodiscard]] std::string shown() const;
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
  /// A root itself, one of roots(): for as long as it is needed, of many not all at once.
  [[nodiscard]] Result<Handle> open_root(const Root& root);
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
  using Cache = std::shared_ptr<fs::DirectoryCache>;
  [[nodiscard]] std::size_t index_of(std::string_view directory_path,
                                     const std::string& name) const;
  /// The directories below a root that are in use, and the root.
  [[nodiscard]] Result<Cache> hold(std::size_t index);
  [[nodiscard]] Cache keep(std::size_t index, fs::Directory opened);

  fs::Features features_;
  bool several_;
  std::vector<Root> roots_;
  std::map<std::string, std::size_t, std::less<>> by_name_;  ///< of several: index in roots_
  std::size_t share_ = 0;                                    ///< of each root's cache
  std::mutex mutex_;                                         ///< of what follows
  std::list<std::pair<std::size_t, Cache>> held_;   ///< used last first, by index in roots_
  std::vector<decltype(held_)::iterator> held_by_;  ///< by root; end(): not held
};

}  // namespace dunlin::files
