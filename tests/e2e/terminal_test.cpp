// On a terminal: colours, the live line and its width.
#include <csignal>

#include "e2e/world.h"
#include "support/screen.h"

namespace dunlin::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class OnTerminal : public World {
 protected:
  ProcessOptions at(int columns, const std::vector<std::string>& words) {
    auto options = dunlin(words);
    options.terminal_columns = columns;
    options.environment["TERM"] = "xterm";
    return options;
  }
  std::string shown(const ProcessOptions& options) {
    Process process(options);
    EXPECT_TRUE(process.wait().has_value());
    testing::sleep_for(milliseconds(100));  // the terminal's reader is a thread of its own
    return process.out();
  }
};

TEST_F(OnTerminal, ColoursUnlessNoColorIsSet) {
  make_tree("src", 3, 10);
  EXPECT_THAT(shown(at(80, {"copy", path("src"), path("dst")})), HasSubstr("\x1b[32mcompleted"));
  auto plain = at(80, {"status", "last"});
  EXPECT_THAT(shown(plain), HasSubstr("\x1b[32m"));
  plain.environment["NO_COLOR"] = "1";
  EXPECT_THAT(shown(plain), Not(HasSubstr("\x1b[32m")));
  EXPECT_THAT(run({"status", "last"}).out, Not(HasSubstr("\x1b")));
}

