// The one table of execution settings: names, aliases, types, ranges (engine.md X-5).
//
// decode_settings, the JSON Schema, the configuration file and docs/settings.md all come from it,
// so that a spelling accepted in one place is accepted everywhere. Pure functions; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace dunlin::engine {

enum class SettingType : std::uint8_t {
  choice,   ///< one word of `words`; '-' and '_' are the same letter
  integer,  ///< from `low` to `high`
  size,     ///< bytes: a number, or text such as "64MiB"
  rate,     ///< bytes per second: a number, or text such as "200MB/s"
  number,   ///< not necessarily whole, from `low` to `high`
  boolean,
  failures,  ///< a count, or a share such as "5%"
  errors,    ///< a list of error types or categories
  parts,     ///< a list of selectors (selector.h)
  duration,  ///< text such as "7d" or "36h", or forever
};

struct SettingInfo {
  std::string_view
      path;  ///< below `settings`, groups separated by '.': "retry_policy.max_attempts"
  SettingType type = SettingType::integer;
  std::vector<std::string_view> aliases;  ///< other paths with the same meaning
  std::vector<std::string_view> words;
  double low = 0;
  double high = 0;
  std::string_view help;
  /// JSON of the one value that this version acts on; any other is refused, never ignored. Empty:
  /// every value works.
  std::string_view only = {};
};

[[nodiscard]] const std::vector<SettingInfo>& setting_infos();

/// A part of a document that holds settings, and where it stands (a JSON pointer: "/settings").
struct SettingsSource {
  std::string at;
  const Json* section = nullptr;
};

/// What the sources set, and nothing else, under the canonical names and with canonical values, in
/// groups. Problems, one line each beginning with a JSON pointer, are appended: unknown keys with
/// the nearest valid one, wrong types, ranges, two spellings of one setting with different values.
/// `foreign` names keys of the first level that belong to a kind; they are passed over.
[[nodiscard]] Json canonical_settings(std::span<const SettingsSource> sources,
                                      std::vector<std::string>& problems,
                                      std::span<const std::string> foreign = {});

/// The settings of `over` on top of those of `under`, both canonical. A dry run and an incremental
/// mode are, in either order, the dry run of that mode.
[[nodiscard]] Json merge_settings(Json under, const Json& over);

/// JSON Schema of the settings section.
[[nodiscard]] Json settings_schema();

}  // namespace dunlin::engine
