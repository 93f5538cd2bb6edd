// Several sources in one command: what the user sees, and that it is one execution in everything.
#include <csignal>

#include "base/file_io.h"
#include "e2e/world.h"

namespace dunlin::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Several : public World {
 protected:
  void make_sources() {
    make_tree("x/photos", 30, 3000);
    make_tree("y/music", 30, 3000);
    write("z/list.txt", "a list\n");
  }
  [[nodiscard]] std::vector<std::string> words(const std::string& verb,
                                               std::vector<std::string> more = {}) const {
    std::vector<std::string> all{verb, path("x/photos"), path("y/music"), path("z/list.txt"),
                                 path("dst")};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

TEST_F(Several, AreCopiedVerifiedAndTakenBackAsOne) {
  make_sources();
  const Finished done = run(words("copy"));
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_THAT(done.out, HasSubstr("completed: copy " + path("x/photos") + ", " + path("y/music") +
                                  ", " + path("z/list.txt") + " to " + path("dst")));
  EXPECT_THAT(done.out, HasSubstr("all 61 files compared equal"));
  EXPECT_EQ(difference("x/photos", "dst/photos"), "");
  EXPECT_EQ(difference("y/music", "dst/music"), "");
  EXPECT_EQ(*read_file(path("dst/list.txt")), "a list\n");
  EXPECT_EQ(run({"verify", "1"}).code, 0);
  const Json again = json(words("copy"));
  EXPECT_EQ(again["progress"]["skipped_files"], 61) << again.dump(1);
  EXPECT_EQ(run({"rollback", "2", "--yes"}).code, 0);
  EXPECT_EQ(run({"rollback", "1", "--yes"}).code, 0);
  EXPECT_FALSE(fs::exists(path("dst")));
}

TEST_F(Several, AreMovedAndAllComeBack) {
  make_sources();
  fs::create_directory(path("before"));
  fs::copy(path("x"), path("before/x"), fs::copy_options::recursive);
  fs::copy(path("y"), path("before/y"), fs::copy_options::recursive);
  const Finished done = run(words("move", {"--delete-empty-src-dirs"}));
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(difference("before/x/photos", "dst/photos"), "");
  EXPECT_EQ(difference("before/y/music", "dst/music"), "");
  EXPECT_TRUE(fs::is_empty(path("x/photos")));
  EXPECT_TRUE(fs::is_empty(path("y/music")));
  EXPECT_TRUE(fs::is_empty(path("z")));
  EXPECT_EQ(run({"verify", "1"}).code, 0);
  EXPECT_EQ(run({"rollback", "1", "--yes"}).code, 0);
  EXPECT_EQ(difference("before/x", "x"), "");
  EXPECT_EQ(difference("before/y", "y"), "");
  EXPECT_EQ(*read_file(path("z/list.txt")), "a list\n");
  EXPECT_FALSE(fs::exists(path("dst")));
}

/// A disk that was taken out and is put in again after the rollback.
TEST_F(Several, AFurtherRollbackBringsBackWhatTheFirstHadNoPlaceFor) {
  make_sources();
  fs::create_directory(path("before"));
  fs::copy(path("x"), path("before/x"), fs::copy_options::recursive);
  fs::copy(path("y"), path("before/y"), fs::copy_options::recursive);
  fs::create_directory(path("y/music/none"));
  fs::create_directory(path("before/y/music/none"));
  fs::create_directory(path("dst"));
  const auto old = fs::file_time_type::clock::now() - std::chrono::hours(48);
  const std::vector<std::string> dated{"y/music/d1", "y/music/none", "y/music", "dst"};
  for (const std::string& name : dated) fs::last_write_time(path(name), old);
  ASSERT_EQ(run(words("move", {"--delete-empty-src-dirs"})).code, 0);
  fs::rename(path("y/music"), path("y/aside"));
  const Finished first = run({"rollback", "1", "--yes"});
  EXPECT_EQ(first.code, 1) << first.out << first.err;
  EXPECT_THAT(first.out, HasSubstr("left alone  30 files"));
  EXPECT_THAT(first.out, HasSubstr("dunlin rollback 1"));
  EXPECT_EQ(difference("before/x", "x"), "");
  EXPECT_EQ(difference("before/y/music", "dst/music"), "");
  EXPECT_EQ(run({"rollback", "1", "--yes"}).code, 1) << "the disk is still out";
  EXPECT_EQ(difference("before/y/music", "dst/music"), "");

  fs::rename(path("y/aside"), path("y/music"));
  const Finished second = run({"rollback", "1", "--yes"});
  EXPECT_EQ(second.code, 0) << second.out << second.err;
  EXPECT_EQ(difference("before/x", "x"), "");
  EXPECT_EQ(difference("before/y", "y"), "");
  EXPECT_TRUE(fs::is_empty(path("dst")));
  for (const std::string& name : dated) EXPECT_EQ(fs::last_write_time(path(name)), old) << name;
  const Finished third = run({"rollback", "1", "--yes"});
  EXPECT_EQ(third.code, 0) << third.out << third.err;
  EXPECT_THAT(third.out, HasSubstr("nothing is left to take back"));
}

/// Killed while both are under way; between the lives one of the sources is another directory.
TEST_F(Several, GoOnAfterAKillUnlessOneOfThemIsAnother) {
  make_sources();
  Process copy(dunlin(words("copy", {"--io-limit", "60kB/s", "--batch-size", "5"})));
  ASSERT_TRUE(is_under_way());
  copy.signal(SIGKILL);
  EXPECT_EQ(copy.wait(), 128 + SIGKILL);
  fs::rename(path("y/music"), path("y/aside"));
  fs::create_directory(path("y/music"));
  const Finished refused = run({"resume", "last"});
  EXPECT_EQ(refused.code, 4) << refused.out << refused.err;
  const Json status = json({"status", "last"});
  EXPECT_EQ(status["reason"]["type"], "root_changed") << status.dump(1);
  EXPECT_THAT(status["reason"].dump(), HasSubstr(path("y/music")));
  fs::remove(path("y/music"));
  fs::rename(path("y/aside"), path("y/music"));
  EXPECT_EQ(run({"resume", "last"}).code, 0);
  EXPECT_EQ(difference("x/photos", "dst/photos"), "");
  EXPECT_EQ(difference("y/music", "dst/music"), "");
  EXPECT_THAT(leftovers("dst"), IsEmpty());
}

/// Nothing at the destination tells any more that it was a file.
TEST_F(Several, AFileComesBackFromBesideADirectoryOfItsName) {
  for (const bool alone : {false, true}) {
    SCOPED_TRACE(alone);
    make_sources();
    fs::create_directories(path("dst/list.txt/theirs"));
    std::vector<std::string> move = words("move", {"--conflict", "keep_both"});
    if (alone) move.erase(move.begin() + 1, move.begin() + 3);
    ASSERT_EQ(run(move).code, 0);
    EXPECT_EQ(*read_file(path("dst/list (2).txt")), "a list\n");
    EXPECT_FALSE(fs::exists(path("z/list.txt")));
    const Finished verified = run({"verify", "last"});
    EXPECT_EQ(verified.code, 0) << verified.out << verified.err;
    const Finished back = run({"rollback", "last", "--yes"});
    EXPECT_EQ(back.code, 0) << back.out << back.err;
    ASSERT_TRUE(fs::exists(path("z/list.txt")));
    EXPECT_EQ(*read_file(path("z/list.txt")), "a list\n");
    EXPECT_TRUE(fs::is_directory(path("dst/list.txt/theirs")));
    EXPECT_FALSE(fs::exists(path("dst/list (2).txt")));
    fs::remove_all(path("dst"));
  }
}

TEST_F(Several, DoWithFewDescriptors) {
  std::vector<std::string> copy{"copy"};
  for (int n = 0; n < 500; ++n) {
    const std::string number = std::to_string(n);
    write("in " + number + "/tree " + number + "/f", "content of " + number);
    copy.push_back(path("in " + number + "/tree " + number));
  }
  copy.push_back(path("dst"));
  ProcessOptions few = dunlin(copy);
  few.words.insert(few.words.begin(), {"/bin/sh", "-c", R"(ulimit -n 64; exec "$@")", "sh"});
  const Finished done = testing::run_process(few);
  ASSERT_EQ(done.code, 0) << done.out << done.err;
  for (const int n : {0, 250, 499}) {
    const std::string number = std::to_string(n);
    EXPECT_EQ(*read_file(path("dst/tree " + number + "/f")), "content of " + number);
  }
  EXPECT_EQ(run({"rollback", "last", "--yes"}).code, 0);
  EXPECT_FALSE(fs::exists(path("dst")));
}

TEST_F(Several, TheStateDirectoryIsNoSourceAndNoDestination) {
  make_sources();
  const auto refused = [&](const std::vector<std::string>& words) {
    const Finished done = run(words);
    EXPECT_EQ(done.code, 3) << done.out << done.err;
    EXPECT_THAT(done.out + done.err, HasSubstr("dunlin's own state directory"));
    EXPECT_THAT(done.out + done.err, HasSubstr("--state DIR"));
  };
  ASSERT_EQ(run({"copy", path("z/list.txt"), path("z/copy")}).code, 0) << "there is a state";
  refused({"copy", state(), path("dst")});
  refused({"move", path("x/photos"), state(), path("dst")});
  refused({"copy", path("x/photos"), state()});
  EXPECT_FALSE(fs::exists(path("dst")));
  EXPECT_EQ(run({"ps", "--all"}).code, 0) << "it is whole";
}

/// In words of `source_path > destination_path`, of files alone.
TEST_F(Several, TheViewOfFileOperationsShowsWhereEachCameFromAndWentTo) {
  make_sources();
  write("dst/list.txt", "stands there");
  fs::create_directories(path("into"));
  const auto shown = [&](const std::vector<std::string>& words) {
    const std::string ledger =
        state() + "/executions/" + json(words)["execution_id"].get<std::string>() + "/ledger.db";
    const Finished view = testing::run_process(
        {{"/usr/bin/sqlite3", ledger,
          "SELECT source_path || ' > ' || destination_path FROM file_operations "
          "WHERE file_size > 0 ORDER BY 1"},
         {},
         "",
         0});
    return view.out.substr(0, view.out.find('\n')) + view.err;
  };
  const auto goes = [&](const std::string& from, const std::string& to) {
    return path(from) + " > " + path(to);
  };
  EXPECT_EQ(shown({"copy", path("x/photos"), path("into")}),
            goes("x/photos/d0/f0", "into/photos/d0/f0"));
  EXPECT_EQ(shown({"copy", path("x/photos/"), path("into")}), goes("x/photos/d0/f0", "into/d0/f0"));
  EXPECT_EQ(shown({"copy", path("z/list.txt"), path("into")}), goes("z/list.txt", "into/list.txt"));
  EXPECT_EQ(shown({"copy", path("z/list.txt"), path("into/other")}),
            goes("z/list.txt", "into/other"));
  EXPECT_EQ(shown({"copy", path("z/list.txt"), path("dst"), "--conflict", "keep_both"}),
            goes("z/list.txt", "dst/list (2).txt"));
  EXPECT_EQ(shown(words("copy")), goes("x/photos/d0/f0", "dst/photos/d0/f0"));
  write("dst/music/d0/f0", "another");
  EXPECT_EQ(
      shown({"copy", path("y/music"), path("z/list.txt"), path("dst"), "--conflict", "keep_both"}),
      goes("y/music/d0/f0", "dst/music/d0/f0 (2)"));
}

TEST_F(Several, WhatCannotBeIsRefusedBeforeAnythingHappens) {
  make_sources();
  make_tree("other/photos", 1, 10);
  const auto refused = [&](std::vector<std::string> words, const std::string& why) {
    const Finished done = run(words);
    EXPECT_EQ(done.code, 2) << done.out << done.err;
    EXPECT_THAT(done.err, HasSubstr(why));
    EXPECT_FALSE(fs::exists(path("dst")));
  };
  refused({"copy", path("x/photos"), path("other/photos"), path("dst")}, "both arrive as 'photos'");
  refused({"copy", path("x/photos") + "/", path("y/music"), path("dst")},
          "without a slash at its end");
  refused({"copy", path("x/photos"), path("x/photos"), path("dst")}, "given twice");
  refused({"copy", path("x/photos"), path("gone"), path("dst")}, path("gone"));
  refused({"copy", path("x/photos"), path("y/music"), path("z/list.txt")}, "is no directory");
  const Finished into = run({"copy", path("x/photos"), path("y/music"), path("y/music/new")});
  EXPECT_EQ(into.code, 3) << into.out << into.err;
  EXPECT_THAT(into.out + into.err, HasSubstr("copied into itself"));
}

}  // namespace
}  // namespace dunlin::e2e
