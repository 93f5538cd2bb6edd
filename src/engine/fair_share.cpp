#include "engine/fair_share.h"

#include <chrono>

#include "base/clock.h"

namespace dunlin::engine {
namespace {

using std::chrono::milliseconds;

/// The first in the line looks whether its turn has come; the others hear of it.
constexpr milliseconds kFirst{2};
constexpr milliseconds kOthers{50};

}  // namespace

void FairShare::set_priority(std::string_view priority) {
  const std::lock_guard lock(mutex_);
  policy_.set_weight(share_weight(priority));
}

Status FairShare::take(std::int64_t bytes, std::int64_t operations, const CancelToken& cancel) {
  std::unique_lock lock(mutex_);
  if (line_.empty() && policy_.may_take(steady_ns())) {  // the usual case
    policy_.took(share_cost(bytes, operations), steady_ns());
    return cancel.check();
  }
  std::condition_variable turn;
  const auto place = line_.insert(line_.end(), &turn);
  Status status = cancel.check();
  for (; status.ok() && !closed_; status = cancel.check()) {
    const bool first = place == line_.begin();
    if (first && policy_.may_take(steady_ns())) break;
    turn.wait_for(lock, first ? kFirst : kOthers);
  }
  if (status.ok()) policy_.took(share_cost(bytes, operations), steady_ns());
  line_.erase(place);
  if (!line_.empty()) line_.front()->notify_one();
  return status;
}

void FairShare::bounded() {
  const std::lock_guard lock(mutex_);
  policy_.bounded(steady_ns());
}

void FairShare::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (std::condition_variable* turn : line_) turn->notify_one();
}

SharePolicy::Standing FairShare::standing() {
  const std::lock_guard lock(mutex_);
  return policy_.standing();
}

}  // namespace dunlin::engine
