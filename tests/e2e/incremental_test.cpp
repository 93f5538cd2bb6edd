// Mode incremental: only what has changed since the last time (engine.md X-3).
#include <fcntl.h>
#include <sys/stat.h>

#include <csignal>
#include <map>
#include <thread>

#include "e2e/world.h"
#include "support/scratch.h"
#include "support/tree_compare.h"

namespace dunlin::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

using Operations = std::map<std::string, std::string>;

class Incremental : public World {
 protected:
  void SetUp() override {
    make_tree("src", 60, 500);
    for (const char* name : {"longer", "sneaky", "mode", "lost", "touched", "gone"})
      write("src/in/" + std::string(name), "as it was: " + std::string(name));
    fs::create_symlink("in/lost", path("src/link"));
    let_the_clock_tick();
  }
  /// What was written before this has a ctime that lies before every execution that begins after
  /// it, also on a file system that keeps whole seconds.
  static void let_the_clock_tick() { std::this_thread::sleep_for(milliseconds(1250)); }
  [[nodiscard]] std::vector<std::string> copy(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words{"copy", path("src") + "/", path("dst")};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  /// Other content of the same size under the old time.
  void change_unseen(const std::string& name) const {
    struct stat before{};
    ASSERT_EQ(::stat(path(name).c_str(), &before), 0);
    write(name, std::string(static_cast<std::size_t>(before.st_size), '!'));
    const timespec times[2] = {before.st_atim, before.st_mtim};
    ASSERT_EQ(::utimensat(AT_FDCWD, path(name).c_str(), times, 0), 0);
  }
  /// What the last execution has done, or would do, to anything but directories.
  [[nodiscard]] Operations operations() const {
    Operations found;
    for (const Json& item : json({"items", "last", "--limit", "0"})) {
      const std::string name = item["path"];
      if (!fs::is_directory(fs::symlink_status(path("src/" + name))))
        found[name] = item["status"] == "completed" ? std::string(item["action"])
                                                    : std::string(item["status"]);
    }
    return found;
  }
  [[nodiscard]] std::string description() const { return json({"status", "last"})["description"]; }
  [[nodiscard]] std::vector<std::string> differences() const {
    testing::CompareOptions options;
    options.directory_times = false;  // what the tests do at the destination moves them
    auto found = testing::tree_differences(path("src"), path("dst"), options);
    std::erase_if(found, [](const std::string& one) { return one.starts_with(".dunlin-undo-"); });
    return found;
  }
};

TEST_F(Incremental, TakesWhatHasChangedOnEitherSideAndNothingElse) {
  ASSERT_EQ(run(copy()).code, 0);
  let_the_clock_tick();
  write("src/new/file", "new");
  write("src/in/longer", "as it never was before");
  change_unseen("src/in/sneaky");
  fs::permissions(path("src/in/mode"), fs::perms::owner_read);
  fs::remove(path("src/in/gone"));
  fs::remove(path("src/link"));
  fs::create_symlink("in/touched", path("src/link"));
  fs::remove(path("dst/in/lost"));
  write("dst/in/touched", "by somebody");
  const Operations expected{{"new/file", "created"},      {"in/longer", "overwritten"},
                            {"in/sneaky", "overwritten"}, {"in/mode", "overwritten"},
                            {"link", "overwritten"},      {"in/lost", "created"},
                            {"in/touched", "overwritten"}};
  EXPECT_EQ(run(copy({"--incremental", "--dry-run"})).code, 0);
  EXPECT_EQ(operations(), expected) << "of the dry run";
  EXPECT_THAT(description(), HasSubstr("dry run: copy "));
  EXPECT_EQ(json({"status", "last"})["mode"], "dry_run");

  let_the_clock_tick();
  const Finished done = run(copy({"--incremental"}));
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(operations(), expected);
  EXPECT_THAT(done.out, AllOf(HasSubstr(", what has changed since execution 1"),
                              HasSubstr("left out    60 entries unchanged since the last time")));
  const Json status = json({"status", "last"});
  EXPECT_EQ(status["mode"], "incremental");
  EXPECT_EQ(status["builds_on"]["number"], 1);
  // What is gone at the source stays where it was copied to.
  fs::remove(path("dst/in/gone"));
  EXPECT_THAT(differences(), IsEmpty());

  EXPECT_EQ(run(copy({"--incremental"})).code, 0);
  EXPECT_EQ(json({"status", "last"})["builds_on"]["number"], 3);
  EXPECT_THAT(operations(), IsEmpty());
}

/// What it was called and how it was run makes no other work of it.
TEST_F(Incremental, StandsInTheReportBesideTheRunsBeforeIt) {
  ASSERT_EQ(run(copy()).code, 0);
  ASSERT_EQ(run(copy({"--dry-run"})).code, 0);
  ASSERT_EQ(run(copy({"--incremental", "--io-limit", "100MB/s"})).code, 0);
  const Json runs = json({"report", "last"})["runs"];
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs[0]["number"], 1);
  EXPECT_EQ(runs[0]["mode"], "full");
  EXPECT_EQ(runs[1]["mode"], "incremental");
  EXPECT_THAT(run({"report", "last"}).out, HasSubstr("The same, this time and before"));
}

