// The parsers there are, for the child alone.
#pragma once

#include "base/result.h"
#include "sandbox/parser_child.h"

namespace dunlin::sandbox {

/// Answers with a type such as "image/jpeg", by the first 256 KiB.
inline constexpr char kMimeType = 'm';

/// With what they need from disk already loaded, since a confined process opens nothing.
[[nodiscard]] Result<Parsers> content_parsers();

/// The whole life of a child that was started with kParserWord.
[[nodiscard]] int content_parser_main();

}  // namespace dunlin::sandbox
