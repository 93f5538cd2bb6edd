#include "base/ids.h"

#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"

namespace dunlin {
namespace {

TEST(Uuid, IsAVersion7OfTheGivenTime) {
  constexpr std::int64_t kLater =
      0x7fff'0000'1234;  // beyond any clock, so that no other test has moved past it
  const std::string id = new_uuid_v7(kLater);
  ASSERT_EQ(parse_uuid(id), id);
  EXPECT_EQ(id.substr(0, 13), "7fff0000-1234");
  EXPECT_EQ(id[14], '7');
  EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos);
}

TEST(Uuid, OrderIsTheOrderOfCreationEvenWhenTheClockGoesBack) {
  std::string last;
  for (int i = 0; i < 20'000; ++i) {
    std::string next = new_uuid_v7(1'700'000'000'000 - i % 7 * 1000);
    ASSERT_LT(last, next);
    last = std::move(next);
  }
  EXPECT_LT(last, new_uuid_v7(-5));
}

TEST(Uuid, ThreadsNeverGetTheSame) {
  std::vector<std::vector<std::string>> made(4);
  {
    std::vector<std::jthread> threads;
    for (auto& ids : made) {
      threads.emplace_back([&ids] {
        for (int i = 0; i < 5000; ++i) ids.push_back(new_uuid_v7(1'700'000'000'000));
      });
    }
  }
  std::unordered_set<std::string> all;
  for (const auto& ids : made) {
    EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
    all.insert(ids.begin(), ids.end());
  }
  EXPECT_EQ(all.size(), 20'000U);
}

TEST(Uuid, ParsingIsStrictButForCase) {
  EXPECT_EQ(parse_uuid("01931A2B-4C5D-7E6F-8A9B-0C1D2E3F4A5B"),
            "01931a2b-4c5d-7e6f-8a9b-0c1d2e3f4a5b");
  for (const auto* bad :
       {"", "last", "01931a2b4c5d7e6f8a9b0c1d2e3f4a5b", "01931a2b-4c5d-7e6f-8a9b-0c1d2e3f4a5",
        "01931a2b-4c5d-7e6f-8a9b-0c1d2e3f4a5bb", "01931a2b_4c5d-7e6f-8a9b-0c1d2e3f4a5b",
        "0193 a2b-4c5d-7e6f-8a9b-0c1d2e3f4a5b", "0193ga2b-4c5d-7e6f-8a9b-0c1d2e3f4a5b"}) {
    EXPECT_EQ(parse_uuid(bad), std::nullopt) << bad;
  }
}

TEST(Uuid, TheShortFormIsTheRandomEnd) {
  EXPECT_EQ(short_id(ExecutionId("01931a2b-4c5d-7e6f-8a9b-0c1d2e3f4a5b")), "2e3f4a5b");
  EXPECT_EQ(short_id(ExecutionId()), "");
}

TEST(IntegerIds, CompareAndHash) {
  EXPECT_LT(BatchId(1), BatchId(2));
  EXPECT_FALSE(ItemId().valid());
  EXPECT_EQ(std::hash<ItemId>{}(ItemId(7)), std::hash<ItemId>{}(ItemId(7)));
}

TEST(Clocks, TextIsRfc3339InUtc) {
  EXPECT_EQ(rfc3339(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(rfc3339(1'795'172'700'123), "2026-11-20T11:05:00.123Z");
  EXPECT_EQ(rfc3339(951'782'400'000), "2000-02-29T00:00:00.000Z");
  EXPECT_EQ(rfc3339(-1), "1969-12-31T23:59:59.999Z");
}

TEST(Clocks, Rfc3339IsReadBackWithAnyOffsetAndFraction) {
  for (const std::int64_t ms : {0LL, 1'795'172'700'123LL, 951'782'400'000LL, -1LL})
    EXPECT_EQ(*parse_rfc3339(rfc3339(ms)), ms);
  EXPECT_EQ(*parse_rfc3339("2026-11-20T13:05:00.1234567+02:00"), 1'795'172'700'123);
  EXPECT_EQ(*parse_rfc3339("2026-11-20 09:35:00.1-01:30"), 1'795'172'700'100);
  EXPECT_EQ(*parse_rfc3339("1970-01-02"), 86'400'000);
  for (const char* text :
       {"", "2026", "2026-11", "2026-02-30", "2026-11-20T11:05", "2026-11-20T11:05:00",
        "2026-11-20T24:00:00Z", "2026-11-20T11:05:60Z", "2026-11-20T11:05:00.Z",
        "2026-11-20T11:05:00+2:00", "2026-11-20T11:05:00ZZ", "20261120", "7d", "-001-01-01"})
    EXPECT_FALSE(parse_rfc3339(text).ok()) << text;
}

TEST(Clocks, TheSystemsClocksRun) {
  const SystemClock clock;
  const auto before = clock.monotonic_ms();
  EXPECT_GE(clock.boottime_ms(), before);  // boot time also counts suspension
  EXPECT_GT(clock.wall_ms(), 1'600'000'000'000);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_GE(clock.monotonic_ms(), before + 4);
}

}  // namespace
}  // namespace dunlin
