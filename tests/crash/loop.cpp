#include "loop.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <thread>

#include "base/check.h"
#include "base/json.h"
#include "base/rng.h"

namespace dunlin::crash {
namespace {

namespace fsys = std::filesystem;
using SteadyClock = std::chrono::steady_clock;

/// What has to be equal in every run over the same source, however often it was killed.
constexpr const char* kCounters[] = {"total_",   "processed_",   "successful_", "failed_",
                                     "skipped_", "rolled_back_", "verified_"};
constexpr const char* kByteCounters[] = {"total_bytes", "processed_bytes", "transferred_bytes"};

/// First, last and some between; all of them when there are few or when asked.
std::vector<int> chosen_hits(int hits, bool full) {
  const int most = full ? 24 : 2;
  std::set<int> chosen;
  if (hits <= most) {
    for (int h = 1; h <= hits; ++h) chosen.insert(h);
  } else {
    for (int i = 0; i < most; ++i) chosen.insert(1 + i * (hits - 1) / (most - 1));
  }
  return {chosen.begin(), chosen.end()};
}

}  // namespace

std::string first_difference(const std::string& expected, const std::string& actual) {
  std::istringstream want(expected);
  std::istringstream have(actual);
  std::multiset<std::string> wanted;
  std::multiset<std::string> had;
  for (std::string line; std::getline(want, line);) wanted.insert(line);
  for (std::string line; std::getline(have, line);) had.insert(line);
  std::string text;
  for (const std::string& line : wanted) {
    if (!had.contains(line)) text += "\n    missing: " + line;
    if (text.size() > 600) break;
  }
  for (const std::string& line : had) {
    if (!wanted.contains(line)) text += "\n    surplus: " + line;
    if (text.size() > 1200) break;
  }
  return text.empty() ? "\n    (the same lines, other numbers of them)" : text;
}

Bench::Bench(const Options& options, const std::string& scenario)
    : options_(options), scenario_(make_scenario(scenario)) {
  std::string pattern =
      (fsys::temp_directory_path() / ("dunlin-crash-" + scenario + "-XXXXXX")).string();
  DUNLIN_CHECK(::mkdtemp(pattern.data()) != nullptr, "no scratch folder");
  folder_ = pattern;
  scenario_->make_source(folder_);
  run_undisturbed();
}

Bench::~Bench() {
  std::error_code ignored;
  fsys::remove_all(folder_, ignored);
}

std::vector<std::string> Bench::dunlin(std::vector<std::string> arguments) const {
  const std::string folder = options_.binary.substr(0, options_.binary.rfind('/') + 1);
  const std::string program = scenario_->program();
  arguments.insert(arguments.begin(), program == "dunlin" ? options_.binary : folder + program);
  arguments.emplace_back("--no-progress");
  return arguments;
}

std::vector<std::string> Bench::command() const {
  return dunlin(scenario_->command());
}

Environment Bench::environment(Environment more) const {
  more.try_emplace("DUNLIN_STATE", folder_ + "/state");
  more["DUNLIN_AUDIT_KEY_FILE"] = folder_ + "/audit.key";
  more["XDG_RUNTIME_DIR"] = folder_ + "/run";
  return more;
}

void Bench::reset() {
  fsys::remove_all(folder_ + "/state");
  fsys::remove_all(folder_ + "/run");
  fsys::create_directory(folder_ + "/run");
  fsys::permissions(folder_ + "/run", fsys::perms::owner_all);
  scenario_->reset_destination();
  const std::vector<std::string> preparation = scenario_->preparation();
  if (preparation.empty()) return;
  const std::string before = folder_ + "/before";
  const Ended ended =
      run(dunlin(preparation), environment({{"DUNLIN_STATE", before}}), folder_ + "/prepared");
  DUNLIN_CHECK(ended.exit_code == 0, "what comes before failed: " + ended.output);
  fsys::remove_all(before);
}

void Bench::run_undisturbed() {
  reset();
  const std::string log = folder_ + "/points";
  const auto started = SteadyClock::now();
  const Ended ended = run(command(), environment({{"DUNLIN_CRASH_LOG", log}}), output());
  undisturbed_ms_ =
      std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock::now() - started).count();
  DUNLIN_CHECK(ended.exit_code == 0,
               "the undisturbed run of " + scenario_->name() + " failed: " + ended.output);
  expected_exit_ = ended.exit_code;
  expected_state_ = scenario_->state();
  expected_counters_ = counters();
  DUNLIN_CHECK(scenario_->leftovers().empty(),
               "the undisturbed run leaves something behind: " + scenario_->leftovers().front());
  std::map<std::string, int> hits;
  std::ifstream in(log);
  for (std::string line; std::getline(in, line);) ++hits[line];
  points_.assign(hits.begin(), hits.end());
  DUNLIN_CHECK(!points_.empty(),
               "no crash point was passed: is this binary built with DUNLIN_CRASH_POINTS=1?");
}

std::string Bench::counters() {
  const Ended ended = run(dunlin({"status", "last", "--json"}), environment(), folder_ + "/status");
  const Result<Json> json = parse_json(ended.output);
  if (!json.ok() || !json->contains("progress")) return "no status: " + ended.output;
  const Json& progress = (*json)["progress"];
  std::string text = "status " + string_or(*json, "status", "?");
  for (const auto& [key, value] : progress.items()) {
    const bool bytes = std::find(std::begin(kByteCounters), std::end(kByteCounters), key) !=
                       std::end(kByteCounters);
    const bool count =
        key.find("_batches") == std::string::npos && key.find("_bytes") == std::string::npos &&
        std::any_of(std::begin(kCounters), std::end(kCounters),
                    [&, name = key](const char* prefix) { return name.starts_with(prefix); });
    if (bytes || count) text += "\n" + key + " " + value.dump();
  }
  return text;
}

