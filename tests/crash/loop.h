// The loop itself: an undisturbed run, then one run for each place to die at.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "process.h"
#include "scenario.h"

namespace dunlin::crash {

struct Options {
  std::string binary;
  std::string source_root;  ///< the project, for the READMEs; empty: not checked
  bool full = false;
  int random_kills = 0;
  std::uint64_t seed = 1;
  std::string only_point;  ///< "name" or "name:hit": nothing else
};

struct Tally {
  std::string scenario;
  int points = 0;  ///< crash points that the undisturbed run passes
  int kills = 0;   ///< runs that died where they were told to
  int kills_in_recovery = 0;
  /// The hit did not come in that run: it had to end as undisturbed all the same.
  int not_reached = 0;
  int target_locked = 0;  ///< stopped owners that kept the target to themselves
  int random_kills = 0;
  std::vector<std::string> failures;
};

/// Lines that only one of both texts has; some of them.
[[nodiscard]] std::string first_difference(const std::string& expected, const std::string& actual);

/// One scenario in a folder of its own, with what an undisturbed run leaves.
class Bench {
 public:
  Bench(const Options& options, const std::string& scenario);
  ~Bench();
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  /// A fresh destination and a fresh state directory.
  void reset();
  [[nodiscard]] std::vector<std::string> command() const;
  [[nodiscard]] std::vector<std::string> dunlin(std::vector<std::string> arguments) const;
  [[nodiscard]] Environment environment(Environment more = {}) const;
  [[nodiscard]] std::string output() const { return folder_ + "/output"; }
  /// `resume last` until it ends; dies at `again` (an environment) the first time when that is not
  /// empty. Starts the command anew where the kill came before the execution was recorded.
  [[nodiscard]] Ended finish(const Environment& again, bool& died_again);
  /// Empty, or what differs from the undisturbed run; without its counters where others than the
  /// first execution may have done the rest.
  [[nodiscard]] std::string differences(const Ended& last, bool with_counters = true);
  /// The counters of `status last --json`.
  [[nodiscard]] std::string counters();
  [[nodiscard]] Scenario& scenario() { return *scenario_; }
  [[nodiscard]] const std::vector<std::pair<std::string, int>>& points() const { return points_; }
  [[nodiscard]] std::int64_t undisturbed_ms() const { return undisturbed_ms_; }
  [[nodiscard]] const std::string& folder() const { return folder_; }

 private:
  void run_undisturbed();
  const Options& options_;
  std::unique_ptr<Scenario> scenario_;
  std::string folder_;
  std::string expected_state_;
  std::string expected_counters_;
  int expected_exit_ = 0;
  std::int64_t undisturbed_ms_ = 0;
  std::vector<std::pair<std::string, int>> points_;
};

[[nodiscard]] Tally crash_everywhere(const Options& options, const std::string& scenario);

}  // namespace dunlin::crash
