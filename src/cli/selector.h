// The flags that name items for retry and skip, parts of the work for pause, resume and priority,
// and what was done for rollback.
#pragma once

#include "base/json.h"
#include "cli/verbs.h"

namespace dunlin::cli {

class SelectorFlags {
 public:
  explicit SelectorFlags(CLI::App& app);
  /// {batch, task, item, type, path}: what was given; all of it must match.
  [[nodiscard]] Result<Json> read() const;

 private:
  Text batch_;
  Text item_;
  Text type_;
  Text path_;
  Text task_;
};

/// Items by what they are, whether they have begun or not.
class PartFlags {
 public:
  explicit PartFlags(CLI::App& app);
  /// {path, entity, type}: what was given; all of it must match. Empty: nothing was. invalid_input
  /// names a type that there is not, and what would not arrive as it was given.
  [[nodiscard]] Result<Json> read() const;

 private:
  Text path_;
  Text entity_;
  Text type_;
};

/// What was done, whole or in part.
class UndoFlags {
 public:
  explicit UndoFlags(CLI::App& app);
  /// {batch, task, item, path, entity, type}: what was given; all of it must match. Empty: all.
  [[nodiscard]] Result<Json> read() const;

 private:
  PartFlags part_;
  Text batch_;
  Text task_;
  Text item_;
};

/// A whole number from 1, or invalid_input naming the flag.
[[nodiscard]] Result<std::int64_t> whole_number(const std::string& text, std::string_view flag);

/// The number of a task from its uid, files-3, or from the number alone; invalid_input names the
/// flag.
[[nodiscard]] Result<std::int64_t> task_number(const std::string& text);

/// A type or category of errors, or invalid_input with the nearest one.
[[nodiscard]] Result<std::string> error_type_name(const std::string& text);

}  // namespace dunlin::cli
