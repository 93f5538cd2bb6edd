// Reads and writes that move fewer bytes than asked for, or are interrupted: what POSIX allows and
// network or FUSE file systems do, here for the files of the whole process, libraries included. And
// a directory that can be listed in part only, as on a device with a bad block.
//
// By interposition: a program that names ShortCalls gets its own read, write, pread, pwrite, fsync,
// syncfs, ioctl (for FICLONE) and syscall (for getdents64), which hand on to libc's. Only regular
// files and directories are touched. Any thread.
#pragma once

#include <cstdint>
#include <string>

namespace dunlin::testing {

class ShortCalls {
 public:
  /// Until the end of this object every second call, as the seed says, does less than it was asked;
  /// one in eight is interrupted (EINTR). `flushes`: fsync and syncfs are interrupted as well.
  ShortCalls(std::uint64_t seed, bool flushes);
  ~ShortCalls();
  ShortCalls(const ShortCalls&) = delete;
  ShortCalls& operator=(const ShortCalls&) = delete;

  /// So far; a test in which nothing happened has shown nothing.
  [[nodiscard]] static std::int64_t shortened();
  [[nodiscard]] static std::int64_t interrupted();
};

/// Until the end of this object the directory cannot be listed beyond its first piece (a buffer of
/// getdents64): EIO. One at a time.
class BrokenListing {
 public:
  explicit BrokenListing(const std::string& path);
  ~BrokenListing();
  BrokenListing(const BrokenListing&) = delete;
  BrokenListing& operator=(const BrokenListing&) = delete;
};

}  // namespace dunlin::testing
