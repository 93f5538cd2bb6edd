// See test_words.h.
#include "cli/test_words.h"

#include <cmath>
#include <cstdint>

#include <fmt/format.h>

#include "base/units.h"
#include "cli/progress_line.h"
#include "cli/screens.h"
#include "cli/text_layout.h"

namespace dunlin::cli {

std::vector<std::pair<std::string, std::string>> test_in_words(const Json& test,
                                                               std::string_view noun) {
  const auto number = [&](const char* part, const char* key) {
    return integer_or(test[part], key, 0);
  };
  std::vector<std::pair<std::string, std::string>> out;
  out.emplace_back(
      "sample",
      fmt::format("{} of {}, {} of {}", format_count(number("sample", "items")),
                  count_of(number("whole", "items"), noun), format_bytes(number("sample", "bytes")),
                  format_bytes(number("whole", "bytes"))));
  const Json& estimate = test["estimate"];
  if (estimate.is_object()) {
    const auto time = [&](const char* key) {
      return took(static_cast<std::int64_t>(std::llround(estimate[key].get<double>())));
    };
    out.emplace_back(
        "estimate", fmt::format("the whole would take about {}, between {} and {}, were nothing of "
                                "it there yet",
                                time("seconds"), time("low_seconds"), time("high_seconds")));
  } else if (boolean_or(test, "interrupted", false)) {
    out.emplace_back("estimate",
                     "none: it was interrupted, so its time measures nothing; run it again");
  }
  const std::string place = string_or(test, "place", "");
  out.emplace_back(
      "scratch",
      boolean_or(test, "place_removed", false)
          ? place + ", removed; nothing else was changed: the same without --test does it"
          : place);
  return out;
}

}  // namespace dunlin::cli
