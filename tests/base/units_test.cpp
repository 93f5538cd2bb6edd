#include "base/units.h"

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace dunlin {
namespace {

using std::chrono::milliseconds;

TEST(ParseSize, EachForm) {
  const std::vector<std::pair<std::string, std::int64_t>> cases = {
      {"0", 0},
      {"123", 123},
      {"123B", 123},
      {"10K", 10 * 1024},
      {"10k", 10 * 1024},
      {"10KiB", 10 * 1024},
      {"10kB", 10'000},
      {"10KB", 10'000},
      {"10kb", 10'000},
      {"64MiB", 64LL << 20},
      {"64M", 64LL << 20},
      {"64MB", 64'000'000},
      {"1.5GB", 1'500'000'000},
      {"1.5 GiB", 3LL << 29},
      {".5K", 512},
      {"0.1GB", 100'000'000},
      {"2TB", 2'000'000'000'000},
      {"2TiB", 2LL << 40},
      {"1PB", 1'000'000'000'000'000},
      {"1P", 1LL << 50},
      {"1.0000000001KB", 1000},
      {"1.123456789012345GiB", 1'206'302'541},
      {"9223372036854775807", std::numeric_limits<std::int64_t>::max()},
  };
  for (const auto& [text, bytes] : cases) {
    const auto parsed = parse_size(text);
    ASSERT_TRUE(parsed.ok()) << text;
    EXPECT_EQ(*parsed, bytes) << text;
  }
}

TEST(ParseSize, RefusesTheRestAndSaysWhatIsAccepted) {
  for (const auto* text : {"",        " ",       "-1",    "+1",   "1.5",  "1.",
                           ".",       "K",       "1 0",   "1  K", " 1",   "1 ",
                           "10Q",     "10Kib/s", "1e3",   "0x10", "1,5K", "9223372036854775808",
                           "9000PiB", "10000PB", "1KiBB", "\xff"}) {
    const auto parsed = parse_size(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().type, ErrorType::invalid_input);
    EXPECT_NE(parsed.error().message.find("64MiB"), std::string::npos);
  }
}

TEST(ParseSize, MegabitsAreNotTakenForMegabytes) {
  EXPECT_FALSE(parse_size("100Mb").ok());
  EXPECT_FALSE(parse_rate("100Mb/s").ok());
}

TEST(ParseRate, ABareNumberIsBytesOrKibibytes) {
  EXPECT_EQ(*parse_rate("200MB/s"), 200'000'000);
  EXPECT_EQ(*parse_rate("10MiB"), 10LL << 20);
  EXPECT_EQ(*parse_rate("1000"), 1000);
  EXPECT_EQ(*parse_rate("1000", BareRate::kibibytes), 1'024'000);
  EXPECT_EQ(*parse_rate("1.5", BareRate::kibibytes), 1536);
  EXPECT_EQ(*parse_rate("1000B", BareRate::kibibytes), 1000);
  EXPECT_EQ(*parse_rate("10/s"), 10);
  for (const auto* text : {"", "/s", "10/m", "10MB/h", "fast", "9223372036854775807/s/s"}) {
    EXPECT_FALSE(parse_rate(text).ok()) << text;
  }
  EXPECT_FALSE(parse_rate("9223372036854775807", BareRate::kibibytes).ok());
}

TEST(ParseDuration, EachForm) {
  EXPECT_EQ(*parse_duration("500ms"), milliseconds(500));
  EXPECT_EQ(*parse_duration("5s"), milliseconds(5000));
  EXPECT_EQ(*parse_duration("10m"), milliseconds(600'000));
  EXPECT_EQ(*parse_duration("2h"), milliseconds(7'200'000));
  EXPECT_EQ(*parse_duration("7d"), milliseconds(604'800'000));
  EXPECT_EQ(*parse_duration("1.5h"), milliseconds(5'400'000));
  EXPECT_EQ(*parse_duration("1h30m"), milliseconds(5'400'000));
  EXPECT_EQ(*parse_duration("1d2h3m4s5ms"), milliseconds(93'784'005));
  EXPECT_EQ(*parse_duration("0"), milliseconds(0));
  EXPECT_EQ(*parse_duration("0s"), milliseconds(0));
  for (const auto* text :
       {"", "5", "-5s", "5 s", "5x", "30m1h", "1h1h", "s", "5s ", "999999999999d", "1h30", "5S"}) {
    const auto parsed = parse_duration(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_NE(parsed.error().message.find("500ms"), std::string::npos);
  }
}

TEST(ParseCountOrPercent, BothForms) {
  EXPECT_EQ(parse_count_or_percent("10")->count, 10);
  EXPECT_FALSE(parse_count_or_percent("10")->is_percent);
  EXPECT_DOUBLE_EQ(parse_count_or_percent("5%")->percent, 5);
  EXPECT_TRUE(parse_count_or_percent("0.5%")->is_percent);
  EXPECT_DOUBLE_EQ(parse_count_or_percent("0.5%")->percent, 0.5);
  for (const auto* text : {"", "%", "101%", "1.5", "-1", "5 %", "five"})
    EXPECT_FALSE(parse_count_or_percent(text).ok()) << text;
}

TEST(FormatBytes, ThreeSignificantDigits) {
  const std::vector<std::pair<std::int64_t, std::string>> cases = {
      {0, "0 B"},
      {999, "999 B"},
      {1023, "1023 B"},
      {1024, "1.00 KiB"},
      {10'234, "9.99 KiB"},
      {10'239, "10.0 KiB"},
      {102'348, "99.9 KiB"},
      {102'399, "100 KiB"},
      {1'034'240, "1010 KiB"},
      {1'048'575, "1.00 MiB"},
      {1'048'576, "1.00 MiB"},
      {1'320'702'444, "1.23 GiB"},
      {std::numeric_limits<std::int64_t>::max(), "8.00 EiB"},
      {-2048, "-2.00 KiB"},
      {std::numeric_limits<std::int64_t>::min(), "-8.00 EiB"},
  };
  for (const auto& [bytes, text] : cases) EXPECT_EQ(format_bytes(bytes), text) << bytes;
  EXPECT_EQ(format_rate(1'320'702'444), "1.23 GiB/s");
}

TEST(FormatCount, SeparatesThousands) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1000), "1,000");
  EXPECT_EQ(format_count(1'234'567), "1,234,567");
  EXPECT_EQ(format_count(-123'456), "-123,456");
  EXPECT_EQ(format_count(std::numeric_limits<std::int64_t>::min()), "-9,223,372,036,854,775,808");
}

TEST(FormatDuration, TwoPartsAreEnough) {
  const std::vector<std::pair<std::int64_t, std::string>> cases = {
      {0, "0ms"},
      {850, "850ms"},
      {1000, "1.0s"},
      {4290, "4.2s"},
      {9999, "9.9s"},
      {42'000, "42s"},
      {59'999, "59s"},
      {60'000, "1m 00s"},
      {185'000, "3m 05s"},
      {3'599'999, "59m 59s"},
      {3'720'000, "1h 02m"},
      {86'399'999, "23h 59m"},
      {183'600'000, "2d 03h"},
      {-5000, "-5.0s"},
  };
  for (const auto& [ms, text] : cases) EXPECT_EQ(format_duration(milliseconds(ms)), text) << ms;
}

RC_GTEST_PROP(UnitsProperty, AnyTextIsParsedOrRefused, (const std::string& text)) {
  for (const auto& parsed :
       {parse_size(text), parse_rate(text), parse_rate(text, BareRate::kibibytes)}) {
    if (parsed.ok()) RC_ASSERT(*parsed >= 0);
  }
  if (const auto duration = parse_duration(text); duration.ok()) RC_ASSERT(duration->count() >= 0);
}

RC_GTEST_PROP(UnitsProperty, WholeSizesAreExact, ()) {
  const auto count = *rc::gen::inRange<std::int64_t>(0, 1'000'000'000);
  RC_ASSERT(*parse_size(std::to_string(count) + "KiB") == count * 1024);
  RC_ASSERT(*parse_size(std::to_string(count) + "MB") == count * 1'000'000);
}

}  // namespace
}  // namespace dunlin
