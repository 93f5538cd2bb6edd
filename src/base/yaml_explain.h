// Why a text is no YAML, in words for somebody who has never read its specification: the parser
// says "illegal map value", a person needs "the colon of line 3 is missing". Guesses by the lines
// around; the parser alone decides what is YAML. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/yaml.h"

namespace dunlin {

struct YamlComplaint {
  YamlPosition at;  ///< where a person has to look, which may be above where the parser stopped
  std::string why;
};

/// `why` as the parser said it, at `at`.
[[nodiscard]] YamlComplaint explain_yaml(std::string_view text, YamlPosition at,
                                         const std::string& why);

/// True when the quoted text that begins at `offset` ends somewhere; yaml-cpp takes the end of the
/// document for its end.
[[nodiscard]] bool quote_is_closed(std::string_view text, std::size_t offset);

/// Where the text stops being UTF-8; line 0 when it is UTF-8 throughout.
[[nodiscard]] YamlPosition first_no_utf8(std::string_view text);
/// By its byte order mark, or by zeros in the first characters.
[[nodiscard]] bool looks_like_utf16(std::string_view text);

}  // namespace dunlin
