// Creation: what stands between an execution's line in state.db and its ledger. Both together are
// an execution; a line without a ledger is of a process that died between the two, or of a ledger
// that somebody has removed.
//
// For engine.cpp. Safe from any thread and process.
#pragma once

#include "base/unique_fd.h"
#include "store/state_directory.h"

namespace dunlin::engine {

/// One creation at a time: from the first line in state.db to the whole ledger. Whoever holds it
/// knows that a line without a ledger is of a process that died between the two.
[[nodiscard]] Result<UniqueFd> creation_turn(const store::StateDirectory& state);

/// It has had a ledger, which somebody has removed: state.db knows its audit log.
[[nodiscard]] Result<bool> has_lost_ledger(store::StateDirectory& state, const ExecutionId& id);
[[nodiscard]] Error lost_ledger(const store::StateDirectory& state,
                                const store::ExecutionSummary& summary);

/// With the creation's turn: true when the execution has no ledger; its line is then dropped,
/// unless it has had one: that is not to be forgotten.
[[nodiscard]] Result<bool> drop_unborn(store::StateDirectory& state, const ExecutionId& id);

}  // namespace dunlin::engine
