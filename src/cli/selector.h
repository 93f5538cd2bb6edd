// The flags that name items for retry and skip.
#pragma once

#include "base/json.h"
#include "cli/verbs.h"

namespace dunlin::cli {

class SelectorFlags {
 public:
  explicit SelectorFlags(CLI::App& app);
  /// {batch, item, type, path}: what was given; all of it must match.
  [[nodiscard]] Result<Json> read() const;

 private:
  Text batch_;
  Text item_;
  Text type_;
  Text path_;
  CLI::Option* task_ = nullptr;
};

/// A whole number from 1, or invalid_input naming the flag.
[[nodiscard]] Result<std::int64_t> whole_number(const std::string& text, std::string_view flag);

/// A type or category of errors, or invalid_input with the nearest one.
[[nodiscard]] Result<std::string> error_type_name(const std::string& text);

}  // namespace dunlin::cli
