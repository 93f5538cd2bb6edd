// Metadata; see metadata.h.
#include "fs/metadata.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/file_io.h"
#include "base/text.h"

namespace dunlin::fs {
namespace {

constexpr mode_t kSetIds = S_ISUID | S_ISGID;
constexpr std::uint32_t kGroupBits = S_IRWXG;

/// Only a user without the right, or a file system without the notion, is a loss; all else an
/// error.
bool is_loss(int errno_value) {
  switch (errno_value) {
    case EPERM:
    case EINVAL:
    case EOPNOTSUPP:
    case ENOSYS:
    case ENOTTY:
      return true;
    default:
      return false;
  }
}

/// Attributes have limits of their own (ext4: what fits into one block): not a full disk.
bool is_xattr_loss(int errno_value) {
  return is_loss(errno_value) || errno_value == ENOSPC || errno_value == E2BIG ||
         errno_value == ERANGE || errno_value == EACCES;
}

std::string not_preserved(const std::string& name, int errno_value) {
  return escape_bytes(name) + " not preserved (" + std::strerror(errno_value) + ")";
}

const Xattr* find(const std::vector<Xattr>& attributes, std::string_view name) {
  const auto found = std::find_if(attributes.begin(), attributes.end(),
                                  [&](const Xattr& one) { return one.name == name; });
  return found == attributes.end() ? nullptr : &*found;
}

/// What the owning group may do by the ACL: the mode's group bits are the mask of all its entries.
/// The kernel's layout (linux/posix_acl_xattr.h): version 2, then (tag, permissions, id) of 16, 16
/// and 32 bits, little-endian.
std::uint32_t group_bits_without(const Xattr& acl, std::uint32_t mode) {
  constexpr std::size_t kHeader = 4;
  constexpr std::size_t kEntry = 8;
  constexpr unsigned kOwningGroup = 0x04;
  const auto number = [&](std::size_t at) {
    return static_cast<unsigned>(static_cast<unsigned char>(acl.value[at])) |
           static_cast<unsigned>(static_cast<unsigned char>(acl.value[at + 1])) << 8U;
  };
  for (std::size_t at = kHeader; at + kEntry <= acl.value.size(); at += kEntry) {
    if (number(at) == kOwningGroup) return mode & (~kGroupBits | (number(at + 2) << 3U));
  }
  return mode & ~kGroupBits;
}

class Applier {
 public:
  Applier(InodeRef to, const FileInfo& from, const Extended& extended, const Preserve& preserve,
          const Directory& directory, std::string_view name, bool just_made = false)
      : to_(to),
        from_(from),
        extended_(extended),
        preserve_(preserve),
        directory_(directory),
        name_(name),
        mode_(from.mode),
        just_made_(just_made),
        known_(just_made ? directory.new_file() : std::nullopt) {}

  Result<Applied> run(std::uint32_t flags_to_set) {
    DUNLIN_ASSIGN(Applied applied, apply(flags_to_set));
    const FileInfo& made = applied.info;
    if (known_ && preserve_.owner && (made.uid != owner_.uid || made.gid != owner_.gid)) {
      // The directory has another group by now.
      known_.reset();
      mode_ = from_.mode;
      loss_.clear();
      DUNLIN_ASSIGN(applied, apply(flags_to_set));
    } else if (just_made_ && !known_ && is_plain_) {
      directory_.note_new_file(preserve_.owner ? begun_with_ : NewFile{made.uid, made.gid});
    }
    return applied;
  }

 private:
  Result<Applied> apply(std::uint32_t flags_to_set) {
    const bool has_mode = from_.type != EntryType::symlink;
    DUNLIN_TRY(owner());
    DUNLIN_TRY(attributes());
    if (has_mode) DUNLIN_TRY(mode());
    if (preserve_.times) DUNLIN_TRY(times());
    if (!to_.path_only && preserve_.flags) DUNLIN_TRY(flags(flags_to_set));
    DUNLIN_ASSIGN(const FileInfo now, info_of(to_.fd, name_, directory_.side()));
    // A file system without modes refuses (FAT) or says yes and keeps none (exFAT by FUSE).
    if (has_mode && now.mode != mode_) add_loss(loss_, "mode not preserved");
    return Applied{std::move(loss_), now};
  }

