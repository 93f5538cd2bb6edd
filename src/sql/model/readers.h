// What the readers of the three servers share; see read_catalogue.h. Used by this folder alone.
#pragma once

#include <algorithm>
#include <charconv>
#include <span>
#include <string>
#include <string_view>

#include "sql/connection.h"
#include "sql/model/read_catalogue.h"

namespace dunlin::sql::model {

[[nodiscard]] Result<Catalogue> read_postgresql(Connection& connection, const Scope& scope,
                                                const Call& call);
[[nodiscard]] Result<Catalogue> read_mariadb(Connection& connection, const Scope& scope,
                                             const Call& call);
[[nodiscard]] Result<Catalogue> read_sqlite(Connection& connection, const Scope& scope,
                                            const Call& call);

/// The row that a query gives now, by column from 0.
class Row {
 public:
  explicit Row(const Rows& rows) : rows_(rows) {}
  [[nodiscard]] std::string text(int column) const { return std::string(rows_.text(column)); }
  [[nodiscard]] bool is_null(int column) const { return rows_.is_null(column); }
  [[nodiscard]] bool flag(int column) const {
    const std::string_view value = rows_.text(column);
    return value == "t" || value == "1" || value == "YES";
  }
  /// 0 for what is no number.
  [[nodiscard]] std::int64_t number(int column) const {
    const std::string_view value = rows_.text(column);
    std::int64_t out = 0;
    std::from_chars(value.data(), value.data() + value.size(), out);
    return out;
  }

 private:
  const Rows& rows_;
};

/// `each` (of a Row, gives a Status) for every row, to the end or its first error.
template <typename Each>
[[nodiscard]] Status each_row(Connection& connection, std::string_view sql, const Call& call,
                              std::span<const Parameter> parameters, Each each) {
  DUNLIN_ASSIGN(const std::unique_ptr<Rows> rows, connection.query(sql, call, parameters));
  while (true) {
    DUNLIN_ASSIGN(const bool more, rows->next());
    if (!more) return success();
    DUNLIN_TRY(each(Row(*rows)));
  }
}

[[nodiscard]] inline bool holds(const std::vector<std::string>& all, std::string_view one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

}  // namespace dunlin::sql::model
