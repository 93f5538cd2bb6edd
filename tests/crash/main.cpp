// crash_loop: kills dunlin where it hurts and compares the end with an undisturbed run. See
// README.md.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <future>
#include <string>
#include <vector>

#include "base/check.h"
#include "control.h"
#include "flushes.h"
#include "loop.h"
#include "lost_server.h"
#include "phases.h"
#include "points.h"
#include "stopped_owner.h"

namespace {

using dunlin::crash::FlushTally;
using dunlin::crash::kCutNames;
using dunlin::crash::kPhaseNames;
using dunlin::crash::Latencies;
using dunlin::crash::LostTally;
using dunlin::crash::Options;
using dunlin::crash::PhaseTally;
using dunlin::crash::Tally;

constexpr const char* kUsage =
    "usage: crash_loop [--short | --full] [--kind files|files-rename|files-move|files-hardlink|\n"
    "                  "
    "files-keep-both|files-rename-existing|files-several|files-several-move|\n"
    "                  files-adversarial|files-large|records|\n"
    "                  "
    "records-single|schema|schema-postgresql|schema-mariadb|objects|scripted|scripted-batch|\n"
    "                  scripted-execution]... [--random N [--phases N]] [--seed S]\n"
    "                  [--point NAME[:HIT]] [--stopped-owner] [--lost-server] [--points]\n"
    "                  [--control TRIALS]\n"
    "                  [--flushes] [--binary PATH] [--jobs N]\n"
    "  --phases N: with --random, at least N kills in each phase (enumeration, copy, "
    "verification,\n"
    "             commit, clean-up)\n"
    "  --lost-server: instead of dunlin the server dies, or its sessions, requests, answers\n"
    "             (schema-postgresql, schema-mariadb)\n"
    "  --points: each point with its hits, compared with the table in the kind's README\n"
    "  --flushes: under strace, whether each flush has ended before what relies on it (files,\n"
    "             records, records-single, schema)\n"
    "  without --random: at each crash point; with it: N random kills of each kind instead\n";

struct Arguments {
  Options options;
  std::vector<std::string> kinds;
  int phases = 0;
  bool stopped_owner = false;
  bool lost_server = false;
  bool points = false;
  bool flushes = false;
  int control = 0;
  int jobs = 2;
};

std::string beside_me(const std::string& name) {
  char path[4096];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
  DUNLIN_CHECK(length > 0, "/proc/self/exe");
  std::string own(path, static_cast<std::size_t>(length));
  return own.substr(0, own.rfind('/')) + "/" + name;
}

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  arguments.options.binary = beside_me("dunlin");
  if (const char* root = std::getenv("DUNLIN_SOURCE_DIR")) arguments.options.source_root = root;
  if (::access(arguments.options.binary.c_str(), X_OK) != 0)
    arguments.options.binary = beside_me("../dunlin");
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto value = [&] {
      if (i + 1 >= argc) {
        std::fputs(kUsage, stderr);
        std::exit(2);
      }
      return std::string(argv[++i]);
    };
    if (word == "--full")
      arguments.options.full = true;
    else if (word == "--short")
      arguments.options.full = false;
    else if (word == "--kind")
      arguments.kinds.push_back(value());
    else if (word == "--random")
      arguments.options.random_kills = std::stoi(value());
    else if (word == "--phases")
      arguments.phases = std::stoi(value());
    else if (word == "--seed")
      arguments.options.seed = std::stoull(value());
    else if (word == "--point")
      arguments.options.only_point = value();
    else if (word == "--stopped-owner")
      arguments.stopped_owner = true;
    else if (word == "--lost-server")
      arguments.lost_server = true;
    else if (word == "--points")
      arguments.points = true;
    else if (word == "--flushes")
      arguments.flushes = true;
    else if (word == "--control")
      arguments.control = std::stoi(value());
    else if (word == "--binary")
      arguments.options.binary = value();
    else if (word == "--jobs")
      arguments.jobs = std::stoi(value());
    else {
      std::fputs(kUsage, stderr);
      std::exit(2);
    }
  }
  if (arguments.kinds.empty() && arguments.lost_server)
    arguments.kinds = {"schema-postgresql", "schema-mariadb"};
  if (arguments.kinds.empty()) arguments.kinds = dunlin::crash::scenario_names();
  return arguments;
}

int run_loops(const Arguments& arguments) {
  std::vector<std::future<Tally>> running;
  std::vector<Tally> tallies;
  const auto collect = [&] {
    tallies.push_back(running.front().get());
    running.erase(running.begin());
  };
  for (const std::string& kind : arguments.kinds) {
    if (static_cast<int>(running.size()) >= arguments.jobs) collect();
    running.push_back(std::async(std::launch::async, [&arguments, kind] {
      if (arguments.points) return check_points(arguments.options, kind);
      return arguments.stopped_owner ? stop_owners(arguments.options, kind)
                                     : crash_everywhere(arguments.options, kind);
    }));
  }
  while (!running.empty()) collect();
  std::size_t failures = 0;
  std::printf("%-28s %6s %6s %12s %11s %12s %14s %8s\n", "scenario", "points",
              arguments.stopped_owner ? "stops" : "kills", "in recovery", "not reached",
              "random kills", "target locked", "failures");
  for (const Tally& tally : tallies) {
    std::printf("%-28s %6d %6d %12d %11d %12d %14d %8zu\n", tally.scenario.c_str(), tally.points,
                tally.kills, tally.kills_in_recovery, tally.not_reached, tally.random_kills,
                tally.target_locked, tally.failures.size());
    failures += tally.failures.size();
  }
  for (const Tally& tally : tallies) {
    for (const std::string& failure : tally.failures) {
      std::printf("FAILED %s %s\n", tally.scenario.c_str(), failure.c_str());
    }
  }
  return failures == 0 ? 0 : 1;
}

