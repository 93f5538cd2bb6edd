// Random kills that are counted by what the process was doing: a kill at a random moment of a short
// run mostly hits the same phase, so the loop aims at the one that has been hit least.
#pragma once

#include <array>
#include <string_view>

#include "loop.h"

namespace dunlin::crash {

/// `clean_up`: recovery settles what a dead process has left, or a move removes its sources.
enum class Phase : unsigned char { enumeration, copy, verification, commit, clean_up };
inline constexpr std::array<std::string_view, 5> kPhaseNames{"enumeration", "copy", "verification",
                                                             "commit", "clean-up"};

struct PhaseTally {
  Tally tally;
  std::array<int, kPhaseNames.size()> kills{};
};

/// At least `options.random_kills` kills, and at least `each` in every phase; gives up after ten
/// times as many tries, which is a failure.
[[nodiscard]] PhaseTally kill_in_phases(const Options& options, const std::string& scenario,
                                        int each);

}  // namespace dunlin::crash
