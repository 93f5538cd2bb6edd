#include "points.h"

#include <fnmatch.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "content.h"

namespace dunlin::crash {
namespace {

constexpr const char* kLayers[] = {"files",  "fs",     "objects", "records",
                                   "schema", "engine", "ledger",  "scripted"};

std::string layer_of(const std::string& point) {
  const std::string layer = point.substr(0, point.find('.'));
  return std::find(std::begin(kLayers), std::end(kLayers), layer) != std::end(kLayers)
             ? layer
             : std::string();
}

/// The words in backticks of the first column: `files.write.before`, `.after` (of the same step),
/// `fs.fsync_file.*`, or without the kind: `commit.after`, `begin` (both of its points).
std::vector<std::string> documented(const std::string& readme, const std::string& kind) {
  std::vector<std::string> patterns;
  std::ifstream in(readme);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("| `")) continue;
    const std::string cell = line.substr(1, line.find('|', 1) - 1);
    std::string step;
    for (std::size_t at = cell.find('`'); at != std::string::npos; at = cell.find('`', at)) {
      const std::size_t end = cell.find('`', at + 1);
      if (end == std::string::npos) break;
      std::string word = cell.substr(at + 1, end - at - 1);
      at = end + 1;
      if (word.starts_with(".")) {
        word = step + word;
      } else {
        if (layer_of(word).empty()) word.insert(0, kind + ".");
        if (std::count(word.begin(), word.end(), '.') == 1) word += ".*";
        step = word.substr(0, word.rfind('.'));
      }
      patterns.push_back(word);
    }
  }
  return patterns;
}

bool names(const std::vector<std::string>& patterns, const std::string& point) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    return ::fnmatch(pattern.c_str(), point.c_str(), 0) == 0;
  });
}

}  // namespace

Tally check_points(const Options& options, const std::string& scenario) {
  Bench bench(options, scenario);
  Tally tally;
  tally.scenario = scenario + ", its README";
  tally.points = static_cast<int>(bench.points().size());
  const std::string kind = scenario.substr(0, scenario.find('-'));
  const std::string readme = options.source_root + "/src/" + kind + "/README.md";
  const std::vector<std::string> patterns = documented(readme, kind);
  const bool readable = !options.source_root.empty() && !patterns.empty();
  if (!readable) std::printf("%s: there is no README here to compare with\n", scenario.c_str());
  for (const auto& [point, hits] : bench.points()) {
    const std::string layer = layer_of(point);
    const bool own = layer == kind || (kind == "files" && layer == "fs");
    const bool missing = readable && own && !names(patterns, point);
    std::printf("%-16s %-36s %6d hits%s\n", scenario.c_str(), point.c_str(), hits,
                missing ? "  NOT IN THE README" : "");
    if (missing) tally.failures.push_back(point + " is passed and not in " + kind + "/README.md");
  }
  const std::string program = content_of(options.binary);
  for (const std::string& pattern : patterns) {
    if (!readable || pattern.ends_with("*")) continue;
    if (program.find(pattern) == std::string::npos) {
      tally.failures.push_back(pattern + " is in " + kind + "/README.md and not in the program");
    }
  }
  return tally;
}

}  // namespace dunlin::crash
