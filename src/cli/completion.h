// Shell completion, made from the tree of verbs.
#pragma once

#include <string>

#include "cli/verbs.h"

namespace dunlin::cli {

/// Scripts that the shells source: bash; zsh through its bash emulation; fish.
[[nodiscard]] std::string bash_completion(const Verbs& verbs);
[[nodiscard]] std::string zsh_completion(const Verbs& verbs);
[[nodiscard]] std::string fish_completion(const Verbs& verbs);

}  // namespace dunlin::cli
