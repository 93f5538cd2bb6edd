// What tests of moves share: a source and a target on one file system or on two, and what a move
// has to take along.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "files/fixture.h"

namespace dunlin::files::testing {

using Options = std::map<std::string, std::string>;

inline constexpr const char* kDirectories = "delete-empty-src-dirs";

/// Source and target, on one file system or on two.
struct Places {
  explicit Places(bool across) : target_side(across ? ScratchDirectory::in_memory() : disk()) {
    EXPECT_EQ(across, device(source_side.path()) != device(target_side.path()));
  }
  static ScratchDirectory disk() { return {}; }
  static dev_t device(const std::string& path) {
    struct stat raw{};
    EXPECT_EQ(::stat(path.c_str(), &raw), 0) << path;
    return raw.st_dev;
  }
  [[nodiscard]] std::string source(const std::string& name = "") const {
    return source_side.file("source") + name;
  }
  [[nodiscard]] std::string target(const std::string& name = "") const {
    return target_side.file("target") + name;
  }
  [[nodiscard]] CopyTest move(Options options = {}, fs::Features features = {}) const {
    return CopyTest(source("/"), target(), std::move(options), features, "move");
  }

  ScratchDirectory source_side;
  ScratchDirectory target_side;
};

inline ino_t inode_of(const std::string& path) {
  struct stat raw{};
  EXPECT_EQ(::lstat(path.c_str(), &raw), 0) << path;
  return raw.st_ino;
}

/// Files of any type below a root: what a move has to take along.
inline std::vector<std::string> files_below(const std::string& root) {
  std::vector<std::string> found;
  for (const auto& entry : stdfs::recursive_directory_iterator(root)) {
    if (entry.is_symlink() || !entry.is_directory()) found.push_back(entry.path());
  }
  return found;
}

/// The odd tree; what its owner may not write to cannot be emptied.
inline void make_movable_tree(const std::string& root) {
  make_odd_tree(root);
  ASSERT_EQ(::chmod((root + "/sub/deep").c_str(), 0751), 0);
}

/// As an editor that keeps the size, and a tool that puts the time back.
inline void rewrite_in_place(const std::string& path, const std::string& content) {
  struct stat raw{};
  ASSERT_EQ(::stat(path.c_str(), &raw), 0);
  const int fd = ::open(path.c_str(), O_WRONLY);
  ASSERT_EQ(::pwrite(fd, content.data(), content.size(), 0), static_cast<ssize_t>(content.size()));
  const timespec times[2] = {raw.st_atim, raw.st_mtim};
  ASSERT_EQ(::futimens(fd, times), 0);
  ::close(fd);
}

}  // namespace dunlin::files::testing