TEST_F(OnTerminal, TheLiveDisplayNeverWrapsAndEndsWithoutDebris) {
  make_tree("src", 3, 10'000);
  write("src/a film with a name that is longer than most windows are wide, uncut.mkv",
        std::string(4'500'000, 'x'));
  std::string hostile = "src/\u202e\x1b[2J";  // these are shown escaped, all else as it is
  for (int n = 0; n < 8; ++n) hostile += "漢字📷é\u0301\u0302ש";
  write(hostile, std::string(2'500'000, 'x'));
  for (const int columns : {40, 80, 200}) {  // some seconds each: only then a file has a line
    Process copy(at(columns, {"copy", path("src/"), path("dst" + std::to_string(columns)),
                              "--io-limit", "1MB/s", "--verify", "none"}));
    EXPECT_TRUE(copy.says("  a ")) << columns;  // its own line, below the total
    EXPECT_EQ(copy.wait(), 0);
    testing::sleep_for(milliseconds(100));
    testing::Screen screen(static_cast<std::size_t>(columns), 24);
    // What comes before the summary: the summary may be as wide as it likes.
    const std::string out = copy.out();
    const auto summary = out.rfind("completed");
    ASSERT_NE(summary, std::string::npos);
    screen.feed(out.substr(0, out.rfind('\r', summary)));
    EXPECT_EQ(screen.wraps(), 0) << columns;
    EXPECT_TRUE(screen.wrapping());
    EXPECT_THAT(out, HasSubstr("  \\xe2\\x80"));
    EXPECT_EQ(screen.unknown(), "");
    screen.feed(out.substr(out.rfind('\r', summary)));
    EXPECT_THAT(screen.lines().front(), ::testing::StartsWith("completed")) << "debris above it";
  }
}

TEST_F(OnTerminal, AWatchShowsTheLargeFilesOfAnotherProcess) {
  make_tree("src", 1, 10);
  write("src/film.mkv", std::string(6'000'000, 'x'));
  Process copy(dunlin({"copy", path("src/"), path("dst"), "--io-limit", "500kB/s"}));
  ASSERT_TRUE(is_under_way());
  Process watch(at(80, {"watch", "last"}));
  EXPECT_TRUE(watch.says("film.mkv"));
  copy.signal(SIGINT);
  EXPECT_EQ(copy.wait(milliseconds(5000)), 4);
  EXPECT_EQ(watch.wait(milliseconds(5000)), 4);
}

TEST_F(OnTerminal, AMessageWithoutRoomStandsBelowItsItemAndNothingIsBrokenWithinAWord) {
  const std::string name = "a name that is long enough to leave no room beside it.txt";
  write("src/" + name, "x");
  write("dst/" + name, "another");
  const Finished copy = run({"copy", path("src/"), path("dst"), "--conflict", "fail"});
  ASSERT_EQ(copy.code, 1);
  testing::Screen screen(80, 40);
  const std::string errors = shown(at(80, {"errors", "last"}));
  screen.feed(errors);
  EXPECT_THAT(errors, HasSubstr("\r\n      "));
  EXPECT_THAT(errors, HasSubstr("exists at the destination")) << "the end of it, which says why";
  screen.feed(shown(at(80, {"status", "last"})));
  EXPECT_EQ(screen.wraps(), 0);
  EXPECT_EQ(screen.unknown(), "");
}

TEST_F(OnTerminal, ThePsOfWhatHasEndedHasNoRates) {
  make_tree("src", 3, 10);
  ASSERT_EQ(run({"copy", path("src"), path("dst")}).code, 0);
  const std::string ended = run({"ps"}).out;
  EXPECT_THAT(ended, Not(HasSubstr("RATE")));
  EXPECT_THAT(ended, HasSubstr("s ago"));
  make_tree("slow", 100, 10'000);
  Process copy(dunlin({"copy", path("slow"), path("dst"), "--io-limit", "200kB/s"}));
  ASSERT_TRUE(is_under_way());
  EXPECT_TRUE(eventually([this] { return run({"ps"}).out.find("RATE") != std::string::npos; }));
  copy.signal(SIGINT);
  EXPECT_EQ(copy.wait(milliseconds(5000)), 4);
}

TEST_F(OnTerminal, ADumbOneGetsLinesAndNoSequences) {
  make_tree("src", 100, 40'000);
  auto options = at(80, {"copy", path("src"), path("dst"), "--io-limit", "500kB/s"});
  options.environment["TERM"] = "dumb";
  Process copy(options);
  EXPECT_TRUE(copy.says("Z  ", milliseconds(12'000)));
  EXPECT_THAT(copy.out(), Not(HasSubstr("\x1b")));
  copy.signal(SIGINT);
  EXPECT_EQ(copy.wait(milliseconds(5000)), 4);
}

TEST_F(OnTerminal, TheFirstInterruptSaysWhatTheSecondDoes) {
  make_tree("src", 100, 10'000);
  Process copy(at(80, {"copy", path("src"), path("dst"), "--io-limit", "200kB/s"}));
  ASSERT_TRUE(is_under_way());
  copy.signal(SIGINT);
  EXPECT_EQ(copy.wait(milliseconds(5000)), 4);
  EXPECT_TRUE(copy.says("press Ctrl-C again to stop at once", milliseconds(1000)));
  EXPECT_TRUE(copy.says("dunlin resume 1", milliseconds(1000)));
}

TEST_F(OnTerminal, RollbackAsksFirst) {
  make_tree("src", 3, 10);
  ASSERT_EQ(run({"copy", path("src"), path("dst")}).code, 0);
  Process rollback(at(80, {"rollback", "last"}));
  ASSERT_TRUE(rollback.says("[y/N]"));
  rollback.signal(SIGKILL);
  EXPECT_EQ(status(), "completed");
}

TEST_F(OnTerminal, WithoutOneThereIsALineNowAndThen) {
  make_tree("src", 100, 40'000);
  Process copy(dunlin({"copy", path("src"), path("dst"), "--io-limit", "500kB/s"}));
  EXPECT_TRUE(copy.says("Z  ", milliseconds(12'000)));
  EXPECT_THAT(copy.err(), HasSubstr("files"));
  EXPECT_THAT(copy.err(), Not(HasSubstr("\r")));
  copy.signal(SIGINT);
  EXPECT_EQ(copy.wait(milliseconds(5000)), 4);
}

}  // namespace
}  // namespace dunlin::e2e
