#include "lost_server.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <numeric>
#include <optional>
#include <thread>

#include "base/check.h"
#include "base/rng.h"
#include "server_scenario.h"

namespace dunlin::crash {
namespace {

using testing::CuttingProxy;

constexpr std::int64_t kPatience_ms = 120'000;
constexpr int kTries = 4;
constexpr std::string_view kDoubt = "cannot be found out";

class LostServer {
 public:
  LostServer(const Options& options, const std::string& name)
      : options_(options),
        bench_(options, name),
        server_(dynamic_cast<ServerScenario&>(bench_.scenario())),
        rng_(options.seed) {
    tally_.scenario = name;
    tally_.points = static_cast<int>(bench_.points().size());
    is_postgresql_ = name.starts_with("schema-postgresql");
  }

  LostTally run() {
    const std::string& only = options_.only_point;
    // A request of a failure, to see it again.
    if (only.starts_with("reply:") || only.starts_with("request:")) {
      at_request(std::stoi(only.substr(only.find(':') + 1)), only.starts_with("reply:")
                                                                 ? CuttingProxy::Loss::reply
                                                                 : CuttingProxy::Loss::request);
      return std::move(tally_);
    }
    at_points();
    if (only.empty()) at_requests();
    at_random();
    const int most_in_doubt = is_postgresql_ ? 0 : tally_.all_cuts() / 100;
    if (tally_.in_doubt > most_in_doubt)
      tally_.failures.push_back(std::to_string(tally_.in_doubt) + " were left in doubt");
    return std::move(tally_);
  }

 private:
  void at_points();
  void at_point(const std::string& place, Cut cut);
  void at_requests();
  void at_request(int request, CuttingProxy::Loss what);
  void at_random();
  void disturb(Cut cut);
  void after(Cut cut);
  void judge(const std::string& what, Ended ended, bool disturbed);
  [[nodiscard]] static std::string complaint(const Ended& ended);

