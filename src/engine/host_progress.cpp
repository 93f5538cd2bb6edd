// What the host tells: live numbers, events, the summary for `ps`, the exit code.
#include <algorithm>
#include <utility>

#include "base/logging.h"
#include "engine/host.h"

namespace dunlin::engine {
namespace {

/// What a killed owner leaves unanchored at most; one small transaction of state.db each.
constexpr std::int64_t kAnchorEveryMs = 5000;

}  // namespace

void Execution::Host::note_counters(const store::Counters& counters, std::int64_t as_of) {
  const std::lock_guard lock(progress_mutex_);
  if (as_of < counters_as_of_) return;
  counters_as_of_ = as_of;
  counters_ = counters;
}

Progress Execution::Host::progress() {
  store::ExecutionRow row;
  {
    const std::lock_guard lock(progress_mutex_);
    row = row_;
    row.counters = counters_;
    row.phase = phase_;
  }
  Progress progress = progress_of(row, parts.clock.wall_ms());
  meter_.fill(progress, parts.clock.monotonic_ms(), {reads_back_, in_flight_.read_back_bytes()});
  progress.current_items = in_flight_.list();
  // While it is read back nobody knows how much of it will hold, and next to nothing is moved.
  if (std::any_of(progress.current_items.begin(), progress.current_items.end(),
                  [](const CurrentItem& item) { return item.phase == ItemPhase::resuming; }))
    progress.estimated_seconds_remaining.reset();
  return progress;
}

void Execution::Host::publish(const std::string& name, Json fields) {
  events_.publish(Event{name, parts.clock.wall_ms(), std::move(fields), false});
}

/// The summary in state.db is a cache for `ps`; failing to write it costs nothing but freshness.
void Execution::Host::publish_summary() {
  summary_at_ms_ = parts.clock.monotonic_ms();
  Result<store::ExecutionRow> row = parts.ledger->execution();
  if (!row.ok()) return;
  {
    const std::lock_guard lock(progress_mutex_);
    row_ = *row;
    if (!row->phase.empty()) phase_ = row->phase;
  }
  Result<store::ExecutionSummary> summary = parts.state.store().execution(row->id);
  if (!summary.ok()) return;
  if (summary->status == row->status && summary->counters == row->counters &&
      summary->phase == row->phase && summary->keeps_until_ms == store::keeps_until_ms(*row))
    return;
  summary->status = row->status;
  summary->phase = row->phase;
  summary->counters = row->counters;
  summary->keeps_until_ms = store::keeps_until_ms(*row);
  summary->updated_ms = parts.clock.wall_ms();
  parts.state.store().put_execution(*summary).ignore(
      "a cache; rebuilt from the ledger when it differs");
}

void Execution::Host::forget_kept() {
  const std::vector<store::Mutation> mutations{store::ForgetKept{}};
  if (const auto results = parts.ledger->apply(parts.row.epoch, mutations); !results.ok())
    log_warn("it is still counted as kept: {}", results.error().text());
  publish_summary();
}

/// After what it vouches for is on disk, and never instead of work: an anchor that cannot be
/// written lags behind.
void Execution::Host::anchor_audit(bool now) {
  const std::int64_t time = parts.clock.monotonic_ms();
  if (record_changed_ || stale_ || (!now && time - anchored_at_ms_ < kAnchorEveryMs)) return;
  anchored_at_ms_ = time;
  const Status anchored = parts.state.anchor_audit(parts.row.id, *parts.ledger);
  if (anchored.ok()) return;
  if (anchored.error().type == ErrorType::state_corrupt) {
    record_changed_ = true;
    log_warn("{}", anchored.error().text());
  } else {
    log_debug("the audit log is not anchored: {}", anchored.error().text());
  }
}

int Execution::Host::exit_code(const coordinator::Finish& finish) const {
  using store::ExecutionStatus;
  if (finish.reason && finish.reason->type == ErrorType::defect) return 70;
  if (state_.config.part) {
    // What it is again has been told when it became that.
    if (state_.asked_by_person) return kExitPaused;
    if (!finish.reason) return left_alone_ > 0 ? 1 : 0;
  }
  switch (finish.status) {
    case ExecutionStatus::completed:
    case ExecutionStatus::rolled_back: {
      const bool refused = finish.status == ExecutionStatus::rolled_back &&
                           store::all_succeeded(state_.counters) > 0;  // what was changed since
      const bool any_failed =
          store::all_failed(state_.counters) > 0 || state_.counters.failed_batches > 0;
      return any_failed || refused ? 1 : 0;
    }
    case ExecutionStatus::paused:
      return finish.reason && finish.reason->type == ErrorType::stale_owner ? 5 : kExitPaused;
    case ExecutionStatus::cancelled:
      return kExitPaused;
    default:
      break;
  }
  if (!finish.reason) return 1;
  switch (finish.reason->type) {
    case ErrorType::preflight_refused:
      return 3;
    case ErrorType::verification_mismatch:
      return 6;
    case ErrorType::too_many_failures:
      return 1;
    case ErrorType::lock_held:
    case ErrorType::destination_busy:
      return 5;
    case ErrorType::invalid_input:
    case ErrorType::plan_invalid:
      return 2;
    default:
      return finish.reason->category() == ErrorCategory::fatal ? 7 : 1;
  }
}

}  // namespace dunlin::engine
