// What tests share that kill a copy or a move at its crash points: the life of the child, and what
// it leaves. Each has a disabled test of its own that a child process runs.
#pragma once

#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "files/fixture.h"

namespace dunlin::files::testing {

/// Of the environment, as the parent has set it.
inline std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// Begins, or takes over what an earlier child has left in DUNLIN_TEST_JOURNAL, and goes to the end
/// of DUNLIN_TEST_WHAT: of an undo, or of the settling alone, when it says so.
inline void live_as_child(CopyTest& test) {
  LocalExecution::Options options;
  options.journal_path = variable("DUNLIN_TEST_JOURNAL");
  std::unique_ptr<LocalExecution> taken;
  LocalExecution* execution = nullptr;
  if (stdfs::exists(options.journal_path)) {
    taken = test.take_over_from(options);
    execution = taken.get();
  } else {
    execution = &test.start(options);
  }
  if (variable("DUNLIN_TEST_WHAT") == "undo") {
    ASSERT_TRUE(is_ok(execution->undo()));
    ASSERT_TRUE(is_ok(execution->release()));
  } else if (variable("DUNLIN_TEST_WHAT") == "settle") {
    ASSERT_TRUE(is_ok(execution->settle()));
  } else {
    ASSERT_TRUE(is_ok(execution->run_to_end()));
    ASSERT_TRUE(all_ended(*execution));
  }
}

/// Crash points of a DUNLIN_CRASH_LOG with how often each was hit.
inline std::map<std::string, int> points_in(const std::string& log) {
  std::map<std::string, int> points;
  std::ifstream in(log);
  for (std::string name; std::getline(in, name);) ++points[name];
  return points;
}

/// Where children die: at the first, middle and last hit of each point if `thorough`, else at the
/// middle one, which is enough where the steps are the same but for the renames. Under the address
/// sanitizer, where each death is slow, at the middle hit of a sixth of the points, another sixth
/// at each `turn`; the crash preset visits all of them.
inline std::vector<std::string> deaths(const std::map<std::string, int>& points, bool thorough,
                                       std::size_t turn) {
#ifdef __SANITIZE_ADDRESS__
  constexpr std::size_t kEvery = 6;
#else
  constexpr std::size_t kEvery = 1;
#endif
  std::vector<std::string> all;
  std::size_t index = turn;
  for (const auto& [name, hits] : points) {
    if (index++ % kEvery != 0) continue;
    std::set<int> chosen = {(hits + 1) / 2};
    if (thorough && kEvery == 1) chosen.insert({1, hits});
    for (const int hit : chosen) all.push_back(name + ":" + std::to_string(hit));
  }
  return all;
}

/// Old versions are kept below a folder whose own time is that of the run.
inline std::map<std::string, std::string> without_undo_folder(
    std::map<std::string, std::string> tree) {
  tree.erase("/.dunlin-undo-456789ab");
  return tree;
}

}  // namespace dunlin::files::testing
