// Glob: one line of a gitignore list, compiled, and matched in time that is bounded by pattern
// length times text length, whatever the pattern (files.md F-1).
//
// The rules are those of gitignore(5), on bytes, not characters: `*` and `?` stop at '/', `**`
// crosses it, [a-z], [!a-z], [[:digit:]], `\` takes the next byte as it is, a leading '!' reverses,
// a trailing '/' means directories only, a '/' elsewhere anchors the pattern at the root, blanks at
// the end do not count unless escaped. Two differences: '#' begins no comment (a pattern stands by
// itself, not in a file that people annotate), and an empty pattern is refused by parse(). What
// gitignore(5) calls invalid (`[a`, a `\` at the end) matches nothing here as there; parse() says
// so. tests/files/glob_test.cpp compares with git itself.
//
// Immutable: any thread.
#pragma once

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace dunlin::files {

class Glob {
 public:
  /// Longer patterns are refused.
  static constexpr std::size_t kMaxBytes = 4096;

  /// invalid_input for a pattern that could never match, with what is wrong about it.
  [[nodiscard]] static Result<Glob> parse(std::string_view line);

  /// `path` is relative to the root, without a slash at either end; `name` its last component.
  [[nodiscard]] bool matches(std::string_view path, std::string_view name, bool directory) const;
  /// Could an entry below the directory `path` match? Never false where one does.
  [[nodiscard]] bool may_match_below(std::string_view path) const;

  /// A leading '!': what it matches is taken out again.
  [[nodiscard]] bool negated() const { return negated_; }
  /// As it was given.
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  enum class Step : std::uint8_t {
    byte,         ///< exactly `value`
    any,          ///< one byte, no '/'
    set,          ///< one byte of sets_[value]
    stars,        ///< any bytes but '/'
    all_stars,    ///< any bytes
    directories,  ///< nothing, or what the next one takes
    inside,       ///< any bytes, the last of them '/'
  };
  struct Token {
    Step step = Step::byte;
    std::uint16_t value = 0;
  };
  struct States;

  [[nodiscard]] Status compile(std::string_view pattern);
  [[nodiscard]] Status add_set(std::string_view pattern, std::size_t& at);
  [[nodiscard]] std::size_t add_stars(std::string_view pattern, std::size_t at);
  [[nodiscard]] States run(std::string_view text) const;

  std::string text_;
  bool negated_ = false;
  bool directories_only_ = false;
  bool by_name_ = false;       ///< no slash in it: matched against the name alone
  std::string literal_;        ///< up to the first special byte; compared first
  std::vector<Token> tokens_;  ///< of the rest; empty: the literal is the whole
  std::vector<std::bitset<256>> sets_;
};

}  // namespace dunlin::files
