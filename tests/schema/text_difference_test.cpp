// The difference of two texts: what it says can be followed, and it is fit to be shown.
#include "schema/text_difference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/clock.h"

namespace dunlin::schema {
namespace {

using ::testing::HasSubstr;

constexpr DifferenceLimits kAllOfIt{1'000'000, 1'000'000};

std::string difference(std::string_view before, std::string_view after,
                       const DifferenceLimits& limits = kAllOfIt) {
  const auto found = difference_of_texts(before, after, limits);
  return found ? found->text : "too much";
}

std::vector<std::string> lines_with_ends(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return lines;
}

/// Follows a difference; "!" where it does not fit.
std::string followed(const std::string& before, const std::string& difference) {
  const std::vector<std::string> old = lines_with_ends(before);
  std::string result;
  std::size_t at = 0;
  std::string* last = nullptr;
  std::vector<std::string> out;
  for (std::string line : lines_with_ends(difference)) {
    if (line.starts_with("@@ -")) {
      std::size_t count = 1;
      std::size_t first = std::stoul(line.substr(4));
      const std::size_t comma = line.find(',');
      if (comma != std::string::npos && comma < line.find(" +"))
        count = std::stoul(line.substr(comma + 1));
      if (count == 0) ++first;
      if (first - 1 < at || first - 1 > old.size()) return "!";
      while (at < first - 1) out.push_back(old[at++]);
      continue;
    }
    if (line[0] == '\\') {
      if (last != nullptr) last->pop_back();
      last = nullptr;
      continue;
    }
    const std::string text = line.substr(1);
    if (line[0] != '+') {
      const bool same = at < old.size() && (old[at] == text || old[at] + "\n" == text);
      if (!same) return "!";
      ++at;
    }
    last = nullptr;
    if (line[0] != '-') {
      out.push_back(text);
      last = &out.back();
    }
  }
  while (at < old.size()) out.push_back(old[at++]);
  for (const std::string& line : out) result += line;
  return result;
}

TEST(TextDifference, IsWrittenAsEverybodyKnowsIt) {
  EXPECT_EQ(difference("a\nb\nc\nd\ne\nf\ng\nh\n", "a\nb\nc\nd\nE\nf\ng\nh\n"),
            "@@ -2,7 +2,7 @@\n b\n c\n d\n-e\n+E\n f\n g\n h\n");
  EXPECT_EQ(difference("", "a\nb\n"), "@@ -0,0 +1,2 @@\n+a\n+b\n");
  EXPECT_EQ(difference("a\n", ""), "@@ -1 +0,0 @@\n-a\n");
  EXPECT_EQ(difference("a\nb", "a\nb\n"),
            "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n");
  EXPECT_EQ(difference("a\nb\n", "x\ny\n"), "@@ -1,2 +1,2 @@\n-a\n-b\n+x\n+y\n");
  EXPECT_EQ(difference("same\n", "same\n"), "");
}

RC_GTEST_PROP(TextDifferences, CanBeFollowed, ()) {
  const auto text = [] {
    const auto lines = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 5));
    std::string all;
    for (const int line : lines) all += "line " + std::to_string(line) + "\n";
    if (*rc::gen::inRange(0, 3) == 0 && !all.empty()) all.pop_back();
    return all;
  };
  const std::string before = text();
  const std::string after = text();
  RC_ASSERT(followed(before, difference(before, after)) == after);
}

TEST(TextDifference, NothingOfItIsObeyedByATerminal) {
  EXPECT_EQ(difference("a\n", "\x1b[2J\xff\n"), "@@ -1 +1 @@\n-a\n+\\x1b[2J\\xff\n");
  EXPECT_EQ(difference("x\n", "x\r\n"), "@@ -1 +1 @@\n-x\n+x\\x0d\n");
  EXPECT_EQ(difference("x\n", "\ty\u202e\n"), "@@ -1 +1 @@\n-x\n+\ty\\xe2\\x80\\xae\n");
}

TEST(TextDifference, IsCutAndSaysSo) {
  std::string before;
  std::string after;
  for (int i = 0; i < 900; ++i) {
    before += "a" + std::to_string(i) + "\n";
    after += "b" + std::to_string(i) + "\n";
  }
  const auto found = difference_of_texts(before, after, {40, 160});
  ASSERT_TRUE(found);
  EXPECT_EQ(lines_with_ends(found->text).size(), 40U);
  EXPECT_EQ(found->left_out, 1 + 1800U - 40U);
}

TEST(TextDifference, OfALongLineThePlaceIsShown) {
  const std::string head(100'000, 'x');
  const std::string tail(100'000, 'y');
  const std::string shown = difference(head + "one" + tail, head + "two" + tail, {40, 160});
  EXPECT_LT(shown.size(), 600U);
  EXPECT_THAT(shown, HasSubstr("xone"));
  EXPECT_THAT(shown, HasSubstr("xtwo"));
  EXPECT_THAT(shown, HasSubstr("(200003 bytes)"));
}

TEST(TextDifference, TheTextsMayBeHuge) {
  std::string before;
  before.reserve(64 << 20);
  while (before.size() < (64 << 20) - 100) before += "INSERT INTO t VALUES (1, 'a');\n";
  std::string after = before;
  after.replace(after.size() / 2 / 31 * 31, 6, "DELETE");
  const SystemClock clock;
  const std::int64_t began_ms = clock.monotonic_ms();
  EXPECT_THAT(difference(before, after), HasSubstr("+DELETE INTO t"));
  EXPECT_EQ(difference_of_texts(before, std::string(before.size(), '\n'), {}), std::nullopt);
  EXPECT_LT(clock.monotonic_ms() - began_ms, 20'000);
}

}  // namespace
}  // namespace dunlin::schema
