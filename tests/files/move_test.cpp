// Moves: within a file system by renames, across file systems by copies whose sources go only where
// the copy is proven. What is at one end is never missing at both.
#include <sys/mount.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <sstream>

#include "base/crash_point.h"
#include "base/file_io.h"
#include "files/crash_child.h"
#include "files/fixture.h"
#include "files/records.h"
#include "support/self_exec.h"

#if !DUNLIN_CRASH_POINTS
// Without crash points nobody dies here, and what prepares it is not needed.
#pragma GCC diagnostic ignored "-Wunused-function"
#endif

namespace dunlin::files::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using dunlin::testing::run_self;
using dunlin::testing::was_killed;
using Options = std::map<std::string, std::string>;

constexpr const char* kDirectories = "delete-empty-src-dirs";

/// Source and target, on one file system or on two.
struct Places {
  explicit Places(bool across) : target_side(across ? ScratchDirectory::in_memory() : disk()) {
    EXPECT_EQ(across, device(source_side.path()) != device(target_side.path()));
  }
  static ScratchDirectory disk() { return {}; }
  static dev_t device(const std::string& path) {
    struct stat raw{};
    EXPECT_EQ(::stat(path.c_str(), &raw), 0) << path;
    return raw.st_dev;
  }
  [[nodiscard]] std::string source(const std::string& name = "") const {
    return source_side.file("source") + name;
  }
  [[nodiscard]] std::string target(const std::string& name = "") const {
    return target_side.file("target") + name;
  }
  [[nodiscard]] CopyTest move(Options options = {}, fs::Features features = {}) const {
    return CopyTest(source("/"), target(), std::move(options), features, "move");
  }

  ScratchDirectory source_side;
  ScratchDirectory target_side;
};

ino_t inode_of(const std::string& path) {
  struct stat raw{};
  EXPECT_EQ(::lstat(path.c_str(), &raw), 0) << path;
  return raw.st_ino;
}

/// Files of any type below a root: what a move has to take along.
std::vector<std::string> files_below(const std::string& root) {
  std::vector<std::string> found;
  for (const auto& entry : stdfs::recursive_directory_iterator(root)) {
    if (entry.is_symlink() || !entry.is_directory()) found.push_back(entry.path());
  }
  return found;
}

/// Ends as if killed when the walk comes to its `nth` commit.
LocalExecution::Options killed_at_commit(int nth) {
  LocalExecution::Options options;
  options.on_commit = [nth, seen = 0]() mutable {
    return ++seen == nth ? Status(Error(ErrorType::interrupted, "killed")) : success();
  };
  return options;
}

/// The odd tree; what its owner may not write to cannot be emptied.
void make_movable_tree(const std::string& root) {
  make_odd_tree(root);
  ASSERT_EQ(::chmod((root + "/sub/deep").c_str(), 0751), 0);
}

class FilesMove : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Places, FilesMove, ::testing::Bool(), [](const auto& tested) {
  return tested.param ? "AcrossFileSystems" : "WithinOne";
});

TEST_P(FilesMove, TheTreeArrivesExactlyAndOnlyItsDirectoriesStay) {
  const Places at(GetParam());
  make_odd_tree(at.source());
  const auto before = snapshot(at.source());
  const ino_t inode = inode_of(at.source("/sub/script"));
  CopyTest move = at.move();
  LocalExecution& execution = move.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_TRUE(all_ended(execution));
  EXPECT_EQ(snapshot(at.target()), before);
  EXPECT_THAT(files_below(at.source()), IsEmpty());
  EXPECT_TRUE(stdfs::is_directory(at.source("/sub/deep/er")));
  EXPECT_THAT(own_names(at.target()), IsEmpty());
  ASSERT_TRUE(is_ok(execution.verify()));
  EXPECT_EQ(execution.differences(), 0);
  const LocalItem* const item = execution.item("sub/script");
  if (GetParam()) {
    EXPECT_EQ(item->row.action, "moved");
    EXPECT_FALSE(item->row.checksum.empty());
    EXPECT_NE(item->row.proof, store::Proof::none);
  } else {
    EXPECT_EQ(item->row.action, "renamed");
    EXPECT_EQ(inode_of(at.target("/sub/script")), inode);
    EXPECT_EQ(item->row.transferred_bytes, 0);
  }
}

