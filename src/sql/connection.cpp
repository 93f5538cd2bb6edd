#include "sql/connection.h"

namespace dunlin::sql {

Status Connection::run_each(std::span<const std::string_view> statements, const Call& call) {
  for (const std::string_view sql : statements) DUNLIN_TRY(run_only(*this, sql, call));
  return success();
}

Status run_only(Connection& connection, std::string_view sql, const Call& call,
                std::span<const Parameter> parameters) {
  const Result<Done> done = connection.run(sql, call, parameters);
  return done.ok() ? success() : Status(done.error());
}

Result<std::optional<std::string>> query_text(Connection& connection, std::string_view sql,
                                              const Call& call,
                                              std::span<const Parameter> parameters) {
  DUNLIN_ASSIGN(const std::unique_ptr<Rows> rows, connection.query(sql, call, parameters));
  DUNLIN_ASSIGN(bool more, rows->next());
  if (!more || rows->is_null(0)) return std::optional<std::string>();
  std::optional<std::string> text(rows->text(0));
  while (more) {
    DUNLIN_ASSIGN(more, rows->next());
  }
  return text;
}

}  // namespace dunlin::sql
