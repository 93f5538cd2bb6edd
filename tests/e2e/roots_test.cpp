// Source and destination are the directories that the execution began with, or it pauses.
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdio>
#include <functional>

#include "e2e/world.h"

namespace dunlin::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Swap {
  const char* name;
  std::function<void(const std::string& root)> destination;  ///< of "dst"; puts "aside" beside it
};

class Roots : public World {
 protected:
  void start_and_pause() {
    make_tree("src", 40, 10'000);
    Process copy(dunlin(
        {"copy", path("src") + "/", path("dst"), "--io-limit", "200kB/s", "--batch-size", "5"}));
    ASSERT_TRUE(is_under_way());
    ASSERT_EQ(run({"pause", "last"}).code, 0);
    ASSERT_EQ(copy.wait(), 4);
  }
  void expect_root_changed(const Finished& done) {
    EXPECT_EQ(done.code, 4) << done.out << done.err;
    EXPECT_EQ(json({"status", "last"})["reason"]["type"], "root_changed")
        << json({"status", "last"}).dump(1);
    EXPECT_THAT(done.out, HasSubstr("mount the right one again"));
  }
  /// At once: what was there is "aside" then.
  void exchange_with_empty(const std::string& name) const {
    fs::create_directory(path("aside"));
    ASSERT_EQ(
        ::renameat2(AT_FDCWD, path(name).c_str(), AT_FDCWD, path("aside").c_str(), RENAME_EXCHANGE),
        0);
  }
  void put_back() {
    fs::remove_all(path("dst"));
    fs::rename(path("aside"), path("dst"));
  }
};

class RootsSwapped : public Roots, public ::testing::WithParamInterface<Swap> {};

TEST_P(RootsSwapped, BetweenPauseAndResumePausesAndWritesNothingThere) {
  start_and_pause();
  GetParam().destination(path(""));
  expect_root_changed(run({"resume", "last"}));
  EXPECT_THAT(leftovers("elsewhere"), IsEmpty());
  EXPECT_TRUE(!fs::exists(path("elsewhere")) || fs::is_empty(path("elsewhere")));
  put_back();
  EXPECT_EQ(run({"resume", "last"}).code, 0);
  EXPECT_EQ(difference("src", "dst"), "");
}

TEST_P(RootsSwapped, BetweenRunAndVerifyOrRollbackPausesAndTouchesNothingThere) {
  make_tree("src", 10, 100);
  ASSERT_EQ(run({"copy", path("src") + "/", path("dst")}).code, 0);
  GetParam().destination(path(""));
  const Finished verified = run({"verify", "last"});
  expect_root_changed(verified);
  put_back();
  EXPECT_EQ(run({"resume", "last"}).code, 0) << "verifies";
  EXPECT_EQ(run({"verify", "last"}).code, 0);
  GetParam().destination(path(""));
  expect_root_changed(run({"rollback", "last", "--yes"}));
  put_back();
  EXPECT_EQ(difference("src", "dst"), "");
  EXPECT_EQ(run({"rollback", "last", "--yes"}).code, 0);
  EXPECT_FALSE(fs::exists(path("dst")));
}

INSTANTIATE_TEST_SUITE_P(By, RootsSwapped,
                         ::testing::Values(Swap{"AnotherDirectory",
                                                [](const std::string& root) {
                                                  fs::rename(root + "dst", root + "aside");
                                                  fs::create_directory(root + "dst");
                                                }},
                                           Swap{"ACopyOfIt",
                                                [](const std::string& root) {
                                                  fs::rename(root + "dst", root + "aside");
                                                  fs::copy(root + "aside", root + "dst",
                                                           fs::copy_options::recursive);
                                                }},
                                           Swap{"ASymlink",
                                                [](const std::string& root) {
                                                  fs::rename(root + "dst", root + "aside");
                                                  fs::create_directory(root + "elsewhere");
                                                  fs::create_symlink("elsewhere", root + "dst");
                                                }},
                                           Swap{"AFile",
                                                [](const std::string& root) {
                                                  fs::rename(root + "dst", root + "aside");
                                                  fs::copy_file("/proc/self/cmdline", root + "dst");
                                                }},
                                           Swap{"Nothing",
                                                [](const std::string& root) {
                                                  fs::rename(root + "dst", root + "aside");
                                                }}),
                         [](const auto& tested) { return tested.param.name; });

TEST_F(Roots, ADestinationSwappedInMidRunPausesAndTheNewOneStaysEmpty) {
  make_tree("src", 40, 10'000);
  Process copy(dunlin(
      {"copy", path("src") + "/", path("dst"), "--io-limit", "200kB/s", "--batch-size", "5"}));
  ASSERT_TRUE(is_under_way());
  ASSERT_TRUE(eventually([&] { return fs::exists(path("dst")) && !fs::is_empty(path("dst")); }));
  exchange_with_empty("dst");
  EXPECT_EQ(copy.wait(), 4) << copy.out();
  EXPECT_THAT(copy.out(), HasSubstr("another one stands in its place"));
  EXPECT_TRUE(fs::is_empty(path("dst")));
  put_back();
  EXPECT_EQ(run({"resume", "last"}).code, 0);
  EXPECT_EQ(difference("src", "dst"), "");
}

TEST_F(Roots, ASourceSwappedInMidRunPauses) {
  make_tree("src", 40, 10'000);
  Process copy(dunlin(
      {"copy", path("src") + "/", path("dst"), "--io-limit", "200kB/s", "--batch-size", "5"}));
  ASSERT_TRUE(is_under_way());
  exchange_with_empty("src");
  EXPECT_EQ(copy.wait(), 4) << copy.out();
  EXPECT_THAT(copy.out(), HasSubstr("source directory"));
  fs::remove(path("src"));
  expect_root_changed(run({"resume", "last"}));
  fs::rename(path("aside"), path("src"));
  EXPECT_EQ(run({"resume", "last"}).code, 0);
  EXPECT_EQ(difference("src", "dst"), "");
}

TEST_F(Roots, ARetryInAnotherDestinationPauses) {
  make_tree("src", 5, 100);
  write("src/secret", "s");
  fs::permissions(path("src/secret"), fs::perms::none);
  if (::geteuid() == 0) GTEST_SKIP() << "root reads everything";
  ASSERT_EQ(run({"copy", path("src") + "/", path("dst")}).code, 1);
  fs::permissions(path("src/secret"), fs::perms::owner_all);
  fs::rename(path("dst"), path("aside"));
  fs::create_directory(path("dst"));
  expect_root_changed(run({"retry", "last"}));
  EXPECT_TRUE(fs::is_empty(path("dst")));
}

class RootsOnDisksNeedsRoot : public Roots {
 protected:
  void mount(const std::string& name) const {
    fs::create_directories(path(name));
    ASSERT_EQ(::mount("none", path(name).c_str(), "tmpfs", 0, "size=64m"), 0);
  }
  void TearDown() override {
    static_cast<void>(run({"stop", "--now", "--all", "--quiet"}));
    for (const char* name : {"src", "dst", "elsewhere"})
      while (::umount2(path(name).c_str(), MNT_DETACH) == 0) {
      }
  }
  /// Takes the mount away and keeps it: "elsewhere".
  void move_mount(const std::string& from, const std::string& to) const {
    fs::create_directories(path(to));
    ASSERT_EQ(::mount(path(from).c_str(), path(to).c_str(), nullptr, MS_MOVE, nullptr), 0);
  }
};

TEST_F(RootsOnDisksNeedsRoot, AnUnmountedDestinationPausesAndIsNotWrittenBelow) {
  mount("dst");
  start_and_pause();
  move_mount("dst", "elsewhere");
  expect_root_changed(run({"resume", "last"}));
  EXPECT_TRUE(fs::is_empty(path("dst")));
  move_mount("elsewhere", "dst");
  EXPECT_EQ(run({"resume", "last"}).code, 0);
  EXPECT_EQ(difference("src", "dst"), "");
}

TEST_F(RootsOnDisksNeedsRoot, AnUnmountedSourceThatLooksEmptyPauses) {
  mount("src");
  start_and_pause();
  move_mount("src", "elsewhere");
  ASSERT_TRUE(fs::is_empty(path("src")));
  expect_root_changed(run({"resume", "last"}));
  move_mount("elsewhere", "src");
  EXPECT_EQ(run({"resume", "last"}).code, 0);
  EXPECT_EQ(difference("src", "dst"), "");
}

TEST_F(RootsOnDisksNeedsRoot, AMountPutOverTheDestinationInMidRunPauses) {
  make_tree("src", 40, 10'000);
  Process copy(dunlin(
      {"copy", path("src") + "/", path("dst"), "--io-limit", "200kB/s", "--batch-size", "5"}));
  ASSERT_TRUE(is_under_way());
  mount("dst");
  EXPECT_EQ(copy.wait(), 4) << copy.out();
  EXPECT_THAT(copy.out(), HasSubstr("another one stands in its place"));
  EXPECT_TRUE(fs::is_empty(path("dst")));
  ASSERT_EQ(::umount2(path("dst").c_str(), MNT_DETACH), 0);
  EXPECT_EQ(run({"resume", "last"}).code, 0);
  EXPECT_EQ(difference("src", "dst"), "");
}

}  // namespace
}  // namespace dunlin::e2e
