// Statements that make the schema of a catalogue, for its own dialect or another.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "sql/model/table.h"

namespace dunlin::sql::model {

enum class RemarkKind : std::uint8_t {
  left_out,  ///< is not made at all
  changed,   ///< is made, and is not the same any more
  renamed,
};

/// What a person has to know of the difference between what was read and what is made.
struct Remark {
  RemarkKind kind = RemarkKind::changed;
  std::string object;  ///< "table public.t", "column public.t.c", "index public.i"
  std::string text;
  bool operator==(const Remark&) const = default;
  [[nodiscard]] std::string line() const;  ///< "column t.c: changed: ..."
};

/// Run in their order, the second list when the rows are there. A statement is one for
/// Connection::run(). Each list holds for any session: what it sets for itself it puts back.
struct Script {
  std::vector<std::string> before_data;  ///< schemas, types, sequences, tables, what these need
  std::vector<std::string> after_data;   ///< keys, indexes, foreign keys, views, triggers, the rest
  std::vector<Remark> remarks;
};

/// For the catalogue's own dialect: what is made in an empty database reads as an equal catalogue,
/// but for what the remarks name. Checks that were not validated yet are made in that state.
/// For another: as convert() says it. unsupported_item for SQL Server.
[[nodiscard]] Result<Script> create_statements(const Catalogue& catalogue, Dialect to);

struct Converted {
  Catalogue catalogue;
  std::vector<Remark> remarks;
};

/// The same tables in another dialect's types, names and expressions (types.h has the map). Views,
/// routines, triggers, and expressions that are more than literals and the present time are left
/// out by name: their language is the other server's. Names that are too long are cut and end in a
/// hash of the whole; what would be equal then, or equal to the target in another case, differs
/// too. Schemas become parts of names when there are several.
[[nodiscard]] Result<Converted> convert(const Catalogue& catalogue, Dialect to);

/// A name as long as the dialect takes (PostgreSQL 63 bytes, MariaDB and MySQL 64 characters), cut
/// between characters; the same for the same name always.
[[nodiscard]] Result<std::string> short_name(const std::string& name, Dialect dialect);

}  // namespace dunlin::sql::model
