// Numbered names; see free_name.h.
#include "files/free_name.h"

#include <algorithm>

namespace dunlin::files {
namespace {

constexpr std::size_t kLongestExtension = 32;
constexpr std::string_view kArchive = ".tar";

/// Where the extension begins; the end of `name` when it has none. A dot in front hides a file, it
/// begins no extension.
std::size_t extension_at(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || name.size() - dot > kLongestExtension)
    return name.size();
  const std::string_view stem = name.substr(0, dot);
  if (stem.ends_with(kArchive) && stem.size() > kArchive.size()) return dot - kArchive.size();
  return dot;
}

bool continues_a_character(char c) {
  return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U;
}

}  // namespace

std::string numbered_name(std::string_view name, int number, std::size_t limit) {
  const std::size_t dot = extension_at(name);
  const std::string_view extension = name.substr(dot);
  std::string_view stem = name.substr(0, dot);
  const std::string mark = " (" + std::to_string(number) + ")";
  const std::size_t room = limit - std::min(limit, mark.size() + extension.size());
  if (stem.size() > room) {
    constexpr std::size_t kLongestTail = 3;  // of a character; what is no UTF-8 is cut anywhere
    std::size_t end = room;
    while (end > 0 && room - end < kLongestTail && continues_a_character(stem[end])) --end;
    stem = stem.substr(0, continues_a_character(stem[end]) ? room : end);
  }
  return std::string(stem) + mark + std::string(extension);
}

}  // namespace dunlin::files
