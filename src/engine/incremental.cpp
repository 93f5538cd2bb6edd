// See incremental.h.
#include "engine/incremental.h"

#include <algorithm>

#include "base/logging.h"
#include "engine/claims.h"
#include "engine/plan_schema.h"

namespace dunlin::engine {
namespace {

/// What a plan does, without what it is called and how it is run.
Json work_of(Json document) {
  for (const auto& [key, value] : common_keys().items()) document.erase(key);
  for (const char* key : {"settings", "config"}) document.erase(key);
  return document;
}

/// What a person has skipped was not done. Messages of which there are too many to be counted one
/// by one have no text; such may be among them.
bool was_skipped_by_a_person(const store::Remark& remark) {
  return remark.status == store::ItemStatus::skipped &&
         (remark.text.empty() || remark.text.starts_with(store::kSkippedBy));
}

Result<bool> has_left_nothing(const store::Ledger& ledger, const store::ExecutionRow& row) {
  const store::Counters& counters = row.counters;
  if (row.status != store::ExecutionStatus::completed || store::all_failed(counters) > 0 ||
      counters.failed_batches > 0 || store::all_rolled_back(counters) > 0)
    return false;
  if (row.mode == "full") return counters.skipped_items == 0;
  if (row.mode != kIncremental) return false;
  DUNLIN_ASSIGN(const auto remarks, ledger.remarks());
  return std::none_of(remarks.begin(), remarks.end(), was_skipped_by_a_person);
}

/// As it is now; nullopt: its record was deleted, so nothing of it can be taken back any more.
Result<std::optional<store::ExecutionRow>> still_stands(store::StateDirectory& state,
                                                        const ExecutionId& id, bool& stands) {
  stands = true;
  DUNLIN_ASSIGN(const bool there, state.has_ledger(id));
  if (!there) return std::optional<store::ExecutionRow>();
  DUNLIN_ASSIGN(const auto ledger, state.open_ledger(id, true));
  DUNLIN_ASSIGN(store::ExecutionRow row, ledger->execution());
  DUNLIN_ASSIGN(stands, has_left_nothing(*ledger, row));
  return std::optional(std::move(row));
}

/// The number of the first of those that it builds on, and they on, of which something was taken
/// back; 0: none.
Result<std::int64_t> first_fallen(store::StateDirectory& state, const store::ExecutionRow& row) {
  std::optional<store::Baseline> below = row.baseline;
  while (below) {
    bool stands = true;
    DUNLIN_ASSIGN(const auto next, still_stands(state, below->execution, stands));
    if (!stands) return below->number;
    below = next ? next->baseline : std::nullopt;
  }
  return 0;
}

}  // namespace

bool same_work(const Json& one, const Json& other) {
  return work_of(one) == work_of(other);
}

Status check_incremental(const Kind& kind, const Plan& plan) {
  const std::string why = kind.why_not_incremental(plan);
  if (why.empty()) return success();
  Error error(ErrorType::invalid_input,
              "this plan of kind " + std::string(kind.name()) + " cannot be incremental: " + why);
  error.remediation = "run it without --incremental (mode: full)";
  return error;
}

Status check_baseline(store::StateDirectory& state, const store::ExecutionRow& row) {
  DUNLIN_ASSIGN(const std::int64_t fallen, first_fallen(state, row));
  if (fallen == 0) return success();
  Error error(ErrorType::invalid_state, "execution " + std::to_string(row.number) +
                                            " builds on execution " + std::to_string(fallen) +
                                            ", which does not stand any more");
  error.remediation = "`dunlin rollback " + std::to_string(row.number) +
                      "`, or leave it as it is, and run the plan anew";
  return error;
}

Result<std::optional<store::Baseline>> find_baseline(store::StateDirectory& state, const Kind& kind,
                                                     const Plan& plan,
                                                     const std::vector<Claim>& claims) {
  DUNLIN_ASSIGN(std::vector<store::ExecutionSummary> earlier, state.store().executions());
  std::erase_if(earlier, [&](const store::ExecutionSummary& one) {
    return one.kind != plan.kind || one.status != store::ExecutionStatus::completed ||
           !overlapping_claim(claims, one.claims);
  });
  std::sort(earlier.begin(), earlier.end(),
            [](const auto& one, const auto& other) { return one.number > other.number; });
  for (const store::ExecutionSummary& summary : earlier) {
    bool stands = false;
    const auto row = still_stands(state, summary.id, stands);
    if (!row.ok()) {
      log_warn("cannot build on execution {}: {}", summary.number, row.error().text());
      continue;
    }
    if (!stands || !*row) continue;
    const auto document = parse_json((*row)->plan_json, "stored plan");
    if (!document.ok() || !same_work(*document, plan.document)) continue;
    const auto roots = kind.has_roots_of(plan, (*row)->roots);
    if (!roots.ok() || !*roots) continue;  // what is not there is for the checks to say
    const auto fallen = first_fallen(state, **row);
    if (!fallen.ok() || *fallen != 0) continue;
    return std::optional(
        store::Baseline{(*row)->id, (*row)->number, (*row)->created_ms, (*row)->roots});
  }
  return std::optional<store::Baseline>();
}

}  // namespace dunlin::engine
