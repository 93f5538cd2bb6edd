// Moves of several sources and their undo, undisturbed, killed at every crash point, and when a
// source has gone since.
#include <algorithm>

#include "base/crash_point.h"
#include "files/crash_child.h"
#include "files/several_fixture.h"
#include "support/self_exec.h"

#if !DUNLIN_CRASH_POINTS
// Without crash points nobody dies here, and what prepares it is not needed.
#pragma GCC diagnostic ignored "-Wunused-function"
#endif

namespace dunlin::files::testing {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;

using dunlin::testing::run_self;
using dunlin::testing::was_killed;
using Options = std::map<std::string, std::string>;

class FilesSeveralMove : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Places, FilesSeveralMove, ::testing::Bool(), [](const auto& tested) {
  return tested.param ? "AcrossFileSystems" : "WithinOne";
});

TEST_P(FilesSeveralMove, EachArrivesAndOnlyTheNamedDirectoriesStay) {
  const Three three(GetParam());
  three.make();
  ASSERT_EQ(::chmod((three.tree() + "/sub/deep").c_str(), 0751), 0);
  const auto before = three.at_sources();
  CopyTest move = three.test({{"delete-empty-src-dirs", "true"}}, "move");
  LocalExecution& execution = move.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_TRUE(all_ended(execution));
  EXPECT_EQ(three.at_target(), before);
  EXPECT_TRUE(stdfs::is_empty(three.tree()));
  EXPECT_TRUE(stdfs::is_empty(three.more()));
  EXPECT_FALSE(stdfs::exists(three.list()));
  EXPECT_TRUE(stdfs::is_empty(three.side.file("three")));
  EXPECT_EQ(execution.item("tree/sub/b.txt")->row.action, "renamed");
  EXPECT_EQ(execution.item("more/in/c.txt")->row.action, GetParam() ? "moved" : "renamed");
  ASSERT_TRUE(is_ok(execution.verify()));
  EXPECT_EQ(execution.differences(), 0);
  ASSERT_TRUE(is_ok(execution.undo()));
  EXPECT_EQ(three.at_sources(), before);
  EXPECT_FALSE(stdfs::exists(three.target()));
}

// ---- Death at every crash point ----

