// See trees.h.
#include "trees.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <vector>

#include "base/rng.h"
#include "base/unique_fd.h"
#include "disk_log.h"
#include "support/adversarial_tree.h"

namespace dunlin::power {
namespace {

namespace fsys = std::filesystem;

constexpr const char* kTheirs = "theirs";
constexpr std::uint64_t kLargest = 200'000;
constexpr std::time_t kOld = 1'300'000'000;

void old_file(const std::string& path, Rng& rng) {
  std::string bytes(rng.below(rng.chance(0.2) ? kLargest : 6'000), '\0');
  for (char& byte : bytes) byte = static_cast<char>(rng.below(256));
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  require(fd.valid(), path);
  require(::write(fd.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
          path);
  const timespec times[2] = {{kOld, 0}, {kOld, static_cast<long>(rng.below(1'000'000'000))}};
  require(::fchmod(fd.get(), rng.chance(0.5) ? 0644 : 0600) == 0, path);
  require(::futimens(fd.get(), times) == 0, path);
}

}  // namespace

bool is_theirs(std::string_view name) {
  return name == kTheirs;
}

Trees make_trees(const std::string& folder, std::uint64_t seed,
                 const std::vector<std::string>& refused, bool exact) {
  const Trees trees{folder + "/source", folder + "/old", exact};
  fsys::create_directory(folder);
  fsys::create_directory(trees.source);
  fsys::create_directory(trees.old);
  testing::AdversarialOptions options;
  options.seed = seed;
  options.flags = exact;
  options.deep = false;  // the judge goes by path
  testing::make_adversarial_tree(trees.source, options);
  for (const std::string& path : refused) fsys::remove(trees.source + "/" + path);
  Rng rng(seed);
  std::vector<std::string> files;
  for (const auto& entry : fsys::recursive_directory_iterator(trees.source)) {
    if (!entry.is_symlink() && entry.is_regular_file())
      files.push_back(entry.path().string().substr(trees.source.size() + 1));
  }
  std::sort(files.begin(), files.end());
  for (const std::string& file : files) {
    if (!rng.chance(0.2)) continue;
    const std::string parent = fsys::path(trees.old + "/" + file).parent_path().string();
    fsys::create_directories(parent);
    old_file(trees.old + "/" + file, rng);
    const std::string theirs = parent + "/" + kTheirs;
    if (!fsys::exists(theirs)) old_file(theirs, rng);
  }
  return trees;
}

}  // namespace dunlin::power
