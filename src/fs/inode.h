// Inode: an entry held open, whatever its type, so that what is done to it cannot be led astray by
// another entry put under its name (files.md F-19). And its metadata beyond statx: extended
// attributes, ACLs (which Linux keeps as extended attributes) and inode flags. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "fs/directory.h"

namespace dunlin::fs {

/// A descriptor of an inode. `path_only` (O_PATH): a symlink, FIFO, socket or device, which is
/// never opened for reading or writing. Does not own the descriptor.
struct InodeRef {
  int fd = -1;
  bool path_only = false;
};

/// One extended attribute. Names are as the kernel has them: "user.x", "system.posix_acl_access".
struct Xattr {
  std::string name;
  std::string value;
  friend bool operator==(const Xattr&, const Xattr&) = default;
};

/// What statx does not tell.
struct Extended {
  std::vector<Xattr> xattrs;           ///< by name
  std::optional<std::uint32_t> flags;  ///< FS_IOC_GETFLAGS, kFlags only; nullopt: none are kept
  friend bool operator==(const Extended&, const Extended&) = default;
};

/// Flags that a copy takes over (linux/fs.h): the others describe how a file system stores a file.
extern const std::uint32_t kFlags;
/// Of these, the ones that forbid the rename into place: they are set when the name is final.
extern const std::uint32_t kFinalFlags;

inline constexpr std::string_view kAccessAcl = "system.posix_acl_access";
inline constexpr std::string_view kDefaultAcl = "system.posix_acl_default";
[[nodiscard]] inline bool is_acl(std::string_view name) {
  return name == kAccessAcl || name == kDefaultAcl;
}

/// Opens an entry of any type by name with O_PATH | O_NOFOLLOW: nothing happens to it.
[[nodiscard]] Result<UniqueFd> open_node(const Directory& directory, std::string_view name);

/// A file system without attributes has none: no error. One that vanishes meanwhile is left out.
[[nodiscard]] Result<std::vector<Xattr>> read_xattrs(InodeRef inode, const Directory& directory,
                                                     std::string_view name);
/// Attributes and flags. Symlinks and special files have no flags.
[[nodiscard]] Result<Extended> read_extended(InodeRef inode, const Directory& directory,
                                             std::string_view name);

/// These return errno, 0 for success: whether a refusal is a loss or an error depends on the
/// caller.
[[nodiscard]] int set_xattr(InodeRef inode, const Xattr& attribute);
/// Absent is success.
[[nodiscard]] int remove_xattr(InodeRef inode, const std::string& name);
[[nodiscard]] int change_owner(InodeRef inode, std::uint32_t uid, std::uint32_t gid);
[[nodiscard]] int change_mode(InodeRef inode, std::uint32_t mode);
[[nodiscard]] int change_times(InodeRef inode, const Time& atime, const Time& mtime);
/// Those of kFinalFlags that it has; none where the file system knows no flags.
[[nodiscard]] std::uint32_t final_flags_of(int fd);
/// Gives the bits of `mask` the values in `flags`; leaves the others alone. `before`, if given,
/// gets what all were.
[[nodiscard]] int change_flags(int fd, std::uint32_t flags, std::uint32_t mask,
                               std::uint32_t* before = nullptr);

/// For the ledger.
[[nodiscard]] std::string encode_extended(const Extended& extended);
[[nodiscard]] Result<Extended> decode_extended(std::string_view bytes);

}  // namespace dunlin::fs
