#include "sqlite_state.h"

#include <algorithm>
#include <sstream>
#include <vector>

#include <sqlite3.h>

#include "base/check.h"

namespace dunlin::crash {
namespace {

class Handle {
 public:
  explicit Handle(const std::string& path) {
    DUNLIN_CHECK(sqlite3_open(path.c_str(), &db_) == SQLITE_OK, path);
    sqlite3_busy_timeout(db_, 5000);
  }
  ~Handle() { sqlite3_close(db_); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  sqlite3* get() { return db_; }

 private:
  sqlite3* db_ = nullptr;
};

std::vector<std::string> rows(sqlite3* db, const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  DUNLIN_CHECK(sqlite3_prepare_v2(db, sql.c_str(), -1, &statement, nullptr) == SQLITE_OK,
               sqlite3_errmsg(db));
  std::vector<std::string> lines;
  while (sqlite3_step(statement) == SQLITE_ROW) {
    std::string line;
    for (int c = 0; c < sqlite3_column_count(statement); ++c) {
      const int type = sqlite3_column_type(statement, c);
      const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, c));
      const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, c));
      line += std::to_string(type) + ":" +
              (bytes == nullptr ? std::string() : std::string(bytes, size)) + "|";
    }
    lines.push_back(line);
  }
  sqlite3_finalize(statement);
  return lines;
}

}  // namespace

void execute_sql(const std::string& database, const std::string& sql) {
  Handle handle(database);
  DUNLIN_CHECK(sqlite3_exec(handle.get(), sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK,
               sqlite3_errmsg(handle.get()));
}

std::string query_sql(const std::string& database, const std::string& sql) {
  Handle handle(database);
  std::string text;
  for (const std::string& line : rows(handle.get(), sql)) text += line + "\n";
  return text;
}

std::string dump_tables(const std::string& database) {
  Handle handle(database);
  std::ostringstream text;
  for (const std::string& line : rows(handle.get(),
                                      "SELECT type, name, sql FROM sqlite_master WHERE tbl_name "
                                      "NOT LIKE '\\_\\_%' ESCAPE '\\' "
                                      "AND name NOT LIKE 'sqlite_%' ORDER BY name")) {
    text << line << "\n";
  }
  for (std::string table :
       rows(handle.get(),
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE "
            "'\\_\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite_%' ORDER BY name")) {
    table = table.substr(2, table.size() - 3);
    std::vector<std::string> lines = rows(handle.get(), "SELECT * FROM \"" + table + "\"");
    std::sort(lines.begin(), lines.end());
    text << table << ": " << lines.size() << " rows\n";
    for (const std::string& line : lines) text << line << "\n";
  }
  const std::vector<std::string> check = rows(handle.get(), "PRAGMA integrity_check");
  DUNLIN_CHECK(check.size() == 1 && check.front() == "3:ok|",
               "the database is damaged: " + database);
  return text.str();
}

}  // namespace dunlin::crash
