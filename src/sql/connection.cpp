#include "sql/connection.h"

namespace dunlin::sql {

Result<std::vector<Answer>> Connection::run_all(std::span<const Request> statements,
                                                const Call& call) {
  std::vector<Answer> answers(statements.size());
  for (std::size_t i = 0; i < statements.size(); ++i) {
    const Request& one = statements[i];
    if (one.asks) {
      DUNLIN_ASSIGN(answers[i], query_text(*this, one.sql, call, one.parameters));
    } else {
      DUNLIN_TRY(run_only(*this, one.sql, call, one.parameters));
    }
  }
  return answers;
}

Status run_only(Connection& connection, std::string_view sql, const Call& call,
                std::span<const Parameter> parameters) {
  const Result<Done> done = connection.run(sql, call, parameters);
  return done.ok() ? success() : Status(done.error());
}

Result<Answer> query_text(Connection& connection, std::string_view sql, const Call& call,
                          std::span<const Parameter> parameters) {
  DUNLIN_ASSIGN(const std::unique_ptr<Rows> rows, connection.query(sql, call, parameters));
  DUNLIN_ASSIGN(bool more, rows->next());
  if (!more || rows->is_null(0)) return Answer();
  std::optional<std::string> text(rows->text(0));
  while (more) {
    DUNLIN_ASSIGN(more, rows->next());
  }
  return text;
}

}  // namespace dunlin::sql
