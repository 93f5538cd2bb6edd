// A stand-in for dunlin that works by path names, as many programs do: the attack must catch it.
#pragma once

#include <string>
#include <vector>

namespace dunlin::attack {

/// copy SRC DST, verify, rollback or resume; of the flags it knows --state. Its exit code.
[[nodiscard]] int run_naive(const std::vector<std::string>& words);

}  // namespace dunlin::attack
