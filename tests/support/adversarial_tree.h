// A file tree with everything in it that a copy can lose or trip over, the same for the same seed.
//
// Made by descriptors and system calls alone; judged by tree_compare.h. One thread per tree. It
// wants a file system like ext4 with inodes of 256 bytes (times from 1901 to 2446, xattrs, flags).
#pragma once

#include <cstdint>
#include <string>

namespace dunlin::testing {

struct AdversarialOptions {
  std::uint64_t seed = 1;
  bool as_root = true;  ///< also owners, devices, trusted.*, capabilities, closed directories
  int scale = 1;        ///< 1: about 480 entries, 12 MB; from 2 on also 2000 files in one place
  bool flags = true;    ///< as root: inode flags, immutable and append-only among them
  bool deep = true;     ///< a path longer than PATH_MAX, which `cp -a` and rsync cannot follow
};

/// Fills `root`, an empty directory, and sets its mode, mtime and an xattr, too. Nothing depends on
/// the umask or the clock. Throws std::runtime_error with the path and errno; what was made stays.
void make_adversarial_tree(const std::string& root, const AdversarialOptions& options);

/// Removes `root` and all below it at any depth, with modes and flags that forbid it; a missing
/// root is fine. A symlink is removed, never followed; a mount inside is an error, not entered.
/// Throws std::runtime_error with the path and errno; may be repeated.
void remove_tree(const std::string& root);

}  // namespace dunlin::testing
