// What a dry run has foreseen so far and its later stages build upon, since nothing of it can be
// seen at the destination. In memory alone: a dry run that goes on in another process knows less of
// what it had foreseen before, and says so (`whole`). Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

namespace dunlin::files {

class Rehearsal {
 public:
  /// A directory that could not be made.
  void fails(const std::string& directory_path);
  /// Is it one of those, or inside of one?
  [[nodiscard]] bool has_failed(std::string_view directory_path) const;
  /// An entry of a source directory would be gone after a move.
  void leaves(const std::string& directory_path);
  [[nodiscard]] std::int64_t left(const std::string& directory_path) const;

  /// All of it was foreseen by this process.
  std::atomic<bool> whole{true};

 private:
  mutable std::mutex mutex_;
  std::set<std::string, std::less<>> failed_;
  std::map<std::string, std::int64_t> left_;  ///< by directory
};

}  // namespace dunlin::files
