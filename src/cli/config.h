// Defaults from files and environment (conventions.md, "Configuration").
//
// Command line > plan > DUNLIN_* > --config or the user's file > the machine's file > default. What
// comes out here lies under the plan. Pure but for reading files and environment; one thread.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace dunlin::cli {

struct Config {
  std::string state;               ///< empty: not set
  std::string log_level;           ///< empty: not set
  std::string audit_key_file;      ///< empty: not set
  Json settings = Json::object();  ///< canonical (engine/settings_table.h)
};

using Environment = std::function<const char*(const char* name)>;

/// `file` (from --config) must exist; the default places need not.
[[nodiscard]] Result<Config> load_config(const std::string& file, const Environment& environment);

/// A word from a command line or environment as the JSON it looks like: whole numbers, true, false,
/// or text.
[[nodiscard]] Json value_of(const std::string& text);

/// One setting given in another place than a plan, added to `settings`. `label` ("--batch-size")
/// stands in messages for the place of the key.
void put_setting(Json& settings, const std::string& path, const Json& value,
                 const std::string& label, std::vector<std::string>& problems);

}  // namespace dunlin::cli
