// The operations under attack, each repeated on fresh trees until its time is over. One thread.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "attackers.h"
#include "judge.h"

namespace dunlin::attack {

struct Options {
  std::vector<std::string> program;  ///< dunlin, or what stands in for it
  /// Put before it: the program that runs it as on an old kernel. Empty: never.
  std::vector<std::string> old_kernel;
  std::string scratch;  ///< an empty folder
  double seconds = 5;   ///< for each operation
  std::uint64_t seed = 1;
  bool naive = false;  ///< it has to be caught: goes on after a finding, until each witness has one
};

struct Tally {
  std::string operation;
  int rounds = 0;
  int refused = 0;  ///< runs of dunlin that did not end with 0, nor by our hand: it has met us
  int kills = 0;
  int old_kernel = 0;  ///< rounds as on an old kernel
  Counts working;      ///< swaps while dunlin worked
  std::set<Witness> witnesses;
  std::vector<std::string> failures;
};

/// copy: into an empty destination, or one whose directories stand. follow: the same with
/// --follow-symlinks in_tree. overwrite: over an older tree.
/// verify. rollback: of either. resume: after kill -9. into: copy, verify and rollback of a source
/// without a slash at its end, whose root at the destination the attackers own and swap as well.
/// move, move-across: by renames, and to another file system, killed or not, then taken back.
[[nodiscard]] const std::vector<std::string>& operation_names();
/// The witnesses that a program which follows symlinks must call up.
[[nodiscard]] std::set<Witness> expected_witnesses(const std::string& operation);
[[nodiscard]] Tally attack(const Options& options, const std::string& operation);

}  // namespace dunlin::attack
