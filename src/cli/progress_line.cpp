// See progress_line.h.
#include "cli/progress_line.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "base/units.h"
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
};

std::string items_text(const Progress& progress, std::string_view noun) {
  const auto& counters = progress.counters;
  const auto ended = ended_items(counters);
  if (!progress.totals_exact && counters.total_items == 0) return "";
  return fmt::format("{}/{}{} {}", format_count(ended), format_count(counters.total_items),
                     progress.totals_exact ? "" : "+", noun);
}

std::string rate_text(const Progress& progress) {
  if (progress.counters.total_bytes > 0 && progress.bytes_per_second)
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
  return "";
}

/// In the order in which they are shown.
std::vector<Segment> segments_of(const Progress& progress, std::string_view noun,
                                 std::string_view state) {
  const auto& counters = progress.counters;
  std::vector<Segment> out;
  const auto add = [&out](int importance, std::string text) {
    if (!text.empty()) out.push_back({importance, std::move(text)});
  };
  add(0, fmt::format("{:5.1f}%", progress.percent_complete));
  add(3, items_text(progress, noun));
  if (counters.total_bytes > 0) add(6, bytes_of(counters.processed_bytes, counters.total_bytes));
  add(4, rate_text(progress));
  if (const auto eta = progress.estimated_seconds_remaining; eta && *eta < kLongestEta_s)
    add(5, "ETA " + eta_text(*eta));
  if (const auto failed = store::all_failed(counters); failed > 0)
    add(2, format_count(failed) + " failed");
  if (counters.differences > 0) add(2, format_count(counters.differences) + " differ");
  add(1, state_text(progress, state));
  return out;
}

}  // namespace

std::int64_t ended_items(const store::Counters& counters) {
  return counters.succeeded_items + counters.failed_items + counters.skipped_items +
         counters.rolled_back_items;
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
    out += (out.empty() ? "" : std::string(kGap, ' ')) + segment.text;
  return style.width > 0 ? fit(out, style.width) : out;
}

}  // namespace dunlin::cli
