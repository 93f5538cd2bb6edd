// What a power cut leaves of a disk: everything up to the last flush before it, and of what was
// written after that flush whatever the device happened to keep. One thread.
//
// The rule of the device: a completed flush makes durable what was written to the same disk before
// it. Of later writes it may keep any, in whole or in sectors (mounts.h), in any order, except that
// of two writes to one sector the later one wins.
#pragma once

#include <string>
#include <vector>

#include "base/rng.h"
#include "disk_log.h"
#include "mounts.h"

namespace dunlin::power {

/// What becomes of the writes that no flush has covered.
enum class Loss : std::uint8_t {
  all,     ///< none is kept
  none,    ///< all are kept
  some,    ///< each by chance
  latest,  ///< only the earliest are kept
  torn,    ///< each by chance, and of some only some sectors
};
[[nodiscard]] const char* to_string(Loss loss);
[[nodiscard]] const std::vector<Loss>& losses();

/// A copy that keeps holes; throws std::runtime_error.
void copy_image(const std::string& from, const std::string& to);

/// One disk of a recording, followed through its log.
class CutDisk {
 public:
  /// `image` holds the disk as it was when the recording began, and is changed.
  CutDisk(const DiskLog& log, std::uint32_t disk, std::string image, const FileSystem& file_system);
  /// Up to the moment before this event, which may not go back.
  void advance(std::size_t event);
  /// Makes `image` what the disk holds after a power cut now; how many writes were at stake.
  std::size_t cut(Loss loss, Rng& rng, const std::string& image) const;

 private:
  [[nodiscard]] bool is_atomic(const Event& event) const;
  void write(int fd, const Event& event, std::uint64_t from, std::uint64_t length) const;
  void tear(int fd, const Event& event, Rng& rng) const;

  const DiskLog& log_;
  std::uint32_t disk_;
  std::string image_;  ///< everything up to the last flush
  const FileSystem& file_system_;
  std::size_t next_ = 0;
  std::vector<const Event*> unflushed_;
};

}  // namespace dunlin::power
