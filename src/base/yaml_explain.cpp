// See yaml_explain.h.
#include "base/yaml_explain.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"

namespace dunlin {

namespace {

constexpr std::string_view kBlank = " \t\r";

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (true) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return lines;
    text.remove_prefix(end + 1);
  }
}

std::string_view trimmed(std::string_view line) {
  const std::size_t begin = line.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return line.substr(begin, line.find_last_not_of(kBlank) + 1 - begin);
}

bool says_something(std::string_view line) {
  const auto words = trimmed(line);
  return !words.empty() && !words.starts_with('#');
}

int indent_of(std::string_view line) {
  return static_cast<int>(std::min(line.find_first_not_of(' '), line.size()));
}

/// The first colon that ends a key: at the end of the line, or before a blank.
std::size_t key_end(std::string_view line) {
  for (std::size_t at = line.find(':'); at != std::string_view::npos; at = line.find(':', at + 1))
    if (at + 1 == line.size() || kBlank.find(line[at + 1]) != std::string_view::npos) return at;
  return std::string_view::npos;
}

/// A word or two for a message.
std::string shown(std::string_view text) {
  constexpr std::size_t kLongest = 40;
  std::string out = escape_bytes(text.substr(0, kLongest));
  return text.size() > kLongest ? out + "..." : out;
}

class Explainer {
 public:
  Explainer(std::string_view text, YamlPosition at) : lines_(lines_of(text)), at_(at) {
    line_ = std::min(static_cast<std::size_t>(std::max(at.line, 1)), lines_.size()) - 1;
    for (std::size_t n = line_; n > 0; --n) {
      if (!says_something(lines_[n - 1])) continue;
      above_ = n - 1;
      break;
    }
  }

  [[nodiscard]] YamlComplaint explain(const std::string& why) const {
    if (why == "illegal map value") return tab().value_or(map_value());
    if (why == "end of map not found" || why == "end of sequence not found")
      return tab().value_or(indentation());
    if (why.starts_with("end of ") && why.ends_with("flow not found")) return bracket();
    if (why == "the referenced anchor is not defined") return star();
    if (why == "unknown token") return first_character();
    if (why.starts_with("unknown escape character"))
      return here(fmt::format(
          "after a backslash in double quotes '{}' means nothing; write \\\\ for a backslash, or "
          "put the text in single quotes",
          shown(why.substr(why.rfind(' ') + 1))));
    if (why.starts_with("illegal") && tab()) return *tab();
    return here(why + "; look at this line and at the one above it");
  }

 private:
  [[nodiscard]] YamlComplaint here(std::string why) const { return {at_, std::move(why)}; }
  [[nodiscard]] std::string_view line() const { return lines_[line_]; }

  [[nodiscard]] std::optional<YamlComplaint> tab() const {
    for (const std::size_t n : {above_.value_or(line_), line_}) {
      const std::size_t first = lines_[n].find_first_not_of(kBlank);
      const std::size_t tab = lines_[n].find('\t');
      if (tab >= std::min(first, lines_[n].size())) continue;
      return YamlComplaint{{static_cast<int>(n) + 1, static_cast<int>(tab) + 1},
                           "a tab indents this line, and YAML takes spaces only; write two spaces "
                           "instead of each tab"};
    }
    return std::nullopt;
  }

  [[nodiscard]] YamlComplaint map_value() const {
    const std::size_t colon = key_end(line());
    const auto at = static_cast<std::size_t>(std::max(at_.column, 1)) - 1;
    if (colon != std::string_view::npos && colon < at) {
      const std::string value = shown(trimmed(line().substr(colon + 1)));
      return here(
          fmt::format("a second colon on this line; put the value in quotes: \"{}\"", value));
    }
    if (!above_) return here("a colon that belongs to no key; write KEY: VALUE");
    const std::string_view before = trimmed(lines_[*above_]);
    const YamlPosition place{static_cast<int>(*above_) + 1, indent_of(lines_[*above_]) + 1};
    const std::size_t ended = key_end(before);
    if (ended == std::string_view::npos) {
      const std::size_t tight = before.find(':');
      const bool is_key = tight != std::string_view::npos && before.find("://") != tight;
      const std::size_t blank = is_key ? tight : before.find(' ');
      const std::string how = blank == std::string_view::npos
                                  ? std::string("write KEY: VALUE")
                                  : fmt::format("write {}: {}", shown(before.substr(0, blank)),
                                                shown(trimmed(before.substr(blank + 1))));
      return {place, fmt::format("\"{}\" has no {}; {}", shown(before),
                                 is_key ? "space after its colon" : "colon", how)};
    }
    return here(
        "this line is indented deeper than the one above, which has its value already; let both "
        "begin in the same column");
  }

