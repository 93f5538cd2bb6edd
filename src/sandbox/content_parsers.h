// The parsers there are, for the child alone.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "sandbox/parser_child.h"

namespace dunlin::sandbox {

/// Answers with a type such as "image/jpeg", by the first kLookedAtBytes.
inline constexpr char kMimeType = 'm';
/// Longer than any signature (ISO 9660's is the last, at 32 KiB) and enough to tell text from other
/// data. file(1) reads 1 MiB, which would be most of what listing a disk of photos reads.
inline constexpr std::int64_t kLookedAtBytes = 256 << 10;

/// With what they need from disk already loaded, since a confined process opens nothing.
[[nodiscard]] Result<Parsers> content_parsers();

/// The whole life of a child that was started with kParserWord.
[[nodiscard]] int content_parser_main();

}  // namespace dunlin::sandbox
