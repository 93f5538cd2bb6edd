// Text for drivers: UTF-8 here, UTF-16 there. Pure functions; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sql/odbc/client_library.h"

namespace dunlin::sql {

static_assert(sizeof(SQLWCHAR) == 2, "unixODBC's wide characters are UTF-16");

/// invalid_input for what is no UTF-8.
[[nodiscard]] Result<std::vector<SQLWCHAR>> utf16_of(std::string_view utf8);
/// A surrogate without its other half becomes U+FFFD.
[[nodiscard]] std::string utf8_of(std::span<const SQLWCHAR> utf16);

}  // namespace dunlin::sql
