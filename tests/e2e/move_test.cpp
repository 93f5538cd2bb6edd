// A tree is moved: what the user sees, what is left where, and that all of it comes back.
#include "base/file_io.h"
#include "e2e/world.h"

namespace dunlin::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Move : public World {};

TEST_F(Move, ATreeIsMovedReportedAndTakenBack) {
  make_tree("src", 30, 3000);
  make_tree("reference", 30, 3000);
  const Finished done = run({"move", path("src"), path("dst"), "--delete-empty-src-dirs"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("completed: move "));
  EXPECT_THAT(done.out, HasSubstr("found as moved"));
  EXPECT_THAT(done.out, Not(HasSubstr("compared equal")));
  EXPECT_EQ(difference("reference", "dst/src"), "");
  EXPECT_THAT(run({"items", "1"}).out, HasSubstr("renamed"));
  EXPECT_EQ(run({"verify", "1"}).code, 0);
  EXPECT_EQ(run({"rollback", "1", "--yes"}).code, 0);
  EXPECT_EQ(difference("reference", "src"), "");
}

TEST_F(Move, OntoItselfSaysWhatToDoAndLosesNothing) {
  write("d/file", "only one");
  const Finished done = run({"move", path("d/file"), path("d/")});
  EXPECT_EQ(done.code, 1);
  EXPECT_THAT(run({"errors", "last"}).out, HasSubstr("the same file"));
  EXPECT_EQ(run({"move", path("d"), path("d/inside")}).code, 3);
  EXPECT_EQ(*read_file(path("d/file")), "only one");
}

TEST_F(Move, ItsHelpNamesOnlyWhatFilesKnow) {
  const Finished help = run({"move", "--help"});
  EXPECT_THAT(help.out, HasSubstr("--delete-empty-src-dirs"));
  EXPECT_THAT(help.out, HasSubstr("--preserve"));
  EXPECT_THAT(help.out, Not(HasSubstr("--multipart-threshold")));
}

}  // namespace
}  // namespace dunlin::e2e
