// A TCP port of this host that nobody listens on just now.
#pragma once

namespace dunlin::testing {

/// Throws std::runtime_error when there is none. Somebody else may take it before it is used.
[[nodiscard]] int free_port();

}  // namespace dunlin::testing
