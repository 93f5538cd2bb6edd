#include "stopped_owner.h"

#include <csignal>

namespace dunlin::crash {
namespace {

/// Empty, or what went wrong. `reached`: the owner did stop there.
std::string stop_at(Bench& bench, const std::string& place, bool& reached) {
  bench.reset();
  Process old_owner(bench.command(), bench.environment({{"DUNLIN_CRASH_STOP", place}}),
                    bench.output());
  const Ended stopped = old_owner.wait(60'000, true);
  reached = stopped.stopped;
  if (!reached) return bench.differences(stopped);
  const Ended taken = run(bench.dunlin({"resume", "last", "--take-over"}), bench.environment(),
                          bench.folder() + "/taken");
  std::string text = bench.differences(taken);
  const std::string before = bench.scenario().state() + bench.counters();
  old_owner.signal(SIGCONT);
  const Ended old = old_owner.wait(30'000);
  if (old.timed_out) text += "\n  the old owner hangs";
  if (!old.killed && old.exit_code == 0)
    text += "\n  the old owner says that it has succeeded: " + old.output;
  const std::string after = bench.scenario().state() + bench.counters();
  if (before != after) text += "\n  the old owner wrote after the take-over";
  for (const std::string& leftover : bench.scenario().leftovers())
    text += "\n  left over: " + leftover;
  return text;
}

}  // namespace

Tally stop_owners(const Options& options, const std::string& scenario) {
  Bench bench(options, scenario);
  Tally tally;
  tally.scenario = scenario + ", stopped owner";
  for (const std::string& point : bench.scenario().publishing_points()) {
    ++tally.points;
    for (const int hit : {1, 3}) {
      bool reached = false;
      const std::string place = point + ":" + std::to_string(hit);
      const std::string text = stop_at(bench, place, reached);
      if (reached) {
        ++tally.kills;
      } else {
        ++tally.not_reached;
      }
      if (!text.empty()) tally.failures.push_back(place + text);
    }
  }
  return tally;
}

}  // namespace dunlin::crash
