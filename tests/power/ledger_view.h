// What a ledger says, read from a copy of its files by SQLite alone: nothing of src/ takes part in
// the judgement. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace dunlin::power {

struct LedgerItem {
  std::int64_t id = 0;
  std::string task;  ///< "batch_file_operation", ...
  bool completed = false;
  bool batch_executing = false;
  bool intents = false;  ///< its batch has recorded some
};

struct LedgerView {
  bool there = false;  ///< else nothing below counts: nobody knows of the execution
  std::string damage;  ///< what SQLite's own check says; empty: nothing
  std::string status;
  std::int64_t epoch = 0;
  /// By the path from the root of the tree, "" for the root, and the task.
  std::multimap<std::string, LedgerItem> items;
  [[nodiscard]] std::size_t completed() const;
  [[nodiscard]] const LedgerItem* item(std::int64_t id) const;
};

/// Of the only execution in a state directory. `scratch` is a folder for the copy.
[[nodiscard]] LedgerView read_ledger(const std::string& state, const std::string& scratch);

}  // namespace dunlin::power
