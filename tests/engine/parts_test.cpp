// The engine's smaller parts: pools, governor, retry, how a batch ends, the control socket.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>

#include "engine/batch_end.h"
#include "engine/control_socket.h"
#include "engine/governor.h"
#include "engine/ledger_writer.h"
#include "engine/retry.h"
#include "engine/thread_pool.h"
#include "store/sqlite_ledger.h"
#include "support/scratch.h"

namespace dunlin::engine {
namespace {

using std::chrono::milliseconds;
using store::BatchResult;
using store::Pass;
using SteadyClock = std::chrono::steady_clock;

// ---- ItemPool
// ------------------------------------------------------------------------------------------------------

TEST(ItemPool, RunsEveryIndexOnce) {
  ItemPool pool(4);
  std::vector<std::atomic<int>> hits(1000);
  EXPECT_TRUE(
      pool.for_each(1, {{0, hits.size()}}, [&](std::size_t i) { ++hits[i]; }, CancelToken()));
  for (const auto& hit : hits) EXPECT_EQ(hit, 1);
}

TEST(ItemPool, SeveralCallersShareIt) {
  ItemPool pool(3);
  std::atomic<int> sum{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&, c] {
      EXPECT_TRUE(pool.for_each(c, {{0, 100}}, [&](std::size_t) { ++sum; }, CancelToken()));
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(sum, 400);
}

TEST(ItemPool, TheOldestBatchIsServedFirst) {
  ItemPool pool(1);
  std::string order;  // one thread writes it
  std::vector<std::thread> callers;
  // Holds the only thread until the others wait, the oldest last.
  callers.emplace_back([&] {
    const auto until_both = [&](std::size_t) {
      while (pool.callers() < 3) std::this_thread::sleep_for(milliseconds(1));
    };
    EXPECT_TRUE(pool.for_each(1, {{0, 1}}, until_both, CancelToken()));
  });
  while (pool.callers() == 0) std::this_thread::sleep_for(milliseconds(1));
  for (const auto& [number, name] : {std::pair(7, 'b'), std::pair(5, 'a')}) {
    callers.emplace_back([&, number = number, name = name] {
      EXPECT_TRUE(
          pool.for_each(number, {{0, 3}}, [&](std::size_t) { order += name; }, CancelToken()));
    });
    std::this_thread::sleep_for(milliseconds(20));
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(order, "aaabbb");
}

TEST(ItemPool, CancellationLeavesTheRestUnbegun) {
  ItemPool pool(2);
  CancelSource cancel;
  const CancelToken token = cancel.token();
  std::atomic<int> begun{0};
  const bool all = pool.for_each(
      1, {{0, 1000}},
      [&](std::size_t) {
        // Whoever comes after the fifth waits: how fast the fifth gets from its count to its
        // request is up to the scheduler.
        const int number = ++begun;
        if (number == 5) cancel.request(CancelReason::pause);
        while (number > 5 && !token.cancelled()) std::this_thread::yield();
      },
      token);
  EXPECT_FALSE(all);
  EXPECT_LE(begun, 5 + 2);
}

TEST(ItemPool, NothingToDoIsDone) {
  ItemPool pool(1);
  EXPECT_TRUE(pool.for_each(1, {}, [](std::size_t) { FAIL(); }, CancelToken()));
  EXPECT_TRUE(pool.for_each(1, {{0}}, [](std::size_t) { FAIL(); }, CancelToken()));
}

/// The parts of a test: which index is in which.
const Parts kFourParts{{0, 25, 50, 75, 100}, false};

TEST(ItemPool, ThreadsSpreadOverTheParts) {
  ItemPool pool(4);
  std::atomic<int> waiting{0};
  std::array<std::atomic<int>, 4> begun{};
  EXPECT_TRUE(pool.for_each(
      1, kFourParts,
      [&](std::size_t index) {
        // The first four wait for each other, so each has a thread of its own.
        if (++waiting <= 4) {
          ++begun.at(index / 25);
          while (waiting < 4) std::this_thread::yield();
        }
      },
      CancelToken()));
  for (const auto& part : begun) EXPECT_EQ(part, 1);
}

TEST(ItemPool, APartMayHaveOneThreadOnly) {
  ItemPool pool(8);
  Parts parts = kFourParts;
  parts.one_thread_each = true;
  std::array<std::atomic<int>, 4> inside{};
  std::array<std::size_t, 4> next{0, 25, 50, 75};
  EXPECT_TRUE(pool.for_each(
      1, parts,
      [&](std::size_t index) {
        const std::size_t part = index / 25;
        EXPECT_EQ(++inside.at(part), 1);
        EXPECT_EQ(index, next.at(part)++);
        std::this_thread::yield();
        --inside.at(part);
      },
      CancelToken()));
  EXPECT_EQ(next, (std::array<std::size_t, 4>{25, 50, 75, 100}));
}

TEST(ItemPool, OneThreadTakesThePartsInTheirOrder) {
  ItemPool pool(1);
  std::size_t next = 0;
  EXPECT_TRUE(pool.for_each(
      1, kFourParts, [&](std::size_t index) { EXPECT_EQ(index, next++); }, CancelToken()));
  EXPECT_EQ(next, 100U);
}

TEST(ItemPool, AThreadLeavesItsPartForAnOlderBatch) {
  ItemPool pool(1);
  std::string order;  // one thread writes it
  std::thread older;
  EXPECT_TRUE(pool.for_each(
      2, {{0, 3}},
      [&](std::size_t) {
        order += 'b';
        if (order.size() > 1) return;
        older = std::thread([&] {
          EXPECT_TRUE(
              pool.for_each(1, {{0, 2}}, [&](std::size_t) { order += 'a'; }, CancelToken()));
        });
        while (pool.callers() < 2) std::this_thread::sleep_for(milliseconds(1));
      },
      CancelToken()));
  older.join();
  EXPECT_EQ(order, "baabb");
}

// ---- Governor
// ------------------------------------------------------------------------------------------------------

constexpr std::int64_t kPartMiB = 1 << 20;

TEST(Memory, WithoutALimitLargeFilesAtTheSameTimeGetLessAndNobodyWaits) {
  Governor governor;
  const auto first = governor.memory(40 * kPartMiB, 3 * kPartMiB, CancelToken());
  const auto second = governor.memory(40 * kPartMiB, 3 * kPartMiB, CancelToken());
  EXPECT_EQ(first->bytes(), 40 * kPartMiB);
  EXPECT_EQ(second->bytes(), 24 * kPartMiB);
  EXPECT_EQ(governor.memory(24 * kPartMiB, 3 * kPartMiB, CancelToken())->bytes(), 3 * kPartMiB);
}

TEST(Memory, WhoeverIsTheOnlyOneGoesOnUnderAnyLimit) {
  Governor governor;
  governor.set_memory(1);
  EXPECT_EQ(governor.memory(900 * kPartMiB, 100 * kPartMiB, CancelToken())->bytes(),
            100 * kPartMiB);
}

TEST(Memory, UnderALimitWhoeverFindsTooLittleWaitsForWhatIsGivenBack) {
  Governor governor;
  governor.set_memory(68'000'000);  // 20 MB of it for buffers
  std::optional<MemoryLease> held;
  held.emplace(*governor.memory(15'000'000, 15'000'000, CancelToken()));
  EXPECT_EQ(governor.memory(15'000'000, 1'000'000, CancelToken())->bytes(), 5'000'000);
  std::atomic<bool> given{false};
  std::thread waiting([&] {
    const auto lease = governor.memory(10'000'000, 10'000'000, CancelToken());
    EXPECT_TRUE(given) << "there was no room";
    EXPECT_EQ(lease->bytes(), 10'000'000);
  });
  std::this_thread::sleep_for(milliseconds(20));
  given = true;
  held.reset();
  waiting.join();
}

TEST(Memory, ALimitThatIsTakenAwayAPauseAndAStopEndTheWait) {
  Governor governor;
  governor.set_memory(64'000'000);
  const auto all = governor.memory(16'000'000, 16'000'000, CancelToken());
  CancelSource cancel;
  std::thread canceller([&] { cancel.request(CancelReason::pause); });
  EXPECT_EQ(governor.memory(1, 1, cancel.token()).error().type, ErrorType::interrupted);
  canceller.join();
  std::thread raiser([&] { governor.set_memory(0); });
  EXPECT_TRUE(governor.memory(1, 1, CancelToken()).ok());
  raiser.join();
  governor.set_memory(64'000'000);
  std::thread stopper([&] { governor.close(); });
  EXPECT_EQ(governor.memory(1, 1, CancelToken()).error().type, ErrorType::interrupted);
  stopper.join();
}

TEST(Governor, KeepsTheRate) {
  Governor governor;
  governor.set_limits(10'000'000, 0);
  const auto start = SteadyClock::now();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(governor.acquire(100'000, 0, CancelToken()).ok());
  // 5 MB at 10 MB/s, less the burst of 100 ms: never faster than 0.4 s, whatever the machine does.
  EXPECT_GE(SteadyClock::now() - start, milliseconds(380));
}

TEST(Governor, ARaisedLimitWakesThoseWhoWait) {
  Governor governor;
  governor.set_limits(1, 0);
  ASSERT_TRUE(governor.acquire(1000, 0, CancelToken()).ok());  // the next byte is due in 1,000 s
  std::thread raiser([&] { governor.set_limits(0, 0); });
  EXPECT_TRUE(governor.acquire(1, 0, CancelToken()).ok());
  raiser.join();
}

TEST(Governor, CancellationEndsTheWait) {
  Governor governor;
  governor.set_limits(1, 0);
  ASSERT_TRUE(governor.acquire(1000, 0, CancelToken()).ok());
  CancelSource cancel;
  std::thread canceller([&] { cancel.request(CancelReason::pause); });
  EXPECT_EQ(governor.acquire(1, 0, cancel.token()).error().type, ErrorType::interrupted);
  canceller.join();
}

// ---- Retry
// ---------------------------------------------------------------------------------------------------------

TEST(Retry, CountsTheFirstTryAndStopsAtMaxAttempts) {
  RetryAdvisor retry(RetryPolicy{}, 1);
  const Error reset(ErrorType::connection_reset, "cut");
  EXPECT_TRUE(retry.should_retry(reset, 1));
  EXPECT_TRUE(retry.should_retry(reset, 2));
  EXPECT_FALSE(retry.should_retry(reset, 3));
}

TEST(Retry, NeverTriesWhatCannotChange) {
  RetryAdvisor retry(RetryPolicy{}, 1);
  EXPECT_FALSE(retry.should_retry(Error(ErrorType::constraint_violation, "no"), 1));
}

TEST(Retry, ExcludedTypesAreNotTried) {
  RetryPolicy policy;
  policy.no_retry_on = {"connection_reset"};
  RetryAdvisor retry(policy, 1);
  EXPECT_FALSE(retry.should_retry(Error(ErrorType::connection_reset, "cut"), 1));
  EXPECT_TRUE(retry.should_retry(Error(ErrorType::network_timeout, "late"), 1));
}

TEST(Retry, ATypeThatNeverRecoversIsGivenUp) {
  RetryAdvisor retry(RetryPolicy{}, 1);
  const Error reset(ErrorType::connection_reset, "cut");
  int tried = 0;
  for (int i = 1; i <= 1000; ++i) tried += retry.should_retry(reset, 1, ItemId(i)) ? 1 : 0;
  EXPECT_LT(tried, 100);
  EXPECT_TRUE(retry.should_retry(Error(ErrorType::network_timeout, "late"), 1, ItemId(1)));
}

TEST(Retry, ARecoveryKeepsTheTypeAlive) {
  RetryAdvisor retry(RetryPolicy{}, 1);
  const Error reset(ErrorType::connection_reset, "cut");
  for (int i = 1; i <= 1000; ++i) {
    ASSERT_TRUE(retry.should_retry(reset, 1, ItemId(i)));
    if (i == 10) retry.note_success(ItemId(3));
  }
}

TEST(Retry, DelaysGrowAndHonourTheServer) {
  RetryAdvisor retry(RetryPolicy{}, 1);
  Error throttled(ErrorType::throttled, "slow down");
  for (int i = 0; i < 100; ++i) {
    EXPECT_LE(retry.delay_ms(throttled, 1), 1000);
    EXPECT_LE(retry.delay_ms(throttled, 20), 30'000);
  }
  throttled.retry_after_ms = 5000;
  EXPECT_GE(retry.delay_ms(throttled, 1), 5000);
}

// ---- How a batch ends
// ----------------------------------------------------------------------------------------------

BatchResult ends(const Status& status, const BatchTally& tally, bool retry, bool settle = false,
                 CommitScope scope = CommitScope::item, Pass pass = Pass::work) {
  return decide_batch_end(status, tally, pass, settle, scope, [&](const Error&) { return retry; })
      .result;
}

TEST(LedgerWriter, WhatComesAfterAnEmergencyStopIsAnsweredToACallerThatHoldsALock) {
  const SystemClock clock;
  store::ExecutionRow row;
  row.id = ExecutionId(new_uuid_v7(clock.wall_ms()));
  const auto ledger = store::SqliteLedger::create_in_memory(row, clock);
  ASSERT_TRUE(ledger.ok()) << ledger.error().text();
  LedgerWriter writer(**ledger, 0);
  writer.abandon();
  std::mutex mutex;
  std::condition_variable answered;
  bool done = false;
  std::unique_lock lock(mutex);
  writer.submit({store::AddMilestone{"first_byte"}}, [&](const LedgerWriter::Written& written) {
    EXPECT_EQ(written.results.error().type, ErrorType::interrupted);
    const std::lock_guard mine(mutex);
    done = true;
    answered.notify_all();
  });
  answered.wait(lock, [&] { return done; });
}

TEST(BatchEnd, EveryCase) {
  const Error transient(ErrorType::connection_reset, "cut");
  const Error constraint(ErrorType::constraint_violation, "no");
  const Error full(ErrorType::disk_full, "full");
  const Error interrupted(ErrorType::interrupted, "pause");
  EXPECT_EQ(ends(success(), {}, false), BatchResult::done);
  EXPECT_EQ(ends(success(), {}, false, false, CommitScope::execution), BatchResult::staged);
  EXPECT_EQ(ends(success(), {4, 0, 2, transient, {}}, true), BatchResult::retry);
  EXPECT_EQ(ends(success(), {4, 3, 0, {}, {}}, true), BatchResult::interrupted)
      << "items without outcome are a defect";
  EXPECT_EQ(ends(success(), {4, 0, 0, {}, full}, true), BatchResult::interrupted);
  EXPECT_EQ(ends(interrupted, {}, true), BatchResult::interrupted);
  EXPECT_EQ(ends(full, {}, true), BatchResult::interrupted);
  EXPECT_EQ(ends(transient, {}, true), BatchResult::retry);
  EXPECT_EQ(ends(transient, {}, false), BatchResult::failed);
  EXPECT_EQ(ends(constraint, {}, false), BatchResult::failed);
  EXPECT_EQ(ends(success(), {4, 1, 0, {}, {}}, false, true), BatchResult::interrupted)
      << "settled in part: goes on later";
  EXPECT_EQ(ends(success(), {4, 0, 0, {}, {}}, false, true), BatchResult::done);
  EXPECT_EQ(ends(success(), {}, false, true), BatchResult::interrupted)
      << "nothing tells that a batch without items had been done before the kill";
  EXPECT_EQ(ends(constraint, {}, false, true), BatchResult::interrupted)
      << "what cannot be settled is not failed";
  EXPECT_EQ(ends(constraint, {}, false, false, CommitScope::item, Pass::verify),
            BatchResult::interrupted);
}

TEST(BatchEnd, WhatCouldNotBeSettledStaysOpen) {
  const auto left_open = [](const Status& status, const BatchTally& tally, bool settle) {
    const auto retry = [](const Error&) { return true; };
    return decide_batch_end(status, tally, Pass::work, settle, CommitScope::item, retry).leave_open;
  };
  const Error transient(ErrorType::connection_reset, "cut");
  EXPECT_TRUE(left_open(transient, {}, true))
      << "pending again, a cancel would forget what lies at the destination";
  EXPECT_TRUE(left_open(success(), {4, 0, 0, {}, Error(ErrorType::write_error, "broken")}, true));
  EXPECT_FALSE(left_open(success(), {4, 1, 0, {}, {}}, true));
  EXPECT_FALSE(left_open(transient, {}, false));
}

// ---- The control socket
// --------------------------------------------------------------------------------------------

class ControlSocketTest : public ::testing::Test {
 protected:
  const dunlin::testing::ScratchDirectory scratch_;
  const std::string& directory_ = scratch_.path();
};

TEST_F(ControlSocketTest, AnswersALine) {
  auto server = ControlServer::start(
      directory_, "one.sock",
      [](const Json& request, uid_t) { return Json{{"echo", request["verb"]}}; }, [] {});
  ASSERT_TRUE(server.ok()) << server.error().text();
  const auto answer = ask_owner(directory_, "one.sock", Json{{"verb", "pause"}}, 5000);
  ASSERT_TRUE(answer.ok()) << answer.error().text();
  EXPECT_EQ((*answer)["echo"], "pause");
}

TEST_F(ControlSocketTest, IsForTheOwnerOnly) {
  auto server = ControlServer::start(
      directory_, "one.sock", [](const Json&, uid_t) { return Json::object(); }, [] {});
  ASSERT_TRUE(server.ok());
  struct stat info{};
  ASSERT_EQ(::stat((directory_ + "/one.sock").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST_F(ControlSocketTest, NobodyListeningIsSaidAtOnce) {
  EXPECT_EQ(ask_owner(directory_, "none.sock", Json::object()).error().type,
            ErrorType::endpoint_unreachable);
}

TEST_F(ControlSocketTest, GarbageDoesNotHurtTheServer) {
  auto server = ControlServer::start(
      directory_, "one.sock", [](const Json&, uid_t) { return Json{{"fine", true}}; }, [] {});
  ASSERT_TRUE(server.ok());
  const auto refused = ask_owner(directory_, "one.sock", Json("not an object"), 5000);
  ASSERT_TRUE(refused.ok());
  EXPECT_FALSE((*refused)["accepted"].get<bool>());
  EXPECT_TRUE(ask_owner(directory_, "one.sock", Json::object(), 5000).ok());
}

TEST_F(ControlSocketTest, AClientThatDoesNotReadHoldsNobodyUp) {
  std::atomic<int> asked{0};
  auto server = ControlServer::start(
      directory_, "one.sock",
      [&asked](const Json&, uid_t) {
        ++asked;
        return Json{{"much", std::string(4 << 20, 'x')}};  // more than a socket holds
      },
      [] {});
  ASSERT_TRUE(server.ok());
  UniqueFd deaf(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (directory_ + "/one.sock").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::connect(deaf.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::send(deaf.get(), "{}\n", 3, MSG_NOSIGNAL), 3);
  while (asked == 0) std::this_thread::sleep_for(milliseconds(1));
  // The next one is heard, though it has to wait for its turn.
  const UniqueFd next(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(next.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::send(next.get(), "{}\n", 3, MSG_NOSIGNAL), 3);
  const auto give_up = SteadyClock::now() + std::chrono::seconds(10);
  while (asked < 2 && SteadyClock::now() < give_up) std::this_thread::sleep_for(milliseconds(5));
  EXPECT_EQ(asked, 2);
  deaf.reset();  // or the server's end would wait for it, where this fails
}

TEST_F(ControlSocketTest, WorksBelowAPathLongerThanSunPath) {
  std::string deep = directory_;
  for (int i = 0; i < 10; ++i) deep += "/a-rather-long-directory-name";
  std::filesystem::create_directories(deep);
  auto server = ControlServer::start(
      deep, "one.sock", [](const Json&, uid_t) { return Json{{"fine", true}}; }, [] {});
  ASSERT_TRUE(server.ok()) << server.error().text();
  EXPECT_TRUE(ask_owner(deep, "one.sock", Json::object(), 5000).ok());
}

}  // namespace
}  // namespace dunlin::engine
