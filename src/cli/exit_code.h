// Exit codes of the contract: one place that maps errors and ends of executions to them.
#pragma once

#include "engine/engine.h"

namespace dunlin::cli {

inline constexpr int kDone = 0;
inline constexpr int kItemsFailed = 1;
inline constexpr int kUsage = 2;
inline constexpr int kPreflightRefused = 3;
inline constexpr int kPausedOrCancelled = 4;
inline constexpr int kLockHeld = 5;
inline constexpr int kDifferences = 6;
inline constexpr int kFatal = 7;
inline constexpr int kDefect = 70;

/// Of a command that could not do what was asked.
[[nodiscard]] int exit_code_of(const Error& error);
/// Of an execution as it stands, for commands that only watched it: the same code that its owner
/// ended with.
[[nodiscard]] int exit_code_of(const engine::Snapshot& snapshot);

}  // namespace dunlin::cli
