// Every attribute of every kind of entry, judged by a comparer that shares no code with what it
// judges, and by rsync.
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>

#include "files/fixture.h"
#include "support/adversarial_tree.h"
#include "support/process.h"
#include "support/tree_compare.h"

namespace dunlin::files::testing {
namespace {

using dunlin::testing::AdversarialOptions;
using dunlin::testing::make_adversarial_tree;
using dunlin::testing::remove_tree;
using dunlin::testing::tree_differences;
using ::testing::HasSubstr;

/// A scratch folder whose trees are removed by force: immutable, too deep, unreadable.
class Trees {
 public:
  Trees() { stdfs::create_directory(source()); }
  ~Trees() {
    remove_tree(source());
    remove_tree(target());
  }
  [[nodiscard]] std::string source() const { return scratch_.file("source"); }
  [[nodiscard]] std::string target() const { return scratch_.file("target"); }

 private:
  ScratchDirectory scratch_;
};

std::string lines(const std::vector<std::string>& all) {
  std::string text;
  for (std::size_t n = 0; n < all.size() && n < 20; ++n) text += all[n] + "\n";
  return text;
}

std::string acl_of(const std::string& path) {
  std::string value(1024, '\0');
  const ssize_t length =
      ::getxattr(path.c_str(), "system.posix_acl_access", value.data(), value.size());
  value.resize(static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
  return value;
}

/// owner rw, user 1 rwx, owning group r, mask rwx, others nothing.
const std::string& an_acl() {
  static const std::string acl = [] {
    std::string bytes{"\2\0\0\0", 4};
    const auto entry = [&](unsigned tag, unsigned rights, std::uint32_t id) {
      for (const std::uint32_t part : {tag, rights}) {
        bytes += static_cast<char>(part & 0xffU);
        bytes += static_cast<char>(part >> 8U);
      }
      for (unsigned shift = 0; shift < 32; shift += 8)
        bytes += static_cast<char>((id >> shift) & 0xffU);
    };
    entry(0x01, 6, 0xffffffff);
    entry(0x02, 7, 1);
    entry(0x04, 4, 0xffffffff);
    entry(0x10, 7, 0xffffffff);
    entry(0x20, 0, 0xffffffff);
    return bytes;
  }();
  return acl;
}

// ---- The whole tree ----

class FilesFidelityNeedsRoot : public ::testing::TestWithParam<int> {};

TEST_P(FilesFidelityNeedsRoot, AnAdversarialTreeArrivesWithoutADifference) {
  const Trees trees;
  AdversarialOptions options;
  options.seed = static_cast<std::uint64_t>(GetParam());
  make_adversarial_tree(trees.source(), options);
  CopyTest copy(trees.source() + "/", trees.target());
  copy.settings.batch_size = 40;
  LocalExecution::Options threads;
  threads.threads = 4;
  LocalExecution& execution = copy.start(threads);
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_TRUE(all_ended(execution));
  EXPECT_EQ(lines(tree_differences(trees.source(), trees.target())), "");
  for (const LocalItem* item : execution.items())
    EXPECT_EQ(item->row.message, "") << item->row.name;
  ASSERT_TRUE(is_ok(execution.verify()));
  EXPECT_EQ(execution.differences(), 0);
}

TEST_P(FilesFidelityNeedsRoot, AndIsTakenBackToNothing) {
  const Trees trees;
  AdversarialOptions options;
  options.seed = static_cast<std::uint64_t>(GetParam());
  make_adversarial_tree(trees.source(), options);
  CopyTest copy(trees.source() + "/", trees.target());
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  ASSERT_TRUE(is_ok(execution.undo()));
  for (const LocalItem* item : execution.items())
    EXPECT_EQ(item->row.status, ItemStatus::rolled_back)
        << item->row.name << ": " << (item->error ? item->error->text() : "");
  EXPECT_FALSE(stdfs::exists(trees.target()));
}

INSTANTIATE_TEST_SUITE_P(Seeds, FilesFidelityNeedsRoot, ::testing::Values(1, 2, 3));

TEST(FilesFidelityRsyncNeedsRoot, FindsNothingToDoAfterwards) {
  const Trees trees;
  AdversarialOptions options;
  options.seed = 11;
  options.flags = false;  // rsync for Linux has no notion of them
  options.deep = false;   // and none of paths beyond PATH_MAX
  make_adversarial_tree(trees.source(), options);
  CopyTest copy(trees.source() + "/", trees.target());
  ASSERT_TRUE(is_ok(copy.start().run_to_end()));
  dunlin::testing::ProcessOptions rsync;
  rsync.words = {"/usr/bin/rsync",     "-aHAXSn",           "-ic", "--delete",
                 trees.source() + "/", trees.target() + "/"};
  const auto judged = dunlin::testing::run_process(rsync);
  EXPECT_EQ(judged.code, 0) << judged.err;
  EXPECT_EQ(judged.out, "");
}

TEST(FilesFidelity, AsAnOrdinaryUserOnlyWhatTheKernelForbidsIsMissingAndListed) {
  const Trees trees;
  AdversarialOptions options;
  options.seed = 5;
  options.as_root = false;
  make_adversarial_tree(trees.source(), options);
  CopyTest copy(trees.source() + "/", trees.target());
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  std::vector<std::string> listed;
  for (const LocalItem* item : execution.items()) {
    if (item->row.status == ItemStatus::completed) continue;
    ASSERT_TRUE(item->error) << item->row.name;
    EXPECT_EQ(item->error->type, ErrorType::permission_denied) << item->error->text();
    listed.push_back(item->row.name);
  }
  dunlin::testing::CompareOptions compare;
  compare.directory_times = true;
  std::vector<std::string> unlisted;
  for (const std::string& difference : tree_differences(trees.source(), trees.target(), compare)) {
    const bool known = std::any_of(listed.begin(), listed.end(), [&](const std::string& name) {
      return difference.find(name) != std::string::npos;
    });
    if (!known) unlisted.push_back(difference);
  }
  EXPECT_EQ(lines(unlisted), "");
  ASSERT_TRUE(is_ok(execution.verify()));
  for (const LocalItem* item : execution.items()) {
    if (!item->difference) continue;
    EXPECT_EQ(item->difference->type, ErrorType::permission_denied) << item->difference->text();
  }
}

// ---- One attribute at a time ----

TEST(FilesFidelity, HardLinksAcrossBatchesAndDirectoriesStayOneFile) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/000/first"), "shared");
  for (int n = 1; n < 30; ++n) {
    const std::string folder = scratch.file("source/" + std::to_string(n % 7 + 100));
    stdfs::create_directories(folder);
    stdfs::create_hard_link(scratch.file("source/000/first"), folder + "/" + std::to_string(n));
  }
  stdfs::create_symlink("nowhere", scratch.file("source/link"));
  ASSERT_EQ(::link(scratch.file("source/link").c_str(), scratch.file("source/z").c_str()), 0);
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  copy.settings.batch_size = 4;
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(lines(tree_differences(scratch.file("source"), scratch.file("target"))), "");
  std::int64_t transferred = 0;
  for (const LocalItem* item : execution.items()) transferred += item->row.transferred_bytes;
  EXPECT_EQ(transferred, 6) << "its content is written once";
  EXPECT_EQ(execution.items("link_set").size(), 30U);
  ASSERT_TRUE(is_ok(execution.verify()));
  EXPECT_EQ(execution.differences(), 0);

  CopyTest again(scratch.file("source/"), scratch.file("target"));
  LocalExecution& second = again.start();
  ASSERT_TRUE(is_ok(second.run_to_end()));
  EXPECT_EQ(second.count(ItemStatus::skipped, "link_set"), 30);

  ASSERT_TRUE(is_ok(execution.undo()));
  EXPECT_FALSE(stdfs::exists(scratch.file("target")));
}

TEST(FilesFidelity, ASetOfLinksOfWhichSomeStandThereAlreadyIsJoined) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/a"), "shared");
  stdfs::create_hard_link(scratch.file("source/a"), scratch.file("source/b"));
  stdfs::create_hard_link(scratch.file("source/a"), scratch.file("source/c"));
  write_file(scratch.file("target/b"), "shared");     // equal, and a file of its own
  write_file(scratch.file("target/c"), "something");  // other content
  const auto before = snapshot(scratch.file("target"));
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_TRUE(all_ended(execution));
  dunlin::testing::CompareOptions compare;
  compare.ignore_names = {".dunlin-undo-456789ab"};
  EXPECT_EQ(lines(tree_differences(scratch.file("source"), scratch.file("target"), compare)), "");
  ASSERT_TRUE(is_ok(execution.undo()));
  EXPECT_EQ(snapshot(scratch.file("target")), before);
}

TEST(FilesFidelity, ALinkWhoseFirstNameFailedIsCopiedByItselfAndSaysSo) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/a"), "shared");
  stdfs::create_hard_link(scratch.file("source/a"), scratch.file("source/b"));
  stdfs::create_hard_link(scratch.file("source/a"), scratch.file("source/c"));
  stdfs::create_directories(scratch.file("target/a"));  // a directory is never replaced
  stdfs::create_directories(scratch.file("target/b"));
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  const LocalItem* copied = nullptr;
  for (const LocalItem* item : execution.items("link_set"))
    if (item->row.status == ItemStatus::completed) copied = item;
  ASSERT_NE(copied, nullptr);
  EXPECT_EQ(read_all(scratch.file("target/" + copied->row.name)), "shared");
  EXPECT_THAT(copied->row.message, HasSubstr("copied by itself, not linked to"));
}

