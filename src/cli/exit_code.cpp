// See exit_code.h. Where several apply: 70, 7, 5, 3, 2, 6, 4, 1, 0; the first wins
// (conventions.md).
#include "cli/exit_code.h"

namespace dunlin::cli {

namespace {

int of_type(ErrorType type) {
  switch (type) {
    case ErrorType::defect:
      return kDefect;
    case ErrorType::lock_held:
    case ErrorType::stale_owner:
    case ErrorType::destination_busy:
      return kLockHeld;
    case ErrorType::preflight_refused:
      return kPreflightRefused;
    case ErrorType::invalid_input:
    case ErrorType::plan_invalid:
    case ErrorType::not_found:
    case ErrorType::invalid_state:
    case ErrorType::role_refused:
    // What the user named as state cannot be used as such: bad input, nothing was begun.
    case ErrorType::state_unusable:
    case ErrorType::state_version:
    case ErrorType::state_corrupt:
      return kUsage;
    case ErrorType::verification_mismatch:
      return kDifferences;
    case ErrorType::interrupted:
      return kPausedOrCancelled;
    default:
      return kFatal;
  }
}

/// Why it failed, out of the row, which holds an error as JSON; as the engine's own code for it.
int of_reason(const std::string& reason_json) {
  const auto reason = parse_json(reason_json);
  if (!reason.ok()) return kItemsFailed;
  const auto type = error_type_from_name(string_or(*reason, "type", ""));
  if (!type || *type == ErrorType::too_many_failures) return kItemsFailed;
  const int code = of_type(*type);
  return code == kFatal && info(*type).category != ErrorCategory::fatal ? kItemsFailed : code;
}

}  // namespace

int exit_code_of(const Error& error) {
  return of_type(error.type);
}

int exit_code_of(const engine::Snapshot& snapshot) {
  using store::ExecutionStatus;
  const auto& counters = snapshot.row.counters;
  switch (snapshot.shown_status) {
    case ExecutionStatus::failed:
      return counters.differences > 0 && snapshot.row.reason_json.empty()
                 ? kDifferences
                 : of_reason(snapshot.row.reason_json);
    case ExecutionStatus::completed:
      if (counters.differences > 0) return kDifferences;
      return store::all_failed(counters) > 0 || counters.failed_batches > 0 ? kItemsFailed : kDone;
    case ExecutionStatus::rolled_back:
      if (snapshot.failure_taken_back) return kItemsFailed;
      // What was copied and is still counted as such was refused: somebody has changed it since.
      return store::all_failed(counters) > 0 || store::all_succeeded(counters) > 0 ? kItemsFailed
                                                                                   : kDone;
    case ExecutionStatus::pending:
    case ExecutionStatus::running:
    case ExecutionStatus::rolling_back:
    case ExecutionStatus::paused:
    case ExecutionStatus::cancelled:
      return kPausedOrCancelled;
  }
  return kDefect;
}

}  // namespace dunlin::cli
