// Who is there: the questions by which each server says what it is and which session this is.
// Internal to this folder. One thread at a time.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sql/connection.h"

namespace dunlin::sql {

struct Introduction {
  ServerInfo server;
  SessionId session;
};

/// Answers a query with the columns of its only row.
using AskServer = std::function<Result<std::vector<std::string>>(std::string_view sql)>;

/// `file`: of SQLite, which says it by no query.
[[nodiscard]] Result<Introduction> introduce_server(Dialect dialect, const std::string& file,
                                                    const AskServer& ask);

/// The query whose answer is 1 within a transaction, 2 within one that has failed, else 0; empty
/// where there is none.
[[nodiscard]] std::string_view transaction_query(Dialect dialect, const ServerInfo& server);

}  // namespace dunlin::sql
