// Two processes that swap what dunlin is working on for symlinks to the outside, and back.
//
// Each swap is made relative to a held descriptor of the parent that was reached without a symlink:
// an attacker never touches the outside, not even by the other's symlinks. The two have different
// directories, so what one swaps back is what it has swapped. Started by root they run as kNobody.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace dunlin::attack {

struct Target {
  std::string source;       ///< the root of the source
  std::string destination;  ///< the folder at the destination that the attackers own
  std::string prefix;       ///< of the tree below `destination`: its root is attacked as well
  std::string outside;
  /// In percent of the swaps; the rest is for the destination.
  unsigned source_share = 50;
};

struct Counts {
  std::int64_t swaps = 0;         ///< all of them
  std::int64_t temporaries = 0;   ///< .dunlin-* that became a symlink
  std::int64_t undo_folders = 0;  ///< .dunlin-undo-* that became a symlink

  Counts& operator+=(const Counts& more);
};

struct SharedCounts;  // memory of all three processes

class Attackers {
 public:
  /// They work when this returns. `seed` decides what they aim at and how fast they are.
  Attackers(const Target& target, std::uint64_t seed);
  ~Attackers();
  Attackers(const Attackers&) = delete;
  Attackers& operator=(const Attackers&) = delete;

  [[nodiscard]] Counts counts() const;
  /// Until both have swapped back and ended; what went wrong, empty if nothing. Once.
  [[nodiscard]] std::string stop();

 private:
  SharedCounts* shared_ = nullptr;
  std::vector<pid_t> children_;
};

}  // namespace dunlin::attack
