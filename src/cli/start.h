// Starting what a plan says, in the foreground or detached.
#pragma once

#include "cli/session.h"

namespace dunlin::cli {

/// Records an execution of the plan and runs it to its end, or hands it over. preflight_refused,
/// and nothing is recorded, while what the plan waits for has not completed; with `wait` it is
/// recorded and begins when that has.
[[nodiscard]] Result<int> start_plan(Session& session, const engine::Plan& plan, bool detach,
                                     bool wait = false);

}  // namespace dunlin::cli
