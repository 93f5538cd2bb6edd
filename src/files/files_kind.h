// The kind `files`: moves files between directories and disks (files.md). Registered by main.cpp.
#pragma once

#include <memory>

#include "engine/kind.h"
#include "fs/disks.h"
#include "fs/types.h"
#include "sandbox/parser_process.h"

namespace dunlin::files {

/// `features`: tests take kernel features away, to run the fallbacks on any machine. `parser`: who
/// looks into files; by default this very program, whose main() must know sandbox::kParserWord.
/// `disks`: where to look for those that plans name.
[[nodiscard]] std::unique_ptr<engine::Kind> make_files_kind(fs::Features features = {},
                                                            sandbox::ParserCommand parser = {},
                                                            fs::DiskPlaces disks = {});

}  // namespace dunlin::files
