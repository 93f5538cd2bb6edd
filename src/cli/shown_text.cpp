#include "cli/shown_text.h"

#include <algorithm>

#include "base/text.h"

namespace dunlin::cli {

namespace {

/// Calls `take` for each line, and says whether it has an end.
template <class Take>
void for_each_line(std::string_view text, Take take) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    take(text.substr(0, end), end != std::string_view::npos);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

/// What names the two sides stands above the first hunk; below it a line may be `--- ` and mean
/// that a comment was taken out.
Colour colour_of_line(std::string_view line, bool in_hunk) {
  if (line.starts_with("@@")) return Colour::cyan;
  if (!in_hunk)
    return line.starts_with("--- ") || line.starts_with("+++ ") ? Colour::bold : Colour::none;
  if (line.starts_with('-')) return Colour::red;
  if (line.starts_with('+')) return Colour::green;
  return line.starts_with(' ') ? Colour::none : Colour::dim;
}

}  // namespace

std::string painted_difference(std::string_view difference, const Terminal& terminal,
                               std::string_view indent) {
  std::string text;
  bool in_hunk = false;
  for_each_line(difference, [&](std::string_view line, bool) {
    in_hunk = in_hunk || line.starts_with("@@");
    text += indent;
    text += terminal.paint(colour_of_line(line, in_hunk), line);
    text += '\n';
  });
  return text;
}

std::string printable_lines(std::string_view text) {
  std::string shown;
  for_each_line(text, [&](std::string_view line, bool ends) {
    for (std::size_t begin = 0; begin <= line.size();) {
      const std::size_t end = std::min(line.find('\t', begin), line.size());
      shown += printable(line.substr(begin, end - begin));
      if (end < line.size()) shown += '\t';
      begin = end + 1;
    }
    if (ends) shown += '\n';
  });
  return shown;
}

}  // namespace dunlin::cli
