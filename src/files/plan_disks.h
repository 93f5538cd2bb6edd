// Plans that name disks (files.md F-1, F-2): where those are mounted, their paths begin. Any
// thread.
#pragma once

#include "base/result.h"
#include "files/plan.h"
#include "fs/disks.h"

namespace dunlin::files {

/// The plan with every path absolute; the same where it names no disk. Looks at what is mounted
/// now: not_found and invalid_input as Disks::mount_point(), and what only shows when the disks are
/// known (two sources with one name).
[[nodiscard]] Result<FilesPlan> on_disks(FilesPlan plan, const fs::DiskPlaces& places = {});

}  // namespace dunlin::files
