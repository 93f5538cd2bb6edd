// Recordings of dunlin at work, and what becomes of it when the power is cut at many moments of
// each. See README.md. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "judge.h"
#include "mounts.h"

namespace dunlin::power {

struct Options {
  std::string binary;
  std::string scratch;  ///< a folder in memory or on a disk with 3 GiB free
  std::string keep;     ///< where the disks of the first cut that fails are kept; may be empty
  std::uint64_t seed = 1;
  int cuts = 15;
  int cuts_each = 10;  ///< of one recording
};

struct Tally {
  std::string file_system;
  int recordings = 0;
  int cuts = 0;
  int on_the_same_disk = 0;  ///< with the state directory on the disk that is copied to
  int in_recovery = 0;       ///< while a resume was under way
  int in_pause = 0;          ///< while it paused, or after
  int in_rollback = 0;
  int in_moves = 0;
  int rollbacks = 0;  ///< taken back after the cut and the resume
  int again = 0;      ///< nothing was on record, so it was run anew
  std::map<Phase, int> phases;
  std::size_t events = 0;
  std::size_t at_stake = 0;   ///< writes that no flush had covered, over all cuts
  std::size_t completed = 0;  ///< items called done, over all cuts
  std::size_t names_ahead = 0;
  std::size_t temporaries = 0;
  std::vector<std::string> failures;
};

/// Cuts the power `options.cuts` times. Throws std::runtime_error when nothing can be shown (no
/// rights, no room, a program that is missing).
[[nodiscard]] Tally cut_power(const Options& options, const FileSystem& file_system);

}  // namespace dunlin::power
