// The judge is judged: copies by programs that keep everything are equal, and each single thing
// that a copy can lose is found, by one line with its path.
#include "support/tree_compare.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/adversarial_tree.h"

namespace dunlin::testing {
namespace {

using Lines = std::vector<std::string>;

class Trees : public ::testing::Test {
 protected:
  explicit Trees(const std::string& parent = std::filesystem::temp_directory_path()) {
    base = parent + "/dunlin-judge-XXXXXX";
    if (::mkdtemp(base.data()) == nullptr) throw std::runtime_error("no directory for the test");
    base += "/";
  }
  ~Trees() override { remove_tree(base); }

  std::string make(const std::string& name, const AdversarialOptions& options = {}) const {
    const std::string path = folder(name);
    make_adversarial_tree(path, options);
    return path;
  }
  std::string folder(const std::string& name) const {
    EXPECT_EQ(::mkdir((base + name).c_str(), 0700), 0) << name;
    return base + name;
  }

  std::string base;
};
/// In memory: 6000 directories cost ext4 ten seconds on a busy disk.
class TreeCompareDepth : public Trees {
 protected:
  TreeCompareDepth()
      : Trees(::access("/dev/shm", W_OK) == 0 ? std::string("/dev/shm")
                                              : std::filesystem::temp_directory_path().string()) {}
};
class TreeCompare : public Trees {};
class TreeCompareNeedsRoot : public Trees {};

TEST_F(TreeCompareNeedsRoot, TheSameSeedMakesTheSameTreeAndAnotherSeedDoesNot) {
  for (const int scale : {1, 2}) {
    const std::string number = std::to_string(scale);
    const std::string one = make("one" + number, {.seed = 7, .scale = scale});
    EXPECT_EQ(tree_differences(one, make("same" + number, {.seed = 7, .scale = scale})), Lines());
    EXPECT_GT(tree_differences(one, make("other" + number, {.seed = 8, .scale = scale})).size(),
              200U);
  }
}

TEST_F(TreeCompareNeedsRoot, CopiesByProgramsThatKeepEverythingAreEqual) {
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    const std::string name = std::to_string(seed);
    const std::string tree = make(name, {.seed = seed, .deep = false});
    for (const std::string program : {"cp -a ", "rsync -aHAXS --numeric-ids "}) {
      const std::string copy = folder(name + program.substr(0, 2));
      std::string command = program;
      command.append(tree).append("/. ").append(copy).append("/");
      ASSERT_EQ(std::system(command.c_str()), 0) << program;
      EXPECT_EQ(tree_differences(tree, copy, {.flags = false}), Lines()) << program << seed;
      EXPECT_FALSE(tree_differences(tree, copy).empty()) << "no program keeps flags";
    }
  }
}

struct Mutation {
  std::string path;
  std::string what;                                ///< the line starts with "<path>: <what>"
  bool CompareOptions::* option;                   ///< without it nothing is said; or none
  std::function<bool(const std::string&)> change;  ///< false: it did not work
};

std::function<bool(const std::string&)> flip(off_t offset) {
  return [offset](const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDWR);
    char byte = 0;
    bool done = ::pread(fd, &byte, 1, offset) == 1;
    byte = static_cast<char>(byte ^ 1);
    done = done && ::pwrite(fd, &byte, 1, offset) == 1;
    return ::close(fd) == 0 && done;
  };
}

std::function<bool(const std::string&)> zero(std::size_t size, off_t offset) {
  return [=](const std::string& path) {
    const std::string zeros(size, '\0');
    const int fd = ::open(path.c_str(), O_RDWR);
    const bool done = ::pwrite(fd, zeros.data(), size, offset) == static_cast<ssize_t>(size);
    return ::close(fd) == 0 && done;
  };
}

bool one_nanosecond_later(const std::string& path) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return false;
  timespec times[] = {info.st_atim, info.st_mtim};
  times[1].tv_nsec += times[1].tv_nsec == 999'999'999 ? -1 : 1;
  return ::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0;
}

std::function<bool(const std::string&)> xattr(const std::string& key, const std::string& value) {
  return [=](const std::string& path) {
    return ::lsetxattr(path.c_str(), key.c_str(), value.data(), value.size(), 0) == 0;
  };
}

std::function<bool(const std::string&)> no_xattr(const std::string& key) {
  return [=](const std::string& path) { return ::lremovexattr(path.c_str(), key.c_str()) == 0; };
}

