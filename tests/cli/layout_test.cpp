// Widths, cuts, tables.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "cli/text_layout.h"

namespace dunlin::cli {
namespace {

TEST(TextLayout, WidthCountsColumnsAndNotBytes) {
  EXPECT_EQ(display_width("abc"), 3U);
  EXPECT_EQ(display_width("grün"), 4U);
  EXPECT_EQ(display_width("漢字"), 4U);
  EXPECT_EQ(display_width("e\u0301"), 1U);
  EXPECT_EQ(display_width("📷"), 2U);
  EXPECT_EQ(display_width("\x1b[31mred\x1b[0m"), 3U);
  EXPECT_EQ(display_width("\xff\xfe"), 2U) << "what is no UTF-8 is shown as something";
  EXPECT_EQ(display_width("\xe2\x82"), 2U) << "a character cut in two";
  EXPECT_EQ(display_width("\x1b[31"), 0U) << "a colour that never ends";
}

TEST(TextLayout, ACutNeverIsWiderThanAsked) {
  const std::string texts[] = {"plain",
                               "漢字漢字漢字",
                               "a漢b字c",
                               "\x1b[31mred and more\x1b[0m",
                               "e\u0301e\u0301e\u0301",
                               std::string(50, '\xff')};
  for (const auto& text : texts)
    for (std::size_t width = 0; width < 12; ++width) {
      EXPECT_LE(display_width(fit(text, width)), width) << text;
      EXPECT_LE(display_width(fit_middle(text, width)), width) << text;
    }
  EXPECT_EQ(fit("abcdef", 4), "abc…");
  EXPECT_EQ(fit("abcd", 4), "abcd");
  EXPECT_EQ(fit_middle("/very/long/path", 7), "/ve…ath");
  EXPECT_EQ(fit("\x1b[31mabcdef\x1b[0m", 4), "abc…") << "no colour is left open";
}

TEST(Tables, ColumnsAreAlignedAndTheFlexibleGiveWay) {
  Table table(
      {{"NO", Align::right, false}, {"PATH", Align::left, true}, {"END", Align::left, false}});
  table.add({"7", "/a/long/path/to/something", "x"});
  table.add({"123", "/b", "yy"});
  EXPECT_EQ(table.text(0),
            " NO  PATH                       END\n"
            "  7  /a/long/path/to/something  x\n"
            "123  /b                         yy\n");
  EXPECT_EQ(table.text(20),
            " NO  PATH        END\n"
            "  7  /a/l…thing  x\n"
            "123  /b          yy\n");
  for (const std::size_t width : {1U, 5U, 10U, 30U})
    for (std::string_view text = ""; const auto& line : {table.text(width)}) {
      text = line;
      while (!text.empty()) {
        const auto end = text.find('\n');
        EXPECT_LE(display_width(text.substr(0, end)), width);
        text.remove_prefix(end + 1);
      }
    }
}

TEST(Tables, ColouredCellsKeepTheColumnsStraight) {
  Table table({{"A", Align::left, false}, {"B", Align::left, false}});
  table.add({"\x1b[31mred\x1b[0m", "x"});
  table.add({"plain", "y"});
  EXPECT_EQ(table.text(0), "A      B\n\x1b[31mred\x1b[0m    x\nplain  y\n");
}

}  // namespace
}  // namespace dunlin::cli
