// Assertions that stay on in release builds: for invariants whose violation would lose data.
#pragma once

#include <string_view>

namespace dunlin {

/// Prints the failed condition with its place and aborts; the process's death is a case that
/// recovery covers.
[[noreturn]] void check_failed(const char* condition, const char* file, int line,
                               std::string_view message);

}  // namespace dunlin

#define DUNLIN_CHECK(condition, message)                                                 \
  do {                                                                                   \
    if (!(condition)) ::dunlin::check_failed(#condition, __FILE__, __LINE__, (message)); \
  } while (false)
