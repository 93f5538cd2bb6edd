// Calls that do less than they were asked for: the same result.
#include <thread>

#include "files/fixture.h"
#include "support/short_calls.h"

namespace dunlin::files::testing {
namespace {

using dunlin::testing::ShortCalls;
using ::testing::IsEmpty;

class FilesShortCalls : public ::testing::TestWithParam<int> {};

TEST_P(FilesShortCalls, TheResultIsTheSame) {
  const ScratchDirectory scratch;
  make_odd_tree(scratch.file("source"));
  for (int n = 0; n < 40; ++n)
    write_file(scratch.file("source/many/file with a long name " + std::to_string(n)), "x");
  set_mtime(scratch.file("source/many"), 1'200'000'000);
  set_mtime(scratch.file("source"), 1'200'000'000);
  write_file(scratch.file("target/a.txt"), "an older version");
  fs::Features features;
  features.syncfs = GetParam() % 2 == 0;  // else each file and directory is flushed by itself
  features.direct_io = GetParam() % 3 != 0;
  CopyTest copy(scratch.file("source/"), scratch.file("target"), {}, features);
  LocalExecution& execution = copy.start();
  {
    const ShortCalls calls(static_cast<std::uint64_t>(GetParam()), true);
    ASSERT_TRUE(is_ok(execution.run_to_end()));
    EXPECT_GT(ShortCalls::shortened(), 50);
    EXPECT_GT(ShortCalls::interrupted(), 20);
    ASSERT_TRUE(is_ok(execution.verify()));
  }
  EXPECT_TRUE(all_ended(execution));
  EXPECT_EQ(execution.differences(), 0);
  for (const LocalItem* item : execution.items())
    EXPECT_EQ(item->row.attempt, 0) << item->row.name << ": nothing of this is a failure";
  auto result = snapshot(scratch.file("target"));
  result.erase("/.dunlin-undo-456789ab");
  result.erase("/.dunlin-undo-456789ab/" + std::to_string(execution.item("a.txt")->row.id.value));
  EXPECT_EQ(result, snapshot(scratch.file("source")));
}

INSTANTIATE_TEST_SUITE_P(BySeed, FilesShortCalls, ::testing::Range(1, 13));

}  // namespace
}  // namespace dunlin::files::testing
