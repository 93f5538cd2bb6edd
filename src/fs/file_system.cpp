// The table of file systems; see file_system.h.
#include "fs/file_system.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/text.h"

namespace dunlin::fs {
namespace {

struct Row {
  std::uint64_t magic;
  const char* name;
  FlushMode flush;
  bool evictable;
  bool inline_by_extent_map;
  std::int64_t time_granularity_ns;
  bool lasting_inodes;
  bool clock_known;
  bool exact_names;
  bool direct_writes = false;
};

// Magic numbers: statfs(2) and linux/magic.h. Granularity: the stored mtime (FAT two seconds, exFAT
// 10 ms, NTFS 100 ns, ext2/3/4 one second on inodes of 128 bytes only, which the kernel does not
// tell: there the second file system's copy differs once and is copied again). What only passes on
// calls to others has their clock and their rule for names.
constexpr Row kRows[] = {
    {0xef53, "ext4", FlushMode::syncfs, true, false, 1, true, true, true, true},
    {0x58465342, "xfs", FlushMode::syncfs, true, false, 1, true, true, true, true},
    {0x9123683e, "btrfs", FlushMode::syncfs, true, true, 1, true, true, true},
    {0xf2f52010, "f2fs", FlushMode::syncfs, true, false, 1, true, true, true},
    {0x4d44, "vfat", FlushMode::fsync_each, true, false, 2'000'000'000, false, true, false},
    {0x2011bab0, "exfat", FlushMode::fsync_each, true, false, 10'000'000, false, true, false},
    {0x7366746e, "ntfs3", FlushMode::fsync_each, true, false, 100, true, true, false},
    {0x01021994, "tmpfs", FlushMode::fsync_each, false, false, 1, true, true, true},
    {0x858458f6, "ramfs", FlushMode::fsync_each, false, false, 1, true, true, true},
    {0x6969, "nfs", FlushMode::fsync_each, false, false, 1, true, false, false},
    {0xff534d42, "cifs", FlushMode::fsync_each, false, false, 100, false, false, false},
    {0xfe534d42, "smb2", FlushMode::fsync_each, false, false, 100, false, false, false},
    {0x65735546, "fuse", FlushMode::fsync_each, false, false, 1, false, false, false},
    {0x794c7630, "overlay", FlushMode::fsync_each, false, false, 1, false, false, true},
    {0x01021997, "9p", FlushMode::fsync_each, false, false, 1, false, false, false},
    {0x2fc12fc1, "zfs", FlushMode::fsync_each, false, false, 1, true, true, false},
};

// Linux 6.9; older headers do not have it.
struct FsUuid2 {
  unsigned char length;
  unsigned char uuid[16];
};
constexpr unsigned long kGetFsUuid = _IOR(0x15, 0, FsUuid2);

Result<struct statfs> statfs_of(const Directory& directory) {
  struct statfs raw{};
  if (::fstatfs(directory.fd(), &raw) != 0)
    return directory.error(errno, "look at file system of", "");
  return raw;
}

}  // namespace

FileSystemTraits traits_of_magic(std::uint64_t magic) {
  FileSystemTraits traits;
  for (const Row& row : kRows) {
    if (row.magic != magic) continue;
    return {row.name,
            row.flush,
            row.evictable,
            row.inline_by_extent_map,
            row.time_granularity_ns,
            row.lasting_inodes,
            row.clock_known,
            row.exact_names,
            row.direct_writes};
  }
  char bytes[4];
  for (unsigned i = 0; i < 4; ++i) bytes[i] = static_cast<char>(magic >> (24U - 8U * i));
  traits.name = "0x" + hex(std::string_view(bytes, sizeof bytes));
  return traits;
}

Result<FileSystemTraits> traits_of(const Directory& directory) {
  DUNLIN_ASSIGN(const struct statfs raw, statfs_of(directory));
  // f_type is signed on some machines: only its 32 bits count.
  return traits_of_magic(static_cast<std::uint32_t>(raw.f_type));
}

Result<std::int64_t> probe_clock(const Directory& directory) {
  // An odd second, and nanoseconds in which every digit counts.
  constexpr long kNanoseconds = 123'456'789;
  constexpr std::int64_t kSecond = 1'000'000'000;
  const bool may = directory.features().unnamed_files;
  const UniqueFd unnamed(may ? ::openat(directory.fd(), ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600)
                             : -1);
  const int fd = unnamed ? unnamed.get() : directory.fd();
  const auto look = [&] { return info_of(fd, directory.shown_path(), directory.side()); };
  DUNLIN_ASSIGN(const FileInfo before, look());
  const auto spec = [](const Time& time) {
    return timespec{time.seconds, static_cast<long>(time.nanoseconds)};
  };
  const timespec probe[2] = {{0, UTIME_OMIT}, {before.mtime.seconds | 1, kNanoseconds}};
  if (::futimens(fd, probe) != 0) return 1;
  const auto after = look();
  const timespec old[2] = {spec(before.atime), spec(before.mtime)};
  if (!unnamed && ::futimens(fd, old) != 0) return directory.error(errno, "change times of", "");
  DUNLIN_TRY(after);
  if (after->mtime.seconds != (before.mtime.seconds | 1)) return 2 * kSecond;
  std::int64_t granularity = 1;
  while (granularity < kSecond &&
         after->mtime.nanoseconds != kNanoseconds - kNanoseconds % granularity)
    granularity *= 10;
  return granularity;
}

Result<bool> may_fold_names(const Directory& directory) {
  DUNLIN_ASSIGN(const FileSystemTraits traits, traits_of(directory));
  if (!traits.exact_names) return true;
  int flags = 0;  // the kernel writes an int, whatever linux/fs.h says
  return ::ioctl(directory.fd(), FS_IOC_GETFLAGS, &flags) == 0 &&
         (static_cast<unsigned>(flags) & FS_CASEFOLD_FL) != 0;
}

bool same_time(const Time& one, const Time& other, std::int64_t granularity_ns) {
  if (granularity_ns <= 1) return one == other;
  const std::int64_t second = 1'000'000'000;
  if (granularity_ns < second) {
    const auto cut = [&](const Time& time) { return time.nanoseconds / granularity_ns; };
    return one.seconds == other.seconds && cut(one) == cut(other);
  }
  const std::int64_t seconds = granularity_ns / second;
  const auto cut = [&](const Time& time) {
    const std::int64_t rest = time.seconds % seconds;
    return time.seconds - (rest < 0 ? rest + seconds : rest);
  };
  return cut(one) == cut(other);
}

Result<std::string> file_system_id(const Directory& directory) {
  FsUuid2 uuid{};
  if (::ioctl(directory.fd(), kGetFsUuid, &uuid) == 0 && uuid.length == sizeof uuid.uuid) {
    return "uuid:" + hex({reinterpret_cast<const char*>(uuid.uuid), sizeof uuid.uuid});
  }
  DUNLIN_ASSIGN(const struct statfs raw, statfs_of(directory));
  return "fsid:" + hex({reinterpret_cast<const char*>(&raw.f_fsid), sizeof raw.f_fsid});
}

Result<Space> space_of(const Directory& directory) {
  struct statvfs raw{};
  if (::fstatvfs(directory.fd(), &raw) != 0)
    return directory.error(errno, "look at file system of", "");
  Space space;
  const auto block = static_cast<std::int64_t>(raw.f_frsize);
  space.free_bytes = static_cast<std::int64_t>(raw.f_bavail) * block;
  space.total_bytes = static_cast<std::int64_t>(raw.f_blocks) * block;
  // btrfs and others make inodes as they need them and report 0 of 0.
  if (raw.f_files != 0) space.free_inodes = static_cast<std::int64_t>(raw.f_favail);
  space.read_only = (raw.f_flag & ST_RDONLY) != 0;
  return space;
}

}  // namespace dunlin::fs
