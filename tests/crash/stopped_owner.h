// A stopped owner that goes on after a take-over writes nothing.
#pragma once

#include "loop.h"

namespace dunlin::crash {

/// Stops the owner (SIGSTOP) at each publishing point, takes the execution over by force, lets the
/// new owner end it, and lets the old one go on: destination, counters and ledger must stay as they
/// are.
[[nodiscard]] Tally stop_owners(const Options& options, const std::string& scenario);

}  // namespace dunlin::crash
