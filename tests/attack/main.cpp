// attack: shows that dunlin never leaves the two roots, whatever is swapped under it. See
// README.md.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "naive.h"
#include "old_kernel.h"
#include "operations.h"
#include "support/scratch.h"
#include "tree.h"

namespace {

using dunlin::attack::Options;
using dunlin::attack::Tally;
using dunlin::attack::Witness;

constexpr const char* kUsage =
    "usage: attack [--self-check] [--seconds N] [--seed S] [--binary PATH]\n"
    "              [--scratch DIR]\n"
    "              [--operation "
    "copy|follow|overwrite|verify|rollback|resume|into|move|move-across|link|"
    "keep-both]...\n"
    "  --seconds: for each operation (default 5)\n"
    "  --scratch: where the trees are made (default: in memory)\n"
    "  --self-check: a naive program instead of dunlin; each operation of it must be caught\n"
    "  started by root, the trees and the attackers belong to uid 65534, dunlin is root\n";
// We are these programs ourselves.
constexpr const char* kNaive = "--naive";
constexpr const char* kOldKernel = "--old-kernel";

struct Arguments {
  Options options;
  std::vector<std::string> operations;
};

std::string own_path() {
  char path[4096];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
  return length > 0 ? std::string(path, static_cast<std::size_t>(length)) : std::string();
}

std::string default_binary() {
  if (const char* named = std::getenv("DUNLIN_BINARY")) return named;
  const std::string own = own_path();
  const std::string folder = own.substr(0, own.rfind('/'));
  const std::string beside = folder + "/dunlin";
  return ::access(beside.c_str(), X_OK) == 0 ? beside : folder + "/../dunlin";
}

[[noreturn]] void wrong_usage() {
  std::fputs(kUsage, stderr);
  std::exit(2);
}

Arguments parse(const std::vector<std::string>& words) {
  Arguments arguments;
  arguments.options.program = {default_binary()};
  for (std::size_t n = 0; n < words.size(); ++n) {
    const auto value = [&] {
      if (n + 1 >= words.size()) wrong_usage();
      return words[++n];
    };
    const std::string& word = words[n];
    if (word == "--self-check") {
      arguments.options.naive = true;
    } else if (word == "--seconds") {
      arguments.options.seconds = std::stod(value());
    } else if (word == "--seed") {
      arguments.options.seed = std::stoull(value());
    } else if (word == "--binary") {
      arguments.options.program = {value()};
    } else if (word == "--scratch") {
      arguments.options.scratch = value();
    } else if (word == "--operation") {
      arguments.operations.push_back(value());
    } else {
      wrong_usage();
    }
  }
  const std::vector<std::string>& known = dunlin::attack::operation_names();
  for (const std::string& operation : arguments.operations) {
    if (std::find(known.begin(), known.end(), operation) == known.end()) wrong_usage();
  }
  if (arguments.operations.empty()) arguments.operations = known;
  if (arguments.options.naive) {
    arguments.options.program = {own_path(), kNaive};
  } else {
    arguments.options.old_kernel = {own_path(), kOldKernel};
  }
  return arguments;
}

int attack_dunlin(const Arguments& arguments) {
  std::printf("%-10s %7s %7s %7s %11s %12s %14s %14s %10s\n", "operation", "rounds", "refused",
              "kills", "old kernel", "swaps", "of temporaries", "of undo folder", "failures");
  bool good = true;
  for (const std::string& operation : arguments.operations) {
    const Tally tally = dunlin::attack::attack(arguments.options, operation);
    std::printf("%-10s %7d %7d %7d %11d %12lld %14lld %14lld %10zu\n", operation.c_str(),
                tally.rounds, tally.refused, tally.kills, tally.old_kernel,
                static_cast<long long>(tally.working.swaps),
                static_cast<long long>(tally.working.temporaries),
                static_cast<long long>(tally.working.undo_folders), tally.failures.size());
    for (const std::string& failure : tally.failures)
      std::printf("FAILED %s %s\n", operation.c_str(), failure.c_str());
    good = good && tally.failures.empty();
  }
  return good ? 0 : 1;
}

int check_ourselves(const Arguments& arguments) {
  std::printf("%-10s %7s %12s  %s\n", "naive", "rounds", "swaps", "caught by");
  bool good = true;
  for (const std::string& operation : arguments.operations) {
    const Tally tally = dunlin::attack::attack(arguments.options, operation);
    std::string caught;
    for (const Witness witness : tally.witnesses)
      caught.append(caught.empty() ? "" : ", ").append(dunlin::attack::to_string(witness));
    std::printf("%-10s %7d %12lld  %s\n", operation.c_str(), tally.rounds,
                static_cast<long long>(tally.working.swaps),
                caught.empty() ? "nothing" : caught.c_str());
    for (const Witness witness : dunlin::attack::expected_witnesses(operation)) {
      if (tally.witnesses.contains(witness)) continue;
      std::printf("FAILED %s: the %s has not shown it\n", operation.c_str(),
                  dunlin::attack::to_string(witness));
      good = false;
    }
  }
  return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (!words.empty() && words[0] == kNaive)
    return dunlin::attack::run_naive({words.begin() + 1, words.end()});
  if (!words.empty() && words[0] == kOldKernel)
    return dunlin::attack::run_on_old_kernel({words.begin() + 1, words.end()});
  Arguments arguments = parse(words);
  const dunlin::testing::ScratchDirectory scratch =
      arguments.options.scratch.empty()
          ? dunlin::testing::ScratchDirectory::in_memory()
          : dunlin::testing::ScratchDirectory(arguments.options.scratch);
  arguments.options.scratch = scratch.path();
  return arguments.options.naive ? check_ourselves(arguments) : attack_dunlin(arguments);
}
