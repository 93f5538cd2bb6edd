// Events and commands in one line each; see names.h.
#include "sim/names.h"

#include <fmt/format.h>

namespace dunlin::sim {

namespace co = engine::coordinator;

namespace {

std::string error_text(const std::optional<Error>& error) {
  return error ? fmt::format(", error {}", to_string(error->type)) : std::string();
}

const char* name_of(store::BatchResult result) {
  static const char* const kNames[] = {"done", "staged", "retry", "interrupted", "held", "failed"};
  return kNames[static_cast<int>(result)];
}

struct EventText {
  std::string operator()(const co::Begin& e) const {
    return fmt::format("Begin({}, {} open)", to_string(e.row.status), e.open.size());
  }
  std::string operator()(const co::Persisted& e) const {
    std::string refused;
    for (const auto& result : e.results) {
      if (!result.ok()) refused += fmt::format(", refused {}", to_string(result.error().type));
    }
    return fmt::format("Persisted({}{})", e.sequence, refused);
  }
  std::string operator()(const co::PersistFailed& e) const {
    return fmt::format("PersistFailed({})", e.sequence);
  }
  std::string operator()(const co::PreflightDone& e) const {
    return fmt::format("PreflightDone({}{}{})", e.call, e.refused ? ", refused" : "",
                       error_text(e.error));
  }
  std::string operator()(const co::EnumerationEnded& e) const {
    return fmt::format("EnumerationEnded({}{}{})", e.call, e.complete ? ", complete" : "",
                       error_text(e.error));
  }
  std::string operator()(const co::WorkAppended& e) const {
    return fmt::format("WorkAppended({})", e.waiting);
  }
  std::string operator()(const co::ItemsChecked& e) const {
    return fmt::format("ItemsChecked({}{}{})", e.call, e.refused ? ", refused" : "",
                       error_text(e.error));
  }
  std::string operator()(const co::WindowLoaded& e) const {
    return fmt::format("WindowLoaded({}, {} ready, {} unfinished, next at {})", e.call,
                       e.ready.batches.size(), e.ready.unfinished, e.ready.next_not_before_ms);
  }
  std::string operator()(const co::BatchEnded& e) const {
    return fmt::format("BatchEnded({}, token {:x}, {}{}{})", e.batch.value, e.token,
                       name_of(e.result), error_text(e.error), error_text(e.persist_error));
  }
  std::string operator()(const co::Committed& e) const {
    return fmt::format("Committed({}{})", e.call, error_text(e.error));
  }
  std::string operator()(const co::Closed& e) const { return fmt::format("Closed({})", e.call); }
  std::string operator()(const co::Control& e) const {
    return fmt::format("Control({}, {})", e.request, e.verb);
  }
  std::string operator()(const co::Tick&) const { return "Tick"; }
};

struct MutationText {
  std::string operator()(const store::AppendWork& m) const {
    return fmt::format("AppendWork({} batches{})", m.batches.size(),
                       m.complete ? ", complete" : "");
  }
  std::string operator()(const store::StartBatches& m) const {
    std::string text = fmt::format("StartBatches({}", to_string(m.pass));
    for (const auto& start : m.starts)
      text += fmt::format(" {}:{:x}", start.batch.value, start.token);
    return text + ")";
  }
  std::string operator()(const store::RecordIntents& m) const {
    return fmt::format("RecordIntents({})", m.batch.value);
  }
  std::string operator()(const store::RecordOutcomes& m) const {
    return fmt::format("RecordOutcomes({}: {})", m.batch.value, m.outcomes.size());
  }
  std::string operator()(const store::EndBatch& m) const {
    return fmt::format("EndBatch({} {} {:x}: {})", to_string(m.pass), m.batch.value, m.token,
                       name_of(m.result));
  }
  std::string operator()(const store::SetStatus& m) const {
    return fmt::format("SetStatus({})", to_string(m.to));
  }
  std::string operator()(const store::SetPhase& m) const {
    return fmt::format("SetPhase({})", m.phase);
  }
  std::string operator()(const store::AddMilestone& m) const {
    return fmt::format("AddMilestone({})", m.name);
  }
  std::string operator()(const store::AddAudit& m) const {
    return fmt::format("AddAudit({})", m.action);
  }
  std::string operator()(const store::AddError& m) const {
    return fmt::format("AddError({})", to_string(m.error.type));
  }
  std::string operator()(const store::SetRoots&) const { return "SetRoots"; }
  std::string operator()(const store::SetSettings&) const { return "SetSettings"; }
  std::string operator()(const store::ReleaseHeld&) const { return "ReleaseHeld"; }
  std::string operator()(const store::ForgetKept&) const { return "ForgetKept"; }
  std::string operator()(const store::SetPriority& m) const {
    return fmt::format("SetPriority({} to {})", m.batches.size(), to_string(m.to));
  }
  std::string operator()(const store::BeginCommit&) const { return "BeginCommit"; }
  std::string operator()(const store::CompleteStaged&) const { return "CompleteStaged"; }
  std::string operator()(const store::UnstageAll&) const { return "UnstageAll"; }
  std::string operator()(const store::AddCheckpoint&) const { return "AddCheckpoint"; }
  std::string operator()(const store::ReopenItems& m) const {
    return fmt::format("ReopenItems({} to {})", m.items.size(), to_string(m.to));
  }
  std::string operator()(const store::DoubtBatches&) const { return "DoubtBatches"; }
  std::string operator()(const store::ResetVerification&) const { return "ResetVerification"; }
};

struct CommandText {
  std::string operator()(const co::Persist& c) const {
    std::string text = fmt::format("Persist({}:", c.sequence);
    for (const auto& mutation : c.mutations) text += " " + mutation_text(mutation);
    return text + ")";
  }
  std::string operator()(const co::Preflight& c) const {
    return fmt::format("Preflight({})", c.call);
  }
  std::string operator()(const co::Enumerate& c) const {
    return fmt::format("Enumerate({})", c.call);
  }
  std::string operator()(const co::CheckItems& c) const {
    return fmt::format("CheckItems({})", c.call);
  }
  std::string operator()(const co::LoadWindow& c) const {
    return fmt::format("LoadWindow({}, {})", c.call, to_string(c.query.pass));
  }
  std::string operator()(const co::RunBatch& c) const {
    return fmt::format("RunBatch({} {}, token {:x}{})", to_string(c.pass), c.batch.id.value,
                       c.token, c.settle ? ", settle" : "");
  }
  std::string operator()(const co::CommitExecution& c) const {
    return fmt::format("CommitExecution({})", c.call);
  }
  std::string operator()(const co::CloseRun& c) const {
    return fmt::format("CloseRun({})", c.call);
  }
  std::string operator()(const co::CancelWork& c) const {
    return fmt::format("CancelWork({})", static_cast<int>(c.reason));
  }
  std::string operator()(const co::Answer& c) const {
    return fmt::format("Answer({}, {}: {})", c.request, c.accepted ? "accepted" : "refused",
                       c.message);
  }
  std::string operator()(const co::ReleaseReserve&) const { return "ReleaseReserve"; }
  std::string operator()(const co::Finish& c) const {
    return fmt::format("Finish({}{}{})", to_string(c.status), c.recorded ? "" : ", not recorded",
                       error_text(c.reason));
  }
};

}  // namespace

std::string event_text(const co::Event& event) {
  return std::visit(EventText{}, event);
}
std::string command_text(const co::Command& command) {
  return std::visit(CommandText{}, command);
}
std::string mutation_text(const store::Mutation& mutation) {
  return std::visit(MutationText{}, mutation);
}

}  // namespace dunlin::sim