/// A full run goes by size and time. What it has left alone for that is not what is built on.
TEST_F(Incremental, SeesWhatAFullRunMeanwhileHasTakenForTheSame) {
  ASSERT_EQ(run(copy()).code, 0);
  let_the_clock_tick();
  change_unseen("src/in/sneaky");
  let_the_clock_tick();
  ASSERT_EQ(run(copy()).code, 0);
  EXPECT_THAT(differences(), Not(IsEmpty()));
  EXPECT_EQ(run(copy({"--incremental"})).code, 0);
  EXPECT_THAT(description(), HasSubstr("since execution 1"));
  EXPECT_EQ(operations(), (Operations{{"in/sneaky", "overwritten"}}));
  EXPECT_THAT(differences(), IsEmpty());
}

TEST_F(Incremental, TheFirstLooksAtEverythingAndSaysSo) {
  fs::create_directories(path("dst"));
  const std::vector<std::string> by_hand{"/bin/cp", "-a", path("src") + "/.", path("dst")};
  ASSERT_EQ(testing::run_process({by_hand, {}, "", 0}).code, 0);
  write("src/new", "new");
  const Finished done = run(copy({"--incremental"}));
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("builds on   nothing yet: "));
  EXPECT_TRUE(json({"status", "last"})["builds_on"].is_null());
  EXPECT_THAT(operations(),
              AllOf(Contains(Pair("new", "created")), Contains(Pair("in/mode", "skipped"))));
  let_the_clock_tick();
  change_unseen("src/in/sneaky");
  EXPECT_EQ(run(copy({"--incremental"})).code, 0);
  EXPECT_THAT(description(), HasSubstr("since execution 1"));
  EXPECT_EQ(operations().at("in/sneaky"), "overwritten");
  EXPECT_THAT(differences(), IsEmpty());
}

TEST_F(Incremental, DoesNotBuildOnWhatHasFailedOrWasTakenBack) {
  ASSERT_EQ(run(copy()).code, 0);
  let_the_clock_tick();
  change_unseen("src/in/sneaky");
  write("src/in/longer", "as it never was before");
  fs::remove(path("dst/in/longer"));
  fs::create_directory(path("dst/in/longer"));
  EXPECT_EQ(run(copy({"--incremental"})).code, 1) << "a directory is never replaced by a file";
  EXPECT_EQ(operations(), (Operations{{"in/longer", "failed"}, {"in/sneaky", "overwritten"}}));
  static_cast<void>(run(copy({"--incremental", "--dry-run"})));
  EXPECT_THAT(description(), HasSubstr("since execution 1"))
      << "of the second something has failed";
  EXPECT_EQ(run({"rollback", "2", "--path", "in/sneaky", "--yes"}).code, 0);
  fs::remove(path("dst/in/longer"));
  for (const char* why : {"the second has failed", "the third was taken back"}) {
    EXPECT_EQ(run(copy({"--incremental"})).code, 0) << why;
    EXPECT_THAT(description(), HasSubstr("since execution 1")) << why;
    EXPECT_EQ(operations(), (Operations{{"in/longer", "created"}, {"in/sneaky", "overwritten"}}))
        << why;
    EXPECT_THAT(differences(), IsEmpty());
    if (why != std::string("the second has failed")) break;
    EXPECT_EQ(run({"rollback", "last", "--yes"}).code, 0);
  }
}