/// The last byte of the value, or that many before it.
std::function<bool(const std::string&)> flip_xattr(const std::string& key, std::size_t before = 0) {
  return [=](const std::string& path) {
    std::string value(5000, '\0');
    const ssize_t size = ::lgetxattr(path.c_str(), key.c_str(), value.data(), value.size());
    if (size <= 0) return false;
    value.resize(static_cast<std::size_t>(size));
    char& byte = value[value.size() - 1 - before];
    byte = static_cast<char>(byte ^ 1);
    return ::lsetxattr(path.c_str(), key.c_str(), value.data(), value.size(), 0) == 0;
  };
}

std::function<bool(const std::string&)> without_flag(int flag) {
  return [flag](const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY);
    int flags = 0;
    bool done = ::ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & flag) != 0;
    flags &= ~flag;
    done = done && ::ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
    return ::close(fd) == 0 && done;
  };
}

/// Another inode in its place, with the same owner and mode.
std::function<bool(const std::string&)> again(std::function<bool(const std::string&)> create) {
  return [create = std::move(create)](const std::string& path) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0 || ::unlink(path.c_str()) != 0 || !create(path)) {
      return false;
    }
    return ::lchown(path.c_str(), info.st_uid, info.st_gid) == 0 &&
           (S_ISLNK(info.st_mode) || ::chmod(path.c_str(), info.st_mode & 07777U) == 0);
  };
}

std::function<bool(const std::string&)> node(mode_t type, dev_t device) {
  return again([=](const std::string& path) { return ::mknod(path.c_str(), type, device) == 0; });
}

std::function<bool(const std::string&)> mode(mode_t wanted) {
  return [wanted](const std::string& path) { return ::chmod(path.c_str(), wanted) == 0; };
}

std::function<bool(const std::string&)> owner(uid_t uid, gid_t gid) {
  return [=](const std::string& path) { return ::lchown(path.c_str(), uid, gid) == 0; };
}

std::function<bool(const std::string&)> shell(const std::string& command) {
  return [command](const std::string& path) {
    return std::system(("set -e; f='" + path + "'; " + command).c_str()) == 0;
  };
}

/// Nothing but the mutation shows: times that it changed by the way are put back.
void apply(const Mutation& mutation, const std::string& copy) {
  struct stat entry{};
  struct stat parent{};
  const std::string path = copy + "/" + mutation.path;
  const std::string above = path.substr(0, path.rfind('/'));
  const bool there = ::lstat(path.c_str(), &entry) == 0;
  EXPECT_EQ(::lstat(above.c_str(), &parent), 0);
  EXPECT_TRUE(mutation.change(path)) << mutation.path << " " << mutation.what;
  const timespec times[] = {entry.st_atim, entry.st_mtim};
  const timespec above_times[] = {parent.st_atim, parent.st_mtim};
  if (there && mutation.what != "mtime") {
    ::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW);
  }
  if (mutation.path != ".") ::utimensat(AT_FDCWD, above.c_str(), above_times, 0);
}

/// As many mutations as do not touch each other's paths: a tree for each would take a minute on a
/// busy disk. They are taken out of `all`.
std::vector<Mutation> next_round(std::vector<Mutation>& all) {
  std::vector<Mutation> round;
  std::vector<Mutation> later;
  for (Mutation& mutation : all) {
    const bool touches = std::ranges::any_of(round, [&](const Mutation& other) {
      return (mutation.path + "/").starts_with(other.path + "/") ||
             (other.path + "/").starts_with(mutation.path + "/");
    });
    (touches ? later : round).push_back(std::move(mutation));
  }
  all = std::move(later);
  return round;
}

std::ptrdiff_t lines_of(const Mutation& mutation, const Lines& lines) {
  return std::ranges::count_if(lines, [&](const std::string& line) {
    return line.starts_with(mutation.path + ": " + mutation.what);
  });
}

