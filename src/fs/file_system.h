// What the file system below a directory is, can do, and has left: the table by which fs decides
// how to flush, whether a page can be dropped and how fine its clock is. Any thread.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "fs/directory.h"

namespace dunlin::fs {

enum class FlushMode : std::uint8_t {
  /// One syncfs(2) per batch. Only where it is known to reach the device and to report errors:
  /// ext4, xfs, btrfs, f2fs (Linux 5.8 and later report write-back errors since the open).
  syncfs,
  /// fsync(2) per file and per directory: FUSE, where syncfs reaches nobody; NFS, CIFS, overlay,
  /// and everything unknown.
  fsync_each,
};

struct FileSystemTraits {
  std::string name;  ///< "ext4", "tmpfs"; hexadecimal magic when unknown
  FlushMode flush = FlushMode::fsync_each;
  bool evictable = false;                ///< a page not resident is read from a local device
  bool inline_by_extent_map = false;     ///< inline or compressed data shows in FIEMAP (btrfs)
  std::int64_t time_granularity_ns = 1;  ///< of stored mtimes
  bool lasting_inodes = false;           ///< known to keep their numbers over a mount
  bool clock_known = false;              ///< false: what lies behind it decides, see probe_clock()
  bool exact_names = false;  ///< names are bytes, except in directories that are marked otherwise
  /// Large files are written past the page cache: known to be faster, and to change nothing about
  /// how the file lies on the disk (btrfs and f2fs do not compress what is written so).
  bool direct_writes = false;
};

/// The row of the table for a statfs magic.
[[nodiscard]] FileSystemTraits traits_of_magic(std::uint64_t magic);
[[nodiscard]] Result<FileSystemTraits> traits_of(const Directory& directory);

/// Equal after cutting both to the granularity.
[[nodiscard]] bool same_time(const Time& one, const Time& other, std::int64_t granularity_ns);

/// How fine the times are that a directory's file system keeps, found out by giving a time to a
/// file without a name, of which nothing is left. Where there are none the directory itself gets a
/// time, and its old ones back. 1 when it is not ours to change.
[[nodiscard]] Result<std::int64_t> probe_clock(const Directory& directory);

/// May two names that differ be one entry of this directory: case or normalisation folded (FAT,
/// exFAT, NTFS, CIFS, ext4 with casefold), or nobody knows (FUSE, network)?
[[nodiscard]] Result<bool> may_fold_names(const Directory& directory);

/// Names the file system across mounts and reboots: "uuid:<hex>" (FS_IOC_GETFSUUID, Linux 6.9),
/// else "fsid:<hex>" of statfs.
[[nodiscard]] Result<std::string> file_system_id(const Directory& directory);

struct Space {
  std::int64_t free_bytes = 0;  ///< for this user: without the reserve of root
  std::int64_t total_bytes = 0;
  std::int64_t free_inodes = -1;  ///< -1: the file system has no fixed number
  bool read_only = false;
};
[[nodiscard]] Result<Space> space_of(const Directory& directory);

}  // namespace dunlin::fs
