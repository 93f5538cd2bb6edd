// Runs a program as on a kernel before openat2(2) and renameat2(2): what dunlin does instead must
// be as safe.
#pragma once

#include <string>
#include <vector>

namespace dunlin::attack {

/// Becomes `words`; returns only when that cannot be.
int run_on_old_kernel(std::vector<std::string> words);

}  // namespace dunlin::attack
