// What SQLite keeps of a table or an index in its text alone: checks, generated expressions,
// collations, names of constraints, what a conflict does. Pure; any thread.
//
// The texts are those of sqlite_master, which SQLite has parsed before: what is not understood here
// is a mistake of ours, not of a person.
#pragma once

#include <string_view>

#include "base/result.h"
#include "sql/model/table.h"

namespace dunlin::sql::model {

/// Adds to `table`, whose columns have their names and types, what its CREATE TABLE says besides.
[[nodiscard]] Status read_create_table(std::string_view sql, Table& table);
/// Parts, predicate and uniqueness of a CREATE INDEX; its name and table are not looked at.
[[nodiscard]] Result<Index> read_create_index(std::string_view sql);
/// The columns that a CREATE VIEW names, and its query.
[[nodiscard]] Status read_create_view(std::string_view sql, View& view);

}  // namespace dunlin::sql::model
