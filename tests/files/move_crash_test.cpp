// Moves and their undo, killed at every crash point, and what may happen before they go on.
#include <algorithm>
#include <sstream>

#include "base/crash_point.h"
#include "files/crash_child.h"
#include "files/move_fixture.h"
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

/// "across" or "within", with " fallback" or " no links".
bool is_across(const std::string& variant) {
  return variant.starts_with("across");
}

fs::Features features_of(const std::string& variant) {
  fs::Features features;
  const bool no_links = variant.ends_with("no links");
  if (no_links || variant.ends_with("fallback"))
    features.rename_noreplace = features.rename_exchange = false;
  if (no_links) features.hard_links = false;
  if (variant.ends_with("fallback")) features.syncfs = false;
  return features;
}

void make_case(const Places& at, const std::string& variant) {
  make_movable_tree(at.source());
  if (variant == "across no links") {
    // What cannot be linked arrives as files of its own, and goes back as such.
    stdfs::remove(at.source("/sub/deep/er/shared again"));
    stdfs::remove(at.source("/z"));
    set_mtime(at.source("/sub/deep/er"), 1'200'000'000);
    set_mtime(at.source(), 1'200'000'000);
  }
  write_file(at.target("/a.txt"), "the old alpha", 1'100'000'000, 0600);
  write_file(at.target("/sub/b.txt"), "the old beta", 1'100'000'001);
  write_file(at.target("/z"), "no link yet", 1'100'000'006);
  write_file(at.target("/sub/foreign"), "not ours", 1'100'000'002);
  set_mtime(at.target("/sub"), 1'100'000'004);
  set_mtime(at.target(), 1'100'000'005);
}

TEST(FilesMoveCrashChild, DISABLED_Runs) {
  const std::string variant = variable("DUNLIN_TEST_VARIANT");
  CopyTest move(variable("DUNLIN_TEST_SOURCE") + "/", variable("DUNLIN_TEST_TARGET"),
                {{kDirectories, "true"}}, features_of(variant), "move");
  move.settings.batch_size = 6;
  live_as_child(move);
}

int run_child(const Places& at, const std::string& variant, const std::string& what, Options more) {
  more["DUNLIN_TEST_SOURCE"] = at.source();
  more["DUNLIN_TEST_TARGET"] = at.target();
  more["DUNLIN_TEST_JOURNAL"] = at.source_side.file("journal");
  more["DUNLIN_TEST_VARIANT"] = variant;
  more["DUNLIN_TEST_WHAT"] = what;
  return run_self("FilesMoveCrashChild.DISABLED_Runs", more);
}

/// Crash points of an uninterrupted run with how often each was hit.
std::map<std::string, int> points_of(const std::string& variant, const std::string& what) {
  const Places at(is_across(variant));
  make_case(at, variant);
  if (what == "undo") {
    EXPECT_EQ(run_child(at, variant, "move", {}), 0);
  }
  const std::string log = at.source_side.file("log");
  EXPECT_EQ(run_child(at, variant, what, {{"DUNLIN_CRASH_LOG", log}}), 0);
  return points_in(log);
}

std::vector<std::string> variants() {
  return {"across", "across fallback", "across no links",
          "within", "within fallback", "within no links"};
}

std::vector<std::string> deaths_of(const std::map<std::string, int>& points,
                                   const std::string& variant) {
  const std::vector<std::string> all = variants();
  const auto turn = std::find(all.begin(), all.end(), variant) - all.begin();
  return deaths(points, variant.find(' ') == std::string::npos, static_cast<std::size_t>(turn));
}

std::map<std::string, std::string> state_of(const std::string& root) {
  return without_undo_folder(snapshot(root));
}

#if DUNLIN_CRASH_POINTS
class FilesMoveCrash : public ::testing::TestWithParam<std::string> {};

TEST_P(FilesMoveCrash, AMoveKilledAnywhereEndsAsIfItHadNotBeenAndCanBeTakenBack) {
  const Places reference(is_across(GetParam()));
  make_case(reference, GetParam());
  const auto source = snapshot(reference.source());
  const auto target = snapshot(reference.target());
  ASSERT_EQ(run_child(reference, GetParam(), "move", {}), 0);
  const auto moved = state_of(reference.target());
  const auto points = points_of(GetParam(), "move");
  ASSERT_THAT(points, Contains(::testing::Key("files.remove_sources.after")));
  for (const std::string& death : deaths_of(points, GetParam())) {
    SCOPED_TRACE(death);
    const Places at(is_across(GetParam()));
    make_case(at, GetParam());
    ASSERT_TRUE(was_killed(run_child(at, GetParam(), "move", {{"DUNLIN_CRASH_AT", death}})));
    // Recovery itself dies once, then is allowed to end.
    run_child(at, GetParam(), "move", {{"DUNLIN_CRASH_AT", "files.settle.after:1"}});
    ASSERT_EQ(run_child(at, GetParam(), "move", {}), 0);
    ASSERT_EQ(state_of(at.target()), moved);
    ASSERT_TRUE(stdfs::is_empty(at.source()));
    ASSERT_EQ(run_child(at, GetParam(), "undo", {}), 0);
    ASSERT_EQ(snapshot(at.source()), source);
    ASSERT_EQ(snapshot(at.target()), target);
  }
}

TEST_P(FilesMoveCrash, AnUndoKilledAnywhereEndsAsIfItHadNotBeen) {
  const Places reference(is_across(GetParam()));
  make_case(reference, GetParam());
  const auto source = snapshot(reference.source());
  const auto target = snapshot(reference.target());
  for (const std::string& death : deaths_of(points_of(GetParam(), "undo"), GetParam())) {
    SCOPED_TRACE(death);
    const Places at(is_across(GetParam()));
    make_case(at, GetParam());
    ASSERT_EQ(run_child(at, GetParam(), "move", {}), 0);
    ASSERT_TRUE(was_killed(run_child(at, GetParam(), "undo", {{"DUNLIN_CRASH_AT", death}})));
    // As when it is cancelled now: nobody has to come back.
    ASSERT_EQ(run_child(at, GetParam(), "settle", {}), 0);
    ASSERT_THAT(own_names(at.source()), IsEmpty());
    ASSERT_EQ(run_child(at, GetParam(), "undo", {}), 0);
    ASSERT_EQ(snapshot(at.source()), source);
    ASSERT_EQ(snapshot(at.target()), target);
  }
}

INSTANTIATE_TEST_SUITE_P(Variants, FilesMoveCrash, ::testing::ValuesIn(variants()),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           std::replace(name.begin(), name.end(), ' ', '_');
                           return name;
                         });

/// The first name of a set gets its name before the batch of another name is flushed as a whole.
TEST(FilesMoveAcross, ANameThatARollbackGivesBackNeverComesBeforeItsContent) {
  const Places at(true);
  write_file(at.source("/first"), "the content of both");
  stdfs::create_hard_link(at.source("/first"), at.source("/second"));
  ASSERT_EQ(run_child(at, "across", "move", {}), 0);
  const std::string log = at.source_side.file("log");
  ASSERT_EQ(run_child(at, "across", "undo", {{"DUNLIN_CRASH_LOG", log}}), 0);
  std::istringstream points(read_all(log));
  bool flushed = false;
  for (std::string point; std::getline(points, point);) {
    if (point == "files.restore_sources.before") flushed = false;
    if (point == "fs.fsync_file.after" || point == "fs.syncfs.after") flushed = true;
    if (point == "fs.rename_new.before") {
      EXPECT_TRUE(flushed);
    }
  }
  EXPECT_TRUE(flushed);
  EXPECT_EQ(inode_of(at.source("/first")), inode_of(at.source("/second")));
}

/// The device has lied about its flush, and the source is gone: what there is stays, whatever it
/// is.
TEST(FilesMoveAcross, TheOnlyCopyThereIsIsNeverTakenAway) {
  const Places at(true);
  write_file(at.source("/file"), "the content");
  ASSERT_TRUE(was_killed(
      run_child(at, "across", "move", {{"DUNLIN_CRASH_AT", "files.remove_sources.after:1"}})));
  ASSERT_FALSE(stdfs::exists(at.source("/file")));
  rewrite_in_place(at.target("/file"), "DAMAGED con");
  EXPECT_NE(run_child(at, "across", "move", {}), 0);
  EXPECT_EQ(read_all(at.target("/file")), "DAMAGED con");
}
/// Between the death and the recovery somebody makes a file of the same name: both contents are
/// there afterwards, whichever inode number it got.
TEST(FilesMoveAcross, AFileMadeUnderTheOldNameAfterAKillCostsNobodyAnything) {
  for (const char* point : {"files.remove_sources.after:1", "files.source_aside.after:1"}) {
    SCOPED_TRACE(point);
    const Places at(true);
    write_file(at.source("/log"), "the first lines");
    write_file(at.target("/log"), "an older one", 1'100'000'000);
    ASSERT_TRUE(was_killed(run_child(at, "across", "move", {{"DUNLIN_CRASH_AT", point}})));
    ASSERT_FALSE(stdfs::exists(at.source("/log")));
    write_file(at.source("/log"), "the next lines!");
    static_cast<void>(run_child(at, "across", "move", {}));
    EXPECT_EQ(read_all(at.target("/log")), "the first lines");
    EXPECT_EQ(read_all(at.source("/log")), "the next lines!");
    EXPECT_THAT(own_names(at.source()), IsEmpty());
  }
}
#endif  // DUNLIN_CRASH_POINTS

}  // namespace
}  // namespace dunlin::files::testing
