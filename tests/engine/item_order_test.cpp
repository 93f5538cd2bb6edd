// Items of one directory, one after the other on one thread, beside those of other directories.
#include <thread>

#include <gmock/gmock.h>

#include "engine/execution_fixture.h"

namespace dunlin::engine {
namespace {

class ItemOrderTest : public ExecutionTest {
 protected:
  void SetUp() override {
    ExecutionTest::SetUp();
    script_.items = 40;
    script_.per_batch = 40;
    script_.per_directory = 10;
    script_.by_directory = true;
  }
  /// Those of the directory that begins with item `first`, as they began.
  std::vector<std::pair<std::string, std::thread::id>> begun_of(int first) {
    const std::lock_guard lock(script_.mutex);
    std::vector<std::pair<std::string, std::thread::id>> found;
    for (const auto& entry : script_.order) {
      const int number = std::stoi(entry.first.substr(4));
      if (number >= first && number < first + 10) found.push_back(entry);
    }
    return found;
  }
};

TEST_F(ItemOrderTest, EachDirectoryIsRunInItsOrderByOneThread) {
  EXPECT_EQ(run(create()).exit_code, 0);
  expect_all_applied_once();
  for (const int first : {1, 11, 21, 31}) {
    const auto begun = begun_of(first);
    ASSERT_EQ(begun.size(), 10U);
    for (int n = 0; n < 10; ++n) {
      EXPECT_EQ(begun[static_cast<std::size_t>(n)].first, "item" + std::to_string(first + n));
      EXPECT_EQ(begun[static_cast<std::size_t>(n)].second, begun.front().second);
    }
  }
}

TEST_F(ItemOrderTest, AnItemThatTakesLongHoldsUpItsOwnDirectoryOnlyAndAPauseEndsIt) {
  script_.held = "item3";
  const ExecutionId id = create();
  auto execution = attach(id);
  Outcome outcome;
  std::thread owner([&] { outcome = execution->run(); });
  while (script_.begun < 33) std::this_thread::yield();  // three here, all of the three others
  EXPECT_EQ(begun_of(1).size(), 3U);
  ASSERT_TRUE(engine_->control(id, "pause", Json::object(), Asker::here("test")).ok());
  owner.join();
  execution.reset();
  EXPECT_EQ(outcome.status, ExecutionStatus::paused);
  EXPECT_EQ(script_.begun, 33) << "nothing more of that directory begins";
  script_.held.clear();
  EXPECT_EQ(run(id).exit_code, 0);
  expect_all_applied_once();
}

TEST_F(ItemOrderTest, AFailureThatEndsItAllEndsItsDirectoryToo) {
  script_.failures["item3"] = {ErrorType::disk_full};
  const ExecutionId id = create();
  EXPECT_EQ(run(id).status, ExecutionStatus::paused);
  EXPECT_EQ(begun_of(1).size(), 3U);
  EXPECT_EQ(run(id).exit_code, 0);
  expect_all_applied_once();
}

}  // namespace
}  // namespace dunlin::engine
