// A plan document without the secrets that somebody has written into it: where every plan comes in,
// so that none is stored, shown or told in an error. Pure; any thread.
#pragma once

#include "base/json.h"

namespace dunlin::engine {

/// "***" in place of the password of each address, of the value of each key that names a secret
/// (a reference, env:NAME or file:PATH, stays), and of what is found in name and description.
/// Paths, and names of tables and columns below `entities`, stay as they are. Repeatable.
[[nodiscard]] Json without_secrets(Json document);

}  // namespace dunlin::engine
