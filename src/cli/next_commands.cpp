// What a person may type next, of screens.h.
#include <fmt/format.h>

#include "cli/screens.h"
#include "engine/engine.h"
#include "engine/test_run.h"

namespace dunlin::cli {

using engine::Snapshot;
using store::ExecutionStatus;

std::vector<NextCommand> next_commands(const Snapshot& snapshot) {
  const std::string number = std::to_string(snapshot.row.number);
  const auto& counters = snapshot.row.counters;
  const auto command = [&](std::string_view verb) {
    return fmt::format("dunlin {} {}", verb, number);
  };
  std::vector<NextCommand> out;
  const bool failures = store::all_failed(counters) > 0 || !snapshot.error_counts.empty();
  if (snapshot.row.mode == engine::kTest && engine::has_ended(snapshot.shown_status)) {
    if (failures) out.push_back({command("errors"), "what failed and why"});
    return out;
  }
  switch (snapshot.shown_status) {
    case ExecutionStatus::pending:
      out.push_back({command("resume"), "start it"});
      break;
    case ExecutionStatus::running:
    case ExecutionStatus::rolling_back:
      out.push_back({command("watch"), "follow it live"});
      out.push_back({command("pause"), "pause it; nothing is lost"});
      break;
    case ExecutionStatus::paused:
      out.push_back({command("resume"), "go on where it was"});
      out.push_back({command("cancel"), engine::goal_of(snapshot.row) == engine::Goal::roll_back
                                            ? "give it up; what is not taken back stays"
                                            : "give it up; what is done stays"});
      break;
    case ExecutionStatus::completed:
      if (snapshot.row.mode == engine::kDryRun) {
        out.push_back({command("items"), "each item and what would be done"});
        if (failures) out.push_back({command("errors"), "what would fail and why"});
      } else if (store::all_failed(counters) > 0) {
        out.push_back({command("errors"), "what failed and why"});
        out.push_back({command("retry"), "try what failed again"});
      }
      break;
    case ExecutionStatus::failed:
      if (failures) out.push_back({command("errors"), "what failed and why"});
      if (counters.differences > 0)
        out.push_back({command("verify"), "compare again once the cause is mended"});
      else if (engine::is_to_be_taken_back(snapshot))
        out.push_back({command("resume"), "take back what was done (on_failure: rollback)"});
      else
        out.push_back({command("resume"), "go on once the cause is mended"});
      break;
    case ExecutionStatus::cancelled:
      if (store::all_succeeded(counters) > 0)
        out.push_back({command("rollback"), "take back what was done"});
      break;
    case ExecutionStatus::rolled_back:
      if (store::all_succeeded(counters) > 0)
        out.push_back({command("rollback"), "try it again, once the cause is mended"});
      break;
  }
  return out;
}

}  // namespace dunlin::cli
