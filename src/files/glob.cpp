// Glob; see glob.h. Matching runs all places of the pattern at which the text so far may stand
// side by side (a non-deterministic automaton), so no pattern is slow: `*a*a*a*b` costs as much for
// each byte of the text as any other of its length.
#include "files/glob.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.h"

namespace dunlin::files {
namespace {

constexpr std::string_view kSpecial = "*?[\\";

/// A blank at the end counts only behind a backslash.
std::string_view without_blanks_at_end(std::string_view line) {
  std::size_t end = 0;
  for (std::size_t at = 0; at < line.size(); ++at) {
    const bool escape = line[at] == '\\';
    if (escape) ++at;
    if (escape || line[at] != ' ') end = std::min(at + 1, line.size());
  }
  return line.substr(0, end);
}

struct Class {
  std::string_view name;
  int (*holds)(int);
};
/// Of ASCII, whatever the locale: dunlin never sets LC_CTYPE for its own decisions.
constexpr std::array<Class, 12> kClasses{{
    {"alnum", [](int c) { return c < 128 ? std::isalnum(c) : 0; }},
    {"alpha", [](int c) { return c < 128 ? std::isalpha(c) : 0; }},
    {"blank", [](int c) { return c == ' ' || c == '\t' ? 1 : 0; }},
    {"cntrl", [](int c) { return c < 32 || c == 127 ? 1 : 0; }},
    {"digit", [](int c) { return c >= '0' && c <= '9' ? 1 : 0; }},
    {"graph", [](int c) { return c > 32 && c < 127 ? 1 : 0; }},
    {"lower", [](int c) { return c >= 'a' && c <= 'z' ? 1 : 0; }},
    {"print", [](int c) { return c >= 32 && c < 127 ? 1 : 0; }},
    {"punct", [](int c) { return c < 128 ? std::ispunct(c) : 0; }},
    {"space", [](int c) { return c == ' ' || (c >= 9 && c <= 13) ? 1 : 0; }},
    {"upper", [](int c) { return c >= 'A' && c <= 'Z' ? 1 : 0; }},
    {"xdigit", [](int c) { return c < 128 ? std::isxdigit(c) : 0; }},
}};

unsigned value_of(char c) {
  return static_cast<unsigned char>(c);
}

Error useless(std::string_view line, std::string_view why) {
  return {ErrorType::invalid_input,
          "the pattern '" + escape_bytes(line) + "' can match nothing: " + std::string(why)};
}

}  // namespace

/// The places before which the text read so far may stand; place tokens_.size() is a match.
struct Glob::States {
  std::array<std::uint64_t, (kMaxBytes + 64) / 64> bits;  // of them the first `words` are used
  std::size_t words;

