// The source, and the older destination that it is copied over. Made once for each run of the
// program; all functions throw std::runtime_error. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "judge.h"

namespace dunlin::power {

/// Makes and fills `folder`, on a file system that keeps everything (ext4): the adversarial tree
/// (support/adversarial_tree.h), and older versions of a fifth of its files, with other sizes,
/// modes and times, beside files that are nobody's business. Without the entries `refused`, and
/// inode flags as asked.
[[nodiscard]] Trees make_trees(const std::string& folder, std::uint64_t seed,
                               const std::vector<std::string>& refused, bool exact);

/// Of a file that was at the destination and is not in the source.
[[nodiscard]] bool is_theirs(std::string_view name);

}  // namespace dunlin::power
