// Files and folders inside the state directory: made 0700, and never reached through a symlink.
//
// For state_directory.cpp and owner_lock.cpp. Safe from any thread.
#pragma once

#include <sys/stat.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace dunlin::store {

/// The Error of errno after a failed call on the state's own files.
[[nodiscard]] Error state_file_error(std::string_view what);

/// False: there is nothing of that name. state_unusable when it is of another type (S_IFDIR,
/// S_IFREG), a symlink above all: whoever could plant one could have dunlin write elsewhere.
[[nodiscard]] Result<bool> is_plain(const std::string& path, mode_t type);

/// A folder of ours, 0700. True when it was made now.
[[nodiscard]] Result<bool> make_folder(const std::string& path);

/// Best effort, and follows no symlink: what stays is found again by the next deletion.
void remove_tree(const std::string& path);

}  // namespace dunlin::store
