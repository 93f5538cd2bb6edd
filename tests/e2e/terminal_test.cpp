// On a terminal: colours, the live line and its width.
#include <csignal>
#include <sstream>

#include "cli/text_layout.h"
#include "e2e/world.h"

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

TEST_F(OnTerminal, TheLiveLineNeverWraps) {
  make_tree("src", 100, 10'000);
  for (const int columns : {20, 40, 80, 200}) {
    Process copy(at(columns, {"copy", path("src"), path("dst" + std::to_string(columns)),
                              "--io-limit", "500kB/s"}));
    ASSERT_TRUE(copy.says("%"));
    testing::sleep_for(milliseconds(900));
    copy.signal(SIGKILL);
    static_cast<void>(copy.wait());
    std::istringstream frames(copy.out());
    int seen = 0;
    for (std::string frame; std::getline(frames, frame, '\r');) {
      const auto end = frame.find("\x1b[K");
      if (end == std::string::npos) continue;
      ++seen;
      EXPECT_LT(cli::display_width(frame.substr(0, end)), static_cast<std::size_t>(columns));
    }
    EXPECT_GT(seen, 2);
  }
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
