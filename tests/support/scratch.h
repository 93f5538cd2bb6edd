// A directory of a test's own, below TMPDIR, removed when the test ends.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/check.h"

namespace dunlin::testing {

class ScratchDirectory {
 public:
  ScratchDirectory() : ScratchDirectory(std::filesystem::temp_directory_path()) {}
  /// In memory where the machine has such a place: for tests that flush often and do not ask about
  /// a disk.
  [[nodiscard]] static ScratchDirectory in_memory() {
    const bool there = ::access("/dev/shm", W_OK) == 0;
    return ScratchDirectory(there ? "/dev/shm" : std::filesystem::temp_directory_path());
  }
  explicit ScratchDirectory(const std::filesystem::path& parent) {
    std::string name = (parent / "dunlin-test-XXXXXX").string();
    DUNLIN_CHECK(::mkdtemp(name.data()) != nullptr, "no directory for the test");
    path_ = name;
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace dunlin::testing
