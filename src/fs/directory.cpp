// Directory and Listing; see directory.h. The cache is in directory_cache.cpp.
#include "fs/directory.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <limits.h>

#include "base/clock.h"
#include "base/crash_point.h"
#include "base/text.h"
#include "fs/follow.h"

namespace dunlin::fs {
namespace {

constexpr std::size_t kListingBytes = 32 * 1024;
// One call takes less than PATH_MAX; longer paths are opened piece by piece.
constexpr std::size_t kPieceBytes = PATH_MAX - 1;
constexpr int kDirectoryFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
constexpr unsigned kStatxMask = STATX_BASIC_STATS | STATX_BTIME;

std::string joined(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!name.empty() && !path.empty() && path.back() != '/') path += '/';
  path += name;
  return path;
}

Error path_error(int errno_value, std::string_view verb, const std::string& path, Side side) {
  return error_from_errno(errno_value, std::string(verb) + " '" + escape_bytes(path) + "'",
                          side == Side::destination);
}

/// A name that is one component. The kernel would take others, and leave the directory by them.
bool is_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

/// -1 with errno, also when a component is no plain name.
int open_by_components(int base, std::string_view path, int flags) {
  UniqueFd held;
  int at = base;
  while (true) {
    const std::size_t slash = path.find('/');
    const std::string name(path.substr(0, slash));
    const bool last = slash == std::string_view::npos;
    const int step = last ? flags : O_PATH | O_DIRECTORY | O_CLOEXEC;
    const int fd = ::openat(at, name.c_str(), step | O_NOFOLLOW);
    if (fd < 0 || last) return fd;
    held.reset(fd);
    at = held.get();
    path.remove_prefix(slash + 1);
  }
}

int open_beneath(int base, const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  long fd = -1;
  // EAGAIN: something was renamed on the way while the kernel walked (openat2(2)).
  for (int attempt = 0; attempt < 16; ++attempt) {
    fd = ::syscall(SYS_openat2, base, path.c_str(), &how, sizeof how);
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) break;
  }
  return static_cast<int>(fd);
}

/// The longest prefix of whole components that fits into one call.
std::string_view first_piece(std::string_view path) {
  if (path.size() <= kPieceBytes) return path;
  return path.substr(0, path.rfind('/', kPieceBytes));
}

int open_piece(int base, std::string_view piece, int flags, const Features& features) {
  if (features.openat2) {
    const int fd = open_beneath(base, std::string(piece), flags);
    // ENOSYS: before Linux 5.6; EPERM: seccomp filters that do not know the call.
    if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) return fd;
  }
  return open_by_components(base, piece, flags);
}

EntryType type_of(std::uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return EntryType::file;
    case S_IFDIR:
      return EntryType::directory;
    case S_IFLNK:
      return EntryType::symlink;
    case S_IFIFO:
      return EntryType::fifo;
    case S_IFSOCK:
      return EntryType::socket;
    case S_IFCHR:
      return EntryType::character_device;
    case S_IFBLK:
      return EntryType::block_device;
    default:
      return EntryType::unknown;
  }
}

Time time_of(const statx_timestamp& stamp) {
  return {stamp.tv_sec, stamp.tv_nsec};
}

}  // namespace

bool stat_at(int fd, const char* name, int flags, FileInfo& info) {
  struct statx raw{};
  if (::statx(fd, name, flags | AT_NO_AUTOMOUNT, kStatxMask, &raw) != 0) return false;
  info.type = type_of(raw.stx_mode);
  info.mode = raw.stx_mode & 07777U;
  info.uid = raw.stx_uid;
  info.gid = raw.stx_gid;
  info.links = raw.stx_nlink;
  info.device = (static_cast<std::uint64_t>(raw.stx_dev_major) << 32U) | raw.stx_dev_minor;
  info.inode = raw.stx_ino;
  info.size = static_cast<std::int64_t>(raw.stx_size);
  info.allocated_bytes = static_cast<std::int64_t>(raw.stx_blocks) * 512;
  if (info.is_device()) info.special_device = makedev(raw.stx_rdev_major, raw.stx_rdev_minor);
  info.atime = time_of(raw.stx_atime);
  info.mtime = time_of(raw.stx_mtime);
  info.ctime = time_of(raw.stx_ctime);
  if ((raw.stx_mask & STATX_BTIME) != 0) info.birth = time_of(raw.stx_btime);
  return true;
}

