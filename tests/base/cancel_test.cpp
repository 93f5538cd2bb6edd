#include "base/cancel.h"

#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "base/permits.h"

namespace dunlin {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

TEST(Cancel, TheReasonOnlyRises) {
  CancelSource source;
  const CancelToken token = source.token();
  EXPECT_FALSE(token.cancelled());
  EXPECT_TRUE(token.check().ok());
  source.request(CancelReason::cancel);
  source.request(CancelReason::pause);
  EXPECT_EQ(token.reason(), CancelReason::cancel);
  EXPECT_EQ(source.reason(), CancelReason::cancel);
  source.request(CancelReason::stop);
  EXPECT_EQ(token.reason(), CancelReason::stop);
  EXPECT_EQ(token.check().error().type, ErrorType::interrupted);
}

TEST(Cancel, ADefaultTokenIsNeverCancelled) {
  const CancelToken token;
  EXPECT_FALSE(token.cancelled());
  EXPECT_FALSE(token.wait_for(milliseconds(1)));
}

TEST(Cancel, AWaitEndsByTimeOrByRequest) {
  CancelSource source;
  const CancelToken token = source.token();
  EXPECT_FALSE(token.wait_for(milliseconds(1)));
  const auto start = steady_clock::now();
  std::jthread waker([&source] {
    std::this_thread::sleep_for(milliseconds(20));
    source.request(CancelReason::pause);
  });
  EXPECT_TRUE(token.wait_for(std::chrono::minutes(5)));
  EXPECT_LT(steady_clock::now() - start, std::chrono::minutes(1));
  EXPECT_TRUE(token.wait_for(std::chrono::minutes(5))) << "a token cancelled before does not wait";
}

TEST(Cancel, APartEndsByItselfOrWithTheWhole) {
  CancelSource whole;
  CancelSource one = whole.part();
  CancelSource other = whole.part();
  one.request(CancelReason::pause);
  EXPECT_TRUE(one.token().cancelled());
  EXPECT_FALSE(other.token().cancelled());
  EXPECT_FALSE(whole.token().cancelled());
  std::jthread waiter(
      [token = other.token()] { EXPECT_TRUE(token.wait_for(std::chrono::minutes(5))); });
  whole.request(CancelReason::cancel);
  waiter.join();
  EXPECT_EQ(one.reason(), CancelReason::cancel);
  EXPECT_EQ(other.reason(), CancelReason::cancel);
  EXPECT_EQ(whole.part().reason(), CancelReason::cancel) << "it has been said already";
}

// A request between a waiter's look and its sleep must not be lost.
TEST(Cancel, NoWakeUpIsLost) {
  for (int round = 0; round < 500; ++round) {
    CancelSource source;
    std::jthread waiter(
        [token = source.token()] { EXPECT_TRUE(token.wait_for(std::chrono::minutes(5))); });
    source.request(CancelReason::stop);
  }
}

TEST(Cancel, ATokenOutlivesItsSource) {
  CancelToken token;
  {
    CancelSource source;
    token = source.token();
    source.request(CancelReason::pause);
  }
  EXPECT_TRUE(token.cancelled());
}

TEST(Permits, UnlimitedStillHonoursCancellation) {
  CancelSource source;
  UnlimitedPermits permits;
  EXPECT_TRUE(permits.acquire(1 << 20, 1, source.token()).ok());
  source.request(CancelReason::pause);
  EXPECT_EQ(permits.acquire(1, 1, source.token()).error().type, ErrorType::interrupted);
}

}  // namespace
}  // namespace dunlin
