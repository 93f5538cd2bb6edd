// What a test has told of the whole, in words. Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace dunlin::cli {

/// Lines about engine::test_result(), which is no null: a label and its text.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> test_in_words(const Json& test,
                                                                             std::string_view noun);

}  // namespace dunlin::cli
