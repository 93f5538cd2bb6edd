// dunlin on files whose reads and writes, those of its ledger included, do less than they were
// asked for: the kind files, the whole engine and the command line, and support/short_calls.h with
// the seed in $DUNLIN_TEST_SEED.
#include <cstdlib>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/clock.h"
#include "cli/application.h"
#include "engine/kind.h"
#include "files/files_kind.h"
#include "support/short_calls.h"

int main(int argc, char** argv) {
  dunlin::engine::KindRegistry kinds;
  kinds.add(dunlin::files::make_files_kind());
  const dunlin::SystemClock clock;
  const char* seed = std::getenv("DUNLIN_TEST_SEED");
  // SQLite takes an interrupted flush for a failed one, and no file system that it may lie on
  // interrupts one.
  const dunlin::testing::ShortCalls calls(seed == nullptr ? 1 : std::strtoull(seed, nullptr, 10),
                                          false);
  const int code = dunlin::cli::Application(kinds, clock, "short")
                       .run(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
  fmt::print(stderr, "{} calls shortened, {} interrupted\n", calls.shortened(),
             calls.interrupted());
  return code;
}
