// Waiting for the plans that one depends on (engine/dependencies.h): `dunlin run --wait`. The main
// thread's.
#pragma once

#include "cli/session.h"

namespace dunlin::cli {

/// Whether the plan has to wait before it may begin. preflight_refused when it has to and
/// `may_wait` is not given, or when what it waits for has failed.
[[nodiscard]] Result<bool> has_to_wait(engine::Engine& engine, const engine::Plan& plan,
                                       bool may_wait);
/// Returns true once all is met, saying meanwhile what is not. False: a signal has ended the wait,
/// which is said, or somebody else has begun or cancelled the execution; it stays as it is.
/// preflight_refused when something that it waits for fails.
[[nodiscard]] Result<bool> wait_for_dependencies(Session& session, const ExecutionId& id);

}  // namespace dunlin::cli