  Status owner() {
    const bool directory = from_.type == EntryType::directory;  // there they grant nothing
    if (!preserve_.owner) {
      if (!directory) mode_ &= ~kSetIds;
      return success();
    }
    NewFile now;
    if (known_) {
      now = *known_;
    } else {
      DUNLIN_ASSIGN(const FileInfo looked_at, info_of(to_.fd, name_, directory_.side()));
      now = {looked_at.uid, looked_at.gid};
    }
    begun_with_ = now;
    owner_ = {from_.uid, from_.gid};
    if (now.uid == from_.uid && now.gid == from_.gid) return success();
    const int refused = change_owner(to_, from_.uid, from_.gid);
    if (refused == 0) return success();
    if (!is_loss(refused)) return directory_.error(refused, "change owner of", name_);
    const bool group =
        now.gid != from_.gid && change_owner(to_, static_cast<std::uint32_t>(-1), from_.gid) == 0;
    owner_ = {now.uid, group ? from_.gid : now.gid};
    add_loss(loss_, group ? "owner not preserved (group is)" : "owner not preserved");
    if ((mode_ & kSetIds) != 0 && !directory) {
      add_loss(loss_, "setuid and setgid taken off");
      mode_ &= ~kSetIds;
    }
    return success();
  }

  [[nodiscard]] bool wanted(const std::string& name) const {
    return is_acl(name) ? preserve_.acls : preserve_.xattrs;
  }
  /// Ours to remove when the source has it not: labels of the system are its own affair.
  [[nodiscard]] bool removable(const std::string& name) const {
    return wanted(name) &&
           (is_acl(name) || name.starts_with("user.") || name.starts_with("trusted."));
  }

  Status attributes() {
    if (!preserve_.xattrs && !preserve_.acls) return without_acl(true);
    std::vector<Xattr> there;
    if (!known_) {
      DUNLIN_ASSIGN(there, read_xattrs(to_, directory_, name_));
      is_plain_ = is_plain_ && there.empty();
    }
    for (const Xattr& surplus : there) {
      if (!removable(surplus.name) || find(extended_.xattrs, surplus.name) != nullptr) continue;
      if (const int refused = remove_xattr(to_, surplus.name); refused != 0)
        return directory_.error(refused, "remove attribute " + surplus.name + " of", name_);
    }
    bool acl_lost = !preserve_.acls;
    for (const Xattr& attribute : extended_.xattrs) {
      if (!wanted(attribute.name)) continue;
      const Xattr* present = find(there, attribute.name);
      if (present != nullptr && present->value == attribute.value) continue;
      const int refused = set_xattr(to_, attribute);
      if (refused == 0) continue;
      if (!is_xattr_loss(refused))
        return directory_.error(refused, "set attribute " + attribute.name + " of", name_);
      if (attribute.name == kAccessAcl) acl_lost = true;
      add_loss(loss_, not_preserved(attribute.name, refused));
    }
    return without_acl(acl_lost);
  }

  Status without_acl(bool lost) {
    if (const Xattr* acl = find(extended_.xattrs, kAccessAcl); lost && acl != nullptr)
      mode_ = group_bits_without(*acl, mode_);
    return success();
  }

  Status mode() {
    if (!preserve_.mode) mode_ = mode_ & 0777U & ~current_umask();
    // Always: a chown that succeeded may have cleared bits, and the temporary was made 0600.
    const int refused = change_mode(to_, mode_);
    if (refused != 0 && !is_loss(refused))
      return directory_.error(refused, "change mode of", name_);
    return success();
  }

