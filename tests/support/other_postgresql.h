// Runs suites of this very program once more, on another major version of PostgreSQL: their names
// and bodies stay those of the first.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>

#include <gtest/gtest.h>

#include "support/postgresql_server.h"
#include "support/scratch.h"

namespace dunlin::testing {

/// Fails with what the other process said when one of the `least` or more tests of `filter` fails
/// on `version`, or there are fewer. Where no such server is installed, since a registry did not
/// give it (tools/servers.sh): skips, and says so.
inline void expect_on_postgresql(int version, const std::string& filter, int least) {
  if (postgresql_programs(version).empty()) {
    const std::string missing = "PostgreSQL " + std::to_string(version) +
                                " is not installed (bash tools/servers.sh), so nothing ran on it";
    GTEST_SKIP() << missing;
  }
  const ScratchDirectory scratch;
  const std::string log = scratch.file("log");
  // Without the words that run_tests.py gives this process: its shard, its report.
  const std::string command =
      "env -u GTEST_OUTPUT -u GTEST_FLAGFILE -u GTEST_FILTER -u GTEST_TOTAL_SHARDS "
      "DUNLIN_TEST_POSTGRESQL=" +
      std::to_string(version) + " /proc/" + std::to_string(::getpid()) + "/exe --gtest_filter='" +
      filter + "' >" + log + " 2>&1";
  const int status = std::system(command.c_str());
  std::ifstream in(log);
  const std::string said((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  EXPECT_EQ(status, 0) << said;
  std::smatch passed;
  const bool counted =
      std::regex_search(said, passed, std::regex("\\[  PASSED  \\] ([0-9]+) test"));
  EXPECT_GE(counted ? std::stoi(passed[1].str()) : 0, least) << said;
}

}  // namespace dunlin::testing
