// See events.h. publish() holds the bus's lock while it hands out: the queues are bounded, so that
// takes no longer than copying the event.
#include "engine/events.h"

#include <algorithm>
#include <chrono>

namespace dunlin::engine {

std::optional<Event> Subscription::next(std::int64_t timeout_ms) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::milliseconds(std::max<std::int64_t>(timeout_ms, 0)),
                    [this] { return !queue_.empty() || closed_; });
  if (queue_.empty()) return std::nullopt;
  Event event = std::move(queue_.front());
  queue_.pop_front();
  event.gap_before = gap_;
  gap_ = false;
  return event;
}

bool Subscription::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_ && queue_.empty();
}

void Subscription::push(const Event& event) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    if (capacity_ == 0) {
      gap_ = true;
      return;
    }
    if (queue_.size() >= capacity_) {
      // The oldest go first: the gap is then always before what next() returns.
      queue_.pop_front();
      gap_ = true;
    }
    queue_.push_back(event);
  }
  changed_.notify_one();
}

void Subscription::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
}

std::shared_ptr<Subscription> EventBus::subscribe(std::size_t capacity) {
  auto subscription = std::make_shared<Subscription>(capacity);
  const std::lock_guard lock(mutex_);
  std::erase_if(subscribers_, [](const auto& weak) { return weak.expired(); });
  subscribers_.push_back(subscription);
  if (closed_) subscription->close();
  return subscription;
}

void EventBus::publish(Event event) {
  const std::lock_guard lock(mutex_);
  for (const auto& weak : subscribers_)
    if (const auto subscription = weak.lock()) subscription->push(event);
}

void EventBus::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (const auto& weak : subscribers_)
    if (const auto subscription = weak.lock()) subscription->close();
}

}  // namespace dunlin::engine
