// confine: makes this process one that can read what it was handed, and nothing else.
//
// For a single-threaded child alone, right before it reads what others have written. It cannot be
// taken back.
#pragma once

#include "base/result.h"

namespace dunlin::sandbox {

/// Afterwards: no privilege and none to gain, not the user who started it where that was root, no
/// descriptor but `socket` and the first three, no file written, no process started, bounded
/// memory, and any system call but reading, its own memory and that socket ends the process by
/// SIGSYS. An error means that the process must not go on.
[[nodiscard]] Status confine(int socket);

}  // namespace dunlin::sandbox
