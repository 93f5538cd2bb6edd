// Disks by the names that people give them.
#include "fs/disks.h"

#include <sys/mount.h>

#include <cstdlib>

#include "fs/fixture.h"

namespace dunlin::fs::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// What is mounted, and what udev names, as a test writes it.
class FsDisks : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* folder : {"by-label", "by-uuid", "dev"})
      stdfs::create_directory(scratch_.file(folder));
  }
  /// A device with its names, mounted at `points` (as mountinfo has them; none: not mounted).
  void disk(const std::string& device, const std::string& label, const std::string& uuid,
            const std::vector<std::string>& points) {
    write(dev(device), "");
    if (!label.empty()) stdfs::create_symlink(dev(device), scratch_.file("by-label/" + label));
    if (!uuid.empty()) stdfs::create_symlink(dev(device), scratch_.file("by-uuid/" + uuid));
    for (const std::string& point : points) line("/", point, dev(device));
  }
  void line(const std::string& root, const std::string& point, const std::string& source,
            const std::string& numbers = "36 25") {
    mounts_ += numbers + " 253:" + std::to_string(++minor_) + " " + root + " " + point +
               " rw,relatime shared:1 master:2 - ext4 " + source + " rw\n";
  }
  [[nodiscard]] std::string dev(const std::string& name) const {
    return scratch_.file("dev/" + name);
  }
  Result<std::string> find(const std::string& name) {
    write(scratch_.file("mountinfo"), mounts_);
    auto disks = Disks::read(
        {scratch_.file("mountinfo"), scratch_.file("by-label"), scratch_.file("by-uuid")});
    EXPECT_TRUE(disks.ok()) << (disks.ok() ? "" : disks.error().text());
    return disks->mount_point(name);
  }
  std::string point_of(const std::string& name) {
    auto point = find(name);
    return point.ok() ? *point : point.error().text();
  }
  std::string refusal(const std::string& name, ErrorType type) {
    const auto point = find(name);
    EXPECT_FALSE(point.ok()) << *point;
    if (point.ok()) return "";
    EXPECT_EQ(point.error().type, type);
    EXPECT_NE(point.error().remediation, "");
    return point.error().message;
  }

  ScratchDirectory scratch_;
  std::string mounts_ = "garbage\n";
  int minor_ = 0;
};

TEST_F(FsDisks, AreFoundByEachOfTheirNames) {
  disk("sda1", "photos", "0F2C-11aa", {"/mnt/a"});
  disk("sdb1", R"(my\x20disk)", "11111111-2222-3333-4444-555555555555", {R"(/mnt/with\040space)"});
  for (const std::string& name :
       {std::string("photos"), std::string("LABEL=photos"), std::string("0f2c-11AA"),
        std::string("UUID=0F2C-11AA"), std::string("/mnt/a"), dev("sda1")})
    EXPECT_EQ(point_of(name), "/mnt/a") << name;
  EXPECT_EQ(point_of("my disk"), "/mnt/with space");
  EXPECT_EQ(point_of("/mnt/with space"), "/mnt/with space");
  EXPECT_EQ(point_of("11111111-2222-3333-4444-555555555555"), "/mnt/with space");
}

TEST_F(FsDisks, OnesThatAreNotThereAreRefusedWithThoseThatAre) {
  disk("sda1", "photos", "", {"/mnt/a"});
  disk("sdb1", "backup", "", {});
  EXPECT_THAT(refusal("phtos", ErrorType::not_found),
              AllOf(HasSubstr("no disk is called 'phtos'"), HasSubstr("'/mnt/a'"),
                    HasSubstr(dev("sda1")), HasSubstr("LABEL=photos")));
  EXPECT_THAT(refusal("UUID=photos", ErrorType::not_found), HasSubstr("no disk is called"));
  EXPECT_THAT(refusal("backup", ErrorType::not_found),
              AllOf(HasSubstr("'backup'"), HasSubstr(dev("sdb1")), HasSubstr("is not mounted")));
  EXPECT_THAT(refusal("/dev/nothing", ErrorType::not_found), HasSubstr("is not mounted"));
  // What would else be written to the disk below it.
  stdfs::create_directory(scratch_.file("usb"));
  EXPECT_THAT(refusal(scratch_.file("usb"), ErrorType::not_found),
              HasSubstr("no disk is mounted at"));
}

TEST_F(FsDisks, AmbiguousOnesAreRefusedWithWhatTheyMayMean) {
  disk("sda1", "one", "", {"/mnt/a", "/mnt/b"});
  disk("sdb1", "two", "", {"/mnt/c"});
  disk("sdc1", "", "two", {"/mnt/d"});
  EXPECT_THAT(refusal("one", ErrorType::invalid_input),
              AllOf(HasSubstr("'/mnt/a'"), HasSubstr("'/mnt/b'")));
  EXPECT_EQ(point_of("/mnt/b"), "/mnt/b");
  EXPECT_THAT(refusal("two", ErrorType::invalid_input),
              AllOf(HasSubstr(dev("sdb1")), HasSubstr(dev("sdc1"))));
  EXPECT_EQ(point_of("LABEL=two"), "/mnt/c");
  EXPECT_EQ(point_of("UUID=two"), "/mnt/d");
}

