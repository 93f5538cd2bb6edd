// Whatever command dunlin proposes, it accepts: one state after the other, all that is said there.
#include <sys/stat.h>

#include <csignal>
#include <functional>
#include <regex>
#include <set>

#include "e2e/world.h"

namespace dunlin::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

/// "dunlin resume 1", as words: between backticks, or up to the next two spaces.
std::vector<std::vector<std::string>> commands_in(const std::string& text) {
  static const std::regex command("dunlin ((?:[a-z]+)(?: [^`\\s,;()]+)*)");
  std::set<std::string> found;
  for (std::sregex_iterator at(text.begin(), text.end(), command), end; at != end; ++at)
    found.insert((*at)[1]);
  std::vector<std::vector<std::string>> all;
  for (const std::string& line : found) {
    std::istringstream in(line);
    std::vector<std::string> words;
    for (std::string word; in >> word;) words.push_back(word);
    all.push_back(std::move(words));
  }
  return all;
}

class Proposals : public World {
 protected:
  void unreadable() {
    make_tree("src", 20, 3000);
    ASSERT_EQ(::chmod(path("src/d3/f8").c_str(), 0), 0);
  }
  /// What is said after `make`: by the command itself, by status and by errors.
  std::string said_after(const std::function<std::string()>& make) {
    for (const char* name : {"state", "src", "dst", "aside"}) fs::remove_all(path(name));
    std::string said = make();
    said += run({"status", "1"}).out + run({"errors", "1"}).out;
    return said;
  }
  /// `command` is among what is proposed, and all of that is accepted, each in the same state.
  void expect_accepted(const std::function<std::string()>& make, const std::string& command) {
    const std::string said = said_after(make);
    EXPECT_THAT(said, HasSubstr("dunlin " + command));
    for (const auto& words : commands_in(said)) {
      said_after(make);
      std::vector<std::string> all = words;
      all.emplace_back("--yes");
      const Finished done = run(all);
      const std::string line = ::testing::PrintToString(words) + "\n" + said + "\n" + done.err;
      EXPECT_NE(done.code, 2) << line;
      EXPECT_NE(done.code, 70) << line;
    }
  }
  std::string act(const std::vector<std::string>& words) {
    const Finished done = run(words);
    return done.out + done.err;
  }
};

TEST_F(Proposals, WhereAnItemHasFailed) {
  expect_accepted(
      [&] {
        unreadable();
        return act({"copy", path("src"), path("dst")});
      },
      "retry 1 --type permission_denied");
}

TEST_F(Proposals, WhereThePreflightHasRefused) {
  const auto make = [&] {
    unreadable();
    return act({"copy", path("src"), path("dst"), "--preflight", "complete"});
  };
  expect_accepted(make, "resume 1");
  EXPECT_THAT(said_after(make), Not(HasSubstr("dunlin retry")));
}

TEST_F(Proposals, WhereItWasPausedOrGivenUpOrHoldsTheDestination) {
  const auto pause = [&] {
    unreadable();
    return act({"copy", path("src"), path("dst"), "--space-reservation", "100%", "--preflight",
                "streaming"});
  };
  expect_accepted(pause, "resume 1");
  expect_accepted([&] { return pause() + act({"copy", path("src"), path("dst")}); }, "cancel 1");
  const auto cancel = [&] {
    static_cast<void>(pause());
    return act({"cancel", "1"});
  };
  EXPECT_THAT(said_after(cancel), HasSubstr("cancelled"));
  for (const auto& words : commands_in(said_after(cancel))) {
    EXPECT_THAT(words.front(), Not(::testing::AnyOf("retry", "resume"))) << said_after(cancel);
  }
}

TEST_F(Proposals, WhereTooManyHaveFailed) {
  expect_accepted(
      [&] {
        unreadable();
        return act({"copy", path("src"), path("dst"), "--max-failures", "0"});
      },
      "errors 1");
}

TEST_F(Proposals, WhereAVerificationHasFoundADifference) {
  expect_accepted(
      [&] {
        make_tree("src", 20, 3000);
        std::string said = act({"copy", path("src"), path("dst")});
        write("dst/src/d3/f8", "other");
        return said + act({"verify", "1"});
      },
      "verify 1");
}

TEST_F(Proposals, WhereARollbackHasLeftSomethingAlone) {
  const auto make = [&] {
    make_tree("src", 20, 3000);
    std::string said = act({"copy", path("src"), path("dst")});
    write("dst/src/d3/f8", "other");
    return said + act({"rollback", "1", "--yes"});
  };
  expect_accepted(make, "rollback 1");
  EXPECT_THAT(said_after(make), Not(HasSubstr("dunlin retry")));
}

TEST_F(Proposals, WhereARollbackHasPaused) {
  const auto make = [&] {
    make_tree("src", 20, 3000);
    std::string said = act({"copy", path("src"), path("dst")});
    fs::rename(path("dst"), path("aside"));
    fs::create_directory(path("dst"));
    return said + act({"rollback", "1", "--yes"});
  };
  expect_accepted(make, "resume 1");
  expect_accepted(make, "cancel 1");
}

TEST_F(Proposals, WhereItsOwnerWasKilled) {
  expect_accepted(
      [&] {
        make_tree("src", 20, 3000);
        Process copy(dunlin({"copy", path("src"), path("dst"), "--io-limit", "20kB/s"}));
        EXPECT_TRUE(is_under_way());
        copy.signal(SIGKILL);
        EXPECT_EQ(copy.wait(), 128 + SIGKILL);
        return std::string();
      },
      "resume 1");
}

/// A command that could not be carried out at all has recorded nothing that could be retried.
TEST_F(Proposals, WhereNothingWasBegun) {
  make_tree("src", 1, 1);
  ASSERT_TRUE(fs::create_directory(path("state")));
  ASSERT_EQ(::chmod(path("state").c_str(), 0500), 0);
  const std::string said = act({"copy", path("src"), path("dst")});
  ASSERT_EQ(::chmod(path("state").c_str(), 0700), 0);
  EXPECT_THAT(said, Not(HasSubstr("dunlin retry"))) << said;
  EXPECT_THAT(said, Not(HasSubstr("dunlin resume"))) << said;
}

}  // namespace
}  // namespace dunlin::e2e