  [[nodiscard]] YamlComplaint indentation() const {
    const int own = indent_of(line());
    std::vector<int> levels;
    for (std::size_t n = line_; n > 0; --n) {
      if (!says_something(lines_[n - 1])) continue;
      const int indent = indent_of(lines_[n - 1]);
      if (levels.empty() || indent < levels.back()) levels.push_back(indent);
    }
    if (levels.empty() || std::find(levels.begin(), levels.end(), own) != levels.end())
      return here(
          trimmed(line()).starts_with("- ")
              ? "a list item stands where a key is due; write KEY: above the list, or take out "
                "the dash"
              : "this line does not belong to what stands above it; write KEY: VALUE, indented as "
                "the lines beside it");
    std::string numbers;
    for (const int level : levels)
      numbers += (numbers.empty() ? "" : " or ") + std::to_string(level);
    return here(fmt::format(
        "this line is indented by {} {}, and no level above it is; indent it by {}, as those "
        "beside it",
        own, own == 1 ? "space" : "spaces", numbers));
  }

  /// The innermost bracket that is open where the parser stopped.
  [[nodiscard]] YamlComplaint bracket() const {
    struct Open {
      YamlPosition at;
      char what;
    };
    std::vector<Open> open;
    char quote = 0;
    for (std::size_t n = 0; n <= line_; ++n) {
      const std::string_view line = lines_[n];
      for (std::size_t k = 0; k < line.size(); ++k) {
        if (n == line_ && static_cast<int>(k) + 1 >= at_.column) break;
        const char c = line[k];
        if (quote != 0) {
          if (c == '\\' && quote == '"') ++k;
          if (c == quote) quote = 0;
          continue;
        }
        const bool begins =
            k == 0 || std::string_view(" \t[{,:").find(line[k - 1]) != std::string_view::npos;
        if ((c == '"' || c == '\'') && begins) quote = c;
        if (c == '#' && begins) break;
        if (c == '[' || c == '{')
          open.push_back({{static_cast<int>(n) + 1, static_cast<int>(k) + 1}, c});
        if ((c == ']' || c == '}') && !open.empty()) open.pop_back();
      }
    }
    if (open.empty()) return here("a bracket is not closed; look at the lines above");
    const Open& last = open.back();
    return {last.at,
            fmt::format("the '{}' here is not closed before line {}; write the missing '{}' (or a "
                        "comma between two values)",
                        last.what, at_.line, last.what == '[' ? ']' : '}')};
  }

  [[nodiscard]] std::string_view word() const {
    const auto begin =
        std::min(static_cast<std::size_t>(std::max(at_.column, 1)) - 1, line().size());
    const auto rest = line().substr(begin);
    return rest.substr(0, rest.find_first_of(" \t\r,]}"));
  }

  [[nodiscard]] YamlComplaint star() const {
    return here(fmt::format(
        "a '*' that is not in quotes names an anchor of YAML, and there is none such; put a "
        "pattern in quotes: \"{}\"",
        shown(word())));
  }

  [[nodiscard]] YamlComplaint first_character() const {
    return here(fmt::format("text cannot begin with '{}' here; put it in quotes: \"{}\"",
                            shown(word().substr(0, 1)), shown(word())));
  }

  std::vector<std::string_view> lines_;
  YamlPosition at_;
  std::size_t line_ = 0;
  std::optional<std::size_t> above_;
};

}  // namespace

YamlComplaint explain_yaml(std::string_view text, YamlPosition at, const std::string& why) {
  return Explainer(text, at).explain(why);
}

bool quote_is_closed(std::string_view text, std::size_t offset) {
  if (offset >= text.size() || (text[offset] != '"' && text[offset] != '\'')) return true;
  const char quote = text[offset];
  for (std::size_t n = offset + 1; n < text.size(); ++n) {
    if (text[n] == '\\' && quote == '"')
      ++n;
    else if (text[n] == quote)
      return true;
  }
  return false;
}

YamlPosition first_no_utf8(std::string_view text) {
  constexpr std::size_t kFarEnough = 4096;  // beyond it the line is enough to find the byte
  YamlPosition at;
  for (const std::string_view line : lines_of(text)) {
    ++at.line;
    if (is_utf8(line)) continue;
    // The longest beginning that is UTF-8 ends before the byte.
    std::size_t good = std::min(line.size(), kFarEnough);
    while (good > 0 && !is_utf8(line.substr(0, good))) --good;
    at.column = static_cast<int>(good) + 1;
    return at;
  }
  return {};
}

bool looks_like_utf16(std::string_view text) {
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) return true;
  if (text.size() < 4) return false;
  return (text[0] == '\0' && text[1] != '\0' && text[2] == '\0') ||
         (text[0] != '\0' && text[1] == '\0' && text[3] == '\0');
}

}  // namespace dunlin
