// Destinations that run out of something, or fail: real file systems on a loop device, so root
// only.
#include <sys/mount.h>
#include <unistd.h>

#include <fstream>

#include "e2e/world.h"

namespace dunlin::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DevicesNeedsRoot : public World {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(path("below"));
    ASSERT_EQ(::mount("none", path("below").c_str(), "tmpfs", 0, "size=300m"), 0);
    std::filesystem::create_directory(path("disk"));
  }
  void TearDown() override {
    static_cast<void>(run({"stop", "--now", "--all", "--quiet"}));
    ::umount2(path("disk").c_str(), MNT_DETACH);
    ::umount2(path("between").c_str(), MNT_DETACH);
    ::umount2(path("below").c_str(), MNT_DETACH);
  }
  void tool(const std::vector<std::string>& words) const {
    ProcessOptions options;
    options.words = words;
    const Finished done = testing::run_process(options);
    ASSERT_EQ(done.code, 0) << words[0] << ": " << done.err;
  }
  void make_image(int megabytes, std::vector<std::string> mkfs) const {
    std::ofstream(image).close();
    std::filesystem::resize_file(image, static_cast<std::uintmax_t>(megabytes) << 20);
    mkfs.push_back(image);
    tool(mkfs);
  }
  void mount() const { tool({"/bin/mount", "-o", "loop", image, path("disk")}); }
  void unmount() const { tool({"/bin/umount", path("disk")}); }
  std::string image = path("below/image");
  enum class FileSystem { works, has_failed };
  /// What bears a name of the source has its content, whole. On a file system that has failed,
  /// temporaries may stay, and a name may be listed that is not there: ext4 had put it into the
  /// directory when the rest of the rename was refused.
  void expect_whole(const std::string& source, const std::string& target,
                    FileSystem state = FileSystem::works) const {
    if (state == FileSystem::works) {
      EXPECT_THAT(leftovers(target), IsEmpty());
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path(target))) {
      const bool temporary = entry.path().filename().string().starts_with(".dunlin-");
      if (state == FileSystem::has_failed && ::access(entry.path().c_str(), F_OK) != 0 &&
          errno == ENOENT)
        continue;
      if (!entry.is_regular_file() || temporary) continue;
      const auto twin = path(source) / std::filesystem::relative(
                                           entry.path(), std::filesystem::path(path(target)));
      const Finished equal =
          testing::run_process({{"/usr/bin/cmp", entry.path(), twin.native()}, {}, "", 0});
      EXPECT_EQ(equal.code, 0) << equal.out << equal.err;
    }
  }
};

/// The device is an image that lies on a file system with less room than it promises. Writes go to
/// memory first, so that only the flush tells; everything but content has its blocks already.
class DevicesThatFailNeedsRoot : public DevicesNeedsRoot {
 protected:
  void make_device() {
    make_image(64, {"/sbin/mkfs.ext4", "-q", "-F", "-b", "4096", "-J", "size=4", "-N", "256", "-E",
                    "packed_meta_blocks=1,lazy_itable_init=0,lazy_journal_init=0"});
    tool({"/bin/dd", "if=" + image, "of=" + image, "bs=1M", "count=8", "conv=notrunc",
          "status=none"});
    mount();
    std::filesystem::create_directory(path("disk/dst"));
    ::sync();
    for (int n = 0; n < 24; ++n)
      write("src/f" + std::to_string(n), std::string(1 << 20, static_cast<char>('a' + n)));
  }
  void expect_pause(const std::string& code, const std::string& remedy) {
    const Finished failed = run({"copy", path("src") + "/", path("disk/dst"), "--batch-size", "4"});
    EXPECT_EQ(failed.code, 4) << failed.out << failed.err;
    EXPECT_THAT(failed.out, HasSubstr("flush"));
    EXPECT_THAT(failed.out, HasSubstr(code));
    EXPECT_THAT(failed.out, HasSubstr(remedy));
    expect_whole("src", "disk/dst");
    EXPECT_EQ(run({"resume", "last"}).code, 4) << "it is still broken";
    expect_whole("src", "disk/dst");
  }
  void expect_completion() {
    const Finished resumed = run({"resume", "last"});
    EXPECT_EQ(resumed.code, 0) << resumed.out << resumed.err;
    unmount();
    mount();  // what the device holds, not what memory holds
    EXPECT_EQ(difference("src", "disk/dst"), "");
  }
};

