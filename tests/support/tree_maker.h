// How adversarial_tree.cpp makes entries: by descriptors, with every attribute set by hand, so that
// neither umask nor clock nor inheritance from a directory shows. One thread.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "support/adversarial_tree.h"

namespace dunlin::testing {

using Xattrs = std::vector<std::pair<std::string, std::string>>;

/// What an entry gets when it is finished.
struct Look {
  mode_t mode = 0644;
  uid_t uid = 0;  ///< as root only
  gid_t gid = 0;
  timespec mtime{};
};

/// A directory, open until the tree is done: it gets its own attributes last, so that neither a
/// closed mode nor a default ACL nor an inode flag is in the way of what is made in it.
struct Folder {
  int fd = -1;
  std::string path;
  Look look;
  Xattrs xattrs;
  unsigned flags = 0;  ///< FS_*_FL, to be added
};

struct Extent {
  off_t offset;
  std::size_t size;
};

/// The bytes of system.posix_acl_*: version 2, little endian. `tag` is ACL_USER_OBJ and so on,
/// entries in the order of their tags and ids.
struct AclEntry {
  std::uint16_t tag;
  std::uint16_t permissions;
  std::uint32_t id = 0xFFFFFFFF;
};
std::string acl_bytes(const std::vector<AclEntry>& entries);

/// All functions throw std::runtime_error with the path and errno.
class TreeMaker {
 public:
  TreeMaker(const std::string& root, const AdversarialOptions& options);
  TreeMaker(const TreeMaker&) = delete;
  TreeMaker& operator=(const TreeMaker&) = delete;
  ~TreeMaker();

  [[nodiscard]] Folder& root() { return folders_.front(); }
  [[nodiscard]] const AdversarialOptions& options() const { return options_; }
  [[nodiscard]] bool as_root() const { return options_.as_root; }

  std::uint64_t random(std::uint64_t below) { return random_() % below; }
  std::string bytes(std::size_t size);
  /// Any owner, as root, and any time that ext4 holds.
  Look look(mode_t mode = 0644);

  Folder& folder(Folder& at, const std::string& name, mode_t mode = 0755);
  void file(Folder& at, const std::string& name, const std::string& content, const Look& look);
  void file(Folder& at, const std::string& name, const std::string& content, mode_t mode = 0644) {
    file(at, name, content, look(mode));
  }
  void sparse(Folder& at, const std::string& name, off_t size, const std::vector<Extent>& data,
              bool zeros = false);
  /// With room reserved past the content: `reserved` bytes in all, the size unchanged if `keep`.
  void reserved(Folder& at, const std::string& name, std::size_t content, off_t reserved,
                bool keep);
  void symlink(Folder& at, const std::string& name, const std::string& target, const Look& look);
  void symlink(Folder& at, const std::string& name, const std::string& target) {
    symlink(at, name, target, look());
  }
  /// FIFO, socket or device, by the type in `look.mode`.
  void node(Folder& at, const std::string& name, const Look& look, dev_t device = 0);
  void link(Folder& from, const std::string& name, Folder& to, const std::string& other);
  /// Of a finished entry; of a directory use Folder::xattrs.
  void xattr(Folder& at, const std::string& name, const std::string& key, const std::string& value);
  /// Of a file, once all else is done.
  void flags_at_end(Folder& at, const std::string& name, unsigned flags);

  /// Attributes of the directories, the deepest first, then the flags of all.
  void finish();

 private:
  struct Flags {
    Folder* at;
    std::string name;
    unsigned flags;
  };
  void write(int fd, const Folder& at, const std::string& name, const std::string& content,
             off_t offset);
  void dress(Folder& at, const std::string& name, const Look& look);
  void add_flags(int fd, unsigned flags, const std::string& path);

  AdversarialOptions options_;
  std::mt19937_64 random_;
  std::deque<Folder> folders_;
  std::vector<Flags> flags_;
};

/// The times that break conversions: see the array for which.
const std::vector<timespec>& adversarial_times();

}  // namespace dunlin::testing
