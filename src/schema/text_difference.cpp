#include "schema/text_difference.h"

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include <dtl/dtl.hpp>
#include <fmt/format.h>

#include "base/text.h"

namespace dunlin::schema {

namespace {

constexpr std::size_t kAround = 3;  // lines that are equal, before and behind those that are not
/// Of the product of the lines that differ on both sides: the library walks at most so many points,
/// 24 bytes each, and needs its own limit (2,000,000) not to be reached.
constexpr std::size_t kWorkMost = 1'000'000;

/// A line without its end, and whether it has one.
struct Line {
  std::string_view text;
  bool ends = true;
  bool operator==(const Line&) const = default;
};
struct HashOfLine {
  std::size_t operator()(const Line& line) const {
    return std::hash<std::string_view>()(line.text) * 2 + (line.ends ? 1 : 0);
  }
};

std::vector<Line> lines_of(std::string_view text) {
  std::vector<Line> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.push_back({text.substr(0, end), end != std::string_view::npos});
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

std::size_t count_of_lines(std::string_view text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) +
         (text.empty() || text.ends_with('\n') ? 0 : 1);
}

/// Of whole lines that both begin with.
std::size_t common_begin(std::string_view a, std::string_view b) {
  const std::size_t most = std::min(a.size(), b.size());
  const auto end = static_cast<std::size_t>(
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(most), b.begin()).first -
      a.begin());
  const std::size_t line = a.substr(0, end).rfind('\n');
  return line == std::string_view::npos ? 0 : line + 1;
}

/// Of whole lines that both end with.
std::size_t common_end(std::string_view a, std::string_view b) {
  const std::size_t most = std::min(a.size(), b.size());
  std::size_t size = 0;
  while (size < most && a[a.size() - 1 - size] == b[b.size() - 1 - size]) ++size;
  if (size == a.size() && size == b.size()) return size;
  const bool begins_lines = (size == a.size() || a[a.size() - 1 - size] == '\n') &&
                            (size == b.size() || b[b.size() - 1 - size] == '\n');
  if (begins_lines) return size;
  const std::size_t first = a.substr(a.size() - size).find('\n');
  return first == std::string_view::npos ? 0 : size - first - 1;
}

/// Lines of an edit script.
struct Edit {
  char mark = ' ';  ///< '-' only before, '+' only after
  Line line;
};

/// The shortest way from one to the other; what both have in common at the ends is not among them.
std::vector<Edit> edits_between(const std::vector<Line>& before, const std::vector<Line>& after) {
  std::unordered_map<Line, std::uint32_t, HashOfLine> numbers;
  std::vector<Line> lines;
  const auto numbered = [&](const std::vector<Line>& all) {
    std::vector<std::uint32_t> result;
    result.reserve(all.size());
    for (const Line& line : all) {
      const auto [there, is_new] =
          numbers.emplace(line, static_cast<std::uint32_t>(numbers.size()));
      if (is_new) lines.push_back(line);
      result.push_back(there->second);
    }
    return result;
  };
  const std::vector<std::uint32_t> a = numbered(before);
  const std::vector<std::uint32_t> b = numbered(after);
  dtl::Diff<std::uint32_t> diff(a, b);
  diff.compose();
  std::vector<Edit> edits;
  for (const auto& [number, about] : diff.getSes().getSequence()) {
    const char mark = about.type == dtl::SES_ADD ? '+' : about.type == dtl::SES_DELETE ? '-' : ' ';
    edits.push_back({mark, lines[number]});
  }
  return edits;
}

/// Where lines are replaced, all that go stand before all that come.
void part_replacements(std::vector<Edit>& edits) {
  for (auto at = edits.begin(); at != edits.end();) {
    const auto end = std::find_if(at, edits.end(), [](const Edit& one) { return one.mark == ' '; });
    std::stable_partition(at, end, [](const Edit& one) { return one.mark == '-'; });
    at = std::find_if(end, edits.end(), [](const Edit& one) { return one.mark != ' '; });
  }
}

/// Never through a character.
std::size_t boundary_at(std::string_view text, std::size_t at) {
  at = std::min(at, text.size());
  while (at > 0 && at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U)
    --at;
  return at;
}

/// As printable(), with the tabs that SQL is indented by.
std::string shown_text(std::string_view text) {
  std::string shown;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('\t', begin), text.size());
    shown += printable(text.substr(begin, end - begin));
    if (end < text.size()) shown += '\t';
    begin = end + 1;
  }
  return shown;
}

/// `differs_at`: where the line that replaces it, or that it replaces, begins to be another.
std::string shown_line(std::string_view line, std::size_t differs_at, std::size_t most) {
  if (line.size() <= most) return shown_text(line);
  const std::size_t before = most / 4;
  const std::size_t begin = differs_at < most - before
                                ? 0
                                : boundary_at(line, std::min(differs_at, line.size()) - before);
  const std::size_t end = boundary_at(line, begin + most);
  return fmt::format("{}{}{} ({} bytes)", begin > 0 ? "... " : "",
                     shown_text(line.substr(begin, end - begin)), end < line.size() ? " ..." : "",
                     line.size());
}

std::size_t common_prefix(std::string_view a, std::string_view b) {
  const auto most = static_cast<std::ptrdiff_t>(std::min(a.size(), b.size()));
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.begin() + most, b.begin()).first -
                                  a.begin());
}

class Writer {
 public:
  Writer(std::vector<Edit> edits, std::size_t first_line, const DifferenceLimits& limits)
      : edits_(std::move(edits)), limits_(limits), before_(first_line), after_(first_line) {}

