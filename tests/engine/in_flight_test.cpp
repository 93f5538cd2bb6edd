// Items in flight: which are listed, what is said of them, and that small ones cost nothing.
#include "engine/in_flight.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/progress.h"

namespace dunlin::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::int64_t kMiB = 1 << 20;
constexpr std::int64_t kGiB = 1 << 30;

store::ItemRow row_of(std::int64_t id, const std::string& name) {
  store::ItemRow row;
  row.id = ItemId(id);
  row.name = name;
  return row;
}

class InFlight : public ::testing::Test {
 protected:
  ManualClock clock{1'000'000};
  ItemsInFlight all{clock};
};

TEST_F(InFlight, ALargeItemIsListedFromItsBeginningToItsEnd) {
  store::ItemRow row = row_of(7, "film.mkv");
  row.directory_path = "holiday/2026";
  {
    ItemInFlight work(&all, row, ItemPhase::copying, kGiB);
    const auto list = all.list();
    ASSERT_THAT(list, SizeIs(1));
    EXPECT_EQ(list[0].item, ItemId(7));
    EXPECT_EQ(list[0].path, "holiday/2026/film.mkv");
    EXPECT_EQ(list[0].total_bytes, kGiB);
    EXPECT_FALSE(list[0].bytes_per_second);
    EXPECT_FALSE(list[0].seconds_left);
  }
  EXPECT_THAT(all.list(), IsEmpty());
}

TEST_F(InFlight, ASmallItemIsListedOnlyOnceItHasTakenASecond) {
  const store::ItemRow row = row_of(1, "small");
  ItemInFlight work(&all, row, ItemPhase::copying, 10 * kMiB);
  work.advance(kMiB);
  clock.advance_ms(999);
  work.advance(kMiB);
  EXPECT_THAT(all.list(), IsEmpty());
  clock.advance_ms(1);
  work.advance(kMiB);
  ASSERT_THAT(all.list(), SizeIs(1));
  EXPECT_EQ(all.list()[0].done_bytes, 3 * kMiB);
  EXPECT_EQ(all.list()[0].running_ms, 1000);
}

TEST_F(InFlight, OneThatHangsInItsFirstReadIsListedToo) {
  const store::ItemRow row = row_of(1, "on a dead server");
  const ItemInFlight work(&all, row, ItemPhase::copying, 10 * kMiB);
  clock.advance_ms(999);
  all.sample();
  EXPECT_THAT(all.list(), IsEmpty());
  clock.advance_ms(1);
  ASSERT_THAT(all.list(), SizeIs(1));
  EXPECT_EQ(all.list()[0].path, "on a dead server");
  EXPECT_EQ(all.list()[0].done_bytes, 0);
  EXPECT_EQ(all.list()[0].bytes_per_second, 0);
  EXPECT_FALSE(all.list()[0].seconds_left);
}

TEST_F(InFlight, WhatIsReadBackIsTold) {
  RateMeter meter;
  ItemsInFlight watched(clock, &meter);
  const store::ItemRow row = row_of(1, "small");
  ItemInFlight work(&watched, row, ItemPhase::copying, 10 * kMiB);
  work.advance(10 * kMiB);
  EXPECT_EQ(watched.read_back_bytes(), 0);
  work.enter(ItemPhase::verifying);
  work.advance(4 * kMiB);
  EXPECT_EQ(watched.read_back_bytes(), 4 * kMiB) << "listed or not";
  EXPECT_EQ(meter.read_back(), 4 * kMiB);
}

