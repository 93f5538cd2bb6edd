#include "base/leave_to_exit.h"

#include <cstdlib>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

namespace dunlin {
namespace {

using Held = std::shared_ptr<int>;

TEST(LeaveToExit, AProcessThatGoesOnTakesItApart) {
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> seen = held;
  leave_to_exit(std::move(held));
  EXPECT_TRUE(seen.expired());
}

/// In a process of its own, since it is said once and for all.
TEST(LeaveToExitDeathTest, AProcessThatEndsKeepsAFewAndTakesTheOthersApart) {
  const auto kept_of = [](int given) {
    process_ends_with_its_command();
    std::vector<std::weak_ptr<int>> seen;
    for (int n = 0; n < given; ++n) {
      Held held = std::make_shared<int>(n);
      seen.push_back(held);
      leave_to_exit(std::move(held));
    }
    int kept = 0;
    for (const auto& one : seen) kept += one.expired() ? 0 : 1;
    std::_Exit(kept);
  };
  EXPECT_EXIT(kept_of(3), ::testing::ExitedWithCode(3), "");
  EXPECT_EXIT(kept_of(100), ::testing::ExitedWithCode(8), "");
}

}  // namespace
}  // namespace dunlin