std::vector<std::string> words_of(const std::string& lines) {
  std::vector<std::string> words;
  for (std::size_t begin = 0; begin < lines.size();) {
    const std::size_t end = std::min(lines.find('\n', begin), lines.size());
    words.push_back(lines.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

TEST(FilesSeveralCrashChild, DISABLED_Runs) {
  const std::vector<std::string> words = words_of(variable("DUNLIN_TEST_WORDS"));
  CopyTest move(words.front(), words.back(), {}, {}, "move");
  // A plan is made once: of what has been moved none could be made any more.
  const std::string plan = variable("DUNLIN_TEST_JOURNAL") + ".plan";
  if (!stdfs::exists(plan)) {
    CopyTest first = several(words, {{"delete-empty-src-dirs", "true"}}, "move");
    std::ofstream(plan) << first.plan().document.dump();
  }
  move.plan().document = Json::parse(read_all(plan));
  move.settings.batch_size = 6;
  live_as_child(move);
}

#if DUNLIN_CRASH_POINTS
int run_child(const Three& three, const std::string& what, Options more) {
  std::string lines;
  for (const std::string& word : three.words()) lines += word + "\n";
  more["DUNLIN_TEST_WORDS"] = lines;
  more["DUNLIN_TEST_JOURNAL"] = three.side.file("journal");
  more["DUNLIN_TEST_WHAT"] = what;
  return run_self("FilesSeveralCrashChild.DISABLED_Runs", more);
}

/// A set of hard links through two sources, and what stands in the way in both.
void make_case(const Three& three) {
  three.make();
  ASSERT_EQ(::chmod((three.tree() + "/sub/deep").c_str(), 0751), 0);
  write_file(three.target("/more/d.txt"), "an old delta", 1'100'000'000);
  write_file(three.target("/list.txt"), "an old list", 1'100'000'001);
  write_file(three.target("/theirs"), "not ours", 1'100'000'002);
  set_mtime(three.target("/more"), 1'100'000'003);
  set_mtime(three.target(), 1'100'000'004);
}

/// The directory that all go into has the time of its last name.
std::map<std::string, std::string> state_of(const Three& three) {
  return without_undo_folder(three.at_target());
}

std::map<std::string, int> points_of(bool across, const std::string& what) {
  const Three three(across);
  make_case(three);
  if (what == "undo") {
    EXPECT_EQ(run_child(three, "move", {}), 0);
  }
  const std::string log = three.side.file("log");
  EXPECT_EQ(run_child(three, what, {{"DUNLIN_CRASH_LOG", log}}), 0);
  return points_in(log);
}

class FilesSeveralCrash : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Places, FilesSeveralCrash, ::testing::Bool(), [](const auto& tested) {
  return tested.param ? "AcrossFileSystems" : "WithinOne";
});

/// The middle hit of each point: one in which both kinds of source have begun.
TEST_P(FilesSeveralCrash, AMoveKilledAnywhereEndsAsIfItHadNotBeenAndCanBeTakenBack) {
  const Three reference(GetParam());
  make_case(reference);
  const auto source = reference.at_sources();
  const auto target = reference.at_target();
  ASSERT_EQ(run_child(reference, "move", {}), 0);
  const auto moved = state_of(reference);
  const auto points = points_of(GetParam(), "move");
  ASSERT_THAT(points, Contains(::testing::Key("files.publish.before")));
  for (const std::string& at : deaths(points, false, GetParam() ? 0 : 1)) {
    SCOPED_TRACE(at);
    const Three three(GetParam());
    make_case(three);
    ASSERT_TRUE(was_killed(run_child(three, "move", {{"DUNLIN_CRASH_AT", at}})));
    // Recovery itself dies once, then is allowed to end.
    run_child(three, "move", {{"DUNLIN_CRASH_AT", "files.settle.after:1"}});
    ASSERT_EQ(run_child(three, "move", {}), 0);
    ASSERT_EQ(state_of(three), moved);
    ASSERT_TRUE(stdfs::is_empty(three.tree()));
    ASSERT_TRUE(stdfs::is_empty(three.more()));
    ASSERT_TRUE(stdfs::is_empty(three.side.file("three"))) << "the file, and what set it aside";
    ASSERT_EQ(run_child(three, "undo", {}), 0);
    ASSERT_EQ(three.at_sources(), source);
    ASSERT_EQ(three.at_target(), target);
    ASSERT_THAT(own_names(three.side.file("three")), IsEmpty());
  }
}

TEST_P(FilesSeveralCrash, AnUndoKilledAnywhereEndsAsIfItHadNotBeen) {
  const Three reference(GetParam());
  make_case(reference);
  const auto source = reference.at_sources();
  const auto target = reference.at_target();
  for (const std::string& at : deaths(points_of(GetParam(), "undo"), false, GetParam() ? 0 : 1)) {
    SCOPED_TRACE(at);
    const Three three(GetParam());
    make_case(three);
    ASSERT_EQ(run_child(three, "move", {}), 0);
    ASSERT_TRUE(was_killed(run_child(three, "undo", {{"DUNLIN_CRASH_AT", at}})));
    ASSERT_EQ(run_child(three, "undo", {}), 0);
    ASSERT_EQ(three.at_sources(), source);
    ASSERT_EQ(three.at_target(), target);
  }
}
#endif

/// A disk that was taken out, or a directory that its owner removed once it was empty.
TEST_P(FilesSeveralMove, ASourceThatIsGoneAtRollbackKeepsNothingOfTheOthersAway) {
  const Three three(GetParam());
  three.make();
  ASSERT_EQ(::chmod((three.tree() + "/sub/deep").c_str(), 0751), 0);
  const auto tree = snapshot(three.tree());
  const std::string list = read_all(three.list());
  CopyTest move = three.test({{"delete-empty-src-dirs", "true"}}, "move");
  LocalExecution& execution = move.start();
  const auto identity = move.run().root_identity(execution.context());
  ASSERT_TRUE(identity.ok());
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  stdfs::remove(three.more());
  LocalExecution& next = move.take_over();
  const auto same = move.run().same_destination(next.context(), *identity);
  ASSERT_TRUE(same.ok());
  EXPECT_TRUE(*same);
  ASSERT_TRUE(is_ok(next.undo()));
  EXPECT_EQ(snapshot(three.tree()), tree);
  EXPECT_EQ(read_all(three.list()), list);
  EXPECT_EQ(read_all(three.target("/more/in/c.txt")), "gamma\n");
  EXPECT_EQ(read_all(three.target("/more/d.txt")), "delta\n");
  EXPECT_FALSE(stdfs::exists(three.target("/tree")));
  EXPECT_TRUE(next.item("more/d.txt")->error.has_value());
}

/// Of those that are there each is compared, whatever has become of the others.
TEST_P(FilesSeveralMove, AnExchangedSourceIsNoticedThoughAnotherOneIsGone) {
  const Three three(GetParam());
  three.make();
  CopyTest move = three.test({}, "move");
  LocalExecution& execution = move.start();
  const auto identity = move.run().root_identity(execution.context());
  ASSERT_TRUE(identity.ok());
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  stdfs::remove_all(three.more());
  stdfs::rename(three.tree(), three.tree() + ".away");
  stdfs::create_directories(three.tree());
  LocalExecution& next = move.take_over();
  const auto same = move.run().same_destination(next.context(), *identity);
  ASSERT_TRUE(same.ok());
  EXPECT_FALSE(*same);
}

/// What it became says nothing of what it was: a directory of its name stands where it went.
TEST_P(FilesSeveralMove, AFileBesideADirectoryOfItsNameComesBackThoughItsSourceIsGone) {
  const Three three(GetParam());
  three.make();
  write_file(three.target("/list.txt/theirs"), "not ours");
  const std::string list = read_all(three.list());
  const auto target = snapshot(three.target("/list.txt"));
  CopyTest move = three.test({{"conflict", "keep_both"}}, "move");
  LocalExecution& execution = move.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  ASSERT_TRUE(all_ended(execution));
  ASSERT_EQ(read_all(three.target("/list (2).txt")), list);
  ASSERT_FALSE(stdfs::exists(three.list()));
  LocalExecution& next = move.take_over();
  EXPECT_TRUE(is_ok(next.verify()));
  EXPECT_EQ(next.differences(), 0);
  const auto now = move.run().root_identity(next.context());
  ASSERT_TRUE(now.ok()) << now.error().text();
  EXPECT_EQ(*now, next.ledger().roots);
  ASSERT_TRUE(is_ok(next.undo()));
  EXPECT_EQ(read_all(three.list()), list);
  EXPECT_EQ(snapshot(three.target("/list.txt")), target);
}

/// The same with one source alone.
TEST_P(FilesSeveralMove, AnOnlyFileBesideADirectoryOfItsNameComesBackThoughItIsGone) {
  const Three three(GetParam());
  three.make();
  const std::string file = three.more() + "/d.txt";
  write_file(three.target("/d.txt/theirs"), "not ours");
  CopyTest move(file, three.target(), {{"conflict", "keep_both"}}, {}, "move");
  LocalExecution& execution = move.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  ASSERT_EQ(read_all(three.target("/d (2).txt")), "delta\n");
  ASSERT_FALSE(stdfs::exists(file));
  LocalExecution& next = move.take_over();
  const auto same = move.run().same_destination(next.context(), next.ledger().roots);
  ASSERT_TRUE(same.ok()) << same.error().text();
  EXPECT_TRUE(*same);
  ASSERT_TRUE(is_ok(next.undo()));
  EXPECT_EQ(read_all(file), "delta\n");
  EXPECT_FALSE(stdfs::exists(three.target("/d (2).txt")));
}

}  // namespace
}  // namespace dunlin::files::testing
