// See claims.h.
#include "engine/claims.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "engine/creation.h"
#include "engine/plan.h"

namespace dunlin::engine {
namespace {

using store::ExecutionStatus;

/// The line in state.db may be of an owner that died: then the ledger knows better.
Result<ExecutionStatus> status_of(store::StateDirectory& state,
                                  const store::ExecutionSummary& other) {
  DUNLIN_ASSIGN(const bool live, state.owned(other.id));
  if (live) return other.status;
  DUNLIN_ASSIGN(const auto ledger, state.open_ledger(other.id, true));
  DUNLIN_ASSIGN(const store::ExecutionRow row, ledger->execution());
  return row.status;
}

bool waits_for(const store::ExecutionSummary& one, const store::ExecutionSummary& other) {
  return std::any_of(one.depends_on.begin(), one.depends_on.end(), [&](const std::string& id) {
    return id == other.id.value || id == other.plan_id.value;
  });
}

Error busy(store::StateDirectory& state, const store::ExecutionSummary& other,
           ExecutionStatus status, const Claim& claim) {
  const std::string number = std::to_string(other.number);
  Error error(ErrorType::destination_busy, "execution " + number + " (" +
                                               std::string(to_string(status)) +
                                               ") writes the same destination: " + claim);
  const auto owned = state.owned(other.id);
  error.remediation = owned.ok() && *owned
                          ? "wait for it (`dunlin watch " + number +
                                "`), or stop it with `dunlin cancel " + number + "`"
                          : "go on with it (`dunlin resume " + number +
                                "`), or give it up with `dunlin cancel " + number + "`";
  return error;
}

}  // namespace

std::vector<Claim> shown_claims(const std::vector<Claim>& claims) {
  std::vector<Claim> shown;
  std::copy_if(claims.begin(), claims.end(), std::back_inserter(shown),
               [](const Claim& claim) { return !claim.starts_with(kSamePlace); });
  return shown;
}

std::optional<Claim> overlapping_claim(const std::vector<Claim>& ours,
                                       const std::vector<Claim>& theirs) {
  const Claim* shown = nullptr;
  for (const Claim& claim : theirs) {
    if (shown == nullptr || !claim.starts_with(kSamePlace)) shown = &claim;
    const bool overlaps = std::any_of(ours.begin(), ours.end(),
                                      [&](const Claim& own) { return claims_overlap(own, claim); });
    if (overlaps) return *shown;
  }
  return std::nullopt;
}

bool holds_destination(ExecutionStatus status) {
  return status == ExecutionStatus::pending || status == ExecutionStatus::running ||
         status == ExecutionStatus::paused || status == ExecutionStatus::rolling_back;
}

Status check_claims(store::StateDirectory& state, const store::ExecutionSummary& own,
                    std::int64_t up_to) {
  DUNLIN_ASSIGN(const std::vector<store::ExecutionSummary> others, state.store().executions());
  for (const store::ExecutionSummary& other : others) {
    if (other.id == own.id || other.number > up_to || !holds_destination(other.status)) continue;
    // The one begins when the other has completed (dependencies.h), so they never write together.
    if (waits_for(own, other)) continue;
    if (other.status == ExecutionStatus::pending && waits_for(other, own)) continue;
    const auto claim = overlapping_claim(own.claims, other.claims);
    if (!claim) continue;
    DUNLIN_ASSIGN(const bool unborn, drop_unborn(state, other.id));
    if (unborn) continue;
    DUNLIN_ASSIGN(const ExecutionStatus status, status_of(state, other));
    if (!holds_destination(status)) continue;
    return busy(state, other, status, *claim);
  }
  return success();
}

Status claim_again(store::StateDirectory& state, const store::ExecutionRow& row,
                   ExecutionStatus becomes) {
  DUNLIN_ASSIGN(const UniqueFd turn, creation_turn(state));
  DUNLIN_ASSIGN(store::ExecutionSummary own, state.store().execution(row.id));
  DUNLIN_TRY(check_claims(state, own, std::numeric_limits<std::int64_t>::max()));
  own.status = becomes;
  state.store().put_execution(own).ignore("a full disk must not keep a rollback from freeing it");
  return success();
}

}  // namespace dunlin::engine
