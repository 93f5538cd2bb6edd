// The writers of the three dialects behind create_statements(); used by this folder alone.
#pragma once

#include "sql/model/create.h"

namespace dunlin::sql::model {

[[nodiscard]] Script write_postgresql(const Catalogue& catalogue);
[[nodiscard]] Script write_mariadb(const Catalogue& catalogue);
[[nodiscard]] Script write_sqlite(const Catalogue& catalogue);

/// Types, tables, views and routines, in the order in which they can be made.
struct Piece {
  enum class Kind : std::uint8_t { type, table, view, routine };
  Kind kind;
  std::size_t index;    ///< in the catalogue's list
  bool needed = false;  ///< by a table, or is one
};
[[nodiscard]] std::vector<Piece> order_pieces(const Catalogue& catalogue);

[[nodiscard]] inline Remark left_out(std::string object, std::string why) {
  return {RemarkKind::left_out, std::move(object), std::move(why)};
}

}  // namespace dunlin::sql::model
