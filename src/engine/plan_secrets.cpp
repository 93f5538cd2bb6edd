// See plan_secrets.h.
#include "engine/plan_secrets.h"

#include <algorithm>

#include "base/redact.h"

namespace dunlin::engine {
namespace {

constexpr std::string_view kInstead = "***";
/// Words of people, not addresses or paths.
constexpr std::string_view kProse[] = {"name", "description"};
/// Below it a key may be a column of that name.
constexpr std::string_view kOthersNames = "entities";

bool is_reference(const Json& value) {
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  return text.starts_with("env:") || text.starts_with("file:");
}

void hide(Json& value) {
  if (value.is_structured()) {
    for (Json& below : value) hide(below);
  } else if (!value.is_null() && !is_reference(value)) {
    value = std::string(kInstead);
  }
}

void clean(Json& value, std::string_view key, bool keys_count) {
  if (value.is_array()) {
    for (Json& below : value) clean(below, key, keys_count);
  } else if (value.is_object()) {
    for (auto& [name, below] : value.items()) {
      if (keys_count && names_secret(name))
        hide(below);
      else
        clean(below, name, keys_count && name != kOthersNames);
    }
  } else if (value.is_string()) {
    const bool prose = std::find(std::begin(kProse), std::end(kProse), key) != std::end(kProse);
    value = redact(value.get_ref<const std::string&>(), prose ? SecretsIn::text : SecretsIn::value);
  }
}

}  // namespace

Json without_secrets(Json document) {
  clean(document, "", true);
  return document;
}

}  // namespace dunlin::engine
