// The simulator: the coordinator under crashes, stale owners and doubled, delayed, reordered and
// lost events.
//
//   sim --seeds N [--first S] [--jobs J]     N seeds from S on (1 if not named)
//   sim --seed S [--trace] [--history N]     one seed again, with the last 50 or N events before
//   the
//                                            violation (--trace: always)
//
// Ends with "N passed, N failed, 0 skipped". A seed is all that is needed to see the same again: on
// a violation it is played once more with its history recorded.
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "base/logging.h"
#include "sim/world.h"

namespace {

using dunlin::sim::Scenario;
using dunlin::sim::Statistics;
using dunlin::sim::Violation;
using dunlin::sim::World;

struct Options {
  std::uint64_t seeds = 500;
  std::uint64_t first = 1;
  std::uint64_t only = 0;
  bool trace = false;
  std::size_t history = 50;
  int jobs = 2;
};

/// A check of the engine's own that fails aborts the process: the seed must be known even then.
thread_local std::uint64_t current_seed = 0;

void on_abort(int) {
  char text[96];
  const int size = std::snprintf(
      text, sizeof text, "sim: aborted in seed %llu; again:  sim --seed %llu --trace\n",
      static_cast<unsigned long long>(current_seed), static_cast<unsigned long long>(current_seed));
  if (size > 0 && ::write(STDERR_FILENO, text, static_cast<std::size_t>(size)) < 0) ::_exit(3);
  std::signal(SIGABRT, SIG_DFL);
  std::abort();
}

class Summary {
 public:
  void add(const Statistics& one) {
    const std::lock_guard lock(mutex_);
    ++passed_;
    for (const auto& field : kFields) sum_.*field.member += one.*field.member;
  }
  /// True for the first few, which are shown in full.
  bool add_violation(std::uint64_t seed, const std::string& what) {
    const std::lock_guard lock(mutex_);
    ++failed_;
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), what.c_str());
    return failed_ <= 3;
  }
  void print(double seconds, std::uint64_t seeds) const {
    for (const auto& field : kFields)
      std::printf("  %-28s %12lld\n", field.name, static_cast<long long>(sum_.*field.member));
    std::printf("  %-28s %12.2f\n", "ms per seed and core",
                1000.0 * seconds / static_cast<double>(seeds));
    std::printf("%lld passed, %lld failed, 0 skipped\n", static_cast<long long>(passed_),
                static_cast<long long>(failed_));
  }
  [[nodiscard]] bool good() const { return failed_ == 0; }
  std::mutex& printing() { return mutex_; }

 private:
  struct Field {
    const char* name;
    std::int64_t Statistics::* member;
  };
  static constexpr Field kFields[] = {{"steps of the coordinator", &Statistics::steps},
                                      {"owners", &Statistics::owners},
                                      {"crashes", &Statistics::crashes},
                                      {"take-overs of a live owner", &Statistics::take_overs},
                                      {"events and commands lost", &Statistics::lost},
                                      {"events doubled", &Statistics::doubled},
                                      {"events late", &Statistics::late},
                                      {"transactions", &Statistics::commits},
                                      {"transactions failed", &Statistics::persist_failures},
                                      {"verbs given", &Statistics::controls},
                                      {"parts held back", &Statistics::holds},
                                      {"pauses for what is held", &Statistics::only_held_left},
                                      {"items refused beforehand", &Statistics::refusals},
                                      {"effects", &Statistics::effects},
                                      {"virtual time, ms", &Statistics::virtual_ms}};
  std::mutex mutex_;
  Statistics sum_;
  std::int64_t passed_ = 0;
  std::int64_t failed_ = 0;
};

/// Plays the seed; on a violation once more with its history, which is then printed.
bool play(std::uint64_t seed, bool trace, std::size_t history, Summary& summary) {
  current_seed = seed;
  const Scenario scenario = Scenario::from_seed(seed);
  std::string what;
  try {
    World world(scenario, trace ? history : 0);
    world.run();
    summary.add(world.statistics());
    if (trace) {
      for (const auto& line : world.history()) std::printf("%s\n", line.c_str());
    }
    return true;
  } catch (const Violation& violation) {
    what = violation.what();
  }
  if (!summary.add_violation(seed, what) && !trace) return false;
  World again(scenario, history);
  try {
    again.run();
    std::printf(
        "seed %llu: the second run passed; it must not: the simulation is not deterministic\n",
        static_cast<unsigned long long>(seed));
  } catch (const Violation&) {
    const std::lock_guard lock(summary.printing());
    std::printf("  %s\n  step %lld; the last events:\n", scenario.describe().c_str(),
                static_cast<long long>(again.steps()));
    for (const auto& line : again.history()) std::printf("    %s\n", line.c_str());
    std::printf("  again:  sim --seed %llu\n", static_cast<unsigned long long>(seed));
    std::fflush(stdout);
  }
  return false;
}

bool number(const char* text, std::uint64_t& value) {
  char* end = nullptr;
  value = std::strtoull(text, &end, 10);
  return end != text && *end == '\0';
}

bool parse(int argc, char** argv, Options& options) {
  for (int n = 1; n < argc; ++n) {
    const std::string name = argv[n];
    if (name == "--trace") {
      options.trace = true;
      continue;
    }
    std::uint64_t value = 0;
    if (n + 1 >= argc || !number(argv[++n], value)) return false;
    if (name == "--seeds") {
      options.seeds = value;
    } else if (name == "--first") {
      options.first = value;
    } else if (name == "--seed") {
      options.only = value;
    } else if (name == "--history") {
      options.history = std::clamp<std::uint64_t>(value, 1, 1'000'000);
    } else if (name == "--jobs") {
      options.jobs = static_cast<int>(std::clamp<std::uint64_t>(value, 1, 64));
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    std::fprintf(
        stderr,
        "usage: sim [--seeds N] [--first S] [--jobs J] | --seed S [--trace] [--history N]\n");
    return 2;
  }
  std::signal(SIGABRT, on_abort);
  Summary summary;
  const auto started = std::chrono::steady_clock::now();
  if (options.only > 0) {
    const bool good = play(options.only, true, options.history, summary);
    std::printf("%d passed, %d failed, 0 skipped\n", good ? 1 : 0, good ? 0 : 1);
    return good ? 0 : 1;
  }
  std::atomic<std::uint64_t> next{options.first};
  const std::uint64_t end = options.first + options.seeds;
  std::vector<std::thread> threads;
  for (int n = 0; n < options.jobs; ++n) {
    threads.emplace_back([&] {
      for (std::uint64_t seed = next++; seed < end; seed = next++)
        play(seed, false, options.history, summary);
    });
  }
  for (auto& thread : threads) thread.join();
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  std::printf("seeds %llu to %llu in %.1f s on %d threads\n",
              static_cast<unsigned long long>(options.first),
              static_cast<unsigned long long>(end - 1), seconds, options.jobs);
  summary.print(seconds * options.jobs, options.seeds);
  return summary.good() ? 0 : 1;
}
