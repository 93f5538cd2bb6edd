// Directories of a batch, level by level: a parent is made before its children and goes after them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/run.h"
#include "fs/flush.h"

namespace dunlin::files {

/// Of the directory an item stands for, relative to the root: its own name is empty where the item
/// belongs to the directory itself.
[[nodiscard]] std::string path_of(const engine::ItemRow& row);

enum class LevelOrder : std::uint8_t { parents_first, deepest_first };
using LevelStep = std::function<Result<engine::ItemOutcome>(engine::ItemRow&)>;

/// Runs `step` for each row, a level on the pool at a time; sorts `rows`. What it changed is made
/// durable by `flush` (prepared by the steps), then reported; an error of a step is its item's.
/// After an emergency stop or a take-over nothing is flushed or reported.
[[nodiscard]] Status run_by_level(engine::BatchContext& context, std::vector<engine::ItemRow>& rows,
                                  LevelOrder order, fs::BatchFlush& flush, const LevelStep& step);
/// The same, and what is to be reported is appended to `outcomes` instead.
[[nodiscard]] Status run_by_level(engine::BatchContext& context, std::vector<engine::ItemRow>& rows,
                                  LevelOrder order, fs::BatchFlush& flush, const LevelStep& step,
                                  std::vector<engine::ItemOutcome>& outcomes);

}  // namespace dunlin::files
