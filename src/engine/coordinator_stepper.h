// Stepper: one step of the coordinator over a State. Internal to coordinator.cpp (events),
// coordinator_verbs.cpp and coordinator_stages.cpp (what each stage does); everybody else includes
// coordinator.h.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/coordinator.h"

namespace dunlin::engine::coordinator {

using store::BatchResult;

/// One step over a State: collects commands. Handlers react to one event; advance() then does
/// whatever the stage allows, so that no handler needs to know what comes next.
class Stepper {
 public:
  Stepper(State& state, Now now) : s_(state), now_(now) {}

  std::vector<Command> take() { return std::move(out_); }

  void on(const Begin& event);
  void on(const Persisted& event);
  void on(const PersistFailed& event);
  void on(const PreflightDone& event);
  void on(const EnumerationEnded& event);
  void on(const WorkAppended& event);
  void on(const ItemsChecked& event);
  void on(const WindowLoaded& event);
  void on(const BatchEnded& event);
  void on(const Committed& event);
  void on(const Closed& event);
  void on(const Control& event);
  void on(const Tick&);
  void advance();

 private:
  // Emitting
  OutstandingPersist& persist(std::vector<Mutation> mutations);
  template <typename C>
  void call(OutstandingCall& slot, C command);
  void reemit(OutstandingCall& slot);
  bool answered(OutstandingCall& slot, std::int64_t call_number);
  void emit_run(OpenBatch& open);

  // Deciding
  void set_target(ExecutionStatus to, std::optional<Error> reason, bool by_person);
  void stop_for(const Error& error);
  void halt(const Error& reason);
  void take_counters(const Counters& counters, std::int64_t as_of);
  void check_failures();
  void note_progress();
  void maybe_checkpoint();
  void stage_done();
  [[nodiscard]] Stage first_pass_stage() const;

  // Stages
  bool advance_settling();
  void leave_doubted();
  void cancel_work();
  bool advance_pass(Pass pass);
  void refuse_part_of_the_whole();
  [[nodiscard]] bool hold_items();
  bool advance_draining();
  void begin_verifying();
  void begin_closing();
  void begin_ending();
  void start_batches(Pass pass);
  void load_if_needed(Pass pass);
  [[nodiscard]] bool pass_finished() const;
  [[nodiscard]] bool nothing_moves() const;
  [[nodiscard]] bool promised() const;
  [[nodiscard]] bool only_held_left() const;
  [[nodiscard]] bool stuck() const;
  [[nodiscard]] std::size_t parallel() const {
    return s_.config.execution_scope
               ? 1U
               : static_cast<std::size_t>(std::max(1, s_.config.parallel_batches));
  }

  // Verbs
  void control_change(const Control& event);
  void control_pause_or_cancel(const Control& event, ExecutionStatus to);
  void control_reopen(const Control& event, store::ItemStatus to);
  void answer(std::int64_t request, bool accepted, std::string message) {
    out_.push_back(Answer{request, accepted, std::move(message)});
  }

  State& s_;
  Now now_;
  std::vector<Command> out_;
};

template <typename C>
void Stepper::call(OutstandingCall& slot, C command) {
  slot.call = s_.next_call++;
  slot.asked_at_ms = now_.monotonic_ms;
  command.call = slot.call;
  slot.command = command;
  out_.push_back(std::move(command));
}

/// An error as it stands in reason_json.
[[nodiscard]] std::string error_json(const Error& error);

}  // namespace dunlin::engine::coordinator