  Status times() {
    const int refused = change_times(to_, from_.atime, from_.mtime);
    if (refused == 0) return success();
    if (from_.type == EntryType::symlink && is_loss(refused)) {
      add_loss(loss_, "times not preserved");
      return success();
    }
    return directory_.error(refused, "change times of", name_);
  }

  Status flags(std::uint32_t flags_to_set) {
    if (!extended_.flags) return success();
    const std::uint32_t wanted_flags = *extended_.flags & flags_to_set;
    if (known_ && wanted_flags == 0) return success();
    std::uint32_t before = 0;
    const int refused = change_flags(to_.fd, wanted_flags, flags_to_set, &before);
    is_plain_ = is_plain_ && (before & flags_to_set) == 0;
    if (refused == 0 || (is_loss(refused) && wanted_flags == 0)) return success();
    if (!is_loss(refused)) return directory_.error(refused, "change flags of", name_);
    add_loss(loss_, not_preserved("flags", refused));
    return success();
  }

  static std::uint32_t current_umask();

  InodeRef to_;
  const FileInfo& from_;
  const Extended& extended_;
  const Preserve& preserve_;
  const Directory& directory_;
  std::string_view name_;
  std::uint32_t mode_;
  Loss loss_;
  const bool just_made_;
  std::optional<NewFile> known_;  ///< what it began with, without a look
  NewFile begun_with_;
  NewFile owner_;         ///< that it should have in the end
  bool is_plain_ = true;  ///< it began with neither attributes nor flags
};

/// As /proc shows it (Linux 4.7): umask(2) can only be asked by changing it, for every thread.
std::uint32_t Applier::current_umask() {
  static const std::uint32_t mask = [] {
    constexpr std::uint32_t kUsual = 022;
    const auto status = read_file("/proc/self/status", 64 << 10);
    const std::size_t line = status.ok() ? status->find("\nUmask:") : std::string::npos;
    if (line == std::string::npos) return kUsual;
    return static_cast<std::uint32_t>(std::strtoul(status->c_str() + line + 7, nullptr, 8));
  }();
  return mask;
}

}  // namespace

void add_loss(Loss& loss, std::string_view more) {
  if (more.empty()) return;
  if (!loss.empty()) loss += ", ";
  loss += more;
}

Result<Applied> apply_metadata(InodeRef to, const FileInfo& from, const Extended& extended,
                               const Preserve& preserve, const Directory& directory,
                               std::string_view name, bool just_made) {
  return Applier(to, from, extended, preserve, directory, name, just_made)
      .run(kFlags & ~kFinalFlags);
}

Result<Loss> apply_directory_metadata(const Directory& directory, const FileInfo& from,
                                      const Extended& extended, const Preserve& preserve) {
  DUNLIN_ASSIGN(
      Applied applied,
      Applier({directory.fd(), false}, from, extended, preserve, directory, "").run(kFlags));
  return std::move(applied.loss);
}

Result<Loss> apply_final_flags(const Directory& directory, std::string_view name,
                               std::uint32_t flags) {
  if ((flags & kFinalFlags) == 0) return Loss();
  DUNLIN_ASSIGN(const UniqueFd file, directory.open_file(name, O_RDONLY));
  const int refused = change_flags(file.get(), flags, kFinalFlags);
  if (refused != 0 && !is_loss(refused)) return directory.error(refused, "change flags of", name);
  if (refused != 0) return not_preserved("flags", refused);
  if (TEMP_FAILURE_RETRY(::fsync(file.get())) != 0) return directory.error(errno, "flush", name);
  return Loss();
}

Status remove_final_flags(int fd, const Directory& directory, std::string_view name) {
  const int refused = change_flags(fd, 0, kFinalFlags);
  if (refused == 0 || is_loss(refused)) return success();  // without the right the work will tell
  return directory.error(refused, "change flags of", name);
}

}  // namespace dunlin::fs