TEST(FilesFidelity, WhereTheFileSystemKnowsNoLinksEachNameIsCopiedAndSaysSo) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/a"), "shared");
  stdfs::create_hard_link(scratch.file("source/a"), scratch.file("source/b"));
  fs::Features features;
  features.hard_links = false;
  CopyTest copy(scratch.file("source/"), scratch.file("target"), {}, features);
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_TRUE(all_ended(execution));
  EXPECT_EQ(read_all(scratch.file("target/a")), "shared");
  EXPECT_EQ(read_all(scratch.file("target/b")), "shared");
  ASSERT_EQ(execution.items("link_set").size(), 1U);
  EXPECT_THAT(execution.items("link_set").front()->row.message,
              HasSubstr("hard link not preserved"));
  ASSERT_TRUE(is_ok(execution.verify()));
  EXPECT_EQ(execution.differences(), 0);
}

TEST(FilesFidelity, WithoutLinksEachNameIsAFileOfItsOwn) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/a"), "shared");
  stdfs::create_hard_link(scratch.file("source/a"), scratch.file("source/b"));
  CopyTest copy(scratch.file("source/"), scratch.file("target"), {{"preserve", "no-links"}});
  ASSERT_TRUE(is_ok(copy.start().run_to_end()));
  EXPECT_EQ(stdfs::hard_link_count(scratch.file("target/a")), 1U);
  EXPECT_EQ(read_all(scratch.file("target/b")), "shared");
}

