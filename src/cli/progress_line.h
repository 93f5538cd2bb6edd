// Progress in a line, and in a block of lines: for the live display, for logs. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/text_layout.h"
#include "engine/progress.h"

namespace dunlin::cli {

struct LineStyle {
  std::size_t width = 0;  ///< columns; 0: no limit and no bar
  bool utf8 = false;
  bool colour = false;

  [[nodiscard]] Charset charset() const { return utf8 ? Charset::utf8 : Charset::ascii; }
};

/// Bar, percent, items, bytes, rate, time left, failures, state; what does not fit is left out,
/// the least important first, and the rest never exceeds the width. `state`: "pausing" and the
/// like; empty: the phase speaks for itself.
[[nodiscard]] std::string progress_line(const engine::Progress& progress, std::string_view noun,
                                        std::string_view state, LineStyle style);

/// A line for each item that is worked on: name (shortened in the middle), bar, percent, what is
/// done with it unless it is copied, bytes, rate, time left, one column below the other. Columns
/// that have no room are left out, the least important first. At most `most` lines.
[[nodiscard]] std::vector<std::string> item_lines(const std::vector<engine::CurrentItem>& items,
                                                  std::size_t most, LineStyle style);

/// The live display: progress_line, and below it the items, indented; at most `rows` lines.
[[nodiscard]] std::vector<std::string> live_lines(const engine::Progress& progress,
                                                  std::string_view noun, std::string_view state,
                                                  std::size_t rows, LineStyle style);

/// "[=====>    ]", `width` columns in all.
[[nodiscard]] std::string progress_bar(double percent, std::size_t width, bool utf8);

/// "12,345 files", "1 file".
[[nodiscard]] std::string count_of(std::int64_t count, std::string_view noun);

/// It takes back what was done, or has been ended in the midst of that.
[[nodiscard]] bool takes_back(std::string_view phase);

/// "1.23/3.40 GiB", "900 KiB/3.40 GiB".
[[nodiscard]] std::string bytes_of(std::int64_t part, std::int64_t total);

/// Items that have ended, however they did.
[[nodiscard]] std::int64_t ended_items(const store::Counters& counters);

}  // namespace dunlin::cli
