#include "stopped_owner.h"

#include <csignal>
#include <cstdint>
#include <vector>

namespace dunlin::crash {
namespace {

enum class Taken : std::uint8_t { not_reached, over, locked };

/// The old owner goes on; what it says and does then, or empty. `may_succeed`: nobody has taken the
/// execution over.
std::string let_go_on(Process& old_owner, bool may_succeed) {
  old_owner.signal(SIGCONT);
  const Ended old = old_owner.wait(30'000);
  if (old.timed_out) return "\n  the old owner hangs";
  if (!old.killed && old.exit_code == 0 && !may_succeed)
    return "\n  the old owner says that it has succeeded: " + old.output;
  return {};
}

/// Empty, or what went wrong.
std::string stop_at(Bench& bench, const std::string& place, Taken& how) {
  bench.reset();
  Process old_owner(bench.dunlin(bench.scenario().impatient_command()),
                    bench.environment({{"DUNLIN_CRASH_STOP", place}}), bench.output());
  const Ended stopped = old_owner.wait(60'000, true);
  how = Taken::not_reached;
  if (!stopped.stopped) return bench.differences(stopped);
  const Ended taken = run(bench.dunlin({"resume", "last", "--take-over"}), bench.environment(),
                          bench.folder() + "/taken");
  // Stopped within a transaction of the target it holds the target's lock: nobody can write there,
  // and the new owner says so, of the target or of the items that it could not write.
  if (taken.exit_code != 0 && (taken.output.find("is locked") != std::string::npos ||
                               taken.output.find("database_locked") != std::string::npos)) {
    how = Taken::locked;
    // Stopped while one of its threads wrote the ledger, it keeps the execution, too.
    const bool kept = taken.output.find("while it writes the ledger") != std::string::npos;
    std::string text = let_go_on(old_owner, kept);
    bool died_again = false;
    return text + bench.differences(bench.finish({}, died_again));
  }
  how = Taken::over;
  std::string text = bench.differences(taken);
  if (!text.empty()) return text;
  const std::string before = bench.scenario().state() + bench.counters();
  text = let_go_on(old_owner, false);
  const std::string after = bench.scenario().state() + bench.counters();
  if (before != after)
    text += "\n  the old owner wrote after the take-over:" + first_difference(before, after);
  for (const std::string& leftover : bench.scenario().leftovers())
    text += "\n  left over: " + leftover;
  return text;
}

}  // namespace

Tally stop_owners(const Options& options, const std::string& scenario) {
  Bench bench(options, scenario);
  Tally tally;
  tally.scenario = scenario + ", stopped owner";
  std::vector<std::string> points = bench.scenario().publishing_points();
  if (!options.only_point.empty()) points = {options.only_point};
  for (const std::string& point : points) {
    ++tally.points;
    const std::vector<int> hits = options.full ? std::vector<int>{1, 3} : std::vector<int>{1};
    for (const int hit : hits) {
      Taken how{};
      const std::string place = point + ":" + std::to_string(hit);
      const std::string text = stop_at(bench, place, how);
      tally.kills += how == Taken::over ? 1 : 0;
      tally.target_locked += how == Taken::locked ? 1 : 0;
      tally.not_reached += how == Taken::not_reached ? 1 : 0;
      if (!text.empty()) tally.failures.push_back(place + text);
    }
  }
  return tally;
}

}  // namespace dunlin::crash
