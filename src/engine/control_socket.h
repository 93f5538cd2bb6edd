// The owner's control socket: how another process reaches the owner of an execution within
// milliseconds.
//
// <run directory>/<execution id>.sock, a Unix stream socket, mode 0600 in a 0700 folder; one JSON
// object a line each way, at most 1 MiB. The socket is a short cut only: whoever gets no answer in
// 300 ms writes a control row instead.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/json.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace dunlin::engine {

/// Time for an answer before the control row is written instead (conventions.md, "Time-outs").
inline constexpr std::int64_t kControlAnswerMs = 300;

class ControlServer {
 public:
  /// `peer`: the user id of who asks, as the kernel tells it.
  using Handler = std::function<Json(const Json& request, uid_t peer)>;
  using Poll = std::function<void()>;
  /// Listens at `<directory>/<name>`, replacing what a dead owner left there. `handler` answers
  /// requests (null: not, the client is to take another way) and `poll` is called about every 200
  /// ms, both on the server's own thread.
  [[nodiscard]] static Result<std::unique_ptr<ControlServer>> start(const std::string& directory,
                                                                    const std::string& name,
                                                                    Handler handler, Poll poll);
  /// Removes the socket and ends the thread.
  ~ControlServer();

 private:
  ControlServer(std::string directory, std::string name, UniqueFd socket, UniqueFd wake,
                Handler handler, Poll poll);
  void loop();
  void serve(int client);
  const std::string directory_;
  const std::string name_;
  UniqueFd socket_;
  UniqueFd wake_;  ///< an eventfd: it is to end
  Handler handler_;
  Poll poll_;
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

/// One request to an owner. endpoint_unreachable when nobody listens, network_timeout when no
/// answer came in time (the owner may have taken it: verbs may be repeated).
[[nodiscard]] Result<Json> ask_owner(const std::string& directory, const std::string& name,
                                     const Json& request,
                                     std::int64_t timeout_ms = kControlAnswerMs);

}  // namespace dunlin::engine
