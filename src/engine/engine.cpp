#include "engine/engine.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <thread>
#include <utility>

#include "base/logging.h"
#include "base/process.h"
#include "engine/claims.h"
#include "engine/control_socket.h"
#include "engine/creation.h"
#include "engine/dependencies.h"
#include "engine/incremental.h"
#include "engine/live_limits.h"
#include "engine/selector.h"
#include "engine/test_run.h"

namespace dunlin::engine {
namespace {

using store::ExecutionStatus;

/// How long an evicted owner's lock may take to come free.
constexpr std::int64_t kEvictWaitMs = 5000;

Json identity_json(const ProcessIdentity& identity, const std::string& operator_name) {
  Json json{{"uid", ::getuid()},
            {"pid", identity.pid},
            {"boot_id", identity.boot_id},
            {"start_time", identity.start_time},
            {"host", identity.host}};
  if (!operator_name.empty()) json["operator"] = operator_name;
  return json;
}

/// As an owner takes it. The token is in no file: the socket is as private as the state.
Json request_for(const std::string& verb, const Asker& asker) {
  Json request{{"verb", verb}, {"via", asker.via}};
  if (!asker.token.empty()) request["token"] = asker.token.reveal();
  return request;
}

/// What an owner has refused, as it said it.
Error refusal_of(const Json& answer) {
  Error error(
      error_type_from_name(string_or(answer, "type", "")).value_or(ErrorType::invalid_state),
      string_or(answer, "message", "refused"));
  error.remediation = string_or(answer, "remediation", "");
  return error;
}

Result<ProcessIdentity> identity_from(const std::string& text) {
  DUNLIN_ASSIGN(const Json json, parse_json(text, "owner"));
  ProcessIdentity identity;
  identity.pid = static_cast<pid_t>(integer_or(json, "pid", 0));
  identity.boot_id = string_or(json, "boot_id", "");
  identity.start_time = static_cast<std::uint64_t>(integer_or(json, "start_time", 0));
  identity.host = string_or(json, "host", "");
  if (identity.pid <= 0) return Error(ErrorType::not_found, "no owner is recorded");
  return identity;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text.empty() ? "none" : text;
}

Status check_goal(const store::ExecutionRow& row, Goal goal) {
  const ExecutionStatus status = row.status;
  if (row.mode == kDryRun && goal != Goal::migrate) return nothing_done(row.number);
  if (row.mode == kTest && (goal != Goal::migrate || has_ended(status)))
    return only_a_test(row.number);
  bool possible = false;
  switch (goal) {
    case Goal::migrate:
      possible = status != ExecutionStatus::cancelled && status != ExecutionStatus::rolled_back &&
                 status != ExecutionStatus::rolling_back &&
                 (status != ExecutionStatus::paused || goal_of(row) == Goal::migrate);
      break;
    case Goal::verify:
      possible = status == ExecutionStatus::completed || status == ExecutionStatus::failed;
      break;
    case Goal::roll_back:
      possible = status != ExecutionStatus::pending &&
                 (status != ExecutionStatus::rolled_back || store::all_succeeded(row.counters) > 0);
      break;
  }
  if (possible) return success();
  return Error(ErrorType::invalid_state,
               "execution " + std::to_string(row.number) + " is " + std::string(to_string(status)) +
                   "; allowed now: " + joined(allowed_verbs(row, status)));
}

}  // namespace

Engine::Engine(std::unique_ptr<store::StateDirectory> state, const KindRegistry& kinds,
               const Clock& clock)
    : state_(std::move(state)), kinds_(kinds), clock_(clock) {}

Result<std::unique_ptr<Engine>> Engine::open(const std::string& state_path,
                                             const KindRegistry& kinds, const Clock& clock) {
  DUNLIN_ASSIGN(std::unique_ptr<store::StateDirectory> state,
                store::StateDirectory::open(state_path, clock));
  // A summary is a cache; a ledger that it does not know of is one that it has lost.
  DUNLIN_ASSIGN(const std::vector<ExecutionId> on_disk, state->ledgers_on_disk());
  DUNLIN_ASSIGN(const std::vector<store::ExecutionSummary> known, state->store().executions());
  const bool missing = std::any_of(on_disk.begin(), on_disk.end(), [&](const ExecutionId& id) {
    return std::none_of(known.begin(), known.end(),
                        [&](const auto& summary) { return summary.id == id; });
  });
  if (missing) {
    const Status rebuilt = state->rebuild_summaries();
    if (!rebuilt.ok()) log_warn("cannot rebuild the summaries: {}", rebuilt.error().text());
  }
  return std::unique_ptr<Engine>(new Engine(std::move(state), kinds, clock));
}

// ---- Creating and owning
// -------------------------------------------------------------------------------------------

Status Engine::check_claims(const store::ExecutionSummary& own) {
  return engine::check_claims(*state_, own, own.number);
}

Result<ExecutionId> Engine::create(const Plan& plan) {
  const Kind* kind = kinds_.find(plan.kind);
  if (kind == nullptr)
    return Error(ErrorType::plan_invalid, "this program knows no kind '" + plan.kind + "'");
  DUNLIN_ASSIGN(std::vector<Claim> claims, kind->claims(plan));
  const bool dry = plan.settings.is_dry_run();
  const bool test = plan.settings.mode == kTest;
  if (test) DUNLIN_TRY(check_test(*kind, plan));
  if (plan.settings.incremental) DUNLIN_TRY(check_incremental(*kind, plan));
  const std::vector<Claim> places = claims;
  if (dry || test) claims.clear();  // it writes nowhere, or where nobody else does
  const std::int64_t now = clock_.wall_ms();
  store::ExecutionSummary summary;
  summary.id = ExecutionId(new_uuid_v7(now));
  summary.plan_id = plan.id.valid() ? plan.id : PlanId(new_uuid_v7(now));
  summary.kind = plan.kind;
  summary.description = (dry ? "dry run: " : test ? "test: " : "") + kind->describe(plan);
  // From here on nobody begins to take back what is built on.
  DUNLIN_ASSIGN(const UniqueFd turn, creation_turn(*state_));
  std::optional<store::Baseline> baseline;
  if (plan.settings.incremental) {
    DUNLIN_ASSIGN(baseline, find_baseline(*state_, *kind, plan, places));
  }
  if (baseline)
    summary.description += ", what has changed since execution " + std::to_string(baseline->number);
  summary.claims = claims;
  summary.depends_on = plan.depends_on;
  summary.created_ms = now;
  summary.updated_ms = now;
  DUNLIN_ASSIGN(summary.number, state_->store().put_execution(summary));
  Status status = check_claims(summary);
  if (status.ok()) {
    store::ExecutionRow row;
    row.id = summary.id;
    row.plan_id = summary.plan_id;
    row.number = summary.number;
    row.kind = plan.kind;
    row.plan_json = dump_json(plan.document);
    row.settings_json = dump_json(encode_settings(plan.settings));
    row.description = summary.description;
    row.mode = plan.settings.mode;
    row.undo_retention_ms = plan.settings.undo_retention_ms();
    row.drops_undo = plan.settings.drops_undo() && !dry && !test;
    row.claims = claims;
    row.depends_on = plan.depends_on;
    row.baseline = baseline;
    row.created_ms = now;
    row.updated_ms = now;
    status = state_->create_ledger(row);
    if (status.ok()) return summary.id;
  }
  state_->store()
      .delete_execution(summary.id)
      .ignore("a summary without ledger is dropped at the next rebuild");
  return std::move(status).error();
}

namespace {

/// Milestones of accept(): each is recorded once, and the first forbids a rollback from then on.
constexpr std::string_view kUndoGivenUp = "undo_given_up";
constexpr std::string_view kUndoRemoved = "undo_removed";

Result<bool> has_milestone(const store::Ledger& ledger, std::string_view name) {
  DUNLIN_ASSIGN(const auto milestones, ledger.milestones());
  return std::any_of(milestones.begin(), milestones.end(),
                     [name](const store::MilestoneRow& one) { return one.name == name; });
}

Result<Undo> undo_of(const store::Ledger& ledger) {
  DUNLIN_ASSIGN(const auto milestones, ledger.milestones());
  Undo undo = Undo::kept;
  for (const store::MilestoneRow& milestone : milestones) {
    if (milestone.name == kUndoRemoved) return Undo::removed;
    if (milestone.name == kUndoGivenUp) undo = Undo::given_up;
  }
  return undo;
}

/// What may not begin, or begin again, whatever its own state allows.
Status may_begin(store::StateDirectory& state, const store::ExecutionRow& row, Goal goal) {
  const bool waits = row.mode != kDryRun && row.mode != kTest && !row.depends_on.empty();
  if (row.status == ExecutionStatus::pending && waits) {
    DUNLIN_ASSIGN(const auto dependencies, dependencies_of(state, row.depends_on, row.plan_id));
    return all_met(dependencies);
  }
  if (goal == Goal::migrate && row.baseline) DUNLIN_TRY(check_baseline(state, row));
  if (!has_ended(row.status) || goal == Goal::verify) return success();
  return claim_again(
      state, row,
      goal == Goal::roll_back ? ExecutionStatus::rolling_back : ExecutionStatus::running);
}

}  // namespace

Result<std::unique_ptr<Execution>> Engine::attach(const ExecutionId& id, Goal goal, bool force) {
  return own(id, goal, force,
             [this, goal](const store::ExecutionRow& row, const store::Ledger& ledger) -> Status {
               DUNLIN_TRY(check_goal(row, goal));
               if (goal == Goal::roll_back) {
                 DUNLIN_ASSIGN(const Undo undo, undo_of(ledger));
                 if (undo != Undo::kept) return undo_given_up(row.number);
               }
               return may_begin(*state_, row, goal);
             });
}

Status Engine::accept(const ExecutionId& id, const std::string& actor,
                      std::chrono::milliseconds budget) {
  const auto may = [](const store::ExecutionRow& row, const store::Ledger&) -> Status {
    if (row.mode == kDryRun) return nothing_done(row.number);
    if (has_ended(row.status)) return success();
    return Error(ErrorType::invalid_state,
                 "execution " + std::to_string(row.number) + " is " +
                     std::string(to_string(row.status)) +
                     ": it can be accepted once it has ended; allowed now: " +
                     joined(allowed_verbs(row, row.status)));
  };
  DUNLIN_ASSIGN(const std::unique_ptr<Execution> execution, own(id, Goal::verify, false, may));
  return execution->give_up_undo({std::string(kUndoGivenUp), std::string(kUndoRemoved)}, actor,
                                 budget);
}

std::vector<std::int64_t> Engine::expire(std::chrono::milliseconds budget) {
  std::vector<std::int64_t> done;
  const std::int64_t end_ms = clock_.monotonic_ms() + budget.count();
  auto due = state_->store().executions();
  if (!due.ok()) return done;
  std::erase_if(*due, [now = clock_.wall_ms()](const store::ExecutionSummary& one) {
    return one.keeps_until_ms == 0 || one.keeps_until_ms > now;
  });
  std::sort(due->begin(), due->end(), [](const auto& one, const auto& other) {
    return one.keeps_until_ms < other.keeps_until_ms;
  });
  for (const store::ExecutionSummary& one : *due) {
    const std::chrono::milliseconds left(end_ms - clock_.monotonic_ms());
    if (left.count() <= 0) break;
    const Status given_up = accept(one.id, "engine (undo_retention)", left);
    if (given_up.ok()) {
      done.push_back(one.number);
    } else if (given_up.error().type != ErrorType::interrupted) {
      log_info("what execution {} keeps for its rollback is due, and stays: {}", one.number,
               given_up.error().text());
    }
  }
  return done;
}

Status Engine::remove(const ExecutionId& id) {
  {
    DUNLIN_ASSIGN(const std::unique_ptr<store::Ledger> ledger, state_->open_ledger(id, true));
    DUNLIN_ASSIGN(const store::ExecutionRow row, ledger->execution());
    const std::string number = std::to_string(row.number);
    if (!has_ended(row.status)) {
      Error error(ErrorType::invalid_state, "execution " + number + " is " +
                                                std::string(to_string(row.status)) +
                                                ": its record is what it goes on from");
      error.remediation = "`dunlin cancel " + number + "` gives it up";
      return error;
    }
    DUNLIN_ASSIGN(const Undo undo, undo_of(*ledger));
    const bool keeps =
        row.mode != kDryRun && undo != Undo::removed &&
        (row.status != ExecutionStatus::rolled_back || store::all_succeeded(row.counters) > 0);
    if (keeps) {
      Error error(ErrorType::invalid_state,
                  "execution " + number + " keeps what its rollback needs at the destination");
      error.remediation = "`dunlin accept " + number + "` gives that up";
      return error;
    }
  }
  return state_->delete_execution(id);
}

namespace {

/// A process that was stopped in the midst of a write holds its ledger, for a moment of it against
/// readers, too.
Error perhaps_stopped(Error error, std::int64_t number) {
  if (error.type != ErrorType::database_locked) return error;
  const std::string shown = std::to_string(number);
  error.remediation =
      "its process stands still while it writes the ledger: end it with `dunlin stop --now " +
      shown + "`, then `dunlin resume " + shown + "`";
  return error;
}

std::int64_t number_of(store::StateDirectory& state, const ExecutionId& id) {
  const auto summary = state.store().execution(id);
  return summary.ok() ? summary->number : 0;
}

}  // namespace

Result<std::unique_ptr<Execution>> Engine::own(const ExecutionId& id, Goal goal, bool force,
                                               const MayOwn& may) {
  DUNLIN_ASSIGN(store::OwnerLock lock, state_->acquire(id, force));
  Result<std::unique_ptr<store::Ledger>> opened = state_->open_ledger(id);
  if (!opened.ok()) return perhaps_stopped(std::move(opened).error(), number_of(*state_, id));
  std::unique_ptr<store::Ledger> ledger = *std::move(opened);
  DUNLIN_ASSIGN(store::ExecutionRow row, ledger->execution());
  DUNLIN_TRY(may(row, *ledger));
  const Kind* kind = kinds_.find(row.kind);
  if (kind == nullptr)
    return Error(ErrorType::state_version, "this program knows no kind '" + row.kind + "'");
  DUNLIN_ASSIGN(const Json document, parse_json(row.plan_json, "stored plan"));
  DUNLIN_ASSIGN(Plan plan, decode_plan(document, kinds_));
  plan.id = row.plan_id;
  if (const Result<Json> stored = parse_json(row.settings_json); stored.ok())
    keep_live_limits(*stored, plan.settings);
  DUNLIN_ASSIGN(const ProcessIdentity self, ProcessIdentity::current());
  const std::string owner = dump_json(identity_json(self, operator_));
  Result<std::int64_t> epoch = ledger->take_over(owner);
  if (!epoch.ok() && epoch.error().category() == ErrorCategory::system &&
      state_->release_reserve()) {
    epoch = ledger->take_over(owner);
  }
  if (!epoch.ok()) return perhaps_stopped(std::move(epoch).error(), row.number);
  DUNLIN_ASSIGN(row, ledger->execution());
  DUNLIN_ASSIGN(const Undo undo, undo_of(*ledger));
  Execution::Parts parts{
      *kind, std::move(plan),   std::move(ledger), std::move(lock), *state_, clock_, std::move(row),
      goal,  undo != Undo::kept};
  if (goal == Goal::roll_back && parts.row.rollback_part) {
    DUNLIN_ASSIGN(const Json of, parse_json(parts.row.rollback_part->of_json, "part"));
    DUNLIN_ASSIGN(parts.undo_selector, undo_selector_from(of));
  }
  return std::make_unique<Execution>(std::move(parts));
}

Status Engine::evict_owner(const ExecutionId& id) {
  // The ledger last: that process may hold it.
  Result<ProcessIdentity> named = state_->owner(id);
  if (!named.ok()) {
    DUNLIN_ASSIGN(const std::unique_ptr<store::Ledger> ledger, state_->open_ledger(id, true));
    DUNLIN_ASSIGN(const store::ExecutionRow row, ledger->execution());
    named = identity_from(row.owner_json);
  }
  DUNLIN_ASSIGN(const ProcessIdentity owner, std::move(named));
  DUNLIN_TRY(kill_process(owner, SIGKILL));
  for (std::int64_t waited = 0; waited < kEvictWaitMs; waited += 10) {
    DUNLIN_ASSIGN(const bool held, state_->owned(id));
    if (!held) return success();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return Error(ErrorType::lock_held, "process " + std::to_string(owner.pid) +
                                         " still holds execution " +
                                         std::to_string(number_of(*state_, id)));
}

// ---- Looking
// -------------------------------------------------------------------------------------------------------

Result<ExecutionId> Engine::resolve(std::string_view text) {
  for (;;) {
    DUNLIN_ASSIGN(const store::ExecutionSummary summary, state_->store().resolve(text));
    DUNLIN_ASSIGN(const bool born, state_->has_ledger(summary.id));
    if (born) return summary.id;
    // Being made now by another process, or never whole: then the one before it may be meant.
    DUNLIN_ASSIGN(const UniqueFd turn, creation_turn(*state_));
    DUNLIN_ASSIGN(const bool unborn, drop_unborn(*state_, summary.id));
    DUNLIN_ASSIGN(const bool lost, has_lost_ledger(*state_, summary.id));
    if (unborn && lost) return lost_ledger(*state_, summary);
  }
}

Result<std::unique_ptr<store::Ledger>> Engine::open_ledger(const ExecutionId& id) {
  return state_->open_ledger(id, true);
}

namespace {

void split_warnings(Snapshot& snapshot) {
  auto& errors = snapshot.error_counts;
  const auto first = std::stable_partition(errors.begin(), errors.end(), [](const auto& one) {
    const auto type = error_type_from_name(one.first);
    return !type || !only_warns(*type);
  });
  snapshot.warning_counts.assign(first, errors.end());
  errors.erase(first, errors.end());
}

/// Only kinds with a handful of tasks have one, so it is among the first.
Result<std::string> left_out_of(const store::Ledger& ledger) {
  constexpr std::size_t kAmongFirst = 64;
  DUNLIN_ASSIGN(const auto tasks, ledger.tasks(kAmongFirst));
  for (const auto& task : tasks)
    if (task.task_type == kSelectionTask) return task.description;
  return std::string();
}

}  // namespace

Result<Snapshot> Engine::snapshot(const ExecutionId& id) {
  Result<std::unique_ptr<store::Ledger>> opened = state_->open_ledger(id, true);
  if (!opened.ok()) return perhaps_stopped(std::move(opened).error(), number_of(*state_, id));
  const std::unique_ptr<store::Ledger> ledger = *std::move(opened);
  Snapshot snapshot;
  DUNLIN_ASSIGN(snapshot.row, ledger->execution());
  DUNLIN_ASSIGN(snapshot.live, state_->owned(id));
  DUNLIN_ASSIGN(snapshot.error_counts, ledger->error_counts());
  split_warnings(snapshot);
  DUNLIN_ASSIGN(snapshot.left_out, left_out_of(*ledger));
  const ExecutionStatus status = snapshot.row.status;
  const bool in_progress =
      status == ExecutionStatus::running || status == ExecutionStatus::rolling_back;
  snapshot.interrupted = in_progress && !snapshot.live;
  snapshot.shown_status = snapshot.interrupted ? ExecutionStatus::paused : status;
  DUNLIN_ASSIGN(snapshot.undo, undo_of(*ledger));
  const bool back = snapshot.row.status == store::ExecutionStatus::rolled_back ||
                    goal_of(snapshot.row) == Goal::roll_back;
  if (back) {
    DUNLIN_ASSIGN(snapshot.failure_taken_back, has_milestone(*ledger, kFailureTakenBack));
  }
  snapshot.allowed_verbs = allowed_verbs(snapshot.row, snapshot.shown_status, snapshot.undo);
  const Kind* kind = kinds_.find(snapshot.row.kind);
  snapshot.noun = kind != nullptr ? std::string(kind->item_noun()) : "items";
  snapshot.progress = progress_of(snapshot.row, clock_.wall_ms());
  if (snapshot.live) {
    read_live(snapshot);
  } else {
    refresh_summary(snapshot.row);
  }
  const Result<std::vector<store::ControlRow>> waiting = state_->store().pending_controls(id);
  if (waiting.ok() && !waiting->empty() && holds_destination(status))
    snapshot.pending_request = waiting->back().verb;
  return snapshot;
}

/// An owner that was killed has not brought its line in `ps` up to date: the ledger knows better.
void Engine::refresh_summary(const store::ExecutionRow& row) const {
  Result<store::ExecutionSummary> summary = state_->store().execution(row.id);
  if (!summary.ok()) return;
  if (summary->status == row.status && summary->phase == row.phase &&
      summary->counters == row.counters)
    return;
  summary->status = row.status;
  summary->phase = row.phase;
  summary->counters = row.counters;
  summary->updated_ms = row.updated_ms;
  state_->store().put_execution(*summary).ignore("a cache; the ledger is what counts");
}

/// The owner's own numbers, when it answers in time.
void Engine::read_live(Snapshot& snapshot) const {
  const Result<std::string> directory = state_->run_directory();
  if (!directory.ok()) return;
  const Result<Json> answer =
      ask_owner(*directory, snapshot.row.id.value + ".sock", request_for("progress", asker_));
  if (!answer.ok()) return;
  const Json* live = find_member(*answer, "rates");
  if (live == nullptr) return;
  const auto rate = [&](const char* key) -> std::optional<double> {
    const Json* value = find_member(*live, key);
    return value != nullptr && value->is_number() ? std::optional(value->get<double>())
                                                  : std::nullopt;
  };
  snapshot.progress.bytes_per_second = rate("bytes_per_second");
  snapshot.progress.items_per_second = rate("items_per_second");
  snapshot.progress.average_bytes_per_second = rate("average_bytes_per_second");
  snapshot.progress.peak_bytes_per_second = rate("peak_bytes_per_second");
  if (const auto seconds = rate("estimated_seconds_remaining")) {
    snapshot.progress.estimated_seconds_remaining = static_cast<std::int64_t>(*seconds);
  }
  // The ledger knows of what has ended; the owner also of what is under way. The ledger was read
  // before, and may have been written since.
  auto& counters = snapshot.progress.counters;
  counters.processed_bytes =
      std::max(counters.processed_bytes, integer_or(*answer, "processed_bytes", 0));
  counters.transferred_bytes =
      std::max(counters.transferred_bytes, integer_or(*answer, "transferred_bytes", 0));
  if (const Json* percent = find_member(*answer, "percent_complete");
      percent != nullptr && percent->is_number())
    snapshot.progress.percent_complete =
        std::max(snapshot.progress.percent_complete, percent->get<double>());
  if (const Json* items = find_member(*answer, "current_items"); items != nullptr)
    snapshot.progress.current_items = current_items_from(*items);
  if (const Json* limits = find_member(*answer, "limits"); limits != nullptr)
    snapshot.limits = *limits;
  if (const Json* sharing = find_member(*answer, "sharing"); sharing != nullptr)
    snapshot.sharing = *sharing;
  snapshot.pending_request = string_or(*answer, "pending_request", "");
}

Result<std::vector<Snapshot>> Engine::list() {
  DUNLIN_ASSIGN(const std::vector<store::ExecutionSummary> summaries, state_->store().executions());
  std::vector<Snapshot> snapshots;
  for (const store::ExecutionSummary& summary : summaries) {
    DUNLIN_ASSIGN(const bool born, state_->has_ledger(summary.id));
    if (!born) continue;  // being made now, or its maker died: see resolve()
    Result<Snapshot> one = snapshot(summary.id);
    if (one.ok()) {
      snapshots.push_back(*std::move(one));
    } else {
      log_warn("execution {} cannot be read: {}", summary.number, one.error().text());
    }
  }
  return snapshots;
}

// ---- Control
// -------------------------------------------------------------------------------------------------------

void Engine::act_for(Asker asker, const Caller& caller) {
  asker_ = std::move(asker);
  operator_ = caller.name;
}

Result<ControlAnswer> Engine::control(const ExecutionId& id, const std::string& verb,
                                      const Json& arguments, const Asker& asker) {
  const Result<Caller> caller = authorize(asker, verb);
  if (!caller.ok()) {
    if (caller.error().type == ErrorType::role_refused) record_refusal(id, asker, verb);
    return caller.error();
  }
  const std::string actor = caller->actor(asker.via);
  const Result<std::string> directory = state_->run_directory();
  if (directory.ok()) {
    Json request = request_for(verb, asker);
    request["arguments"] = arguments;
    Result<Json> answer = ask_owner(*directory, id.value + ".sock", request);
    if (answer.ok()) {
      if (boolean_or(*answer, "accepted", false)) return ControlAnswer{true, *std::move(answer)};
      return refusal_of(*answer);
    }
  }
  DUNLIN_ASSIGN(const bool owned, state_->owned(id));
  if (!owned) return control_without_owner(id, verb, arguments, actor);
  if (verb == "stop") {
    DUNLIN_TRY(evict_owner(id));
    return ControlAnswer{
        false, Json{{"accepted", true}, {"message", "the owner did not answer and was ended"}}};
  }
  store::ControlRow row;
  row.execution = id;
  row.verb = verb;
  row.arguments_json = dump_json(arguments);
  row.actor = actor;
  row.uid = asker.uid ? static_cast<std::int64_t>(*asker.uid) : -1;
  row.token_id = caller->token_id;
  row.created_ms = clock_.wall_ms();
  Result<std::int64_t> added = state_->store().add_control(row);
  if (!added.ok() && state_->release_reserve()) added = state_->store().add_control(row);
  if (!added.ok()) return std::move(added).error();
  return ControlAnswer{
      false, Json{{"accepted", true},
                  {"message", "recorded; the owner does not answer at present and will see it"}}};
}

void Engine::record_refusal(const ExecutionId& id, const Asker& asker, const std::string& verb) {
  const auto record = [&]() -> Status {
    DUNLIN_ASSIGN(const bool owned, state_->owned(id));
    if (owned) {
      DUNLIN_ASSIGN(const std::string directory, state_->run_directory());
      Json request = request_for(std::string(kRefusedRequest), asker);
      request["tried"] = verb;
      DUNLIN_TRY(ask_owner(directory, id.value + ".sock", request));
      return success();
    }
    // Who has no good token is told by user id alone.
    Result<Caller> caller = identify(*state_, asker, clock_.wall_ms());
    if (!caller.ok()) caller = Caller{{}, {}, asker.uid, store::Role::nobody, false, {}};
    return record_refusal_here(id, refusal_entry(*caller, asker.via, verb));
  };
  if (const Status recorded = record(); !recorded.ok())
    log_warn("the refusal of `dunlin {}` is not in the audit record: {}", verb,
             recorded.error().text());
}

/// Nobody owns it while its lock is held here, so the epoch stays as it is.
Status Engine::record_refusal_here(const ExecutionId& id, const store::AddAudit& entry) {
  DUNLIN_ASSIGN(const store::OwnerLock lock, state_->acquire(id));
  DUNLIN_ASSIGN(const std::unique_ptr<store::Ledger> ledger, state_->open_ledger(id));
  DUNLIN_ASSIGN(const store::ExecutionRow row, ledger->execution());
  const std::vector<store::Mutation> mutations{entry};
  DUNLIN_ASSIGN(const std::vector<Status> results, ledger->apply(row.epoch, mutations));
  DUNLIN_TRY(results.front());
  return state_->anchor_audit(id, *ledger);
}

namespace {

/// For what changes the ledger and begins no work.
auto writes_nothing(Goal goal) {
  return [goal](const store::ExecutionRow& row, const store::Ledger&) {
    return check_goal(row, goal);
  };
}

}  // namespace

Result<ControlAnswer> Engine::control_without_owner(const ExecutionId& id, const std::string& verb,
                                                    const Json& arguments,
                                                    const std::string& actor) {
  DUNLIN_ASSIGN(const Snapshot before, snapshot(id));
  const auto answer = [](const std::string& message) {
    return ControlAnswer{false, Json{{"accepted", true}, {"message", message}}};
  };
  if (verb == "stop") return answer("it is not running");
  // A part of it waits, or not, from its next start on.
  const bool part = names_part(arguments) && (verb == "pause" || verb == "resume");
  const bool allowed = std::find(before.allowed_verbs.begin(), before.allowed_verbs.end(),
                                 part ? "resume" : verb) != before.allowed_verbs.end();
  if (!allowed && verb == "pause" && before.shown_status == ExecutionStatus::paused)
    return answer("it is paused");
  if (!allowed) {
    return Error(ErrorType::invalid_state, "execution " + std::to_string(before.row.number) +
                                               " is " +
                                               std::string(to_string(before.shown_status)) +
                                               "; allowed now: " + joined(before.allowed_verbs));
  }
  if (verb == "cancel") {
    // The same way as for a dead owner's: recovery settles what is open, cleans up, and the cancel
    // wins.
    DUNLIN_ASSIGN(const std::unique_ptr<Execution> execution,
                  own(id, goal_of(before.row), false, writes_nothing(goal_of(before.row))));
    execution->cancel_at_start(actor);
    const Outcome outcome = execution->run();
    if (outcome.status == ExecutionStatus::cancelled) return answer("cancelled");
    return outcome.reason.value_or(
        Error(ErrorType::temporary_failure, "it could not be cancelled"));
  }
  if (verb == "skip") {
    DUNLIN_ASSIGN(const std::unique_ptr<Execution> execution,
                  own(id, Goal::migrate, false, writes_nothing(Goal::migrate)));
    DUNLIN_ASSIGN(const std::int64_t skipped, execution->skip_now(arguments, actor));
    return answer(std::to_string(skipped) + (skipped == 1 ? " item skipped" : " items skipped"));
  }
  if (part || verb == "limits" || verb == "priority") {
    DUNLIN_ASSIGN(const std::unique_ptr<Execution> execution,
                  own(id, goal_of(before.row), false, writes_nothing(goal_of(before.row))));
    DUNLIN_ASSIGN(const std::string message, execution->change_now(verb, arguments, actor));
    return answer(verb == "resume" ? message : message + ", from its next start");
  }
  return Error(ErrorType::invalid_state, "'" + verb +
                                             "' needs a running execution; `dunlin resume " +
                                             std::to_string(before.row.number) + "` starts it");
}

}  // namespace dunlin::engine
