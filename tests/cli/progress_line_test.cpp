// One line of progress at every width.
#include "cli/progress_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/text_layout.h"

namespace dunlin::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

engine::Progress busy() {
  engine::Progress progress;
  progress.phase = "loading";
  progress.totals_exact = true;
  progress.percent_complete = 43.2;
  progress.counters.total_items = 48'221;
  progress.counters.succeeded_items = 12'343;
  progress.counters.failed_items = 2;
  progress.counters.total_bytes = 3'650'722'201;
  progress.counters.processed_bytes = 1'320'702'443;
  progress.bytes_per_second = 220'200'960;
  progress.items_per_second = 900;
  progress.estimated_seconds_remaining = 10;
  return progress;
}

TEST(ProgressLine, ShowsEverythingWhereThereIsRoom) {
  EXPECT_EQ(progress_line(busy(), "files", "", {0, false}),
            " 43.2%  12,345/48,221 files  1.23/3.40 GiB  210 MiB/s  ETA 10s  2 failed");
  const auto wide = progress_line(busy(), "files", "pausing", {120, false});
  EXPECT_THAT(wide, HasSubstr("[======"));
  EXPECT_THAT(wide, HasSubstr("pausing"));
}

TEST(ProgressLine, NeverExceedsTheWidthAndDropsTheLeastImportantFirst) {
  for (std::size_t width = 1; width < 200; ++width)
    for (const bool utf8 : {false, true})
      EXPECT_LE(display_width(progress_line(busy(), "files", "pausing", {width, utf8})), width);
  const auto narrow = progress_line(busy(), "files", "pausing", {30, false});
  EXPECT_THAT(narrow, HasSubstr("43.2%"));
  EXPECT_THAT(narrow, HasSubstr("2 failed"));
  EXPECT_THAT(narrow, HasSubstr("pausing"));
  EXPECT_THAT(narrow, Not(HasSubstr("GiB")));
}

TEST(ProgressLine, SaysWhatIsNotKnownYet) {
  engine::Progress progress = busy();
  progress.totals_exact = false;
  progress.estimated_seconds_remaining.reset();
  progress.bytes_per_second.reset();
  progress.items_per_second.reset();
  const auto line = progress_line(progress, "files", "", {0, false});
  EXPECT_THAT(line, HasSubstr("12,345/48,221+ files"));
  EXPECT_THAT(line, Not(HasSubstr("ETA")));
  EXPECT_EQ(progress_line({}, "files", "", {0, false}), "  0.0%");
}

TEST(ProgressLine, NamesThePhasesThatMoveNoBytes) {
  engine::Progress progress = busy();
  progress.phase = "verifying";
  EXPECT_THAT(progress_line(progress, "files", "", {0, false}), HasSubstr("verifying"));
  progress.phase = "rolling_back";
  EXPECT_THAT(progress_line(progress, "files", "", {0, false}), HasSubstr("rolling back"));
}

TEST(ProgressLine, OfARollbackSaysWhatHasBeenTakenBack) {
  engine::Progress progress = busy();
  progress.phase = "rolling_back";
  progress.counters.rolled_back_items = 343;
  progress.counters.succeeded_items = 12'000;
  EXPECT_EQ(progress_line(progress, "files", "", {0, false}),
            " 43.2%  343/12,343 files taken back  210 MiB/s  ETA 10s  rolling back")
      << "what had failed before, and bytes that all are there, say nothing of it";
  progress.bytes_per_second = 0;  // what was copied is removed
  EXPECT_THAT(progress_line(progress, "files", "", {0, false}), HasSubstr("  900/s  "));
}

TEST(ProgressLine, ItemsHaveARateWhereBytesAreUnknown) {
  engine::Progress progress = busy();
  progress.counters.total_bytes = progress.counters.processed_bytes = 0;
  EXPECT_THAT(progress_line(progress, "records", "", {0, false}), HasSubstr("900/s"));
}

TEST(ProgressBar, FillsFromLeftToRight) {
  EXPECT_EQ(progress_bar(0, 12, false), "[>         ]");
  EXPECT_EQ(progress_bar(50, 12, false), "[=====>    ]");
  EXPECT_EQ(progress_bar(100, 12, false), "[==========]");
  EXPECT_EQ(display_width(progress_bar(37, 12, true)), 12U);
  EXPECT_EQ(progress_bar(50, 2, false), "");
}

TEST(Counts, AgreeWithTheirNouns) {
  EXPECT_EQ(count_of(1, "files"), "1 file");
  EXPECT_EQ(count_of(0, "files"), "0 files");
  EXPECT_EQ(count_of(12'345, "records"), "12,345 records");
  EXPECT_EQ(bytes_of(1 << 20, 3 << 20), "1.00/3.00 MiB");
  EXPECT_EQ(bytes_of(1 << 10, 3 << 20), "1.00 KiB/3.00 MiB");
}

}  // namespace
}  // namespace dunlin::cli
