// See dependencies.h.
#include "engine/dependencies.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "base/text.h"
#include "engine/settings.h"
#include "engine/test_run.h"

namespace dunlin::engine {
namespace {

using store::ExecutionStatus;
using store::ExecutionSummary;

/// Dry runs and tests do not do what is waited for.
bool counts(const store::ExecutionRow& row) {
  return row.mode != kDryRun && row.mode != kTest;
}

class Looker {
 public:
  [[nodiscard]] static Result<Looker> make(store::StateDirectory& state, const PlanId& waiting) {
    Looker looker(state);
    DUNLIN_ASSIGN(looker.executions_, state.store().executions());
    std::sort(looker.executions_.begin(), looker.executions_.end(),
              [](const auto& a, const auto& b) { return a.number > b.number; });
    DUNLIN_ASSIGN(const auto last, looker.newest(waiting.value, [](const store::ExecutionRow& row) {
      return row.status == ExecutionStatus::completed;
    }));
    if (last) looker.completed_before_ms_ = last->created_ms;
    return looker;
  }

  Result<Dependency> look(const std::string& id) {
    Dependency found;
    found.id = id;
    const auto plan = state_.store().plan(PlanId(id));
    const auto named = std::find_if(executions_.begin(), executions_.end(),
                                    [&](const auto& one) { return one.id.value == id; });
    const bool execution = named != executions_.end();
    const auto any = [](const store::ExecutionRow&) { return true; };
    std::optional<store::ExecutionRow> row;
    if (execution) {
      DUNLIN_ASSIGN(row, row_of(*named));
    } else {
      DUNLIN_ASSIGN(row, newest(id, any));
    }
    if (plan.ok()) found.name = "plan " + id + " (" + printable(plan->name) + ")";
    if (!plan.ok())
      found.name = execution ? "execution " + std::to_string(named->number) + " (" +
                                   printable(named->description) + ")"
                             : "plan " + id;
    if (!row) {
      found.may_come = plan.ok();
      found.state = plan.ok() ? "has never run" : "is not there any more";
      found.remedy = plan.ok() ? "run it first: `dunlin run " + id + "`"
                               : "take it out of depends_on, and store the plan again";
      return found;
    }
    describe(*row, execution, found);
    return found;
  }

 private:
  explicit Looker(store::StateDirectory& state) : state_(state) {}

  Result<std::optional<store::ExecutionRow>> row_of(const ExecutionSummary& summary) {
    DUNLIN_ASSIGN(const bool born, state_.has_ledger(summary.id));
    if (!born) return std::optional<store::ExecutionRow>();  // being made now
    DUNLIN_ASSIGN(const auto ledger, state_.open_ledger(summary.id, true));
    DUNLIN_ASSIGN(store::ExecutionRow row, ledger->execution());
    return std::optional(std::move(row));
  }

  Result<std::optional<store::ExecutionRow>> newest(
      const std::string& plan, const std::function<bool(const store::ExecutionRow&)>& wanted) {
    for (const ExecutionSummary& summary : executions_) {
      if (plan.empty() || summary.plan_id.value != plan) continue;
      DUNLIN_ASSIGN(auto row, row_of(summary));
      if (row && counts(*row) && wanted(*row)) return row;
    }
    return std::optional<store::ExecutionRow>();
  }

  void describe(const store::ExecutionRow& row, bool execution, Dependency& found) const {
    const std::string number = std::to_string(row.number);
    const std::string who = execution ? "" : "execution " + number + " of it ";
    const auto again = [&] {
      return execution ? "`dunlin status " + number + "` says more"
                       : "run it again: `dunlin run " + found.id + "`";
    };
    switch (row.status) {
      case ExecutionStatus::completed:
        found.met = execution || row.ended_ms > completed_before_ms_;
        found.state = who + "has completed";
        if (found.met) return;
        found.may_come = true;
        found.state += " before the last run of this plan, and not since";
        found.remedy = again();
        return;
      case ExecutionStatus::failed:
        found.state = who + "has failed" + cause_of(row);
        found.remedy =
            "mend the cause (`dunlin errors " + number + "`), then `dunlin resume " + number + "`";
        return;
      case ExecutionStatus::cancelled:
        found.state = who + "was cancelled";
        found.remedy = again();
        return;
      case ExecutionStatus::rolled_back:
        found.state = who + "was rolled back";
        found.remedy = again();
        return;
      case ExecutionStatus::pending:
      case ExecutionStatus::running:
      case ExecutionStatus::paused:
      case ExecutionStatus::rolling_back:
        break;
    }
    const auto owned = state_.owned(row.id);
    const bool live = owned.ok() && *owned;
    found.may_come = row.status != ExecutionStatus::rolling_back;
    found.state = who + (live ? "is " + std::string(to_string(row.status))
                         : row.status == ExecutionStatus::pending ? "has not begun"
                                                                  : "is paused");
    found.remedy = live ? "wait for it: `dunlin watch " + number + "`, or --wait"
                        : "go on with it: `dunlin resume " + number + "`";
  }

