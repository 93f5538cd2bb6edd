// BatchFlush: makes what a batch wrote durable, in the mode of each file system it wrote to.
//
// Order of use: prepare() a directory before the first write below it (its descriptor then sees
// every write-back error of the batch); file_written() for each file; flush_files() before anything
// is published; directory_changed() for each directory in which names were published, and
// flush_names() after.
//
// After a failed flush the kernel has dropped the dirty pages and reports the error once: flushing
// again would succeed over lost data ("fsyncgate"). The caller therefore writes the batch again,
// with a BatchFlush that is told `each`, and never flushes the same data a second time.
//
// prepare(), file_written() and directory_changed() from any thread; the two flushes from one
// thread, after the others have ended.
#pragma once

#include <memory>

#include "base/result.h"
#include "fs/directory.h"
#include "fs/file_system.h"

namespace dunlin::fs {

class BatchFlush {
 public:
  /// `each`: fsync per file whatever the table says; the second try after a failed flush.
  explicit BatchFlush(bool each = false);
  ~BatchFlush();

  [[nodiscard]] Status prepare(const Directory& directory);
  /// Where the mode is fsync_each the file is flushed now (true); an error is the file's own.
  [[nodiscard]] Result<bool> file_written(const Directory& directory, int fd,
                                          std::string_view name);
  /// From now on each file by itself: for what is written after flush_files().
  void fsync_each_file();
  /// Everything written so far is durable on return. write_error (disk_full, quota_exceeded):
  /// anything of the batch may be lost.
  [[nodiscard]] Status flush_files();
  [[nodiscard]] Status directory_changed(const Directory& directory);
  /// The published names are durable on return.
  [[nodiscard]] Status flush_names();

 private:
  struct State;
  [[nodiscard]] bool flushes_files_together(const Directory& directory);
  std::unique_ptr<State> state_;
};

}  // namespace dunlin::fs
