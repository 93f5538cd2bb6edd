// The part of the host that knows parts of the work: those that a person holds back, lets go, or
// wants first (engine.md ), takes back, or no longer takes for done.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/crash_point.h"
#include "base/text.h"
#include "engine/engine.h"
#include "engine/host.h"
#include "engine/resume_point.h"
#include "engine/test_run.h"

namespace dunlin::engine {
namespace {

constexpr const char* kSelectorKeys[] = {"path", "entity", "type"};
constexpr std::size_t kTasksMax = 10'000;

/// Without what only some verbs know.
Json selector_of(const Json& arguments) {
  Json out = Json::object();
  for (const char* key : kSelectorKeys) {
    if (const Json* value = find_member(arguments, key); value != nullptr) out[key] = *value;
  }
  return out;
}

std::string joined_flags(const std::vector<Selector>& parts) {
  std::string out;
  for (const Selector& part : parts) out += (out.empty() ? "" : "; ") + selector_flags(part);
  return out;
}

Error not_held(const Selector& part, const std::vector<Selector>& held) {
  const std::string flags = selector_flags(part);
  if (held.empty()) return Error(ErrorType::not_found, "nothing is held back");
  return Error(ErrorType::not_found,
               fmt::format("{} is not held back; held back: {}", flags, joined_flags(held)));
}

}  // namespace

Status Execution::Host::have_run() {
  if (!run_) {
    DUNLIN_ASSIGN(run_, open_run());
  }
  return success();
}

Status Execution::Host::roll_back_part(const Json& part) {
  using store::ExecutionStatus;
  store::ExecutionRow& row = parts.row;
  const std::string number = std::to_string(row.number);
  const auto refused = [](std::string text, std::string remediation) {
    Error error(ErrorType::invalid_state, std::move(text));
    error.remediation = std::move(remediation);
    return error;
  };
  parts.undo_selector.reset();
  if (part.empty()) {
    row.rollback_part.reset();
    return success();
  }
  const bool begun = row.phase == "rolling_back" && row.status != ExecutionStatus::cancelled;
  if (row.status == ExecutionStatus::rolled_back)
    return refused("execution " + number + " was taken back as a whole",
                   "`dunlin rollback " + number + "` tries again what it left alone");
  if (begun && !row.rollback_part)
    return refused("execution " + number + " is being taken back as a whole",
                   "`dunlin resume " + number + "` goes on with that");
  DUNLIN_TRY(have_run());
  if (run_->commit_scope() == CommitScope::execution)
    return refused("it has committed all or nothing, so no part of it can be taken back",
                   "`dunlin rollback " + number + "` takes back all of it");
  DUNLIN_ASSIGN(parts.undo_selector, undo_selector_from(part));
  DUNLIN_ASSIGN(const bool any, any_of_part(*parts.undo_selector));
  if (!any)
    return Error(ErrorType::not_found,
                 "nothing that was done and can be taken back by itself matches; `dunlin items " +
                     number + " --status completed` lists what was done");
  if (!row.rollback_part) {
    const bool orphaned = row.status == ExecutionStatus::running;
    row.rollback_part = {"", orphaned ? ExecutionStatus::paused : row.status,
                         row.phase == "rolling_back" ? "reporting" : row.phase, row.reason_json};
  }
  row.rollback_part->of_json = dump_json(part);
  return success();
}

Result<Execution::Doubted> Execution::Host::resume_from(const Json& point,
                                                        const std::string& actor) {
  const std::int64_t number = parts.row.number;
  if (parts.row.mode == kDryRun) return nothing_done(number);
  if (is_test()) return only_a_test(number);
  DUNLIN_TRY(have_run());
  if (run_->commit_scope() == CommitScope::execution)
    return Error(ErrorType::invalid_state,
                 "it commits all or nothing, so there is no point in between to go on from");
  if (dynamic_cast<const SettlesDoubt*>(run_.get()) == nullptr)
    return Error(ErrorType::invalid_input,
                 "of kind " + parts.row.kind + " nothing that was done can be looked at again yet");
  if (parts.plan.settings.rolls_back_failure()) {
    Error error(ErrorType::invalid_state,
                "were it to fail, all that it did would be taken back (on_failure: rollback)");
    error.remediation = "`dunlin verify " + std::to_string(number) +
                        "` says what does not hold; a new run of the plan makes it good";
    return error;
  }
  DUNLIN_ASSIGN(const std::optional<BatchId> from, first_in_doubt(*parts.ledger, point));
  if (!from && has_ended(parts.row.status))
    return Error(ErrorType::not_found, "nothing was done after that checkpoint");
  if (!from) return Doubted{};
  DUNLIN_TRY(roots_are_there());
  Doubted doubted{*from, 0, 0};
  std::vector<store::Mutation> mutations;
  if (parts.row.status == store::ExecutionStatus::running)  // its owner was killed
    mutations.emplace_back(
        store::SetStatus{store::ExecutionStatus::paused, "", "", "engine", std::nullopt});
  mutations.emplace_back(store::DoubtBatches{*from, actor});
  DUNLIN_CRASH_POINT("engine.doubt.before");
  DUNLIN_ASSIGN(const std::vector<Status> results, parts.ledger->apply(parts.row.epoch, mutations));
  for (const Status& result : results) DUNLIN_TRY(result);
  DUNLIN_CRASH_POINT("engine.doubt.after");
  DUNLIN_ASSIGN(const std::vector<store::BatchRow> open, parts.ledger->open_batches());
  for (const store::BatchRow& batch : open) {
    if (!batch.doubted) continue;
    ++doubted.batches;
    doubted.items += batch.item_count;
  }
  DUNLIN_ASSIGN(parts.row, parts.ledger->execution());
  const std::lock_guard lock(progress_mutex_);
  counters_ = parts.row.counters;
  row_ = parts.row;
  phase_ = parts.row.phase;
  meter_.begin(counters_.transferred_bytes);
  return doubted;
}

/// Before anything is doubted that only they could settle.
Status Execution::Host::roots_are_there() {
  if (parts.row.roots.empty()) return success();
  make_parts();
  std::string roots;
  Status same = success();
  {
    PlainContext context(*shared_, cancel_.token());
    same = check_roots(context, roots);
  }
  shared_.reset();
  aside_.reset();
  pool_.reset();
  writer_.reset();
  return same;
}

Status Execution::Host::take_back_failure(const std::string& actor) {
  const std::string milestone(kFailureTakenBack);
  const std::vector<store::Mutation> mutations{
      store::AddAudit{actor, "execution." + milestone, "{}"}, store::AddMilestone{milestone}};
  DUNLIN_CRASH_POINT("engine.take_back_failure.before");
  DUNLIN_ASSIGN(const std::vector<Status> results, parts.ledger->apply(parts.row.epoch, mutations));
  for (const Status& result : results) DUNLIN_TRY(result);
  return success();
}

Result<bool> Execution::Host::any_of_part(const UndoSelector& part) {
  store::ItemFilter filter;
  filter.status = store::ItemStatus::completed;
  if (part.item.valid()) filter.item = part.item;
  if (part.batch.valid()) filter.batch = part.batch;
  store::BatchRow batch;
  for (;;) {
    DUNLIN_ASSIGN(const std::vector<store::ItemRow> page, parts.ledger->items(filter));
    for (const store::ItemRow& item : page) {
      if (item.batch != batch.id) {
        DUNLIN_ASSIGN(batch, parts.ledger->batch(item.batch));
      }
      if (is_of_part(part, *run_, batch, item)) return true;
    }
    if (page.size() < filter.limit) return false;
    filter.after = page.back().id;
  }
}

Result<std::string> Execution::Host::change_parts(const std::string& verb, const Json& arguments) {
  if (parts.goal != Goal::migrate)
    return Error(ErrorType::invalid_state, "only a migration has parts that can wait");
  DUNLIN_TRY(have_run());
  if (run_->commit_scope() == CommitScope::execution)
    return Error(ErrorType::invalid_state,
                 "it commits all or nothing, so no part of it can wait; pause all of it");
  std::vector<Selector> held = *limits_.held();
  std::string message;
  if (boolean_or(arguments, "held", false) && verb == "resume") {
    if (held.empty()) return Error(ErrorType::not_found, "nothing is held back");
    message = "goes on with " + joined_flags(held);
    held.clear();
  } else {
    DUNLIN_ASSIGN(const Selector part, selector_from(selector_of(arguments)));
    const auto found = std::find(held.begin(), held.end(), part);
    if (verb == "pause" && found == held.end()) held.push_back(part);
    if (verb == "resume" && found == held.end()) return not_held(part, held);
    if (verb == "resume") held.erase(found);
    message = (verb == "pause" ? "held back: " : "goes on with ") + selector_flags(part);
  }
  LimitChange change;
  change.selective_pause = std::move(held);
  {
    const std::lock_guard lock(hold_mutex_);
    limits_.apply(change);
  }
  if (verb == "pause") interrupt_held();
  return message;
}

/// Batches under way that hold such items end as for a pause, and begin again without them.
void Execution::Host::interrupt_held() {
  std::vector<BatchId> running;
  {
    const std::lock_guard lock(running_mutex_);
    for (const auto& [id, source] : running_) running.push_back(id);
  }
  const LiveLimits::Parts held = limits_.held();
  const auto is_held = [&](const store::ItemRow& item) {
    return std::any_of(held->begin(), held->end(),
                       [&](const Selector& part) { return run_->matches(part, item); });
  };
  for (const BatchId id : running) {
    const auto items = parts.ledger->items_of(id, true);
    // Where the ledger cannot say, it waits for nobody: the batch finds out when it begins again.
    if (items.ok() && std::none_of(items->begin(), items->end(), is_held)) continue;
    const std::lock_guard lock(running_mutex_);
    if (const auto found = running_.find(id); found != running_.end())
      found->second->request(CancelReason::pause);
  }
}

Result<std::vector<BatchId>> Execution::Host::pending_batches(const Json& selector) {
  DUNLIN_ASSIGN(const Selector part, selector_from(selector));
  DUNLIN_TRY(have_run());
  std::vector<BatchId> found;
  store::ItemFilter page;
  page.unstarted = true;
  for (;;) {
    DUNLIN_ASSIGN(const std::vector<store::ItemRow> items, parts.ledger->items(page));
    for (const store::ItemRow& item : items) {
      const bool known = !found.empty() && found.back() == item.batch;
      if (!known && run_->matches(part, item)) found.push_back(item.batch);
    }
    if (items.size() < page.limit) return found;
    page.after = items.back().id;
  }
}

Status Execution::Host::reorder(coordinator::Control& control, const Json& arguments) {
  if (parts.goal != Goal::migrate)
    return Error(ErrorType::invalid_state, "only what is still to be migrated can be reordered");
  const std::string name = string_or(arguments, "priority", "");
  const auto priority = store::priority_from(name);
  if (!priority)
    return Error(ErrorType::invalid_input, "priority is immediate, high, normal, low or scheduled");
  store::SetPriority change;
  change.to = *priority;
  std::size_t batches = 0;
  if (const std::int64_t task = integer_or(arguments, "task", 0); task > 0) {
    DUNLIN_ASSIGN(const std::vector<store::TaskRow> tasks, parts.ledger->tasks(kTasksMax));
    const auto found = std::find_if(tasks.begin(), tasks.end(), [&](const store::TaskRow& one) {
      return one.id.value == task;
    });
    if (found == tasks.end())
      return Error(ErrorType::not_found, fmt::format("there is no task {}", task));
    change.task = found->id;
    batches = static_cast<std::size_t>(found->batches - found->ended_batches);
  } else if (const std::int64_t batch = integer_or(arguments, "batch", 0); batch > 0) {
    const auto row = parts.ledger->batch(BatchId(batch));
    if (!row.ok()) return Error(ErrorType::not_found, fmt::format("there is no batch {}", batch));
    if (row->status == store::BatchStatus::pending) change.batches = {BatchId(batch)};
    batches = change.batches.size();
  } else {
    DUNLIN_ASSIGN(change.batches, pending_batches(selector_of(arguments)));
    batches = change.batches.size();
  }
  if (batches == 0)
    return Error(ErrorType::not_found,
                 "nothing of it waits: it has begun, ended, or is not listed yet");
  control.message = fmt::format("{} {} now {}", batches, batches == 1 ? "batch is" : "batches are",
                                store::to_string(*priority));
  control.changes.emplace_back(std::move(change));
  return success();
}

}  // namespace dunlin::engine
