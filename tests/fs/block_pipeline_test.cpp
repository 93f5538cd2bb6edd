// Blocks on several threads: each hash sees all in order, and the first thing that goes wrong
// counts.
#include "fs/block_pipeline.h"

#include <atomic>
#include <chrono>
#include <cstring>
#include <numeric>
#include <set>
#include <thread>

#include "fs/chunk_recorder.h"
#include "fs/fixture.h"
#include "support/denied_calls.h"

namespace dunlin::fs::testing {
namespace {

constexpr std::int64_t kBlocks = 200;

/// The steps of a file of kBlocks blocks of 8 bytes, each holding its number.
class FsBlockPipeline : public ::testing::Test {
 protected:
  FsBlockPipeline() {
    steps.next = [this](Block& block) {
      block.offset = next * 8;
      block.wanted = 8;
      return next++ < kBlocks;
    };
    steps.fill = [](Block& block) -> Status {
      const std::int64_t number = block.offset / 8;
      // Later ones are often ready before earlier ones.
      if (number % 3 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
      std::memcpy(block.data, &number, sizeof number);
      block.got = 8;
      return success();
    };
    for (std::vector<std::int64_t>& lane : seen) {
      steps.lanes.emplace_back([&lane](std::span<const std::byte> bytes) {
        std::int64_t number = -1;
        if (bytes.size() == sizeof number) std::memcpy(&number, bytes.data(), sizeof number);
        lane.push_back(number);
      });
    }
    steps.done = [this](const Block& block) -> Result<bool> {
      done.push_back(block.offset / 8);
      return true;
    };
  }
  Status run(BlockPipeline::Size size = {4, 8}) {
    BlockPipeline pipeline(std::move(steps), size);
    return pipeline.run();
  }
  static std::vector<std::int64_t> first(std::int64_t count) {
    std::vector<std::int64_t> numbers(static_cast<std::size_t>(count));
    std::iota(numbers.begin(), numbers.end(), 0);
    return numbers;
  }
  BlockPipeline::Steps steps;
  std::int64_t next = 0;
  std::vector<std::int64_t> seen[2];
  std::vector<std::int64_t> done;
};

TEST_F(FsBlockPipeline, EveryLaneAndTheCallerSeeEachBlockOnceAndInOrder) {
  std::atomic<int> used{0};
  steps.use = [&](const Block&, std::byte* spare) -> Status {
    EXPECT_NE(spare, nullptr);
    ++used;
    return success();
  };
  ASSERT_TRUE(is_ok(run()));
  EXPECT_EQ(seen[0], first(kBlocks));
  EXPECT_EQ(seen[1], first(kBlocks));
  EXPECT_EQ(done, first(kBlocks));
  EXPECT_EQ(used, kBlocks);
}

TEST_F(FsBlockPipeline, NoMoreBlocksAreHeldThanItHas) {
  std::atomic<int> held{0};
  steps.fill = [&](Block& block) -> Status {
    EXPECT_LE(++held, 5);
    block.got = block.wanted;
    return success();
  };
  steps.done = [&](const Block&) -> Result<bool> {
    --held;
    return true;
  };
  ASSERT_TRUE(is_ok(run({3, 5})));
  EXPECT_EQ(held, 0);
}

TEST_F(FsBlockPipeline, TheEarliestErrorIsTheOneThatIsSaid) {
  for (const std::int64_t bad : {0, 7, 199}) {
    SCOPED_TRACE(bad);
    next = 0;
    done.clear();
    BlockPipeline::Steps failing = steps;
    failing.use = [bad](const Block& block, std::byte*) -> Status {
      const std::int64_t number = block.offset / 8;
      if (number < bad) return success();
      // The later ones fail first.
      if (number == bad) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      return Error(ErrorType::write_error, "block " + std::to_string(number));
    };
    BlockPipeline pipeline(std::move(failing), {4, 8});
    const Status status = pipeline.run();
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().message, "block " + std::to_string(bad));
    EXPECT_EQ(done, first(bad)) << "what stands before it is done all the same";
  }
}

TEST_F(FsBlockPipeline, AShortBlockIsTheLast) {
  const auto whole = steps.fill;
  steps.fill = [whole](Block& block) -> Status {
    DUNLIN_TRY(whole(block));
    if (block.offset >= 50 * 8) block.got = 3;
    return success();
  };
  ASSERT_TRUE(is_ok(run()));
  EXPECT_EQ(done, first(51));
  EXPECT_EQ(seen[0].size(), 51U);
  EXPECT_EQ(seen[1].size(), 51U);
}

TEST_F(FsBlockPipeline, WhoHasEnoughIsAskedNoMore) {
  steps.done = [this](const Block& block) -> Result<bool> {
    done.push_back(block.offset / 8);
    return done.size() < 20;
  };
  ASSERT_TRUE(is_ok(run()));
  EXPECT_EQ(done, first(20));
}

TEST_F(FsBlockPipeline, AnEmptyFileHasNoBlocks) {
  steps.next = [](Block&) { return false; };
  ASSERT_TRUE(is_ok(run()));
  EXPECT_TRUE(done.empty());
}

TEST_F(FsBlockPipeline, WithoutThreadsItFailsAndSaysSo) {
  Status status = success();
  dunlin::testing::with_denied_calls({{__NR_clone3, EAGAIN}, {__NR_clone, EAGAIN}},
                                     [&] { status = run(); });
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().text().find("start a thread"), std::string::npos);
}

TEST(FsChunkRecorder, EachIsRecordedInOrderAndAfterAnErrorNoMore) {
  CancelSource source;
  const CancelToken token = source.token();
  std::vector<std::string> recorded;
  {
    ChunkRecorder recorder(
        [&](const std::string& hashes) {
          recorded.push_back(hashes);
          return success();
        },
        token);
    for (int n = 0; n < 30; ++n) ASSERT_TRUE(is_ok(recorder.add(std::to_string(n))));
    ASSERT_TRUE(is_ok(recorder.finish()));
    ASSERT_EQ(recorded.size(), 30U);
    for (std::size_t n = 0; n < 30; ++n) EXPECT_EQ(recorded[n], std::to_string(n));
  }
  int calls = 0;
  std::atomic<int> added{0};
  ChunkRecorder recorder(
      [&](const std::string&) -> Status {
        while (added < 4) std::this_thread::yield();  // some wait behind it
        ++calls;
        return Error(ErrorType::stale_owner, "replaced");
      },
      token);
  Status status = success();
  for (int n = 0; n < 30 && status.ok(); ++n) {
    status = recorder.add("x");
    ++added;
  }
  status = recorder.finish();  // those that wait are dropped
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().type, ErrorType::stale_owner);
  EXPECT_EQ(calls, 1);
}

TEST(FsChunkRecorder, AfterAPauseNothingMoreIsRecorded) {
  CancelSource source;
  const CancelToken token = source.token();
  int calls = 0;
  ChunkRecorder recorder(
      [&](const std::string&) {
        if (++calls == 2) source.request(CancelReason::pause);
        return success();
      },
      token);
  Status status = success();
  for (int n = 0; n < 5 && status.ok(); ++n) status = recorder.add("x");
  if (status.ok()) status = recorder.finish();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().type, ErrorType::interrupted);
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace dunlin::fs::testing
