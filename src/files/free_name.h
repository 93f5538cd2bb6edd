// Numbered names: `name (2).ext`, for two versions that are both kept. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dunlin::files {

/// Names tried before giving up, counted from 2.
inline constexpr int kNumbersMax = 1000;

/// `name` with a number before its extension: "a (2).txt", "b (2).tar.gz", ".profile (2)". Never
/// longer than `limit` bytes: the stem is cut, between two characters where it is UTF-8.
[[nodiscard]] std::string numbered_name(std::string_view name, int number, std::size_t limit = 255);

}  // namespace dunlin::files
