// How one pass over one batch ends: the decision, apart from everything that carries it out.
//
// Pure; used by the host and by the simulator alike.
#pragma once

#include <cstdint>
#include <optional>

#include "base/cancel.h"
#include "base/result.h"
#include "engine/run.h"
#include "store/ledger.h"

namespace dunlin::engine {

struct BatchTally {
  std::int64_t items = 0;            ///< of the batch, ended ones included
  std::int64_t unreported = 0;       ///< items of the pass without an outcome
  std::int64_t to_retry = 0;         ///< items left pending for another try
  std::optional<Error> retry_error;  ///< the last of their errors
  std::optional<Error> stops;        ///< a system or fatal error that an item met
  std::int64_t held = 0;             ///< items that a person holds back: left pending
};

struct BatchVerdict {
  store::BatchResult result = store::BatchResult::done;
  std::optional<Error>
      error;  ///< recorded with the batch; with `interrupted` it stops the execution (X-15)
  bool wants_retry_delay = false;  ///< the host computes not_before_ms from the retry policy
  /// Not to be ended at all: what an earlier run left is not known, so the batch stays open and the
  /// next owner settles it. Back to pending it would be forgotten by a cancel or a rollback.
  bool leave_open = false;
};

/// `may_retry`: the retry policy's answer for the batch's own error; asked only when that error is
/// retriable.
template <typename MayRetry>
[[nodiscard]] BatchVerdict decide_batch_end(const Status& status, const BatchTally& tally,
                                            store::Pass pass, bool settle, CommitScope scope,
                                            MayRetry&& may_retry) {
  using store::BatchResult;
  if (settle && tally.stops) return {BatchResult::interrupted, tally.stops, false, true};
  if (settle && !status.ok()) return {BatchResult::interrupted, status.error(), false, true};
  if (tally.stops) return {BatchResult::interrupted, tally.stops};
  if (!status.ok()) {
    const Error& error = status.error();
    if (error.type == ErrorType::interrupted) return {BatchResult::interrupted, std::nullopt};
    const ErrorCategory category = error.category();
    if (category == ErrorCategory::system || category == ErrorCategory::fatal) {
      return {BatchResult::interrupted, error};
    }
    if (may_retry(error)) return {BatchResult::retry, error, true};
    // What cannot be compared or taken back is not to be called failed: the execution stops
    // instead.
    if (pass != store::Pass::work) return {BatchResult::interrupted, error};
    return {BatchResult::failed, error};
  }
  if (settle) {
    // Only items tell that a batch had been done. One without any has to be executed (again).
    const bool all_done = tally.items > 0 && tally.unreported == 0 && tally.to_retry == 0;
    return {all_done ? BatchResult::done : BatchResult::interrupted, std::nullopt};
  }
  if (tally.to_retry > 0) return {BatchResult::retry, tally.retry_error, true};
  if (tally.unreported > 0) {
    return {BatchResult::interrupted,
            Error(ErrorType::defect,
                  std::to_string(tally.unreported) + " items were left without an outcome")};
  }
  if (tally.held > 0) return {BatchResult::held, std::nullopt};
  if (pass == store::Pass::work && scope == CommitScope::execution)
    return {BatchResult::staged, std::nullopt};
  return {BatchResult::done, std::nullopt};
}

}  // namespace dunlin::engine
