// A full state disk: root only, for it mounts a small file system.
#include <sys/mount.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "e2e/world.h"

namespace dunlin::e2e {
namespace {

using ::testing::HasSubstr;

class FullStateNeedsRoot : public World {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "not run: needs root";
    std::filesystem::create_directories(state());
    ASSERT_EQ(::mount("tmpfs", state().c_str(), "tmpfs", 0, "size=96m,mode=0700"), 0);
    mounted_ = true;
  }
  void TearDown() override {
    if (!mounted_) return;
    static_cast<void>(run({"stop", "--now", "--all", "--quiet"}));
    ::umount2(state().c_str(), MNT_DETACH);
  }
  void fill_state() const {
    std::ofstream hog(state() + "/hog", std::ios::binary);
    const std::string block(4096, 'x');
    while (hog.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
  }

 private:
  bool mounted_ = false;
};

TEST_F(FullStateNeedsRoot, DoesNotBlockCancel) {
  make_tree("src", 200, 10'000);
  Process copy(
      dunlin({"copy", path("src"), path("dst"), "--io-limit", "300kB/s", "--batch-size", "10"}));
  ASSERT_TRUE(is_under_way());
  fill_state();
  EXPECT_EQ(run({"cancel", "last"}).code, 0);
  EXPECT_EQ(copy.wait(milliseconds(10'000)), 4) << copy.out() << copy.err();
  EXPECT_THAT(run({"ps"}).out, HasSubstr("cancelled"));
}

TEST_F(FullStateNeedsRoot, PausesAndGoesOnWhenThereIsRoom) {
  make_tree("src", 200, 10'000);
  Process copy(
      dunlin({"copy", path("src"), path("dst"), "--io-limit", "300kB/s", "--batch-size", "10"}));
  ASSERT_TRUE(is_under_way());
  fill_state();
  EXPECT_EQ(run({"pause", "last"}).code, 0);
  EXPECT_EQ(copy.wait(milliseconds(10'000)), 4) << copy.out() << copy.err();
  std::filesystem::remove(state() + "/hog");
  EXPECT_EQ(run({"resume", "last"}).code, 0);
  EXPECT_EQ(difference("src", "dst/src"), "");
}

}  // namespace
}  // namespace dunlin::e2e
