// From a batch or a checkpoint on: what was done since is looked at again, and done again where it
// does not hold (engine.md X-12).
#include <fcntl.h>
#include <sys/stat.h>

#include <csignal>
#include <set>

#include "base/crash_point.h"
#include "e2e/world.h"
#include "support/scratch.h"
#include "support/tree_compare.h"

namespace dunlin::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using Words = std::vector<std::string>;

class ResumeFrom : public World {
 protected:
  void SetUp() override {
    make_tree("src", 40, 700);
    for (const char* name : {"lost", "damaged", "edited", "kept", "kept too"})
      write("src/in/" + std::string(name), "new: " + std::string(name));
    write("src/in/closed/lost", "in a directory that takes nothing more");
    for (const char* name : {"first", "second", "third"}) write_link(name);
    fs::create_symlink("in/kept", path("src/link"));
    for (const char* name : {"kept", "lost", "damaged"})
      write("dst/in/" + std::string(name), "as it was before, and longer: " + std::string(name));
    write("dst/other", "somebody's");
    fs::permissions(path("src/in/closed"), fs::perms(0555));
    ASSERT_EQ(
        testing::run_process({{"/bin/cp", "-a", path("dst"), path("before")}, {}, "", 0}).code, 0);
  }
  void write_link(const std::string& name) const {
    if (name == "first") return write("src/set/first", "one content");
    fs::create_hard_link(path("src/set/first"), path("src/set/" + name));
  }
  [[nodiscard]] Words copy(const Words& more = {}) const {
    Words words{"copy", path("src") + "/", path("dst"), "--batch-size", "4"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  [[nodiscard]] struct stat look(const std::string& name) const {
    struct stat info{};
    EXPECT_EQ(::lstat(path(name).c_str(), &info), 0) << name;
    return info;
  }
  /// Other content of the same size under the old time, as a device does it.
  void damage(const std::string& name) const {
    const struct stat before = look(name);
    const int file = ::open(path(name).c_str(), O_WRONLY | O_CLOEXEC);
    ASSERT_GE(file, 0);
    EXPECT_EQ(::pwrite(file, "!", 1, 0), 1);
    const timespec times[2] = {before.st_atim, before.st_mtim};
    EXPECT_EQ(::futimens(file, times), 0);
    ::close(file);
  }
  void lose(const std::string& name) const {
    fs::permissions(fs::path(path(name)).parent_path(), fs::perms(0755));
    ASSERT_TRUE(fs::remove_all(path(name)) > 0) << name;
  }
  [[nodiscard]] std::vector<std::string> differences() const {
    auto found = testing::tree_differences(path("src"), path("dst"), {});
    std::erase_if(found, [](const std::string& one) {
      return one.starts_with(".dunlin-undo-") || one.starts_with("other:");
    });
    return found;
  }
  [[nodiscard]] std::vector<std::string> differences_from_before() const {
    testing::CompareOptions options;
    options.directory_times = false;  // what the tests do at the destination moves them
    return testing::tree_differences(path("before"), path("dst"), options);
  }
  void lose_some_of_each() const {
    lose("dst/in/lost");
    lose("dst/in/closed/lost");
    lose("dst/link");
    damage("dst/in/damaged");
    lose("dst/set/third");
  }
};

TEST_F(ResumeFrom, WhatHoldsStaysAndAllElseIsDoneAgain) {
  ASSERT_EQ(run(copy()).code, 0);
  ASSERT_THAT(differences(), IsEmpty());
  const Json before = json({"status", "1"});
  const struct stat kept = look("dst/in/kept");
  const struct stat first = look("dst/set/first");
  lose_some_of_each();
  ASSERT_EQ(run({"verify", "1"}).code, 6);

  const Finished done = run({"resume", "1", "--from-batch", "1"});
  EXPECT_EQ(done.code, 0) << done.err << done.out;
  EXPECT_THAT(done.out, HasSubstr("looks again at what was done from batch 1 on: "));
  EXPECT_THAT(differences(), IsEmpty());
  EXPECT_EQ(look("dst/in/kept").st_ino, kept.st_ino) << "what holds is not copied again";
  EXPECT_EQ(look("dst/set/first").st_ino, first.st_ino);
  EXPECT_EQ(look("dst/set/third").st_ino, first.st_ino);
  EXPECT_EQ(run({"verify", "1"}).code, 0);
  const Json after = json({"status", "1"});
  for (const char* name : {"total_files", "processed_files", "successful_files", "failed_files",
                           "total_bytes", "processed_bytes"})
    EXPECT_EQ(after["progress"][name], before["progress"][name]) << name;
  EXPECT_EQ(after["kept_bytes"], before["kept_bytes"]);
  EXPECT_THAT(run({"audit", "show", "1"}).out, HasSubstr("execution.doubted"));
  EXPECT_EQ(run({"audit", "verify", "1"}).code, 0);
  EXPECT_EQ(run({"doctor"}).code, 0);

  EXPECT_EQ(run({"rollback", "1", "--yes"}).code, 0);
  EXPECT_THAT(differences_from_before(), IsEmpty());
  EXPECT_THAT(leftovers("dst"), IsEmpty());
}

/// A set whose first name is made anew is one set again.
TEST_F(ResumeFrom, ASetOfHardLinksStaysOne) {
  ASSERT_EQ(run(copy()).code, 0);
  for (const char* name : {"first", "second", "third"}) {
    lose("dst/set/" + std::string(name));
    ASSERT_EQ(run({"resume", "1", "--from-batch", "1"}).code, 0);
    EXPECT_THAT(differences(), IsEmpty()) << name;
    EXPECT_EQ(look("dst/set/first").st_nlink, 3U) << name;
  }
  EXPECT_EQ(run({"rollback", "1", "--yes"}).code, 0);
  EXPECT_THAT(differences_from_before(), IsEmpty());
}

TEST_F(ResumeFrom, DirectoriesThatAreGoneAreMadeAgain) {
  ASSERT_EQ(run(copy()).code, 0);
  fs::permissions(path("dst/in/closed"), fs::perms(0755));
  fs::remove_all(path("dst/in/closed"));
  fs::remove_all(path("dst/set"));
  const Finished done = run({"resume", "1", "--from-batch", "1"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(differences(), IsEmpty());
  EXPECT_EQ(run({"rollback", "1", "--yes"}).code, 0);
  EXPECT_THAT(differences_from_before(), IsEmpty());
}

TEST_F(ResumeFrom, ACheckpointIsWhatIsTrusted) {
  write("plan.yaml", "kind: files\nsource: {paths: [" + path("src") +
                         "/]}\ndestination: {base_path: " + path("dst") +
                         "}\nsettings:\n  batch_size: 4\n  parallel_batches: 1\n  checkpoint: "
                         "{frequency: every_batch, keep_last_n: 100}\n");
  const Finished plan = run({"run", path("plan.yaml")});
  ASSERT_EQ(plan.code, 0) << plan.err;
  // Of those that were written while files were copied, one in the middle.
  Json rows = json({"checkpoints", "1"});
  Json middle;
  for (const Json& row : rows)
    if (row["pending_batch_ids"].size() > 5) middle = row;
  ASSERT_FALSE(middle.is_null());
  std::set<std::int64_t> pending;
  for (const Json& batch : middle["pending_batch_ids"]) pending.insert(batch.get<std::int64_t>());
  std::string trusted;
  std::string doubted;
  std::int64_t first = 0;
  for (const Json& item : json({"items", "1", "--limit", "0"})) {
    const std::string name = item["path"];
    if (name.starts_with("set/") || !fs::is_regular_file(path("dst/" + name))) continue;
    const std::int64_t batch = item["batch_number"];
    if (pending.contains(batch) && first == 0) first = batch;
    (first == 0 ? trusted : doubted) = "dst/" + name;
  }
  ASSERT_FALSE(trusted.empty());
  ASSERT_FALSE(doubted.empty());
  lose(trusted);
  lose(doubted);
  const std::string id = std::to_string(middle["id"].get<int>());
  const auto lines = json_lines(run({"resume", "1", "--from-checkpoint", id, "--json"}).out);
  const auto said = std::find_if(lines.begin(), lines.end(),
                                 [](const Json& line) { return line["event"] == "resume_from"; });
  ASSERT_NE(said, lines.end());
  EXPECT_EQ((*said)["batch_number"], first);
  EXPECT_TRUE(fs::exists(path(doubted)));
  EXPECT_FALSE(fs::exists(path(trusted)));
  ASSERT_EQ(run({"resume", "1", "--from-batch", "1"}).code, 0);
  EXPECT_THAT(differences(), IsEmpty());
}

TEST_F(ResumeFrom, WhatCannotBeSaidIsRefusedWithWhatCan) {
  ASSERT_EQ(run(copy({"--dry-run"})).code, 0);
  ASSERT_EQ(run(copy()).code, 0);
  const Finished batch = run({"resume", "2", "--from-batch", "999"});
  EXPECT_EQ(batch.code, 2);
  EXPECT_THAT(batch.err, AllOf(HasSubstr("there is no batch 999"), HasSubstr("1 to ")));
  const Finished checkpoint = run({"resume", "2", "--from-checkpoint", "999"});
  EXPECT_EQ(checkpoint.code, 2);
  EXPECT_THAT(checkpoint.err, HasSubstr("dunlin checkpoints 2"));
  EXPECT_EQ(run({"resume", "2", "--from-batch", "0"}).code, 2);
  EXPECT_EQ(run({"resume", "2", "--from-batch", "1", "--from-checkpoint", "1"}).code, 2);
  EXPECT_EQ(run({"resume", "2", "--from-batch", "1", "--path", "*"}).code, 2);
  const Finished dry = run({"resume", "1", "--from-batch", "1"});
  EXPECT_EQ(dry.code, 2);
  EXPECT_THAT(dry.err, HasSubstr("dry run"));
  EXPECT_EQ(json({"status", "2"})["status"], "completed");
  const Json rows = json({"checkpoints", "2"});
  const std::string last = std::to_string(rows.back()["id"].get<int>());
  EXPECT_THAT(run({"resume", "2", "--from-checkpoint", last}).err,
              HasSubstr("nothing was done after that checkpoint"));
  ASSERT_EQ(run({"rollback", "2", "--yes"}).code, 0);
  EXPECT_EQ(run({"resume", "2", "--from-batch", "1"}).code, 2);
  EXPECT_EQ(json({"status", "2"})["status"], "rolled_back");

  Process slow(dunlin(copy({"--io-limit", "5KB/s"})));
  ASSERT_TRUE(is_under_way());
  const Finished live = run({"resume", "3", "--from-batch", "1"});
  EXPECT_EQ(live.code, 2);
  EXPECT_THAT(live.err, HasSubstr("dunlin pause 3"));
  slow.signal(SIGKILL);
  EXPECT_NE(slow.wait(), 0);
}

/// What somebody has made of a file since is decided upon as it would be in a new run.
TEST_F(ResumeFrom, WhatSomebodyHasChangedIsAConflictLikeAnyOther) {
  ASSERT_EQ(run(copy({"--conflict", "skip"})).code, 0);
  write("dst/in/edited", "somebody's own words since");
  ASSERT_EQ(run({"resume", "1", "--from-batch", "1"}).code, 0);
  EXPECT_EQ(look("dst/in/edited").st_size, 26);
  ASSERT_EQ(run({"rollback", "1", "--yes"}).code, 0);
  EXPECT_EQ(look("dst/in/edited").st_size, 26) << "and it is left to whoever made it";
}

TEST_F(ResumeFrom, OfAMoveTheOnlyCopyThereIsStays) {
  const auto elsewhere = testing::ScratchDirectory::in_memory();
  const std::vector<std::string> places{path("moved"), elsewhere.file("moved")};
  for (const std::string& to : places) {
    fs::remove_all(path("from"));
    for (const char* name : {"good", "damaged", "lost"})
      write("from/" + std::string(name), "content of " + std::string(name));
    ASSERT_EQ(run({"move", path("from") + "/", to}).code, 0);
    const Json number = json({"status", "last"})["number"];
    const std::string id = std::to_string(number.get<int>());
    fs::remove(to + "/lost");
    const bool copied = to != places.front();
    if (copied) {
      const int file = ::open((to + "/damaged").c_str(), O_WRONLY | O_CLOEXEC);
      struct stat info{};
      ASSERT_EQ(::fstat(file, &info), 0);
      ASSERT_EQ(::pwrite(file, "!", 1, 0), 1);
      const timespec times[2] = {info.st_atim, info.st_mtim};
      ASSERT_EQ(::futimens(file, times), 0);
      ::close(file);
    }
    for (const char* time : {"the first time", "and again"})
      EXPECT_EQ(run({"resume", id, "--from-batch", "1"}).code, 6) << to << ", " << time;
    EXPECT_TRUE(fs::exists(to + "/good"));
    EXPECT_TRUE(fs::exists(to + "/damaged"));
    const std::string errors = run({"errors", id}).out;
    EXPECT_THAT(errors, HasSubstr("lost"));
    if (copied) {
      EXPECT_THAT(errors, HasSubstr("damaged"));
    }
    EXPECT_EQ(run({"rollback", id, "--yes"}).code, 1);
    EXPECT_TRUE(fs::exists(path("from/good")));
  }
}

TEST_F(ResumeFrom, APauseWhileItLooksIsSoonAndNothingOfItIsForgotten) {
  for (const char* then : {"resume", "rollback", "cancel"}) {
    SCOPED_TRACE(then);
    fs::remove_all(path("dst"));
    ASSERT_EQ(
        testing::run_process({{"/bin/cp", "-a", path("before"), path("dst")}, {}, "", 0}).code, 0);
    ASSERT_EQ(run(copy({"--io-limit", "12KB/s"})).code, 0);
    lose_some_of_each();
    Process looking(dunlin({"resume", "last", "--from-batch", "1"}));
    ASSERT_TRUE(eventually([&] { return status() == "running"; }));
    std::this_thread::sleep_for(milliseconds(300));
    const bool cancel = std::string(then) == "cancel";
    EXPECT_EQ(run({cancel ? "cancel" : "pause", "last", "--yes"}).code, 0);
    EXPECT_EQ(looking.wait(), 4) << looking.err();
    EXPECT_EQ(status(), cancel ? "cancelled" : "paused");
    if (!cancel) {
      EXPECT_EQ(run({"limits", "last", "--io", "none"}).code, 0);
    }
    if (std::string(then) == "resume") {
      EXPECT_EQ(run({"resume", "last"}).code, 0);
      EXPECT_THAT(differences(), IsEmpty());
    }
    EXPECT_EQ(run({"rollback", "last", "--yes"}).code, 0);
    EXPECT_THAT(differences_from_before(), IsEmpty());
  }
}

/// What stands at the destination may be the only copy there is.
TEST_F(ResumeFrom, WhereTheSourceIsGoneNothingIsTakenAway) {
  ASSERT_EQ(run(copy()).code, 0);
  for (const char* name : {"in/damaged", "in/lost", "set"}) fs::remove_all(path("src/") + name);
  damage("dst/in/damaged");
  lose("dst/in/lost");
  lose("dst/set/first");
  for (const char* time : {"the first time", "and again"}) {
    EXPECT_EQ(run({"resume", "1", "--from-batch", "1"}).code, 6) << time;
    EXPECT_TRUE(fs::exists(path("dst/in/damaged"))) << time;
    EXPECT_EQ(look("dst/set/second").st_nlink, 2U) << time;
    const std::string errors = run({"errors", "1"}).out;
    for (const char* name : {"in/damaged", "in/lost", "set/first"})
      EXPECT_THAT(errors, HasSubstr(name)) << time;
    EXPECT_THAT(errors, HasSubstr("its source is gone or cannot be read")) << time;
  }
  EXPECT_EQ(run({"rollback", "1", "--yes"}).code, 1) << "what is not what was put there stays";
  EXPECT_TRUE(fs::exists(path("dst/in/damaged")));
  EXPECT_FALSE(fs::exists(path("dst/set/second")));
}

TEST_F(ResumeFrom, WithoutItsSourceNothingIsDoubted) {
  ASSERT_EQ(run(copy()).code, 0);
  fs::rename(path("src"), path("elsewhere"));
  const Finished refused = run({"resume", "1", "--from-batch", "1"});
  EXPECT_NE(refused.code, 0);
  EXPECT_EQ(json({"status", "1"})["status"], "completed");
  EXPECT_EQ(run({"rollback", "1", "--yes"}).code, 0);
  EXPECT_THAT(differences_from_before(), IsEmpty());
}

/// Other inodes, the same contents and times.
TEST_F(ResumeFrom, WhatWasRestoredFromABackupHolds) {
  ASSERT_EQ(run(copy()).code, 0);
  ASSERT_EQ(
      testing::run_process({{"/bin/cp", "-a", path("dst/in"), path("backup")}, {}, "", 0}).code, 0);
  fs::permissions(path("dst/in/closed"), fs::perms(0755));
  fs::remove_all(path("dst/in"));
  damage("backup/damaged");
  ASSERT_EQ(
      testing::run_process({{"/bin/cp", "-a", path("backup"), path("dst/in")}, {}, "", 0}).code, 0);
  const struct stat restored = look("dst/in/kept");
  EXPECT_EQ(run({"resume", "1", "--from-batch", "1"}).code, 0);
  EXPECT_EQ(look("dst/in/kept").st_ino, restored.st_ino) << "it is not copied again";
  EXPECT_THAT(differences(), IsEmpty());
  EXPECT_EQ(run({"verify", "1"}).code, 0);
  EXPECT_EQ(run({"rollback", "1", "--yes"}).code, 0);
  EXPECT_THAT(differences_from_before(), IsEmpty());
}

TEST_F(ResumeFrom, WhereNothingIsKeptForARollbackItIsDoneAgainToo) {
  ASSERT_EQ(run(copy()).code, 0);
  ASSERT_EQ(run({"accept", "1"}).code, 0);
  damage("dst/in/damaged");
  lose("dst/in/lost");
  EXPECT_EQ(run({"resume", "1", "--from-batch", "1"}).code, 0);
  EXPECT_THAT(differences(), IsEmpty());
}

TEST_F(ResumeFrom, WhatWasTakenBackBeforeStaysSo) {
  ASSERT_EQ(run(copy()).code, 0);
  ASSERT_EQ(run({"rollback", "1", "--path", "in/closed*", "--yes"}).code, 0);
  ASSERT_FALSE(fs::exists(path("dst/in/closed")));
  lose("dst/link");
  EXPECT_EQ(run({"resume", "1", "--from-batch", "1"}).code, 0);
  EXPECT_FALSE(fs::exists(path("dst/in/closed")));
  EXPECT_TRUE(fs::is_symlink(path("dst/link")));
  EXPECT_EQ(run({"rollback", "1", "--yes"}).code, 0);
  EXPECT_THAT(differences_from_before(), IsEmpty());
}

TEST_F(ResumeFrom, WhatIsTakenBackWhenItFailsIsNotDoubted) {
  ASSERT_EQ(run(copy({"--on-failure", "rollback"})).code, 0);
  const Finished refused = run({"resume", "1", "--from-batch", "1"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("on_failure"), HasSubstr("dunlin verify 1")));
  EXPECT_EQ(status(), "completed");
}

TEST_F(ResumeFrom, InTheBackground) {
  ASSERT_EQ(run(copy()).code, 0);
  lose("dst/in/lost");
  ASSERT_EQ(run({"resume", "1", "--from-batch", "1", "--detach"}).code, 0);
  EXPECT_TRUE(eventually([&] { return status() == "completed" && differences().empty(); }));
}

TEST_F(ResumeFrom, WhatAPersonHasSkippedStaysSkippedAndWhatFailedIsTriedAgain) {
  ASSERT_EQ(run(copy({"--conflict", "fail"})).code, 1);
  ASSERT_EQ(run({"skip", "1", "--path", "*in/kept"}).code, 0);
  lose("dst/in/lost");
  EXPECT_EQ(run({"resume", "1", "--from-batch", "1"}).code, 1);
  EXPECT_EQ(look("dst/in/kept").st_size, look("before/in/kept").st_size);
  EXPECT_EQ(look("dst/in/lost").st_size, look("src/in/lost").st_size);
  const std::string errors = run({"errors", "1"}).out;
  EXPECT_THAT(errors, AllOf(HasSubstr("in/damaged"), Not(HasSubstr("in/kept"))));
}

#if DUNLIN_CRASH_POINTS
TEST_F(ResumeFrom, KilledAtAnyPointItKnowsWhatItDoubts) {
  const Words points{"engine.doubt.before", "engine.doubt.after",   "files.settle.before",
                     "files.settle.after",  "fs.rename_over.after", "files.publish.after"};
  std::size_t n = 0;
  for (const std::string& point : points) {
    for (const bool back : {false, true}) {
      SCOPED_TRACE(point + (back ? ", taken back" : ", resumed"));
      fs::remove_all(path("dst"));
      ASSERT_EQ(
          testing::run_process({{"/bin/cp", "-a", path("before"), path("dst")}, {}, "", 0}).code,
          0);
      ASSERT_EQ(run(copy()).code, 0);
      lose_some_of_each();
      auto options = dunlin({"resume", "last", "--from-batch", "1"});
      options.environment["DUNLIN_CRASH_AT"] = point + ":" + std::to_string(1 + n++ % 3);
      static_cast<void>(testing::run_process(options));
      if (!back) {
        if (status() == "paused") {
          EXPECT_EQ(run({"resume", "last"}).code, 0);
        }
        EXPECT_EQ(run({"resume", "last", "--from-batch", "1"}).code, 0);
        EXPECT_THAT(differences(), IsEmpty());
      }
      const Finished taken = run({"rollback", "last", "--yes"});
      // What was lost before it was doubted is not there to be taken back.
      if (point != "engine.doubt.before" || !back) {
        EXPECT_EQ(taken.code, 0) << taken.err;
        EXPECT_THAT(differences_from_before(), IsEmpty());
      }
    }
  }
}

TEST_F(ResumeFrom, AMoveThatIsDoubtedIsTakenBackWithItsDirectories) {
  const auto elsewhere = testing::ScratchDirectory::in_memory();
  fs::create_directory(path("src/empty"));
  fs::permissions(path("src/empty"), fs::perms(0750));
  fs::permissions(path("src/in/closed"), fs::perms(0755));  // it is to go
  ASSERT_EQ(testing::run_process({{"/bin/cp", "-a", path("src"), path("was")}, {}, "", 0}).code, 0);
  for (const std::string& to : {path("moved"), elsewhere.file("moved")}) {
    for (const char* point : {"engine.doubt.after:1", "files.settle.after:2"}) {
      SCOPED_TRACE(to + " " + point);
      ASSERT_EQ(
          run({"move", path("src") + "/", to, "--delete-empty-src-dirs", "--batch-size", "4"}).code,
          0);
      auto options = dunlin({"resume", "last", "--from-batch", "1"});
      options.environment["DUNLIN_CRASH_AT"] = point;
      static_cast<void>(testing::run_process(options));
      EXPECT_EQ(status(), "paused");
      EXPECT_EQ(run({"rollback", "last", "--yes"}).code, 0);
      EXPECT_THAT(testing::tree_differences(path("was"), path("src"), {}), IsEmpty());
      EXPECT_FALSE(fs::exists(to));
    }
  }
}
#endif

}  // namespace
}  // namespace dunlin::e2e
