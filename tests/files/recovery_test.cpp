// Death at every crash point, pauses, take-overs: the end is that of an uninterrupted run.
#include <algorithm>
#include <functional>
#include <set>

#include "base/crash_point.h"
#include "base/file_io.h"
#include "files/crash_child.h"
#include "files/fixture.h"
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
using ::testing::SizeIs;

using dunlin::testing::run_self;
using dunlin::testing::was_killed;

/// A source, and a destination that has some of it already in older versions.
void make_case(const std::string& directory) {
  make_odd_tree(directory + "/source");
  write_file(directory + "/target/a.txt", "the old alpha", 1'100'000'000, 0600);
  write_file(directory + "/target/sub/b.txt", "the old beta", 1'100'000'001);
  write_file(directory + "/target/z", "no link yet", 1'100'000'006);
  write_file(directory + "/target/sub/foreign", "not ours", 1'100'000'002);
  stdfs::create_symlink("elsewhere", directory + "/target/link");
  set_mtime(directory + "/target/link", 1'100'000'003);
  set_mtime(directory + "/target/sub", 1'100'000'004);
  set_mtime(directory + "/target", 1'100'000'005);
}

fs::Features features_of(const std::string& name) {
  fs::Features features;
  if (name == "fallback")
    features.rename_noreplace = features.rename_exchange = features.syncfs = false;
  if (name == "large files") {
    features.large_file_bytes = 128 << 10;
    features.chunk_bytes = 256 << 10;
    features.reflink = false;
  }
  if (name == "no links")
    features.rename_noreplace = features.rename_exchange = features.hard_links = false;
  return features;
}

std::unique_ptr<CopyTest> copy_in(const std::string& directory, const std::string& features) {
  auto copy =
      std::make_unique<CopyTest>(directory + "/source/", directory + "/target",
                                 std::map<std::string, std::string>{}, features_of(features));
  copy->settings.batch_size = 6;
  return copy;
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// The child's life: begins or takes over, and goes to the end of `what` ("copy" or "undo").
TEST(FilesCrashChild, DISABLED_Runs) {
  const std::string directory = variable("DUNLIN_TEST_DIRECTORY");
  const auto copy = copy_in(directory, variable("DUNLIN_TEST_FEATURES"));
  LocalExecution::Options options;
  options.journal_path = directory + "/journal";
  std::unique_ptr<LocalExecution> taken;
  LocalExecution* execution = nullptr;
  if (stdfs::exists(options.journal_path)) {
    taken = copy->take_over_from(options);
    execution = taken.get();
  } else {
    execution = &copy->start(options);
  }
  if (variable("DUNLIN_TEST_WHAT") == "undo") {
    ASSERT_TRUE(is_ok(execution->undo()));
    ASSERT_TRUE(is_ok(execution->release()));
  } else {
    ASSERT_TRUE(is_ok(execution->run_to_end()));
  }
}

int run_child(const std::string& directory, const std::string& features, const std::string& what,
              std::map<std::string, std::string> more = {}) {
  more["DUNLIN_TEST_DIRECTORY"] = directory;
  more["DUNLIN_TEST_FEATURES"] = features;
  more["DUNLIN_TEST_WHAT"] = what;
  return run_self("FilesCrashChild.DISABLED_Runs", more);
}

/// Crash points of an uninterrupted run with how often each was hit.
std::map<std::string, int> points_of(const std::string& features, const std::string& what) {
  const ScratchDirectory scratch;
  make_case(scratch.path());
  if (what == "undo") {
    EXPECT_EQ(run_child(scratch.path(), features, "copy"), 0);
  }
  EXPECT_EQ(run_child(scratch.path(), features, what, {{"DUNLIN_CRASH_LOG", scratch.file("log")}}),
            0);
  return points_in(scratch.file("log"));
}

/// The undo folder is there in both; its content too.
std::map<std::string, std::string> state_of(const std::string& directory) {
  return snapshot(directory + "/target", true);
}

std::vector<std::string> feature_sets() {
  return {"all", "fallback", "no links", "large files"};
}

std::vector<std::string> deaths_of(const std::map<std::string, int>& points,
                                   const std::string& features) {
  const std::vector<std::string> all = feature_sets();
  const auto turn = std::find(all.begin(), all.end(), features) - all.begin();
  return deaths(points, features == "all", static_cast<std::size_t>(turn));
}

#if DUNLIN_CRASH_POINTS
class FilesCrash : public ::testing::TestWithParam<std::string> {};

TEST_P(FilesCrash, ACopyKilledAnywhereEndsAsIfItHadNotBeenAndCanBeTakenBack) {
  const ScratchDirectory reference;
  make_case(reference.path());
  const auto before = snapshot(reference.file("target"));
  ASSERT_EQ(run_child(reference.path(), GetParam(), "copy"), 0);
  auto expected = state_of(reference.path());
  const auto points = points_of(GetParam(), "copy");
  ASSERT_THAT(points, Contains(::testing::Pair("files.publish.before", ::testing::Gt(1))));
  for (const std::string& death : deaths_of(points, GetParam())) {
    SCOPED_TRACE(death);
    const ScratchDirectory scratch;
    make_case(scratch.path());
    const int status = run_child(scratch.path(), GetParam(), "copy", {{"DUNLIN_CRASH_AT", death}});
    ASSERT_TRUE(was_killed(status));
    // Recovery itself dies once, then is allowed to end.
    run_child(scratch.path(), GetParam(), "copy", {{"DUNLIN_CRASH_AT", "files.settle.after:1"}});
    ASSERT_EQ(run_child(scratch.path(), GetParam(), "copy"), 0);
    auto result = state_of(scratch.path());
    // Only the time of the undo folder itself is that of the run.
    for (auto* tree : {&result, &expected}) tree->erase("/.dunlin-undo-456789ab");
    ASSERT_EQ(result, expected);
    auto bytes = dunlin::read_file(scratch.file("journal"));
    ASSERT_TRUE(bytes.ok());
    const auto ledger = dunlin::testing::LocalLedger::decode(*bytes);
    ASSERT_TRUE(ledger.ok());
    for (const auto& [id, item] : ledger->items)
      ASSERT_EQ(item.row.status, ItemStatus::completed) << item.row.name;
    ASSERT_EQ(run_child(scratch.path(), GetParam(), "undo"), 0);
    ASSERT_EQ(snapshot(scratch.file("target")), before);
  }
}

TEST_P(FilesCrash, AnUndoKilledAnywhereEndsAsIfItHadNotBeen) {
  const ScratchDirectory reference;
  make_case(reference.path());
  const auto before = snapshot(reference.file("target"));
  for (const std::string& death : deaths_of(points_of(GetParam(), "undo"), GetParam())) {
    SCOPED_TRACE(death);
    const ScratchDirectory scratch;
    make_case(scratch.path());
    ASSERT_EQ(run_child(scratch.path(), GetParam(), "copy"), 0);
    ASSERT_TRUE(
        was_killed(run_child(scratch.path(), GetParam(), "undo", {{"DUNLIN_CRASH_AT", death}})));
    ASSERT_EQ(run_child(scratch.path(), GetParam(), "undo"), 0);
    ASSERT_EQ(snapshot(scratch.file("target")), before);
  }
}

INSTANTIATE_TEST_SUITE_P(Features, FilesCrash, ::testing::ValuesIn(feature_sets()),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           std::replace(name.begin(), name.end(), ' ', '_');
                           return name;
                         });
#endif  // DUNLIN_CRASH_POINTS

/// Other bytes, same size, same time, same inode: what a device does that lies about its flush.
void damage(const std::string& path) {
  struct stat raw{};
  ASSERT_EQ(::stat(path.c_str(), &raw), 0) << path;
  const int fd = ::open(path.c_str(), O_WRONLY);
  ASSERT_EQ(::pwrite(fd, "#", 1, 0), 1);
  const timespec times[2] = {raw.st_atim, raw.st_mtim};
  ASSERT_EQ(::futimens(fd, times), 0);
  ASSERT_EQ(::fsync(fd), 0);
  ::close(fd);
}

#if DUNLIN_CRASH_POINTS
TEST(FilesRecovery, ContentLostInTheCrashIsSeenAndCopiedAgain) {
  const ScratchDirectory reference;
  make_case(reference.path());
  ASSERT_EQ(run_child(reference.path(), "all", "copy"), 0);
  const ScratchDirectory scratch;
  make_case(scratch.path());
  const auto before = snapshot(scratch.file("target"));
  // One that is overwritten and one that is new, each damaged after its batch was published.
  std::set<std::string> intact{"target/a.txt", "target/exact"};
  for (int batch = 1; !intact.empty(); ++batch) {
    ASSERT_LT(batch, 20);
    ASSERT_TRUE(was_killed(
        run_child(scratch.path(), "all", "copy", {{"DUNLIN_CRASH_AT", "files.publish.after:1"}})));
    for (const std::string& name : std::set(intact)) {
      if (read_all(scratch.file(name)) != read_all(reference.file(name))) continue;
      damage(scratch.file(name));
      intact.erase(name);
    }
  }
  ASSERT_EQ(run_child(scratch.path(), "all", "copy"), 0);
  EXPECT_EQ(read_all(scratch.file("target/a.txt")), "alpha\n");
  EXPECT_EQ(read_all(scratch.file("target/exact")), std::string(1 << 20, 'y'));
  ASSERT_EQ(run_child(scratch.path(), "all", "undo"), 0);
  EXPECT_EQ(snapshot(scratch.file("target")), before);
}
#endif  // DUNLIN_CRASH_POINTS

TEST(FilesRecovery, WhatIsReadBackWrongIsNeverPublished) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "right");
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution::Options options;
  options.on_item = [&](const engine::ItemRow&) {
    for (const std::string& name : own_names(scratch.file("target"))) {
      damage(scratch.file("target") + name);
    }
  };
  LocalExecution& execution = copy.start(options);
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(error_of(execution, "f"), ErrorType::verification_mismatch);
  EXPECT_FALSE(stdfs::exists(scratch.file("target/f")));
  EXPECT_THAT(own_names(scratch.file("target")), IsEmpty());
}

TEST(FilesRecovery, WhatTheDeviceDidNotKeepIsWrittenOnceMore) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "right");
  write_file(scratch.file("source/g"), "right, too");
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution::Options options;
  std::atomic<int> damaged = 0;
  options.on_item = [&](const engine::ItemRow& row) {
    if (row.name != "f") return;
    for (const std::string& name : own_names(scratch.file("target"))) {
      if (stdfs::file_size(scratch.file("target") + name) != 5 || damaged.exchange(1) != 0)
        continue;
      damage(scratch.file("target") + name);
    }
  };
  LocalExecution& execution = copy.start(options);
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(damaged, 1);
  EXPECT_EQ(read_all(scratch.file("target/f")), "right");
  EXPECT_EQ(read_all(scratch.file("target/g")), "right, too");
  EXPECT_EQ(execution.item("f")->row.status, engine::ItemStatus::completed);
  EXPECT_EQ(error_of(execution, "f"), ErrorType::lost_write) << "of the device, not of the file";
  EXPECT_EQ(execution.item("g")->row.message, "");
  EXPECT_THAT(own_names(scratch.file("target")), IsEmpty());
  ASSERT_TRUE(is_ok(execution.undo()));
  EXPECT_FALSE(stdfs::exists(scratch.file("target/f")));
}

TEST(FilesRecovery, VerifyNamesWhatWasChangedSince) {
  const ScratchDirectory scratch;
  make_odd_tree(scratch.file("source"));
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  write_file(scratch.file("target/a.txt"), "changed");
  ASSERT_EQ(::chmod(scratch.file("target/exact").c_str(), 0600), 0);
  stdfs::remove(scratch.file("target/link"));
  ASSERT_EQ(::chmod(scratch.file("target/names").c_str(), 0700), 0);
  ASSERT_TRUE(is_ok(execution.verify()));
  EXPECT_THAT(execution.item("a.txt")->difference->message, HasSubstr("size"));
  EXPECT_THAT(execution.item("exact")->difference->message, HasSubstr("mode"));
  EXPECT_THAT(execution.item("link")->difference->message, HasSubstr("not there"));
  EXPECT_THAT(execution.item("names", "directory_times")->difference->message, HasSubstr("mode"));
  // The root's time has moved with the removed link.
  EXPECT_EQ(execution.differences(), 5);
}

TEST(FilesRecovery, UndoRefusesWhatSomebodyChangedAndTakesBackTheRest) {
  const ScratchDirectory scratch;
  make_case(scratch.path());
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  write_file(scratch.file("target/a.txt"), "edited after the copy");
  write_file(scratch.file("target/empty dir/inner/note"), "a new file of theirs");
  ASSERT_TRUE(is_ok(execution.undo()));
  EXPECT_EQ(read_all(scratch.file("target/a.txt")), "edited after the copy");
  EXPECT_EQ(error_of(execution, "a.txt"), ErrorType::destination_changed);
  EXPECT_EQ(read_all(scratch.file("target/empty dir/inner/note")), "a new file of theirs");
  EXPECT_EQ(error_of(execution, "empty dir/inner", "create_directory"),
            ErrorType::destination_changed);
  EXPECT_EQ(read_all(scratch.file("target/sub/b.txt")), "the old beta");
  EXPECT_FALSE(stdfs::exists(scratch.file("target/exact")));
  EXPECT_THAT(own_names(scratch.file("target")), SizeIs(1)) << "what was not taken back is kept";
  ASSERT_TRUE(is_ok(execution.release()));
  EXPECT_THAT(own_names(scratch.file("target")), IsEmpty());
}

TEST(FilesRecovery, APauseLeavesNoTemporaryAndTheRestIsDoneAtResume) {
  const ScratchDirectory scratch;
  make_odd_tree(scratch.file("source"));
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution::Options options;
  int begun = 0;
  LocalExecution* running = nullptr;
  options.on_item = [&](const engine::ItemRow&) {
    if (++begun == 30) running->cancel_source().request(CancelReason::pause);
  };
  running = &copy.start(options);
  const Status status = running->run_to_end();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().type, ErrorType::interrupted);
  EXPECT_THAT(own_names(scratch.file("target")), IsEmpty());
  ASSERT_TRUE(is_ok(copy.take_over().run_to_end()));
  EXPECT_EQ(snapshot(scratch.file("target")), snapshot(scratch.file("source")));
}

TEST(FilesRecovery, AnOwnerThatWasReplacedPublishesNothing) {
  const ScratchDirectory scratch;
  make_odd_tree(scratch.file("source"));
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution::Options options;
  bool overtaken = false;  // once there are temporaries whose intents are on record
  options.on_intents = [&](const std::vector<engine::ItemIntent>&) -> Status {
    overtaken = overtaken || !own_names(scratch.file("target")).empty();
    return success();
  };
  options.on_fence = [&]() -> Status {
    if (!overtaken) return success();
    return Error(ErrorType::stale_owner, "taken over");
  };
  LocalExecution& execution = copy.start(options);
  const Status status = execution.run_to_end();
  ASSERT_FALSE(status.ok());
  EXPECT_TRUE(overtaken);
  EXPECT_EQ(status.error().type, ErrorType::stale_owner);
  EXPECT_FALSE(stdfs::exists(scratch.file("target/a.txt")));
  EXPECT_THAT(own_names(scratch.file("target")), IsEmpty())
      << "the new owner may have looked for them before they were made";
}

TEST(FilesRecovery, AnOwnerThatWasReplacedMakesNoTemporary) {
  const ScratchDirectory scratch;
  make_odd_tree(scratch.file("source"));
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution::Options options;
  options.on_fence = [&]() -> Status {
    if (!stdfs::exists(scratch.file("target/sub"))) return success();
    return Error(ErrorType::stale_owner, "taken over");
  };
  LocalExecution& execution = copy.start(options);
  EXPECT_EQ(execution.run_to_end().error().type, ErrorType::stale_owner);
  EXPECT_THAT(own_names(scratch.file("target")), IsEmpty());
}

TEST(FilesRecovery, AListingInterruptedInsideADirectoryGoesOnWithoutDuplicates) {
  for (int commits = 1; commits < 12; ++commits) {
    SCOPED_TRACE(commits);
    const ScratchDirectory scratch;
    for (int n = 0; n < 40; ++n)
      write_file(scratch.file("source/d/f" + std::to_string(n)), std::to_string(n));
    make_odd_tree(scratch.file("source/odd"));
    CopyTest copy(scratch.file("source/"), scratch.file("target"));
    copy.settings.batch_size = 5;
    LocalExecution::Options options;
    int left = commits;
    options.on_commit = [&]() -> Status {
      if (left-- > 0) return success();
      return Error(ErrorType::interrupted, "the process dies here");
    };
    LocalExecution& execution = copy.start(options);
    ASSERT_FALSE(execution.enumerate().ok());
    left = 2;  // the second attempt dies as well
    static_cast<void>(copy.take_over().enumerate().ok());
    left = 1 << 20;
    ASSERT_TRUE(is_ok(copy.take_over().run_to_end()));
    EXPECT_EQ(snapshot(scratch.file("target")), snapshot(scratch.file("source")));
    EXPECT_EQ(execution.items("batch_file_operation").size(), 40U + 18U);
    EXPECT_EQ(execution.items("link_set").size(), 2U);
  }
}

TEST(FilesRecovery, AnOldVersionChangedInTheLastInstantIsNeitherLostNorReplaced) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "new");
  write_file(scratch.file("target/f"), "older");
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution::Options options;
  options.on_intents = [&](const std::vector<engine::ItemIntent>&) {
    if (!own_names(scratch.file("target")).empty())
      write_file(scratch.file("target/f"), "edited", 1'700'000'000);
    return success();
  };
  LocalExecution& execution = copy.start(options);
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(error_of(execution, "f"), ErrorType::destination_changed);
  EXPECT_EQ(read_all(scratch.file("target/f")), "edited");
}

TEST(FilesRecovery, AFileThatAppearsInTheLastInstantIsNotReplaced) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "new");
  stdfs::create_directory(scratch.file("target"));
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution::Options options;
  options.on_intents = [&](const std::vector<engine::ItemIntent>&) {
    if (!own_names(scratch.file("target")).empty()) write_file(scratch.file("target/f"), "theirs");
    return success();
  };
  LocalExecution& execution = copy.start(options);
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(error_of(execution, "f"), ErrorType::destination_exists);
  EXPECT_EQ(read_all(scratch.file("target/f")), "theirs");
  EXPECT_THAT(own_names(scratch.file("target")), IsEmpty());
}

}  // namespace
}  // namespace dunlin::files::testing
