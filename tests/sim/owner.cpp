// Owner, first part: events in, commands out, calls; see owner.h.
#include "sim/owner.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "sim/names.h"

namespace dunlin::sim {

namespace {

template <typename... Kinds>
bool is_any_of(const auto& variant) {
  return (std::holds_alternative<Kinds>(variant) || ...);
}

}  // namespace

Owner::Owner(World& world, int number, std::int64_t epoch, engine::Goal goal)
    : world_(world), number_(number), epoch_(epoch) {
  state_.config = world.scenario().config;
  state_.config.goal = goal;
}

std::string Owner::who() const {
  return fmt::format("owner {} (epoch {})", number_, epoch_);
}

void Owner::begin(store::ExecutionRow row, std::vector<store::BatchRow> open,
                  store::ReopenItems reopen) {
  for (const auto& batch : open) inherited_.insert(batch.id.value);
  if (world_.takes_back_part() && goal() == engine::Goal::roll_back) {
    state_.config.part = row.rollback_part.value_or(store::RollbackPart{
        "{}", row.status, row.phase == "rolling_back" ? "reporting" : row.phase, row.reason_json});
  }
  co::Begin event;
  event.row = std::move(row);
  event.open = std::move(open);
  event.reopen = std::move(reopen.items);
  event.reopen_batches = std::move(reopen.batches);
  event.reopen_actor = "person";
  const auto begun = world_.ledger().begun();
  event.begun = begun.ok() && *begun;
  deliver(event);
}

void Owner::control(co::Control control) {
  if (!alive_) return;
  ++world_.count().controls;
  world_.at(world_.rng().between(0, 3), this, [this, control] { deliver(control); });
}

void Owner::die() {
  alive_ = false;
  if (world_.tracing()) world_.trace(who() + " is killed");
}

void Owner::deliver(const co::Event& event) {
  if (!alive_) return;
  ++world_.count().steps;
  if (world_.tracing()) world_.trace(fmt::format("{} <- {}", who(), event_text(event)));
  check_event(event);
  const std::vector<co::Command> commands = co::step(state_, event, world_.now());
  if (world_.tracing()) {
    for (const auto& command : commands)
      world_.trace(fmt::format("{} -> {}", who(), command_text(command)));
  }
  check_commands(event, commands);
  for (const auto& command : commands) carry_out(command);
  if (!alive_) return;
  if (std::holds_alternative<co::Tick>(event)) {
    world_.require(co::next_tick_ms(state_, world_.now()) > world_.now().monotonic_ms,
                   [] { return "a tick left another one due at once: the host would spin"; });
  }
  schedule_tick();
}

void Owner::send(co::Event event) {
  const Knobs& knobs = world_.scenario().knobs;
  if (world_.fault(knobs.event_loss)) {
    ++world_.count().lost;
    if (world_.tracing()) world_.trace(fmt::format("{}    lost: {}", who(), event_text(event)));
    return;
  }
  int copies = 1;
  if (world_.fault(knobs.event_double)) {
    ++copies;
    ++world_.count().doubled;
  }
  for (; copies > 0; --copies) {
    std::int64_t delay_ms = world_.rng().between(0, 2);
    if (world_.fault(knobs.event_delay)) {
      delay_ms += world_.rng().between(0, knobs.delay_ms);
      ++world_.count().late;
    }
    world_.at(delay_ms, this, [this, event] { deliver(event); });
  }
}

void Owner::carry_out(co::Command command) {
  const bool may_be_lost =
      is_any_of<co::Persist, co::Preflight, co::Enumerate, co::CheckItems, co::LoadWindow,
                co::RunBatch, co::CommitExecution, co::CloseRun>(command);
  if (may_be_lost && world_.fault(world_.scenario().knobs.command_loss)) {
    ++world_.count().lost;
    if (world_.tracing()) world_.trace(fmt::format("{}    lost: {}", who(), command_text(command)));
    return;
  }
  std::visit([this](auto&& one) { perform(std::forward<decltype(one)>(one)); }, std::move(command));
}

void Owner::schedule_tick() {
  const std::int64_t due_ms = co::next_tick_ms(state_, world_.now());
  if (due_ms == std::numeric_limits<std::int64_t>::max() || due_ms == tick_at_ms_) return;
  tick_at_ms_ = due_ms;
  const std::int64_t delay_ms =
      std::max<std::int64_t>(0, due_ms - world_.now().monotonic_ms) + world_.rng().between(0, 3);
  world_.at(delay_ms, this, [this, due_ms] {
    if (tick_at_ms_ != due_ms) return;  // another one was scheduled instead
    tick_at_ms_ = 0;
    deliver(co::Tick{});
  });
}

// ---- Calls: each is carried out once and answered as often as it is asked ----

void Owner::perform(co::Preflight command) {
  if (const auto found = answers_.find(command.call); found != answers_.end())
    return send(found->second);
  if (!calls_.insert(command.call).second) return;
  world_.at(world_.rng().between(1, 50), this, [this, command] {
    co::PreflightDone done;
    done.call = command.call;
    done.roots = "roots";
    done.refused = command.first && world_.scenario().refused && goal() == engine::Goal::migrate;
    const auto row = world_.ledger().execution();
    if (row->committing) done.committed = world_.destination().committed();
    if (world_.fault(world_.scenario().knobs.call_failure)) {
      static constexpr ErrorType kTypes[] = {ErrorType::root_changed,
                                             ErrorType::endpoint_unreachable,
                                             ErrorType::network_timeout, ErrorType::auth_failure};
      done.error = Error(kTypes[world_.rng().below(std::size(kTypes))], "simulated");
    }
    send(answers_.emplace(command.call, done).first->second);
  });
}

void Owner::perform(co::CheckItems command) {
  if (const auto found = answers_.find(command.call); found != answers_.end())
    return send(found->second);
  if (!calls_.insert(command.call).second) return;
  const auto row = world_.ledger().execution();
  world_.require(row->enumeration_complete,
                 [] { return "items are checked before all of them are listed"; });
  world_.at(world_.rng().between(1, 50), this, [this, command] {
    co::ItemsChecked checked;
    checked.call = command.call;
    if (cancel_ != CancelReason::none) {
      checked.error = Error(ErrorType::interrupted, "cancelled");
    } else if (world_.fault(world_.scenario().knobs.call_failure)) {
      checked.error =
          Error(world_.rng().chance(0.5) ? ErrorType::network_timeout : ErrorType::auth_failure,
                "simulated");
    } else if (!stale() && world_.refuse_items()) {
      checked.refused = true;
      checked.problems.emplace_back(ErrorType::permission_denied, "simulated");
    } else if (!stale()) {
      world_.note_items_checked();
    }
    send(answers_.emplace(command.call, checked).first->second);
  });
}

void Owner::perform(co::LoadWindow command) {
  if (const auto found = answers_.find(command.call); found != answers_.end())
    return send(found->second);
  if (!calls_.insert(command.call).second) return;
  world_.at(world_.rng().between(0, 10), this, [this, command] {
    const auto ready = world_.ledger().ready(command.query);
    const auto row = world_.ledger().execution();
    const auto sequence = world_.ledger().sequence();
    world_.require(ready.ok() && row.ok() && sequence.ok(),
                   [] { return "the ledger cannot be read"; });
    world_.require(ready->batches.size() <= command.query.limit,
                   [] { return "ready() gave more than asked for"; });
    co::WindowLoaded loaded{command.call, *ready, row->counters, *sequence,
                            row->enumeration_complete};
    send(answers_.emplace(command.call, std::move(loaded)).first->second);
  });
}

void Owner::perform(co::Enumerate command) {
  if (const auto found = answers_.find(command.call); found != answers_.end())
    return send(found->second);
  if (!calls_.insert(command.call).second) return;
  world_.require(enumerating_ == 0, [] { return "two enumerations at once"; });
  enumerating_ = command.call;
  world_.at(world_.rng().between(0, 10), this, [this, command] { enumerate_chunk(command.call); });
}

void Owner::perform(co::CommitExecution command) {
  if (const auto found = answers_.find(command.call); found != answers_.end())
    return send(found->second);
  if (!calls_.insert(command.call).second) return;
  world_.at(world_.rng().between(1, 40), this, [this, command] {
    co::Committed done;
    done.call = command.call;
    const double p = world_.scenario().knobs.call_failure;
    if (fenced()) {
      done.error = Error(ErrorType::stale_owner, "fenced");
    } else if (world_.fault(p)) {
      done.error =
          Error(world_.rng().chance(0.5) ? ErrorType::connection_reset : ErrorType::schema_mismatch,
                "simulated");
    } else {
      world_.require(world_.shadow().committing(),
                     [] { return "a commit without its announcement in the ledger"; });
      for (const auto& [id, item] : world_.shadow().items()) {
        world_.require(item.status != store::ItemStatus::failed, [failed = id] {
          return fmt::format("a commit of all or nothing leaves out item {}, which failed", failed);
        });
        const bool in_transaction = item.status == store::ItemStatus::completed &&
                                    !world_.destination().present(id) &&
                                    world_.scenario().items.at(id).kind != ItemScript::Kind::lie;
        world_.require(!in_transaction || staged_.contains(id), [lost = id] {
          return fmt::format("the commit lacks item {}, which the ledger holds for completed",
                             lost);
        });
      }
      world_.destination().commit(staged_);
      world_.count().effects += static_cast<std::int64_t>(staged_.size());
      staged_.clear();
      if (world_.tracing()) world_.trace(who() + "    the transaction takes effect");
      if (world_.fault(p)) {
        done.error = Error(ErrorType::connection_reset, "simulated: the reply is lost");
        done.error->possibly_applied = true;
      }
    }
    answers_.emplace(command.call, done);
    // The reply takes its time: a crash here is one after the commit and before anybody knows.
    world_.at(world_.rng().between(0, 20), this,
              [this, call = command.call] { send(answers_.at(call)); });
  });
}

void Owner::perform(co::CloseRun command) {
  if (const auto found = answers_.find(command.call); found != answers_.end())
    return send(found->second);
  staged_.clear();
  send(answers_.emplace(command.call, co::Closed{command.call}).first->second);
}

void Owner::perform(const co::CancelWork& command) {
  cancel_ = std::max(cancel_, command.reason);
}

void Owner::perform(const co::Finish& command) {
  alive_ = false;
  world_.owner_ended(*this, command);
}

}  // namespace dunlin::sim
