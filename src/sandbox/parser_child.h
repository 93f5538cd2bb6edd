// The child's side of ParserProcess: answers about one file at a time, confined. One thread.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/result.h"

namespace dunlin::sandbox {

/// What a parser has to say about the open file; it must not close it. An empty text: nothing.
using Parser = std::function<std::string(int fd)>;
using Parsers = std::map<char, Parser>;

/// What a parent finds in the first answer of a child that is ready.
inline constexpr char kReady = '+';

/// Confines this process, says so over descriptor 3, and answers until the parent is gone. The
/// exit code of the process; other than 0 it could not be confined, and has said why.
[[nodiscard]] int serve_parsers(const Parsers& parsers);

/// What a child does instead when it has nothing to serve with. Its exit code.
[[nodiscard]] int refuse_to_serve(const std::string& why);

}  // namespace dunlin::sandbox