TEST(FilesFidelity, HolesStayHolesAtEveryPlaceAndLevel) {
  for (const std::string level : {"none", "basic", "full"}) {
    SCOPED_TRACE(level);
    const ScratchDirectory scratch;
    write_file(scratch.file("source/plain"), "x");
    const auto sparse = [&](const std::string& name, std::int64_t size,
                            const std::vector<std::int64_t>& islands) {
      write_file(scratch.file("source/" + name), "");
      const UniqueFd file(::open(scratch.file("source/" + name).c_str(), O_WRONLY | O_CLOEXEC));
      ASSERT_EQ(::ftruncate(file.get(), size), 0);
      for (const std::int64_t at : islands) ASSERT_EQ(::pwrite(file.get(), "data", 4, at), 4);
    };
    sparse("only a hole", 50 << 20, {});
    sparse("at start", 5 << 20, {(5 << 20) - 4});
    sparse("at end", 5 << 20, {0});
    sparse("in the middle", 9 << 20, {0, 5'000'001, (9 << 20) - 4});
    sparse("odd size", (3 << 20) + 17, {1 << 20});
    CopyTest copy(scratch.file("source/"), scratch.file("target"), {{"verify", level}});
    LocalExecution& execution = copy.start();
    ASSERT_TRUE(is_ok(execution.run_to_end()));
    EXPECT_TRUE(all_ended(execution));
    EXPECT_EQ(lines(tree_differences(scratch.file("source"), scratch.file("target"))), "");
    EXPECT_EQ(stdfs::file_size(scratch.file("target/only a hole")), 50U << 20U);
  }
}

