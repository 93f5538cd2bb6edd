// See ledger_view.h.
#include "ledger_view.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <stdexcept>

#include <sqlite3.h>

namespace dunlin::power {
namespace {

namespace fsys = std::filesystem;

/// Paths in hex: names are any bytes.
constexpr const char* kItems = R"(
  SELECT i.id, t.task_type, coalesce(s.name, 'pending') = 'completed',
    b.status = (SELECT code FROM code WHERE of = 'batch' AND name = 'executing'),
    EXISTS(SELECT 1 FROM intent WHERE batch_id = b.id), (
    WITH RECURSIVE up(id, path) AS (
      SELECT i.directory_id, '' UNION ALL
      SELECT d.parent, CASE WHEN d.parent > 0 THEN hex(d.name) || '2F' || up.path ELSE up.path END
      FROM up JOIN directory d ON d.id = up.id)
    SELECT path FROM up ORDER BY length(path) DESC LIMIT 1) || hex(i.name)
  FROM item i
  JOIN batch b ON b.id = (SELECT max(id) FROM batch WHERE first_item <= i.id AND i.id < first_item + item_count)
  JOIN task t ON t.id = b.task_id
  LEFT JOIN outcome o ON o.item_id = i.id
  LEFT JOIN code s ON s.of = 'item' AND s.code = o.status)";

std::string from_hex(const std::string& text) {
  std::string bytes;
  for (std::size_t at = 0; at + 1 < text.size(); at += 2)
    bytes += static_cast<char>(std::stoi(text.substr(at, 2), nullptr, 16));
  while (bytes.ends_with('/')) bytes.pop_back();
  return bytes;
}

class Copy {
 public:
  explicit Copy(const std::string& file) {
    if (::sqlite3_open_v2(file.c_str(), &database_, SQLITE_OPEN_READWRITE, nullptr) != SQLITE_OK)
      throw std::runtime_error("the ledger after the cut: " + error());
  }
  ~Copy() { ::sqlite3_close(database_); }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;

  template <typename Row>
  void each(const char* sql, Row row) {
    sqlite3_stmt* statement = nullptr;
    if (::sqlite3_prepare_v2(database_, sql, -1, &statement, nullptr) != SQLITE_OK)
      throw std::runtime_error("the ledger after the cut: " + error());
    int step = SQLITE_ROW;
    while ((step = ::sqlite3_step(statement)) == SQLITE_ROW) row(statement);
    ::sqlite3_finalize(statement);
    if (step != SQLITE_DONE) throw std::runtime_error("the ledger after the cut: " + error());
  }

 private:
  [[nodiscard]] std::string error() const { return ::sqlite3_errmsg(database_); }
  sqlite3* database_ = nullptr;
};

std::string text_of(sqlite3_stmt* statement, int column) {
  const auto* const text = ::sqlite3_column_text(statement, column);
  return text == nullptr ? "" : reinterpret_cast<const char*>(text);
}

}  // namespace

std::size_t LedgerView::completed() const {
  return static_cast<std::size_t>(std::count_if(
      items.begin(), items.end(), [](const auto& entry) { return entry.second.completed; }));
}

const LedgerItem* LedgerView::item(std::int64_t id) const {
  const auto found = std::find_if(items.begin(), items.end(),
                                  [&](const auto& entry) { return entry.second.id == id; });
  return found == items.end() ? nullptr : &found->second;
}

LedgerView read_ledger(const std::string& state, const std::string& scratch) {
  LedgerView view;
  std::string folder;
  std::error_code none;
  for (const auto& entry : fsys::directory_iterator(state + "/executions", none)) {
    if (entry.path().filename().string().starts_with('.')) continue;  // not whole yet
    if (!folder.empty()) throw std::runtime_error("there are two executions");
    folder = entry.path().string();
  }
  if (folder.empty() || !fsys::exists(folder + "/ledger.db")) return view;
  fsys::remove_all(scratch);
  fsys::create_directories(scratch);
  for (const char* const name : {"/ledger.db", "/ledger.db-wal"}) {
    if (fsys::exists(folder + name)) fsys::copy_file(folder + name, scratch + name);
  }
  Copy copy(scratch + "/ledger.db");
  copy.each("PRAGMA integrity_check", [&](sqlite3_stmt* row) {
    if (text_of(row, 0) != "ok") view.damage += text_of(row, 0) + "; ";
  });
  copy.each("SELECT status, epoch FROM state", [&](sqlite3_stmt* row) {
    view.there = true;
    view.status = text_of(row, 0);
    view.epoch = ::sqlite3_column_int64(row, 1);
  });
  copy.each(kItems, [&](sqlite3_stmt* row) {
    LedgerItem item;
    item.id = ::sqlite3_column_int64(row, 0);
    item.task = text_of(row, 1);
    item.completed = ::sqlite3_column_int(row, 2) != 0;
    item.batch_executing = ::sqlite3_column_int(row, 3) != 0;
    item.intents = ::sqlite3_column_int(row, 4) != 0;
    view.items.emplace(from_hex(text_of(row, 5)), item);
  });
  return view;
}

}  // namespace dunlin::power
