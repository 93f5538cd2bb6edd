// The crash points of a kind against the table in its README: what is passed must be documented,
// what is documented must exist.
#pragma once

#include "loop.h"

namespace dunlin::crash {

/// Prints each point that an undisturbed run passes with its hits. A failure is a point of the kind
/// (or of `fs`, for files) that its README does not name, or a name there that the program does not
/// have. Points of recovery, undo and fallbacks are named there, too, and need not be passed.
[[nodiscard]] Tally check_points(const Options& options, const std::string& scenario);

}  // namespace dunlin::crash
