// Limits that are changed while work goes on: what is accepted, and what it does to those who work.
#include "engine/live_limits.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <time.h>

#include "engine/concurrency_gate.h"
#include "engine/governor.h"

namespace dunlin::engine {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

/// True once it is; false when it was not for ten seconds.
template <typename Condition>
bool eventually(Condition condition) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(milliseconds(1));
  }
  return true;
}

TEST(LimitChanges, AreNamedOneByOneAndChecked) {
  const auto change = limit_change_from(Json{{"io", 5}, {"concurrency", 2}});
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(change->bytes_per_second, 5);
  EXPECT_EQ(change->concurrency, 2);
  EXPECT_FALSE(change->operations_per_second);
  EXPECT_FALSE(change->batch_size);
  for (const Json& wrong :
       {Json::object(), Json("io"), Json{{"memory", 1}}, Json{{"io", "5"}}, Json{{"io", -1}},
        Json{{"concurrency", 0}}, Json{{"cpu", 101}}, Json{{"batch_size", 10'000'001}}})
    EXPECT_EQ(limit_change_from(wrong).error().type, ErrorType::invalid_input) << wrong;
  EXPECT_THAT(limit_change_from(Json{{"memory", 1}}).error().text(), HasSubstr("memory"));
}

TEST(LiveLimits, WhatIsNotNamedStaysAsItIs) {
  ExecutionSettings settings;
  settings.limits.max_io_bytes_per_sec = 1000;
  settings.batch_size = 70;
  Governor governor;
  ConcurrencyGate gate(16);
  LiveLimits limits(settings, governor, gate);
  EXPECT_EQ(limits.json()["io"], 1000);
  LimitChange change;
  change.bytes_per_second = 5000;
  limits.apply(change);
  change = {};
  change.operations_per_second = 7;
  change.concurrency = 3;
  change.batch_size = 9;
  limits.apply(change);
  EXPECT_EQ(limits.json()["io"], 5000) << "and not what the plan said";
  EXPECT_EQ(limits.json()["iops"], 7);
  EXPECT_TRUE(limits.json()["cpu"].is_null());
  EXPECT_EQ(gate.limit(), 3);
  EXPECT_EQ(limits.batch_size(), 9);
}

/// Threads that each do item after item, and portions within them.
class GateTest : public ::testing::Test {
 protected:
  ~GateTest() override {
    ending = true;
    for (auto& thread : threads) thread.join();
  }
  void begin(int count) {
    for (int n = 0; n < count; ++n)
      threads.emplace_back([this] {
        while (!ending) {
          const ConcurrencyGate::Turn turn(gate, cancel.token());
          if (!turn.passed()) continue;
          for (int portion = 0; portion < portions && !ending; ++portion) {
            ++working;
            std::this_thread::sleep_for(milliseconds(1));
            --working;
            gate.pause_if_too_many(cancel.token());
          }
        }
      });
  }
  /// The most that work at the same time, looked at for a while.
  int most() {
    int found = 0;
    for (int n = 0; n < 200; ++n) {
      found = std::max(found, working.load());
      std::this_thread::sleep_for(milliseconds(1));
    }
    return found;
  }
  ConcurrencyGate gate{8};
  CancelSource cancel;
  std::atomic<bool> ending{false};
  std::atomic<int> working{0};
  int portions = 1;
  std::vector<std::thread> threads;
};

TEST_F(GateTest, LetsNoMoreInThanItsLimit) {
  gate.set_limit(3);
  begin(8);
  EXPECT_LE(most(), 3);
  gate.set_limit(1);
  EXPECT_TRUE(eventually([this] { return most() <= 1; }));
  gate.set_limit(8);
  EXPECT_TRUE(eventually([this] { return most() > 3; }));
}

TEST_F(GateTest, ALowerLimitStopsThoseInTheMiddleOfLargeItems) {
  portions = 1'000'000'000;
  begin(6);
  ASSERT_TRUE(eventually([this] { return working == 6; }));
  gate.set_limit(2);
  EXPECT_TRUE(eventually([this] { return most() <= 2; }));
  gate.set_limit(6);
  EXPECT_TRUE(eventually([this] { return working >= 5; })) << "they go on where they were";
}

/// Takes two seconds: so long a thread stands aside before it does its next portion.
TEST_F(GateTest, NobodyWaitsForEverForOneThatWaitsForHim) {
  gate.set_limit(2);
  std::atomic<bool> second_done{false};
  std::thread first([&] {
    const ConcurrencyGate::Turn turn(gate, cancel.token());
    EXPECT_TRUE(eventually([&] { return second_done.load(); }));  // as if by a lock
  });
  std::thread second([&] {
    const ConcurrencyGate::Turn turn(gate, cancel.token());
    gate.set_limit(1);
    gate.pause_if_too_many(cancel.token());
    second_done = true;
  });
  first.join();
  second.join();
}

TEST_F(GateTest, ACancelledOneDoesNotWaitForItsTurn) {
  gate.set_limit(1);
  const ConcurrencyGate::Turn inside(gate, cancel.token());
  cancel.request(CancelReason::pause);
  bool passed = true;
  std::thread other([&] { passed = ConcurrencyGate::Turn(gate, cancel.token()).passed(); });
  other.join();
  EXPECT_FALSE(passed);
}

/// Two seconds: at a low rate it shows who is awake at the right moment.
TEST(GovernorLine, WhoeverAsksAgainStandsBehindThoseWhoWait) {
  Governor governor;
  governor.set_limits(1000, 0);
  std::atomic<int> granted{0};
  std::vector<int> shares(5, 0);
  std::vector<std::thread> threads;
  for (int& share : shares)
    threads.emplace_back([&] {
      while (granted < 20) {
        EXPECT_TRUE(governor.acquire(110, 1, CancelToken()).ok());
        ++granted;
        ++share;
      }
    });
  for (auto& thread : threads) thread.join();
  const auto [least, most] = std::minmax_element(shares.begin(), shares.end());
  EXPECT_LE(*most - *least, 3) << ::testing::PrintToString(shares);
}

TEST(GovernorCpu, HoldsTheProcessBelowItsShare) {
  Governor governor;
  governor.set_cpu_percent(1);
  const auto cpu_ms = [] {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1'000'000;
  };
  ASSERT_TRUE(governor.acquire(1, 1, CancelToken()).ok());
  const auto began = std::chrono::steady_clock::now();
  const auto used = cpu_ms();
  while (cpu_ms() - used < 30) {  // 30 ms of 1 % of some CPUs
  }
  ASSERT_TRUE(governor.acquire(1, 1, CancelToken()).ok());
  const auto cpus = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  EXPECT_GE(std::chrono::steady_clock::now() - began, milliseconds(2000 / cpus));
}

TEST(GovernorCpu, ATakenAwayLimitLetsGoOn) {
  Governor governor;
  governor.set_cpu_percent(1);
  ASSERT_TRUE(governor.acquire(1, 1, CancelToken()).ok());
  for (std::atomic<int> n = 0; n < 50'000'000; ++n) {
  }
  std::atomic<bool> done{false};
  std::thread waiting([&] {
    EXPECT_TRUE(governor.acquire(1, 1, CancelToken()).ok());
    done = true;
  });
  governor.set_cpu_percent(0);
  EXPECT_TRUE(eventually([&] { return done.load(); }));
  waiting.join();
}

}  // namespace
}  // namespace dunlin::engine
