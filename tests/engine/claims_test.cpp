// Claims: which of two lists mean one place, and which of them a person is shown.
#include "engine/claims.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dunlin::engine {
namespace {

using ::testing::ElementsAre;

TEST(Claims, AreSharedWhereOneHoldsTheOther) {
  EXPECT_EQ(overlapping_claim({"file:/a"}, {"file:/b", "file:/a/c"}), "file:/a/c");
  EXPECT_EQ(overlapping_claim({"file:/a/c/d"}, {"file:/a/c"}), "file:/a/c");
  EXPECT_EQ(overlapping_claim({"file:/a"}, {"file:/ab"}), std::nullopt);
  EXPECT_EQ(overlapping_claim({}, {"file:/ab"}), std::nullopt);
}

TEST(Claims, OfTheSamePlaceByAnotherWayAreShownByTheirPath) {
  const std::vector<Claim> ours{"file:/bound/x", "place:b:8:1:/real/x"};
  const std::vector<Claim> theirs{"file:/other", "place:b:8:1:/other", "file:/real",
                                  "place:b:8:1:/real"};
  EXPECT_EQ(overlapping_claim(ours, theirs), "file:/real");
  EXPECT_EQ(overlapping_claim(ours, {"file:/real", "place:later:8:1:/real"}), std::nullopt)
      << "after another boot the numbers of devices mean nothing";
  EXPECT_THAT(shown_claims(theirs), ElementsAre("file:/other", "file:/real"));
}

TEST(Claims, AreHeldUntilTheEnd) {
  using store::ExecutionStatus;
  for (const auto status : {ExecutionStatus::pending, ExecutionStatus::running,
                            ExecutionStatus::paused, ExecutionStatus::rolling_back})
    EXPECT_TRUE(holds_destination(status));
  for (const auto status : {ExecutionStatus::completed, ExecutionStatus::failed,
                            ExecutionStatus::cancelled, ExecutionStatus::rolled_back})
    EXPECT_FALSE(holds_destination(status));
}

}  // namespace
}  // namespace dunlin::engine
