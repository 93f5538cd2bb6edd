// dunlin with the scripted kind instead of the real ones, for the crash loop: the whole engine and
// the command line, and a workload that does as it is told.
#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/application.h"
#include "engine/kind.h"
#include "support/scripted_kind.h"

int main(int argc, char** argv) {
  dunlin::engine::KindRegistry kinds;
  kinds.add(dunlin::testing::make_scripted_kind());
  const dunlin::SystemClock clock;
  return dunlin::cli::Application(kinds, clock, "scripted")
      .run(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
