// Types: what a server's words for one mean, and the words of another server for the same.
// The map is that of docs (README of this folder names the lossy steps). Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "sql/model/table.h"

namespace dunlin::sql::model {

/// What format_type() of PostgreSQL, COLUMN_TYPE of MariaDB and MySQL, or the declaration of a
/// SQLite column says. Names that the dialect does not bring with it: TypeKind::other, the name in
/// `name`.
[[nodiscard]] Type type_from_text(Dialect dialect, std::string_view native);

struct MappedType {
  std::string text;   ///< as the other server's CREATE TABLE takes it
  std::string check;  ///< what the type alone does not say any more: a condition on the column
  std::string loss;   ///< what is not the same any more, for a person; empty: nothing
};

/// `column` is quoted for the target, for the check. `labels` are those of a PostgreSQL enum.
/// `in_key`: the column is part of a key or an index (MariaDB takes no text of any length there).
[[nodiscard]] MappedType map_type(const Type& type, Dialect from, Dialect to,
                                  const std::string& column, const std::vector<std::string>& labels,
                                  bool in_key);

/// 'it''s': of the dialect, whatever its session says about backslashes when `text` has none.
[[nodiscard]] std::string string_literal(Dialect dialect, std::string_view text);

}  // namespace dunlin::sql::model
