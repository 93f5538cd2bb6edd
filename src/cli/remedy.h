// What to type next about an error, in the state that its execution is in: the registry's advice
// names one command for each type of error, and that one may not be allowed, or be of no use, here.
// Pure functions.
#pragma once

#include <string>

#include "engine/engine.h"

namespace dunlin::cli {

/// What an error keeps from its end.
enum class Concern : std::uint8_t {
  execution,    ///< all of it: why it was refused, paused or failed
  failed_item,  ///< one item, or batch, that counts as failed
  difference,   ///< found by a verification
  left_alone,   ///< not taken back by a rollback
};
[[nodiscard]] Concern concern_of(const store::ErrorRow& row);

/// Every command in it is accepted in this state; empty: there is nothing to do.
[[nodiscard]] std::string remedy_for(const Error& error, Concern concern,
                                     const engine::Snapshot& snapshot);

/// Of a command that could not be carried out: nothing of it was recorded that could be retried.
/// `subject`: the execution that it named; may be empty.
[[nodiscard]] std::string remedy_for_command(const Error& error, const std::string& subject);

}  // namespace dunlin::cli
