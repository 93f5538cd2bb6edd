// Owner, third part: enumeration, and the passes over batches; see owner.h.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "sim/owner.h"

namespace dunlin::sim {

using store::BatchResult;
using store::ItemOutcome;
using store::ItemRow;
using store::ItemStatus;
using store::Pass;

namespace {

/// Batches that could start: at so many an enumeration waits.
constexpr std::int64_t kWaitingMax = 40;

ItemOutcome completed(const ItemRow& item) {
  ItemOutcome outcome;
  outcome.item = item.id;
  outcome.transferred_bytes = item.size;
  outcome.action = "created";
  outcome.undo = "u";
  return outcome;
}

ItemOutcome not_completed(const ItemRow& item, ItemStatus status, ErrorType type,
                          bool possibly_applied = false) {
  ItemOutcome outcome;
  outcome.item = item.id;
  outcome.status = status;
  outcome.error = Error(type, "simulated");
  outcome.error->possibly_applied = possibly_applied;
  return outcome;
}

}  // namespace

// ---- Enumeration ----

void Owner::enumerate_chunk(std::int64_t call) {
  if (cancel_ != CancelReason::none)
    return end_enumeration(call, false, Error(ErrorType::interrupted, "cancelled"));
  if (world_.fault(world_.scenario().knobs.call_failure)) {
    static constexpr ErrorType kTypes[] = {
        ErrorType::network_timeout, ErrorType::endpoint_unreachable, ErrorType::auth_failure};
    return end_enumeration(call, false,
                           Error(kTypes[world_.rng().below(std::size(kTypes))], "simulated"));
  }
  std::int64_t waiting = 0;
  for (const auto& [id, batch] : world_.shadow().batches()) {
    if (waiting > kWaitingMax || state_.holding) break;
    if (batch.status == store::BatchStatus::pending &&
        world_.shadow().blocked(id, Pass::work).empty()) {
      ++waiting;
    }
  }
  if (waiting > kWaitingMax) return world_.at(20, this, [this, call] { enumerate_chunk(call); });

  const auto row = world_.ledger().execution();
  const std::size_t next = row->cursor.empty() ? 0 : std::stoul(row->cursor);
  const Scenario& scenario = world_.scenario();
  if (next >= scenario.chunks.size()) return end_enumeration(call, true, {});
  const ChunkScript& chunk = scenario.chunks[next];
  store::AppendWork work;
  work.tasks = chunk.tasks;
  work.directories = chunk.directories;
  work.closed_directories = chunk.closed_directories;
  work.cursor_after = std::to_string(next + 1);
  work.complete = next + 1 == scenario.chunks.size();
  for (const std::int64_t id : chunk.batches) work.batches.push_back(scenario.batches.at(id).row);
  submit({work}, [this, call, complete = work.complete](const Written& written) {
    if (written.error) return end_enumeration(call, false, written.error);
    if (!written.results[0].ok()) return end_enumeration(call, false, written.results[0].error());
    const store::Counters counters = world_.ledger().execution()->counters;
    send(co::WorkAppended{store::all_planned(counters) - store::all_ended(counters)});
    if (complete) return end_enumeration(call, true, {});
    world_.at(world_.rng().between(0, 200), this, [this, call] { enumerate_chunk(call); });
  });
}

void Owner::end_enumeration(std::int64_t call, bool complete, std::optional<Error> error) {
  enumerating_ = 0;
  send(
      answers_.emplace(call, co::EnumerationEnded{call, complete, std::move(error)}).first->second);
}

// ---- Batches ----

void Owner::perform(co::RunBatch command) {
  const std::pair key(command.batch.id.value, command.token);
  if (const auto found = ended_.find(key); found != ended_.end()) return send(found->second);
  if (workers_.contains(key)) return;
  for (const auto& [other, worker] : workers_) {
    world_.require(other.first != key.first || worker.ended, [&] {
      return fmt::format("{} runs batch {} under two tokens at once", who(), key.first);
    });
  }
  check_start_of_work(command);
  Worker& worker = workers_[key];
  worker.command = std::move(command);
  world_.at(world_.rng().between(0, 5), this, [this, &worker] { start_worker(worker); });
}

void Owner::start_worker(Worker& worker) {
  const co::RunBatch& run = worker.command;
  auto items = world_.ledger().items_of(run.batch.id, run.pass == Pass::work);
  world_.require(items.ok(), [] { return "the items of a batch cannot be read"; });
  for (auto& item : *items) {
    const bool wanted = run.pass == Pass::work ? item.status == ItemStatus::pending
                                               : item.status == ItemStatus::completed;
    const bool meant = run.pass != Pass::undo || !state_.config.part ||
                       world_.scenario().items.at(item.id.value).of_part;
    if (wanted && meant) worker.items.push_back(std::move(item));
  }
  worker.held_since = world_.holds();
  if (run.pass == Pass::work && !run.settle && leave_out_held(worker))
    return end_worker(worker, success());
  if (run.pass == Pass::undo) std::reverse(worker.items.begin(), worker.items.end());
  if (run.settle || run.pass != Pass::work ||
      !world_.rng().chance(world_.scenario().knobs.intents)) {
    return next_item(worker);
  }
  store::RecordIntents intents{run.batch.id, run.token, {}};
  for (const auto& item : worker.items) intents.intents.push_back({item.id, "intent"});
  submit({std::move(intents)}, [this, &worker](const Written& written) {
    if (written.error) return end_worker(worker, *written.error, written.error->retriable());
    if (!written.results[0].ok()) return stop_as_stale(worker);
    next_item(worker);
  });
}

/// True: nothing is left to be done now.
bool Owner::leave_out_held(Worker& worker) {
  const auto held = [this](const ItemRow& item) { return world_.held(item.id.value); };
  if (std::none_of(worker.items.begin(), worker.items.end(), held)) return false;
  const bool whole = world_.scenario().scope != Scope::item;
  worker.tally.held = static_cast<std::int64_t>(
      std::erase_if(worker.items, [&](const ItemRow& item) { return whole || held(item); }));
  return worker.items.empty();
}

void Owner::interrupt_held() {
  for (auto& [key, worker] : workers_) {
    const bool works = worker.command.pass == Pass::work && !worker.command.settle;
    if (works && std::any_of(worker.items.begin(), worker.items.end(),
                             [this](const ItemRow& item) { return world_.held(item.id.value); })) {
      worker.interrupted = true;
    }
  }
}

void Owner::next_item(Worker& worker) {
  const co::RunBatch& run = worker.command;
  if (worker.ended) return;
  if (fenced()) return stop_as_stale(worker);
  if (worker.interrupted) return end_worker(worker, Error(ErrorType::interrupted, "held back"));
  // Looking at what is left is quick and is not cut short.
  if (cancel_ != CancelReason::none && !run.settle)
    return end_worker(worker, Error(ErrorType::interrupted, "cancelled"));
  if (batch_error(worker)) return;
  if (worker.next < worker.items.size()) {
    const ItemRow& item = worker.items[worker.next++];
    return world_.at(world_.rng().between(0, world_.scenario().knobs.item_ms), this,
                     [this, &worker, &item] {
                       if (run_cancelled(worker)) return next_item(worker);
                       if (worker.command.settle) {
                         settle_item(worker, item);
                       } else if (worker.command.pass == Pass::work) {
                         work_item(worker, item);
                       } else if (worker.command.pass == Pass::verify) {
                         verify_item(worker, item);
                       } else {
                         undo_item(worker, item);
                       }
                       if (!worker.ended) next_item(worker);
                     });
  }
  const bool whole = run.pass == Pass::work && !run.settle && worker.tally.to_retry == 0;
  if (whole) apply_effects(worker);
  // Effect and record are two moments.
  world_.at(world_.rng().between(0, 5), this, [this, &worker] {
    if (fenced()) return stop_as_stale(worker);
    end_worker(worker, success());
  });
}

/// Time has passed: the pass may have been cancelled or taken over meanwhile.
bool Owner::run_cancelled(const Worker& worker) const {
  return fenced() || worker.interrupted ||
         (cancel_ != CancelReason::none && !worker.command.settle);
}

/// Scopes batch and execution: everything at once, into the destination or into the open
/// transaction.
void Owner::apply_effects(Worker& worker) {
  for (const std::int64_t item : worker.effects) {
    if (world_.scenario().scope == Scope::execution) {
      staged_.insert(item);
    } else {
      world_.destination().apply(item);
      ++world_.count().effects;
    }
  }
  worker.effects.clear();
}

bool Owner::batch_error(Worker& worker) {
  const co::RunBatch& run = worker.command;
  const BatchScript& script = world_.scenario().batches.at(run.batch.id.value);
  World::Tries& tries = world_.batch_tries(run.batch.id.value);
  const bool work = run.pass == Pass::work && !run.settle;
  const bool at_the_end = worker.next >= worker.items.size();
  const std::int64_t position =
      at_the_end ? 0 : worker.items[worker.next].id.value - run.batch.first_item.value;
  if (work && script.fails && (at_the_end || position >= script.fails_after)) {
    end_worker(worker, Error(ErrorType::constraint_violation, "simulated"));
    return true;
  }
  if (worker.next > 0) return false;
  if (!work) {
    if (tries.later >= script.later_errors) return false;
    ++tries.later;
    static constexpr ErrorType kTypes[] = {ErrorType::permission_denied, ErrorType::network_timeout,
                                           ErrorType::endpoint_unreachable};
    end_worker(worker, Error(kTypes[world_.rng().below(std::size(kTypes))], "simulated"));
  } else if (tries.system < script.system_errors) {
    ++tries.system;
    end_worker(worker, Error(ErrorType::disk_full, "simulated"));
  } else if (tries.fatal < script.fatal_errors) {
    ++tries.fatal;
    end_worker(worker, Error(ErrorType::schema_mismatch, "simulated"));
  } else if (tries.transient < script.transient_failures) {
    ++tries.transient;
    end_worker(worker, Error(ErrorType::deadlock_detected, "simulated"), true);
  }
  return worker.ended;
}

void Owner::report(Worker& worker, ItemOutcome outcome) {
  ++worker.reported;
  worker.outcomes.push_back(std::move(outcome));
}

void Owner::effect(Worker& worker, std::int64_t item) {
  const Scope scope = world_.scenario().scope;
  if (scope != Scope::item) {
    worker.effects.push_back(item);
    return;
  }
  world_.destination().apply(item);
  ++world_.count().effects;
}

void Owner::work_item(Worker& worker, const ItemRow& item) {
  const std::int64_t id = item.id.value;
  world_.require(world_.shadow().item(id).status == ItemStatus::pending, [&] {
    return fmt::format("item {} is executed although it has ended as {}", id,
                       to_string(world_.shadow().item(id).status));
  });
  world_.require(world_.shadow().batch(item.batch.value).token == worker.command.token, [&] {
    return fmt::format("item {} is executed under token {:x}, but the ledger has {:x}", id,
                       worker.command.token, world_.shadow().batch(item.batch.value).token);
  });
  world_.require(!world_.held(id),
                 [&] { return fmt::format("item {} is executed although it is held back", id); });
  const ItemScript& script = world_.scenario().items.at(id);
  World::Tries& tries = world_.item_tries(id);
  if (script.kind == ItemScript::Kind::fail) {
    report(worker, not_completed(item, ItemStatus::failed, ErrorType::permission_denied));
  } else if (script.kind == ItemScript::Kind::transient && tries.transient < script.failures) {
    ++tries.transient;
    ++worker.tally.to_retry;
    report(worker, not_completed(item, ItemStatus::pending, ErrorType::network_timeout));
  } else if (script.lose_reply && !tries.reply_lost && world_.scenario().scope == Scope::item) {
    tries.reply_lost = true;
    effect(worker, id);
    ++worker.tally.to_retry;
    report(worker, not_completed(item, ItemStatus::pending, ErrorType::connection_reset, true));
  } else {
    if (script.kind != ItemScript::Kind::lie) effect(worker, id);
    report(worker, completed(item));
  }
  // Outcomes of a batch that commits as a whole are none before it has.
  if (world_.scenario().scope != Scope::item ||
      !world_.rng().chance(world_.scenario().knobs.early_outcomes))
    return;
  ++worker.in_flight;
  submit({store::RecordOutcomes{worker.command.batch.id, worker.command.token,
                                std::exchange(worker.outcomes, {})}},
         [&worker](const Written& written) {
           --worker.in_flight;
           if (written.error) worker.ledger_error = written.error;
           if (worker.ending && worker.in_flight == 0) worker.ending();
         });
}

void Owner::settle_item(Worker& worker, const ItemRow& item) {
  if (worker.command.pass != Pass::work || !world_.destination().present(item.id.value)) return;
  report(worker, completed(item));
}

void Owner::verify_item(Worker& worker, const ItemRow& item) {
  if (world_.destination().present(item.id.value)) {
    ++worker.equal;
    ++worker.reported;
  } else {
    ++worker.reported;
    worker.differences.emplace_back(item.id,
                                    Error(ErrorType::verification_mismatch, "it is not there"));
  }
}

void Owner::undo_item(Worker& worker, const ItemRow& item) {
  if (world_.scenario().items.at(item.id.value).refuses_undo) {
    return report(worker, not_completed(item, ItemStatus::failed, ErrorType::destination_changed));
  }
  world_.destination().remove(item.id.value);
  ItemOutcome outcome;
  outcome.item = item.id;
  outcome.status = ItemStatus::rolled_back;
  report(worker, std::move(outcome));
}

/// Outcomes could not be recorded: the batch stays open in the ledger, for the next owner to look
/// at.
void Owner::stop_unwritten(Worker& worker, const Error& error) {
  worker.ended = true;
  const co::RunBatch& run = worker.command;
  co::BatchEnded ended{run.batch.id, run.token, BatchResult::interrupted, {}, error, {}, 0};
  send(ended_.emplace(std::pair(run.batch.id.value, run.token), std::move(ended)).first->second);
}

void Owner::stop_as_stale(Worker& worker) {
  worker.ended = true;
  const co::RunBatch& run = worker.command;
  co::BatchEnded ended{run.batch.id,
                       run.token,
                       BatchResult::interrupted,
                       Error(ErrorType::stale_owner, "fenced"),
                       {},
                       {},
                       0};
  send(ended_.emplace(std::pair(run.batch.id.value, run.token), std::move(ended)).first->second);
}

void Owner::end_worker(Worker& worker, const Status& status, bool may_retry) {
  worker.ended = true;
  worker.ending = [this, &worker, status, may_retry] { write_end(worker, status, may_retry); };
  if (worker.in_flight == 0) worker.ending();
}

/// What was recorded before has arrived or failed.
void Owner::write_end(Worker& worker, const Status& status, bool may_retry) {
  if (worker.ledger_error) return stop_unwritten(worker, *worker.ledger_error);
  const co::RunBatch& run = worker.command;
  worker.tally.items = run.batch.item_count;
  worker.tally.unreported = static_cast<std::int64_t>(worker.items.size() - worker.reported);
  const engine::BatchVerdict verdict =
      engine::decide_batch_end(status, worker.tally, run.pass, run.settle, world_.scenario().scope,
                               [&](const Error&) { return may_retry; });
  if (verdict.leave_open) return stop_unwritten(worker, *verdict.error);
  const bool let_go = verdict.result == BatchResult::held && worker.held_since != world_.holds();
  const BatchResult result = let_go ? BatchResult::interrupted : verdict.result;
  store::EndBatch end;
  end.batch = run.batch.id;
  end.token = run.token;
  end.pass = run.pass;
  end.result = result;
  end.error = verdict.error;
  end.verified_items = worker.equal;
  end.differences = std::move(worker.differences);
  end.outcomes = std::move(worker.outcomes);
  if (verdict.result != BatchResult::done && verdict.result != BatchResult::staged &&
      !worker.effects.empty()) {
    // The batch is taken back to where it began: nothing of it has completed.
    std::erase_if(end.outcomes, [](const ItemOutcome& outcome) {
      return outcome.status == ItemStatus::completed;
    });
  }
  if (verdict.wants_retry_delay)
    end.not_before_ms = world_.now().wall_ms + world_.rng().between(0, 3'000);
  if (run.settle && status.ok()) world_.settled(run.batch.id.value);
  co::BatchEnded ended{run.batch.id, run.token, result, verdict.error, {}, {}, 0};
  submit({std::move(end)}, [this, ended = std::move(ended)](const Written& written) mutable {
    ended.persist_error = written.error;
    if (!written.error && !written.results[0].ok())
      ended.persist_error = written.results[0].error();
    ended.counters = written.counters;
    ended.as_of = written.as_of;
    send(ended_.insert_or_assign(std::pair(ended.batch.value, ended.token), ended).first->second);
  });
}

}  // namespace dunlin::sim
