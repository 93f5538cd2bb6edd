// Running an execution in this process, with its display, its signals and its last words.
#pragma once

#include <functional>

#include "cli/session.h"

namespace dunlin::cli {

struct ForegroundRun {
  ExecutionId id;
  engine::Goal goal = engine::Goal::migrate;
  /// Between taking the execution over and running it (`retry` reopens items here).
  std::function<Status(engine::Execution&)> prepare;
  /// Seconds between progress lines where there is no terminal.
  std::int64_t line_every_ms = 5000;
  /// From a holder of the lock that cannot be reached; the epoch keeps it from writing any more.
  bool take_over = false;
};

struct Ended {
  int exit_code = 0;
  engine::Snapshot snapshot;  ///< how it stands now
};

/// Owns the execution until it ends, pauses or fails, and cleans up as its settings say
/// (`cleanup_policy`); returns its exit code, which is that of items that failed where a failure
/// was taken back. lock_held when another process owns it: nothing was done then.
[[nodiscard]] Result<Ended> run_in_foreground(Session& session, const ForegroundRun& run);

/// The rollback of one that has failed and whose settings say that this is to be taken back.
[[nodiscard]] ForegroundRun take_back_failure(const Session& session, const ForegroundRun& failed);

/// Follows an execution that lives in another process until it ends or pauses; returns the code
/// that its owner ended with. `screen`: the whole status screen on a terminal, else one line.
/// `goes_on`: the caller goes on with what a dead owner leaves, so nothing is said of that end.
[[nodiscard]] Result<int> follow(Session& session, const ExecutionId& id, bool screen,
                                 bool goes_on = false);

/// The last words of an execution: the summary, or with --json the finished event.
[[nodiscard]] Status print_end(Session& session, const engine::Snapshot& snapshot,
                               const engine::Outcome* outcome, int exit_code,
                               std::int64_t attempt_ms = -1);

}  // namespace dunlin::cli
