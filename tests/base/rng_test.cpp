#include "base/rng.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace dunlin {
namespace {

// Golden, from an independent implementation: a seed of the simulator has to replay for ever.
TEST(Rng, TheSequenceIsFixed) {
  Rng zero(0);
  EXPECT_EQ(zero.next(), 0x99ec5f36cb75f2b4ULL);
  EXPECT_EQ(zero.next(), 0xbf6e1f784956452aULL);
  Rng other(42);
  EXPECT_EQ(other.next(), 0x15780b2e0c2ec716ULL);
  for (int i = 0; i < 998; ++i) static_cast<void>(other.next());
  EXPECT_EQ(other.next(), 0x8de5848c61ab8968ULL);
}

TEST(Rng, BelowIsUniformAndInside) {
  Rng rng(7);
  std::array<int, 6> counts{};
  for (int i = 0; i < 60'000; ++i) ++counts[rng.below(6)];
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 500);
  EXPECT_EQ(rng.below(1), 0U);
  // A modulo without rejection gives the lower third twice as often as the rest here.
  constexpr std::uint64_t kTwoThirds = 0xaaaa'aaaa'aaaa'aaaaULL;
  int low = 0;
  for (int i = 0; i < 30'000; ++i) low += rng.below(kTwoThirds) < kTwoThirds / 2 ? 1 : 0;
  EXPECT_NEAR(low, 15'000, 600);
}

TEST(Rng, RangesIncludeBothEnds) {
  Rng rng(7);
  bool low = false;
  bool high = false;
  for (int i = 0; i < 1000; ++i) {
    const auto value = rng.between(-2, 2);
    ASSERT_TRUE(value >= -2 && value <= 2);
    low = low || value == -2;
    high = high || value == 2;
  }
  EXPECT_TRUE(low && high);
  EXPECT_EQ(rng.between(5, 5), 5);
  static_cast<void>(rng.between(std::numeric_limits<std::int64_t>::min(),
                                std::numeric_limits<std::int64_t>::max()));
}

TEST(Rng, ChanceAndUniform) {
  Rng rng(1);
  int hits = 0;
  for (int i = 0; i < 10'000; ++i) hits += rng.chance(0.25) ? 1 : 0;
  EXPECT_NEAR(hits, 2500, 200);
  EXPECT_FALSE(rng.chance(0));
  EXPECT_TRUE(rng.chance(1));
}

TEST(Rng, ShuffleKeepsTheItemsAndReplays) {
  std::vector<int> a = {1, 2, 3, 4, 5, 6, 7, 8};
  std::vector<int> b = a;
  Rng(3).shuffle(a);
  Rng(3).shuffle(b);
  EXPECT_EQ(a, b);
  EXPECT_FALSE(std::is_sorted(a.begin(), a.end()));
  std::sort(b.begin(), b.end());
  EXPECT_EQ(b, (std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8}));
}

}  // namespace
}  // namespace dunlin
