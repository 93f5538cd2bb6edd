// Differences in colours, and contents on a terminal.
#include "cli/shown_text.h"

#include <cstdlib>

#include <gtest/gtest.h>
#include <pty.h>

#include "base/unique_fd.h"

namespace dunlin::cli {
namespace {

constexpr std::string_view kDifference =
    "--- old\n+++ new\n@@ -1,3 +1,2 @@\n same\n--- a comment goes\n-gone\n+come\n\\ No newline\n";

TEST(ShownText, ADifferenceHasTheColoursThatPeopleKnow) {
  int outer = -1;
  int inner = -1;
  ASSERT_EQ(::openpty(&outer, &inner, nullptr, nullptr, nullptr), 0);
  const UniqueFd outer_end(outer);
  const UniqueFd inner_end(inner);
  ::setenv("TERM", "xterm", 1);
  const Terminal terminal(inner, true);
  const std::string shown = painted_difference(kDifference, terminal, "  ");
  EXPECT_NE(shown.find(coloured(Colour::bold, "--- old")), std::string::npos);
  EXPECT_NE(shown.find(coloured(Colour::red, "--- a comment goes")), std::string::npos);
  EXPECT_NE(shown.find(coloured(Colour::green, "+come")), std::string::npos);
}

TEST(ShownText, WithoutColoursItIsTheTextBehindItsIndent) {
  const Terminal terminal(-1, false);
  EXPECT_EQ(painted_difference(kDifference, terminal, ""), kDifference);
  EXPECT_EQ(painted_difference("@@ -1 +1 @@\n-a\n+b\n", terminal, "  "),
            "  @@ -1 +1 @@\n  -a\n  +b\n");
}

TEST(ShownText, ATerminalObeysNothingOfAContent) {
  EXPECT_EQ(printable_lines("a\tb\n\x1b[2Jc\r\n\xff"), "a\tb\n\\x1b[2Jc\\x0d\n\\xff");
  EXPECT_EQ(printable_lines("one line\n"), "one line\n");
  EXPECT_EQ(printable_lines(""), "");
}

}  // namespace
}  // namespace dunlin::cli