  static std::string cause_of(const store::ExecutionRow& row) {
    const auto reason = parse_json(row.reason_json);
    const std::string message = reason.ok() ? string_or(*reason, "message", "") : "";
    return message.empty() ? "" : ": " + printable(message);
  }

  store::StateDirectory& state_;
  std::vector<ExecutionSummary> executions_;  ///< the newest first
  std::int64_t completed_before_ms_ = 0;
};

}  // namespace

Result<std::vector<Dependency>> dependencies_of(store::StateDirectory& state,
                                                const std::vector<std::string>& ids,
                                                const PlanId& waiting) {
  std::vector<Dependency> found;
  if (ids.empty()) return found;
  DUNLIN_ASSIGN(Looker looker, Looker::make(state, waiting));
  for (const std::string& id : ids) {
    DUNLIN_ASSIGN(Dependency one, looker.look(id));
    found.push_back(std::move(one));
  }
  return found;
}

Status all_met(const std::vector<Dependency>& dependencies) {
  std::string what;
  std::string remedy;
  for (const Dependency& one : dependencies) {
    if (one.met) continue;
    what += (what.empty() ? "" : "; ") + one.name + ": " + one.state;
    remedy += (remedy.empty() ? "" : "; ") + one.remedy;
  }
  if (what.empty()) return success();
  Error error(ErrorType::preflight_refused, "it waits for what has not completed: " + what);
  error.remediation = remedy;
  return error;
}

std::vector<std::string> waits_for(const store::PlanRow& row) {
  std::vector<std::string> ids;
  const auto document = parse_json(row.document_json, "stored plan");
  if (!document.ok()) return ids;
  const Json* value = find_member(*document, "depends_on");
  if (value == nullptr) return ids;
  const Json list = value->is_array() ? *value : Json::array({*value});
  for (const Json& one : list)
    if (one.is_string()) ids.push_back(one.get<std::string>());
  return ids;
}

Result<std::vector<std::string>> dependency_cycle(store::StateDirectory& state, const PlanId& plan,
                                                  const std::vector<std::string>& ids) {
  DUNLIN_ASSIGN(const auto rows, state.store().plans());
  std::map<std::string, std::vector<std::string>> next;
  for (const store::PlanRow& row : rows) next[row.id.value] = waits_for(row);
  next[plan.value] = ids;
  // Each plan is looked at once: what leads to no circle does not lead to one by another way.
  std::vector<std::string> way{plan.value};
  std::set<std::string> seen;
  const std::function<bool(const std::string&)> leads_back = [&](const std::string& at) {
    for (const std::string& one : next[at]) {
      if (one == plan.value) return true;
      if (!seen.insert(one).second || !next.contains(one)) continue;
      way.push_back(one);
      if (leads_back(one)) return true;
      way.pop_back();
    }
    return false;
  };
  if (!leads_back(plan.value)) return std::vector<std::string>{};
  way.push_back(plan.value);
  return way;
}

Result<std::vector<store::PlanRow>> plans_waiting_for(store::StateDirectory& state,
                                                      const PlanId& plan) {
  DUNLIN_ASSIGN(auto rows, state.store().plans());
  std::erase_if(rows, [&](const store::PlanRow& row) {
    const auto ids = waits_for(row);
    return row.id == plan || std::find(ids.begin(), ids.end(), plan.value) == ids.end();
  });
  return rows;
}

}  // namespace dunlin::engine