TEST_P(FilesMove, UndoIsTheStartInEveryNameTimeAndLink) {
  for (const bool directories : {false, true}) {
    SCOPED_TRACE(directories);
    const Places at(GetParam());
    make_movable_tree(at.source());
    write_file(at.target("/a.txt"), "an older one", 1'100'000'000, 0600);
    set_mtime(at.target(), 1'100'000'001);
    const auto source = snapshot(at.source());
    const auto target = snapshot(at.target());
    CopyTest move = at.move(directories ? Options{{kDirectories, "true"}} : Options{});
    move.settings.batch_size = 5;
    LocalExecution& execution = move.start();
    ASSERT_TRUE(is_ok(execution.run_to_end()));
    EXPECT_TRUE(all_ended(execution));
    EXPECT_EQ(stdfs::exists(at.source("/sub")), !directories);
    EXPECT_TRUE(stdfs::exists(at.source()));
    ASSERT_TRUE(is_ok(execution.undo()));
    EXPECT_EQ(snapshot(at.source()), source);
    EXPECT_EQ(snapshot(at.target()), target);
    EXPECT_THAT(own_names(at.source()), IsEmpty());
  }
}

TEST_P(FilesMove, WhatIsLeftOutStaysWithItsDirectory) {
  const Places at(GetParam());
  write_file(at.source("/there/already"), "of the source");
  write_file(at.source("/new/file"), "new");
  write_file(at.target("/there/already"), "of the target");
  CopyTest move = at.move({{"conflict", "skip"}, {kDirectories, "true"}});
  LocalExecution& execution = move.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_TRUE(all_ended(execution));
  EXPECT_EQ(read_all(at.source("/there/already")), "of the source");
  EXPECT_EQ(read_all(at.target("/there/already")), "of the target");
  EXPECT_FALSE(stdfs::exists(at.source("/new")));
  EXPECT_THAT(execution.item("there", "remove_directories")->row.message, HasSubstr("not empty"));
}

TEST_P(FilesMove, WhatLooksTheSameIsReplacedBecauseOnlyItsOwnContentIsProven) {
  const Places at(GetParam());
  write_file(at.source("/same"), "one");
  write_file(at.target("/same"), "two");  // size and time are the same
  CopyTest move = at.move();
  LocalExecution& execution = move.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(read_all(at.target("/same")), "one");
  EXPECT_FALSE(stdfs::exists(at.source("/same")));
  ASSERT_TRUE(is_ok(execution.undo()));
  EXPECT_EQ(read_all(at.target("/same")), "two");
  EXPECT_EQ(read_all(at.source("/same")), "one");
}

TEST_P(FilesMove, UndoLeavesWhatWasChangedSinceAndTakesBackTheRest) {
  const Places at(GetParam());
  for (const char* name : {"/changed", "/occupied", "/untouched"})
    write_file(at.source(name), std::string("of ") + name);
  CopyTest move = at.move();
  LocalExecution& execution = move.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  write_file(at.target("/changed"), "written after the move", 1'550'000'000);
  write_file(at.source("/occupied"), "somebody's new file", 1'560'000'000);
  static_cast<void>(execution.undo());
  EXPECT_EQ(read_all(at.target("/changed")), "written after the move");
  EXPECT_FALSE(stdfs::exists(at.source("/changed")));
  EXPECT_EQ(read_all(at.source("/occupied")), "somebody's new file");
  EXPECT_EQ(read_all(at.target("/occupied")), "of /occupied");
  EXPECT_EQ(read_all(at.source("/untouched")), "of /untouched");
  EXPECT_FALSE(stdfs::exists(at.target("/untouched")));
  EXPECT_EQ(error_of(execution, "changed"), ErrorType::destination_changed);
  EXPECT_EQ(error_of(execution, "occupied"), ErrorType::destination_changed);
  EXPECT_EQ(error_of(execution, "untouched"), std::nullopt);
}

TEST_P(FilesMove, ASourceDirectoryThatMayNotBeEmptiedKeepsItsFilesAndTheTargetGetsNone) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may empty everything";
  const Places at(GetParam());
  write_file(at.source("/open/file"), "goes");
  write_file(at.source("/closed/file"), "stays");
  write_file(at.target("/closed/file"), "older", 1'100'000'000);
  ASSERT_EQ(::chmod(at.source("/closed").c_str(), 0555), 0);
  CopyTest move = at.move();
  LocalExecution& execution = move.start();
  static_cast<void>(execution.run_to_end());
  EXPECT_EQ(error_of(execution, "closed/file"), ErrorType::permission_denied);
  EXPECT_EQ(read_all(at.source("/closed/file")), "stays");
  EXPECT_EQ(read_all(at.target("/closed/file")), "older");
  EXPECT_EQ(read_all(at.target("/open/file")), "goes");
  EXPECT_FALSE(stdfs::exists(at.source("/open/file")));
  ASSERT_EQ(::chmod(at.source("/closed").c_str(), 0755), 0);
}

TEST_P(FilesMove, ARootThatMayNotBeEmptiedIsRefusedBeforeAnythingHappens) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may empty everything";
  const Places at(GetParam());
  write_file(at.source("/file"), "stays");
  ASSERT_EQ(::chmod(at.source().c_str(), 0555), 0);
  CopyTest move = at.move();
  LocalExecution& execution = move.start();
  const auto problems = move.run().preflight(execution.context());
  ASSERT_TRUE(problems.ok());
  ASSERT_EQ(problems->size(), 1U);
  EXPECT_EQ(problems->front().error.type, ErrorType::permission_denied);
  ASSERT_EQ(::chmod(at.source().c_str(), 0755), 0);
}

TEST(FilesMoveWithin, OntoItselfOrAnotherNameOfItselfIsRefused) {
  const ScratchDirectory scratch;
  write_file(scratch.file("d/file"), "only one");
  stdfs::create_hard_link(scratch.file("d/file"), scratch.file("d/other name"));
  for (const char* target : {"d/file", "d/", "d/other name"}) {
    SCOPED_TRACE(target);
    CopyTest move(scratch.file("d/file"), scratch.file(target), {}, {}, "move");
    LocalExecution& execution = move.start();
    static_cast<void>(execution.run_to_end());
    EXPECT_EQ(error_of(execution, "file"), ErrorType::destination_exists);
    EXPECT_EQ(read_all(scratch.file("d/file")), "only one");
    EXPECT_EQ(read_all(scratch.file("d/other name")), "only one");
  }
}

TEST(FilesMoveAcross, WithoutAVerificationItIsRefusedBeforeAnythingHappens) {
  const Places at(true);
  write_file(at.source("/file"), "stays");
  CopyTest move = at.move({{"verify", "none"}});
  LocalExecution& execution = move.start();
  const auto problems = move.run().preflight(execution.context());
  ASSERT_TRUE(problems.ok());
  ASSERT_EQ(problems->size(), 1U);
  EXPECT_THAT(problems->front().error.message, HasSubstr("different file systems"));
  EXPECT_THAT(problems->front().error.remediation, HasSubstr("--verify"));
}

/// As an editor that keeps the size, and a tool that puts the time back.
void rewrite_in_place(const std::string& path, const std::string& content) {
  struct stat raw{};
  ASSERT_EQ(::stat(path.c_str(), &raw), 0);
  const int fd = ::open(path.c_str(), O_WRONLY);
  ASSERT_EQ(::pwrite(fd, content.data(), content.size(), 0), static_cast<ssize_t>(content.size()));
  const timespec times[2] = {raw.st_atim, raw.st_mtim};
  ASSERT_EQ(::futimens(fd, times), 0);
  ::close(fd);
}

TEST(FilesMoveAcross, ASourceWrittenAfterItWasCopiedIsNotRemovedAndItsCopyIs) {
  const Places at(true);
  write_file(at.source("/written"), "before");
  write_file(at.source("/quiet"), "as it was");
  write_file(at.target("/written"), "an older one", 1'100'000'000);
  CopyTest move = at.move();
  LocalExecution::Options options;
  int writes = 0;
  options.on_intents = [&](const auto&) {
    rewrite_in_place(at.source("/written"), "AFTER" + std::to_string(writes++ % 10));
    return success();  // before each look at it, with other content each time
  };
  LocalExecution& execution = move.start(options);
  static_cast<void>(execution.run_to_end());
  EXPECT_EQ(error_of(execution, "written"), ErrorType::source_changed);
  EXPECT_THAT(read_all(at.source("/written")), HasSubstr("AFTER"));
  EXPECT_EQ(read_all(at.target("/written")), "an older one");
  EXPECT_EQ(read_all(at.target("/quiet")), "as it was");
  EXPECT_FALSE(stdfs::exists(at.source("/quiet")));
}

/// Size, time and content are what they were: only the time of change tells, and what was added
/// would go with the source.
TEST(FilesMoveAcross, AnAttributeGivenAfterItWasCopiedIsNotLost) {
  const Places at(true);
  write_file(at.source("/tagged"), "content");
  CopyTest move = at.move();
  LocalExecution::Options options;
  int given = 0;
  options.on_intents = [&](const auto&) {
    const std::string value = std::to_string(given++);
    EXPECT_EQ(::setxattr(at.source("/tagged").c_str(), "user.tag", value.data(), value.size(), 0),
              0);
    return success();  // before each look at it
  };
  LocalExecution& execution = move.start(options);
  static_cast<void>(execution.run_to_end());
  EXPECT_EQ(error_of(execution, "tagged"), ErrorType::source_changed);
  EXPECT_THAT(xattrs_of(at.source("/tagged")), HasSubstr("user.tag"));
  EXPECT_FALSE(stdfs::exists(at.target("/tagged")));
}

/// What appears under the source's name between the last look and the removal.
TEST(FilesMoveAcross, AFileThatTakesTheNameInTheLastInstantIsNotRemoved) {
  const Places at(true);
  write_file(at.source("/saved"), "copied");
  CopyTest move = at.move();
  LocalExecution::Options options;
  int swapped = 0;
  int fences = 0;
  options.on_fence = [&] {
    // Of each try the second one after its copy stands: after the look, before it is set aside.
    fences = stdfs::exists(at.target("/saved")) ? fences + 1 : 0;
    if (fences == 2) {
      ++swapped;
      write_file(at.source_side.file("new"), "saved anew");
      stdfs::rename(at.source_side.file("new"), at.source("/saved"));
    }
    return success();
  };
  LocalExecution& execution = move.start(options);
  static_cast<void>(execution.run_to_end());
  ASSERT_GT(swapped, 1) << "each try";
  EXPECT_EQ(read_all(at.source("/saved")), "saved anew");
  EXPECT_EQ(error_of(execution, "saved"), ErrorType::source_changed);
  EXPECT_FALSE(stdfs::exists(at.target("/saved")));
  EXPECT_THAT(own_names(at.source()), IsEmpty());
}

/// Taken off also where a check fails: no mount outlives its test. The Run may still hold handles.
struct Unmounted {
  std::string path;
  ~Unmounted() { ::umount2(path.c_str(), MNT_DETACH); }
};

TEST(FilesMoveNeedsRoot, AcrossABindMountOfTheSameFileSystemItIsACopy) {
  const Places at(false);
  write_file(at.source("/inside/file"), "by a copy");
  write_file(at.source("/beside"), "by a rename");
  ASSERT_EQ(
      ::mount(at.source("/inside").c_str(), at.source("/inside").c_str(), "", MS_BIND, nullptr), 0);
  const Unmounted unmounted{at.source("/inside")};
  CopyTest move = at.move();
  LocalExecution& execution = move.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_TRUE(all_ended(execution));
  EXPECT_EQ(read_all(at.target("/inside/file")), "by a copy");
  EXPECT_FALSE(stdfs::exists(at.source("/inside/file")));
  EXPECT_EQ(execution.item("inside/file")->row.action, "moved");
  EXPECT_EQ(execution.item("beside")->row.action, "renamed");
  ASSERT_TRUE(is_ok(execution.undo()));
  EXPECT_EQ(read_all(at.source("/inside/file")), "by a copy");
  EXPECT_EQ(read_all(at.source("/beside")), "by a rename");
}

// ---- Death at every crash point ----

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

std::set<int> chosen_hits(const std::string& variant, int hits) {
#ifdef __SANITIZE_ADDRESS__
  constexpr bool kSlow = true;
#else
  constexpr bool kSlow = false;
#endif
  if (kSlow || variant.find(' ') != std::string::npos) return {(hits + 1) / 2};
  return {1, (hits + 1) / 2, hits};
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
  for (const auto& [name, hits] : points) {
    for (const int hit : chosen_hits(GetParam(), hits)) {
      SCOPED_TRACE(name + ":" + std::to_string(hit));
      const Places at(is_across(GetParam()));
      make_case(at, GetParam());
      ASSERT_TRUE(was_killed(run_child(at, GetParam(), "move",
                                       {{"DUNLIN_CRASH_AT", name + ":" + std::to_string(hit)}})));
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
}

TEST_P(FilesMoveCrash, AnUndoKilledAnywhereEndsAsIfItHadNotBeen) {
  const Places reference(is_across(GetParam()));
  make_case(reference, GetParam());
  const auto source = snapshot(reference.source());
  const auto target = snapshot(reference.target());
  for (const auto& [name, hits] : points_of(GetParam(), "undo")) {
    for (const int hit : chosen_hits(GetParam(), hits)) {
      SCOPED_TRACE(name + ":" + std::to_string(hit));
      const Places at(is_across(GetParam()));
      make_case(at, GetParam());
      ASSERT_EQ(run_child(at, GetParam(), "move", {}), 0);
      ASSERT_TRUE(was_killed(run_child(at, GetParam(), "undo",
                                       {{"DUNLIN_CRASH_AT", name + ":" + std::to_string(hit)}})));
      ASSERT_EQ(run_child(at, GetParam(), "undo", {}), 0);
      ASSERT_EQ(snapshot(at.source()), source);
      ASSERT_EQ(snapshot(at.target()), target);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Variants, FilesMoveCrash,
                         ::testing::Values("across", "across fallback", "across no links", "within",
                                           "within fallback", "within no links"),
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

/// Grants everything, and does something before each permit for which it is time.
class Meanwhile final : public Permits {
 public:
  Meanwhile(std::function<bool()> is_time, std::function<void()> act)
      : is_time_(std::move(is_time)), act_(std::move(act)) {}
  Status acquire(std::int64_t, std::int64_t, const CancelToken& cancel) override {
    if (is_time_()) {
      act_();
      ++done_;
    }
    return cancel.check();
  }
  int done() const { return done_; }

 private:
  std::function<bool()> is_time_;
  std::function<void()> act_;
  int done_ = 0;
};

/// Another batch, which was faster, takes back a name of the file whose content is brought back.
TEST(FilesMoveAcross, NamesOfASetThatGoMeanwhileDisturbNoRollback) {
  for (const bool the_one_that_is_read : {true, false}) {
    SCOPED_TRACE(the_one_that_is_read);
    const Places at(true);
    write_file(at.source("/a"), std::string(100'000, 'x'));
    for (const char* other : {"/b", "/c", "/d", "/e", "/f"})
      stdfs::create_hard_link(at.source("/a"), at.source() + other);
    const auto source = snapshot(at.source());
    std::string first;
    std::vector<std::string> others;
    // The temporary at the source is there: it is being filled.
    const auto is_time = [&] {
      return !others.empty() && !own_names(at.source()).empty() && !stdfs::exists(at.source(first));
    };
    Meanwhile faster(is_time, [&] {
      if (the_one_that_is_read) {  // its source stands by then
        struct stat raw{};
        ASSERT_EQ(::lstat(at.target(first).c_str(), &raw), 0);
        stdfs::copy_file(at.target(first), at.source(first));
        const timespec times[2] = {raw.st_atim, raw.st_mtim};
        ASSERT_EQ(::utimensat(AT_FDCWD, at.source(first).c_str(), times, 0), 0);
      }
      stdfs::remove(at.target(the_one_that_is_read ? first : others.back()));
      if (!the_one_that_is_read) others.pop_back();
    });
    CopyTest move = at.move();
    LocalExecution::Options options;
    options.permits = &faster;
    LocalExecution& execution = move.start(options);
    ASSERT_TRUE(is_ok(execution.run_to_end()));
    for (const auto& [name, state] : source) {
      if (name.size() != 2) continue;  // the root
      const auto detail = decode_detail(execution.item(name.substr(1))->row.detail);
      ASSERT_TRUE(detail.ok());
      if (detail->first.valid())
        others.push_back(name);
      else
        first = name;
    }
    ASSERT_TRUE(is_ok(execution.undo()));
    EXPECT_EQ(execution.count(ItemStatus::completed), 0);
    EXPECT_GT(faster.done(), 0);
    EXPECT_EQ(snapshot(at.source()), source);
    EXPECT_FALSE(stdfs::exists(at.target()));
  }
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

/// As the engine has it: a batch that a pause or a cancel ends counts as not begun, and nobody
/// settles it. So what has its name is brought to its end.
TEST_P(FilesMove, WhatIsPublishedWhenItIsPausedIsMovedAndAccountedFor) {
  const Places at(GetParam());
  for (int n = 0; n < 6; ++n) write_file(at.source("/file " + std::to_string(n)), "content");
  write_file(at.target("/file 3"), "an older one", 1'100'000'000);
  const auto source = snapshot(at.source());
  const auto target = snapshot(at.target());
  CopyTest move = at.move();
  LocalExecution* execution = nullptr;
  bool paused = false;
  LocalExecution::Options options;
  options.on_fence = [&] {
    int there = 0;
    for (int n = 0; n < 6; ++n)
      there += read_all(at.target("/file " + std::to_string(n))) == "content" ? 1 : 0;
    if (there >= 3 && !std::exchange(paused, true))
      execution->cancel_source().request(CancelReason::pause);
    return success();
  };
  execution = &move.start(options);
  EXPECT_FALSE(execution->run_to_end().ok());
  int moved = 0;
  for (int n = 0; n < 6; ++n) {
    const std::string name = "file " + std::to_string(n);
    const bool done = execution->item(name)->row.status == ItemStatus::completed;
    EXPECT_EQ(stdfs::exists(at.source("/" + name)), !done) << name;
    EXPECT_EQ(read_all(at.target("/" + name)) == "content", done) << name;
    moved += done ? 1 : 0;
  }
  EXPECT_GE(moved, 3);
  LocalExecution& next = move.take_over();
  ASSERT_TRUE(is_ok(next.run_to_end()));
  EXPECT_THAT(files_below(at.source()), IsEmpty());
  ASSERT_TRUE(is_ok(next.undo()));
  for (const auto& [name, line] : source) {
    if (name.empty()) continue;
    EXPECT_EQ(snapshot(at.source())[name], line) << name;
  }
  EXPECT_EQ(snapshot(at.target())["/file 3"], target.at("/file 3"));
}

/// The first name has gone before the walk comes to the second one.
TEST_P(FilesMove, ASetOfHardLinksStaysASetWhileItIsMovedDuringTheWalk) {
  const Places at(GetParam());
  write_file(at.source("/one"), "content");
  stdfs::create_hard_link(at.source("/one"), at.source("/another"));
  const auto source = snapshot(at.source());
  CopyTest move = at.move();
  move.settings.batch_size = 1;
  LocalExecution& execution = move.start(killed_at_commit(2));
  ASSERT_FALSE(execution.enumerate().ok());
  ASSERT_TRUE(is_ok(execution.execute()));
  ASSERT_EQ(files_below(at.source()).size(), 1U);
  LocalExecution& next = move.take_over();
  ASSERT_TRUE(is_ok(next.run_to_end()));
  EXPECT_TRUE(all_ended(next));
  EXPECT_THAT(files_below(at.source()), IsEmpty());
  EXPECT_EQ(inode_of(at.target("/one")), inode_of(at.target("/another")));
  ASSERT_TRUE(is_ok(next.undo()));
  EXPECT_EQ(snapshot(at.source()), source);
}

/// Its first name has gone when the other one is written: what was written is nowhere else.
TEST_P(FilesMove, AFurtherNameThatIsWrittenAfterTheFirstHasGoneArrivesAsItIs) {
  for (const bool replaced : {false, true}) {
    SCOPED_TRACE(replaced ? "replaced, perhaps under the same inode number" : "written in place");
    const Places at(GetParam());
    write_file(at.source("/one"), "content");
    stdfs::create_hard_link(at.source("/one"), at.source("/another"));
    CopyTest move = at.move();
    LocalExecution* execution = nullptr;
    std::string written;
    LocalExecution::Options options;
    options.on_item = [&](const engine::ItemRow& row) {
      const LocalItem* const link = execution->items("link_set").front();
      if (row.id != link->row.id || !written.empty()) return;
      written = "/" + row.name;
      if (replaced) stdfs::remove(at.source(written));
      write_file(at.source(written), "what came later", 1'700'000'000);
    };
    execution = &move.start(options);
    ASSERT_TRUE(is_ok(execution->run_to_end()));
    ASSERT_FALSE(written.empty());
    EXPECT_FALSE(stdfs::exists(at.source(written)));
    EXPECT_EQ(read_all(at.target(written)), "what came later");
    ASSERT_TRUE(is_ok(execution->verify()));
    // Written through a name that is left, the file that was renamed has changed: that is said.
    EXPECT_EQ(execution->differences(), GetParam() || replaced ? 0 : 1);
  }
}

/// An inode number that a new file has got from a set that is gone makes it no member of that set.
TEST_P(FilesMove, ANewFileUnderTheInodeOfASetThatIsGoneIsMovedByItself) {
  const Places at(GetParam());
  write_file(at.source("/one"), "content");
  stdfs::create_hard_link(at.source("/one"), at.source("/another"));
  const ino_t inode = inode_of(at.source("/one"));
  CopyTest move = at.move();
  move.settings.batch_size = 1;
  LocalExecution& execution = move.start(killed_at_commit(2));
  ASSERT_FALSE(execution.enumerate().ok());
  ASSERT_TRUE(is_ok(execution.execute()));
  stdfs::remove(files_below(at.source()).at(0));
  // ext4 gives the number to the next one; where it does not, this shows nothing, and harms nobody.
  const std::string fresh = at.source("/fresh");
  for (int n = 0; n < 100; ++n) {
    write_file(fresh, "not the same");
    if (inode_of(fresh) == inode) break;
    stdfs::rename(fresh, at.source("/other " + std::to_string(n)));
  }
  LocalExecution& next = move.take_over();
  ASSERT_TRUE(is_ok(next.run_to_end()));
  EXPECT_TRUE(all_ended(next));
  EXPECT_THAT(next.items("link_set"), IsEmpty());
  EXPECT_THAT(files_below(at.source()), IsEmpty());
}

/// Whoever has emptied a disk takes it out; what was moved can be proven without it.
TEST_P(FilesMove, VerifyDoesWithoutTheSourceRoot) {
  const Places at(GetParam());
  write_file(at.source("/file"), "content");
  CopyTest move = at.move();
  LocalExecution& execution = move.start();
  const auto identity = move.run().root_identity(execution.context());
  ASSERT_TRUE(identity.ok());
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  stdfs::remove(at.source());
  LocalExecution& later = move.take_over();
  EXPECT_TRUE(*move.run().same_destination(later.context(), *identity));
  ASSERT_TRUE(is_ok(later.verify()));
  EXPECT_EQ(later.differences(), 0);
}

}  // namespace
}  // namespace dunlin::files::testing
