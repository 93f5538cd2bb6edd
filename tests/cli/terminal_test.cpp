// The live block of a terminal: what stands on the screen after it was drawn, written over, moved,
// and after the window has changed.
#include "cli/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>

#include "base/unique_fd.h"
#include "support/screen.h"

namespace dunlin::cli {
namespace {

using Lines = std::vector<std::string>;

/// A pseudo-terminal with a Terminal at one end and a Screen at the other.
class LiveBlock : public ::testing::Test {
 protected:
  LiveBlock() {
    ::setenv("TERM", "xterm", 1);
    int outer = -1;
    int inner = -1;
    EXPECT_EQ(::openpty(&outer, &inner, nullptr, nullptr, nullptr), 0);
    outer_.reset(outer);
    inner_.reset(inner);
    ::fcntl(outer, F_SETFL, O_NONBLOCK);
    resize(80, 10);
    terminal_ = std::make_unique<Terminal>(inner, true);
  }
  void resize(std::size_t columns, std::size_t rows) {
    winsize size{};
    size.ws_col = static_cast<unsigned short>(columns);
    size.ws_row = static_cast<unsigned short>(rows);
    ASSERT_EQ(::ioctl(inner_.get(), TIOCSWINSZ, &size), 0);
    screen_.resize(columns, rows);
  }
  Lines shown() {
    char bytes[4096];
    for (ssize_t got = 0; (got = ::read(outer_.get(), bytes, sizeof bytes)) > 0;)
      screen_.feed({bytes, static_cast<std::size_t>(got)});
    EXPECT_EQ(screen_.unknown(), "");
    return screen_.lines();
  }

  UniqueFd outer_;
  UniqueFd inner_;
  testing::Screen screen_{80, 10};
  std::unique_ptr<Terminal> terminal_;
};

TEST_F(LiveBlock, IsReplacedAndTextStandsAboveIt) {
  terminal_->set_live({"total 10%", "  a 5%", "  b 15%"});
  EXPECT_EQ(shown(), (Lines{"total 10%", "  a 5%", "  b 15%"}));
  terminal_->set_live({"total 20%", "  b 40%"});
  EXPECT_EQ(shown(), (Lines{"total 20%", "  b 40%"}));
  terminal_->write("a word\n");
  EXPECT_EQ(shown(), (Lines{"a word", "total 20%", "  b 40%"}));
  terminal_->set_live({"total 30%"});
  EXPECT_EQ(shown(), (Lines{"a word", "total 30%"}));
  terminal_->set_live({});
  terminal_->write("the end\n");
  EXPECT_EQ(shown(), (Lines{"a word", "the end"}));
}

TEST_F(LiveBlock, AWindowMadeNarrowerOrWiderLeavesNoDebris) {
  const std::string wide(70, 'w');
  terminal_->write("before\n");
  terminal_->set_live({wide, wide, wide});
  static_cast<void>(shown());
  for (const std::size_t columns : {40U, 20U, 33U, 120U, 25U, 80U}) {
    resize(columns, 10);
    terminal_->set_live({wide, wide, "end"});
    const Lines lines = shown();
    const std::string cut = columns > 70 ? wide : std::string(columns - 2, 'w') + "…";
    EXPECT_EQ(lines, (Lines{"before", cut, cut, "end"})) << columns;
  }
  EXPECT_EQ(screen_.wraps(), 0);
  resize(30, 10);
  terminal_->write("between\n");
  EXPECT_THAT(shown(), ::testing::SizeIs(5));
  resize(15, 10);
  terminal_->set_live({});
  EXPECT_EQ(shown(), (Lines{"before", "between"}));
}

TEST_F(LiveBlock, WhatTheTerminalTakesForWiderLeavesNothingBehind) {
  std::string wide;
  for (int n = 0; n < 20; ++n) wide += "漢";
  terminal_->write("before\n");
  for (const std::size_t columns : {40U, 80U, 200U, 30U}) {
    resize(columns, 10);
    for (int n = 0; n < 3; ++n) {
      terminal_->set_live({"total", wide + wide + wide + wide + wide + wide, "last"});
      const Lines lines = shown();
      ASSERT_EQ(lines.size(), 4U) << columns;
      EXPECT_EQ(lines[0], "before");
      EXPECT_EQ(lines[3], "last");
    }
  }
  EXPECT_EQ(screen_.wraps(), 0);
  // Between frames the terminal is as it was: there is nothing to put right when we are killed.
  EXPECT_TRUE(screen_.wrapping());
  terminal_->write(std::string(45, 'x') + "\n");
  EXPECT_GT((static_cast<void>(shown()), screen_.wraps()), 0) << "text above the block wraps";
}

TEST_F(LiveBlock, AMisjudgedWidthTakesNoSecondRow) {
  screen_.every_glyph_is_wide();  // a terminal that knows a newer Unicode than we do
  terminal_->write("before\n");
  for (int n = 0; n < 5; ++n) {
    terminal_->set_live({std::string(70, 'a'), std::string(70, 'b')});
    EXPECT_THAT(shown(), ::testing::SizeIs(3));
  }
  EXPECT_EQ(screen_.wraps(), 0);
}

TEST_F(LiveBlock, IsGoneForGoodBeforeTheProcessEnds) {
  terminal_->set_live({"total", "  a"});
  terminal_->end_live();
  terminal_->set_live({"total", "  a"});
  terminal_->write("stopping\n");
  EXPECT_EQ(shown(), (Lines{"stopping"}));
}

TEST_F(LiveBlock, NeverTakesMoreRowsThanThereAre) {
  resize(80, 4);
  terminal_->write("above\n");
  for (int n = 0; n < 5; ++n) terminal_->set_live({"one", "two", "three", "four", "five"});
  EXPECT_EQ(shown(), (Lines{"above", "one", "two", "three"}));
  resize(80, 1);
  terminal_->set_live({"one", "two"});
  EXPECT_EQ(shown().back(), "one");
}

TEST_F(LiveBlock, IsNotDrawnWhereTheCursorCannotBeMoved) {
  for (const char* term : {"dumb", ""}) {
    ::setenv("TERM", term, 1);
    Terminal terminal(inner_.get(), colour_wanted());
    EXPECT_FALSE(terminal.draws());
    EXPECT_TRUE(terminal.is_terminal());
    terminal.set_live({"total"});
    EXPECT_EQ(shown(), Lines{});
  }
  ::setenv("TERM", "xterm", 1);
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  const UniqueFd read(ends[0]);
  const UniqueFd write(ends[1]);
  Terminal pipe(write.get(), true);
  EXPECT_FALSE(pipe.draws());
  pipe.set_live({"total"});
  pipe.write(pipe.paint(Colour::red, "word\n"));
  char bytes[64];
  ASSERT_EQ(::read(read.get(), bytes, sizeof bytes), 5);
  EXPECT_EQ(std::string(bytes, 5), "word\n");
}

}  // namespace
}  // namespace dunlin::cli
