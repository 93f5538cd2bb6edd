// A file that a verb writes its result into: there as a whole or not at all.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace dunlin::cli {

using Write = std::function<Status(std::string_view bytes)>;

/// What `produce` writes becomes the file's content: under a temporary name beside it, flushed,
/// then renamed, and the folder flushed. A file that is there already is left alone (invalid_input,
/// naming --yes) unless `replace`. On failure nothing is left behind.
[[nodiscard]] Status into_new_file(const std::string& path, bool replace,
                                   const std::function<Status(const Write&)>& produce);

}  // namespace dunlin::cli
