// Results by directory, ending and size: whatever the order, whatever the names.
#include "engine/breakdown.h"

#include <algorithm>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dunlin::engine {
namespace {

using store::ItemStatus;

store::ItemRow item(const std::string& directory, const std::string& name, std::int64_t size,
                    ItemStatus status = ItemStatus::completed) {
  store::ItemRow row;
  row.directory_path = directory;
  row.name = name;
  row.size = size;
  row.status = status;
  row.transferred_bytes = status == ItemStatus::completed ? size : 0;
  return row;
}

std::vector<std::string> names(const std::vector<ResultGroup>& groups) {
  std::vector<std::string> out;
  for (const ResultGroup& group : groups) out.push_back(group.name);
  return out;
}

std::int64_t items(const std::vector<ResultGroup>& groups) {
  std::int64_t sum = 0;
  for (const ResultGroup& group : groups) sum += group.sums.items;
  return sum;
}

TEST(Breakdown, BatchesWithFailuresComeFirstAndTypesAreWhatTheyAreCalled) {
  BreakdownBuilder builder;
  for (int n = 0; n < 300; ++n) {
    store::ItemRow row =
        item("a", "x", 10, n % 100 == 42 ? ItemStatus::failed : ItemStatus::completed);
    row.batch = BatchId(1 + n / 10);
    builder.add(row, n < 250 ? "file" : "symlink");
  }
  const Breakdown by = builder.finish(20);
  EXPECT_THAT(names(by.by_type), ::testing::ElementsAre("file", "symlink"));
  EXPECT_EQ(by.by_type[1].sums.items, 50);
  ASSERT_EQ(by.by_batch.size(), 20U);
  EXPECT_EQ(by.by_batch[0].name, "5");
  EXPECT_EQ(by.by_batch[1].name, "15");
  EXPECT_EQ(by.by_batch[2].name, "25");
  EXPECT_EQ(by.by_batch[3].name, "1");
  EXPECT_EQ(by.by_batch.back().groups, 11);
  EXPECT_EQ(items(by.by_batch), 300);
}

TEST(Breakdown, ABatchTooManyIsSummedUp) {
  BreakdownBuilder builder;
  store::ItemRow row = item("a", "x", 10);
  for (int n = 1; n <= 100'200; ++n) {
    row.batch = BatchId(n);
    builder.add(row);
    builder.add(row);
  }
  const Breakdown by = builder.finish(20);
  EXPECT_EQ(items(by.by_batch), 200'400);
  EXPECT_EQ(by.by_batch.back().groups, 100'200 - 19);
}

TEST(Breakdown, NothingIsNothing) {
  const Breakdown by = BreakdownBuilder().finish(20);
  EXPECT_TRUE(by.by_directory.empty());
  EXPECT_TRUE(by.by_ending.empty());
  EXPECT_TRUE(by.by_size.empty());
}

TEST(Breakdown, DirectoriesAreThoseBelowTheOneThatAllLieIn) {
  std::vector<store::ItemRow> rows = {
      item("a/b/x", "1", 10), item("a/b/x/deep/er", "2", 10), item("a/b/x2", "3", 10),
      item("a/b/x", "4", 10, ItemStatus::failed), item("a/b", "5", 10, ItemStatus::skipped)};
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    std::shuffle(rows.begin(), rows.end(), random);
    BreakdownBuilder builder;
    for (const auto& row : rows) builder.add(row);
    const Breakdown by = builder.finish(20);
    EXPECT_EQ(by.below, "a/b");
    EXPECT_THAT(names(by.by_directory), ::testing::UnorderedElementsAre("x", "x2", ""));
    EXPECT_EQ(by.by_directory[0].name, "x");
    EXPECT_EQ(by.by_directory[0].sums.items, 3);
    EXPECT_EQ(by.by_directory[0].sums.failed, 1);
    EXPECT_EQ(by.by_directory[0].sums.transferred_bytes, 20);
    EXPECT_EQ(items(by.by_directory), 5);
  }
}

TEST(Breakdown, NamesThatBeginAlikeAreNotTheSameDirectory) {
  BreakdownBuilder builder;
  builder.add(item("photos", "1", 1));
  builder.add(item("photos old", "2", 1));
  const Breakdown by = builder.finish(20);
  EXPECT_EQ(by.below, "");
  EXPECT_THAT(names(by.by_directory), ::testing::UnorderedElementsAre("photos", "photos old"));
}

TEST(Breakdown, WhatIsTooMuchToNameIsSummedUp) {
  BreakdownBuilder builder;
  for (int n = 0; n < 100; ++n) {
    for (int k = 0; k <= n; ++k) builder.add(item("d" + std::to_string(n), "f", 1));
  }
  const Breakdown by = builder.finish(20);
  ASSERT_EQ(by.by_directory.size(), 20U);
  EXPECT_EQ(by.by_directory.front().name, "d99");
  EXPECT_EQ(by.by_directory.back().groups, 81);
  EXPECT_EQ(items(by.by_directory), 5050);
}

/// As many top directories as there may ever be: what is kept of them is bounded, nothing is lost.
TEST(Breakdown, AMillionDirectoriesAreBounded) {
  BreakdownBuilder builder;
  for (int n = 0; n < 150'000; ++n) builder.add(item("d" + std::to_string(n), "f", 1));
  const Breakdown by = builder.finish(20);
  EXPECT_EQ(by.by_directory.size(), 20U);
  EXPECT_EQ(items(by.by_directory), 150'000);
}

TEST(Breakdown, EndingsAreThoseThatPeopleWouldCallSo) {
  BreakdownBuilder builder;
  for (const char* name : {"a.jpg", "B.JPG", "c.tar.gz", ".profile", "noending", "lib.so.1",
                           "x.averyverylongone", "y.", "z.\xff\xfe", "t.mp4", "u.7z"})
    builder.add(item("", name, 1));
  std::vector<std::string> endings = names(builder.finish(20).by_ending);
  EXPECT_THAT(endings, ::testing::UnorderedElementsAre(".jpg", ".gz", ".mp4", ".7z", ""));
  EXPECT_EQ(endings.front(), "");
}

TEST(Breakdown, SizesAreInTheirOrder) {
  BreakdownBuilder builder;
  for (const std::int64_t size : {std::int64_t{5} << 30, std::int64_t{0}, std::int64_t{4096},
                                  std::int64_t{4097}, std::int64_t{1} << 20})
    builder.add(item("", "f", size));
  EXPECT_THAT(names(builder.finish(20).by_size),
              ::testing::ElementsAre("empty", "4 KiB", "64 KiB", "1 MiB", "larger"));
}

}  // namespace
}  // namespace dunlin::engine
