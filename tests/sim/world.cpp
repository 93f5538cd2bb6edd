// World; see world.h.
#include "sim/world.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "sim/owner.h"
#include "store/sqlite_ledger.h"

namespace dunlin::sim {

using engine::Goal;
using store::ExecutionStatus;
using store::ItemStatus;

namespace {

constexpr std::int64_t kStepsMax = 400'000;
constexpr std::int64_t kActionsMax = 4'000'000;
/// Attempts that a person has to make after the last fault; the errors that the scenario itself
/// holds come on top.
constexpr std::int64_t kQuietAttemptsMax = 8;

bool because_of(const store::ExecutionRow& row, std::string_view type) {
  return row.reason_json.find(fmt::format("\"type\":\"{}\"", type)) != std::string::npos;
}

}  // namespace

/// The ledger reads the time of the simulation.
class World::LedgerClock final : public Clock {
 public:
  explicit LedgerClock(const World& world) : world_(world) {}
  [[nodiscard]] std::int64_t monotonic_ms() const override { return world_.now().monotonic_ms; }
  [[nodiscard]] std::int64_t boottime_ms() const override { return world_.now().monotonic_ms; }
  [[nodiscard]] std::int64_t wall_ms() const override { return world_.now().wall_ms; }

 private:
  const World& world_;
};

World::World(Scenario scenario, std::size_t history)
    : scenario_(std::move(scenario)),
      rng_(scenario_.seed ^ 0x5eed'f00d'0000'0001ULL),
      history_max_(history),
      clock_(std::make_unique<LedgerClock>(*this)),
      shadow_(scenario_) {
  store::ExecutionRow row;
  row.id = ExecutionId("01890000-0000-7000-8000-000000000001");
  row.plan_id = PlanId("01890000-0000-7000-8000-000000000002");
  row.number = 1;
  row.kind = "simulated";
  row.created_ms = now().wall_ms;
  auto ledger = store::SqliteLedger::create_in_memory(row, *clock_);
  if (!ledger.ok()) throw Violation("the ledger cannot be made: " + ledger.error().text());
  ledger_ = *std::move(ledger);
}

World::~World() = default;

void World::at(std::int64_t delay_ms, Owner* owner, std::function<void()> action) {
  queue_.push({now_ms_ + delay_ms, order_++, owner, std::move(action)});
}

void World::trace(std::string line) {
  history_.push_back(fmt::format("{:>8} ms  {}", now_ms_, std::move(line)));
  if (history_.size() > history_max_) history_.pop_front();
}

void World::violated(const std::string& what) const {
  throw Violation(what);
}

void World::run() {
  at(0, nullptr, [this] { drive(); });
  std::int64_t actions = 0;
  while (!over_) {
    require(!queue_.empty(),
            [] { return "nothing will ever happen again, and the work is not done"; });
    require(++actions < kActionsMax && statistics_.steps < kStepsMax,
            [] { return "it goes on for ever"; });
    Pending next = queue_.top();
    queue_.pop();
    if (next.owner != nullptr && !next.owner->alive()) continue;
    now_ms_ = std::max(now_ms_, next.time_ms);
    const std::int64_t steps_before = statistics_.steps;
    next.action();
    if (statistics_.steps != steps_before && !over_) {
      maybe_control();
      maybe_crash();
    }
    if (faults()) continue;
    if (quiet_since_ms_ < 0) quiet_since_ms_ = now_ms_;
    require(now_ms_ - quiet_since_ms_ < patience_ms(), [this] {
      return fmt::format("{} s after the last fault it has not come to its end",
                         (now_ms_ - quiet_since_ms_) / 1000);
    });
  }
  statistics_.virtual_ms = now_ms_;
  check_end();
}

/// Generous: every message asked for again once, every batch and item alone, each of them three
/// times.
std::int64_t World::patience_ms() const {
  const Knobs& knobs = scenario_.knobs;
  const auto batches = static_cast<std::int64_t>(scenario_.batches.size());
  const auto items = static_cast<std::int64_t>(scenario_.items.size());
  const std::int64_t once =
      items * 3 * knobs.item_ms + batches * 3 * (6 * knobs.writer_ms + 4'000) + 60'000;
  return (once + 2 * knobs.wall_jump_ms) * static_cast<std::int64_t>(scenario_.goals.size() + 2);
}

// ---- The person ----

/// Nobody owns the execution: look at it, and go on with what is wanted.
void World::drive() {
  if (over_ || current_ != nullptr) return;
  const auto row = ledger_->execution();
  require(row.ok(), [] { return "the ledger cannot be read"; });
  if (goal_reached(*row)) {
    goal_done(*row);
    return;
  }
  // A person who resumes where nothing else is left means that.
  if (because_of(*row, "held_back")) {
    ++statistics_.only_held_left;
    require(!held_.empty() || holds_ > 0, [] { return "it waits for what nobody has held back"; });
    held_.clear();
    ++holds_;
    if (quiet_attempts_ > 0) --quiet_attempts_;  // it is a person's doing
  }
  attach(scenario_.goals[goal_]);
}

bool World::goal_reached(const store::ExecutionRow& row) const {
  switch (scenario_.goals[goal_]) {
    case Goal::migrate:
      if (retry_next_) return false;
      if (row.status == ExecutionStatus::completed || row.status == ExecutionStatus::cancelled)
        return true;
      // A person mends what keeps the items from being begun, and resumes.
      if (because_of(row, "preflight_refused") && !scenario_.refused &&
          scenario_.item_refusals >= 0)
        return false;
      return row.status == ExecutionStatus::failed &&
             (because_of(row, "preflight_refused") || because_of(row, "too_many_failures") ||
              because_of(row, "verification_mismatch"));
    case Goal::verify:
      return last_attempt_ended_by_itself_ || row.status == ExecutionStatus::cancelled ||
             (row.status == ExecutionStatus::failed && !because_of(row, "verification_mismatch") &&
              refused_);
    case Goal::roll_back:
      if (takes_back_part()) return part_taken_back_;
      return row.status == ExecutionStatus::rolled_back &&
             (!further_rollback() || store::all_succeeded(row.counters) == 0);
  }
  return true;
}

bool World::further_rollback() const {
  return goal_ > 0 && scenario_.goals[goal_] == Goal::roll_back &&
         scenario_.goals[goal_ - 1] == Goal::roll_back && goal_ - 1 != scenario_.part_goal;
}

void World::goal_done(const store::ExecutionRow& row) {
  if (scenario_.goals[goal_] == Goal::migrate) {
    if (row.status == ExecutionStatus::cancelled) cancelled_ = true;
    refused_ = row.status == ExecutionStatus::failed && !because_of(row, "verification_mismatch");
    if (!cancelled_ && !refused_ && !healed_ && row.counters.failed_items > 0 && rng_.chance(0.3)) {
      healed_ = true;
      retry_next_ = true;
      attach(Goal::migrate);
      return;
    }
    check_migrated(row);
  }
  if (scenario_.goals[goal_] == Goal::verify && !refused_ && !cancelled_) check_verified(row);
  if (takes_back_part()) {
    check_part();
  } else if (scenario_.goals[goal_] == Goal::roll_back) {
    check_items(true);
    for (auto& [id, item] : scenario_.items) item.refuses_undo = false;  // a person has mended it
  }
  last_attempt_ended_by_itself_ = false;
  if (++goal_ < scenario_.goals.size()) {
    at(rng_.between(1, 1'000), nullptr, [this] { drive(); });
  } else {
    over_ = true;
  }
}

void World::attach(Goal goal) {
  if (!faults()) {
    std::int64_t allowed = kQuietAttemptsMax + std::max(0, scenario_.item_refusals);
    for (const auto& [id, batch] : scenario_.batches)
      allowed += batch.system_errors + batch.fatal_errors + batch.later_errors;
    require(++quiet_attempts_ <= allowed,
            [] { return "it stops again and again although nothing goes wrong any more"; });
  }
  if (scenario_.knobs.wall_jump_ms > 0) {
    wall_offset_ms_ += rng_.between(-scenario_.knobs.wall_jump_ms, scenario_.knobs.wall_jump_ms);
  }
  const auto epoch = ledger_->take_over("{}");
  require(epoch.ok() && *epoch == newest_epoch_ + 1,
          [] { return "a take-over must raise the epoch by one"; });
  newest_epoch_ = *epoch;
  shadow_.taken_over();
  const auto row = ledger_->execution();
  const auto open = ledger_->open_batches();
  require(row.ok() && open.ok(), [] { return "the ledger cannot be read"; });
  needs_settling_.clear();
  for (const auto& batch : *open) {
    if (batch.pass == store::Pass::work) needs_settling_.insert(batch.id.value);
  }
  items_checked_ = false;
  begun_before_ = shadow_.anything_begun();
  store::ReopenItems reopen;
  if (retry_next_) reopen = heal_everything();
  owners_.push_back(
      std::make_unique<Owner>(*this, static_cast<int>(owners_.size()) + 1, *epoch, goal));
  ++statistics_.owners;
  current_ = owners_.back().get();
  if (tracing())
    trace(fmt::format("owner {} takes over, epoch {}, to {}", current_->number(), *epoch,
                      static_cast<int>(goal)));
  current_->begin(*row, *open, std::move(reopen));
  if (current_ == nullptr || !current_->alive()) return;
  // A cancel given while nobody owned it is seen before any work.
  if (goal == Goal::migrate && fault(scenario_.knobs.control * 2)) {
    current_->control(make_verb("cancel"));
  }
}

bool World::refuse_items() {
  if (scenario_.item_refusals == 0) return false;
  if (scenario_.item_refusals > 0) --scenario_.item_refusals;
  ++statistics_.refusals;
  return true;
}

/// `dunlin retry`: what made items fail has been mended. Items of one attempt are opened with its
/// first step.
store::ReopenItems World::heal_everything() {
  store::ReopenItems reopen;
  for (const auto& [id, batch] : shadow_.batches()) {
    if (batch.status == store::BatchStatus::failed) reopen.batches.emplace_back(id);
  }
  for (const auto& [id, item] : shadow_.items()) {
    if (item.status == ItemStatus::failed || item.by_dependency) reopen.items.emplace_back(id);
  }
  for (auto& [id, item] : scenario_.items) {
    if (item.kind == ItemScript::Kind::fail) item.kind = ItemScript::Kind::succeed;
  }
  for (auto& [id, batch] : scenario_.batches) batch.fails = false;
  return reopen;
}

engine::coordinator::Control World::make_verb(const char* verb) {
  engine::coordinator::Control control;
  control.request = next_request_++;
  control.verb = verb;
  control.arguments_json = "{}";
  if (control.verb == "limits") control.changes = {store::SetSettings{"{}"}};
  control.actor = "person";
  return control;
}

void World::maybe_control() {
  if (current_ == nullptr || !fault(scenario_.knobs.control)) return;
  static const char* const kVerbs[] = {"pause",  "pause",    "pause",  "resume", "retry", "retry",
                                       "skip",   "hold",     "hold",   "hold",   "hold",  "let_go",
                                       "let_go", "priority", "limits", "stop",   "fly",   "cancel"};
  engine::coordinator::Control control = make_verb(kVerbs[rng_.below(std::size(kVerbs))]);
  if (control.verb == "hold" || control.verb == "let_go") hold(control);
  if (control.verb == "priority") {
    store::SetPriority change;
    change.to = static_cast<store::Priority>(rng_.below(5));
    for (const auto& [id, batch] : shadow_.batches()) {
      if (rng_.chance(0.3)) change.batches.emplace_back(id);
    }
    if (!change.batches.empty()) control.changes = {std::move(change)};
  }
  if (control.verb == "retry" || control.verb == "skip") {
    for (const auto& [id, item] : shadow_.items()) {
      if (!rng_.chance(item.status == ItemStatus::failed ? 0.5 : 0.05)) continue;
      control.items.emplace_back(id);
      // One that has not ended yet may fail before the verb arrives, and is skipped then.
      if (control.verb == "skip") open_ended_.insert(id);
      if (item.status != ItemStatus::failed) continue;
      // By the time it arrives it may be refused: both results are right then.
      open_ended_.insert(id);
      if (control.verb == "retry") scenario_.items.at(id).kind = ItemScript::Kind::succeed;
    }
  }
  current_->control(std::move(control));
}

/// A part is held back, or all that is held is let go. As the host does it: what is held is known
/// before it is recorded.
void World::hold(engine::coordinator::Control& control) {
  const bool holds = control.verb == "hold";
  control.verb = holds ? "pause" : "resume";
  if (scenario_.goals[goal_] != Goal::migrate || scenario_.scope == Scope::execution) return;
  control.changes = {store::SetSettings{"{}"}};
  ++holds_;
  if (!holds) {
    held_.clear();
    control.changes.emplace_back(store::ReleaseHeld{});
    return;
  }
  ++statistics_.holds;
  for (const auto& [number, batch] : scenario_.batches) {
    for (const auto& item : batch.row.items) {
      if (!rng_.chance(0.2)) continue;
      held_.insert(item.id.value);
      // Its batch may fail as a whole while it waits for its turn, which came before that
      // otherwise.
      if (batch.fails) open_ended_.insert(item.id.value);
    }
  }
  current_->interrupt_held();
}

/// The owner dies; or it goes on, stopped for a while or cut off, while somebody takes over by
/// force.
void World::maybe_crash() {
  if (current_ == nullptr || !current_->alive() || !fault(scenario_.knobs.crash)) return;
  Owner* owner = current_;
  current_ = nullptr;
  if (rng_.chance(scenario_.knobs.stale_owner)) {
    ++statistics_.take_overs;
    at(rng_.between(0, 30'000), owner, [owner] { owner->die(); });
    drive();
  } else {
    ++statistics_.crashes;
    owner->die();
    at(rng_.between(1, 2'000), nullptr, [this] { drive(); });
  }
}

void World::owner_ended(Owner& owner, const engine::coordinator::Finish& finish) {
  if (&owner != current_) return;
  current_ = nullptr;
  require(!finish.reason || finish.reason->type != ErrorType::stale_owner,
          [] { return "an owner gives up as stale although nobody has taken over"; });
  require(!finish.reason || finish.reason->type != ErrorType::defect,
          [&] { return "it ends with a defect: " + finish.reason->text(); });
  const bool natural = finish.status == ExecutionStatus::completed ||
                       (finish.status == ExecutionStatus::failed && finish.reason &&
                        finish.reason->type == ErrorType::verification_mismatch);
  part_taken_back_ = part_taken_back_ || owner.took_back_part(finish);
  last_attempt_ended_by_itself_ =
      finish.recorded && natural && owner.goal() == scenario_.goals[goal_];
  at(rng_.between(1, 2'000), nullptr, [this] { drive(); });
}

// ---- What must be true in the end ----

void World::check_migrated(const store::ExecutionRow& row) {
  check_items(false);
  if (scenario_.refused) {
    require(because_of(row, "preflight_refused") || cancelled_, [&] {
      return fmt::format("preflight refused it and it is {}", to_string(row.status));
    });
    return;
  }
  if (because_of(row, "preflight_refused")) {
    require(scenario_.item_refusals < 0, [] { return "nothing refused it, and it says so"; });
    require(destination_.effects().empty(),
            [] { return "its items were refused, and some took effect"; });
    return;
  }
  if (cancelled_ || because_of(row, "too_many_failures")) return;
  const auto expected = scenario_.expected();
  require(shadow_.items().size() == expected.size(), [&] {
    return fmt::format("{} items were journaled, {} are expected", shadow_.items().size(),
                       expected.size());
  });
  std::int64_t ended = 0;
  for (const auto& [key, item] : shadow_.items()) {
    const std::int64_t id = key;  // a lambda may capture it
    ended += item.status == ItemStatus::completed || item.status == ItemStatus::failed ||
             item.status == ItemStatus::skipped;
    if (open_ended_.contains(id)) continue;
    require(item.status == expected.at(id), [&, status = item.status] {
      return fmt::format("item {} is {} in the end; undisturbed it is {}", id, to_string(status),
                         to_string(expected.at(id)));
    });
  }
  require(ended == store::all_planned(row.counters),
          [] { return "planned is not succeeded + failed + skipped"; });
  if (scenario_.config.verify) check_verified(row);
}

void World::check_verified(const store::ExecutionRow& row) {
  std::int64_t lies = 0;
  for (const auto& [key, item] : shadow_.items()) {
    const std::int64_t id = key;  // a lambda may capture it
    if (item.status == ItemStatus::completed &&
        scenario_.items.at(id).kind == ItemScript::Kind::lie)
      ++lies;
  }
  require(row.counters.differences == lies, [&] {
    return fmt::format("verification found {} differences, there are {}", row.counters.differences,
                       lies);
  });
  require((row.status == ExecutionStatus::failed) == (lies > 0), [&] {
    return fmt::format("{} items differ and the execution is {}", lies, to_string(row.status));
  });
}

void World::check_end() {
  const Status sound = ledger_->check();
  require(sound.ok(), [&] { return "the ledger is not sound: " + sound.error().text(); });
  check_items(scenario_.goals.back() == Goal::roll_back);
}

/// All of it that nobody has changed is taken back, and nothing else.
void World::check_part() {
  check_items(false);
  for (const auto& [key, item] : shadow_.items()) {
    const std::int64_t id = key;
    const ItemScript& script = scenario_.items.at(id);
    const bool back = script.of_part && !script.refuses_undo;
    require(item.status != ItemStatus::completed || !back,
            [&] { return fmt::format("item {} of the part is not rolled back", id); });
    require(item.status != ItemStatus::rolled_back || back,
            [&] { return fmt::format("item {} is no part of it and is rolled back", id); });
  }
}

/// Ledger and destination say the same.
void World::check_items(bool rolled_back) {
  for (const auto& [key, item] : shadow_.items()) {
    const std::int64_t id = key;  // a lambda may capture it
    const Destination::Effect effect = destination_.effect(id);
    const bool lie = scenario_.items.at(id).kind == ItemScript::Kind::lie;
    require(effect.applied <= 1,
            [&] { return fmt::format("item {} took effect {} times", id, effect.applied); });
    if (rolled_back) {
      const bool refuses = scenario_.items.at(id).refuses_undo;
      require(item.status != ItemStatus::completed || refuses,
              [&] { return fmt::format("item {} is not rolled back", id); });
    }
    if (item.status == ItemStatus::completed && !lie) {
      require(effect.present,
              [&] { return fmt::format("item {} is completed and did not take effect", id); });
    }
    if (item.status != ItemStatus::completed && effect.present) {
      // Honest are two: its reply was lost and nobody tried again before the end; or the ledger
      // could not be written and still holds its batch as open.
      const bool in_doubt = item_tries_[id].reply_lost && item.status == ItemStatus::pending;
      const bool open = shadow_.batch(item.batch).status == store::BatchStatus::executing;
      require(in_doubt || open, [&, status = item.status] {
        return fmt::format("item {} is {} and took effect all the same", id, to_string(status));
      });
    }
  }
  for (const auto& [key, effect] : destination_.effects()) {
    const std::int64_t id = key;
    require(shadow_.items().contains(id),
            [&] { return fmt::format("item {} took effect and was never journaled", id); });
  }
}

}  // namespace dunlin::sim
