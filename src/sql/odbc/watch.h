// Looks at what runs inside of a driver. The calls of ODBC block, so that the thread which made one
// can look at neither token nor deadline: a thread of the connection's own does, asleep while no
// call runs, and ends with it.
//
// Past either, the server is told to end the statement; where it does not confirm, the socket on
// which the call waits is shut, so that it returns whatever the network does. Which socket that is
// no driver says: the kernel does, of the very thread that waits (/proc/self/task/TID/syscall).
// Where it does not (a kernel without that file), a call into a server that is gone ends when the
// driver gives up.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "base/result.h"
#include "sql/connection.h"
#include "sql/deadline.h"

namespace dunlin::sql {

class CallWatch {
 public:
  CallWatch();
  CallWatch(const CallWatch&) = delete;
  CallWatch& operator=(const CallWatch&) = delete;
  ~CallWatch();

  /// Before a statement's first call. `tell` runs on the watch's thread, while the call runs and
  /// never after it; empty: there is nothing to tell, and the call is cut at once.
  void begin(const Call& call, std::chrono::milliseconds timeout, std::function<void()> tell);
  /// Before each call: why nothing more is to be done, if it is so.
  [[nodiscard]] Status enter();
  /// Behind it; waits for what the watch does just then.
  void leave();

  /// Why the statement was told to end.
  [[nodiscard]] const std::optional<Error>& told() const { return told_; }
  /// Its connection was shut, since the server did not confirm.
  [[nodiscard]] bool was_cut() const { return was_cut_; }

 private:
  void run();
  void look(std::unique_lock<std::mutex>& lock);
  [[nodiscard]] std::optional<Error> over() const;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable has_told_;
  bool ends_ = false;
  bool asleep_ = false;
  bool inside_ = false;
  bool telling_ = false;
  bool was_cut_ = false;
  pid_t caller_ = 0;
  Call call_;
  Deadline deadline_{std::chrono::milliseconds(0)};
  std::int64_t timeout_ms_ = 0;
  Deadline confirm_{std::chrono::milliseconds(0)};
  std::function<void()> tell_;
  std::optional<Error> told_;
  std::thread thread_;  ///< last: it uses the others
};

}  // namespace dunlin::sql
