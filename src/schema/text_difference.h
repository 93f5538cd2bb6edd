// The difference of two texts, line by line, in the form that `diff -u` made known.
//
// What is shown is fit for a terminal: each line is printable, tabs aside, and cut where it is
// long, with the place at which it begins to differ in sight. Time and memory are bounded whatever
// the texts are: what they have in common at their ends is passed over, and what lies between is
// compared only where that is not too much. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace dunlin::schema {

struct DifferenceLimits {
  std::size_t lines = 40;        ///< shown
  std::size_t line_bytes = 160;  ///< of each
};

struct TextDifference {
  std::string text;          ///< hunks, each line with its end; empty: the texts are equal
  std::size_t left_out = 0;  ///< lines that were not shown
};

/// nullopt: too much lies between them for a comparison that anybody would wait for, or read.
[[nodiscard]] std::optional<TextDifference> difference_of_texts(std::string_view before,
                                                                std::string_view after,
                                                                const DifferenceLimits& limits);

}  // namespace dunlin::schema
