#include "engine/coordinator.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/json.h"
#include "engine/coordinator_stepper.h"

namespace dunlin::engine::coordinator {

std::string error_json(const Error& error) {
  Json json;
  json["type"] = std::string(to_string(error.type));
  json["category"] = std::string(to_string(error.category()));
  json["message"] = error.text();
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// ---- Emitting
// ------------------------------------------------------------------------------------------------------

OutstandingPersist& Stepper::persist(std::vector<Mutation> mutations) {
  const std::int64_t sequence = s_.next_sequence++;
  OutstandingPersist& entry = s_.persists[sequence];
  entry.command = Persist{sequence, std::move(mutations)};
  entry.asked_at_ms = now_.monotonic_ms;
  out_.push_back(entry.command);
  return entry;
}

void Stepper::reemit(OutstandingCall& slot) {
  if (slot.call == 0 || now_.monotonic_ms - slot.asked_at_ms < kReplyDeadlineMs) return;
  slot.asked_at_ms = now_.monotonic_ms;
  out_.push_back(slot.command);
}

bool Stepper::answered(OutstandingCall& slot, std::int64_t call_number) {
  if (slot.call == 0 || slot.call != call_number) return false;
  slot.call = 0;
  return true;
}

void Stepper::emit_run(OpenBatch& open) {
  open.started = true;
  open.asked_at_ms = now_.monotonic_ms;
  out_.push_back(RunBatch{open.row, open.token, open.pass, open.settle});
}

// ---- Deciding
// ------------------------------------------------------------------------------------------------------

/// The first reason to stop stays, except that a person's cancel wins over a pause and over errors
/// that only pause.
void Stepper::set_target(ExecutionStatus to, std::optional<Error> reason, bool by_person) {
  if (s_.target && !(to == ExecutionStatus::cancelled && by_person)) return;
  s_.target = to;
  s_.reason = std::move(reason);
  s_.asked_by_person = by_person;
}

/// engine.md X-15: system and transient errors that reach the execution pause it, the others end it
/// as failed.
void Stepper::stop_for(const Error& error) {
  if (error.type == ErrorType::stale_owner) {
    halt(error);
    return;
  }
  const bool pauses =
      error.category() == ErrorCategory::system || error.category() == ErrorCategory::transient;
  set_target(pauses || s_.config.goal == Goal::roll_back ? ExecutionStatus::paused
                                                         : ExecutionStatus::failed,
             error, false);
}

/// Nothing can or may be written any more: end now. Recovery finds the execution as after a kill.
void Stepper::halt(const Error& reason) {
  s_.stage = Stage::ended;
  s_.persists.clear();
  s_.open.clear();
  out_.push_back(CancelWork{CancelReason::stop});
  out_.push_back(Finish{ExecutionStatus::paused, reason, false});
}

void Stepper::take_counters(const Counters& counters, std::int64_t as_of) {
  if (as_of < s_.counters_as_of) return;
  s_.counters_as_of = as_of;
  s_.counters = counters;
}

void Stepper::check_failures() {
  const Counters& counters = s_.counters;
  const std::int64_t failed = store::all_failed(counters) - s_.failed_at_begin;
  const std::int64_t planned = store::all_planned(counters);
  if (failed <= 0 || s_.target || s_.config.goal != Goal::migrate) return;
  const bool totals_mean_something = s_.enumeration_complete || planned >= 100;
  const bool over_count = s_.config.max_failures >= 0 && failed > s_.config.max_failures;
  const bool over_percent = s_.config.max_failures_percent >= 0 && totals_mean_something &&
                            planned > 0 &&
                            100.0 * static_cast<double>(failed) >
                                s_.config.max_failures_percent * static_cast<double>(planned);
  if (!s_.config.stop_on_first_error && !over_count && !over_percent) return;
  set_target(
      ExecutionStatus::failed,
      Error(ErrorType::too_many_failures,
            std::to_string(failed) + (failed == 1 ? " item has failed" : " items have failed") +
                (s_.config.stop_on_first_error ? " and the plan stops on the first error" : "")),
      false);
}

/// Milestones, each recorded once; the ledger ignores repeats.
void Stepper::note_progress() {
  std::vector<Mutation> reached;
  const auto reach = [&](int bit, const char* name) {
    if ((s_.milestones & (1 << bit)) != 0) return;
    s_.milestones |= 1 << bit;
    reached.push_back(store::AddMilestone{name});
  };
  if (s_.counters.transferred_bytes > 0) reach(0, "first_byte");
  if (s_.enumeration_complete) reach(1, "enumeration_complete");
  const Counters& c = s_.counters;
  if (const std::int64_t planned = store::all_planned(c); s_.enumeration_complete && planned > 0) {
    const std::int64_t percent = c.total_bytes > 0 ? 100 * c.processed_bytes / c.total_bytes
                                                   : 100 * store::all_ended(c) / planned;
    if (percent >= 25) reach(2, "percent_25");
    if (percent >= 50) reach(3, "percent_50");
    if (percent >= 75) reach(4, "percent_75");
  }
  if (!reached.empty()) persist(std::move(reached));
}

void Stepper::maybe_checkpoint() {
  const CheckpointPolicy& policy = s_.config.checkpoint;
  ++s_.batches_since_checkpoint;
  // engine.md X-8: of a large execution more is worth knowing than every tenth batch.
  constexpr std::int64_t kLargeItems = 100'000;
  const bool large = !policy.named && store::all_planned(s_.counters) > kLargeItems;
  bool due = large || policy.frequency == "every_batch";
  if (policy.frequency == "every_n_batches")
    due = due || s_.batches_since_checkpoint >= policy.n_batches;
  if (policy.frequency == "time_based") {
    due = now_.monotonic_ms - s_.last_checkpoint_ms >=
          std::int64_t{60'000} * policy.time_interval_minutes;
  }
  if (!due) return;
  s_.batches_since_checkpoint = 0;
  s_.last_checkpoint_ms = now_.monotonic_ms;
  persist({store::AddCheckpoint{policy.keep_last_n,
                                std::int64_t{3'600'000} * policy.expire_after_hours}});
}

Stage Stepper::first_pass_stage() const {
  if (s_.config.goal == Goal::roll_back) return Stage::undoing;
  if (s_.config.goal == Goal::verify) return Stage::verifying;
  return Stage::working;
}

/// The persist that a stage waited for is durable.
void Stepper::stage_done() {
  switch (s_.stage) {
    case Stage::entering:
      s_.stage = Stage::checking;
      call(s_.preflight, Preflight{0, s_.row.roots.empty()});
      break;
    case Stage::unstaging:
      s_.stage = Stage::settling;
      break;
    case Stage::committing:
      call(s_.commit, CommitExecution{});
      break;
    case Stage::completing:
      s_.row.committing = false;
      if (s_.target) {
        s_.stage = Stage::draining;
      } else {
        begin_verifying();
      }
      break;
    case Stage::ending:
      s_.stage = Stage::ended;
      // The writer keeps their order: what was asked for before this is durable, too.
      for (const auto& [sequence, entry] : s_.persists) {
        for (const auto& [request, message] : entry.answers) answer(request, true, message);
      }
      out_.push_back(Finish{*s_.target, s_.reason, true});
      break;
    default:
      break;
  }
}

// ---- Events
// --------------------------------------------------------------------------------------------------------

void Stepper::on(const Begin& event) {
  if (s_.stage != Stage::idle) return;
  s_.row = event.row;
  s_.counters = event.row.counters;
  s_.failed_at_begin = store::all_failed(event.row.counters);
  s_.enumeration_complete = event.row.enumeration_complete;
  s_.next_token = (event.row.epoch << 32) + 1;
  s_.last_checkpoint_ms = now_.monotonic_ms;
  s_.to_settle.assign(event.open.begin(), event.open.end());
  std::stable_sort(
      s_.to_settle.begin(), s_.to_settle.end(),
      [](const BatchRow& one, const BatchRow& other) { return one.stage < other.stage; });
  s_.holding = s_.config.goal == Goal::migrate && s_.config.hold_up_to_items > 0 && !event.begun;
  std::vector<Mutation> entry;
  const bool orphaned = event.row.status == ExecutionStatus::running ||
                        event.row.status == ExecutionStatus::rolling_back;
  if (orphaned) {
    entry.push_back(store::SetStatus{
        ExecutionStatus::paused, "",
        error_json(Error(ErrorType::interrupted, "the owning process ended")), "engine"});
  }
  if (s_.config.goal == Goal::verify) entry.push_back(store::ResetVerification{});
  const bool undo = s_.config.goal == Goal::roll_back;
  entry.push_back(store::SetStatus{undo ? ExecutionStatus::rolling_back : ExecutionStatus::running,
                                   undo ? "rolling_back" : "preflight", "", "engine",
                                   undo ? s_.config.part : std::nullopt});
  if (!event.reopen.empty() || !event.reopen_batches.empty()) {
    entry.push_back(store::ReopenItems{event.reopen, event.reopen_to, event.reopen_actor,
                                       event.reopen_batches, event.reopen_answers});
    s_.failed_at_begin = std::max<std::int64_t>(
        0, s_.failed_at_begin - static_cast<std::int64_t>(event.reopen.size()));
  }
  s_.stage = Stage::entering;
  persist(std::move(entry)).moves_stage = true;
}

void Stepper::on(const Persisted& event) {
  const auto found = s_.persists.find(event.sequence);
  if (found == s_.persists.end()) return;
  OutstandingPersist entry = std::move(found->second);
  s_.persists.erase(found);
  take_counters(event.counters, event.as_of);
  for (const Status& result : event.results) {
    if (result.ok()) continue;
    if (result.error().type == ErrorType::stale_owner) {
      halt(result.error());
      return;
    }
    if (entry.moves_stage) {
      halt(Error(result.error()).with_context("while recording a change of state"));
      return;
    }
  }
  for (std::size_t i = 0; i < entry.starts.size(); ++i) {
    const auto open = s_.open.find(entry.starts[i]);
    if (open == s_.open.end()) continue;
    if (i < event.results.size() && !event.results[i].ok()) {
      s_.open.erase(open);  // seen in a window older than the ledger: load again
      ++s_.generation;
    } else {
      emit_run(open->second);
    }
  }
  for (const auto& [request, message] : entry.answers) answer(request, true, message);
  if (!entry.answers.empty()) ++s_.generation;
  if (entry.reorders) {
    s_.window.clear();
    s_.load.call = 0;  // an answer on its way has the old order
  }
  if (entry.moves_stage) stage_done();
}

void Stepper::on(const PersistFailed& event) {
  const auto found = s_.persists.find(event.sequence);
  if (found == s_.persists.end()) return;
  OutstandingPersist& entry = found->second;
  ++entry.failures;
  if (!s_.reserve_released) {
    s_.reserve_released = true;
    entry.asked_at_ms = now_.monotonic_ms;
    out_.push_back(ReleaseReserve{});
    out_.push_back(entry.command);
    return;
  }
  if (event.error.retriable() && event.error.category() == ErrorCategory::transient &&
      entry.failures < 5)
    return;
  if (entry.moves_stage) {
    // Not even the change of state can be recorded. A person's request stands all the same: this
    // process ends.
    Error reason = event.error;
    const ExecutionStatus status =
        s_.stage == Stage::ending && s_.target ? *s_.target : ExecutionStatus::paused;
    s_.stage = Stage::ended;
    out_.push_back(CancelWork{CancelReason::stop});
    out_.push_back(Finish{status, std::move(reason), false});
    return;
  }
  for (const BatchId start : entry.starts) s_.open.erase(start);
  for (const auto& [request, message] : entry.answers)
    answer(request, true, message + " (not recorded: state is full)");
  s_.persists.erase(found);
  set_target(ExecutionStatus::paused, event.error, false);
}

void Stepper::on(const PreflightDone& event) {
  if (!answered(s_.preflight, event.call)) return;
  if (event.error || event.refused) {
    s_.to_settle.clear();
    if (event.error) {
      stop_for(*event.error);
    } else {
      set_target(ExecutionStatus::failed,
                 Error(ErrorType::preflight_refused, "the checks before the start found problems"),
                 false);
    }
    if (s_.stage != Stage::ended) s_.stage = Stage::draining;
    return;
  }
  std::vector<Mutation> entry;
  if (s_.row.roots.empty()) {
    s_.row.roots = event.roots;
    entry.push_back(store::SetRoots{event.roots});
  }
  if (s_.config.execution_scope && s_.config.goal == Goal::migrate) {
    if (s_.row.committing && event.committed.value_or(false)) {
      entry.push_back(store::CompleteStaged{});
    } else {
      entry.push_back(store::UnstageAll{});
    }
    s_.row.committing = false;
  }
  entry.push_back(store::AddMilestone{"preflight_passed"});
  if (s_.config.goal == Goal::migrate) {
    entry.push_back(store::SetPhase{!s_.enumeration_complete ? "enumerating"
                                    : s_.holding             ? "preflight"
                                                             : "loading"});
  }
  s_.stage = Stage::unstaging;
  persist(std::move(entry)).moves_stage = true;
}

void Stepper::on(const EnumerationEnded& event) {
  if (!answered(s_.enumerate, event.call)) return;
  ++s_.generation;
  if (event.complete) {
    s_.enumeration_complete = true;
    persist({store::SetPhase{s_.holding ? "preflight" : "loading"}});
    return;
  }
  if (event.error && event.error->type == ErrorType::interrupted) return;
  if (event.error) {
    persist({store::AddError{*event.error, {}, {}}});
    stop_for(*event.error);
    return;
  }
  stop_for(Error(ErrorType::defect, "enumeration ended without saying that it was complete"));
}

void Stepper::on(const WorkAppended& event) {
  ++s_.generation;
  s_.waiting_so_far = std::max(s_.waiting_so_far, event.waiting);
}

void Stepper::on(const ItemsChecked& event) {
  if (!answered(s_.check, event.call)) return;
  s_.holding = false;
  if (event.error) {
    if (!s_.target) stop_for(*event.error);
  } else if (event.refused) {
    std::vector<Mutation> found;
    for (const Error& problem : event.problems) found.push_back(store::AddError{problem, {}, {}});
    if (!found.empty()) persist(std::move(found));
    set_target(ExecutionStatus::failed,
               Error(ErrorType::preflight_refused, "the checks of the items found problems"),
               false);
  } else {
    persist({store::SetPhase{"loading"}, store::AddMilestone{"items_checked"}});
  }
}

void Stepper::on(const WindowLoaded& event) {
  if (!answered(s_.load, event.call)) return;
  s_.fresh_generation = s_.load_generation;
  take_counters(event.counters, event.as_of);
  s_.unfinished = event.ready.unfinished;
  s_.held = event.ready.held;
  s_.wake_at_wall_ms = event.ready.next_not_before_ms;
  s_.enumeration_complete = s_.enumeration_complete || event.enumeration_complete;
  for (const BatchRow& row : event.ready.batches) {
    if (s_.window.size() >= kWindowMax) break;
    const bool known =
        s_.open.contains(row.id) || std::any_of(s_.window.begin(), s_.window.end(),
                                                [&](const BatchRow& w) { return w.id == row.id; });
    if (!known) s_.window.push_back(row);
  }
}

void Stepper::on(const BatchEnded& event) {
  const auto found = s_.open.find(event.batch);
  if (found == s_.open.end() || found->second.token != event.token || !found->second.started)
    return;
  s_.open.erase(found);
  ++s_.generation;
  if (event.persist_error) {
    stop_for(*event.persist_error);
    return;
  }
  const bool ends_execution = event.error && event.result == BatchResult::interrupted;
  if (ends_execution) stop_for(*event.error);
  if (s_.stage == Stage::ended) return;
  take_counters(event.counters, event.as_of);
  check_failures();
  note_progress();
  maybe_checkpoint();
}

void Stepper::on(const Committed& event) {
  if (!answered(s_.commit, event.call)) return;
  if (event.error) {
    stop_for(*event.error);
    if (s_.stage != Stage::ended) s_.stage = Stage::draining;
    return;
  }
  s_.stage = Stage::completing;
  persist({store::CompleteStaged{}}).moves_stage = true;
}

void Stepper::on(const Closed& event) {
  if (!answered(s_.close, event.call)) return;
  begin_ending();
}

void Stepper::on(const Tick&) {
  for (auto& [sequence, entry] : s_.persists) {
    if (now_.monotonic_ms - entry.asked_at_ms < kReplyDeadlineMs) continue;
    entry.asked_at_ms = now_.monotonic_ms;
    out_.push_back(entry.command);
  }
  for (OutstandingCall* slot :
       {&s_.preflight, &s_.enumerate, &s_.check, &s_.load, &s_.commit, &s_.close})
    reemit(*slot);
  for (auto& [id, open] : s_.open) {
    if (open.started && now_.monotonic_ms - open.asked_at_ms >= kReplyDeadlineMs) emit_run(open);
  }
  if (s_.wake_at_wall_ms > 0 && now_.wall_ms >= s_.wake_at_wall_ms) {
    s_.wake_at_wall_ms = 0;
    ++s_.generation;
  }
}

std::vector<Command> step(State& state, const Event& event, Now now) {
  Stepper stepper(state, now);
  if (state.stage == Stage::ended) {
    if (const auto* control = std::get_if<Control>(&event)) stepper.on(*control);
    return stepper.take();
  }
  std::visit([&](const auto& e) { stepper.on(e); }, event);
  stepper.advance();
  return stepper.take();
}

std::int64_t next_tick_ms(const State& state, Now now) {
  std::int64_t next = std::numeric_limits<std::int64_t>::max();
  if (state.stage == Stage::ended) return next;
  const auto due = [&](std::int64_t asked_at_ms) {
    next = std::min(next, asked_at_ms + kReplyDeadlineMs);
  };
  for (const auto& [sequence, entry] : state.persists) due(entry.asked_at_ms);
  for (const OutstandingCall* slot : {&state.preflight, &state.enumerate, &state.check, &state.load,
                                      &state.commit, &state.close}) {
    if (slot->call != 0) due(slot->asked_at_ms);
  }
  for (const auto& [id, open] : state.open) {
    if (open.started) due(open.asked_at_ms);
  }
  if (state.wake_at_wall_ms > 0) {
    next = std::min(
        next, now.monotonic_ms + std::max<std::int64_t>(1, state.wake_at_wall_ms - now.wall_ms));
  }
  return next;
}

}  // namespace dunlin::engine::coordinator
