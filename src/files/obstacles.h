// What would keep an entry from being copied, as far as looking tells: asked of all items before
// the first is begun (item_checks) and of each by the dry run (rehearsal). Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "fs/directory.h"
#include "fs/file_system.h"
#include "fs/types.h"

namespace dunlin::files {

/// What names and sizes a file system holds.
struct Holds {
  std::string file_system;
  std::int64_t longest_name = 255;  ///< bytes
  [[nodiscard]] static Holds of(const fs::Directory& directory, const fs::FileSystemTraits& traits);
};

/// Of FAT, exFAT and NTFS as Windows reads them.
[[nodiscard]] bool is_of_windows(std::string_view file_system);

/// invalid_name or unsupported_item. `path` is for the message, `name` the one that it would get.
[[nodiscard]] std::optional<Error> name_obstacle(const Holds& destination, const std::string& path,
                                                 const std::string& name, const fs::FileInfo& info);

/// Nothing may be made in this directory. Its owner opens it for as long as it is written into.
[[nodiscard]] std::optional<Error> write_obstacle(const fs::Directory& directory);
/// Not for root: on a server that says no to root, the copy finds out.
[[nodiscard]] std::optional<Error> read_obstacle(const fs::Directory& directory,
                                                 const std::string& name);
[[nodiscard]] std::optional<Error> removal_obstacle(const fs::Directory& directory);

}  // namespace dunlin::files
