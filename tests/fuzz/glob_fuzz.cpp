// Glob on any pattern and path: no crash, no runaway, and the properties that the enumeration
// relies on: a directory below which something matches is never left out, a pattern that was
// printed is the same pattern, a literal matches itself alone.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "files/glob.h"

namespace {

std::string_view name_of(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

/// The input up to the first newline is the pattern, the rest the path.
void match(std::string_view pattern, std::string_view path) {
  const auto glob = dunlin::files::Glob::parse(pattern);
  if (!glob.ok()) return;
  const auto again = dunlin::files::Glob::parse(glob->text());
  DUNLIN_CHECK(again.ok() && again->negated() == glob->negated(), "the text is another pattern");
  for (const bool directory : {false, true}) {
    const bool matches = glob->matches(path, name_of(path), directory);
    DUNLIN_CHECK(matches == again->matches(path, name_of(path), directory), "not the same twice");
    if (!matches) continue;
    DUNLIN_CHECK(directory || glob->matches(path, name_of(path), true),
                 "a file matches and a directory does not");
    for (std::size_t slash = path.find('/'); slash != std::string_view::npos;
         slash = path.find('/', slash + 1))
      DUNLIN_CHECK(glob->may_match_below(path.substr(0, slash)), "a way to a match is left out");
  }
  if (pattern.find_first_of("*?[\\!/ ") == std::string_view::npos)
    DUNLIN_CHECK(glob->matches(path, name_of(path), false) == (name_of(path) == pattern),
                 "a plain name means more than itself");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = std::min(input.find('\n'), input.size());
  match(input.substr(0, line), input.substr(std::min(line + 1, input.size())));
  return 0;
}
