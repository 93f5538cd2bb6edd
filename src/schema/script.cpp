// Running a script; see script.h.
#include "schema/script.h"

#include <algorithm>
#include <memory>

#include <sqlite3.h>

#include "base/crash_point.h"
#include "base/text.h"

namespace dunlin::schema {

namespace {

/// Keeps a script from ending our transaction or touching our records, for as long as it lives.
class Guard {
 public:
  explicit Guard(sqlite3* database) : database_(database) {
    sqlite3_set_authorizer(database_, &Guard::decide, this);
  }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
  ~Guard() { sqlite3_set_authorizer(database_, nullptr, nullptr); }
  [[nodiscard]] const std::string& reason() const { return reason_; }
  void forget() { reason_.clear(); }

 private:
  static int decide(void* self, int action, const char* first, const char*, const char*,
                    const char*) {
    return static_cast<Guard*>(self)->refuse(action, first) ? SQLITE_DENY : SQLITE_OK;
  }
  bool refuse(int action, const char* first) {
    if (action == SQLITE_TRANSACTION) {
      reason_ = "a migration already runs in one transaction: remove BEGIN, COMMIT and ROLLBACK";
    } else if (action == SQLITE_ATTACH || action == SQLITE_DETACH) {
      reason_ = "a migration cannot attach or detach databases";
    } else if ((action == SQLITE_INSERT || action == SQLITE_UPDATE || action == SQLITE_DELETE ||
                action == SQLITE_DROP_TABLE) &&
               first != nullptr && std::string_view(first).starts_with("__Migrations")) {
      reason_ = "a migration cannot change the tables of its own history";
    } else {
      return false;
    }
    return true;
  }

  sqlite3* database_;
  std::string reason_;
};

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Prepared = std::unique_ptr<sqlite3_stmt, Finalize>;

/// What lies before the first word of a statement: white space and comments.
std::size_t skip_blank(std::string_view sql, std::size_t at) {
  while (at < sql.size()) {
    const std::string_view rest = sql.substr(at);
    if (rest.starts_with("--")) {
      at = std::min(sql.find('\n', at), sql.size());
    } else if (rest.starts_with("/*")) {
      const std::size_t end = sql.find("*/", at + 2);
      at = end == std::string_view::npos ? sql.size() : end + 2;
    } else if (rest.starts_with("\xEF\xBB\xBF")) {
      at += 3;
    } else if (std::string_view(" \t\r\n\f;").find(sql[at]) != std::string_view::npos) {
      ++at;
    } else {
      break;
    }
  }
  return at;
}

std::string beginning(std::string_view statement) {
  constexpr std::size_t kShown = 120;
  std::string text(statement.substr(0, std::min(kShown, statement.find('\n'))));
  if (text.size() < statement.size()) text.append(" ...");
  return printable(text);
}

Error failure(sqlite3* database, int code, const Script& script, std::size_t start, std::size_t at,
              const Guard& guard) {
  const std::string_view sql = script.sql;
  const auto line = script.first_line +
                    std::count(sql.begin(), sql.begin() + static_cast<std::ptrdiff_t>(at), '\n');
  const std::string what = guard.reason().empty() ? sqlite3_errmsg(database) : guard.reason();
  Error error = sql::error_from_sqlite(database, code, "run " + script.file);
  const ErrorCategory category = error.category();
  const bool of_the_script = !guard.reason().empty() || (category != ErrorCategory::transient &&
                                                         category != ErrorCategory::system);
  if (of_the_script) error.type = ErrorType::migration_failed;
  error.message = printable(script.file) + ":" + std::to_string(line) + ": " + printable(what) +
                  ", in: " + beginning(sql.substr(start));
  return error;
}

}  // namespace

Status run_script(sql::Database& database, const Script& script) {
  sqlite3* const handle = database.handle();
  Guard guard(handle);
  const char* const text = script.sql.c_str();
  for (std::size_t at = skip_blank(script.sql, 0); at < script.sql.size();
       at = skip_blank(script.sql, at)) {
    sqlite3_stmt* raw = nullptr;
    const char* tail = nullptr;
    guard.forget();
    int code = sqlite3_prepare_v2(handle, text + at, -1, &raw, &tail);
    const Prepared statement(raw);
    if (code != SQLITE_OK) {
      const int offset = sqlite3_error_offset(handle);
      return failure(handle, code, script, at, at + static_cast<std::size_t>(std::max(offset, 0)),
                     guard);
    }
    DUNLIN_CRASH_POINT("schema.statement.before");
    if (statement) {
      do code = sqlite3_step(statement.get());
      while (code == SQLITE_ROW);
      if (code != SQLITE_DONE) return failure(handle, code, script, at, at, guard);
    }
    DUNLIN_CRASH_POINT("schema.statement.after");
    at = static_cast<std::size_t>(tail - text);
  }
  return success();
}

}  // namespace dunlin::schema
