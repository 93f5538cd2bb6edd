// Claims: the destinations that an execution writes (kind.h), compared so that two of them never
// write one at the same time (engine.md X-4). For engine, kinds and cli; any thread and process.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/kind.h"
#include "store/state_directory.h"

namespace dunlin::engine {

/// A claim that begins so names the place of the claim before it once more, in a way that every
/// other path to it leads to, too. They are compared and not shown.
inline constexpr std::string_view kSamePlace = "place:";
[[nodiscard]] std::vector<Claim> shown_claims(const std::vector<Claim>& claims);

/// The claim of `theirs`, as it is shown, that overlaps with one of `ours`; nullopt: none does.
[[nodiscard]] std::optional<Claim> overlapping_claim(const std::vector<Claim>& ours,
                                                     const std::vector<Claim>& theirs);

/// Unfinished: its destination must not be written by another.
[[nodiscard]] bool holds_destination(store::ExecutionStatus status);

/// With the creation's turn (creation.h). destination_busy when another execution that has not
/// ended claims what this one does, unless one of them waits for the other; those made later than
/// `up_to` are not looked at.
[[nodiscard]] Status check_claims(store::StateDirectory& state, const store::ExecutionSummary& own,
                                  std::int64_t up_to);
/// The same for one that had ended and is begun again for a rollback, a retry or a resume, by the
/// process that owns it: from then on it holds its destination as one that runs. Takes the turn.
[[nodiscard]] Status claim_again(store::StateDirectory& state, const store::ExecutionRow& row,
                                 store::ExecutionStatus becomes);

}  // namespace dunlin::engine
