// The engine as a library: examples/job.cpp, which is compiled with everything else.
#include <filesystem>

#include "e2e/world.h"

namespace dunlin::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Library : public World {};

TEST_F(Library, TheExampleStartsWatchesPausesResumesCancelsAndLists) {
  make_tree("src", 400, 2000);
  auto job = dunlin({});
  const auto program = std::filesystem::path(job.words.front()).parent_path() / "example_job";
  job.words = {program, path("src/"), path("dst"), state()};
  const Finished done = testing::run_process(job);
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, AllOf(HasSubstr("is recorded"), HasSubstr("enumeration_complete"),
                              HasSubstr("\ncompleted\n"), HasSubstr("cancelled"),
                              HasSubstr("400 of 400 files")));
  EXPECT_EQ(difference("src", "dst"), "");
  // What a program has started is there for the command line, too.
  EXPECT_EQ(json({"ps"}).size(), 2U);
  EXPECT_EQ(run({"verify", "1"}).code, 0);
  job.words = {program};
  EXPECT_EQ(testing::run_process(job).code, 2);
}

}  // namespace
}  // namespace dunlin::e2e
