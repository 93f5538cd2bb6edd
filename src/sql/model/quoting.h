// Names as each dialect writes them: always in its quotes. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sql/model/table.h"

namespace dunlin::sql::model {

/// A quote within stands twice; nothing else in a name means anything.
[[nodiscard]] inline std::string quoted(Dialect dialect, std::string_view name) {
  const char mark = dialect == Dialect::mysql ? '`' : '"';
  std::string out(1, mark);
  for (const char c : name) {
    out.push_back(c);
    if (c == mark) out.push_back(c);
  }
  return out + mark;
}

[[nodiscard]] inline std::string quoted(Dialect dialect, const Name& name) {
  return name.schema.empty() ? quoted(dialect, name.name)
                             : quoted(dialect, name.schema) + "." + quoted(dialect, name.name);
}

/// "a", "b"
[[nodiscard]] inline std::string quoted_list(Dialect dialect,
                                             const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + quoted(dialect, name);
  return out;
}

}  // namespace dunlin::sql::model
