// A document that a person wrote, YAML or JSON by the ending of its name, with the place of every
// key. JSON is taken strictly, and what people most often get wrong in it is named. Pure; any
// thread.
#pragma once

#include <string_view>

#include "base/yaml.h"

namespace dunlin {

/// As parse_yaml; what is named *.json has to be JSON.
[[nodiscard]] Result<YamlDocument> parse_document(std::string_view text, std::string_view file);

/// The message of an error of parse_yaml or parse_document in its parts.
struct PlacedMessage {
  YamlPosition at;
  std::string why;
};
[[nodiscard]] PlacedMessage placed_message(const Error& error, std::string_view file);

}  // namespace dunlin
