#include "database_image.h"

#include <filesystem>
#include <fstream>

#include <sqlite3.h>

#include "base/check.h"

namespace dunlin::crash {
namespace {

using Rows = std::vector<std::vector<std::string>>;

Rows ask(const std::string& path, const std::string& sql) {
  Rows rows;
  sqlite3* db = nullptr;
  DUNLIN_CHECK(sqlite3_open(path.c_str(), &db) == SQLITE_OK, path);
  sqlite3_exec(db, "PRAGMA synchronous = OFF", nullptr, nullptr, nullptr);
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db, sql.c_str(), -1, &statement, nullptr) == SQLITE_OK) {
    while (sqlite3_step(statement) == SQLITE_ROW) {
      std::vector<std::string>& row = rows.emplace_back();
      for (int column = 0; column < sqlite3_column_count(statement); ++column) {
        const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
        row.emplace_back(text == nullptr ? "" : text);
      }
    }
  }
  sqlite3_finalize(statement);
  sqlite3_close(db);
  return rows;
}

}  // namespace

Rows ask_image(const Disk& disk, As as, const std::string& database, const std::string& scratch,
               const std::string& sql) {
  std::filesystem::remove_all(scratch);
  std::filesystem::create_directories(scratch);
  for (const char* suffix : {"", "-wal", "-journal"}) {
    const auto bytes = as == As::written ? disk.bytes_now(database + suffix)
                                         : disk.bytes_after_cut(database + suffix);
    if (bytes) std::ofstream(scratch + "/image.db" + suffix, std::ios::binary) << *bytes;
  }
  if (!std::filesystem::exists(scratch + "/image.db")) return {};
  return ask(scratch + "/image.db", sql);
}

}  // namespace dunlin::crash
