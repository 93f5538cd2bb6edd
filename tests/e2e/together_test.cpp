// Several plans at once, each in a process of its own (engine.md X-4): what goes side by side, and
// what is refused, by whatever name the destination is reached.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "base/file_io.h"
#include "e2e/world.h"

namespace dunlin::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

class Together : public World {
 protected:
  /// A plan file whose execution begins and then is held, so that it keeps its destination for as
  /// long as the test wants.
  std::string held_plan(const std::string& name, const std::string& destination,
                        const std::string& more = "") {
    write(name + ".yaml",
          plan_text("src", destination, more) + "settings: {selective_pause: [{path: \"*\"}]}\n");
    return path(name + ".yaml");
  }
  std::string plan(const std::string& name, const std::string& source,
                   const std::string& destination, const std::string& more = "") {
    write(name + ".yaml", plan_text(source, destination, more));
    return path(name + ".yaml");
  }
  [[nodiscard]] std::string plan_text(const std::string& source, const std::string& destination,
                                      const std::string& more) const {
    return "kind: files\nsource: {paths: [" + path(source) + "/]}\ndestination: {base_path: \"" +
           path(destination) + "\"}\n" + more;
  }
  /// Says that it stands at `gate`, waits there, and becomes `dunlin WORDS`.
  [[nodiscard]] ProcessOptions at_the_gate(const std::vector<std::string>& words) const {
    ProcessOptions options = dunlin(words);
    std::vector<std::string> with{"/bin/sh", "-c",
                                  ": > \"$0.$$\"; exec 3< \"$0\"; exec \"$@\" 3<&-", path("gate")};
    with.insert(with.end(), options.words.begin(), options.words.end());
    options.words = std::move(with);
    return options;
  }
  /// Lets all `count` go in one instant, once they stand there.
  void open_gate(std::size_t count) const {
    const auto waiting = [this] {
      std::vector<fs::path> found;
      for (const auto& entry : fs::directory_iterator(path("")))
        if (entry.path().filename().string().starts_with("gate.")) found.push_back(entry.path());
      return found;
    };
    ASSERT_TRUE(eventually([&] { return waiting().size() == count; }));
    const int gate = ::open(path("gate").c_str(), O_WRONLY | O_CLOEXEC);
    ASSERT_GE(gate, 0);
    gates_.push_back(gate);
    for (const fs::path& file : waiting()) fs::remove(file);
  }
  void close_gates() const {
    for (const int gate : gates_) ::close(gate);
    gates_.clear();
  }
  [[nodiscard]] std::size_t live() const {
    std::size_t count = 0;
    for (const Json& one : json({"ps", "--all"}))
      if (boolean_or(one, "live", false) && one["status"] == "running") ++count;
    return count;
  }

 private:
  mutable std::vector<int> gates_;
};

