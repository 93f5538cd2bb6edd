// Control from other processes, by signals and after violence: pause, resume, cancel, stop, kill
// -9.
#include <csignal>
#include <fstream>

#include "e2e/world.h"
#include "support/scratch.h"

namespace dunlin::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// Slow enough to be met in the middle: 2 MB at 1 MB/s, read twice.
class Control : public World {
 protected:
  Control() { make_tree("src", 200, 10'000); }

  ProcessOptions slow_copy(std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"copy",  path("src"),    path("dst"), "--io-limit",
                                      "1MB/s", "--batch-size", "20"};
    words.insert(words.end(), more.begin(), more.end());
    return dunlin(words);
  }
  /// Keeps the limit: settings are frozen at the start.
  Finished resume() { return run({"resume", "last"}); }
  void expect_whole() {
    EXPECT_EQ(status(), "completed");
    EXPECT_EQ(difference("src", "dst/src"), "");
    EXPECT_TRUE(leftovers("dst").empty()) << leftovers("dst").front();
  }
};

TEST_F(Control, APauseFromAnotherProcessEndsItWithFourAndResumeGoesOn) {
  Process copy(slow_copy());
  ASSERT_TRUE(is_under_way());
  const Finished pause = run({"pause", "last"});
  EXPECT_EQ(pause.code, 0);
  EXPECT_THAT(pause.out, HasSubstr("dunlin resume 1"));
  EXPECT_EQ(copy.wait(milliseconds(5000)), 4);
  EXPECT_THAT(copy.out(), HasSubstr("dunlin resume 1"));
  EXPECT_EQ(status(), "paused");
  EXPECT_EQ(json({"status", "last"})["interrupted"], false);
  EXPECT_EQ(run({"pause", "last"}).code, 0) << "pausing twice is no error";
  EXPECT_EQ(resume().code, 0);
  expect_whole();
  EXPECT_EQ(run({"pause", "last"}).code, 2) << "completed: allowed verbs are named";
}

TEST_F(Control, APausedRollbackShowsWhatHasBeenTakenBackAndWhatHasNot) {
  const testing::ScratchDirectory memory("/dev/shm");  // what goes there comes back as bytes
  ASSERT_EQ(run({"move", path("src"), memory.file("to/"), "--batch-size", "10", "--concurrency",
                 "1", "--io-limit", "1MB/s"})
                .code,
            0);
  Process back(dunlin({"rollback", "last", "--yes"}));
  ASSERT_TRUE(eventually([this] {
    return integer_or(json({"status", "last"})["progress"], "rolled_back_files", 0) > 0;
  }));
  EXPECT_EQ(run({"pause", "last"}).code, 0);
  EXPECT_EQ(back.wait(milliseconds(5000)), 4);
  const Json shown = json({"status", "last"});
  const Json& progress = shown["progress"];
  const auto taken_back = integer_or(progress, "rolled_back_files", 0);
  EXPECT_GT(taken_back, 0);
  EXPECT_EQ(taken_back + integer_or(progress, "successful_files", 0), 200);
  EXPECT_GT(progress["percent_complete"].get<double>(), 0);
  EXPECT_LT(progress["percent_complete"].get<double>(), 100);
  const std::string counted = std::to_string(taken_back) + " of 200 files";
  EXPECT_THAT(back.out(), HasSubstr("taken back  " + counted));
  const std::string text = run({"status", "last"}).out;
  EXPECT_THAT(text, HasSubstr("status      paused (rollback)\n"));
  EXPECT_THAT(text, HasSubstr("taken back  " + counted));
  EXPECT_THAT(text, Not(HasSubstr("files moved")));
  EXPECT_THAT(run({"ps"}).out, HasSubstr("paused (rollback)"));
  EXPECT_EQ(run({"cancel", "last"}).code, 0);
  EXPECT_THAT(run({"status", "last"}).out, HasSubstr("cancelled (rollback)"));
  EXPECT_EQ(run({"rollback", "last", "--yes"}).code, 0);
  EXPECT_THAT(run({"status", "last"}).out, HasSubstr("200 taken back of 200"));
  EXPECT_EQ(json({"status", "last"})["progress"]["percent_complete"], 100);
}

TEST_F(Control, StatusOfAnotherProcessTellsOfTheFileThatTakesLong) {
  make_tree("one", 3, 10);
  write("one/sub/film \xff.mkv", std::string(8'000'000, 'x'));
  Process copy(dunlin({"copy", path("one/"), path("dst"), "--io-limit", "500kB/s", "--json"}));
  ASSERT_TRUE(is_under_way());
  Json progress;
  ASSERT_TRUE(eventually([&] {
    progress = json({"status", "last"})["progress"];
    return !progress["current_items"].empty() &&
           progress["current_items"][0]["estimated_time_remaining"].is_number();
  }));
  const Json& film = progress["current_items"][0];
  EXPECT_EQ(film["path"], "sub/film \\xff.mkv");
  EXPECT_EQ(film["path_b64"], "c3ViL2ZpbG0g/y5ta3Y=");
  EXPECT_EQ(film["phase"], "copying");
  EXPECT_EQ(film["total_bytes"], 8'000'000);
  EXPECT_GT(film["processed_bytes"], 0);
  EXPECT_LT(film["processed_bytes"], 8'000'000);
  EXPECT_GT(film["estimated_time_remaining"], 0);
  // The totals know of it, too, though the ledger counts it only when it has ended.
  EXPECT_GT(progress["processed_bytes"], 30);
  EXPECT_GT(progress["percent_complete"], 0);
  EXPECT_THAT(run({"status", "last"}).out, HasSubstr("now         sub/film \\xff.mkv"));
  // The process itself tells of it in an event of its own, which may come later.
  EXPECT_TRUE(copy.says(R"("current_items":[{)"));
  copy.signal(SIGINT);
  EXPECT_EQ(copy.wait(milliseconds(5000)), 4);
  for (const Json& line : json_lines(copy.out())) {
    if (line["event"] != "progress") continue;
    EXPECT_TRUE(line["progress"].contains("current_items"));
  }
  EXPECT_TRUE(json({"status", "last"})["progress"]["current_items"].empty());
}

/// It would take an hour, were it not for the new limit.
TEST_F(Control, LimitsAreChangedFromAnotherProcess) {
  Process copy(dunlin(
      {"copy", path("src"), path("dst"), "--io-limit", "500B/s", "--concurrency", "2", "--json"}));
  ASSERT_TRUE(is_under_way());
  EXPECT_EQ(json({"status", "last"})["limits"]["io"], 500);
  EXPECT_THAT(run({"status", "last"}).out, HasSubstr("500 B/s, 2 at a time"));
  const Finished lower = run({"limits", "last", "--concurrency", "1", "--iops", "1000"});
  EXPECT_EQ(lower.code, 0) << lower.err;
  EXPECT_THAT(lower.out, HasSubstr("limits changed"));
  Json limits = json({"status", "last"})["limits"];
  EXPECT_EQ(limits["io"], 500) << "what was not named stays";
  EXPECT_EQ(limits["iops"], 1000);
  EXPECT_EQ(limits["concurrency"], 1);
  EXPECT_TRUE(copy.running());
  EXPECT_EQ(run({"limits", "last", "--io", "none", "--iops", "none", "--concurrency", "8", "--cpu",
                 "90%", "--batch-size", "50"})
                .code,
            0);
  EXPECT_EQ(copy.wait(milliseconds(20'000)), 0);
  expect_whole();
  bool recorded = false;
  for (const Json& line : json_lines(copy.out())) recorded = recorded || line["event"] == "control";
  EXPECT_TRUE(recorded);
}

TEST_F(Control, LimitsReachAnOwnerThatDidNotAnswer) {
  Process copy(dunlin({"copy", path("src"), path("dst"), "--io-limit", "500B/s"}));
  ASSERT_TRUE(is_under_way());
  copy.signal(SIGSTOP);
  EXPECT_EQ(run({"limits", "last", "--io", "0"}).code, 0);
  copy.signal(SIGCONT);
  EXPECT_EQ(copy.wait(milliseconds(20'000)), 0) << "the request has waited for it";
  expect_whole();
}

TEST_F(Control, WrongLimitsAreRefusedAndNothingIsChanged) {
  Process copy(dunlin({"copy", path("src"), path("dst"), "--io-limit", "1kB/s"}));
  ASSERT_TRUE(is_under_way());
  for (const std::vector<std::string>& wrong : {std::vector<std::string>{},
                                                {"--io", "fast"},
                                                {"--concurrency", "0"},
                                                {"--cpu", "101"},
                                                {"--concurrency", "5000"},
                                                {"--io", "5MB/s", "--batch-size", "-1"}}) {
    std::vector<std::string> words = {"limits", "last"};
    words.insert(words.end(), wrong.begin(), wrong.end());
    EXPECT_EQ(run(words).code, 2) << (wrong.empty() ? "none" : wrong.back());
  }
  EXPECT_EQ(json({"status", "last"})["limits"]["io"], 1000);
  EXPECT_EQ(run({"pause", "last"}).code, 0);
  EXPECT_EQ(copy.wait(milliseconds(5000)), 4);
}

/// Also those that were changed while it was paused, and those of an owner that was killed.
TEST_F(Control, ChangedLimitsOutliveAPauseAndAKill) {
  Process first(dunlin({"copy", path("src"), path("dst"), "--io-limit", "500B/s"}));
  ASSERT_TRUE(is_under_way());
  EXPECT_EQ(run({"limits", "last", "--io", "600B/s", "--concurrency", "3"}).code, 0);
  EXPECT_EQ(run({"priority", "last", "high"}).code, 0);
  EXPECT_EQ(run({"pause", "last"}).code, 0);
  EXPECT_EQ(first.wait(milliseconds(5000)), 4);
  Process second(dunlin({"resume", "last"}));
  ASSERT_TRUE(is_under_way());
  Json limits = json({"status", "last"})["limits"];
  EXPECT_EQ(limits["io"], 600);
  EXPECT_EQ(limits["concurrency"], 3);
  EXPECT_EQ(limits["priority"], "high");
  EXPECT_THAT(run({"status", "last"}).out, HasSubstr("priority    high"));
  second.signal(SIGKILL);
  EXPECT_EQ(second.wait(milliseconds(5000)), 128 + SIGKILL);
  const Finished paused = run({"limits", "last", "--io", "none"});
  EXPECT_EQ(paused.code, 0) << paused.err;
  EXPECT_THAT(paused.out, HasSubstr("next start"));
  EXPECT_EQ(status(), "paused");
  const Finished wrong = run({"priority", "last", "urgent"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("immediate, high, normal"));
  EXPECT_EQ(run({"resume", "last"}).code, 0);
  expect_whole();
  EXPECT_EQ(run({"limits", "last", "--io", "5MB/s"}).code, 2) << "it has ended";
}

/// What the others read of it: its weight among them, and the disks that it uses.
TEST_F(Control, ItsPriorityStandsWhereTheOthersAtTheSameDiskSeeIt) {
  const auto slot = [&](std::size_t number) {
    std::int64_t value = 0;
    std::ifstream board(state() + "/run/shares-1", std::ios::binary);
    board.seekg(static_cast<std::streamoff>(number * sizeof value));
    board.read(reinterpret_cast<char*>(&value), sizeof value);
    return value;
  };
  constexpr std::size_t kWeight = 4;
  constexpr std::size_t kFirstDevice = 8;
  Process copy(dunlin({"copy", path("src"), path("dst"), "--io-limit", "1kB/s"}));
  ASSERT_TRUE(is_under_way());
  EXPECT_TRUE(eventually([&] { return slot(kWeight) == 2; }));
  EXPECT_NE(slot(kFirstDevice), 0);
  EXPECT_EQ(run({"priority", "last", "high"}).code, 0);
  EXPECT_TRUE(eventually([&] { return slot(kWeight) == 4; }));
  EXPECT_TRUE(json({"status", "last"})["sharing"].is_null()) << "there is no other";
  copy.signal(SIGTERM);
  EXPECT_EQ(copy.wait(milliseconds(5000)), 4);
}

TEST_F(Control, CancelCleansUpAndLeavesWhatIsDone) {
  Process copy(slow_copy());
  ASSERT_TRUE(is_under_way());
  EXPECT_EQ(run({"cancel", "last"}).code, 0);
  EXPECT_EQ(copy.wait(milliseconds(5000)), 4);
  EXPECT_EQ(status(), "cancelled");
  EXPECT_TRUE(leftovers("dst").empty());
  const Finished again = run({"resume", "last"});
  EXPECT_EQ(again.code, 2);
  EXPECT_THAT(again.err, HasSubstr("allowed now: rollback"));
}

TEST_F(Control, APausedOneCanBeCancelledThoughNobodyOwnsIt) {
  Process copy(slow_copy());
  ASSERT_TRUE(is_under_way());
  copy.signal(SIGTERM);
  EXPECT_EQ(copy.wait(milliseconds(5000)), 4);
  EXPECT_EQ(run({"cancel", "last"}).code, 0);
  EXPECT_EQ(status(), "cancelled");
  EXPECT_TRUE(leftovers("dst").empty());
}

TEST_F(Control, KillMinusNineIsShownAsPausedInterruptedAndResumeCompletes) {
  Process copy(slow_copy());
  ASSERT_TRUE(is_under_way());
  copy.signal(SIGKILL);
  EXPECT_EQ(copy.wait(), 128 + SIGKILL);
  EXPECT_THAT(run({"ps"}).out, HasSubstr("paused (interrupted)"));
  EXPECT_EQ(json({"status", "last"})["interrupted"], true);
  EXPECT_EQ(resume().code, 0);
  expect_whole();
}

TEST_F(Control, InterruptPauses) {
  for (const int number : {SIGINT, SIGHUP}) {
    Process copy(number == SIGINT ? slow_copy() : dunlin({"resume", "last"}));
    ASSERT_TRUE(is_under_way());
    copy.signal(number);
    EXPECT_EQ(copy.wait(milliseconds(5000)), 4);
    EXPECT_EQ(status(), "paused");
  }
  EXPECT_EQ(resume().code, 0);
  expect_whole();
}

TEST_F(Control, ASecondInterruptStopsAtOnce) {
  Process copy(slow_copy());
  ASSERT_TRUE(is_under_way());
  copy.signal(SIGINT);
  copy.signal(SIGINT);
  EXPECT_EQ(copy.wait(milliseconds(2000)), 4);
  EXPECT_EQ(resume().code, 0);
  expect_whole();
}

TEST_F(Control, StopNowEndsItWithinASecondAndNothingIsLost) {
  Process copy(slow_copy());
  ASSERT_TRUE(is_under_way());
  EXPECT_EQ(run({"stop", "--now", "last"}).code, 0);
  EXPECT_EQ(copy.wait(milliseconds(2000)), 4);
  EXPECT_EQ(status(), "paused");
  EXPECT_EQ(resume().code, 0);
  expect_whole();
}

TEST_F(Control, AStoppedOwnerIsLiveIsWokenByResumeAndEndedByStopNow) {
  Process copy(slow_copy());
  ASSERT_TRUE(is_under_way());
  copy.signal(SIGSTOP);
  EXPECT_THAT(run({"ps"}).out, HasSubstr("running")) << "a stopped owner keeps its lock";
  EXPECT_EQ(run({"verify", "last"}).code, 2) << "nobody else gets it";
  EXPECT_EQ(run({"pause", "last"}).code, 0);
  EXPECT_TRUE(copy.running()) << "it cannot see the request yet";
  EXPECT_THAT(run({"status", "last"}).out, HasSubstr("pause requested"));
  copy.signal(SIGCONT);
  EXPECT_EQ(copy.wait(milliseconds(5000)), 4) << "the request has waited for it";

  Process again(dunlin({"resume", "last"}));
  ASSERT_TRUE(is_under_way());
  again.signal(SIGSTOP);
  EXPECT_EQ(run({"stop", "--now", "last"}).code, 0);
  EXPECT_EQ(again.wait(milliseconds(5000)), 128 + SIGKILL);
  EXPECT_EQ(resume().code, 0);
  expect_whole();
}

TEST_F(Control, AStoppedOwnerThatWasTakenOverChangesNothingAnyMore) {
  Process copy(slow_copy());
  ASSERT_TRUE(is_under_way());
  // Stopped in the midst of a write it holds the ledger, and nobody takes over: that is said.
  Finished resume;
  ASSERT_TRUE(eventually([&] {
    copy.signal(SIGSTOP);
    resume = run({"resume", "last", "--take-over"});
    if (resume.err.find("stands still while it writes") == std::string::npos) return true;
    copy.signal(SIGCONT);
    return false;
  }));
  EXPECT_EQ(resume.code, 0) << resume.err;
  expect_whole();
  copy.signal(SIGCONT);
  EXPECT_EQ(copy.wait(milliseconds(10'000)), 5) << copy.out() << copy.err();
  EXPECT_THAT(copy.err(), HasSubstr("this process has stopped writing"));
  EXPECT_THAT(copy.out(), Not(HasSubstr("completed"))) << "that was the new owner";
  expect_whole();
}

TEST_F(Control, ResumeOfALiveOneWatchesItAndTakesItsCode) {
  Process copy(slow_copy({"--detach"}));
  EXPECT_EQ(copy.wait(), 0);
  EXPECT_THAT(copy.out(), HasSubstr("dunlin watch 1"));
  EXPECT_EQ(json({"ps"})[0]["live"], true);
  Process watcher(dunlin({"resume", "last"}));
  ASSERT_TRUE(watcher.says("runs in another process"));
  EXPECT_EQ(run({"pause", "last"}).code, 0);
  EXPECT_EQ(watcher.wait(milliseconds(5000)), 4);
  EXPECT_EQ(run({"resume", "last", "--detach"}).code, 0);
  EXPECT_EQ(run({"watch", "last"}).code, 0);
  expect_whole();
}

TEST_F(Control, ADetachedOneLogsBesideItsLedger) {
  const auto lines = json_lines(run({"copy", path("src"), path("dst"), "--detach", "--json"}).out);
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(lines.back()["event"], "detached");
  EXPECT_EQ(run({"watch", "last", "--quiet"}).code, 0);
  EXPECT_TRUE(std::filesystem::exists(lines.back()["log"].get<std::string>()));
  expect_whole();
}

TEST_F(Control, TwoExecutionsThatWriteTheSameDestinationAreRefused) {
  Process copy(slow_copy());
  ASSERT_TRUE(is_under_way());
  make_tree("other", 3, 10);
  const Finished second = run({"copy", path("other") + "/", path("dst/src/below")});
  EXPECT_EQ(second.code, 5);
  EXPECT_THAT(second.err, HasSubstr("execution 1"));
  EXPECT_EQ(run({"copy", path("other"), path("elsewhere")}).code, 0);
  EXPECT_EQ(run({"pause", "1"}).code, 0);
  EXPECT_EQ(copy.wait(milliseconds(5000)), 4);
  EXPECT_EQ(run({"copy", path("other") + "/", path("dst/src")}).code, 5) << "it will be resumed";
  EXPECT_EQ(run({"cancel", "1"}).code, 0);
  EXPECT_EQ(run({"copy", path("other") + "/", path("dst/src")}).code, 0);
}

TEST_F(Control, ADeletedStateDatabaseIsBuiltAgainFromTheLedgers) {
  Process copy(slow_copy());
  ASSERT_TRUE(is_under_way());
  copy.signal(SIGKILL);
  EXPECT_EQ(copy.wait(), 128 + SIGKILL);
  for (const char* name : {"state/state.db", "state/state.db-wal", "state/state.db-shm"})
    std::filesystem::remove(path(name));
  EXPECT_THAT(run({"ps"}).out, HasSubstr("paused (interrupted)"));
  EXPECT_EQ(resume().code, 0);
  expect_whole();
  EXPECT_EQ(run({"doctor"}).code, 0);
}

TEST_F(Control, ADamagedStateDatabaseIsPutAsideAndBuiltAgain) {
  ASSERT_EQ(run({"copy", path("src"), path("dst")}).code, 0);
  for (const char* name : {"state/state.db-wal", "state/state.db-shm"})
    std::filesystem::remove(path(name));
  write("state/state.db", std::string(8192, 'x'));
  const Finished ps = run({"ps"});
  EXPECT_EQ(ps.code, 0);
  EXPECT_THAT(ps.out, HasSubstr("completed"));
  EXPECT_THAT(ps.err, HasSubstr("state.db"));
  const Finished doctor = run({"doctor", "--repair"});
  EXPECT_EQ(doctor.code, 0) << doctor.out << doctor.err;
  EXPECT_THAT(doctor.out, HasSubstr("lost with it: plans that were never run"));
  expect_whole();
}

TEST_F(Control, ADestinationInsideTheSourceIsRefusedBeforeAnythingIsDone) {
  const Finished done = run({"copy", path("src"), path("src/d1")});
  EXPECT_EQ(done.code, 3) << done.out << done.err;
  EXPECT_FALSE(std::filesystem::exists(path("src/d1/src")));
}

}  // namespace
}  // namespace dunlin::e2e
