// How the log at a target keeps a migration's SQL (schema.md S-13): what is long is compressed, and
// stands in a column of text all the same.
//
// As it is, where nothing is won: a person reads it with any client. Else
//   dunlin:content:FORM:METHOD:SIZE:CONTENT
// FORM is 1; METHOD zstd, and CONTENT one frame of it in base64, with a checksum; or plain, and
// CONTENT the SQL itself (which begins with the mark itself). SIZE is that of the SQL, in bytes. No
// server takes the mark for SQL, so that a version that knows nothing of it runs nothing.
// Pure functions; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace dunlin::schema {

inline constexpr std::string_view kContentMark = "dunlin:content:";
/// The only form that this version writes and reads, with what ends it.
inline constexpr std::string_view kContentForm = "1:";
/// No file of a migration has more (discovery reads 64 MiB, at most half as long again as UTF-8).
inline constexpr std::size_t kContentMax_bytes = std::size_t{256} << 20;

/// What to do about what a newer version has written.
inline constexpr const char* kNewerVersion =
    "install the version of dunlin that the column ProductVersion of __MigrationsHistory names, or "
    "a "
    "newer one";

/// As the log keeps it.
[[nodiscard]] std::string kept_content(std::string_view sql);

/// What was kept, byte for byte; rows of versions that compressed nothing are it already.
/// state_version: a form that this version does not know; state_corrupt: damaged, or larger than it
/// says or may be. Both say what to do.
[[nodiscard]] Result<std::string> content_of(std::string_view kept);

}  // namespace dunlin::schema
