// Signals of a foreground run: the first asks for a pause, a second SIGINT for an emergency stop.
//
// Handlers only write a byte into a pipe; a thread of ours does the rest, so that it may lock and
// write to the ledger. At most one SignalWatch exists at a time.
#pragma once

#include <functional>
#include <thread>

#include "base/unique_fd.h"

namespace dunlin::cli {

class SignalWatch {
 public:
  /// From here on SIGINT, SIGTERM and SIGHUP are kept for start() instead of ending the process.
  SignalWatch();
  /// Puts the former handlers back.
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

  /// `pause` is called once, at the first signal, on a thread of its own (it may wait for the
  /// ledger); `stop` at each SIGINT after that. Signals that came before are delivered now.
  void start(std::function<void(int signal)> pause, std::function<void()> stop);
  /// Waits for both threads; nothing is called afterwards.
  void end();

 private:
  void loop();

  UniqueFd read_;
  UniqueFd write_;
  std::function<void(int)> pause_;
  std::function<void()> stop_;
  std::thread thread_;
  std::thread pausing_;
};

/// Writing to a closed pipe, or beyond the limit of file sizes, is an error that is handled, not a
/// death.
void ignore_signals_of_writes();

}  // namespace dunlin::cli
