// Which places a plan writes, under names by which two plans find out that they mean the same one
// (engine.md X-4): whatever symlinks, '..', bind mounts or folded names lead there. Any thread.
#pragma once

#include <string>
#include <vector>

#include "engine/kind.h"
#include "files/layout.h"
#include "files/plan.h"

namespace dunlin::files {

/// For each place two: "file:" with its path free of symlinks, and behind it (engine::kSamePlace)
/// where that lies in its file system. What is not there yet is named by what is there above it.
[[nodiscard]] std::vector<engine::Claim> claims_of(const FilesPlan& plan, const Layout& layout);

}  // namespace dunlin::files
