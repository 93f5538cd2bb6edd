// JSON at the seams: parsing with limits, printing that cannot throw, and the two fields of a path.
//
// Json keeps the order of keys (answers and reports are read by people). Its objects are vectors:
// looking up a key is linear, so keep objects small. Slow to compile: headers of hot paths include
// json_fwd.h or nothing. Pure functions; a Json is a plain value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/json_fwd.h"
#include "base/result.h"

namespace dunlin {

struct JsonLimits {
  std::size_t max_bytes = 16U << 20U;
  int max_depth = 64;
};

/// RFC 8259. ErrorType::invalid_input with "NAME:LINE:COLUMN: why" for anything else: bytes that
/// are no UTF-8, a key given twice in one object, a number that is not finite, too much nesting or
/// text. Nothing is thrown, and time and memory are linear in the input.
[[nodiscard]] Result<Json> parse_json(std::string_view text, std::string_view name = "json",
                                      JsonLimits limits = {});

/// Text of a Json; strings that are no UTF-8 are printed with U+FFFD instead of throwing (put_path
/// avoids that). `indent` < 0: one line.
[[nodiscard]] std::string dump_json(const Json& json, int indent = -1);

/// Sets `key` to the name as text and, only when the bytes are no UTF-8, `key`_b64 to the exact
/// bytes; the text then has `\xNN` for the bytes that do not fit (conventions.md, "Paths").
void put_path(Json& object, std::string_view key, std::string_view bytes);
/// The bytes that put_path stored; ErrorType::invalid_input when neither field is usable.
[[nodiscard]] Result<std::string> get_path(const Json& object, std::string_view key);

/// Reads of optional members without exceptions: nullptr when absent or when `object` is none.
[[nodiscard]] const Json* find_member(const Json& object, std::string_view key);
/// The member if it is there and a string (integer in 64 bits, boolean); else `fallback`.
[[nodiscard]] std::string string_or(const Json& object, std::string_view key,
                                    std::string_view fallback);
[[nodiscard]] std::int64_t integer_or(const Json& object, std::string_view key,
                                      std::int64_t fallback);
[[nodiscard]] bool boolean_or(const Json& object, std::string_view key, bool fallback);

/// One token of a JSON pointer (RFC 6901): `~` and `/` escaped.
[[nodiscard]] std::string json_pointer_token(std::string_view key);

}  // namespace dunlin