/// Its own rollback gives back what looks like the source, size and time; the next has to see that
/// although one that came between knew nothing of it.
TEST_F(Incremental, BuildsOnNothingThatBuildsOnWhatWasTakenBack) {
  ASSERT_EQ(run(copy()).code, 0);
  let_the_clock_tick();
  change_unseen("src/in/sneaky");
  let_the_clock_tick();
  ASSERT_EQ(run(copy({"--incremental"})).code, 0);
  let_the_clock_tick();
  ASSERT_EQ(run(copy({"--incremental"})).code, 0);
  EXPECT_THAT(description(), HasSubstr("since execution 2"));
  ASSERT_EQ(run({"rollback", "2", "--yes"}).code, 0);
  ASSERT_EQ(run(copy({"--incremental"})).code, 0);
  EXPECT_THAT(description(), HasSubstr("since execution 1"));
  EXPECT_THAT(differences(), IsEmpty());
}

TEST_F(Incremental, WhatAPersonHasSkippedIsNotDone) {
  ASSERT_EQ(run(copy()).code, 0);
  let_the_clock_tick();
  change_unseen("src/in/sneaky");
  write("src/in/longer", "as it never was before");
  fs::remove(path("dst/in/longer"));
  fs::create_directory(path("dst/in/longer"));
  EXPECT_EQ(run(copy({"--incremental"})).code, 1);
  EXPECT_EQ(run({"skip", "last"}).code, 0);
  let_the_clock_tick();
  static_cast<void>(run(copy({"--incremental"})));
  EXPECT_THAT(description(), HasSubstr("since execution 1"));
}

/// Two disks that take turns at one place: each has its own last time.
TEST_F(Incremental, BuildsOnWhatWasDoneToThisDisk) {
  const auto other_disk = testing::ScratchDirectory::in_memory();
  fs::create_directory(path("a"));
  const auto plug_in = [&](const std::string& disk) {
    fs::remove(path("dst"));
    fs::create_directory_symlink(disk, path("dst"));
  };
  plug_in(path("a"));
  ASSERT_EQ(run(copy()).code, 0);
  plug_in(other_disk.path());
  ASSERT_EQ(run(copy()).code, 0);
  let_the_clock_tick();
  change_unseen("src/in/sneaky");
  let_the_clock_tick();
  ASSERT_EQ(run(copy({"--incremental"})).code, 0);
  EXPECT_THAT(description(), HasSubstr("since execution 2"));
  plug_in(path("a"));
  ASSERT_EQ(run(copy({"--incremental"})).code, 0);
  EXPECT_THAT(description(), HasSubstr("since execution 1"));
  EXPECT_EQ(operations(), (Operations{{"in/sneaky", "overwritten"}}));
  EXPECT_THAT(differences(), IsEmpty());

  ASSERT_EQ(testing::run_process({{"/bin/cp", "-a", path("src"), path("again")}, {}, "", 0}).code,
            0);
  fs::rename(path("src"), path("was"));
  fs::rename(path("again"), path("src"));
  ASSERT_EQ(run(copy({"--incremental"})).code, 0);
  EXPECT_THAT(description(), Not(HasSubstr("since execution"))) << "another source under that name";
}

TEST_F(Incremental, ByContentEverythingIsComparedAndAModeIsNotMissed) {
  ASSERT_EQ(run(copy({"--checksum"})).code, 0);
  let_the_clock_tick();
  fs::permissions(path("src/in/mode"), fs::perms::owner_read);
  const auto rotten = fs::last_write_time(path("dst/in/lost"));
  write("dst/in/lost", "as it was? lost");
  fs::last_write_time(path("dst/in/lost"), rotten);
  ASSERT_EQ(run(copy({"--checksum", "--incremental"})).code, 0);
  EXPECT_THAT(description(), HasSubstr("since execution 1"));
  EXPECT_EQ(operations().at("in/mode"), "overwritten");
  EXPECT_EQ(operations().at("in/lost"), "overwritten");
  EXPECT_THAT(differences(), IsEmpty());
}

