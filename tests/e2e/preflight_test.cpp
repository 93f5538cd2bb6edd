// What is looked at before anything is written, as a user sees it.
#include <sys/stat.h>

#include <filesystem>

#include "e2e/world.h"

namespace dunlin::e2e {
namespace {

namespace stdfs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class PreflightOfItems : public World {
 protected:
  /// One of them may not be read by its own owner.
  void make_source() {
    make_tree("src", 20, 100);
    ASSERT_EQ(::chmod(path("src/d3/f8").c_str(), 0), 0);
  }
};

TEST_F(PreflightOfItems, CompleteWritesNothingWhenOneOfThemCannotBeCopied) {
  make_source();
  const Finished done = run({"copy", path("src"), path("dst"), "--preflight", "complete"});
  EXPECT_EQ(done.code, 3) << done.out << done.err;
  EXPECT_THAT(done.out, HasSubstr("/src/d3/f8"));
  EXPECT_FALSE(stdfs::exists(path("dst")));
  ASSERT_EQ(::chmod(path("src/d3/f8").c_str(), 0644), 0);
  const Finished again = run({"resume", "last"});
  EXPECT_EQ(again.code, 0) << again.out << again.err;
  EXPECT_EQ(difference("src", "dst/src"), "");
}

TEST_F(PreflightOfItems, OtherwiseItIsNamedAndTheOthersAreCopied) {
  make_source();
  const Finished done = run({"copy", path("src"), path("dst")});
  EXPECT_EQ(done.code, 1) << done.out << done.err;
  EXPECT_THAT(done.out, HasSubstr("warning"));
  EXPECT_THAT(done.out, HasSubstr("/src/d3/f8"));
  EXPECT_TRUE(stdfs::exists(path("dst/src/d3")));
  EXPECT_THAT(run({"report", "last"}).out, HasSubstr("items_checked"));

  const Finished streaming =
      run({"copy", path("src"), path("other"), "--preflight", "streaming", "--json"});
  EXPECT_EQ(streaming.code, 1);
  EXPECT_FALSE(json_lines(streaming.out).back().contains("problems"));
  EXPECT_THAT(run({"report", "last"}).out, Not(HasSubstr("items_checked")));
}

TEST_F(PreflightOfItems, TooLittleRoomIsSaidBeforeAnythingIsWritten) {
  make_tree("src", 20, 100);
  const Finished done = run({"copy", path("src"), path("dst"), "--space-reservation", "100%"});
  EXPECT_EQ(done.code, 3) << done.out << done.err;
  EXPECT_THAT(done.out, HasSubstr("to be kept free"));
  EXPECT_THAT(done.out, HasSubstr("--preflight streaming"));
  EXPECT_FALSE(stdfs::exists(path("dst")));

  const Finished begun = run({"copy", path("src"), path("dst"), "--space-reservation", "100%",
                              "--preflight", "streaming"});
  EXPECT_EQ(begun.code, 4) << begun.out << begun.err;
  EXPECT_THAT(begun.out, HasSubstr("space_reservation"));
  EXPECT_THAT(begun.out, HasSubstr("dunlin resume"));
}

TEST_F(PreflightOfItems, AReservationThatIsNoneIsRefused) {
  make_tree("src", 1, 1);
  const Finished done = run({"copy", path("src"), path("dst"), "--space-reservation", "plenty"});
  EXPECT_EQ(done.code, 2);
  EXPECT_THAT(done.err, HasSubstr("10GiB"));
}

}  // namespace
}  // namespace dunlin::e2e