TEST_F(InFlight, RateAndTimeLeftAreThoseOfTheLastTenSeconds) {
  const store::ItemRow row = row_of(1, "large");
  ItemInFlight work(&all, row, ItemPhase::copying, kGiB);
  clock.advance_ms(100'000);
  work.advance(24 * kMiB);
  auto list = all.list();  // the first question ever: it is known since the beginning
  EXPECT_NEAR(list[0].bytes_per_second.value_or(0), 24.0 * kMiB / 100, 1);
  for (int second = 0; second < 30; ++second) {
    clock.advance_ms(1000);
    work.advance(10 * kMiB);
    all.sample();
  }
  list = all.list();
  EXPECT_NEAR(list[0].bytes_per_second.value_or(0), 10.0 * kMiB, 1);
  EXPECT_EQ(list[0].seconds_left, 70);
  EXPECT_EQ(list[0].percent(), 31.6);
}

TEST_F(InFlight, WhatIsGoneOnWithBeginsAtWhatWasKept) {
  const store::ItemRow row = row_of(1, "large");
  ItemInFlight work(&all, row, ItemPhase::copying, kGiB);
  work.enter(ItemPhase::resuming);
  clock.advance_ms(1000);
  work.advance(400 * kMiB);
  EXPECT_EQ(all.list()[0].phase, ItemPhase::resuming);
  work.enter(ItemPhase::copying, 384 * kMiB);
  auto list = all.list();
  EXPECT_EQ(list[0].phase, ItemPhase::copying);
  EXPECT_EQ(list[0].done_bytes, 384 * kMiB);
  EXPECT_FALSE(list[0].bytes_per_second) << "what was kept was not moved";
  clock.advance_ms(1000);
  work.advance(16 * kMiB);
  EXPECT_NEAR(all.list()[0].bytes_per_second.value_or(0), 16.0 * kMiB, 1);
}

TEST_F(InFlight, OfManyTheLargestAreListedInTheOrderInWhichTheyBegan) {
  std::vector<std::unique_ptr<store::ItemRow>> rows;
  std::vector<std::unique_ptr<ItemInFlight>> works;
  for (int n = 1; n <= 40; ++n) {
    rows.push_back(std::make_unique<store::ItemRow>(row_of(n, std::to_string(n))));
    const std::int64_t size = n % 2 == 0 ? 2 * kGiB : kGiB;
    works.push_back(std::make_unique<ItemInFlight>(&all, *rows.back(), ItemPhase::copying, size));
    clock.advance_ms(1);
  }
  std::vector<std::int64_t> listed;
  for (const CurrentItem& one : all.list()) listed.push_back(one.item.value);
  EXPECT_THAT(listed, ElementsAre(2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32));
}

TEST_F(InFlight, AFileThatGrowsShowsNoMoreThanAll) {
  const store::ItemRow row = row_of(1, "log");
  ItemInFlight work(&all, row, ItemPhase::copying, kGiB);
  work.advance(2 * kGiB);
  EXPECT_EQ(all.list()[0].done_bytes, kGiB);
  EXPECT_EQ(all.list()[0].percent(), 100);
}

TEST_F(InFlight, NobodyWatching) {
  const store::ItemRow row = row_of(1, "large");
  ItemInFlight work(nullptr, row, ItemPhase::copying, kGiB);
  work.advance(kGiB);
  work.enter(ItemPhase::verifying);
}

TEST_F(InFlight, JsonGivesItBack) {
  const store::ItemRow row = row_of(9, "\xff\xfe\nname");
  const store::ItemRow other = row_of(10, "other");
  ItemInFlight work(&all, row, ItemPhase::verifying, kGiB);
  const ItemInFlight fresh(&all, other, ItemPhase::cloning, kGiB);
  clock.advance_ms(2000);
  work.advance(512 * kMiB);
  const auto list = all.list();
  const Json json = current_items_json(list);
  EXPECT_EQ(json[0]["path"], "\\xff\\xfe\nname");
  EXPECT_EQ(json[0]["phase"], "verifying");
  EXPECT_EQ(json[0]["percent_complete"], 50.0);
  EXPECT_EQ(json[0]["estimated_time_remaining"], 2);
  EXPECT_TRUE(json[1]["estimated_time_remaining"].is_null());
  const auto back = current_items_from(json);
  ASSERT_THAT(back, SizeIs(2));
  EXPECT_EQ(back[0].path, row.name);
  EXPECT_EQ(back[0].item, ItemId(9));
  EXPECT_EQ(back[0].phase, ItemPhase::verifying);
  EXPECT_EQ(back[0].done_bytes, 512 * kMiB);
  EXPECT_EQ(back[0].seconds_left, 2);
  EXPECT_FALSE(back[1].seconds_left);
  EXPECT_THAT(current_items_from(Json("odd")), IsEmpty());
  EXPECT_THAT(current_items_from(Json::array({1, Json::object()})), IsEmpty());
}

TEST_F(InFlight, APathBeyondAllMeasureIsCutToItsEnd) {
  store::ItemRow row = row_of(1, "name");
  row.directory_path = std::string(100'000, 'd');
  ItemInFlight work(&all, row, ItemPhase::copying, kGiB);
  EXPECT_EQ(all.list()[0].path, std::string(4091, 'd') + "/name");
}

/// For the thread sanitizer: workers come and go while displays look.
TEST(InFlightThreads, WorkersAndDisplaysDoNotDisturbEachOther) {
  const SystemClock clock;
  ItemsInFlight all(clock, {kMiB, 0, 16, 4096});
  std::atomic<bool> ending{false};
  std::vector<std::thread> displays;
  for (int n = 0; n < 2; ++n)
    displays.emplace_back([&] {
      while (!ending)
        for (const CurrentItem& one : all.list()) EXPECT_LE(one.done_bytes, one.total_bytes);
    });
  std::vector<std::thread> workers;
  for (int n = 0; n < 4; ++n)
    workers.emplace_back([&all, n] {
      const store::ItemRow row = row_of(n, std::to_string(n));
      for (int round = 0; round < 200; ++round) {
        ItemInFlight work(&all, row, ItemPhase::resuming, (round % 2) * kGiB + 1);
        work.advance(kMiB);
        work.enter(ItemPhase::copying, kMiB);
        work.advance(kMiB);
      }
    });
  for (auto& worker : workers) worker.join();
  ending = true;
  for (auto& display : displays) display.join();
  EXPECT_THAT(all.list(), IsEmpty());
}

}  // namespace
}  // namespace dunlin::engine
