// What is not the same in two catalogues, object by object: for drift (schema.md S-14) and for
// people. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_fwd.h"
#include "sql/model/table.h"

namespace dunlin::sql::model {

enum class Change : std::uint8_t { added, changed, dropped };
[[nodiscard]] std::string_view to_string(Change change);

struct Difference {
  std::string kind;  ///< "table", "column", "primary key", "index", "view", "routine", ...
  std::string name;  ///< "public.t", "public.t.c"; of what has no name: what it is made of
  Change change = Change::changed;
  std::string what;  ///< of what has changed: "type: integer → bigint; not_null: no → yes"
  bool operator==(const Difference&) const = default;
  [[nodiscard]] std::string line() const;  ///< "column public.t.c: changed: ..."
};

/// By kind and name; empty: they are equal. With a table its columns, keys and indexes come and go
/// without a word of their own. A new name is a drop and an addition: the catalogue does not know.
[[nodiscard]] std::vector<Difference> differences(const Catalogue& before, const Catalogue& after);
/// Of canonical forms (to_json()), one of which may have been kept for years: members that one of
/// them does not know are differences of value.
[[nodiscard]] std::vector<Difference> differences(const Json& before, const Json& after);

}  // namespace dunlin::sql::model
