// A copy to XFS, which differs from ext4 where nobody looks: what it shows of ACLs, what it does
// with room behind the end of a file.
#include <linux/posix_acl.h>
#include <sys/mount.h>

#include <cstdlib>

#include "fixture.h"
#include "support/tree_compare.h"
#include "support/tree_maker.h"

namespace dunlin::files::testing {
namespace {

using ::testing::IsEmpty;

class FilesOnXfsNeedsRoot : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string image = scratch_.file("image");
    stdfs::create_directory(disk());
    const std::string make = "truncate -s 320M '" + image + "' && mkfs.xfs -q -K '" + image +
                             "' && mount -o loop '" + image + "' '" + disk() + "'";
    ASSERT_EQ(std::system(make.c_str()), 0) << "needs xfsprogs and a loop device";
  }
  void TearDown() override { ::umount2(disk().c_str(), MNT_DETACH); }

  [[nodiscard]] std::string disk() const { return scratch_.file("disk"); }
  [[nodiscard]] std::string source() const { return scratch_.file("source"); }

  void copy() {
    CopyTest copy(source() + "/", disk() + "/target");
    LocalExecution& execution = copy.start();
    const Status status = execution.run_to_end();
    EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().text());
  }
  /// But for the second form in which XFS shows an ACL.
  [[nodiscard]] std::vector<std::string> differences() const {
    auto all = dunlin::testing::tree_differences(source(), disk() + "/target");
    std::erase_if(all, [](const std::string& line) {
      return line.find("xattr trusted.SGI_ACL_") != std::string::npos;
    });
    return all;
  }

 private:
  const ScratchDirectory scratch_;
};

TEST_F(FilesOnXfsNeedsRoot, AclsStayWhenADirectoryIsDoneOnceMore) {
  write_file(source() + "/directory/file", "x");
  const std::string acl = dunlin::testing::acl_bytes({{ACL_USER_OBJ, 7},
                                                      {ACL_USER, 6, 12'345},
                                                      {ACL_GROUP_OBJ, 0},
                                                      {ACL_MASK, 7},
                                                      {ACL_OTHER, 0}});
  for (const char* const name : {"system.posix_acl_access", "system.posix_acl_default"})
    ASSERT_EQ(::setxattr((source() + "/directory").c_str(), name, acl.data(), acl.size(), 0), 0);
  copy();
  EXPECT_THAT(differences(), IsEmpty());
  copy();
  EXPECT_THAT(differences(), IsEmpty()) << "the second copy took the ACL away";
}

TEST_F(FilesOnXfsNeedsRoot, HolesBetweenSmallPiecesTakeNoRoom) {
  write_file(source() + "/holes", "");
  const UniqueFd file(::open((source() + "/holes").c_str(), O_WRONLY | O_CLOEXEC));
  const std::string piece(4096, 'x');
  for (off_t at = 0; at < 1 << 20; at += 8192)
    ASSERT_EQ(::pwrite(file.get(), piece.data(), piece.size(), at), 4096);
  copy();
  EXPECT_THAT(differences(), IsEmpty());
}

}  // namespace
}  // namespace dunlin::files::testing