int run_lost_server(const Arguments& arguments) {
  std::vector<std::future<LostTally>> running;
  std::vector<LostTally> tallies;
  for (const std::string& kind : arguments.kinds) {
    const auto how = arguments.jobs > 1 ? std::launch::async : std::launch::deferred;
    running.push_back(
        std::async(how, [&arguments, kind] { return lose_servers(arguments.options, kind); }));
  }
  std::printf("%-18s %6s %8s", "scenario", "points", "requests");
  for (const std::string_view name : kCutNames) std::printf(" %11s", std::string(name).c_str());
  std::printf(" %6s %11s %9s %7s %8s %8s\n", "random", "not reached", "by itself", "by next",
              "in doubt", "failures");
  bool good = true;
  for (auto& one : running) {
    const LostTally tally = one.get();
    std::printf("%-18s %6d %8d", tally.scenario.c_str(), tally.points, tally.requests);
    for (const int cuts : tally.cuts) std::printf(" %11d", cuts);
    std::printf(" %6d %11d %9d %7d %8d %8zu\n", tally.random, tally.not_reached, tally.by_itself,
                tally.by_next, tally.in_doubt, tally.failures.size());
    for (const std::string& failure : tally.failures)
      std::printf("FAILED %s, %s\n", tally.scenario.c_str(), failure.c_str());
    good = good && tally.failures.empty() && tally.all_cuts() > 0;
  }
  return good ? 0 : 1;
}

int run_phases(const Arguments& arguments) {
  bool good = true;
  std::printf("%-20s %12s", "scenario", "random kills");
  for (const std::string_view name : kPhaseNames) std::printf(" %12s", std::string(name).c_str());
  std::printf(" %12s %8s\n", "in recovery", "failures");
  for (const std::string& kind : arguments.kinds) {
    const PhaseTally one = kill_in_phases(arguments.options, kind, arguments.phases);
    std::printf("%-20s %12d", kind.c_str(), one.tally.random_kills);
    for (const int kills : one.kills) std::printf(" %12d", kills);
    std::printf(" %12d %8zu\n", one.tally.kills_in_recovery, one.tally.failures.size());
    for (const std::string& failure : one.tally.failures)
      std::printf("FAILED %s %s\n", kind.c_str(), failure.c_str());
    good = good && one.tally.failures.empty();
  }
  return good ? 0 : 1;
}

int run_control(const Arguments& arguments) {
  constexpr int kFiles = 20'000;
  constexpr double kMostMs = 1000;
  bool good = true;
  for (const Latencies& one : measure_control(arguments.options, arguments.control, kFiles)) {
    std::printf("%-7s %4zu trials  p50 %7.1f ms  p90 %7.1f ms  p99 %7.1f ms  max %7.1f ms\n",
                one.verb.c_str(), one.ms.size(), one.quantile(0.5), one.quantile(0.9),
                one.quantile(0.99), one.quantile(1.0));
    for (const std::string& failure : one.failures) std::printf("FAILED %s\n", failure.c_str());
    // A figure, and a promise only where it is measured alone: the short form runs beside other
    // things.
    const bool in_time = !arguments.options.full || one.quantile(0.99) <= kMostMs;
    good = good && one.failures.empty() && !one.ms.empty() && in_time;
  }
  return good ? 0 : 1;
}

int run_flushes(const Arguments& arguments) {
  std::vector<std::string> kinds;
  for (const std::string& kind : arguments.kinds) {
    if (kind == "files" || kind == "schema" || kind.starts_with("records")) kinds.push_back(kind);
  }
  if (kinds.empty()) {
    std::printf("FAILED none of these kinds writes to local files\n");
    return 1;
  }
  std::printf("%-54s %9s %8s %13s %14s %7s %6s %8s\n", "scenario", "publishes", "outcomes",
              "ledger writes", "ledger flushes", "flushes", "syncfs", "failures");
  bool good = true;
  for (const FlushTally& tally : check_flushes(arguments.options, kinds, arguments.jobs)) {
    good = good && tally.failures.empty();
    std::printf("%-54s %9d %8d %13d %14d %7d %6d %8zu\n", tally.scenario.c_str(), tally.publishes,
                tally.outcomes, tally.ledger_writes, tally.ledger_flushes, tally.flushes,
                tally.file_system_flushes, tally.failures.size());
    for (const std::string& failure : tally.failures) std::printf("FAILED %s\n", failure.c_str());
  }
  return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const Arguments arguments = parse(argc, argv);
  if (arguments.lost_server) return run_lost_server(arguments);
  if (arguments.flushes) return run_flushes(arguments);
  if (arguments.phases > 0) return run_phases(arguments);
  return arguments.control > 0 ? run_control(arguments) : run_loops(arguments);
}