TEST_F(DevicesThatFailNeedsRoot, NoSpaceToldOnlyByTheFlushPausesAndNothingHalfMadeIsLeft) {
  make_device();
  ASSERT_EQ(::mount("none", path("below").c_str(), "tmpfs", MS_REMOUNT, "size=14m"), 0);
  expect_pause("ENOSPC", "free space");
  ASSERT_EQ(::mount("none", path("below").c_str(), "tmpfs", MS_REMOUNT, "size=300m"), 0);
  expect_completion();
}

/// Not even the journal can be written: ext4 goes read-only, so that temporaries have to stay until
/// it is repaired.
TEST_F(DevicesThatFailNeedsRoot, AfterItsRepairTheCopyGoesOn) {
  make_image(200, {"/sbin/mkfs.btrfs", "-q", "-f"});
  std::filesystem::create_directory(path("between"));
  tool({"/bin/mount", "-o", "loop", image, path("between")});
  image = path("between/image");
  make_device();
  tool({"/bin/btrfs", "quota", "enable", path("between")});
  tool({"/bin/btrfs", "qgroup", "limit", "14M", path("between")});
  const Finished failed = run({"copy", path("src") + "/", path("disk/dst"), "--batch-size", "4"});
  EXPECT_EQ(failed.code, 4) << failed.out << failed.err;
  EXPECT_THAT(failed.out, ::testing::AnyOf(HasSubstr("EIO"), HasSubstr("EROFS")));
  expect_whole("src", "disk/dst", FileSystem::has_failed);
  unmount();
  tool({"/bin/btrfs", "qgroup", "limit", "none", path("between")});
  ProcessOptions repair;
  repair.words = {"/sbin/e2fsck", "-fy", image};
  EXPECT_LT(testing::run_process(repair).code, 4);
  mount();
  expect_completion();
}

TEST_F(DevicesNeedsRoot, WhenTheInodesAreUsedUpItPausesSaysSoAndGoesOnWhenThereAreSome) {
  make_image(32, {"/sbin/mkfs.ext4", "-q", "-F", "-N", "64"});
  mount();
  for (int n = 0; n < 30; ++n) write("disk/hog" + std::to_string(n), "");
  make_tree("src", 40, 100);
  const Finished refused = run({"copy", path("src") + "/", path("disk/dst")});
  EXPECT_EQ(refused.code, 3) << refused.out << refused.err;
  EXPECT_THAT(refused.out, HasSubstr("inodes are needed"));
  EXPECT_FALSE(std::filesystem::exists(path("disk/dst")));
  const Finished full = run({"copy", path("src") + "/", path("disk/dst"), "--batch-size", "5",
                             "--preflight", "streaming"});
  EXPECT_EQ(full.code, 4) << full.out << full.err;
  EXPECT_THAT(full.out, HasSubstr("inodes"));
  EXPECT_THAT(full.out, HasSubstr("remove files"));
  expect_whole("src", "disk/dst");
  for (int n = 0; n < 30; ++n) std::filesystem::remove(path("disk/hog" + std::to_string(n)));
  EXPECT_EQ(run({"resume", "last"}).code, 0);
  EXPECT_EQ(difference("src", "disk/dst"), "");
}

