// Metadata of what was copied: owner, mode, times, in the only order that is safe. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "fs/directory.h"

namespace dunlin::fs {

/// What could not be given to the destination, for the item's message; empty: everything was.
using Loss = std::string;

/// Owner first (chown clears setuid), then mode, times last (every earlier step may move them).
/// Without the right to give a file away the owner stays ours and setuid and setgid are taken off:
/// they would mean another user. `name` is for messages.
[[nodiscard]] Result<Loss> apply_metadata(int fd, const FileInfo& from, const Directory& directory,
                                          std::string_view name);
/// Owner and times of a symlink itself; Linux has no mode of symlinks.
[[nodiscard]] Result<Loss> apply_symlink_metadata(const Directory& directory, std::string_view name,
                                                  const FileInfo& from);
/// As apply_metadata, for the directory itself.
[[nodiscard]] Result<Loss> apply_directory_metadata(const Directory& directory,
                                                    const FileInfo& from);

}  // namespace dunlin::fs