  TextDifference write() {
    std::size_t at = 0;
    while (true) {
      std::size_t changed = at;
      while (changed < edits_.size() && edits_[changed].mark == ' ') ++changed;
      if (changed == edits_.size()) return std::move(result_);
      const std::size_t begin = std::max(at, changed - std::min(changed, kAround));
      count(at, begin);
      const std::size_t end = end_of_hunk(changed);
      hunk(begin, end);
      at = end;
    }
  }

 private:
  void count(std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      before_ += edits_[i].mark == '+' ? 0 : 1;
      after_ += edits_[i].mark == '-' ? 0 : 1;
    }
  }

  [[nodiscard]] std::size_t end_of_hunk(std::size_t changed) const {
    std::size_t equal = 0;
    std::size_t end = changed;
    for (std::size_t i = changed; i < edits_.size() && equal <= 2 * kAround; ++i) {
      equal = edits_[i].mark == ' ' ? equal + 1 : 0;
      if (equal == 0) end = i + 1;
    }
    for (std::size_t i = 0; i < kAround && end < edits_.size() && edits_[end].mark == ' '; ++i)
      ++end;
    return end;
  }

  void hunk(std::size_t begin, std::size_t end) {
    const std::size_t before = before_;
    const std::size_t after = after_;
    count(begin, end);
    // A part without lines is named by the line before it.
    const auto range = [](std::size_t from, std::size_t to) {
      if (to - from == 1) return std::to_string(from);
      return fmt::format("{},{}", to == from ? from - 1 : from, to - from);
    };
    line(fmt::format("@@ -{} +{} @@", range(before, before_), range(after, after_)));
    for (std::size_t i = begin; i < end; ++i) {
      const Edit& edit = edits_[i];
      if (!has_room()) {
        result_.left_out += end - i;
        return;
      }
      line(edit.mark + shown_line(edit.line.text, differs_at(i), limits_.line_bytes));
      if (!edit.line.ends) line("\\ No newline at end of file");
    }
  }

  /// The n-th line of those that go is compared with the n-th of those that come.
  [[nodiscard]] std::size_t differs_at(std::size_t i) const {
    const char mark = edits_[i].mark;
    if (mark == ' ' || edits_[i].line.text.size() <= limits_.line_bytes) return 0;
    std::size_t begin = i;
    while (begin > 0 && edits_[begin - 1].mark != ' ') --begin;
    std::size_t comes = begin;
    while (comes < edits_.size() && edits_[comes].mark == '-') ++comes;
    const std::size_t other = mark == '-' ? comes + (i - begin) : begin + (i - comes);
    const char wanted = mark == '-' ? '+' : '-';
    if (other >= edits_.size() || edits_[other].mark != wanted) return 0;
    return common_prefix(edits_[i].line.text, edits_[other].line.text);
  }

  [[nodiscard]] bool has_room() const { return shown_ < limits_.lines; }
  void line(const std::string& text) {
    if (!has_room()) {
      ++result_.left_out;
      return;
    }
    ++shown_;
    result_.text += text + "\n";
  }

  std::vector<Edit> edits_;
  DifferenceLimits limits_;
  std::size_t before_;  ///< the next line of each, from 1
  std::size_t after_;
  std::size_t shown_ = 0;
  TextDifference result_;
};

/// The last lines of a text.
std::string_view last_lines(std::string_view text, std::size_t count) {
  std::size_t begin = text.size();
  for (std::size_t i = 0; i < count && begin > 0; ++i) {
    const std::size_t end = text.substr(0, begin - 1).rfind('\n');
    begin = end == std::string_view::npos ? 0 : end + 1;
  }
  return text.substr(begin);
}

std::string_view first_lines(std::string_view text, std::size_t count) {
  std::size_t end = 0;
  for (std::size_t i = 0; i < count && end < text.size(); ++i)
    end = std::min(text.find('\n', end), text.size() - 1) + 1;
  return text.substr(0, end);
}

std::vector<Edit> equal_lines(std::string_view text) {
  std::vector<Edit> edits;
  for (const Line& line : lines_of(text)) edits.push_back({' ', line});
  return edits;
}

}  // namespace

std::optional<TextDifference> difference_of_texts(std::string_view before, std::string_view after,
                                                  const DifferenceLimits& limits) {
  if (before == after) return TextDifference{};
  const std::size_t begin = common_begin(before, after);
  const std::string_view head = before.substr(0, begin);
  before.remove_prefix(begin);
  after.remove_prefix(begin);
  const std::size_t end = common_end(before, after);
  const std::string_view tail = before.substr(before.size() - end);
  before.remove_suffix(end);
  after.remove_suffix(end);
  const auto [fewer, more] = std::minmax({count_of_lines(before), count_of_lines(after)});
  if (more >= kWorkMost || (fewer + 1) * (more + 1) > kWorkMost) return std::nullopt;

  std::vector<Edit> edits = equal_lines(last_lines(head, kAround));
  const std::size_t first_line = 1 + count_of_lines(head) - edits.size();
  std::vector<Edit> changed = edits_between(lines_of(before), lines_of(after));
  part_replacements(changed);
  edits.insert(edits.end(), changed.begin(), changed.end());
  const std::vector<Edit> behind = equal_lines(first_lines(tail, kAround));
  edits.insert(edits.end(), behind.begin(), behind.end());
  return Writer(std::move(edits), first_line, limits).write();
}

}  // namespace dunlin::schema
