// The coordinator's stages: settling, working, verifying, undoing, draining, closing, ending.
#include <algorithm>
#include <utility>

#include "engine/coordinator_stepper.h"

namespace dunlin::engine::coordinator {

// ---- Stages
// --------------------------------------------------------------------------------------------------------

void Stepper::advance() {
  for (bool again = true; again;) {
    again = false;
    switch (s_.stage) {
      case Stage::settling:
        again = advance_settling();
        break;
      case Stage::working:
        again = advance_pass(Pass::work);
        break;
      case Stage::verifying:
        again = advance_pass(Pass::verify);
        break;
      case Stage::undoing:
        again = advance_pass(Pass::undo);
        break;
      case Stage::draining:
        again = advance_draining();
        break;
      default:
        break;
    }
  }
}

/// What is only doubted was done once, and leaves nothing to clean up: a person who pauses or
/// cancels does not wait for it. It stays open, for whoever goes on or takes it back.
void Stepper::leave_doubted() {
  std::erase_if(s_.to_settle, [](const BatchRow& row) { return row.doubted; });
  // What a crash has left is cleaned up first: one word stops all that runs.
  const bool only_doubted =
      s_.to_settle.empty() && std::all_of(s_.open.begin(), s_.open.end(),
                                          [](const auto& one) { return one.second.row.doubted; });
  if (only_doubted && !s_.open.empty()) cancel_work();
}

/// Every batch that an earlier owner left open, oldest first, before any new work; those of a
/// barrier stage once all of the stages below are settled, for they may ask how these ended. A
/// person's pause or cancel lets this end (it cleans up); an error does not.
bool Stepper::advance_settling() {
  if (s_.target && !s_.asked_by_person) s_.to_settle.clear();
  if (s_.target && s_.asked_by_person) leave_doubted();
  const auto waits = [&](const BatchRow& row) {
    return std::any_of(s_.open.begin(), s_.open.end(),
                       [&](const auto& one) { return one.second.row.stage < row.stage; });
  };
  while (s_.open.size() < parallel() && !s_.to_settle.empty() && !waits(s_.to_settle.front())) {
    OpenBatch open;
    open.row = s_.to_settle.front();
    open.token = open.row.token;
    open.pass = open.row.pass;
    open.settle = true;
    s_.to_settle.pop_front();
    emit_run(s_.open.emplace(open.row.id, std::move(open)).first->second);
  }
  if (!s_.open.empty()) return false;
  s_.stage = s_.target ? Stage::draining : first_pass_stage();
  ++s_.generation;
  if (s_.stage == Stage::verifying)
    persist({store::SetPhase{"verifying"}, store::AddMilestone{"verify_start"}});
  return true;
}

void Stepper::load_if_needed(Pass pass) {
  // Whatever can make a batch ready (one ended, work appended, a start refused, a wait over) counts
  // a generation.
  if (s_.window.size() >= kWindowLow || s_.load.call != 0 || s_.fresh_generation == s_.generation)
    return;
  store::ReadyQuery query;
  query.pass = pass;
  query.now_ms = now_.wall_ms;
  query.limit = kWindowMax - s_.window.size();
  for (const BatchRow& row : s_.window) query.exclude.push_back(row.id);
  for (const auto& [id, open] : s_.open) query.exclude.push_back(id);
  s_.load_generation = s_.generation;
  call(s_.load, LoadWindow{0, std::move(query)});
}

void Stepper::start_batches(Pass pass) {
  std::vector<Mutation> mutations;
  std::vector<BatchId> starts;
  while (s_.open.size() < parallel() && !s_.window.empty()) {
    OpenBatch open;
    open.row = std::move(s_.window.front());
    s_.window.pop_front();
    if (s_.open.contains(open.row.id)) continue;
    open.token = s_.next_token++;
    open.pass = pass;
    mutations.push_back(store::StartBatches{pass, {{open.row.id, open.token}}});
    starts.push_back(open.row.id);
    s_.open.emplace(open.row.id, std::move(open));
  }
  if (!mutations.empty()) persist(std::move(mutations)).starts = std::move(starts);
}

/// Nothing runs, nothing is ready, and nothing waits for a time or an answer.
bool Stepper::nothing_moves() const {
  return s_.open.empty() && s_.window.empty() && s_.load.call == 0 &&
         s_.fresh_generation == s_.generation && s_.wake_at_wall_ms == 0 &&
         s_.enumerate.call == 0 && s_.enumeration_complete;
}

/// A request that was promised and is still on its way to the ledger may find work to do.
bool Stepper::promised() const {
  return std::any_of(s_.persists.begin(), s_.persists.end(),
                     [](const auto& entry) { return !entry.second.answers.empty(); });
}

bool Stepper::pass_finished() const {
  return !promised() && s_.open.empty() && s_.window.empty() && s_.load.call == 0 &&
         s_.fresh_generation == s_.generation && s_.unfinished == 0 && s_.enumerate.call == 0;
}

/// All that is left is held back by a person, or waits for what is.
bool Stepper::only_held_left() const {
  return nothing_moves() && !promised() && s_.unfinished > 0 && s_.held > 0;
}

/// Nothing moves, and yet something is unfinished: a cycle or a defect.
bool Stepper::stuck() const {
  return nothing_moves() && s_.unfinished > 0 && s_.held == 0;
}

/// Commit scope execution is all or nothing: what is left out cannot be made good by a later
/// commit.
void Stepper::refuse_part_of_the_whole() {
  const std::int64_t items = store::all_failed(s_.counters);
  if (!s_.config.execution_scope || s_.target || items + s_.counters.failed_batches == 0) return;
  const bool none = items == 0;  // the batch as a whole
  const std::int64_t count = none ? s_.counters.failed_batches : items;
  Error reason(ErrorType::too_many_failures,
               std::to_string(count) + (none ? " batches" : " items") +
                   " have failed and the plan commits all or nothing: nothing is committed");
  // Failed items of a staged batch are pending again with it; a failed batch waits for a person.
  if (s_.counters.failed_batches > 0) {
    reason.remediation = "`dunlin errors %E` says why; mend the cause, then run `dunlin retry %E`";
  }
  set_target(ExecutionStatus::failed, std::move(reason), false);
}

/// no item is begun before all were looked at, unless too many wait. Those that the
/// enumeration has found to need nothing wait for nobody.
bool Stepper::hold_items() {
  if (!s_.holding) return false;
  const std::int64_t counted = store::all_planned(s_.counters) - store::all_ended(s_.counters);
  if (std::max(counted, s_.waiting_so_far) > s_.config.hold_up_to_items) {
    s_.holding = false;
    persist({store::AddMilestone{"preflight_streaming"}});
    return false;
  }
  if (s_.enumeration_complete && s_.check.call == 0) call(s_.check, CheckItems{});
  return true;
}

bool Stepper::advance_pass(Pass pass) {
  if (pass == Pass::work) refuse_part_of_the_whole();
  if (s_.target) {
    s_.stage = Stage::draining;
    return true;
  }
  if (pass == Pass::work && !s_.enumeration_complete && s_.enumerate.call == 0)
    call(s_.enumerate, Enumerate{});
  if (pass == Pass::work && hold_items()) return false;
  start_batches(pass);
  load_if_needed(pass);
  const bool all_listed = pass != Pass::work || s_.enumeration_complete;
  if (all_listed && pass_finished()) {
    if (pass == Pass::work && s_.config.execution_scope && s_.counters.staged_batches > 0) {
      s_.stage = Stage::committing;
      s_.row.committing = true;
      persist({store::BeginCommit{}}).moves_stage = true;
      return false;
    }
    if (pass == Pass::work) {
      begin_verifying();
      return s_.stage == Stage::verifying;
    }
    begin_closing();
    return false;
  }
  if (only_held_left()) {
    set_target(ExecutionStatus::paused,
               Error(ErrorType::held_back, "all that is left is held back"), false);
    return true;
  }
  if (stuck()) {
    stop_for(
        Error(ErrorType::defect, std::to_string(s_.unfinished) +
                                     " batches can never start: their dependencies form a cycle"));
    return s_.target.has_value();
  }
  return false;
}

void Stepper::begin_verifying() {
  if (!s_.config.verify) {
    begin_closing();
    return;
  }
  s_.stage = Stage::verifying;
  ++s_.generation;
  persist({store::SetPhase{"verifying"}, store::AddMilestone{"verify_start"}});
}

/// Once for each reason.
void Stepper::cancel_work() {
  const CancelReason reason =
      s_.target == ExecutionStatus::cancelled ? CancelReason::cancel : CancelReason::pause;
  if (s_.cancel_sent >= reason) return;
  s_.cancel_sent = reason;
  out_.push_back(CancelWork{reason});
}

bool Stepper::advance_draining() {
  cancel_work();
  s_.window.clear();
  s_.load.call = 0;
  const bool quiet = s_.open.empty() && s_.persists.empty() && s_.preflight.call == 0 &&
                     s_.enumerate.call == 0 && s_.check.call == 0 && s_.commit.call == 0;
  if (!quiet) return false;
  begin_closing();
  return false;
}

/// Before the end is recorded, so that no lock and no open transaction outlives a recorded end.
void Stepper::begin_closing() {
  s_.stage = Stage::closing;
  call(s_.close, CloseRun{});
}

/// The last persist: the status in which this attempt ends, with all that belongs to it.
void Stepper::begin_ending() {
  std::vector<Mutation> last;
  const bool natural = !s_.target;
  if (natural) {
    if (s_.config.goal == Goal::roll_back) {
      s_.target = s_.config.part ? s_.config.part->then : ExecutionStatus::rolled_back;
    } else if (s_.counters.differences > 0) {
      s_.target = ExecutionStatus::failed;
      s_.reason = Error(ErrorType::verification_mismatch, std::to_string(s_.counters.differences) +
                                                              " items differ from their source");
    } else {
      s_.target = ExecutionStatus::completed;
    }
  } else if (s_.config.execution_scope && s_.config.goal == Goal::migrate && !s_.row.committing) {
    // While `committing`, only the target knows: the next owner asks it (PreflightDone::committed).
    last.push_back(store::UnstageAll{});
  }
  last.push_back(
      store::AddCheckpoint{s_.config.checkpoint.keep_last_n,
                           std::int64_t{3'600'000} * s_.config.checkpoint.expire_after_hours});
  if (natural && !s_.config.part) last.push_back(store::AddMilestone{"done"});
  if (s_.reason && !s_.asked_by_person && s_.reason->type != ErrorType::verification_mismatch &&
      s_.reason->type != ErrorType::held_back) {
    last.push_back(store::AddError{*s_.reason, {}, {}});
  }
  if (s_.config.part && (natural || s_.target == ExecutionStatus::cancelled)) {
    // What is left of the part stays where it is.
    const store::RollbackPart& part = *s_.config.part;
    s_.target = part.then;
    last.push_back(store::SetStatus{part.then, part.phase, part.reason_json, "engine"});
  } else {
    // A rollback that is given up has been paused: there is no other way out of it.
    if (s_.target == ExecutionStatus::cancelled && s_.config.goal == Goal::roll_back)
      last.push_back(store::SetStatus{ExecutionStatus::paused, "", "", "engine"});
    last.push_back(store::SetStatus{*s_.target, natural ? "reporting" : "",
                                    s_.reason ? error_json(*s_.reason) : "", "engine"});
  }
  s_.stage = Stage::ending;
  persist(std::move(last)).moves_stage = true;
}

}  // namespace dunlin::engine::coordinator
