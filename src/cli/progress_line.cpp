// See progress_line.h.
#include "cli/progress_line.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "base/units.h"
#include "cli/terminal.h"
#include "cli/text_layout.h"

namespace dunlin::cli {

namespace {

using engine::Progress;

constexpr std::size_t kGap = 2;
constexpr std::size_t kShortestBar = 8;
constexpr std::size_t kLongestBar = 40;
/// Beyond this an estimate is a guess that nobody can use.
constexpr std::int64_t kLongestEta_s = 365LL * 24 * 3600;

/// Whole seconds: tenths of an estimate are noise.
std::string eta_text(std::int64_t seconds) {
  return seconds < 60 ? fmt::format("{}s", seconds)
                      : format_duration(std::chrono::seconds(seconds));
}

struct Segment {
  int importance;  ///< low is kept first
  std::string text;
  Colour colour = Colour::none;
};

std::string items_text(const Progress& progress, std::string_view noun) {
  const auto& counters = progress.counters;
  if (takes_back(progress.phase))
    return fmt::format("{}/{} {} taken back", format_count(counters.rolled_back_items),
                       format_count(counters.rolled_back_items + counters.succeeded_items), noun);
  const auto ended = ended_items(counters);
  if (!progress.totals_exact && counters.total_items == 0) return "";
  return fmt::format("{}/{}{} {}", format_count(ended), format_count(counters.total_items),
                     progress.totals_exact ? "" : "+", noun);
}

/// What all that is watched is doing while next to nothing is moved, as when large files are read
/// back.
std::string_view pass_of(const Progress& progress) {
  std::string_view pass;
  for (const engine::CurrentItem& item : progress.current_items) {
    if (item.phase == engine::ItemPhase::copying) return "";
    if (item.phase == engine::ItemPhase::resuming) return engine::to_string(item.phase);
    pass = engine::to_string(item.phase);
  }
  const auto& counters = progress.counters;
  const bool moved = counters.total_bytes > 0 && counters.processed_bytes >= counters.total_bytes;
  return moved || progress.bytes_per_second.value_or(0) < 1 ? pass : "";
}

/// Of the whole; while large files are read back, until the last of them is. That of the rate,
/// which is of the last ten seconds, would be about what is over.
std::optional<std::int64_t> seconds_left(const Progress& progress) {
  if (pass_of(progress).empty()) return progress.estimated_seconds_remaining;
  std::optional<std::int64_t> longest;
  for (const engine::CurrentItem& item : progress.current_items) {
    if (!item.seconds_left || item.phase == engine::ItemPhase::resuming) return std::nullopt;
    longest = std::max(longest.value_or(0), *item.seconds_left);
  }
  return longest;
}

std::string rate_text(const Progress& progress) {
  if (!pass_of(progress).empty()) return "";  // "0 B/s" would look like a standstill
  // What was copied is taken back by removing it; only what was moved comes back as bytes.
  const bool by_bytes = !takes_back(progress.phase) || progress.bytes_per_second.value_or(0) >= 1;
  if (by_bytes && progress.counters.total_bytes > 0 && progress.bytes_per_second)
    return format_rate(static_cast<std::int64_t>(std::llround(*progress.bytes_per_second)));
  if (!progress.items_per_second) return "";
  return *progress.items_per_second < 10
             ? fmt::format("{:.1f}/s", *progress.items_per_second)
             : format_count(static_cast<std::int64_t>(*progress.items_per_second)) + "/s";
}

std::string state_text(const Progress& progress, std::string_view state) {
  if (!state.empty()) return std::string(state);
  if (progress.phase == "preflight") return "checking";
  if (progress.phase == "enumerating") return "listing";
  if (progress.phase == "verifying") return "verifying";
  if (progress.phase == "rolling_back") return "rolling back";
  return std::string(pass_of(progress));
}

/// In the order in which they are shown.
std::vector<Segment> segments_of(const Progress& progress, std::string_view noun,
                                 std::string_view state) {
  const auto& counters = progress.counters;
  std::vector<Segment> out;
  const auto add = [&out](int importance, std::string text, Colour colour = Colour::none) {
    if (!text.empty()) out.push_back({importance, std::move(text), colour});
  };
  add(0, fmt::format("{:5.1f}%", progress.percent_complete));
  add(3, items_text(progress, noun));
  const bool forward = !takes_back(progress.phase);
  if (forward && counters.total_bytes > 0)
    add(6, bytes_of(counters.processed_bytes, counters.total_bytes));
  add(4, rate_text(progress));
  if (const auto eta = seconds_left(progress); eta && *eta < kLongestEta_s)
    add(5, "ETA " + eta_text(*eta));
  if (const auto failed = store::all_failed(counters); forward && failed > 0)
    add(2, format_count(failed) + " failed", Colour::red);
  if (forward && counters.differences > 0)
    add(2, format_count(counters.differences) + " differ", Colour::red);
  add(1, state_text(progress, state), state.empty() ? Colour::none : Colour::yellow);
  return out;
}

}  // namespace

std::int64_t ended_items(const store::Counters& counters) {
  return counters.succeeded_items + counters.failed_items + counters.skipped_items +
         counters.rolled_back_items;
}

bool takes_back(std::string_view phase) {
  return phase == "rolling_back";
}

std::string count_of(std::int64_t count, std::string_view noun) {
  if (count == 1 && noun.ends_with('s')) noun.remove_suffix(1);
  return format_count(count) + " " + std::string(noun);
}

std::string bytes_of(std::int64_t part, std::int64_t total) {
  const std::string a = format_bytes(part);
  const std::string b = format_bytes(total);
  const auto unit_a = a.substr(a.find(' ') + 1);
  const auto unit_b = b.substr(b.find(' ') + 1);
  return unit_a == unit_b ? a.substr(0, a.find(' ')) + "/" + b : a + "/" + b;
}

std::string progress_bar(double percent, std::size_t width, bool utf8) {
  if (width < 3) return "";
  const std::size_t room = width - 2;
  const auto full =
      static_cast<std::size_t>(std::clamp(percent / 100, 0.0, 1.0) * static_cast<double>(room));
  std::string out = utf8 ? "▕" : "[";
  for (std::size_t i = 0; i < room; ++i) {
    if (i < full)
      out += utf8 ? "█" : "=";
    else if (i == full && !utf8)
      out += ">";
    else
      out += utf8 ? "░" : " ";
  }
  return out + (utf8 ? "▏" : "]");
}

std::string progress_line(const Progress& progress, std::string_view noun, std::string_view state,
                          LineStyle style) {
  auto segments = segments_of(progress, noun, state);
  std::size_t used = 0;
  const auto count = [&used, &segments] {
    used = 0;
    for (const auto& segment : segments) used += display_width(segment.text) + kGap;
    used -= std::min(used, kGap);
  };
  count();
  while (style.width > 0 && used > style.width && segments.size() > 1) {
    const auto least = std::max_element(
        segments.begin(), segments.end(),
        [](const Segment& a, const Segment& b) { return a.importance < b.importance; });
    segments.erase(least);
    count();
  }
  std::string out;
  if (style.width >= used + kGap + kShortestBar) {
    const std::size_t bar = std::min(style.width - used - kGap, kLongestBar);
    out = progress_bar(progress.percent_complete, bar, style.utf8);
  }
  for (const auto& segment : segments)
    out += (out.empty() ? "" : std::string(kGap, ' ')) +
           (style.colour ? coloured(segment.colour, segment.text) : segment.text);
  return style.width > 0 ? fit(out, style.width, style.charset()) : out;
}

// ---- Items

namespace {

constexpr std::size_t kShortestName = 16;
constexpr std::size_t kLongestItemBar = 24;
constexpr std::size_t kMostItemLines = 8;  ///< more than these nobody follows with the eye
constexpr std::string_view kIndent = "  ";

/// Right of the names, in the order in which they are shown. Fixed widths where a value changes
/// its own from one moment to the next.
struct ItemColumn {
  int importance;  ///< low is kept first
  std::size_t width;
  Align align;
  Colour colour;
  std::string (*text)(const engine::CurrentItem&);
};

std::string phase_text(const engine::CurrentItem& item) {
  if (item.phase == engine::ItemPhase::copying) return "";
  return std::string(engine::to_string(item.phase));
}

std::string item_eta(const engine::CurrentItem& item) {
  // How long the rest of it will be copied is not known by how fast a part of it was read.
  const bool known = item.seconds_left && *item.seconds_left < kLongestEta_s &&
                     item.phase != engine::ItemPhase::resuming;
  return known ? "ETA " + eta_text(*item.seconds_left) : "";
}

constexpr ItemColumn kItemColumns[] = {
    {0, 4, Align::right, Colour::none,
     [](const engine::CurrentItem& item) {
       return fmt::format("{}%", static_cast<int>(item.percent()));
     }},
    {3, 0, Align::left, Colour::yellow, phase_text},
    {4, 13, Align::right, Colour::none,
     [](const engine::CurrentItem& item) { return bytes_of(item.done_bytes, item.total_bytes); }},
    {2, 10, Align::right, Colour::none,
     [](const engine::CurrentItem& item) {
       if (!item.bytes_per_second) return std::string();
       return format_rate(std::llround(std::max(*item.bytes_per_second, 0.0)));
     }},
    {1, 11, Align::left, Colour::none, item_eta},
};

struct ItemCells {
  const ItemColumn* column;
  std::size_t width;
  std::vector<std::string> texts;
};

std::vector<ItemCells> cells_of(std::span<const engine::CurrentItem> items) {
  std::vector<ItemCells> all;
  for (const ItemColumn& column : kItemColumns) {
    ItemCells cells{&column, column.width, {}};
    for (const engine::CurrentItem& item : items) {
      cells.texts.push_back(column.text(item));
      cells.width = std::max(cells.width, display_width(cells.texts.back()));
    }
    if (cells.width > 0) all.push_back(std::move(cells));
  }
  return all;
}

}  // namespace

std::vector<std::string> item_lines(const std::vector<engine::CurrentItem>& items, std::size_t most,
                                    LineStyle style) {
  const std::span<const engine::CurrentItem> shown(items.data(), std::min(items.size(), most));
  std::vector<std::string> names;
  std::size_t longest = 0;
  for (const engine::CurrentItem& item : shown) {
    names.push_back(escape_bytes(item.path));
    longest = std::max(longest, display_width(names.back()));
  }
  std::vector<ItemCells> cells = cells_of(shown);
  const auto taken = [&cells] {
    std::size_t columns = 0;
    for (const ItemCells& one : cells) columns += kGap + one.width;
    return columns;
  };
  const std::size_t wanted = std::min(longest, kShortestName);
  while (style.width > 0 && cells.size() > 1 && wanted + taken() > style.width) {
    cells.erase(std::max_element(cells.begin(), cells.end(), [](const auto& a, const auto& b) {
      return a.column->importance < b.column->importance;
    }));
  }
  const std::size_t room = style.width > taken() ? style.width - taken() : 0;
  const std::size_t name_width = style.width == 0 ? longest : std::min(longest, room);
  std::size_t bar = room - std::min(room, name_width + kGap);
  bar = bar < kShortestBar ? 0 : std::min(bar, kLongestItemBar);
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < shown.size(); ++i) {
    std::string line = pad_right(fit_middle(names[i], name_width, style.charset()), name_width);
    if (bar > 0) line += std::string(kGap, ' ') + progress_bar(shown[i].percent(), bar, style.utf8);
    for (const ItemCells& one : cells) {
      const std::string& text = one.texts[i];
      const std::string cell =
          one.column->align == Align::left ? pad_right(text, one.width) : pad_left(text, one.width);
      line += std::string(kGap, ' ') + (style.colour ? coloured(one.column->colour, cell) : cell);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    lines.push_back(style.width > 0 ? fit(line, style.width, style.charset()) : line);
  }
  return lines;
}

std::vector<std::string> live_lines(const Progress& progress, std::string_view noun,
                                    std::string_view state, std::size_t rows, LineStyle style) {
  std::vector<std::string> lines{progress_line(progress, noun, state, style)};
  const auto& items = progress.current_items;
  const std::size_t most = std::min(rows > 1 ? rows - 1 : 0, kMostItemLines);
  const bool more = items.size() > most;
  LineStyle inner = style;
  if (style.width > 0) inner.width = style.width - std::min(style.width - 1, kIndent.size());
  for (const std::string& line : item_lines(items, more && most > 0 ? most - 1 : most, inner))
    lines.push_back(std::string(kIndent) + line);
  if (more && most > 0)
    lines.push_back(std::string(kIndent) + (style.utf8 ? "…" : "...") + " and more");
  for (std::string& line : lines)
    if (style.width > 0) line = fit(line, style.width, style.charset());
  return lines;
}

}  // namespace dunlin::cli
