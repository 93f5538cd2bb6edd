// Clocks.
#include "base/clock.h"

#include <gtest/gtest.h>

namespace dunlin {
namespace {

class Machine final : public Clock {
 public:
  std::int64_t monotonic_ms() const override { return monotonic; }
  std::int64_t boottime_ms() const override { return boottime; }
  std::int64_t wall_ms() const override { return wall; }
  std::int64_t monotonic = 5'000;
  std::int64_t boottime = 9'000;
  std::int64_t wall = 1'700'000'000'000;
};

TEST(SteadyClock, GoesOnWhenTheMachinesWallClockIsSet) {
  Machine machine;
  const SteadyClock clock(machine);
  EXPECT_EQ(clock.wall_ms(), 1'700'000'000'000);
  machine.wall -= 3'600'000;
  EXPECT_EQ(clock.wall_ms(), 1'700'000'000'000);
  machine.boottime += 250;
  machine.monotonic += 150;  // 100 ms of it suspended
  EXPECT_EQ(clock.wall_ms(), 1'700'000'000'250);
  EXPECT_EQ(clock.monotonic_ms(), 5'150);
  EXPECT_EQ(clock.boottime_ms(), 9'250);
  machine.wall += 7'200'000;
  EXPECT_EQ(clock.wall_ms(), 1'700'000'000'250);
}

}  // namespace
}  // namespace dunlin