std::vector<Mutation> of_content_and_names() {
  constexpr auto kLinks = &CompareOptions::links;
  constexpr auto kHoles = &CompareOptions::holes;
  const auto apart = shell("cp -a \"$f\" \"$f.new\"; mv \"$f.new\" \"$f\"");
  return {
      {"sizes/several-mib", "content: differs from byte 1234567 on", nullptr, flip(1'234'567)},
      {"sizes/1048577", "content: differs from byte 1048576 on", nullptr, flip(1'048'576)},
      {"sizes/1", "content: differs from byte 0 on", nullptr, flip(0)},
      {"sparse/end", "content: differs from byte 60000 on", nullptr, flip(60'000)},
      {"sizes/0", "size: 0 | 1", nullptr, zero(1, 0)},
      {"sizes/4096", "size: 4096 | 4097", nullptr, zero(1, 4096)},
      {"sparse/one-hole", "size", nullptr, shell("truncate -s 8388607 \"$f\"")},
      {"sparse/start", "hole: bytes 0 to 262144 | data at byte 65536", kHoles,
       zero(65'536, 65'536)},
      {"sparse/every-64-kib", "hole: bytes 196608", kHoles, zero(1, 200'000)},
      {"sparse/one-hole", "allocated", kHoles, zero(8 << 20, 0)},
      {"names/strange", "only on the second side", nullptr, shell("touch \"$f\"")},
      {"links/a", "missing on the second side", nullptr, shell("rm -r \"$f\"")},
      {"modes/empty", "missing on the second side", nullptr, shell("rmdir \"$f\"")},
      {"names/-rf", "missing on the second side", nullptr, shell("rm \"$f\"")},
      {"links/a/set-2-1", "one file on the first side, two", kLinks, apart},
      {"links/set-40-0", "one file on the first side, two", kLinks, apart},
      {"links/a/set-40-9", "one file on the first side, two", kLinks, apart},
      {"links/a/empty-1", "one file on the first side, two", kLinks, apart},
      {"links/a/symlink-1", "one file on the first side, two", kLinks, apart},
      {"links/a/fifo-1", "one file on the first side, two", kLinks, apart},
      {"links/alike-2", "two files on the first side, one", kLinks,
       shell("ln -f \"${f%2}1\" \"$f\"")},
      {"symlinks/dangling", "target: no/such/file | no/such/filf", nullptr,
       again([](const std::string& at) { return ::symlink("no/such/filf", at.c_str()) == 0; })},
      {"specials/null", "device: 1:3 | 1:5", nullptr, node(S_IFCHR, makedev(1, 5))},
      {"specials/loop", "device: 7:0 | 7:1", nullptr, node(S_IFBLK, makedev(7, 1))},
      {"specials/loop", "type: block device | character", nullptr, node(S_IFCHR, makedev(7, 0))},
      {"specials/socket", "type: socket | FIFO", nullptr, node(S_IFIFO, 0)},
      {"sizes/4096", "type: file | symlink", nullptr, shell("rm \"$f\"; ln -s 4097 \"$f\"")},
  };
}

std::vector<Mutation> of_attributes() {
  constexpr auto kOwner = &CompareOptions::owner;
  constexpr auto kXattrs = &CompareOptions::xattrs;
  constexpr auto kAcls = &CompareOptions::acls;
  constexpr auto kFlags = &CompareOptions::flags;
  constexpr auto kTimes = &CompareOptions::directory_times;
  return {
      {"times/file-8", "mtime", nullptr, one_nanosecond_later},
      {"times/file-6", "mtime", nullptr, one_nanosecond_later},
      {"times/symlink-0", "mtime", nullptr, one_nanosecond_later},
      {"times/fifo-1", "mtime", nullptr, one_nanosecond_later},
      {"times/device-3", "mtime", nullptr, one_nanosecond_later},
      {"times/directory-2", "mtime", kTimes, one_nanosecond_later},
      {".", "mtime", kTimes, one_nanosecond_later},
      {"modes/4755", "mode: 4755 | 0755", nullptr, mode(0755)},
      {"modes/1644", "mode: 1644 | 0644", nullptr, mode(0644)},
      {"modes/closed", "mode: 0000 | 0700", nullptr, mode(0700)},
      {"specials/fifo-closed", "mode: 0000 | 0001", nullptr, mode(0001)},
      {".", "mode: 0710 | 0711", nullptr, mode(0711)},
      {"sizes/1", "uid", kOwner, owner(777, -1U)},
      {"symlinks/loop-1", "gid", kOwner, owner(-1U, 777)},
      {"modes/closed", "uid", kOwner, owner(777, -1U)},
      {"xattrs/several", "xattr user.binary", kXattrs, flip_xattr("user.binary")},
      {"xattrs/big", "xattr user.big", kXattrs, flip_xattr("user.big")},
      {"xattrs/several", "xattr user.empty: 0 bytes | none", kXattrs, no_xattr("user.empty")},
      {"xattrs/several", "xattr user.empty: 0 bytes | 1 bytes", kXattrs, xattr("user.empty", "x")},
      {"xattrs", "xattr user.binary", kXattrs, no_xattr("user.binary")},
      {"sizes/0", "xattr user.new: none | 0 bytes", kXattrs, xattr("user.new", "")},
      {"xattrs/odd-keys", "xattr user.\\xFF\\x0A: 1 bytes 1 | none", kXattrs,
       no_xattr("user.\xff\n")},
      {"xattrs/trusted-symlink", "xattr trusted.symlink", kXattrs, no_xattr("trusted.symlink")},
      {"xattrs/trusted-fifo", "xattr trusted.fifo", kXattrs, no_xattr("trusted.fifo")},
      {"xattrs/capability", "xattr security.capability", kXattrs, no_xattr("security.capability")},
      {".", "xattr user.root", kXattrs, no_xattr("user.root")},
      // The permissions of ACL_USER 4000000000, four entries before the end; the mode stays.
      {"acls/named", "xattr system.posix_acl_access", kAcls,
       flip_xattr("system.posix_acl_access", 4 * 8 + 5)},
      {"acls/named-default", "xattr system.posix_acl_default", kAcls,
       no_xattr("system.posix_acl_default")},
      {"flags/nodump", "flags: nodump | none", kFlags, without_flag(FS_NODUMP_FL)},
      {"flags/both", "flags: nodump noatime | nodump", kFlags, without_flag(FS_NOATIME_FL)},
      {"flags/immutable", "flags: immutable | none", kFlags, without_flag(FS_IMMUTABLE_FL)},
      {"flags/append", "flags: append | none", kFlags, without_flag(FS_APPEND_FL)},
      {"flags/directory", "flags: nodump noatime | noatime", kFlags, without_flag(FS_NODUMP_FL)},
      {"flags/immutable-directory", "flags: immutable", kFlags, without_flag(FS_IMMUTABLE_FL)},
  };
}

TEST_F(TreeCompareNeedsRoot, EachSingleLossIsOneLineWithItsPath) {
  const std::string tree = make("tree");
  std::vector<Mutation> all = of_content_and_names();
  for (Mutation& mutation : of_attributes()) all.push_back(std::move(mutation));
  while (!all.empty()) {
    const std::string copy = make("copy");
    const std::vector<Mutation> round = next_round(all);
    for (const Mutation& mutation : round) apply(mutation, copy);
    const Lines lines = tree_differences(tree, copy);
    EXPECT_EQ(lines.size(), round.size()) << ::testing::PrintToString(lines);
    for (const Mutation& mutation : round) {
      EXPECT_EQ(lines_of(mutation, lines), 1) << mutation.path << ": " << mutation.what << "\n"
                                              << ::testing::PrintToString(lines);
      if (mutation.option == nullptr) continue;
      CompareOptions without;
      without.*mutation.option = false;
      EXPECT_EQ(lines_of(mutation, tree_differences(tree, copy, without)), 0) << mutation.what;
    }
    remove_tree(copy);
  }
}

TEST_F(TreeCompareNeedsRoot, BothNamesOfALinkAreSaid) {
  const std::string tree = make("tree");
  const std::string copy = make("copy");
  ASSERT_EQ(::unlink((copy + "/links/alike-2").c_str()), 0);
  ASSERT_EQ(::link((copy + "/links/alike-1").c_str(), (copy + "/links/alike-2").c_str()), 0);
  const Lines expected = {
      "links/alike-2: two files on the first side, one on the second, with links/alike-1"};
  EXPECT_EQ(tree_differences(tree, copy, {.directory_times = false}), expected);
}

TEST_F(TreeCompareNeedsRoot, LessThanABlockOfAHoleMayBeFilled) {
  const std::string tree = make("tree");
  const std::string copy = make("copy");
  const Mutation within{"sparse/every-4-kib", "", nullptr, zero(4096, 4096)};
  apply(within, copy);
  EXPECT_EQ(tree_differences(tree, copy), Lines());
}

TEST_F(TreeCompareNeedsRoot, NamesToIgnoreAreIgnoredOnTheSecondSideAlone) {
  const std::string tree = make("tree");
  const std::string copy = make("copy");
  const CompareOptions ignoring{.directory_times = false, .ignore_names = {"strange"}};
  ASSERT_EQ(::mkdir((copy + "/links/strange").c_str(), 0700), 0);
  EXPECT_EQ(tree_differences(tree, copy, ignoring), Lines());
  EXPECT_EQ(tree_differences(copy, tree, ignoring),
            Lines{"links/strange: missing on the second side"});
}

TEST_F(TreeCompareNeedsRoot, LossesBeyondThePathLimitAreFound) {
  const std::string tree = make("tree");
  const std::string copy = make("copy");
  int fd = ::open((copy + "/deep").c_str(), O_RDONLY | O_DIRECTORY);
  for (int n = 1; n <= 24; ++n) {
    const int below = ::openat(fd, (std::to_string(n) + std::string(198, 'l')).c_str(), O_RDONLY);
    ::close(fd);
    fd = below;
  }
  const std::string bottom = "/proc/self/fd/" + std::to_string(fd);
  ASSERT_TRUE(one_nanosecond_later(bottom + "/fifo"));
  ASSERT_EQ(::lremovexattr((bottom + "/xattr").c_str(), "user.deep"), 0);
  ASSERT_EQ(::removexattr(bottom.c_str(), "user.deepest"), 0);
  ::close(fd);
  const Lines lines = tree_differences(tree, copy);
  ASSERT_EQ(lines.size(), 3U) << ::testing::PrintToString(lines);
  for (const std::string& line : lines) EXPECT_GT(line.size(), 4096U);
}

TEST_F(TreeCompareDepth, ThreeThousandLevelsNeedFewDescriptors) {
  for (const char* const side : {"one", "other"}) {
    int fd = ::open(folder(side).c_str(), O_RDONLY | O_DIRECTORY);
    for (int n = 0; n < 3000; ++n) {
      ASSERT_EQ(::mkdirat(fd, "d", 0755), 0);
      const int below = ::openat(fd, "d", O_RDONLY | O_DIRECTORY);
      ::close(fd);
      fd = below;
    }
    ASSERT_EQ(::mkdirat(fd, side, 0755), 0);
    ::close(fd);
  }
  struct rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = ::dup(0);
  const struct rlimit few{static_cast<rlim_t>(next) + 8, before.rlim_max};
  ::close(next);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  const Lines lines = tree_differences(base + "one", base + "other", {.directory_times = false});
  remove_tree(base + "one");
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(lines.size(), 2U);
  EXPECT_NE(::access((base + "one").c_str(), F_OK), 0);
}

TEST_F(TreeCompare, WithoutRightsOnlyWhatCannotBeReadIsADifference) {
  const AdversarialOptions options{.as_root = false};
  const Lines lines = tree_differences(make("one", options), make("other", options));
  EXPECT_EQ(lines.size(), ::geteuid() == 0 ? 0U : 10U) << ::testing::PrintToString(lines);
  for (const std::string& line : lines) {
    EXPECT_EQ(line.find("modes/"), 0U) << line;
    EXPECT_NE(line.find("cannot be read on the "), std::string::npos) << line;
  }
}

TEST_F(TreeCompare, ARootThatIsNotThereIsADifference) {
  const std::string one = folder("one");
  EXPECT_EQ(tree_differences(one, base + "none"),
            Lines{".: cannot be opened on the second side: No such file or directory"});
  EXPECT_EQ(tree_differences(base + "none", one).size(), 1U);
}

TEST_F(TreeCompare, RemovalFollowsNoSymlink) {
  const std::string outside = folder("outside");
  std::ofstream(outside + "/kept") << "kept";
  const std::string tree = folder("tree");
  ASSERT_EQ(::symlink(outside.c_str(), (tree + "/link").c_str()), 0);
  ASSERT_EQ(::symlink(outside.c_str(), (base + "link").c_str()), 0);
  remove_tree(tree);
  remove_tree(base + "link/");
  remove_tree(base + "none");
  EXPECT_NE(::access(tree.c_str(), F_OK), 0);
  EXPECT_NE(::access((base + "link").c_str(), F_OK), 0);
  EXPECT_EQ(::access((outside + "/kept").c_str(), F_OK), 0);
}

}  // namespace
}  // namespace dunlin::testing
