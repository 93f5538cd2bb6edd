// One setting: what a person wrote, in its canonical form, or why it cannot be that and what to
// write instead. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "engine/settings_table.h"

namespace dunlin::engine {

/// A canonical value, or why there is none.
struct Converted {
  std::optional<Json> value;
  std::string why;
};

[[nodiscard]] Converted convert_setting(const SettingInfo& info, const Json& value);

/// '-' and '_' are the same letter in keys.
[[nodiscard]] std::string normal_key(std::string_view key);

}  // namespace dunlin::engine
