// A FUSE daemon that shows image files as "0", "1", ... in one folder and logs every write and
// every flush (fsync, which is what a loop device makes of a flush of the file system above it).
//
// One process of its own, one thread in it: so the log is one order over all disks. The files are
// opened for direct I/O: the kernel caches nothing between the loop device and the daemon. Writes
// reach the image when they are logged; what a power cut would have left is made from the log
// (cut.h). A daemon that dies ends the connection, so that nobody waits for it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace dunlin::power {

class ExportedDisks {
 public:
  /// `folder` is empty and there; `log` is made anew. Throws std::runtime_error when FUSE cannot be
  /// mounted.
  ExportedDisks(std::string folder, const std::vector<std::string>& images, std::string log);
  ~ExportedDisks();
  ExportedDisks(const ExportedDisks&) = delete;
  ExportedDisks& operator=(const ExportedDisks&) = delete;

  [[nodiscard]] std::string path(std::size_t disk) const {
    return folder_ + "/" + std::to_string(disk);
  }
  /// Of the log up to now: a moment in the order of events.
  [[nodiscard]] std::uint64_t log_size() const;

 private:
  std::string folder_;
  std::string log_;
  pid_t daemon_ = -1;
};

}  // namespace dunlin::power
