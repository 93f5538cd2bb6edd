// Random trees, plans and conflicts for foresight_test.cpp: a dry run has to say what the full run
// then does, and a rollback has to give everything back. Made from a seed; one thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/rng.h"

namespace dunlin::e2e {

/// Files, directories, symlinks, sets of hard links and FIFOs below `root`, their names from a
/// small set, so that two such trees clash often.
void make_random_tree(const std::string& root, Rng& rng, int entries);

/// A plan of kind files with both ends, an operation, a conflict policy, rules and settings, all of
/// which may be combined.
[[nodiscard]] Json random_plan(const std::string& source, const std::string& destination, Rng& rng);

/// `untouched`: inode numbers and all three times as well, which only stay where nobody has
/// written. `without_links`: not how many names an inode has.
enum class Look { untouched, all, without_links };
/// One line for each entry of a tree, what an outsider sees of it.
[[nodiscard]] std::vector<std::string> outside_view(const std::string& root, Look look);
/// The same, Look::without_links, by path ("." for the root).
[[nodiscard]] std::map<std::string, std::string> outside_by_path(const std::string& root);

}  // namespace dunlin::e2e
