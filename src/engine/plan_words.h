// Words for what is wrong in a plan: keys as a person writes them, the key or value that was meant.
// Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace dunlin::engine {

/// "/source/paths/0" as "source.paths[0]"; empty for the whole document.
[[nodiscard]] std::string key_text(std::string_view pointer);
/// The last key of a pointer, unescaped.
[[nodiscard]] std::string last_key(std::string_view pointer);
[[nodiscard]] std::string parent_of(std::string_view pointer);

/// The word of `known` that `word` was meant to be: another spelling, or what other tools call it
/// ("dest", "replace"). Empty: none.
[[nodiscard]] std::string meant_word(std::string_view word, const std::vector<std::string>& known);
/// "; did you mean X?", else "; known here: A, B" while that is short, else nothing.
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       const std::vector<std::string>& known);
/// What did_you_mean suggested in a message; empty: nothing.
[[nodiscard]] std::string suggestion_in(std::string_view message);

/// Of a key that the specification has and plans of this version have not.
[[nodiscard]] std::string not_built_yet(std::string_view key);

/// A value for a message: short, printable; "a list" and "a table" for what holds values.
[[nodiscard]] std::string shown_value(const Json& value);

/// What yes, no, on, off and the quoted words were meant to be; nullopt for anything else.
[[nodiscard]] std::optional<bool> truth_meant(const Json& value);
/// What to write instead of a text that is no size (or rate): "; write 200MB/s".
[[nodiscard]] std::string size_advice(std::string_view text, bool rate);

}  // namespace dunlin::engine
