// Operators and their tokens, as state.db keeps them. Who may do what is decided above
// (engine/roles.h). Values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dunlin::store {

/// Each may all that the one before it may. `nobody`: no operator.
enum class Role : std::uint8_t { nobody, viewer, operator_, admin };

[[nodiscard]] std::string_view to_string(Role role);
/// "viewer", "operator", "admin".
[[nodiscard]] std::optional<Role> role_from(std::string_view name);

struct OperatorRow {
  std::string name;  ///< letters, digits, '.', '_', '-'; begins with a letter or digit, at most 64
  Role role = Role::viewer;
  std::optional<std::int64_t> uid;  ///< whoever has it on this machine is that operator
  std::int64_t created_ms = 0;
};

struct TokenRow {
  std::string id;  ///< no secret: the first part of the token
  std::string operator_name;
  std::string hash;  ///< SHA-256 of the whole token, 32 bytes
  std::int64_t created_ms = 0;
  std::int64_t used_ms = 0;     ///< 0: never; not more exact than a minute
  std::int64_t revoked_ms = 0;  ///< 0: it is good
};

}  // namespace dunlin::store
