// What psql would do with a `\...` line of a script: done by us, passed over, or refused by name
// (schema.md S-5; dumps and many projects have them).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace dunlin::sql {

enum class ClientAction : std::uint8_t {
  nothing,           ///< only concerns what psql shows, or what we do anyway
  include,           ///< `\i FILE`: relative to where psql was started
  include_relative,  ///< `\ir FILE`: relative to the script
};

struct ClientCommand {
  ClientAction action = ClientAction::nothing;
  std::string file;  ///< of the includes
};

/// `line`: from the backslash to the end of the line. invalid_input for all that would change what
/// is run, where, or what else is touched: `\!`, `\copy`, `\connect`, `\gexec`, `\if` and the like.
[[nodiscard]] Result<ClientCommand> client_command(std::string_view line);

}  // namespace dunlin::sql