int open_quietly(int base, const char* name, int flags, mode_t mode) {
  int fd = TEMP_FAILURE_RETRY(::openat(base, name, flags, mode));
  // Only the owner may leave the access time alone.
  if (fd < 0 && errno == EPERM && (flags & O_NOATIME) != 0)
    fd = TEMP_FAILURE_RETRY(::openat(base, name, flags & ~O_NOATIME, mode));
  return fd;
}

std::string_view to_string(EntryType type) {
  switch (type) {
    case EntryType::unknown:
      return "unknown";
    case EntryType::file:
      return "file";
    case EntryType::directory:
      return "directory";
    case EntryType::symlink:
      return "symlink";
    case EntryType::fifo:
      return "FIFO";
    case EntryType::socket:
      return "socket";
    case EntryType::character_device:
      return "character device";
    case EntryType::block_device:
      return "block device";
  }
  return "unknown";
}

Error Directory::error(int errno_value, std::string_view verb, std::string_view name) const {
  Error error = path_error(errno_value, verb, joined(shown_path_, name), side_);
  struct statvfs space{};
  // A person who looks at the free bytes would not believe it.
  if (errno_value == ENOSPC && ::fstatvfs(fd_.get(), &space) == 0 && space.f_files > 0 &&
      space.f_favail == 0 && space.f_bavail > 0) {
    error.message += " (no inodes are left; bytes are)";
    error.remediation =
        "remove files there, whatever their size, or choose a file system with more inodes, then "
        "run `dunlin resume %E`";
  }
  return error;
}

std::string Directory::real_path() const {
  std::string path(PATH_MAX + 1, '\0');
  const std::string link = "/proc/self/fd/" + std::to_string(fd_.get());
  const ssize_t length = ::readlink(link.c_str(), path.data(), path.size());
  if (length <= 0 || static_cast<std::size_t>(length) == path.size()) return "";
  path.resize(static_cast<std::size_t>(length));
  return path;
}

std::string Directory::shown(std::string_view name) const {
  return "'" + escape_bytes(joined(shown_path_, name)) + "'";
}

struct Directory::Learned {
  std::atomic<std::int64_t> until_ns{0};  ///< monotonic
  std::atomic<std::uint64_t> owner{0};    ///< uid and gid
  std::atomic<std::int64_t> empty_until_ns{kNotAsked};
  static constexpr std::int64_t kNotAsked = 0;
  static constexpr std::int64_t kNot = -1;
};

std::optional<NewFile> Directory::new_file() const {
  if (steady_ns() >= learned_->until_ns.load(std::memory_order_acquire)) return std::nullopt;
  const std::uint64_t owner = learned_->owner.load(std::memory_order_relaxed);
  return NewFile{static_cast<std::uint32_t>(owner >> 32U), static_cast<std::uint32_t>(owner)};
}

bool Directory::was_empty() const {
  const std::int64_t until = learned_->empty_until_ns.load(std::memory_order_acquire);
  if (until != Learned::kNotAsked) return until != Learned::kNot && steady_ns() < until;
  // Whoever asks meanwhile looks for himself.
  if (learned_->empty_until_ns.exchange(Learned::kNot) != Learned::kNotAsked) return false;
  const std::int64_t now = steady_ns();
  auto listing = Listing::open(*this);
  if (!listing.ok()) return false;
  const auto first = listing->next();
  if (!first.ok() || *first) return false;
  learned_->empty_until_ns.store(now + kEmptyHolds_ns, std::memory_order_release);
  return true;
}

void Directory::note_new_file(const NewFile& made) const {
  learned_->owner.store(std::uint64_t{made.uid} << 32U | made.gid, std::memory_order_relaxed);
  learned_->until_ns.store(steady_ns() + kNewFileHolds_ns, std::memory_order_release);
}

Result<Directory> Directory::opened(int fd, Side side, Features features, std::string shown_path) {
  Directory directory(UniqueFd(fd), side, features, std::move(shown_path));
  DUNLIN_ASSIGN(const FileInfo info, directory.info());
  directory.device_ = info.device;
  directory.inode_ = info.inode;
  directory.learned_ = std::make_shared<Learned>();
  return directory;
}

