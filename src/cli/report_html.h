// The report as one HTML page that needs nothing else: no script, no font, no network.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "engine/engine.h"

namespace dunlin::cli {

/// `report` is what `dunlin report --format json` says of the same execution. Whatever stands in
/// names and messages is text there, never markup.
[[nodiscard]] std::string report_html(const engine::Snapshot& snapshot, const Json& report,
                                      std::string_view version);

}  // namespace dunlin::cli