TEST_F(Incremental, KilledAndResumedItStillKnowsWhatItBuildsOn) {
  ASSERT_EQ(run(copy()).code, 0);
  let_the_clock_tick();
  change_unseen("src/in/sneaky");
  for (int n = 0; n < 40; ++n)
    write("src/more/" + std::to_string(n), std::string(50'000, static_cast<char>('a' + n % 26)));
  Process killed(dunlin(copy({"--incremental", "--io-limit", "500KB/s", "--batch-size", "5"})));
  ASSERT_TRUE(is_under_way());
  killed.signal(SIGKILL);
  ASSERT_TRUE(killed.wait());
  EXPECT_EQ(run({"limits", "last", "--io", "none"}).code, 0);
  const Finished resumed = run({"resume", "last"});
  EXPECT_EQ(resumed.code, 0) << resumed.out << resumed.err;
  EXPECT_THAT(description(), HasSubstr("since execution 1"));
  EXPECT_EQ(operations().size(), 41U);
  EXPECT_THAT(differences(), IsEmpty());
}

/// Their times are one for all of a set, and a link made anywhere moves it.
TEST_F(Incremental, SetsOfHardLinksStaySets) {
  fs::create_hard_link(path("src/in/mode"), path("src/in/second"));
  let_the_clock_tick();
  ASSERT_EQ(run(copy()).code, 0);
  let_the_clock_tick();
  fs::create_hard_link(path("src/in/mode"), path("src/third"));
  EXPECT_EQ(run(copy({"--incremental"})).code, 0);
  EXPECT_EQ(fs::hard_link_count(path("dst/third")), 3U);
  EXPECT_THAT(differences(), IsEmpty());
}

TEST_F(Incremental, InAPlanAndByItsMode) {
  const std::string text = "kind: files\nsource: {paths: [" + path("src") +
                           "/]}\ndestination: {base_path: \"" + path("dst") +
                           "\"}\nsettings: {mode: incremental}\n";
  write("p.yaml", text);
  EXPECT_EQ(run({"run", path("p.yaml"), "--mode", "full"}).code, 0);
  EXPECT_EQ(json({"status", "last"})["mode"], "full");
  let_the_clock_tick();
  write("src/new", "new");
  EXPECT_EQ(run({"run", path("p.yaml"), "--dry-run"}).code, 0);
  EXPECT_EQ(operations(), (Operations{{"new", "created"}}));
  EXPECT_EQ(run({"run", path("p.yaml"), "--mode", "incremental", "-n"}).code, 0);
  EXPECT_EQ(operations(), (Operations{{"new", "created"}}));
  write("dry.yaml", text.substr(0, text.find("settings")) + "settings: {dry_run: true}\n");
  EXPECT_EQ(run({"run", path("dry.yaml"), "--incremental"}).code, 0);
  EXPECT_EQ(json({"status", "last"})["mode"], "dry_run") << "the plan wants nothing to be changed";
  EXPECT_EQ(run({"run", path("p.yaml")}).code, 0);
  EXPECT_EQ(json({"status", "last"})["mode"], "incremental");
  EXPECT_EQ(operations(), (Operations{{"new", "created"}}));
  // Another work: it has nothing to build on.
  write("p.yaml", text + "strategy: {hash: sha256}\n");
  EXPECT_EQ(run({"run", path("p.yaml")}).code, 0);
  EXPECT_TRUE(json({"status", "last"})["builds_on"].is_null());
}

TEST_F(Incremental, OnlyWhereWhatHasChangedCanBeTold) {
  const Finished moved = run({"move", path("src") + "/", path("dst"), "--incremental"});
  EXPECT_EQ(moved.code, 2);
  EXPECT_THAT(moved.err, AllOf(HasSubstr("cannot be incremental: a move leaves nothing"),
                               HasSubstr("try:  ")));
  EXPECT_EQ(run(copy({"--link", "--incremental"})).code, 2);
  const Finished both = run(copy({"--test", "3", "--incremental"}));
  EXPECT_EQ(both.code, 2);
  EXPECT_THAT(both.err, HasSubstr("--incremental and --test exclude each other"));
  EXPECT_THAT(run({"ps", "--all"}).out, HasSubstr("no executions")) << "nothing was recorded";
}

}  // namespace
}  // namespace dunlin::e2e