  const Options& options_;
  Bench bench_;
  ServerScenario& server_;
  Rng rng_;
  LostTally tally_;
  bool is_postgresql_ = false;
  int cases_ = 0;
};

/// A run that failed may say so in its own way, but not hang, crash or keep silent.
std::string LostServer::complaint(const Ended& ended) {
  if (ended.timed_out) return "\n  it hung: " + ended.output;
  if (ended.killed || ended.exit_code < 0) return "\n  it died: " + ended.output;
  if (ended.exit_code == 0) return {};
  constexpr int kLastCode = 7;
  if (ended.exit_code > kLastCode) return "\n  exit code " + std::to_string(ended.exit_code);
  return ended.output.empty() ? "\n  it failed without a word" : "";
}

void LostServer::judge(const std::string& what, Ended ended, bool disturbed) {
  const bool forgets = ++cases_ % 2 == 0;
  std::string text = complaint(ended);
  const bool good_at_once = ended.exit_code == 0;
  // Also after a good end: there must be nothing left to do.
  for (int tries = 0; tries < kTries && text.empty(); ++tries) {
    if (ended.output.find(kDoubt) != std::string::npos) break;
    const bool was_good = ended.exit_code == 0;
    if (forgets) std::filesystem::remove_all(bench_.folder() + "/state");
    ended = crash::run(bench_.command(), bench_.environment(), bench_.output(), kPatience_ms);
    text = complaint(ended);
    if (was_good) break;
    // The connection counts again as soon as one has ended well.
  }
  server_.go_through_proxy(false);
  const bool doubts = ended.output.find(kDoubt) != std::string::npos;
  if (disturbed) {
    tally_.by_itself += good_at_once ? 1 : 0;
    tally_.by_next += !good_at_once && ended.exit_code == 0 ? 1 : 0;
    tally_.in_doubt += doubts ? 1 : 0;
  } else {
    ++tally_.not_reached;
  }
  if (doubts) {
    constexpr int kFatal = 7;
    if (ended.exit_code != kFatal || ended.output.find(".sql:") == std::string::npos)
      text += "\n  in doubt, exit code " + std::to_string(ended.exit_code) + ": " + ended.output;
    else
      std::printf("in doubt, %s: %s\n", what.c_str(), ended.output.c_str());
  } else {
    text += bench_.differences(ended, false);
  }
  if (!text.empty())
    tally_.failures.push_back(what + (forgets ? ", state directory gone" : "") + text);
}

void LostServer::disturb(Cut cut) {
  const std::vector<std::string> sessions =
      cut == Cut::sessions || cut == Cut::session ? server_.sessions() : std::vector<std::string>();
  switch (cut) {
    case Cut::server:
      server_.kill_server();
      server_.start_server();
      break;
    case Cut::server_away:
      server_.kill_server();
      break;
    case Cut::sessions:
      for (const std::string& session : sessions) server_.end_session(session);
      break;
    case Cut::session:
      if (!sessions.empty()) server_.end_session(sessions[rng_.below(sessions.size())]);
      break;
    case Cut::wire:
      server_.proxy().cut_all();
      break;
    case Cut::request:
    case Cut::reply:
      DUNLIN_CHECK(false, "those are told before");
  }
  ++tally_.cuts[static_cast<std::size_t>(cut)];
}

void LostServer::after(Cut cut) {
  if (cut != Cut::server_away) return;
  constexpr std::uint64_t kAwayMost_ms = 600;
  std::this_thread::sleep_for(std::chrono::milliseconds(rng_.below(kAwayMost_ms)));
  server_.start_server();
}

void LostServer::at_point(const std::string& place, Cut cut) {
  bench_.reset();
  Process process(bench_.command(), bench_.environment({{"DUNLIN_CRASH_STOP", place}}),
                  bench_.output());
  Ended ended = process.wait(kPatience_ms, true);
  const bool reached = ended.stopped;
  if (reached) {
    disturb(cut);
    process.signal(SIGCONT);
    after(cut);
    ended = process.wait(kPatience_ms);
  }
  judge(std::string(kCutNames[static_cast<std::size_t>(cut)]) + " at " + place, ended, reached);
}

void LostServer::at_points() {
  std::vector<Cut> cuts = {Cut::server, Cut::server_away, Cut::sessions};
  // Directly there is one session on PostgreSQL.
  if (!is_postgresql_) cuts.push_back(Cut::session);
  std::size_t turn = 0;
  const std::size_t colon = options_.only_point.find(':');
  for (const auto& [point, hits] : bench_.points()) {
    if (!options_.only_point.empty() && point != options_.only_point.substr(0, colon)) continue;
    std::vector<int> chosen;
    for (int hit = 1; hit <= hits; ++hit) chosen.push_back(hit);
    if (colon != std::string::npos)
      chosen = {std::stoi(options_.only_point.substr(colon + 1))};
    else if (!options_.full)
      chosen = {1 + static_cast<int>(rng_.below(static_cast<std::uint64_t>(hits)))};
    // What dunlin does by itself is asked about when it is killed; here the statements count.
    if (!options_.full && options_.only_point.empty() && !point.starts_with("schema.")) continue;
    for (const int hit : chosen) {
      const std::string place = point + ":" + std::to_string(hit);
      if (options_.full || !options_.only_point.empty()) {
        for (const Cut cut : cuts) at_point(place, cut);
      } else {
        at_point(place, cuts[turn++ % cuts.size()]);
      }
    }
  }
}

void LostServer::at_request(int request, CuttingProxy::Loss what) {
  const Cut cut = what == CuttingProxy::Loss::request ? Cut::request : Cut::reply;
  bench_.reset();
  server_.go_through_proxy(true);
  server_.proxy().lose(what, request);
  const Ended ended =
      crash::run(bench_.command(), bench_.environment(), bench_.output(), kPatience_ms);
  const bool reached = server_.proxy().has_lost();
  if (reached) ++tally_.cuts[static_cast<std::size_t>(cut)];
  server_.proxy().pass();
  judge(std::string(kCutNames[static_cast<std::size_t>(cut)]) + ":" + std::to_string(request),
        ended, reached);
}

void LostServer::at_requests() {
  bench_.reset();
  server_.go_through_proxy(true);
  server_.proxy().pass();
  const Ended ended =
      crash::run(bench_.command(), bench_.environment(), bench_.output(), kPatience_ms);
  tally_.requests = server_.proxy().requests();
  server_.go_through_proxy(false);
  if (const std::string text = bench_.differences(ended, false); !text.empty())
    tally_.failures.push_back("through the proxy, undisturbed" + text);
  constexpr int kFew = 10;
  const int step = options_.full ? 1 : std::max(1, tally_.requests / kFew);
  const int first =
      options_.full ? 1 : 1 + static_cast<int>(rng_.below(static_cast<std::uint64_t>(step)));
  for (int request = first; request <= tally_.requests; request += step) {
    at_request(request, CuttingProxy::Loss::reply);
    if (options_.full) at_request(request, CuttingProxy::Loss::request);
  }
}

void LostServer::at_random() {
  constexpr std::array kWays = {Cut::server, Cut::server_away, Cut::sessions, Cut::session,
                                Cut::wire};
  // One that comes too late cuts nothing, and is none.
  for (int n = 0; tally_.random < options_.random_kills && n < 4 * options_.random_kills; ++n) {
    const Cut cut = kWays[rng_.below(kWays.size())];
    bench_.reset();
    server_.go_through_proxy(true);
    server_.proxy().pass();
    const auto delay_us = static_cast<std::int64_t>(
        rng_.below(static_cast<std::uint64_t>(bench_.undisturbed_ms()) * 1000 + 1000));
    Process process(bench_.command(), bench_.environment(), bench_.output());
    std::this_thread::sleep_for(std::chrono::microseconds(delay_us));
    const bool reached = process.running();
    if (reached) {
      ++tally_.random;
      disturb(cut);
      after(cut);
    }
    const Ended ended = process.wait(kPatience_ms);
    judge(std::string(kCutNames[static_cast<std::size_t>(cut)]) + " after " +
              std::to_string(delay_us / 1000) + " ms",
          ended, reached);
  }
}

}  // namespace

int LostTally::all_cuts() const {
  return std::accumulate(cuts.begin(), cuts.end(), 0);
}

LostTally lose_servers(const Options& options, const std::string& scenario) {
  return LostServer(options, scenario).run();
}

}  // namespace dunlin::crash