TEST(FilesFidelity, EveryByteBetweenHolesIsCopied) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "");
  std::string expected(2 << 20, '\0');
  {
    const UniqueFd file(::open(scratch.file("source/f").c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_EQ(::ftruncate(file.get(), 2 << 20), 0);
    for (const std::size_t at : {4095U, 65536U, 65537U, 1048575U, 1048576U, 2097151U}) {
      ASSERT_EQ(::pwrite(file.get(), "\1", 1, static_cast<off_t>(at)), 1);
      expected[at] = '\1';
    }
  }
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  ASSERT_TRUE(is_ok(copy.start().run_to_end()));
  EXPECT_TRUE(read_all(scratch.file("target/f")) == expected);
}

TEST(FilesFidelity, AnAclThatTheDestinationInheritsDoesNotWiden) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/secret"), "s", 1'500'000'000, 0600);
  write_file(scratch.file("source/shared"), "s", 1'500'000'000, 0640);
  const std::string shared = scratch.file("source/shared");
  ASSERT_EQ(
      ::setxattr(shared.c_str(), "system.posix_acl_access", an_acl().data(), an_acl().size(), 0),
      0);
  set_mtime(shared, 1'500'000'000);
  stdfs::create_directory(scratch.file("target"));
  ASSERT_EQ(::setxattr(scratch.file("target").c_str(), "system.posix_acl_default", an_acl().data(),
                       an_acl().size(), 0),
            0);
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  ASSERT_TRUE(is_ok(copy.start().run_to_end()));
  EXPECT_EQ(acl_of(scratch.file("target/secret")), "");
  EXPECT_EQ(acl_of(scratch.file("target/shared")), an_acl());
  EXPECT_EQ(lines(tree_differences(scratch.file("source"), scratch.file("target"))), "");
}

TEST(FilesFidelity, WithoutAclsNobodyMayDoMoreThanBefore) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/shared"), "s", 1'500'000'000, 0640);
  ASSERT_EQ(::setxattr(scratch.file("source/shared").c_str(), "system.posix_acl_access",
                       an_acl().data(), an_acl().size(), 0),
            0);
  CopyTest copy(scratch.file("source/"), scratch.file("target"), {{"preserve", "no-acl"}});
  ASSERT_TRUE(is_ok(copy.start().run_to_end()));
  // The ACL's mask shows as group bits rwx; the owning group itself only had r.
  EXPECT_EQ(static_cast<unsigned>(stdfs::status(scratch.file("target/shared")).permissions()),
            0640U);
}

TEST(FilesFidelity, WhatIsSwitchedOffIsNotTakenOver) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "x", 1'000'000'000, 0751);
  ASSERT_EQ(::setxattr(scratch.file("source/f").c_str(), "user.a", "1", 1, 0), 0);
  CopyTest copy(scratch.file("source/"), scratch.file("target"),
                {{"preserve", "no-times,no-xattr,no-mode"}});
  ASSERT_TRUE(is_ok(copy.start().run_to_end()));
  struct stat raw{};
  ASSERT_EQ(::stat(scratch.file("target/f").c_str(), &raw), 0);
  EXPECT_GT(raw.st_mtim.tv_sec, 1'000'000'000);
  EXPECT_EQ(raw.st_mode & 07777U, 0751U & ~022U) << "the umask decides";
  EXPECT_EQ(xattrs_of(scratch.file("target/f")), "");
}

TEST(FilesFidelity, AttributesOfADirectoryThatStoodThereComeBackWithTheRollback) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/d/f"), "x");
  ASSERT_EQ(::setxattr(scratch.file("source/d").c_str(), "user.new", "n", 1, 0), 0);
  stdfs::create_directories(scratch.file("target/d"));
  ASSERT_EQ(::setxattr(scratch.file("target/d").c_str(), "user.old", "o", 1, 0), 0);
  const auto before = snapshot(scratch.file("target"));
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(xattrs_of(scratch.file("target/d")), " user.new=n");
  ASSERT_TRUE(is_ok(execution.undo()));
  EXPECT_EQ(snapshot(scratch.file("target")), before);
}

