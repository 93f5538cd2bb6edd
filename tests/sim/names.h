// Events and commands in one line each, for the history that a violation prints. Pure functions.
#pragma once

#include <string>

#include "engine/coordinator.h"

namespace dunlin::sim {

[[nodiscard]] std::string event_text(const engine::coordinator::Event& event);
[[nodiscard]] std::string command_text(const engine::coordinator::Command& command);
[[nodiscard]] std::string mutation_text(const store::Mutation& mutation);

}  // namespace dunlin::sim
