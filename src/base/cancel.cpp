// Cancellation: one atomic to look at, one condition variable to wait on. A token without state is
// never cancelled.
#include "base/cancel.h"

#include <thread>

namespace dunlin {
namespace {

std::string_view describe(CancelReason reason) {
  switch (reason) {
    case CancelReason::none:
      return "not stopped";
    case CancelReason::pause:
      return "stopped by pause";
    case CancelReason::cancel:
      return "stopped by cancel";
    case CancelReason::stop:
      return "stopped by emergency stop";
  }
  return "stopped";
}

}  // namespace

CancelToken::CancelToken() = default;

CancelReason CancelToken::reason() const {
  return state_ ? state_->reason.load(std::memory_order_acquire) : CancelReason::none;
}

Status CancelToken::check() const {
  const CancelReason now = reason();
  if (now == CancelReason::none) return success();
  return Error(ErrorType::interrupted, std::string(describe(now)));
}

bool CancelToken::wait_for(std::chrono::milliseconds duration) const {
  if (!state_) {  // nobody has a source for it, so there is nothing that could wake it
    std::this_thread::sleep_for(duration);
    return false;
  }
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, duration, [this] { return cancelled(); });
}

CancelSource::CancelSource() : state_(std::make_shared<CancelToken::State>()) {}

CancelSource CancelSource::part() {
  CancelSource made;
  CancelReason now = CancelReason::none;
  {
    const std::scoped_lock lock(state_->mutex);
    std::erase_if(state_->parts, [](const auto& one) { return one.expired(); });
    state_->parts.push_back(made.state_);
    now = state_->reason.load(std::memory_order_relaxed);
  }
  raise(*made.state_, now);
  return made;
}

void CancelSource::request(CancelReason reason) {
  raise(*state_, reason);
}

void CancelSource::raise(CancelToken::State& state, CancelReason reason) {
  std::vector<std::shared_ptr<CancelToken::State>> parts;
  {
    // Under the mutex although it is atomic: a waiter between its look and its sleep would miss the
    // wake-up.
    const std::scoped_lock lock(state.mutex);
    if (reason <= state.reason.load(std::memory_order_relaxed)) return;
    state.reason.store(reason, std::memory_order_release);
    for (const auto& one : state.parts) {
      if (auto part = one.lock()) parts.push_back(std::move(part));
    }
  }
  state.changed.notify_all();
  for (const auto& part : parts) raise(*part, reason);
}

CancelReason CancelSource::reason() const {
  return state_->reason.load(std::memory_order_acquire);
}

}  // namespace dunlin