TEST(FilesFidelity, AnAttributeThatDoesNotFitIsNamedAndTheFileArrives) {
  if (stdfs::exists("/dev/shm") == false) FAIL() << "this test wants /dev/shm";
  const ScratchDirectory scratch;
  const ScratchDirectory memory("/dev/shm");
  write_file(memory.file("source/f"), "x");
  // tmpfs takes what ext4 does not: more than a block.
  const std::string large(60'000, 'l');
  if (::setxattr(memory.file("source/f").c_str(), "user.large", large.data(), large.size(), 0) != 0)
    return;  // a tmpfs without attributes of users (Linux before 6.6) cannot make the case
  CopyTest copy(memory.file("source/"), scratch.file("target"));
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(read_all(scratch.file("target/f")), "x");
  EXPECT_THAT(execution.item("f")->row.message, HasSubstr("user.large not preserved"));
}

TEST(FilesFidelity, VerifyNamesAttributesAndAclsThatWereChangedRemovedOrAdded) {
  const ScratchDirectory scratch;
  const auto set = [&](const std::string& path, const std::string& name, const std::string& value) {
    ASSERT_EQ(::lsetxattr(scratch.file(path).c_str(), name.c_str(), value.data(), value.size(), 0),
              0)
        << path;
  };
  for (const char* name : {"changed", "removed", "renamed", "same", "plain", "acl", "no acl yet"})
    write_file(scratch.file("source/" + std::string(name)), "x");
  for (const char* name : {"changed", "removed", "renamed", "same"})
    set("source/" + std::string(name), "user.note", "one");
  set("source/acl", "system.posix_acl_access", an_acl());
  stdfs::create_directory(scratch.file("source/directory"));
  stdfs::create_directory(scratch.file("source/plain directory"));
  set("source/directory", "user.note", "one");
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  stdfs::remove_all(scratch.file("source"));
  ASSERT_TRUE(is_ok(execution.verify()));
  ASSERT_EQ(execution.differences(), 0);
  set("target/changed", "user.note", "two");
  ASSERT_EQ(::removexattr(scratch.file("target/removed").c_str(), "user.note"), 0);
  ASSERT_EQ(::removexattr(scratch.file("target/renamed").c_str(), "user.note"), 0);
  set("target/renamed", "user.other", "one");
  set("target/plain", "user.added", "");
  ASSERT_EQ(::removexattr(scratch.file("target/acl").c_str(), "system.posix_acl_access"), 0);
  ASSERT_EQ(::chmod(scratch.file("target/acl").c_str(), 0670), 0);
  set("target/no acl yet", "system.posix_acl_access", an_acl());
  ASSERT_EQ(::chmod(scratch.file("target/no acl yet").c_str(), 0644), 0);
  set("target/directory", "user.note", "two");
  set("target/plain directory", "user.added", "");
  ASSERT_TRUE(is_ok(execution.verify()));
  const auto message = [&](const char* path, const char* task = "batch_file_operation") {
    const LocalItem* item = execution.item(path, task);
    return item != nullptr && item->difference ? item->difference->message : std::string();
  };
  EXPECT_THAT(message("changed"), HasSubstr("attributes"));
  EXPECT_THAT(message("removed"), HasSubstr("there now: none"));
  EXPECT_THAT(message("renamed"), HasSubstr("there now: user.other"));
  EXPECT_THAT(message("plain"), HasSubstr("were added: user.added"));
  EXPECT_THAT(message("acl"), HasSubstr("there now: none"));
  EXPECT_THAT(message("no acl yet"), HasSubstr("were added: system.posix_acl_access"));
  EXPECT_THAT(message("directory", "directory_times"), HasSubstr("attributes"));
  EXPECT_THAT(message("plain directory", "directory_times"), HasSubstr("were added"));
  EXPECT_EQ(execution.differences(), 8);
}

TEST(FilesFidelity, WhatIsNotPreservedIsNotMissedByVerify) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "x");
  ASSERT_EQ(::setxattr(scratch.file("source/f").c_str(), "user.note", "n", 1, 0), 0);
  CopyTest copy(scratch.file("source/"), scratch.file("target"), {{"preserve", "no-xattr"}});
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  ASSERT_EQ(::setxattr(scratch.file("target/f").c_str(), "user.added", "n", 1, 0), 0);
  ASSERT_TRUE(is_ok(execution.verify()));
  EXPECT_EQ(execution.differences(), 0);
}

TEST(FilesFidelityFlagsNeedsRoot, ImmutableAndAppendOnlyArriveAndAreTakenBack) {
  const Trees trees;
  for (const unsigned flag : {FS_IMMUTABLE_FL, FS_APPEND_FL}) {
    const std::string path = trees.source() + "/f" + std::to_string(flag);
    write_file(path, "x");
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    unsigned now = 0;
    ASSERT_EQ(::ioctl(file.get(), FS_IOC_GETFLAGS, &now), 0);
    now |= flag;
    ASSERT_EQ(::ioctl(file.get(), FS_IOC_SETFLAGS, &now), 0);
  }
  CopyTest copy(trees.source() + "/", trees.target());
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(lines(tree_differences(trees.source(), trees.target())), "");
  ASSERT_TRUE(is_ok(execution.verify()));
  EXPECT_EQ(execution.differences(), 0);
  const std::string taken_off = trees.target() + "/f" + std::to_string(FS_IMMUTABLE_FL);
  {
    const UniqueFd file(::open(taken_off.c_str(), O_RDONLY | O_CLOEXEC));
    unsigned now = 0;
    ASSERT_EQ(::ioctl(file.get(), FS_IOC_GETFLAGS, &now), 0);
    now &= ~static_cast<unsigned>(FS_IMMUTABLE_FL);
    ASSERT_EQ(::ioctl(file.get(), FS_IOC_SETFLAGS, &now), 0);
  }
  ASSERT_TRUE(is_ok(execution.verify()));
  EXPECT_EQ(execution.differences(), 1) << "the flag was taken off";
  ASSERT_TRUE(is_ok(execution.undo()));
  EXPECT_FALSE(stdfs::exists(trees.target()));
}

}  // namespace
}  // namespace dunlin::files::testing
