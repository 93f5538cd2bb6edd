// One file of 4 GiB, which goes on in the middle after a kill. In memory: what counts is where a
// kill hits it, not the disk; it needs 8 GiB there for the time.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <vector>

#include "base/check.h"
#include "base/unique_fd.h"
#include "scenario.h"
#include "support/scratch.h"

namespace dunlin::crash {
namespace {

constexpr std::size_t kBlockBytes = 1 << 20;
constexpr int kBlocks = 4096;

class LargeScenario final : public Scenario {
 public:
  std::string name() const override { return "files-large"; }

  void make_source(const std::string&) override {
    const UniqueFd file(::open(source().c_str(), O_WRONLY | O_CREAT, 0640));
    std::vector<std::uint64_t> block(kBlockBytes / sizeof(std::uint64_t));
    std::uint64_t state = 88172645463325252ULL;
    for (int n = 0; n < kBlocks; ++n) {
      for (std::uint64_t& word : block) {  // xorshift64 (Marsaglia 2003)
        state ^= state << 13U;
        state ^= state >> 7U;
        state ^= state << 17U;
        word = state;
      }
      DUNLIN_CHECK(
          ::write(file.get(), block.data(), kBlockBytes) == static_cast<ssize_t>(kBlockBytes),
          "a file of 4 GiB does not fit into /dev/shm");
    }
  }
  void reset_destination() override {
    std::filesystem::remove_all(destination());
    std::filesystem::create_directory(destination());
  }
  std::vector<std::string> command() const override {
    return {"copy", source(), destination() + "/", "--hash", "xxh3"};
  }
  std::string state() override {
    const UniqueFd from(::open(source().c_str(), O_RDONLY));
    const UniqueFd to(::open((destination() + "/large").c_str(), O_RDONLY));
    if (!to) return "it is not there";
    std::vector<char> one(kBlockBytes);
    std::vector<char> other(kBlockBytes);
    for (int n = 0;; ++n) {
      const ssize_t wanted = ::read(from.get(), one.data(), kBlockBytes);
      const ssize_t got = ::read(to.get(), other.data(), kBlockBytes);
      if (wanted != got || std::memcmp(one.data(), other.data(), kBlockBytes) != 0)
        return "it differs in MiB " + std::to_string(n);
      if (wanted <= 0) break;
    }
    struct stat info{};
    DUNLIN_CHECK(::fstat(to.get(), &info) == 0, "fstat");
    return "equal, mode " + std::to_string(info.st_mode);
  }
  std::vector<std::string> leftovers() override {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(destination())) {
      if (entry.path().filename() != "large") found.push_back(entry.path().string());
    }
    return found;
  }
  std::vector<std::string> publishing_points() const override { return {"files.publish.before"}; }

 private:
  [[nodiscard]] std::string source() const { return memory_.file("large"); }
  [[nodiscard]] std::string destination() const { return memory_.file("destination"); }
  testing::ScratchDirectory memory_{"/dev/shm"};
};

}  // namespace

std::unique_ptr<Scenario> make_large_scenario() {
  return std::make_unique<LargeScenario>();
}

}  // namespace dunlin::crash
