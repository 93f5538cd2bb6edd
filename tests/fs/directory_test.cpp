// Handles: what they reach, and what they must never reach.
#include "fs/directory.h"

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "fs/fixture.h"
#include "support/process.h"

namespace dunlin::fs::testing {
namespace {

/// With openat2, and with the walk that stands in for it.
class FsDirectory : public ::testing::TestWithParam<bool> {
 protected:
  Features features() const {
    Features features;
    features.openat2 = GetParam();
    return features;
  }
  ScratchDirectory scratch;
};
INSTANTIATE_TEST_SUITE_P(Openat2, FsDirectory, ::testing::Bool());

TEST_P(FsDirectory, ASymlinkOnTheWayIsRefusedAtEveryDepth) {
  stdfs::create_directories(scratch.file("root/a/b/c"));
  stdfs::create_directories(scratch.file("outside/b/c"));
  stdfs::create_symlink(scratch.file("outside"), scratch.file("root/absolute"));
  stdfs::create_symlink("../outside", scratch.file("root/relative"));
  stdfs::create_symlink("a", scratch.file("root/harmless"));
  stdfs::create_symlink("/", scratch.file("root/a/slash"));
  const Directory root = open(scratch.file("root"), features());
  EXPECT_TRUE(root.open_directory("a/b/c").ok());
  for (const char* path : {"absolute", "absolute/b", "absolute/b/c", "relative", "relative/b",
                           "harmless", "harmless/b", "a/slash", "a/slash/etc"}) {
    EXPECT_EQ(type_of(root.open_directory(path)), ErrorType::destination_exists) << path;
  }
  const Directory source = open(scratch.file("root"), features(), Side::source);
  EXPECT_EQ(type_of(source.open_directory("absolute/b")), ErrorType::source_changed);
}

TEST_P(FsDirectory, PathsThatAreNoPlainNamesAreRefused) {
  stdfs::create_directories(scratch.file("root/a"));
  const Directory root = open(scratch.file("root"), features());
  for (const char* path : {"..", "a/..", "../root", ".", "a/.", "/", "/etc", "a//b", "a/"}) {
    EXPECT_FALSE(root.open_directory(path).ok()) << path;
  }
  for (const std::string name : {"", ".", "..", "a/b", "/etc/passwd"}) {
    EXPECT_FALSE(root.open_file(name, O_RDONLY).ok()) << name;
    EXPECT_FALSE(root.find(name).ok()) << name;
    EXPECT_FALSE(root.make_directory(name, 0700).ok()) << name;
    EXPECT_FALSE(root.make_symlink("x", name).ok()) << name;
    EXPECT_FALSE(root.remove_file(name).ok()) << name;
    EXPECT_FALSE(root.remove_directory(name).ok()) << name;
    EXPECT_FALSE(root.read_link(name).ok()) << name;
  }
  EXPECT_FALSE(root.find(std::string("a\0b", 3)).ok());
}

TEST_P(FsDirectory, AFileIsNeverOpenedThroughASymlinkAndAFifoNeverBlocks) {
  write(scratch.file("secret"), "x");
  stdfs::create_symlink("secret", scratch.file("link"));
  ASSERT_EQ(::mkfifo(scratch.file("fifo").c_str(), 0600), 0);
  const Directory root = open(scratch.path(), features());
  EXPECT_FALSE(root.open_file("link", O_RDONLY).ok());
  EXPECT_FALSE(root.open_file("link", O_WRONLY | O_CREAT, 0600).ok());
  const auto fifo = root.open_file("fifo", O_RDONLY);
  ASSERT_TRUE(fifo.ok());
  EXPECT_EQ(info_of(fifo->get(), "fifo", Side::source)->type, EntryType::fifo);
}

TEST_P(FsDirectory, PathsLongerThanPathMax) {
  const std::string part(251, 'd');
  std::string path;
  for (int depth = 0; depth < 40; ++depth) {
    const Directory parent =
        depth == 0 ? open(scratch.path(), features())
                   : std::move(open(scratch.path(), features()).open_directory(path)).value();
    ASSERT_TRUE(is_ok(parent.make_directory(part, 0700)));
    path += (path.empty() ? "" : "/") + part;
  }
  ASSERT_GT(path.size(), 10'000U);
  const auto deep = open(scratch.path(), features()).open_directory(path);
  ASSERT_TRUE(deep.ok()) << deep.error().text();
  EXPECT_TRUE(deep->open_file("f", O_CREAT | O_WRONLY, 0600).ok());
  // As a root that a person names.
  const auto root = Directory::open_root(scratch.path() + "/" + path, Side::source, features());
  ASSERT_TRUE(root.ok()) << root.error().text();
  EXPECT_EQ(root->inode(), deep->inode());
}

TEST_P(FsDirectory, ARaceBetweenDirectoryAndSymlinkNeverLeadsOut) {
  stdfs::create_directories(scratch.file("root/real"));
  stdfs::create_directories(scratch.file("outside/real"));
  write(scratch.file("outside/real/marker"), "x");
  stdfs::create_symlink(scratch.file("outside/real"), scratch.file("root/planted"));
  std::atomic<bool> stop{false};
  std::thread attacker([&] {
    while (!stop) {
      ::renameat2(AT_FDCWD, scratch.file("root/real").c_str(), AT_FDCWD,
                  scratch.file("root/planted").c_str(), RENAME_EXCHANGE);
    }
  });
  const Directory root = open(scratch.file("root"), features());
  int opened = 0;
  int refused = 0;
  // As long as it takes for both to have happened often, on however busy a machine.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while ((opened < 300 || refused < 300) && std::chrono::steady_clock::now() < end) {
    const auto directory = root.open_directory("real");
    if (!directory.ok()) {
      ++refused;
      if (refused > 300) std::this_thread::yield();
      continue;
    }
    ++opened;
    EXPECT_FALSE(directory->find("marker")->has_value());
  }
  stop = true;
  attacker.join();
  EXPECT_GT(opened, 0);
  EXPECT_GT(refused, 0);
}

TEST(FsListing, StreamsEveryEntryOnceWithoutDots) {
  const ScratchDirectory scratch;
  std::set<std::string> expected;
  for (int n = 0; n < 3000; ++n) {
    const std::string name = "a rather long name to fill several buffers " + std::to_string(n);
    write(scratch.file(name), "");
    expected.insert(name);
  }
  for (const std::string& name :
       {std::string("new\nline"), std::string("\xff\xfe"), std::string(255, 'x')}) {
    write(scratch.file(name), "");
    expected.insert(name);
  }
  const Directory directory = open(scratch.path());
  for (int pass = 0; pass < 2; ++pass) {
    auto listing = Listing::open(directory);
    ASSERT_TRUE(listing.ok());
    std::set<std::string> found;
    while (true) {
      const auto entry = listing->next();
      ASSERT_TRUE(entry.ok());
      if (!*entry) break;
      EXPECT_TRUE(found.emplace((*entry)->name).second);
      EXPECT_NE((*entry)->inode, 0U);
    }
    EXPECT_EQ(found, expected);
  }
}

TEST(FsListing, AnUnreadableDirectoryIsAnErrorAndNotEmpty) {
  if (::geteuid() == 0) GTEST_SKIP() << "root reads everything";
  const ScratchDirectory scratch;
  stdfs::create_directory(scratch.file("d"));
  const Directory directory = open(scratch.file("d"));
  ASSERT_EQ(::chmod(scratch.file("d").c_str(), 0), 0);
  EXPECT_EQ(type_of(Listing::open(directory)), ErrorType::permission_denied);
  ASSERT_EQ(::chmod(scratch.file("d").c_str(), 0700), 0);
}

TEST(FsDirectoryInfo, TellsTypesTimesAndAbsence) {
  const ScratchDirectory scratch;
  write(scratch.file("f"), "12345");
  ASSERT_EQ(::chmod(scratch.file("f").c_str(), 04755), 0);
  const timespec times[2] = {{-77, 5}, {7'000'000'000, 999'999'999}};
  ASSERT_EQ(::utimensat(AT_FDCWD, scratch.file("f").c_str(), times, 0), 0);
  stdfs::create_symlink("no such thing", scratch.file("l"));
  const Directory directory = open(scratch.path());
  const auto file = directory.info("f");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->type, EntryType::file);
  EXPECT_EQ(file->size, 5);
  EXPECT_EQ(file->mode, 04755U);
  EXPECT_EQ(file->mtime, (Time{7'000'000'000, 999'999'999}));
  EXPECT_EQ(file->atime, (Time{-77, 5}));
  EXPECT_EQ(directory.info("l")->type, EntryType::symlink);
  EXPECT_EQ(*directory.read_link("l"), "no such thing");
  EXPECT_FALSE(directory.find("absent")->has_value());
  EXPECT_EQ(type_of(directory.info("absent")), ErrorType::destination_changed);
  EXPECT_EQ(type_of(open(scratch.path(), {}, Side::source).info("absent")),
            ErrorType::source_vanished);
  EXPECT_TRUE(is_ok(directory.remove_file("absent")));
  EXPECT_TRUE(is_ok(directory.remove_directory("absent")));
}

TEST(FsDirectoryInfo, ThatItWasEmptyIsBelievedForASecondAndAskedOnce) {
  const ScratchDirectory scratch;
  stdfs::create_directories(scratch.file("empty"));
  stdfs::create_directories(scratch.file("full/below"));
  const Directory full = open(scratch.file("full"));
  EXPECT_FALSE(full.was_empty());
  stdfs::remove(scratch.file("full/below"));
  EXPECT_FALSE(full.was_empty()) << "what it says is that nobody need look";

  const Directory empty = open(scratch.file("empty"));
  EXPECT_TRUE(empty.was_empty());
  write(scratch.file("empty/file"), "x");
  EXPECT_TRUE(dunlin::testing::eventually([&] { return !empty.was_empty(); }));
  EXPECT_FALSE(open(scratch.file("empty")).was_empty()) << "another handle asks for itself";
}

TEST(FsDirectoryCache, KeepsFewDescriptorsForManyDirectories) {
  const ScratchDirectory scratch;
  for (int n = 0; n < 200; ++n) stdfs::create_directories(scratch.file("r/" + std::to_string(n)));
  DirectoryCache cache(std::make_shared<const Directory>(open(scratch.file("r"))), 8);
  const auto descriptors = [] {
    return std::distance(stdfs::directory_iterator("/proc/self/fd"), stdfs::directory_iterator());
  };
  const auto before = descriptors();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int n = 0; n < 800; ++n) {
        const auto handle = cache.get(std::to_string((n * (t + 1)) % 200));
        ASSERT_TRUE(handle.ok());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_LE(descriptors(), before + 8);
  EXPECT_FALSE(cache.get("absent").ok());
  EXPECT_EQ(cache.get("")->get(), &cache.root());
}

}  // namespace
}  // namespace dunlin::fs::testing
