// Directories that are roots of a source or a destination: which lies in which, by their inodes.
// Any thread.
#pragma once

#include <functional>

#include "base/result.h"
#include "files/plan.h"
#include "fs/directory.h"

namespace dunlin::files {

/// By handles that are held: neither number can have been given to another directory meanwhile.
[[nodiscard]] bool same_directory(const fs::Directory& one, const fs::Directory& other);

/// Does `is_it` say so of the directory, or of one above it? From inside out.
[[nodiscard]] Result<bool> any_above(const fs::Directory& directory,
                                     const std::function<bool(const fs::FileInfo&)>& is_it);

/// Is `inner` the directory `outer`, or below it? By inodes, so bind mounts and symlinks do not
/// hide it.
[[nodiscard]] Result<bool> lies_in(const fs::Directory& inner, const fs::Directory& outer);

/// The destination's root itself, below what the person has named (Layout::destination_name); that
/// is `base` when nothing is derived.
[[nodiscard]] Result<fs::Directory> open_derived(fs::Directory base, const Layout& where);

}  // namespace dunlin::files
