// Rows of a ledger and ends of executions as JSON, under the originals' names. Pure functions over
// what they are given, and reads of the ledger.
#pragma once

#include "engine/engine.h"

namespace dunlin::cli {

[[nodiscard]] Json item_json(const store::ItemRow& item);
/// `snapshot`: of the execution it belongs to, for what to do about it now.
[[nodiscard]] Json error_json(const store::ErrorRow& error, const engine::Snapshot& snapshot);
[[nodiscard]] Json task_json(const store::TaskRow& task);
[[nodiscard]] Json checkpoint_json(const store::CheckpointRow& checkpoint);

/// Path of an item or error relative to the source, bytes; "." for the root itself.
[[nodiscard]] std::string path_of(const std::string& directory, const std::string& name);

/// The summary of errors in reports and the finished event: {total, by_type, sample_errors}.
[[nodiscard]] Json error_summary(const engine::Snapshot& snapshot, const store::Ledger& ledger);

/// snapshot_json with what the ledger adds: the last 100 errors and tasks, the differences that
/// verification found, milestones.
[[nodiscard]] Json execution_json(const engine::Snapshot& snapshot, const store::Ledger& ledger);

/// Fields of the finished event (cli.md), without event and time.
[[nodiscard]] Json finished_fields(const engine::Snapshot& snapshot, const store::Ledger& ledger,
                                   int exit_code);

}  // namespace dunlin::cli
