// The lines of items that are worked on: at every width, with every name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/progress_line.h"
#include "cli/text_layout.h"

namespace dunlin::cli {
namespace {

using engine::CurrentItem;
using engine::ItemPhase;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

std::vector<CurrentItem> three() {
  CurrentItem film;
  film.item = ItemId(1);
  film.path = "holiday/2026/the film of the whole summer, uncut.mkv";
  film.done_bytes = 1'320'702'443;
  film.total_bytes = 3'650'722'201;
  film.bytes_per_second = 220'200'960;
  film.seconds_left = 10;
  CurrentItem image = film;
  image.item = ItemId(2);
  image.path = "disk.img";
  image.done_bytes = 900 << 10;
  image.phase = ItemPhase::verifying;
  image.seconds_left = 200;
  CurrentItem odd = film;
  odd.item = ItemId(3);
  odd.path = "new\nline \x1b[31m\xff";
  odd.phase = ItemPhase::resuming;
  odd.bytes_per_second.reset();
  return {film, image, odd};
}

TEST(ItemLines, ShowEverythingWhereThereIsRoom) {
  const auto lines = item_lines(three(), 9, {150, false, false});
  ASSERT_THAT(lines, SizeIs(3));
  EXPECT_THAT(lines[0],
              StartsWith("holiday/2026/the film of the whole summer, uncut.mkv  [======"));
  EXPECT_THAT(lines[0], HasSubstr("36%"));
  EXPECT_THAT(lines[0], HasSubstr("1.23/3.40 GiB   210 MiB/s  ETA 10s"));
  EXPECT_THAT(lines[0], Not(HasSubstr("copying")));
  EXPECT_THAT(lines[1], HasSubstr("verifying"));
  EXPECT_THAT(lines[1], HasSubstr("ETA 3m 20s"));
}

TEST(ItemLines, NamesAreEscaped) {
  const auto lines = item_lines(three(), 9, {0, true, false});
  EXPECT_THAT(lines[2], StartsWith("new\\x0aline \\x1b[31m\\xff "));
}

TEST(ItemLines, OfWhatIsReadBackFirstNobodyKnowsWhenItIsDone) {
  EXPECT_THAT(item_lines(three(), 9, {0, false, false})[2], Not(HasSubstr("ETA")));
}

TEST(ItemLines, AtEightyColumnsTheNameIsShortenedInTheMiddle) {
  const auto lines = item_lines(three(), 9, {77, true, false});
  EXPECT_THAT(lines[0], StartsWith("holiday/"));
  EXPECT_THAT(lines[0], HasSubstr("…"));
  EXPECT_THAT(lines[0], HasSubstr(".mkv"));
  EXPECT_THAT(lines[0], HasSubstr("36%"));
  EXPECT_THAT(lines[0], HasSubstr("210 MiB/s  ETA 10s"));
}

TEST(ItemLines, AtFortyColumnsNamePercentAndTimeAreLeft) {
  const auto lines = item_lines(three(), 9, {37, true, false});
  EXPECT_THAT(lines[0], HasSubstr("…"));
  EXPECT_THAT(lines[0], HasSubstr("36%  ETA 10s"));
  EXPECT_THAT(lines[0], Not(HasSubstr("GiB")));
}

TEST(ItemLines, ColumnsStandBelowEachOther) {
  for (const std::size_t width : {50U, 77U, 100U, 197U}) {
    const auto lines = item_lines(three(), 9, {width, false, false});
    const auto percent_at = [](const std::string& line) {
      return display_width(line.substr(0, line.find('%')));
    };
    EXPECT_EQ(percent_at(lines[0]), percent_at(lines[1])) << width;
    EXPECT_EQ(percent_at(lines[0]), percent_at(lines[2])) << width;
  }
}

TEST(LiveLines, NeverExceedTheWidthNorTheRows) {
  engine::Progress progress;
  progress.percent_complete = 43.2;
  progress.counters.total_items = 48'221;
  progress.counters.failed_items = 2;
  for (int copies = 0; copies < 4; ++copies)
    for (const CurrentItem& item : three()) progress.current_items.push_back(item);
  for (std::size_t width = 1; width < 200; ++width)
    for (std::size_t rows = 1; rows < 12; ++rows)
      for (const bool plain : {false, true}) {
        const auto lines = live_lines(progress, "files", "pausing", rows, {width, !plain, !plain});
        ASSERT_LE(lines.size(), rows);
        for (const auto& line : lines) {
          ASSERT_LE(display_width(line), width);
          ASSERT_EQ(line.find('\n'), std::string::npos);
        }
      }
}

TEST(LiveLines, SayWhenThereAreMore) {
  engine::Progress progress;
  for (int copies = 0; copies < 4; ++copies)
    for (const CurrentItem& item : three()) progress.current_items.push_back(item);
  const auto lines = live_lines(progress, "files", "", 5, {100, false, false});
  ASSERT_THAT(lines, SizeIs(5));
  EXPECT_EQ(lines.back(), "  ... and more");
  progress.current_items.resize(2);
  EXPECT_THAT(live_lines(progress, "files", "", 5, {100, false, false}), SizeIs(3));
  progress.current_items.clear();
  EXPECT_THAT(live_lines(progress, "files", "", 5, {100, false, false}), SizeIs(1));
}

TEST(LiveLines, WhileLargeFilesAreReadBackTheTotalSaysSoAndNotThatItStands) {
  engine::Progress progress;
  progress.counters.total_bytes = progress.counters.processed_bytes = 3 << 20;
  progress.bytes_per_second = 20 << 20;  // of the last ten seconds
  progress.estimated_seconds_remaining = 1;
  progress.current_items = {three()[1]};
  auto total = live_lines(progress, "files", "", 5, {100, false, false})[0];
  EXPECT_THAT(total, HasSubstr("verifying"));
  EXPECT_THAT(total, HasSubstr("ETA 3m 20s"));
  EXPECT_THAT(total, Not(HasSubstr("B/s")));
  progress.current_items = three();  // one of them is copied: then it does stand
  progress.bytes_per_second = 0;
  total = live_lines(progress, "files", "", 5, {100, false, false})[0];
  EXPECT_THAT(total, HasSubstr("0 B/s"));
  EXPECT_THAT(total, Not(HasSubstr("verifying")));
}

TEST(LiveLines, WhatIsReadBackBeforeItGoesOnHasNoTimeLeft) {
  engine::Progress progress;
  progress.counters.total_bytes = 3 << 20;
  progress.bytes_per_second = 12;
  progress.estimated_seconds_remaining = 10'000'000;
  progress.current_items = {three()[2]};
  const auto total = live_lines(progress, "files", "", 5, {100, false, false})[0];
  EXPECT_THAT(total, HasSubstr("resuming"));
  EXPECT_THAT(total, Not(HasSubstr("ETA")));
  EXPECT_THAT(total, Not(HasSubstr("B/s")));
}

TEST(LiveLines, ColourChangesNoColumn) {
  engine::Progress progress;
  progress.counters.failed_items = 2;
  progress.current_items = three();
  const auto plain = live_lines(progress, "files", "pausing", 9, {100, false, false});
  const auto painted = live_lines(progress, "files", "pausing", 9, {100, false, true});
  ASSERT_EQ(plain.size(), painted.size());
  EXPECT_THAT(painted[0], HasSubstr("\x1b[31m2 failed\x1b[0m"));
  EXPECT_THAT(plain[0], Not(HasSubstr("\x1b")));
  for (std::size_t i = 0; i < plain.size(); ++i)
    EXPECT_EQ(display_width(plain[i]), display_width(painted[i]));
}

}  // namespace
}  // namespace dunlin::cli
