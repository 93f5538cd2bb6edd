// CancelToken: how the engine tells work in progress to end, and how waits are woken.
//
// One CancelSource per execution; every blocking wait of engine, fs, http and sql takes its token.
// All calls are safe from any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/result.h"

namespace dunlin {

/// Ordered by urgency; a source only ever moves upwards until it is reset for the next attempt.
enum class CancelReason : std::uint8_t {
  none,
  pause,   ///< end at the next safe point; what is done is recorded, the rest is done at resume
  cancel,  ///< as pause, and nothing is done afterwards
  stop,    ///< emergency: abandon calls in flight, the process ends within 1 s
};

class CancelToken {
 public:
  /// A token that is never cancelled.
  CancelToken();

  [[nodiscard]] CancelReason reason() const;
  [[nodiscard]] bool cancelled() const { return reason() != CancelReason::none; }
  /// ErrorType::interrupted once cancelled; for DUNLIN_TRY inside loops (at least every 100 ms).
  [[nodiscard]] Status check() const;
  /// Sleeps at most `duration`; true when it was woken because of cancellation.
  bool wait_for(std::chrono::milliseconds duration) const;

 private:
  friend class CancelSource;
  struct State {
    std::atomic<CancelReason> reason{CancelReason::none};
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::weak_ptr<State>> parts;  ///< of CancelSource::part(); under the mutex
  };
  explicit CancelToken(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

class CancelSource {
 public:
  CancelSource();
  [[nodiscard]] CancelToken token() const { return CancelToken(state_); }
  /// A source for a part of the work: raised by itself, and whenever this one is.
  [[nodiscard]] CancelSource part();
  /// Raises the reason (a lower one is ignored) and wakes every waiter.
  void request(CancelReason reason);
  [[nodiscard]] CancelReason reason() const;

 private:
  static void raise(CancelToken::State& state, CancelReason reason);

  std::shared_ptr<CancelToken::State> state_;
};

}  // namespace dunlin
