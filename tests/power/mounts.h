// The three file systems, loop devices, mounts. Everything happens in a mount namespace of our own
// (main.cpp), and a loop device lets go of its file when nobody uses it any more: so nothing stays
// behind, however the program ends. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace dunlin::power {

struct FileSystem {
  std::string name;
  std::int64_t image_bytes;
  std::vector<std::string> mkfs;
  /// What a power cut tears writes into: what the file system relies upon being written as one.
  std::uint64_t sector;
  /// Places (offset, length) that it needs written as one, whatever a sector is: see cut.h.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> atomic;
  /// Entries of the adversarial tree that it cannot hold.
  std::vector<std::string> refuses;
};

/// ext4, xfs, btrfs.
[[nodiscard]] const std::vector<FileSystem>& file_systems();

/// A new, empty file system in a sparse file.
void make_image(const FileSystem& file_system, const std::string& image);

/// An image, or a disk of exported_disks.h, mounted by a loop device. Throws std::runtime_error.
class Mounted {
 public:
  Mounted(const std::string& type, const std::string& image, std::string point);
  ~Mounted();
  Mounted(const Mounted&) = delete;
  Mounted& operator=(const Mounted&) = delete;
  /// All that is held back is written; throws when it cannot be, or somebody still uses it.
  void unmount();

 private:
  std::string type_;
  std::string point_;
  std::string device_;
};

/// Runs a program of the system; throws with its output when it fails.
void run_tool(const std::vector<std::string>& words);

}  // namespace dunlin::power
