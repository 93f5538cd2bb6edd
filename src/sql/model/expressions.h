// Default values in the words of another dialect: literals, the present time, a new UUID. Used by
// this folder alone; pure.
#pragma once

#include <optional>
#include <string>

#include "sql/model/table.h"

namespace dunlin::sql::model {

/// For a column that has the type `to_type` (with its native words) at the target; nullopt: the
/// expression is more than that, or no value of that type.
[[nodiscard]] std::optional<std::string> translate_default(const std::string& expression,
                                                           Dialect from, Dialect to,
                                                           const Type& from_type,
                                                           const Type& to_type);

}  // namespace dunlin::sql::model