Ended Bench::finish(const Environment& again, bool& died_again) {
  died_again = false;
  Environment next = again;
  for (int tries = 0; tries < 6; ++tries) {
    Ended ended = run(dunlin({"resume", "last"}), environment(next), output());
    next.clear();
    if (ended.killed) {
      died_again = true;
      continue;
    }
    // Killed before the execution was on record, or after its end was.
    if (ended.exit_code == 2 && ended.output.find("completed") == std::string::npos) {
      ended = run(command(), environment(), output());
      return ended;
    }
    if (ended.exit_code == 2) ended.exit_code = 0;
    return ended;
  }
  return {};
}

std::string Bench::differences(const Ended& last, bool with_counters) {
  std::string text;
  if (last.exit_code != expected_exit_) {
    text += "\n  exit code " + std::to_string(last.exit_code) +
            (last.timed_out ? " (it hung)" : "") + ": " + last.output;
  }
  if (const std::string state = scenario_->state(); state != expected_state_) {
    text += "\n  destination:" + first_difference(expected_state_, state);
  }
  if (const std::string now = with_counters ? counters() : expected_counters_;
      now != expected_counters_) {
    text += "\n  counters:" + first_difference(expected_counters_, now);
  }
  for (const std::string& leftover : scenario_->leftovers()) text += "\n  left over: " + leftover;
  const Ended doctor = run(dunlin({"doctor"}), environment(), folder_ + "/doctor");
  if (doctor.exit_code != 0) text += "\n  doctor: " + doctor.output;
  const Ended audit = run(dunlin({"audit", "verify", "--all"}), environment(), folder_ + "/audit");
  if (audit.exit_code != 0) text += "\n  audit: " + audit.output;
  return text;
}

namespace {

void crash_at_points(const Options& options, Bench& bench, Rng& rng, Tally& tally) {
  for (const auto& [point, hits] : bench.points()) {
    const std::size_t colon = options.only_point.find(':');
    if (!options.only_point.empty() && point != options.only_point.substr(0, colon)) continue;
    std::vector<int> at = chosen_hits(hits, options.full);
    if (colon != std::string::npos) at = {std::stoi(options.only_point.substr(colon + 1))};
    for (const int hit : at) {
      bench.reset();
      const std::string place = point + ":" + std::to_string(hit);
      const Ended first =
          run(bench.command(), bench.environment({{"DUNLIN_CRASH_AT", place}}), bench.output());
      std::string what = place;
      Ended last = first;
      if (first.killed) {
        ++tally.kills;
        Environment again;
        if (rng.chance(0.4)) {
          const auto& other = bench.points()[rng.below(bench.points().size())];
          const std::string second = other.first + ":" + std::to_string(1 + rng.below(2));
          again["DUNLIN_CRASH_AT"] = second;
          what += " then " + second;
        }
        bool died_again = false;
        last = bench.finish(again, died_again);
        if (died_again) ++tally.kills_in_recovery;
      } else {
        ++tally.not_reached;
      }
      if (const std::string text = bench.differences(last); !text.empty())
        tally.failures.push_back(what + text);
    }
  }
}

void kill_at_random(const Options& options, Bench& bench, Rng& rng, Tally& tally) {
  // A kill that comes too late kills nobody, and is no kill.
  for (int n = 0; tally.random_kills < options.random_kills && n < 4 * options.random_kills; ++n) {
    bench.reset();
    const auto delay = static_cast<std::int64_t>(
        rng.below(static_cast<std::uint64_t>(bench.undisturbed_ms()) * 1000 + 1000));
    std::string what = "killed after " + std::to_string(delay / 1000) + " ms";
    Ended last;
    {
      Process process(bench.command(), bench.environment(), bench.output());
      std::this_thread::sleep_for(std::chrono::microseconds(delay));
      process.signal(SIGKILL);
      last = process.wait(60'000);
    }
    if (last.killed) {
      ++tally.random_kills;
      if (rng.chance(0.3)) {
        const auto second = static_cast<std::int64_t>(
            rng.below(static_cast<std::uint64_t>(bench.undisturbed_ms()) * 700));
        what += " and its recovery after " + std::to_string(second / 1000) + " ms";
        Process process(bench.dunlin({"resume", "last"}), bench.environment(), bench.output());
        std::this_thread::sleep_for(std::chrono::microseconds(second));
        process.signal(SIGKILL);
        if (process.wait(60'000).killed) ++tally.kills_in_recovery;
      }
      bool died_again = false;
      last = bench.finish({}, died_again);
    }
    if (const std::string text = bench.differences(last); !text.empty())
      tally.failures.push_back(what + text);
  }
}

}  // namespace

Tally crash_everywhere(const Options& options, const std::string& scenario) {
  Bench bench(options, scenario);
  Rng rng(options.seed);
  Tally tally;
  tally.scenario = scenario;
  tally.points = static_cast<int>(bench.points().size());
  if (options.random_kills == 0) crash_at_points(options, bench, rng, tally);
  kill_at_random(options, bench, rng, tally);
  return tally;
}

}  // namespace dunlin::crash
