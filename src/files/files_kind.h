// The kind `files`: moves files between directories and disks (files.md). Registered by main.cpp.
#pragma once

#include <memory>

#include "engine/kind.h"
#include "fs/types.h"

namespace dunlin::files {

/// `features`: tests take kernel features away, to run the fallbacks on any machine.
[[nodiscard]] std::unique_ptr<engine::Kind> make_files_kind(fs::Features features = {});

}  // namespace dunlin::files
