// ChunkRecorder: says what chunks of a large file are written, beside the copy. A commit of the
// ledger waits for the device, 20 to 70 ms while that is busy with the copy itself: a copy that
// waited for it would stand still for a third of its time.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/cancel.h"
#include "base/result.h"

namespace dunlin::fs {

class ChunkRecorder {
 public:
  using Record = std::function<Status(const std::string& hashes)>;
  /// `record` runs on a thread of this, one call after the other in the order of add(). After an
  /// error, or when `cancel` is raised, it is not called again.
  ChunkRecorder(Record record, const CancelToken& cancel);
  ~ChunkRecorder();
  ChunkRecorder(const ChunkRecorder&) = delete;
  ChunkRecorder& operator=(const ChunkRecorder&) = delete;

  /// From one thread. Waits while too many are waiting. The error of an earlier one, or of the
  /// cancel.
  [[nodiscard]] Status add(std::string hashes);
  /// Everything that was added is recorded.
  [[nodiscard]] Status finish();

 private:
  void run();
  [[nodiscard]] Status record_one(const std::string& hashes);

  Record record_;
  const CancelToken& cancel_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> waiting_;
  bool ending_ = false;
  std::optional<Error> error_;
  std::thread thread_;  ///< last: it uses all others
};

}  // namespace dunlin::fs
