// Finished directories of the destination that a rollback of a part takes something out of: opened
// before that and given back what they had after it, as a retry does it with those that it writes
// into (reopened.h).
//
// Recorded with the first item of the batch, which like all others is reported after close(): a
// kill finds the record in an intent, and settle() closes in its place. One for one pass over one
// batch, driven by one thread.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "engine/run.h"
#include "files/reopened.h"
#include "files/site.h"
#include "fs/flush.h"

namespace dunlin::files {

class OpenedDirectories {
 public:
  OpenedDirectories(Site& site, engine::BatchContext& context, fs::BatchFlush& flush)
      : site_(site), context_(context), flush_(flush) {}
  ~OpenedDirectories();
  OpenedDirectories(const OpenedDirectories&) = delete;
  OpenedDirectories& operator=(const OpenedDirectories&) = delete;

  /// Those that hold `rows`, as far as they are there; what they are is durable on return.
  [[nodiscard]] Status open(const std::vector<engine::ItemRow>& rows);
  /// It has become what it was before the execution, or is gone: close() leaves it so. Any thread.
  void taken_back(const std::string& path);
  /// Each that is left is what it was; durable on return.
  [[nodiscard]] Status close();
  /// Of a pass that was killed: what the intents of `rows` have recorded is closed. Repeatable.
  [[nodiscard]] Status settle(const std::vector<engine::ItemRow>& rows);

 private:
  [[nodiscard]] Status enter_recorded(const std::vector<engine::ItemRow>& rows);

  Site& site_;
  engine::BatchContext& context_;
  fs::BatchFlush& flush_;
  std::mutex mutex_;
  DirectoryStates states_;                          ///< under mutex_ while open
  std::vector<engine::ItemIntent> without_record_;  ///< the carriers' intents, as they were
};

}  // namespace dunlin::files
