// Symlinks that are followed below a source root: what they reach, and what they must never reach.
#include <atomic>
#include <chrono>
#include <thread>

#include "fs/copy.h"
#include "fs/fixture.h"
#include "fs/inode.h"

namespace dunlin::fs::testing {
namespace {

/// With openat2, and with the walk that stands in for it.
class FsFollow : public ::testing::TestWithParam<bool> {
 protected:
  Directory root(Follow follow) const {
    Features features;
    features.openat2 = GetParam();
    auto opened = Directory::open_root(scratch.file("root"), Side::source, features, follow);
    EXPECT_TRUE(opened.ok()) << opened.error().text();
    return std::move(opened).value();
  }
  void link(const std::string& target, const std::string& name) const {
    stdfs::create_symlink(target, scratch.file("root/" + name));
  }
  void make() const {
    stdfs::create_directories(scratch.file("root/a/b"));
    stdfs::create_directories(scratch.file("outside/sub"));
    write(scratch.file("root/a/b/f"), "inside");
    write(scratch.file("outside/f"), "secret");
    write(scratch.file("outside/sub/f"), "secret");
  }
  static std::string content(const Directory& directory, std::string_view name) {
    const auto file = directory.open_file(name, O_RDONLY);
    if (!file.ok()) return "error: " + file.error().native.code;
    char bytes[16] = {};
    const ssize_t got = ::read(file->get(), bytes, sizeof bytes);
    return {bytes, static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
  }
  const ScratchDirectory scratch;
};
INSTANTIATE_TEST_SUITE_P(Openat2, FsFollow, ::testing::Bool());

TEST_P(FsFollow, InTreeTakesALinkForWhatItPointsToInsideTheRoot) {
  make();
  link("a/b/f", "file");
  link("a/b", "directory");
  link("directory/f", "by another link");
  link("../../a/./b//f", "a/b/up and down");
  link(scratch.file("root/a/b/f"), "absolute");
  link(scratch.file("root/a/../a/b/f"), "absolute with dots");
  link("../directory/f", "a/up to a link");
  const Directory at = root(Follow::in_tree);
  const std::uint64_t inode = root(Follow::never).open_directory("a/b")->info("f")->inode;
  for (const char* name : {"file", "by another link", "absolute", "absolute with dots"}) {
    const auto info = at.info(name);
    ASSERT_TRUE(info.ok()) << name << info.error().text();
    EXPECT_EQ(info->type, EntryType::file) << name;
    EXPECT_EQ(info->inode, inode) << name;
    EXPECT_EQ(content(at, name), "inside") << name;
  }
  const auto deep = at.open_directory("directory");
  ASSERT_TRUE(deep.ok()) << deep.error().text();
  EXPECT_EQ(deep->follow(), Follow::in_tree) << "what lies below follows as well";
  EXPECT_EQ(content(*deep, "f"), "inside");
  EXPECT_EQ(content(*deep, "up and down"), "inside")
      << "a link starts from where it really is, not from the name it was reached by";
  EXPECT_EQ(content(*at.open_directory("a"), "up to a link"), "inside");
  EXPECT_EQ(*at.read_link("file"), "a/b/f") << "its text is the link's own";
}

TEST_P(FsFollow, InTreeLeavesALinkThatLeadsOutOrNowhereALink) {
  make();
  link("../outside/f", "out");
  link("../root/a/b/f", "out and in again");
  link("a/../../outside", "out by a directory");
  link("../a/b/f", "out, to a name that is here too");
  link(scratch.file("outside/f"), "absolute");
  link(scratch.path() + "/outside/../root/a/b/f", "absolute by another way");
  link("absent", "dangling");
  link("circle two", "circle one");
  link("circle one", "circle two");
  link("a/b/f/", "a file with a slash");
  link("a/b/f/x", "below a file");
  link(std::string(300, 'x'), "too long");
  const Directory at = root(Follow::in_tree);
  for (const char* name :
       {"out", "out and in again", "out by a directory", "out, to a name that is here too",
        "absolute", "absolute by another way", "dangling", "circle one", "a file with a slash",
        "below a file", "too long"}) {
    const auto info = at.info(name);
    ASSERT_TRUE(info.ok()) << name << info.error().text();
    EXPECT_EQ(info->type, EntryType::symlink) << name;
    EXPECT_EQ(content(at, name), "error: ELOOP") << name;
    EXPECT_FALSE(at.open_directory(name).ok()) << name;
    EXPECT_FALSE(at.open_directory(std::string(name) + "/sub").ok()) << name;
    const auto node = open_node(at, name);
    ASSERT_TRUE(node.ok()) << name;
    EXPECT_EQ(info_of(node->get(), name, Side::source)->type, EntryType::symlink) << name;
  }
}

TEST_P(FsFollow, AlwaysFollowsWhereverALinkLeads) {
  make();
  link("../outside/f", "out");
  link("../outside", "directory");
  link("absent", "dangling");
  link("circle", "circle");
  const Directory at = root(Follow::always);
  EXPECT_EQ(content(at, "out"), "secret");
  EXPECT_EQ(at.info("out")->type, EntryType::file);
  const auto below = at.open_directory("directory/sub");
  ASSERT_TRUE(below.ok()) << below.error().text();
  EXPECT_EQ(content(*below, "f"), "secret");
  for (const char* name : {"dangling", "circle"}) {
    const auto found = at.find(name);
    ASSERT_FALSE(found.ok()) << name << ": a link that leads nowhere is no absence";
    EXPECT_EQ(found.error().type, ErrorType::unsupported_item) << name;
    EXPECT_THAT(found.error().remediation, ::testing::HasSubstr("--exclude"));
  }
  EXPECT_FALSE(at.find("absent")->has_value());
}

/// More links on one path than the kernel follows in one call.
TEST_P(FsFollow, APathThroughManyLinksIsWalkedNameByName) {
  make();
  stdfs::create_directories(scratch.file("root/d"));
  link("../d", "d/again");
  std::string path = "d";
  for (int n = 0; n < 60; ++n) path += "/again";
  EXPECT_TRUE(root(Follow::always).open_directory(path).ok());
  EXPECT_FALSE(root(Follow::never).open_directory(path).ok());
}

/// Trap 5: nothing that a link leads to may block or be taken for a file.
TEST_P(FsFollow, AFifoBehindALinkNeverBlocks) {
  make();
  ASSERT_EQ(::mkfifo(scratch.file("root/a/fifo").c_str(), 0600), 0);
  link("a/fifo", "link");
  for (const Follow follow : {Follow::in_tree, Follow::always}) {
    const Directory at = root(follow);
    EXPECT_EQ(at.info("link")->type, EntryType::fifo);
    const auto opened = at.open_file("link", O_RDONLY);
    ASSERT_TRUE(opened.ok());
    EXPECT_EQ(info_of(opened->get(), "fifo", Side::source)->type, EntryType::fifo);
  }
}

/// Trap 6: a directory on the way, and the link itself, swapped for what leads out.
TEST_P(FsFollow, ARaceNeverLeadsOutOfTheTree) {
  make();
  stdfs::create_directories(scratch.file("root/real"));
  write(scratch.file("root/real/f"), "inside");
  link("../outside", "planted");
  link("real/f", "link");
  link("../outside/f", "other");
  std::atomic<bool> stop{false};
  const auto exchange = [&](const char* one, const char* two) {
    ::renameat2(AT_FDCWD, scratch.file("root/" + std::string(one)).c_str(), AT_FDCWD,
                scratch.file("root/" + std::string(two)).c_str(), RENAME_EXCHANGE);
  };
  std::thread attacker([&] {
    for (unsigned turn = 0; !stop; ++turn) {
      exchange("real", "planted");
      if (turn % 7 == 0) exchange("link", "other");
    }
  });
  const Directory at = root(Follow::in_tree);
  int inside = 0;
  int refused = 0;
  int secrets = 0;
  // As long as it takes for both to have happened often, on however busy a machine.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while ((inside < 300 || refused < 300) && std::chrono::steady_clock::now() < end) {
    const std::string read = content(at, "link");
    ++(read == "secret" ? secrets : read == "inside" ? inside : refused);
    const auto directory = at.open_directory("real");
    if (directory.ok() && content(*directory, "f") == "secret") ++secrets;
  }
  stop = true;
  attacker.join();
  EXPECT_EQ(secrets, 0);
  EXPECT_GT(inside, 0);
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace dunlin::fs::testing
