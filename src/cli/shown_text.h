// Texts of many lines as a person reads them: differences, and contents that may be hostile.
// Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "cli/terminal.h"

namespace dunlin::cli {

/// What `diff -u` would write, each line behind `indent`, in its colours where the terminal wants
/// some. `difference`: escaped already.
[[nodiscard]] std::string painted_difference(std::string_view difference, const Terminal& terminal,
                                             std::string_view indent);

/// Each line as printable() has it, tabs aside: no terminal obeys any of it.
[[nodiscard]] std::string printable_lines(std::string_view text);

}  // namespace dunlin::cli
