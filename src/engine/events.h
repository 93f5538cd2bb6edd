// EventBus: what happens in an execution, for those who watch (display, monitor, server).
//
// Each subscriber has a bounded queue of its own; when it is full the oldest events are dropped and
// a gap is marked: the subscriber then reads the ledger again. Nothing that must not be lost is an
// event, and no subscriber can slow the engine. All calls from any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace dunlin::engine {

struct Event {
  std::string
      name;  ///< started, phase, milestone, batch_completed, error, warning, paused, finished …
  std::int64_t time_ms = 0;  ///< wall clock
  Json fields = Json::object();
  bool gap_before = false;  ///< events were dropped before this one
};

class Subscription {
 public:
  explicit Subscription(std::size_t capacity) : capacity_(capacity) {}
  /// The next event, or nullopt after `timeout_ms` or once the bus has closed and nothing is left.
  [[nodiscard]] std::optional<Event> next(std::int64_t timeout_ms);
  [[nodiscard]] bool closed() const;

 private:
  friend class EventBus;
  void push(const Event& event);
  void close();
  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Event> queue_;
  bool gap_ = false;
  bool closed_ = false;
};

class EventBus {
 public:
  [[nodiscard]] std::shared_ptr<Subscription> subscribe(std::size_t capacity = 1024);
  void publish(Event event);
  void close();

 private:
  std::mutex mutex_;
  std::vector<std::weak_ptr<Subscription>> subscribers_;
  bool closed_ = false;  ///< who subscribes afterwards is closed at once
};

}  // namespace dunlin::engine
