// The memory that a process takes, as the kernel counts it.
#include <algorithm>
#include <fstream>

#include "e2e/world.h"

namespace dunlin::e2e {
namespace {

using ::testing::HasSubstr;

class Memory : public World {
 protected:
  static constexpr int kFiles = 6;

  Memory() {
    std::string content(24 << 20, 'x');
    for (int i = 0; i < kFiles; ++i) {
      for (std::size_t at = 0; at < content.size(); at += 4096)
        content[at] = static_cast<char>(i + static_cast<int>(at / 4096));
      write("src/" + std::to_string(i), content);
    }
  }

  /// kB, the most that it has held so far; 0 when it has ended.
  static std::int64_t most_kb(pid_t pid) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6));
    }
    return 0;
  }
  std::int64_t most_kb_of_copy(std::vector<std::string> more) {
    std::vector<std::string> words = {"copy", path("src/"), path("dst"), "--io-limit", "400MB/s"};
    words.insert(words.end(), more.begin(), more.end());
    Process copy(dunlin(words));
    std::int64_t most = 0;
    while (copy.running()) {
      most = std::max(most, most_kb(copy.pid()));
      testing::sleep_for(milliseconds(2));
    }
    EXPECT_EQ(copy.wait(milliseconds(60'000)), 0) << copy.err();
    EXPECT_EQ(difference("src", "dst"), "");
    return most;
  }
};

TEST_F(Memory, StaysBelowItsLimit) {
  const std::int64_t most = most_kb_of_copy({"--memory", "64MB"});
#ifndef __SANITIZE_ADDRESS__  // which takes several times as much for itself
  EXPECT_LE(most, 64'000'000 / 1024);
#else
  EXPECT_GT(most, 0);
#endif
}

TEST_F(Memory, TooLittleIsRefusedWithTheLeast) {
  const Finished copy = run({"copy", path("src/"), path("dst"), "--memory", "20MB"});
  EXPECT_EQ(copy.code, 2);
  EXPECT_THAT(copy.err, HasSubstr("at least 64 MB"));
}

}  // namespace
}  // namespace dunlin::e2e