TEST_F(Together, TwoPlansOnOneDeviceGoSideBySideAndBothAreRight) {
  make_tree("one", 120, 10'000);
  make_tree("two", 120, 10'000);
  ASSERT_EQ(::mkfifo(path("gate").c_str(), 0600), 0);
  const std::string slow = "settings: {io_limit: 1MB/s, batch_size: 10}\n";
  Process first(at_the_gate({"run", plan("a", "one", "to/one", slow)}));
  Process second(at_the_gate({"run", plan("b", "two", "to/two", slow)}));
  open_gate(2);
  EXPECT_TRUE(eventually([this] { return live() == 2; })) << "they never ran at the same time";
  close_gates();
  EXPECT_EQ(first.wait(), 0) << first.err();
  EXPECT_EQ(second.wait(), 0) << second.err();
  EXPECT_EQ(difference("one", "to/one"), "");
  EXPECT_EQ(difference("two", "to/two"), "");
  EXPECT_TRUE(leftovers("to").empty());
  for (const char* number : {"1", "2"}) EXPECT_EQ(run({"verify", number}).code, 0);
}

TEST_F(Together, APlanHasOneExecutionAtATime) {
  make_tree("src", 4, 100);
  const Finished stored = run({"plan", "create", held_plan("p", "dst"), "--json"});
  ASSERT_EQ(stored.code, 0) << stored.err;
  const std::string id = json_lines(stored.out).back()["id"];
  ASSERT_EQ(run({"run", id}).code, 4);
  const Finished again = run({"run", id});
  EXPECT_EQ(again.code, 5);
  EXPECT_THAT(again.err, AllOf(HasSubstr("execution 1 (paused) writes the same destination"),
                               HasSubstr("dunlin resume 1"), HasSubstr("dunlin cancel 1")));
  ASSERT_EQ(run({"resume", "1", "--held"}).code, 0);
  EXPECT_EQ(run({"run", id}).code, 0) << "the next one may begin, and finds all there";
}

TEST_F(Together, TheSameDestinationIsKnownByWhateverNameItIsReached) {
  make_tree("src", 4, 100);
  fs::create_directories(path("real/dst"));
  fs::create_directory_symlink(path("real"), path("link"));
  ASSERT_EQ(run({"run", held_plan("p", "real/dst")}).code, 4);
  for (const char* name : {"real/dst", "real/dst/", "link/dst", "real/../link/dst", "real//dst",
                           "real/dst/below/it", "link/./dst/new", "real"}) {
    const Finished refused = run({"run", plan("q", "src", name)});
    EXPECT_EQ(refused.code, 5) << name << refused.out;
    EXPECT_THAT(refused.err, HasSubstr("writes the same destination: file:" + path("real/dst")))
        << name;
  }
  for (const char* name : {"real/dst2", "real/other", "link/ds"})
    EXPECT_EQ(run({"run", plan("q", "src", name)}).code, 0) << name;
}

TEST_F(Together, ADestinationThatIsNotThereYetIsKnownByItsNamesToo) {
  make_tree("src", 4, 100);
  fs::create_directory(path("real"));
  fs::create_directory_symlink(path("real"), path("link"));
  ASSERT_EQ(run({"run", held_plan("p", "link/a/b")}).code, 4);
  EXPECT_EQ(run({"run", plan("q", "src", "real/a/b/c")}).code, 5);
  EXPECT_EQ(run({"run", plan("q", "src", "real/a/bb")}).code, 0);
}

TEST_F(Together, WhatIsMovedAwayIsNotCopiedMeanwhileIntoAnotherPlan) {
  make_tree("src", 4, 100);
  make_tree("other", 4, 100);
  ASSERT_EQ(run({"run", held_plan("p", "dst", "strategy: {operation: move}\n")}).code, 4);
  EXPECT_EQ(run({"run", plan("q", "other", "src/into")}).code, 5) << "its source is emptied";
}

TEST_F(Together, WhatHadEndedBeginsAgainOnlyWhereNobodyWrites) {
  make_tree("src", 4, 100);
  fs::create_directory(path("dst"));
  ASSERT_EQ(run({"copy", path("src") + "/", path("dst/one")}).code, 0);
  ASSERT_EQ(run({"run", held_plan("p", "dst")}).code, 4);
  const Finished back = run({"rollback", "1", "--yes"});
  EXPECT_EQ(back.code, 5) << back.out;
  EXPECT_THAT(back.err, HasSubstr("execution 2 (paused) writes the same destination"));
  EXPECT_EQ(json({"status", "1"})["status"], "completed");
  EXPECT_EQ(difference("src", "dst/one"), "") << "nothing was taken back";
  EXPECT_EQ(run({"verify", "1"}).code, 0) << "who only looks waits for nobody";
  ASSERT_EQ(run({"cancel", "2"}).code, 0);
  EXPECT_EQ(run({"rollback", "1", "--yes"}).code, 0);
}

/// 50 rounds, since a gap of a few instructions between look and claim would show rarely.
TEST_F(Together, OfEightThatStartInOneInstantOneWins) {
  make_tree("src", 1, 10);
  fs::create_directories(path("dst"));
  fs::create_directory_symlink(path("dst"), path("link"));
  ASSERT_EQ(::mkfifo(path("gate").c_str(), 0600), 0);
  const char* const names[] = {"dst", "link", "dst/below", "link/../dst"};
  std::vector<std::string> plans;
  for (const char* name : names)
    plans.push_back(held_plan("p" + std::to_string(plans.size()), name));
  for (int round = 0; round < 50; ++round) {
    std::vector<std::unique_ptr<Process>> starters;
    for (std::size_t n = 0; n < 8; ++n)
      starters.push_back(
          std::make_unique<Process>(at_the_gate({"run", plans[n % plans.size()], "--json"})));
    open_gate(starters.size());
    std::size_t winners = 0;
    for (const auto& starter : starters) {
      const auto code = starter->wait();
      if (code == 4) ++winners;
      EXPECT_THAT(code, ::testing::AnyOf(4, 5)) << starter->out() << starter->err();
    }
    close_gates();
    ASSERT_EQ(winners, 1U) << "round " << round;
    ASSERT_EQ(run({"cancel", "last"}).code, 0);
  }
}

class TogetherNeedsRoot : public Together {
 protected:
  void TearDown() override {
    static_cast<void>(run({"stop", "--now", "--all", "--quiet"}));
    ::umount2(path("bound").c_str(), MNT_DETACH);
  }
};

TEST_F(TogetherNeedsRoot, ABindMountIsTheSameDestination) {
  make_tree("src", 4, 100);
  fs::create_directories(path("real/dst"));
  fs::create_directories(path("bound"));
  ASSERT_EQ(::mount(path("real").c_str(), path("bound").c_str(), nullptr, MS_BIND, nullptr), 0);
  ASSERT_EQ(run({"run", held_plan("p", "real/dst")}).code, 4);
  for (const char* name : {"bound/dst", "bound/dst/below", "bound"}) {
    const Finished refused = run({"run", plan("q", "src", name)});
    EXPECT_EQ(refused.code, 5) << name << refused.out;
    EXPECT_THAT(refused.err, HasSubstr("file:" + path("real/dst")));
  }
  EXPECT_EQ(run({"run", plan("q", "src", "bound/other")}).code, 0);
}

}  // namespace
}  // namespace dunlin::e2e
