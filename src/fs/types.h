// What fs says about an entry of a directory, and which kernel features it may use. Plain values.
#pragma once

#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <string_view>

namespace dunlin::fs {

/// The numbers are stored in ledgers: never renumber.
enum class EntryType : std::uint8_t {
  unknown = 0,
  file = 1,
  directory = 2,
  symlink = 3,
  fifo = 4,
  socket = 5,
  character_device = 6,
  block_device = 7,
};
[[nodiscard]] std::string_view to_string(EntryType type);

/// Since 1970, as the kernel keeps it: pre-1970 and post-2262 times fit (64-bit nanoseconds would
/// not do).
struct Time {
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;
  friend auto operator<=>(const Time&, const Time&) = default;
};

/// One statx(2).
struct FileInfo {
  EntryType type = EntryType::unknown;
  std::uint32_t mode = 0;  ///< permissions with setuid, setgid and sticky: 07777
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t links = 0;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t size = 0;
  std::int64_t allocated_bytes = 0;
  std::uint64_t special_device = 0;  ///< of a device node: what it stands for, as makedev(3) has it
  Time atime;
  Time mtime;
  Time ctime;
  Time birth;  ///< when the inode was made; zero where the file system does not say

  [[nodiscard]] bool is_device() const {
    return type == EntryType::character_device || type == EntryType::block_device;
  }
  /// Has blocks that were never written: a copy need not write them either.
  [[nodiscard]] bool has_holes() const { return allocated_bytes < size; }
  /// The same inode, not written since: size and mtime are equal too. (ctime also moves by a
  /// rename, so it is compared only where nothing renames.)
  [[nodiscard]] bool same_content_as(const FileInfo& other) const {
    return inode == other.inode && size == other.size && mtime == other.mtime;
  }
};

/// Kernel features that may be used. What is false takes the fallback, exactly as when the kernel
/// says that it has none: tests run every path on any machine.
struct Features {
  bool openat2 = true;
  bool rename_noreplace = true;
  bool rename_exchange = true;
  bool hard_links = true;
  bool syncfs = true;
  bool direct_io = true;
  bool reflink = true;
  bool unnamed_files = true;  ///< O_TMPFILE, for probes of the destination
  bool eviction = true;       ///< dropping clean pages and asking mincore(2)
  /// No features, but made small by tests in the same way. A file from `large_file_bytes` on is
  /// resumable in the middle, at a multiple of `chunk_bytes` (files.md F-17).
  std::int64_t large_file_bytes = 256LL << 20;
  std::int64_t chunk_bytes = 64LL << 20;
};

/// Which symlinks below a root are taken for what they point to (files.md F-1).
enum class Follow : std::uint8_t {
  never,
  in_tree,  ///< those that lead to something inside the same root; the others are links
  always,   ///< all, wherever they lead: what leads nowhere is an error
};

/// On which side of the migration a directory lies: an absent name is a vanished source or a
/// changed destination, an EIO is a read or a write error.
enum class Side : std::uint8_t { source, destination };

}  // namespace dunlin::fs
