// The folders that an execution has in its destination root: old versions (undo), large files half
// copied (part). Names: records.h.
#pragma once

#include <string>

#include "engine/run.h"
#include "fs/directory.h"

namespace dunlin::files {

/// Removes the folder with all that is in it; absent is success. It may be repeated after an error
/// or a crash. `until_cancelled` false: also when the execution is cancelled. Any thread.
[[nodiscard]] Status remove_own_folder(const fs::Directory& root, const std::string& name,
                                       engine::RunContext& context, bool until_cancelled);

}  // namespace dunlin::files