TEST_F(FsDisks, ABindMountDoesNotStandForTheWholeAndWhatIsHiddenIsNot) {
  disk("sda1", "one", "", {"/mnt/a"});
  line("/part", "/srv/part", dev("sda1"));
  EXPECT_EQ(point_of("one"), "/mnt/a");
  disk("sdb1", "two", "", {});
  line("/@home", "/home", dev("sdb1"));
  EXPECT_EQ(point_of("two"), "/home") << "a subvolume that is all that is mounted of it";
  disk("sdc1", "three", "", {"/mnt/a"});
  EXPECT_EQ(point_of("three"), "/mnt/a");
  EXPECT_EQ(point_of("one"), "/srv/part");
}

TEST_F(FsDisks, WhatIsMountedOverADirectoryAboveHidesIt) {
  disk("sda1", "stick", "", {});
  disk("sdb1", "media", "", {});
  line("/", "/media/stick", dev("sda1"), "40 25");
  line("/", "/media", dev("sdb1"), "41 25");
  EXPECT_EQ(point_of("media"), "/media");
  EXPECT_THAT(refusal("stick", ErrorType::not_found), HasSubstr("is not mounted"));
  // Mounted again, on what hides it.
  line("/", "/media/stick", dev("sda1"), "42 41");
  EXPECT_EQ(point_of("stick"), "/media/stick");
}

TEST_F(FsDisks, WithoutUdevThereAreMountPoints) {
  disk("sda1", "", "", {"/mnt/a"});
  stdfs::remove(scratch_.file("by-label"));
  stdfs::remove(scratch_.file("by-uuid"));
  EXPECT_EQ(point_of("/mnt/a"), "/mnt/a");
  EXPECT_THAT(refusal("label", ErrorType::not_found), HasSubstr("no disk is called"));
}

/// Of a real one, as the kernel of this machine tells it, with or without udev.
TEST(FsDisksNeedsRoot, ALoopDeviceIsFoundByLabelUuidDeviceAndMountPoint) {
  const ScratchDirectory scratch;
  const std::string image = scratch.file("image");
  const std::string disk = scratch.file("disk");
  stdfs::create_directory(disk);
  const std::string uuid = "0d1e2f3a-4b5c-4d6e-8f70-a1b2c3d4e5f6";
  const std::string make = "truncate -s 16M '" + image + "' && mkfs.ext4 -q -L dunlin-test -U " +
                           uuid + " '" + image + "' && mount -o loop '" + image + "' '" + disk +
                           "' && findmnt -n -o SOURCE '" + disk + "' > '" + scratch.file("loop") +
                           "'";
  ASSERT_EQ(std::system(make.c_str()), 0) << "needs a loop device";
  std::string device = read(scratch.file("loop"));
  device.pop_back();
  const auto disks = Disks::read();
  ASSERT_TRUE(disks.ok()) << disks.error().text();
  for (const std::string& name :
       {std::string("dunlin-test"), "UUID=" + uuid, uuid, device, disk, disk + "/"}) {
    const auto point = disks->mount_point(name);
    EXPECT_TRUE(point.ok()) << point.error().text();
    if (point.ok()) {
      EXPECT_EQ(*point, disk) << name;
    }
  }
  ASSERT_EQ(::umount2(disk.c_str(), 0), 0);
  const auto gone = Disks::read()->mount_point("/dev/" + stdfs::path(device).filename().native());
  EXPECT_FALSE(gone.ok());
}

TEST_F(FsDisks, APlaceIsTheSameByEveryMountOfIt) {
  mounts_ =
      "1 0 8:1 / / rw - ext4 /dev/a rw\n"
      "2 1 8:2 / /data rw - ext4 /dev/b rw\n"
      "3 1 8:2 /photos/2024 /bound rw - ext4 /dev/b rw\n"
      "4 1 8:1 /home /homes rw - ext4 /dev/a rw\n";
  write(scratch_.file("mountinfo"), mounts_);
  const auto place = [this](const std::string& path) {
    const auto found = place_on_device(path, path, scratch_.file("mountinfo"));
    return found.ok() ? *found : found.error().text();
  };
  EXPECT_EQ(place("/data/photos/2024/x"), "8:2:/photos/2024/x");
  EXPECT_EQ(place("/bound/x"), "8:2:/photos/2024/x");
  EXPECT_EQ(place("/bound"), "8:2:/photos/2024");
  EXPECT_EQ(place("/boundary"), "8:1:/boundary") << "only its name begins alike";
  EXPECT_EQ(place("/homes/u"), place("/home/u"));
  EXPECT_EQ(place("/"), "8:1:/");
  EXPECT_EQ(place("/data"), "8:2:/");
}

}  // namespace
}  // namespace dunlin::fs::testing
