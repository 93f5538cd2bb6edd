// Starting what a plan says, in the foreground or detached.
#pragma once

#include "cli/session.h"

namespace dunlin::cli {

/// Records an execution of the plan and runs it to its end, or hands it over.
[[nodiscard]] Result<int> start_plan(Session& session, const engine::Plan& plan, bool detach);

}  // namespace dunlin::cli
