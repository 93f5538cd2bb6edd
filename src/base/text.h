// Bytes and text: escapes for people and JSON, UTF-8, hexadecimal, base64, "did you mean", shell
// quoting.
//
// Names from file systems and servers are bytes and may be hostile; nothing reaches a terminal, a
// log or JSON without going through here (engine.md X-31). Pure functions; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dunlin {

/// Strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view bytes);
/// A code point up to U+10FFFF, behind what stands there.
void append_utf8(std::string& text, std::uint32_t code);

/// One printable line that gives the bytes back. The exact rule: a backslash becomes `\\`; each
/// byte of a control character (U+0000-U+001F, U+007F-U+009F), of a line or paragraph separator
/// (U+2028, U+2029), of a character that changes the direction of text (U+200E, U+200F,
/// U+202A-U+202E, U+2066-U+2069: they can disguise a name) and each byte that is no UTF-8 becomes
/// `\xNN` (lower-case hexadecimal). All else stays.
[[nodiscard]] std::string escape_bytes(std::string_view bytes);
/// The inverse of escape_bytes; accepts upper-case digits too. nullopt for an escape that is
/// neither `\\` nor `\xNN`.
[[nodiscard]] std::optional<std::string> unescape_bytes(std::string_view text);
/// As escape_bytes but leaves backslashes alone: for text that may hold escapes already (messages,
/// log lines). Applying it twice changes nothing; it cannot be undone.
[[nodiscard]] std::string printable(std::string_view text);
/// Only the bytes that are no UTF-8 become `\xNN`: for JSON strings, which carry control characters
/// by themselves.
[[nodiscard]] std::string escape_invalid_utf8(std::string_view bytes);

/// Lower-case hexadecimal.
[[nodiscard]] std::string hex(std::string_view bytes);
/// nullopt for an odd length or another character than 0-9, a-f, A-F.
[[nodiscard]] std::optional<std::string> unhex(std::string_view text);

/// RFC 4648 section 4, with padding.
[[nodiscard]] std::string base64_encode(std::string_view bytes);
/// Strict: padding required, no white space, unused bits zero; nullopt otherwise.
[[nodiscard]] std::optional<std::string> base64_decode(std::string_view text);

/// The candidate a person most likely meant: least Damerau-Levenshtein distance (optimal string
/// alignment, ASCII case ignored), at most a third of the longer word's length and at least 1; the
/// first of equals. nullopt when none is near.
[[nodiscard]] std::optional<std::string> nearest_word(std::string_view word,
                                                      std::span<const std::string_view> candidates);
[[nodiscard]] std::optional<std::string> nearest_word(std::string_view word,
                                                      const std::vector<std::string>& candidates);

/// One word for a POSIX shell, for commands shown to people: as it is when harmless, else in single
/// quotes; `$'...'` (POSIX 2024, bash, zsh) when it holds bytes that a terminal would not show.
[[nodiscard]] std::string shell_quote(std::string_view word);
[[nodiscard]] std::string shell_join(const std::vector<std::string>& words);

}  // namespace dunlin
