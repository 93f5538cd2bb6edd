// Owner, last part: the invariants that hold after each step; see owner.h.
#include <algorithm>

#include <fmt/format.h>

#include "sim/names.h"
#include "sim/owner.h"

namespace dunlin::sim {

using store::BatchStatus;
using store::Pass;

namespace {

/// Messages to the ledger in flight: a few for each open batch and a few of the coordinator's own.
constexpr std::size_t kPersistsMax = 64;

}  // namespace

/// What the coordinator knows from now on.
void Owner::check_event(const co::Event& event) {
  if (const auto* persisted = std::get_if<co::Persisted>(&event))
    heard_.insert(persisted->sequence);
  if (const auto* ended = std::get_if<co::BatchEnded>(&event)) {
    const auto found = running_.find(ended->batch.value);
    if (found != running_.end() && found->second == ended->token) running_.erase(found);
  }
  if (const auto* control = std::get_if<co::Control>(&event)) asked_.insert(control->request);
}

void Owner::check_commands(const co::Event& event, const std::vector<co::Command>& commands) {
  std::set<std::int64_t> persisted_now;
  bool finished = false;
  for (const auto& command : commands) {
    world_.require(!finished, [this] { return who() + " goes on after Finish"; });
    if (const auto* persist = std::get_if<co::Persist>(&command)) {
      persisted_now.insert(persist->sequence);
      const bool again = !asked_to_persist_.insert(persist->sequence).second;
      for (const auto& mutation : persist->mutations) {
        world_.require(again || !cancel_work_emitted_ ||
                           !std::holds_alternative<store::StartBatches>(mutation),
                       [] { return "a batch is started after work was cancelled"; });
      }
    } else if (const auto* run = std::get_if<co::RunBatch>(&command)) {
      check_run(*run, persisted_now);
    } else if (std::holds_alternative<co::CommitExecution>(command)) {
      world_.require(
          begin_commit_sequence_ > 0 && heard_.contains(begin_commit_sequence_) &&
              !persisted_now.contains(begin_commit_sequence_),
          [] { return "the final commit is sent before its announcement is known to be durable"; });
    } else if (const auto* answer = std::get_if<co::Answer>(&command)) {
      world_.require(asked_.contains(answer->request), [&] {
        return fmt::format("request {} is answered and was never made", answer->request);
      });
      world_.require(answered_.insert(answer->request).second,
                     [&] { return fmt::format("request {} is answered twice", answer->request); });
    } else if (std::holds_alternative<co::CancelWork>(command)) {
      cancel_work_emitted_ = true;
    } else if (const auto* finish = std::get_if<co::Finish>(&command)) {
      finished = true;
      if (!finish->recorded) continue;
      for (const std::int64_t request : asked_) {
        world_.require(answered_.contains(request),
                       [&] { return fmt::format("request {} was never answered", request); });
      }
      for (const auto& [key, worker] : workers_) {
        world_.require(worker.ended, [k = key] {
          return fmt::format("it ends while batch {} is worked on", k.first);
        });
      }
      world_.require(enumerating_ == 0, [] { return "it ends while enumeration goes on"; });
      const auto row = world_.ledger().execution();
      world_.require(stale() || row->status == finish->status, [&] {
        return fmt::format("it ends as {}, the ledger says {}", to_string(finish->status),
                           to_string(row->status));
      });
    }
  }
  world_.require(state_.window.size() <= co::kWindowMax,
                 [] { return "the window is over its limit"; });
  world_.require(state_.persists.size() <= kPersistsMax, [&] {
    return fmt::format("{} messages to the ledger in flight after {}", state_.persists.size(),
                       event_text(event));
  });
  const auto parallel = world_.scenario().config.execution_scope
                            ? std::size_t{1}
                            : static_cast<std::size_t>(world_.scenario().config.parallel_batches);
  world_.require(running_.size() <= parallel && state_.open.size() <= parallel, [&] {
    return fmt::format("{} batches at once, {} are allowed", running_.size(), parallel);
  });
}

void Owner::check_run(const co::RunBatch& run, const std::set<std::int64_t>& persisted_now) {
  const std::int64_t batch = run.batch.id.value;
  if (const auto found = running_.find(batch); found != running_.end()) {
    world_.require(found->second == run.token,
                   [&] { return fmt::format("batch {} is run under two tokens", batch); });
    return;  // asked again
  }
  running_.emplace(batch, run.token);
  if (run.settle) {
    world_.require(inherited_.contains(batch),
                   [&] { return fmt::format("batch {} was not found open", batch); });
    return;
  }
  const auto start = starts_.find({batch, run.token});
  world_.require(start != starts_.end(),
                 [&] { return fmt::format("batch {} runs and its start is not durable", batch); });
  world_.require(heard_.contains(start->second) && !persisted_now.contains(start->second), [&] {
    return fmt::format("batch {} runs before its start is known to be durable", batch);
  });
}

/// The host is about to touch the destination: is it this batch's turn?
void Owner::check_start_of_work(const co::RunBatch& run) {
  if (stale()) return;  // the fence will stop it
  const std::int64_t id = run.batch.id.value;
  const Shadow::Batch& batch = world_.shadow().batch(id);
  world_.require(
      batch.status == BatchStatus::executing && batch.token == run.token && batch.pass == run.pass,
      [&] {
        return fmt::format(
            "batch {} runs for {} under {:x}; the ledger has it {} for {} under {:x}", id,
            to_string(run.pass), run.token, to_string(batch.status), to_string(batch.pass),
            batch.token);
      });
  if (run.settle) return;
  const std::int64_t held = world_.scenario().config.hold_up_to_items;
  const std::int64_t planned = store::all_planned(world_.ledger().execution()->counters);
  world_.require(run.pass != Pass::work || held == 0 || planned > held || world_.items_checked(),
                 [] { return "work starts before all items were looked at"; });
  world_.require(!world_.needs_settling(id), [&] {
    return fmt::format("batch {} runs again and nobody has looked at what its last run left", id);
  });
  world_.require(!world_.anything_needs_settling() || run.pass != Pass::work,
                 [] { return "new work starts before everything that was open is settled"; });
}

void Owner::check_results(const std::vector<store::Mutation>& mutations,
                          const std::vector<Status>& results) {
  for (std::size_t n = 0; n < mutations.size(); ++n) {
    if (results[n].ok()) {
      const std::string complaint = world_.shadow().accept(mutations[n]);
      world_.require(complaint.empty(),
                     [&] { return "the ledger took what it should have refused: " + complaint; });
      if (std::holds_alternative<store::CompleteStaged>(mutations[n]))
        world_.destination().forget_commit();
      if (std::holds_alternative<store::ReopenItems>(mutations[n])) world_.retry_recorded();
      continue;
    }
    world_.require(results[n].error().type != ErrorType::stale_owner ||
                       std::holds_alternative<store::StartBatches>(mutations[n]),
                   [&] {
                     return fmt::format("{} refused by the ledger: {}", mutation_text(mutations[n]),
                                        results[n].error().text());
                   });
    if (world_.tracing()) {
      world_.trace(fmt::format("{}    refused: {}: {}", who(), mutation_text(mutations[n]),
                               results[n].error().text()));
    }
  }
}

}  // namespace dunlin::sim
