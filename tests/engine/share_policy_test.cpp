// Executions at one device: who gets how much of it. The device and time are simulated; the board
// is a real file.
#include "engine/share_policy.h"

#include <algorithm>
#include <deque>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "support/scratch.h"

namespace dunlin::engine {
namespace {

using dunlin::testing::ScratchDirectory;

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kPortion = 1 << 20;
/// 400 MB/s.
constexpr std::int64_t kDeviceBytesPerMs = 400'000;

/// An execution with some threads, each of which wants one portion after the other.
struct Client {
  std::unique_ptr<SharePolicy> policy;
  int idle = 16;
  std::int64_t source_per_ms = 0;  ///< what its own source gives; 0: everything at once
  std::int64_t source_has = 0;
  bool says_so = false;  ///< it is a limit of its own
  bool wants = true;
  std::int64_t served = 0;
};

class Device {
 public:
  explicit Device(const std::string& directory) : directory_(directory) {}

  Client& add(std::string_view priority, int threads = 16, const std::string& device = "disk 8:0") {
    auto board = ShareBoard::join(directory_, {device});
    EXPECT_TRUE(board.ok());
    clients_.push_back(std::make_unique<Client>());
    clients_.back()->policy =
        std::make_unique<SharePolicy>(*std::move(board), share_weight(priority));
    clients_.back()->idle = threads;
    return *clients_.back();
  }
  void remove(const Client& client) {
    std::erase_if(queue_, [&](const Job& job) { return job.client == &client; });
    std::erase_if(clients_, [&](const auto& one) { return one.get() == &client; });
  }
  void run_for(int seconds) {
    for (int ms = 0; ms < seconds * 1000; ++ms) tick();
  }
  /// What each is served from now on.
  void count_anew() {
    for (const auto& client : clients_) client->served = 0;
  }

 private:
  struct Job {
    Client* client;
    std::int64_t left;
  };
  void tick() {
    now_ += kMs;
    for (const auto& client : clients_) submit(*client);
    std::int64_t capacity = kDeviceBytesPerMs;
    while (capacity > 0 && !queue_.empty()) {
      Job& job = queue_.front();
      const std::int64_t part = std::min(capacity, job.left);
      job.left -= part;
      capacity -= part;
      if (job.left > 0) break;
      job.client->served += kPortion;
      ++job.client->idle;
      queue_.pop_front();
    }
  }
  void submit(Client& client) {
    const bool bound = client.source_per_ms > 0;
    client.source_has = std::min(client.source_has + client.source_per_ms, 4 * kPortion);
    while (client.wants && client.idle > 0) {
      if (bound && client.source_has < kPortion) {
        if (client.says_so) client.policy->bounded(now_);
        return;
      }
      if (!client.policy->may_take(now_)) return;
      client.policy->took(kPortion, now_);
      if (bound) client.source_has -= kPortion;
      --client.idle;
      queue_.push_back({&client, kPortion});
    }
  }