Result<Directory> Directory::open_root(const std::string& path, Side side, Features features,
                                       Follow follow) {
  std::string_view rest = path;
  UniqueFd held;
  int at = AT_FDCWD;
  while (true) {
    const std::string piece(first_piece(rest));
    if (piece.empty()) return path_error(ENAMETOOLONG, "open directory", path, side);
    const bool last = piece.size() == rest.size();
    const int fd =
        ::openat(at, piece.c_str(), last ? kDirectoryFlags : O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return path_error(errno, "open directory", path, side);
    if (last) {
      DUNLIN_ASSIGN(Directory root, opened(fd, side, features, path));
      if (follow != Follow::never) DUNLIN_TRY(root.follow_links(follow));
      return root;
    }
    held.reset(fd);
    at = held.get();
    rest.remove_prefix(piece.size() + 1);
  }
}

Result<Directory> Directory::open_directory(std::string_view relative) const {
  if (!relative.empty()) {
    DUNLIN_TRY(check_relative(relative));
  }
  auto opened = open_physical(relative);
  if (!tree_) return opened;
  // A link on the way is ELOOP to openat2, and ENOTDIR to its fallback.
  const std::string code = opened.ok() ? "" : opened.error().native.code;
  if (code == "ELOOP" || code == "ENOTDIR") opened = open_through_links(relative);
  if (!opened.ok()) return opened;
  opened->tree_ = tree_;
  opened->relative_ = joined(relative_, relative);
  opened->shown_path_ = joined(shown_path_, relative);
  return opened;
}

Status Directory::check_relative(std::string_view relative) const {
  for (std::string_view rest = relative; !rest.empty();) {
    const std::size_t slash = rest.find('/');
    if (!is_name(rest.substr(0, slash)) || slash + 1 == rest.size()) {
      return error(EINVAL, "open directory", relative);
    }
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  }
  return success();
}

/// Through no symlink.
Result<Directory> Directory::open_physical(std::string_view relative) const {
  if (relative.empty()) {
    const int fd = ::openat(fd_.get(), ".", kDirectoryFlags);
    if (fd < 0) return error(errno, "open directory", "");
    return opened(fd, side_, features_, shown_path_);
  }
  UniqueFd held;
  int at = fd_.get();
  for (std::string_view rest = relative;;) {
    const std::string_view piece = first_piece(rest);
    if (piece.empty()) return error(ENAMETOOLONG, "open directory", relative);
    const bool last = piece.size() == rest.size();
    const int flags = last ? kDirectoryFlags : O_PATH | O_DIRECTORY | O_CLOEXEC;
    const int fd = open_piece(at, piece, flags, features_);
    if (fd < 0) return error(errno, "open directory", relative);
    if (last) return opened(fd, side_, features_, joined(shown_path_, relative));
    held.reset(fd);
    at = held.get();
    rest.remove_prefix(piece.size() + 1);
  }
}

Result<UniqueFd> Directory::open_file(std::string_view name, int flags, mode_t mode) const {
  if (!is_name(name)) return error(EINVAL, "open", name);
  if (tree_ && (flags & O_CREAT) == 0) return open_followed(name, flags);
  const int all = flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
  const int fd = open_quietly(fd_.get(), std::string(name).c_str(), all, mode);
  if (fd < 0) return error(errno, (flags & O_CREAT) != 0 ? "create" : "open", name);
  return UniqueFd(fd);
}

Result<std::optional<FileInfo>> Directory::find(std::string_view name) const {
  if (!is_name(name)) return error(EINVAL, "look at", name);
  FileInfo info;
  if (stat_at(fd_.get(), std::string(name).c_str(), AT_SYMLINK_NOFOLLOW, info)) {
    if (!tree_ || info.type != EntryType::symlink) return std::optional(info);
    DUNLIN_ASSIGN(info, followed(name, info));
    return std::optional(info);
  }
  if (errno == ENOENT) return std::optional<FileInfo>();
  return error(errno, "look at", name);
}

Result<FileInfo> Directory::info(std::string_view name) const {
  DUNLIN_ASSIGN(const auto found, find(name));
  if (!found) return error(ENOENT, "look at", name);
  return *found;
}

Result<FileInfo> Directory::info() const {
  return info_of(fd_.get(), shown_path_, side_);
}

Result<FileInfo> info_of(int fd, const Subject& what, Side side) {
  FileInfo info;
  if (!stat_at(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, info)) {
    return path_error(errno, "look at", what.text(), side);
  }
  return info;
}

Status Directory::make_directory(std::string_view name, mode_t mode) const {
  if (!is_name(name)) return error(EINVAL, "create directory", name);
  DUNLIN_CRASH_POINT("fs.make_directory.before");
  if (::mkdirat(fd_.get(), std::string(name).c_str(), mode) != 0) {
    return error(errno, "create directory", name);
  }
  DUNLIN_CRASH_POINT("fs.make_directory.after");
  return success();
}

Status Directory::make_symlink(std::string_view target, std::string_view name) const {
  if (!is_name(name)) return error(EINVAL, "create symlink", name);
  if (::symlinkat(std::string(target).c_str(), fd_.get(), std::string(name).c_str()) != 0) {
    return error(errno, "create symlink", name);
  }
  return success();
}

Status Directory::make_special(const FileInfo& like, std::string_view name) const {
  if (!is_name(name)) return error(EINVAL, "create", name);
  mode_t kind = 0;
  switch (like.type) {
    case EntryType::fifo:
      kind = S_IFIFO;
      break;
    case EntryType::socket:
      kind = S_IFSOCK;
      break;
    case EntryType::character_device:
      kind = S_IFCHR;
      break;
    case EntryType::block_device:
      kind = S_IFBLK;
      break;
    default:
      return error(EINVAL, "create", name);
  }
  if (::mknodat(fd_.get(), std::string(name).c_str(), kind | 0600,
                static_cast<dev_t>(like.special_device)) != 0) {
    return error(errno, "create " + std::string(to_string(like.type)), name);
  }
  return success();
}

Result<std::string> Directory::read_link(std::string_view name) const {
  if (!is_name(name)) return error(EINVAL, "read symlink", name);
  // Linux has no longer targets than PATH_MAX; a full buffer would mean a cut one.
  std::string target(PATH_MAX + 1, '\0');
  const ssize_t length =
      ::readlinkat(fd_.get(), std::string(name).c_str(), target.data(), target.size());
  if (length < 0) return error(errno, "read symlink", name);
  if (static_cast<std::size_t>(length) == target.size()) {
    return error(ENAMETOOLONG, "read symlink", name);
  }
  target.resize(static_cast<std::size_t>(length));
  return target;
}

Status Directory::remove_file(std::string_view name) const {
  if (!is_name(name)) return error(EINVAL, "remove", name);
  DUNLIN_CRASH_POINT("fs.remove_file.before");
  if (::unlinkat(fd_.get(), std::string(name).c_str(), 0) != 0 && errno != ENOENT) {
    return error(errno, "remove", name);
  }
  DUNLIN_CRASH_POINT("fs.remove_file.after");
  return success();
}

Status Directory::remove_directory(std::string_view name) const {
  if (!is_name(name)) return error(EINVAL, "remove directory", name);
  DUNLIN_CRASH_POINT("fs.remove_directory.before");
  if (::unlinkat(fd_.get(), std::string(name).c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
    return error(errno, "remove directory", name);
  }
  DUNLIN_CRASH_POINT("fs.remove_directory.after");
  return success();
}

Listing::Listing(UniqueFd fd, Side side, std::string shown_path)
    : fd_(std::move(fd)), side_(side), shown_path_(std::move(shown_path)), buffer_(kListingBytes) {}

Result<Listing> Listing::open(const Directory& directory) {
  // An open file description of its own: the offset of a directory is shared by duplicates.
  // Nothing of a source, and of a dry run neither side, shows afterwards that it was listed.
  const int flags = kDirectoryFlags | O_NOATIME;
  int fd = TEMP_FAILURE_RETRY(::openat(directory.fd(), ".", flags));
  if (fd < 0 && errno == EPERM)
    fd = TEMP_FAILURE_RETRY(::openat(directory.fd(), ".", kDirectoryFlags));
  if (fd < 0) return directory.error(errno, "list", "");
  return Listing(UniqueFd(fd), directory.side(), directory.shown_path());
}

Result<std::optional<Listing::Entry>> Listing::next() {
  // linux_dirent64: inode 8, offset 8, record length 2, type 1, name.
  constexpr std::size_t kTypeOffset = 18;
  constexpr std::size_t kNameOffset = 19;
  while (true) {
    if (position_ == filled_) {
      const long got =
          TEMP_FAILURE_RETRY(::syscall(SYS_getdents64, fd_.get(), buffer_.data(), buffer_.size()));
      if (got < 0) return path_error(errno, "list", shown_path_, side_);
      if (got == 0) return std::optional<Entry>();
      filled_ = static_cast<std::size_t>(got);
      position_ = 0;
    }
    const char* record = buffer_.data() + position_;
    std::uint16_t length = 0;
    std::memcpy(&length, record + 16, sizeof length);
    position_ += length;
    Entry entry;
    entry.name = record + kNameOffset;
    if (entry.name == "." || entry.name == "..") continue;
    std::memcpy(&entry.inode, record, sizeof entry.inode);
    // DT_* are the S_IFMT bits shifted (getdents(2)).
    entry.type =
        type_of(static_cast<std::uint32_t>(static_cast<unsigned char>(record[kTypeOffset])) << 12U);
    return std::optional(entry);
  }
}

}  // namespace dunlin::fs
