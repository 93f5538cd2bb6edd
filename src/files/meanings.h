// What a files plan means, in words for its own paths (files.md F-5). Any thread.
#pragma once

#include <vector>

#include "engine/kind.h"
#include "files/plan.h"

namespace dunlin::files {

/// The slash at the end of SRC, symlinks, sets of hard links, what stands in the way, what becomes
/// of the source. Looks at both paths, as layout_now() does.
[[nodiscard]] std::vector<engine::Meaning> meanings(const FilesPlan& plan);

}  // namespace dunlin::files
