// In which order tables are filled, and by what their rows can be told apart. Pure; any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "sql/model/table.h"

namespace dunlin::sql::model {

/// Nodes 0..n-1 and what each needs, as groups that need one another (most of them of one node);
/// what a group needs comes before it. The same input gives the same order; a node without needs
/// keeps its place where it can. Linear; does not recurse.
[[nodiscard]] std::vector<std::vector<std::size_t>> order_by_needs(
    const std::vector<std::vector<std::size_t>>& needs);

struct TableOrder {
  std::vector<Name> tables;  ///< all: what is referenced before what refers to it
  /// Tables that refer to one another in a ring: filled with constraints deferred, made afterwards,
  /// or in two passes. In `tables` they stand together.
  std::vector<std::vector<Name>> cycles;
  std::vector<Name> self_referencing;  ///< a row of it may need another row of it
};

/// By foreign keys; also partitions and inheriting tables behind their parents. References to
/// tables that are not in the catalogue do not count.
[[nodiscard]] TableOrder order_tables(const Catalogue& catalogue);

struct RowKey {
  std::string name;  ///< of the constraint or index; may be empty
  bool primary = false;
  std::vector<KeyPart> parts;
};

/// The primary key, else the narrowest unique key or index (by name among equals) of columns that
/// cannot be NULL, checked at once, for all rows and with whole values. nullopt: there is none;
/// then only SQLite's rowid or PostgreSQL's ctid tells rows apart, within one snapshot.
[[nodiscard]] std::optional<RowKey> row_key(const Table& table, Dialect dialect);

}  // namespace dunlin::sql::model
