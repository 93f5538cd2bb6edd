#include "phases.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <fstream>
#include <optional>
#include <thread>
#include <vector>

#include "base/rng.h"

namespace dunlin::crash {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr auto kPoll = std::chrono::microseconds(100);
constexpr std::uint64_t kLastDelay_us = 2000;

struct Begins {
  std::string_view prefix;
  Phase phase;
};
/// The first prefix that fits decides. A point that is not here belongs to the phase before it.
constexpr Begins kBegins[] = {
    {"engine.append.", Phase::enumeration},
    {"files.read_back.after", Phase::commit},
    {"files.read_back.", Phase::verification},
    {"files.intents.", Phase::commit},
    {"files.publish.", Phase::commit},
    {"fs.rename_", Phase::commit},
    {"fs.exchange.", Phase::commit},
    {"fs.keep_old.", Phase::commit},
    {"fs.syncfs_names.", Phase::commit},
    {"files.flush_names.", Phase::commit},
    {"files.outcomes.", Phase::commit},
    {"files.remove_sources.", Phase::clean_up},
    {"files.source_aside.", Phase::clean_up},
    {"files.write.", Phase::copy},
    {"fs.syncfs.", Phase::copy},
    {"fs.chunk.", Phase::copy},
    {"files.create_directories.", Phase::copy},
};

/// Follows the log of crash points of a running process.
class Follower {
 public:
  explicit Follower(std::string path) : path_(std::move(path)) {}

  /// Reads what has come; the number of lines so far.
  int read() {
    std::ifstream in(path_);
    in.seekg(position_);
    for (std::string line; std::getline(in, line);) {
      if (in.eof()) break;  // its end is still to come
      position_ += static_cast<std::streamoff>(line.size()) + 1;
      note(line);
      if (const auto now = phase()) seen_[static_cast<std::size_t>(*now)].push_back(lines_);
    }
    return lines_;
  }
  [[nodiscard]] std::optional<Phase> phase() const {
    if (settling_ > 0) return Phase::clean_up;
    return phase_;
  }
  /// After how many lines the process was in `phase`, each time.
  [[nodiscard]] const std::vector<int>& seen(Phase phase) const {
    return seen_[static_cast<std::size_t>(phase)];
  }

 private:
  void note(const std::string& line) {
    ++lines_;
    if (line == "files.settle.before") ++settling_;
    if (line == "files.settle.after") --settling_;
    for (const Begins& one : kBegins) {
      if (!line.starts_with(one.prefix)) continue;
      phase_ = one.phase;
      return;
    }
  }
  std::string path_;
  std::streamoff position_ = 0;
  int lines_ = 0;
  int settling_ = 0;
  std::optional<Phase> phase_;
  std::array<std::vector<int>, kPhaseNames.size()> seen_;
};

/// Kills the process in the wanted phase, somewhere after `lines` points; what it was doing then.
std::optional<Phase> aim(Bench& bench, const std::vector<std::string>& command, Phase wanted,
                         int lines, std::uint64_t delay_us, Ended& ended) {
  const std::string log = bench.folder() + "/points-now";
  ::unlink(log.c_str());
  Follower follower(log);
  Process process(command, bench.environment({{"DUNLIN_CRASH_LOG", log}}), bench.output());
  const auto until = SteadyClock::now() + std::chrono::milliseconds(10 * bench.undisturbed_ms());
  while (process.running() && SteadyClock::now() < until) {
    if (follower.read() >= lines && follower.phase() == wanted) break;
    std::this_thread::sleep_for(kPoll);
  }
  std::this_thread::sleep_for(std::chrono::microseconds(delay_us));
  process.signal(SIGKILL);
  ended = process.wait(60'000);
  follower.read();
  return ended.killed ? follower.phase() : std::nullopt;
}

/// Some moment of the undisturbed run in that phase.
int moment_of(const Follower& undisturbed, Phase phase, Rng& rng) {
  const std::vector<int>& moments = undisturbed.seen(phase);
  return moments.empty() ? 0 : moments[rng.below(moments.size())];
}

}  // namespace

PhaseTally kill_in_phases(const Options& options, const std::string& scenario, int each) {
  Bench bench(options, scenario);
  Rng rng(options.seed);
  PhaseTally result;
  Tally& tally = result.tally;
  tally.scenario = scenario;
  tally.points = static_cast<int>(bench.points().size());
  Follower undisturbed(bench.folder() + "/points");
  undisturbed.read();
  const auto enough = [&] {
    return tally.random_kills >= options.random_kills &&
           *std::min_element(result.kills.begin(), result.kills.end()) >= each;
  };
  const int tries_max = 10 * std::max(options.random_kills, each * 5);
  for (int n = 0; n < tries_max && !enough(); ++n) {
    bench.reset();
    const auto least = std::min_element(result.kills.begin(), result.kills.end());
    const auto wanted = static_cast<Phase>(least - result.kills.begin());
    Ended last;
    std::optional<Phase> hit;
    if (wanted == Phase::clean_up) {
      // Something has to be left first.
      const Phase first = rng.chance(0.5) ? Phase::copy : Phase::commit;
      static_cast<void>(aim(bench, bench.command(), first, moment_of(undisturbed, first, rng),
                            rng.below(kLastDelay_us), last));
      if (last.killed) {
        ++tally.kills_in_recovery;
        hit =
            aim(bench, bench.dunlin({"resume", "last"}), wanted, 0, rng.below(kLastDelay_us), last);
      }
    } else {
      hit = aim(bench, bench.command(), wanted, moment_of(undisturbed, wanted, rng),
                rng.below(kLastDelay_us), last);
    }
    if (last.killed) {
      ++tally.random_kills;
      if (hit) ++result.kills[static_cast<std::size_t>(*hit)];
    }
    // A kill may also come when the end is on record: then there is nothing to resume.
    constexpr int kNothingToResume = 2;
    if (last.killed || last.exit_code == kNothingToResume) {
      bool died_again = false;
      last = bench.finish({}, died_again);
    }
    if (const std::string text = bench.differences(last); !text.empty()) {
      tally.failures.push_back(
          "killed in " +
          std::string(hit ? kPhaseNames[static_cast<std::size_t>(*hit)] : "no phase of its own") +
          ", try " + std::to_string(n) + text);
    }
  }
  if (!enough()) tally.failures.emplace_back("too few kills in one of the phases");
  return result;
}

}  // namespace dunlin::crash