  explicit States(std::size_t places) : words((places + 64) / 64) {
    std::fill_n(bits.begin(), words, 0);
  }
  void add(std::size_t place) { bits[place / 64] |= std::uint64_t{1} << (place % 64); }
  [[nodiscard]] bool has(std::size_t place) const {
    return ((bits[place / 64] >> (place % 64)) & 1U) != 0;
  }
  [[nodiscard]] bool empty() const {
    return std::all_of(bits.begin(), bits.begin() + static_cast<std::ptrdiff_t>(words),
                       [](std::uint64_t word) { return word == 0; });
  }
};

Result<Glob> Glob::parse(std::string_view line) {
  Glob glob;
  glob.text_ = line;
  if (line.size() > kMaxBytes) return useless(line.substr(0, 40), "it is longer than 4,096 bytes");
  if (line.find('\0') != std::string_view::npos) return useless(line, "it holds a NUL byte");
  std::string_view rest = without_blanks_at_end(line);
  if (rest.starts_with('!')) {
    glob.negated_ = true;
    rest.remove_prefix(1);
  }
  if (rest.ends_with('/')) {
    glob.directories_only_ = true;
    rest.remove_suffix(1);
  }
  glob.by_name_ = rest.find('/') == std::string_view::npos;
  if (rest.starts_with('/')) rest.remove_prefix(1);
  if (rest.empty()) return useless(line, "it is empty");
  const Status compiled = glob.compile(rest);
  if (!compiled.ok()) return useless(line, compiled.error().message);
  return glob;
}

Status Glob::compile(std::string_view pattern) {
  const std::size_t special = std::min(pattern.find_first_of(kSpecial), pattern.size());
  literal_ = pattern.substr(0, special);
  pattern.remove_prefix(special);
  for (std::size_t at = 0; at < pattern.size();) {
    const char byte = pattern[at];
    if (byte == '*') {
      at = add_stars(pattern, at);
    } else if (byte == '[') {
      DUNLIN_TRY(add_set(pattern, at));
    } else if (byte == '?') {
      tokens_.push_back({Step::any, 0});
      ++at;
    } else {
      if (byte == '\\' && ++at == pattern.size())
        return Error(ErrorType::invalid_input, "it ends in a backslash");
      tokens_.push_back({Step::byte, static_cast<std::uint16_t>(value_of(pattern[at++]))});
    }
  }
  return success();
}

/// One or more stars. Two and more cross directories where they fill a component; at the place
/// where the literal beginning of the pattern has ended git takes the component for begun there.
std::size_t Glob::add_stars(std::string_view pattern, std::size_t at) {
  const std::size_t end = std::min(pattern.find_first_not_of('*', at), pattern.size());
  const std::string_view rest = pattern.substr(end);
  const bool begins = at == 0 || pattern[at - 1] == '/';
  const bool ends = rest.empty() || rest.front() == '/' || rest.starts_with("\\/");
  if (end - at < 2 || !begins || !ends) {
    tokens_.push_back({Step::stars, 0});
    return end;
  }
  if (!rest.starts_with('/')) {
    tokens_.push_back({Step::all_stars, 0});
    return end;
  }
  tokens_.push_back({Step::directories, 0});
  tokens_.push_back({Step::inside, 0});
  return end + 1;
}

/// From the '[' at `at`, which then stands behind the ']'.
Status Glob::add_set(std::string_view pattern, std::size_t& at) {
  const auto open = [] {
    return Error(ErrorType::invalid_input, "a '[' without its ']' or an unknown class in it");
  };
  std::bitset<256> members;
  std::size_t here = at + 1;
  const bool reversed = here < pattern.size() && (pattern[here] == '!' || pattern[here] == '^');
  if (reversed) ++here;
  int before = -1;  // the member that a '-' would make the begin of a range
  for (bool first = true;; first = false) {
    if (here >= pattern.size()) return open();
    if (pattern[here] == ']' && !first) break;
    if (pattern[here] == '[' && here + 1 < pattern.size() && pattern[here + 1] == ':') {
      const std::size_t close = pattern.find(']', here + 2);
      if (close == std::string_view::npos) return open();
      if (close > here + 2 && pattern[close - 1] == ':') {
        const std::string_view name = pattern.substr(here + 2, close - 1 - (here + 2));
        const auto known = std::find_if(kClasses.begin(), kClasses.end(),
                                        [&](const Class& one) { return one.name == name; });
        if (known == kClasses.end()) return open();
        for (int c = 0; c < 256; ++c)
          if (known->holds(c) != 0) members.set(static_cast<std::size_t>(c));
        here = close + 1;
        before = -1;
        continue;
      }
    }
    const bool range = pattern[here] == '-' && before >= 0 && here + 1 < pattern.size() &&
                       pattern[here + 1] != ']';
    if (range) ++here;
    if (pattern[here] == '\\' && ++here == pattern.size()) return open();
    const int member = static_cast<int>(value_of(pattern[here++]));
    for (int c = range ? before : member; c <= member; ++c)
      members.set(static_cast<std::size_t>(c));
    before = range ? -1 : member;
  }
  if (reversed) members.flip();
  members.reset('/');
  tokens_.push_back({Step::set, static_cast<std::uint16_t>(sets_.size())});
  sets_.push_back(members);
  at = here + 1;
  return success();
}

Glob::States Glob::run(std::string_view text) const {
  const std::size_t end = tokens_.size();
  // What takes nothing is passed at once, so a place that is reached brings those behind it.
  const auto reach = [&](States& states, std::size_t place) {
    while (true) {
      states.add(place);
      if (place == end) return;
      const Step step = tokens_[place].step;
      if (step == Step::directories) {
        states.add(place + 1);
        place += 2;
      } else if (step == Step::stars || step == Step::all_stars) {
        ++place;
      } else {
        return;
      }
    }
  };
  States now(end);
  reach(now, 0);
  for (const char c : text) {
    const unsigned byte = value_of(c);
    States next(end);
    for (std::size_t word = 0; word < now.words; ++word) {
      for (std::uint64_t left = now.bits[word]; left != 0; left &= left - 1) {
        const std::size_t place = word * 64 + static_cast<std::size_t>(__builtin_ctzll(left));
        if (place == end) continue;
        const Token& token = tokens_[place];
        switch (token.step) {
          case Step::byte:
            if (token.value == byte) reach(next, place + 1);
            break;
          case Step::any:
            if (byte != '/') reach(next, place + 1);
            break;
          case Step::set:
            if (sets_[token.value].test(byte)) reach(next, place + 1);
            break;
          case Step::stars:
            if (byte != '/') reach(next, place);
            break;
          case Step::all_stars:
            reach(next, place);
            break;
          case Step::directories:
            break;
          case Step::inside:
            next.add(place);
            if (byte == '/') reach(next, place + 1);
            break;
        }
      }
    }
    if (next.empty()) return next;
    now = next;
  }
  return now;
}

bool Glob::matches(std::string_view path, std::string_view name, bool directory) const {
  if (directories_only_ && !directory) return false;
  std::string_view text = by_name_ ? name : path;
  if (tokens_.empty()) return text == literal_;
  if (!text.starts_with(literal_)) return false;
  text.remove_prefix(literal_.size());
  // "*.o", the usual one.
  if (by_name_ && tokens_.front().step == Step::stars) {
    const std::size_t bytes = tokens_.size() - 1;
    const bool plain = std::all_of(tokens_.begin() + 1, tokens_.end(),
                                   [](const Token& token) { return token.step == Step::byte; });
    if (plain) {
      if (text.size() < bytes) return false;
      text.remove_prefix(text.size() - bytes);
      return std::equal(text.begin(), text.end(), tokens_.begin() + 1,
                        [](char c, const Token& token) { return value_of(c) == token.value; });
    }
  }
  return run(text).has(tokens_.size());
}

bool Glob::may_match_below(std::string_view path) const {
  if (by_name_) return true;
  const std::string below = std::string(path) + "/";
  if (below.size() <= literal_.size()) return literal_.starts_with(below);
  if (!below.starts_with(literal_) || tokens_.empty()) return false;
  return !run(std::string_view(below).substr(literal_.size())).empty();
}

}  // namespace dunlin::files
