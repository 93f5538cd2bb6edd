// A SQLite database made of bytes that a trace gave: to be asked what it would hold.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "disk.h"

namespace dunlin::crash {

enum class As : std::uint8_t {
  written,    ///< with everything that was written so far, flushed or not
  after_cut,  ///< with what was flushed only
};

/// Rows of text; none when the database is not there or has no such table. SQLite recovers the
/// image by its log or journal first, as after a real power cut. `scratch` is a folder for the
/// copy.
[[nodiscard]] std::vector<std::vector<std::string>> ask_image(const Disk& disk, As as,
                                                              const std::string& database,
                                                              const std::string& scratch,
                                                              const std::string& sql);

}  // namespace dunlin::crash
