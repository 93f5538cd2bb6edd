// The MD5 of the small files of a batch, taken of many at once (base/md5_lanes.h).
//
// Who has copied a small file leaves its content here, and where its checksum belongs; who leaves
// the one that makes it enough takes them all. Of about 1 MiB of memory at a time, and of as many
// again as there are threads that are just taking them.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <vector>

namespace dunlin::files {

class Md5Queue {
 public:
  /// Larger files are hashed while they are copied.
  static constexpr std::size_t kContentMax = std::size_t{64} << 10;

  /// `checksum` becomes "md5:<hex>" of `content`, as fs::HashSet has it, in this call or a later
  /// one, at the latest in finish(). Any thread.
  void add(std::string content, std::string& checksum);
  /// What has been added is done on return. Not beside add().
  void finish();

 private:
  struct Waiting {
    std::string content;
    std::string* checksum;
  };
  static void take(const std::vector<Waiting>& all);

  std::mutex mutex_;
  std::vector<Waiting> waiting_;
  std::size_t bytes_ = 0;
};

}  // namespace dunlin::files
