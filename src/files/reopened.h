// Directories that have their final mode, flags and times already, and are written into once more:
// by a retry, long after the stage that finished them, or by the second try of a batch.
//
// Each batch that had been started before enters the directories it is about to write into: what
// they are is recorded with the batch, then they are opened up (as create_directory does), and the
// last batch that leaves one gives it back what it had. A batch reports nothing before it has left,
// so a kill finds the record in an intent that is still there, and settle() leaves in its place.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "fs/directory.h"
#include "fs/flush.h"

namespace dunlin::files {

/// What is given back.
struct DirectoryState {
  std::uint32_t mode = 0;
  std::uint32_t final_flags = 0;
  fs::Time atime;
  fs::Time mtime;
};
/// By path below the root.
using DirectoryStates = std::map<std::string, DirectoryState>;
[[nodiscard]] std::string encode(const DirectoryStates& states);
[[nodiscard]] Result<DirectoryStates> decode_directory_states(std::string_view bytes);

/// Of all batches of one process. Any thread.
class ReopenedDirectories {
 public:
  /// Counts one more batch in it. The state that the first of them found, or that `recorded` has
  /// from a process that died; nothing is changed yet.
  [[nodiscard]] Result<DirectoryState> enter(const std::string& path,
                                             const fs::Directory& directory,
                                             const std::optional<DirectoryState>& recorded);
  /// Makes it writable for its owner: the record must be durable by then.
  [[nodiscard]] static Status open(const fs::Directory& directory, const DirectoryState& state);
  /// Counts one less; after the last one the directory is what it was. Not flushed.
  [[nodiscard]] Status leave(const std::string& path, const fs::Directory& directory);
  /// Counts one less and leaves the directory as it is: another owner, or the next try, has the
  /// record.
  void forget(const std::string& path);

 private:
  struct Entered {
    DirectoryState state;
    int batches = 0;
  };
  std::mutex mutex_;
  std::map<std::string, Entered> entered_;
};

}  // namespace dunlin::files
