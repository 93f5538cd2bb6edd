// Handing an execution over to a background process of its own.
#pragma once

#include <string>

#include "cli/session.h"

namespace dunlin::cli {

struct Handover {
  ExecutionId id;
  std::string goal = "migrate";  ///< migrate, verify, roll_back
  std::string selector_json;     ///< retry: what to reopen; empty: nothing
  bool wait = false;             ///< it begins when what its plan waits for has completed
};

/// Starts `dunlin run-owner` in a session of its own, its output in
/// <state>/executions/<id>/owner.log, and returns when it owns the execution (or has ended
/// already), or at once where it waits. Prints id and the commands for watching. The error is the
/// owner's own when it ended before it owned anything.
[[nodiscard]] Result<int> hand_over(Session& session, const Handover& handover);

}  // namespace dunlin::cli
