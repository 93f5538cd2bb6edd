// The listing of a source tree into batches. See enumerate.cpp.
#pragma once

#include "engine/run.h"
#include "files/site.h"

namespace dunlin::files {

/// Names of task types, as the originals have them.
inline constexpr std::string_view kCreateDirectory = "create_directory";
inline constexpr std::string_view kCopyFiles = "batch_file_operation";
/// Further names of sets of hard links.
inline constexpr std::string_view kLinkSets = "link_set";
inline constexpr std::string_view kDirectoryTimes = "directory_times";
/// Source directories that a move has emptied.
inline constexpr std::string_view kRemoveDirectories = "remove_directories";
/// Has no batches: its description says what the rules of the plan left out (kSelectionTask of
/// engine/engine.h).
inline constexpr std::string_view kSelection = "selection";

/// Of a test what its sample takes (sample.h).
[[nodiscard]] Status enumerate(Site& site, engine::EnumerateContext& context);

class Sample;
/// The same, of the whole source or, with a sample, of what that takes; for sample.cpp.
[[nodiscard]] Status list_into(Site& site, engine::EnumerateContext& context, const Sample* sample);

}  // namespace dunlin::files
