// The event bus: bounded queues, a gap instead of a wait, an end.
#include "engine/events.h"

#include <thread>

#include <gtest/gtest.h>

namespace dunlin::engine {
namespace {

Event named(const std::string& name) {
  Event event;
  event.name = name;
  return event;
}

TEST(Events, ComeInOrderToEverySubscriber) {
  EventBus bus;
  const auto one = bus.subscribe();
  const auto two = bus.subscribe();
  bus.publish(named("a"));
  bus.publish(named("b"));
  for (const auto& subscription : {one, two}) {
    EXPECT_EQ(subscription->next(0)->name, "a");
    EXPECT_EQ(subscription->next(0)->name, "b");
    EXPECT_FALSE(subscription->next(0).has_value());
  }
}

TEST(Events, AFullQueueDropsTheOldestAndSaysSo) {
  EventBus bus;
  const auto subscription = bus.subscribe(2);
  for (const char* name : {"a", "b", "c", "d"}) bus.publish(named(name));
  const auto first = subscription->next(0);
  EXPECT_EQ(first->name, "c");
  EXPECT_TRUE(first->gap_before);
  const auto second = subscription->next(0);
  EXPECT_EQ(second->name, "d");
  EXPECT_FALSE(second->gap_before);
}

TEST(Events, ClosingWakesTheWaitingAndLeavesWhatIsQueued) {
  EventBus bus;
  const auto subscription = bus.subscribe();
  std::thread closer([&] { bus.close(); });
  EXPECT_FALSE(subscription->next(60'000).has_value());
  closer.join();
  EXPECT_TRUE(subscription->closed());

  EventBus other;
  const auto late = other.subscribe();
  other.publish(named("last"));
  other.close();
  EXPECT_FALSE(late->closed());
  EXPECT_EQ(late->next(0)->name, "last");
  EXPECT_TRUE(late->closed());
  EXPECT_TRUE(other.subscribe()->closed());
}

TEST(Events, ASubscriberThatWentAwayCostsNothing) {
  EventBus bus;
  bus.subscribe().reset();
  bus.publish(named("a"));
  EXPECT_EQ(bus.subscribe()->next(0), std::nullopt);
}

TEST(Events, PublishersAndSubscribersMayBeManyThreads) {
  EventBus bus;
  const auto subscription = bus.subscribe(100'000);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 500; ++n) bus.publish(named("x"));
    });
  int received = 0;
  while (received < 2000 && subscription->next(10'000)) ++received;
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(received, 2000);
}

}  // namespace
}  // namespace dunlin::engine
