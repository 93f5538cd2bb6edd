// What is shown of one execution: the status screen, and the words at its end. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/terminal.h"
#include "engine/breakdown.h"
#include "engine/engine.h"

namespace dunlin::cli {

/// One execution with what its last attempt reported, if it ran here.
struct Shown {
  engine::Snapshot snapshot;
  std::optional<Error> reason;
  std::vector<engine::Problem> problems;
  std::int64_t now_ms = 0;
  std::int64_t attempt_ms = -1;  ///< how long the attempt took that ran here; -1: none did
  std::vector<store::Remark> remarks = {};  ///< what was noted of its items, where somebody asked
  std::vector<engine::ActionResults> actions = {};  ///< of a dry run: what would be done
  Json test = nullptr;                              ///< of a test: engine::test_result()
};

/// `dunlin status`: several lines, each ending in '\n', made for that terminal.
[[nodiscard]] std::string status_screen(const Shown& shown, const Terminal& terminal);

/// What was done, what failed, what was proven, how long it took, what to type next.
[[nodiscard]] std::string summary_text(const Shown& shown, const Terminal& terminal);

/// The colour in which a status is shown.
[[nodiscard]] Colour colour_of(const engine::Snapshot& snapshot);
/// "paused (interrupted)", "running, pause requested".
[[nodiscard]] std::string status_words(const engine::Snapshot& snapshot);

/// "all 48,221 files compared equal to their source", or what is known instead.
[[nodiscard]] std::string verification_statement(const engine::Snapshot& snapshot);

/// "3 files were written twice …: test the device": what ended well and has to be known all the
/// same; empty: nothing.
[[nodiscard]] std::vector<std::string> warning_lines(const engine::Snapshot& snapshot);

/// Commands worth typing now, with what they do.
struct NextCommand {
  std::string command;
  std::string purpose;
};
[[nodiscard]] std::vector<NextCommand> next_commands(const engine::Snapshot& snapshot);

/// "3m 20s", "under 1s" for none.
[[nodiscard]] std::string took(std::int64_t seconds);

}  // namespace dunlin::cli
