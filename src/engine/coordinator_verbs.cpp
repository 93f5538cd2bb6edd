// The coordinator's verbs: what a person asks for while it runs.
#include <algorithm>
#include <string>
#include <utility>

#include "engine/coordinator_stepper.h"

namespace dunlin::engine::coordinator {

void Stepper::on(const Control& event) {
  if (s_.stage == Stage::ended || s_.stage == Stage::ending) {
    answer(event.request, false, "the execution has just ended");
    return;
  }
  if (event.verb == "stop") {
    answer(event.request, true, "stopping now");
    halt(Error(ErrorType::interrupted, "stopped by " + event.actor));
    return;
  }
  if (!event.changes.empty()) return control_change(event);
  if (event.verb == "pause") return control_pause_or_cancel(event, ExecutionStatus::paused);
  if (event.verb == "cancel") return control_pause_or_cancel(event, ExecutionStatus::cancelled);
  if (event.verb == "retry") return control_reopen(event, store::ItemStatus::pending);
  if (event.verb == "skip") return control_reopen(event, store::ItemStatus::skipped);
  if (event.verb == "resume") {
    answer(event.request, !s_.target,
           s_.target ? "it is about to stop; resume it once it has" : "it is running");
    return;
  }
  answer(event.request, false, "unknown verb '" + event.verb + "'");
}

/// It holds already; this is for the next process, and for whoever asks later.
void Stepper::control_change(const Control& event) {
  std::vector<Mutation> changes = event.changes;
  const bool reorders = std::any_of(changes.begin(), changes.end(), [](const Mutation& one) {
    return std::holds_alternative<store::SetPriority>(one);
  });
  changes.emplace_back(store::AddAudit{event.actor, "control." + event.verb, event.arguments_json});
  OutstandingPersist& entry = persist(std::move(changes));
  entry.reorders = reorders;
  entry.answers.emplace_back(event.request, event.message);
}

void Stepper::control_pause_or_cancel(const Control& event, ExecutionStatus to) {
  const bool cancels = to == ExecutionStatus::cancelled;
  if (cancels && s_.config.goal == Goal::verify) {
    answer(event.request, false, "a verification changes nothing; pause ends it");
    return;
  }
  if (s_.target == ExecutionStatus::cancelled && !cancels) {
    answer(event.request, false, "it is being cancelled");
    return;
  }
  set_target(
      to, Error(ErrorType::interrupted, (cancels ? "cancelled by " : "paused by ") + event.actor),
      true);
  persist({store::AddAudit{event.actor, cancels ? "control.cancel" : "control.pause", "{}"}})
      .answers.emplace_back(event.request, cancels ? "cancelling" : "pausing");
}

void Stepper::control_reopen(const Control& event, store::ItemStatus to) {
  const bool possible = s_.config.goal == Goal::migrate && !s_.target &&
                        (s_.stage == Stage::working || s_.stage == Stage::verifying);
  if (!possible) {
    answer(event.request, false, "not now; try again when it has ended");
    return;
  }
  persist({store::ReopenItems{event.items, to, event.actor, event.batches, event.answers}})
      .answers.emplace_back(event.request,
                            std::to_string(event.items.size()) + (to == store::ItemStatus::pending
                                                                      ? " items will be tried again"
                                                                      : " items will be skipped"));
  if (to == store::ItemStatus::pending) {
    s_.failed_at_begin = std::max<std::int64_t>(
        0, s_.failed_at_begin - static_cast<std::int64_t>(event.items.size()));
    s_.stage = Stage::working;
    std::erase_if(s_.window,
                  [](const BatchRow& row) { return row.status == store::BatchStatus::done; });
  }
}

}  // namespace dunlin::engine::coordinator
