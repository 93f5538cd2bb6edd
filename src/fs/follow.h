// What directory.cpp and follow.cpp share; nobody else includes it. Any thread.
#pragma once

#include "fs/types.h"

namespace dunlin::fs {

/// One statx(2) into `info`; false with errno. AT_SYMLINK_NOFOLLOW is the caller's to add.
[[nodiscard]] bool stat_at(int fd, const char* name, int flags, FileInfo& info);

/// openat(2), again when interrupted, and without O_NOATIME where that is refused. -1 with errno.
[[nodiscard]] int open_quietly(int base, const char* name, int flags, mode_t mode = 0);

}  // namespace dunlin::fs
