// Directories that are roots of a source or a destination: which lies in which, by their inodes.
// Any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "files/layout.h"
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

/// The path of `inner` below `outer`, if it lies there; not of one that lies there by a bind mount.
[[nodiscard]] std::optional<std::string> path_below(const fs::Directory& inner,
                                                    const fs::Directory& outer);

/// The destination's root itself, below what the person has named (Layout::destination_name); that
/// is `base` when nothing is derived.
[[nodiscard]] Result<fs::Directory> open_derived(fs::Directory base, const Layout& where);

}  // namespace dunlin::files
