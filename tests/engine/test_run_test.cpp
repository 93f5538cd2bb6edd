// What a sample says of the whole.
#include "engine/test_run.h"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dunlin::engine {
namespace {

constexpr std::int64_t kBatchItems = 1000;
constexpr std::int64_t kBatchBytes = 64LL << 20;

TEST(TestEstimate, AllOfItAsSampleIsWhatItTook) {
  const SampleCounts counts{500, 10'000, 20, 500, 10'000, 20, 30, ""};
  const TestEstimate estimate = estimate_whole(counts, 4000, kBatchItems, kBatchBytes);
  EXPECT_EQ(estimate.low_ms, 4030);
  EXPECT_EQ(estimate.likely_ms, 4030);
  EXPECT_EQ(estimate.high_ms, 4030);
}

TEST(TestEstimate, NeverTakesLessThanTheSample) {
  const SampleCounts counts{110, 1000, 1, 100, 1000, 1, 0, ""};
  EXPECT_GE(estimate_whole(counts, 4000, kBatchItems, kBatchBytes).low_ms, 4000);
}

TEST(TestEstimate, OfNothingIsItsListing) {
  EXPECT_EQ(estimate_whole({}, 5, kBatchItems, kBatchBytes).high_ms, 0);
}

/// Whatever an item, a byte, a directory and a batch take, as long as the whole is the sum of it.
TEST(TestEstimate, HoldsTheTruthWhereTimeIsASumOfItsParts) {
  std::mt19937_64 random(7);
  const auto below = [&](std::int64_t limit) {
    return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(limit));
  };
  for (int round = 0; round < 2000; ++round) {
    SampleCounts counts;
    counts.sample_items = 1 + below(1000);
    counts.items = counts.sample_items * (1 + below(1000));
    counts.sample_bytes = 1 + below(1 << 20);
    counts.bytes = counts.sample_bytes + below(1LL << 33);
    counts.sample_directories = 1 + below(50);
    counts.directories = counts.sample_directories + below(10'000);
    const auto batches = [](std::int64_t items, std::int64_t bytes) {
      return std::max((items + kBatchItems - 1) / kBatchItems,
                      (bytes + kBatchBytes - 1) / kBatchBytes);
    };
    const double each[] = {static_cast<double>(below(5)), static_cast<double>(below(10)) / 1e6,
                           static_cast<double>(below(3)), static_cast<double>(below(500))};
    const auto time = [&](std::int64_t items, std::int64_t bytes, std::int64_t directories) {
      return each[0] * static_cast<double>(items) + each[1] * static_cast<double>(bytes) +
             each[2] * static_cast<double>(directories) +
             each[3] * static_cast<double>(batches(items, bytes));
    };
    const double took = time(counts.sample_items, counts.sample_bytes, counts.sample_directories);
    const double truth = time(counts.items, counts.bytes, counts.directories);
    if (took < 100) continue;  // ms are rounded
    const TestEstimate estimate =
        estimate_whole(counts, static_cast<std::int64_t>(took), kBatchItems, kBatchBytes);
    EXPECT_LE(static_cast<double>(estimate.low_ms) * 0.98, truth) << counts.json().dump();
    EXPECT_GE(static_cast<double>(estimate.high_ms) * 1.02, truth) << counts.json().dump();
    EXPECT_LE(estimate.low_ms, estimate.likely_ms);
    EXPECT_LE(estimate.likely_ms, estimate.high_ms);
  }
}

TEST(TestEstimate, ItsNumbersSurviveTheLedger) {
  const SampleCounts counts{1, 2, 3, 4, 5, 6, 7, "/a b"};
  const SampleCounts back = SampleCounts::of(counts.json());
  EXPECT_EQ(back.json(), counts.json());
  EXPECT_EQ(back.place, "/a b");
}

}  // namespace
}  // namespace dunlin::engine