TEST_F(DevicesNeedsRoot, AQuotaThatIsUsedUpPausesAndGoesOnWhenItIsRaised) {
  make_image(200, {"/sbin/mkfs.btrfs", "-q", "-f"});
  mount();
  tool({"/bin/btrfs", "quota", "enable", path("disk")});
  tool({"/bin/btrfs", "qgroup", "limit", "8M", path("disk")});
  make_tree("src", 40, 500'000);
  const Finished full = run({"copy", path("src") + "/", path("disk/dst"), "--batch-size", "4"});
  EXPECT_EQ(full.code, 4) << full.out << full.err;
  EXPECT_THAT(full.out, HasSubstr("EDQUOT"));
  EXPECT_THAT(full.out, HasSubstr("raise the quota"));
  expect_whole("src", "disk/dst");
  tool({"/bin/btrfs", "qgroup", "limit", "none", path("disk")});
  const Finished resumed = run({"resume", "last"});
  EXPECT_EQ(resumed.code, 0) << resumed.out << resumed.err;
  EXPECT_EQ(difference("src", "disk/dst"), "");
}

TEST_F(DevicesNeedsRoot, ADestinationThatTurnsReadOnlyPausesAndGoesOnWhenItIsWritable) {
  make_image(64, {"/sbin/mkfs.ext4", "-q", "-F"});
  mount();
  make_tree("src", 40, 20'000);
  Process copy(dunlin(
      {"copy", path("src") + "/", path("disk/dst"), "--io-limit", "300kB/s", "--batch-size", "5"}));
  ASSERT_TRUE(is_under_way());
  EXPECT_EQ(run({"pause", "last"}).code, 0);
  EXPECT_EQ(copy.wait(), 4);
  tool({"/bin/mount", "-o", "remount,ro", path("disk")});
  const Finished refused = run({"resume", "last"});
  EXPECT_EQ(refused.code, 4) << refused.out << refused.err;
  EXPECT_THAT(refused.out, HasSubstr("remount it writable"));
  tool({"/bin/mount", "-o", "remount,rw", path("disk")});
  EXPECT_EQ(run({"resume", "last"}).code, 0);
  EXPECT_EQ(difference("src", "disk/dst"), "");
}

/// A plan names the disk; where it is mounted is looked up, and when it is not nothing is written
/// to the directory that waits for it.
TEST_F(DevicesNeedsRoot, ADiskIsFoundByItsLabelAndWithoutItNothingIsBegun) {
  make_image(32, {"/sbin/mkfs.ext4", "-q", "-L", "dunlin-e2e", "-U",
                  "1d1e2f3a-4b5c-4d6e-8f70-a1b2c3d4e5f6"});
  make_tree("src", 10, 1000);
  const auto plan_for = [&](const std::string& disk) {
    Json plan = {{"kind", "files"}};
    plan["source"]["paths"] = {path("src")};
    plan["destination"] = {{"target_disk", disk}, {"base_path", "in"}};
    write("plan.json", plan.dump());
    return path("plan.json");
  };
  const Finished away = run({"run", plan_for("dunlin-e2e")});
  EXPECT_EQ(away.code, 2) << away.out << away.err;
  EXPECT_THAT(away.err, HasSubstr("no disk is called 'dunlin-e2e'"));
  mount();
  for (const char* name : {"dunlin-e2e", "UUID=1d1e2f3a-4b5c-4d6e-8f70-a1b2c3d4e5f6"}) {
    SCOPED_TRACE(name);
    const Finished done = run({"run", plan_for(name)});
    EXPECT_EQ(done.code, 0) << done.out << done.err;
    EXPECT_EQ(difference("src", "disk/in/src"), "");
  }
  EXPECT_EQ(run({"rollback", "2", "--yes"}).code, 0);
  unmount();
  const Finished gone = run({"rollback", "1", "--yes"});
  EXPECT_NE(gone.code, 0);
  EXPECT_THAT(gone.out + gone.err, HasSubstr("no disk is called 'dunlin-e2e'"));
  EXPECT_TRUE(std::filesystem::is_empty(path("disk")));
  mount();
  const Finished back = run({"rollback", "1", "--yes"});
  EXPECT_EQ(back.code, 0) << back.out << back.err;
  EXPECT_FALSE(std::filesystem::exists(path("disk/in")));
}

}  // namespace
}  // namespace dunlin::e2e
