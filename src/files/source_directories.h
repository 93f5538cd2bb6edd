// Source directories that a move has removed once they were empty, made again for what a rollback
// of a part brings back into them (a rollback of all makes all of them again:
// emptied_directories.h).
//
// Each becomes what its copy at the destination is: that has taken over what it was. Its time is
// that of the copy once finish() is through; a process that is killed before leaves the time at
// which something came back. Any thread, but for finish().
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "engine/run.h"
#include "files/site.h"
#include "fs/flush.h"

namespace dunlin::files {

class SourceDirectories {
 public:
  SourceDirectories(Site& site, engine::BatchContext& context, fs::BatchFlush& flush)
      : site_(site), context_(context), flush_(flush) {}

  /// The directory is there on return, with those above it. Before its copy is taken back.
  [[nodiscard]] Status make(const std::string& path);
  /// After what comes back has come. Not flushed.
  [[nodiscard]] Status finish();

 private:
  [[nodiscard]] Status make_one(const std::string& path);
  [[nodiscard]] Status take_over(const std::string& path);

  Site& site_;
  engine::BatchContext& context_;
  fs::BatchFlush& flush_;
  std::mutex mutex_;
  std::map<std::string, fs::FileInfo> made_;  ///< with what their copies were
};

}  // namespace dunlin::files
