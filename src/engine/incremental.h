// Mode `incremental` (engine.md X-3): an execution that takes what has changed since an earlier one
// of the same work. Which one it builds on is found when it is created and recorded with it
// (store::Baseline); what has changed is for the kind to tell (Run::build_on). Any thread.
#pragma once

#include <optional>

#include "engine/kind.h"
#include "store/state_directory.h"

namespace dunlin::engine {

/// Do two plan documents do the same? Names, ids and settings may differ.
[[nodiscard]] bool same_work(const Json& one, const Json& other);

/// invalid_input where such a plan cannot be run as incremental, naming what it can.
[[nodiscard]] Status check_incremental(const Kind& kind, const Plan& plan);

/// The newest execution of the same work (same_work) between the same roots that has left nothing
/// of it open: completed; nothing failed, was skipped by a person or taken back; incremental
/// itself, or one that had to skip nothing (a full one takes what looks the same for the same, so
/// it knows less of that than the one before it); and the same of all that it builds on. nullopt:
/// there is none. `claims` of the plan: executions of other places are not looked at. Opens the
/// ledgers of the others. With the creation's turn.
[[nodiscard]] Result<std::optional<store::Baseline>> find_baseline(
    store::StateDirectory& state, const Kind& kind, const Plan& plan,
    const std::vector<Claim>& claims);

/// invalid_state where something of what it builds on was taken back since.
[[nodiscard]] Status check_baseline(store::StateDirectory& state, const store::ExecutionRow& row);

}  // namespace dunlin::engine
