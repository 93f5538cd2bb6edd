#include "control.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/check.h"
#include "base/rng.h"

namespace dunlin::crash {
namespace {

namespace fsys = std::filesystem;
using SteadyClock = std::chrono::steady_clock;

double since_ms(SteadyClock::time_point start) {
  return std::chrono::duration<double, std::milli>(SteadyClock::now() - start).count();
}

}  // namespace

double Latencies::quantile(double q) const {
  if (ms.empty()) return 0;
  return ms[std::min(ms.size() - 1, static_cast<std::size_t>(q * static_cast<double>(ms.size())))];
}

std::vector<Latencies> measure_control(const Options& options, int trials, int files) {
  std::string folder = (fsys::temp_directory_path() / "dunlin-control-XXXXXX").string();
  DUNLIN_CHECK(::mkdtemp(folder.data()) != nullptr, "no scratch folder");
  const std::string source = folder + "/source";
  for (int i = 0; i < files; ++i) {
    const std::string directory = source + "/" + std::to_string(i % 50);
    if (i < 50) fsys::create_directories(directory);
    std::ofstream(directory + "/" + std::to_string(i))
        << std::string(8192, static_cast<char>('a' + i % 26));
  }
  const Environment environment{{"DUNLIN_STATE", folder + "/state"},
                                {"DUNLIN_AUDIT_KEY_FILE", folder + "/audit.key"},
                                {"XDG_RUNTIME_DIR", folder + "/run"}};
  fsys::create_directory(folder + "/run");
  Rng rng(options.seed);
  std::vector<Latencies> all;
  for (const char* verb : {"pause", "cancel", "stop"}) {
    Latencies latencies;
    latencies.verb = verb;
    for (int n = 0; n < trials; ++n) {
      fsys::remove_all(folder + "/destination");
      fsys::remove_all(folder + "/state");
      Process owner(
          {options.binary, "copy", source + "/", folder + "/destination", "--no-progress"},
          environment, folder + "/owner");
      std::this_thread::sleep_for(std::chrono::milliseconds(150 + rng.below(500)));
      std::vector<std::string> command{options.binary, verb, "last"};
      if (std::string(verb) == "stop") command.insert(command.begin() + 2, "--now");
      const auto start = SteadyClock::now();
      Process asking(command, environment, folder + "/asking");
      const Ended ended = owner.wait(20'000);
      const double took = since_ms(start);
      const Ended asked = asking.wait(20'000);
      if (ended.exit_code == 0) continue;  // it had ended before the verb came
      if (ended.exit_code != 4 || asked.exit_code != 0) {
        latencies.failures.push_back(
            std::string(verb) + ": owner " + std::to_string(ended.exit_code) + " " + ended.output +
            ", asking " + std::to_string(asked.exit_code) + " " + asked.output);
        continue;
      }
      latencies.ms.push_back(took);
    }
    std::sort(latencies.ms.begin(), latencies.ms.end());
    all.push_back(std::move(latencies));
  }
  fsys::remove_all(folder);
  return all;
}

}  // namespace dunlin::crash
