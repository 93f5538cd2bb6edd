// Widths, cuts, tables.
#include <clocale>
#include <cwchar>

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

TEST(TextLayout, WidthsOfWhatNamesAreMadeOf) {
  EXPECT_EQ(display_width("⌚"), 2U) << "an emoji outside of their block";
  EXPECT_EQ(display_width("🫠"), 2U) << "of Unicode 14";
  EXPECT_EQ(display_width("\U0001FAE8"), 2U) << "of Unicode 15, which the table has not";
  EXPECT_EQ(display_width("❤"), 1U);
  EXPECT_EQ(display_width("❤\uFE0F"), 2U) << "as a picture";
  EXPECT_EQ(display_width("👩\u200D🚀"), 4U) << "where terminals differ, the larger";
  EXPECT_EQ(display_width("한글"), 4U);
  EXPECT_EQ(display_width("\u1112\u1161\u11AB"), 2U) << "the same syllable in its parts";
  EXPECT_EQ(display_width("ｆｕｌｌ"), 8U);
  EXPECT_EQ(display_width("ﾊﾝｶｸ"), 4U);
  EXPECT_EQ(display_width("שלום"), 4U);
  EXPECT_EQ(display_width("क्षि"), 3U) << "one mark of Devanagari joins, one stands";
  EXPECT_EQ(display_width("a\u0300\u0301\u0302\u0303\u0304"), 1U);
  EXPECT_EQ(display_width("soft\u00ADhyphen"), 11U);
}

/// Where the two differ ours is the larger number, so that nothing is too wide.
TEST(TextLayout, NoCharacterIsWiderToTheCLibrary) {
  const locale_t utf8 = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  ASSERT_NE(utf8, nullptr);
  const locale_t former = ::uselocale(utf8);
  int known = 0;
  int wider = 0;
  for (wchar_t code = 0xA0; code < 0x110000; ++code) {
    const int theirs = ::wcwidth(code);
    if (theirs < 0) continue;
    char bytes[16] = {};
    std::mbstate_t state{};
    const std::size_t size = std::wcrtomb(bytes, code, &state);
    if (size == static_cast<std::size_t>(-1)) continue;
    const auto ours = static_cast<int>(display_width({bytes, size}));
    ++known;
    if (ours > theirs) ++wider;
    EXPECT_GE(ours, theirs) << std::hex << static_cast<std::uint32_t>(code);
  }
  ::uselocale(former);
  ::freelocale(utf8);
  EXPECT_GT(known, 100'000);
  EXPECT_LT(wider, 400);
}

TEST(TextLayout, WithoutUtf8ACutIsDots) {
  EXPECT_EQ(fit("abcdef", 5, Charset::ascii), "ab...");
  EXPECT_EQ(fit_middle("/very/long/path", 9, Charset::ascii), "/ve...ath");
  for (std::size_t width = 0; width < 6; ++width)
    EXPECT_EQ(fit("abcdefghij", width, Charset::ascii).size(), width);
  Table table({{"PATH", Align::left, true}});
  table.add({"/a/long/path"});
  EXPECT_EQ(table.text(9, Charset::ascii), "PATH\n/a/...ath\n");
}

TEST(TextLayout, ACutLeavesNoMarkWithoutItsCharacter) {
  // The tail would begin with the accent of what was cut off.
  const std::string name =
      "aaaa"
      "bbbb"
      "e\u0301"
      "cc";
  EXPECT_EQ(fit_middle(name, 5), "aa…cc");
  EXPECT_EQ(fit_middle(name, 7),
            "aaa…e\u0301"
            "cc");
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

TEST(Wrapping, BreaksAtBlanksAndNowhereElse) {
  using Lines = std::vector<std::string>;
  EXPECT_EQ(wrap("one two three", 7), (Lines{"one two", "three"}));
  EXPECT_EQ(wrap("one two three", 6), (Lines{"one", "two", "three"}));
  EXPECT_EQ(wrap("one two", 0), (Lines{"one two"}));
  EXPECT_EQ(wrap("", 5), (Lines{""}));
  EXPECT_EQ(wrap("dunlin ps  lists", 16), (Lines{"dunlin ps  lists"})) << "blanks stay";
  EXPECT_EQ(wrap("a /path/that/is/longer b", 8), (Lines{"a", "/path/that/is/longer", "b"}));
  EXPECT_EQ(wrap("\x1b[31mred\x1b[0m blue", 8), (Lines{"\x1b[31mred\x1b[0m blue"}));
  EXPECT_EQ(wrap("漢字 漢字", 8), (Lines{"漢字", "漢字"}));
  EXPECT_EQ(wrap_below("one two three", 9, 2), "one two\n  three");
  for (std::size_t width = 1; width < 30; ++width) {
    std::string joined;
    for (const std::string& line : wrap("a few words of several lengths, in a row", width)) {
      EXPECT_LE(display_width(line), std::max<std::size_t>(width, 8)) << width;
      joined += (joined.empty() ? "" : " ") + line;
    }
    EXPECT_EQ(joined, "a few words of several lengths, in a row");
  }
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