  std::string directory_;
  std::int64_t now_ = 1'000'000 * kMs;
  std::vector<std::unique_ptr<Client>> clients_;
  std::deque<Job> queue_;
};

double megabytes_a_second(const Client& client, int seconds) {
  return static_cast<double>(client.served) / 1e6 / seconds;
}

class SharePolicyTest : public ::testing::Test {
 protected:
  ScratchDirectory scratch_;
  Device device_{scratch_.path()};
};

TEST_F(SharePolicyTest, TwoGetOfTheDeviceWhatTheirPrioritiesSay) {
  struct Case {
    const char* first;
    const char* second;
    int first_threads;
    double ratio;
  };
  for (const Case& one : {Case{"high", "low", 16, 4}, Case{"immediate", "low", 16, 8},
                          Case{"normal", "low", 16, 2}, Case{"normal", "normal", 16, 1},
                          Case{"high", "normal", 2, 2}, Case{"low", "high", 64, 0.25}}) {
    SCOPED_TRACE(std::string(one.first) + " beside " + one.second);
    Device device(scratch_.path());
    Client& first = device.add(one.first, one.first_threads);
    Client& second = device.add(one.second);
    device.run_for(3);
    device.count_anew();
    device.run_for(60);  // with trials in between
    const double ratio = static_cast<double>(first.served) / static_cast<double>(second.served);
    EXPECT_NEAR(ratio / one.ratio, 1, 0.1) << ratio;
    EXPECT_GT(megabytes_a_second(first, 60) + megabytes_a_second(second, 60), 390)
        << "together they use all of it";
  }
}

/// Also while it pays for what it got ahead in a trial.
TEST_F(SharePolicyTest, TheLeastOfManyIsNeverStarved) {
  constexpr double kDue = 400.0 / 33;
  Client& low = device_.add("low");
  for (int n = 0; n < 4; ++n) device_.add("immediate");
  device_.run_for(3);
  std::int64_t served = 0;
  for (int n = 0; n < 40; ++n) {
    device_.count_anew();
    device_.run_for(2);
    EXPECT_GT(megabytes_a_second(low, 2), 0.2 * kDue) << n;
    served += low.served;
  }
  EXPECT_NEAR(static_cast<double>(served) / 80e6 / kDue, 1, 0.15);
}

TEST_F(SharePolicyTest, APriorityThatChangesHoldsFromThenOn) {
  Client& first = device_.add("normal");
  Client& second = device_.add("normal");
  device_.run_for(3);
  first.policy->set_weight(share_weight("immediate"));
  device_.run_for(1);
  device_.count_anew();
  device_.run_for(10);
  EXPECT_NEAR(static_cast<double>(first.served) / static_cast<double>(second.served), 4, 0.4);
}

/// Its source gives 20 MB/s: if the other one kept to its part, an eighth of that, the device would
/// lie idle.
TEST_F(SharePolicyTest, WhoIsHeldUpByItsSourceHoldsUpNobody) {
  Client& high = device_.add("immediate");
  high.source_per_ms = 20'000;
  Client& low = device_.add("low");
  device_.run_for(9);  // found out by two trials
  device_.count_anew();
  device_.run_for(120);
  EXPECT_NEAR(megabytes_a_second(high, 120), 20, 1);
  EXPECT_GT(megabytes_a_second(low, 120), 0.75 * 380);
}

/// No trial is needed: it says so.
TEST_F(SharePolicyTest, WhoIsHeldUpByALimitOfItsOwnHoldsUpNobody) {
  Client& high = device_.add("immediate");
  high.source_per_ms = 20'000;
  high.says_so = true;
  Client& low = device_.add("low");
  device_.run_for(1);
  device_.count_anew();
  device_.run_for(30);
  EXPECT_NEAR(megabytes_a_second(high, 30), 20, 1);
  EXPECT_GT(megabytes_a_second(low, 30), 370);
}

TEST_F(SharePolicyTest, WhoDiesOrStopsOrEndsIsForgotten) {
  Client& first = device_.add("high");
  Client& second = device_.add("low");
  device_.run_for(3);
  first.wants = false;  // SIGSTOP
  device_.run_for(2);
  device_.count_anew();
  device_.run_for(3);
  EXPECT_GT(megabytes_a_second(second, 3), 390);
  first.wants = true;
  device_.run_for(1);
  device_.count_anew();
  device_.run_for(10);
  EXPECT_NEAR(static_cast<double>(first.served) / static_cast<double>(second.served), 4, 0.4)
      << "it has no claim on what was done meanwhile";
  device_.remove(first);
  device_.run_for(1);
  device_.count_anew();
  device_.run_for(3);
  EXPECT_GT(megabytes_a_second(second, 3), 390);
}

TEST_F(SharePolicyTest, AtDifferentDevicesNobodyWaits) {
  Client& first = device_.add("immediate");
  Client& second = device_.add("low", 16, "disk 8:16");
  device_.run_for(10);
  EXPECT_NEAR(static_cast<double>(first.served) / static_cast<double>(second.served), 1, 0.01);
  EXPECT_EQ(second.policy->standing().others, 0);
}

TEST_F(SharePolicyTest, ItsStandingSaysWhatIsDueToIt) {
  Client& first = device_.add("high");
  Client& second = device_.add("low");
  device_.run_for(2);
  EXPECT_EQ(first.policy->standing().others, 1);
  EXPECT_DOUBLE_EQ(first.policy->standing().due, 0.8);
  EXPECT_FALSE(first.policy->standing().waits);
  EXPECT_TRUE(second.policy->standing().waits);
}

/// Left by another version, a dead machine or somebody who means harm.
TEST_F(SharePolicyTest, WhateverStandsOnTheBoardItGoesOn) {
  Client& client = device_.add("low");
  device_.add("high").wants = false;  // its slot stays locked
  Rng rng(1);
  for (int n = 0; n < 200; ++n) {
    std::fstream board(scratch_.file("shares-1"), std::ios::in | std::ios::out | std::ios::binary);
    board.seekp(128);
    for (int i = 0; i < 8; ++i) {
      const std::uint64_t value = rng.chance(0.5) ? rng.next() : 1'000'000 * kMs;
      board.write(reinterpret_cast<const char*>(&value), sizeof value);
    }
    board.close();
    device_.count_anew();
    device_.run_for(1);
    EXPECT_GE(client.served, kPortion) << n;
  }
}

TEST(ShareBoardTest, ASlotIsFreeAgainWhenItsOwnerIsGone) {
  const ScratchDirectory scratch;
  for (int n = 0; n < 200; ++n) ASSERT_TRUE(ShareBoard::join(scratch.path(), {"disk"}).ok());
  std::vector<std::unique_ptr<ShareBoard>> boards;
  for (;;) {
    auto board = ShareBoard::join(scratch.path(), {"disk"});
    if (!board.ok()) {
      EXPECT_EQ(board.error().type, ErrorType::temporary_failure);
      break;
    }
    boards.push_back(*std::move(board));
  }
  EXPECT_EQ(boards.size(), 64U);
  boards.front()->find_rivals();
  EXPECT_EQ(boards.front()->rivals().size(), 63U);
  boards.pop_back();
  boards.front()->find_rivals();
  EXPECT_EQ(boards.front()->rivals().size(), 62U);
}

}  // namespace
}  // namespace dunlin::engine
