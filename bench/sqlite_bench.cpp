// What the SQLite wrapper costs over the C interface: rows in transactions of 1000, as the ledger
// writes them, without the flush of the commits (its time is the device's). The budget is about
// 1 million rows per second of CPU, so that the wrapper is never what bounds.
// Measured 2026-11-20 on 2 shared x86-64 cores, ext4, g++ 12 -O2: wrapper
// 1.27 M rows/s, C interface 1.30 M rows/s, reading 7.5 M rows/s.
#include <filesystem>
#include <string>

#include <benchmark/benchmark.h>
#include <sqlite3.h>

#include "base/check.h"
#include "sql/sqlite.h"

namespace dunlin::sql {
namespace {

constexpr int kRowsPerTransaction = 1000;
constexpr const char* kInsert =
    "INSERT INTO items(id, directory, name, size) VALUES(?1, ?2, ?3, ?4)";

Database fresh(const std::string& path) {
  for (const auto* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
  auto opened = Database::open(path, {.synchronous_full = false});
  DUNLIN_CHECK(opened.ok(), opened.error().text());
  opened
      ->exec(
          "CREATE TABLE items(id INTEGER PRIMARY KEY, directory INTEGER, name BLOB, size INTEGER) "
          "STRICT")
      .value();
  return std::move(opened).value();
}

std::string bench_file() {
  return (std::filesystem::temp_directory_path() / "dunlin-sqlite-bench.db").string();
}

void insert_by_wrapper(benchmark::State& state) {
  Database database = fresh(bench_file());
  std::int64_t id = 0;
  const std::string name = "a-typical-file-name-0001.dat";
  for (auto _ : state) {
    auto transaction = Transaction::begin(database);
    auto insert = database.cached(kInsert);
    for (int i = 0; i < kRowsPerTransaction; ++i) {
      ++id;
      insert->run(id, id / 100, Blob{name}, id * 7).value();
    }
    transaction->commit().value();
  }
  state.SetItemsProcessed(id);
}
BENCHMARK(insert_by_wrapper)->Unit(benchmark::kMicrosecond);

void insert_by_c_interface(benchmark::State& state) {
  const Database database = fresh(bench_file());
  sqlite3* const db = database.handle();
  sqlite3_stmt* insert = nullptr;
  sqlite3_prepare_v2(db, kInsert, -1, &insert, nullptr);
  std::int64_t id = 0;
  const std::string name = "a-typical-file-name-0001.dat";
  for (auto _ : state) {
    sqlite3_exec(db, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr);
    for (int i = 0; i < kRowsPerTransaction; ++i) {
      ++id;
      sqlite3_bind_int64(insert, 1, id);
      sqlite3_bind_int64(insert, 2, id / 100);
      sqlite3_bind_blob64(insert, 3, name.data(), name.size(), SQLITE_STATIC);
      sqlite3_bind_int64(insert, 4, id * 7);
      sqlite3_step(insert);
      sqlite3_reset(insert);
    }
    sqlite3_exec(db, "COMMIT", nullptr, nullptr, nullptr);
  }
  sqlite3_finalize(insert);
  state.SetItemsProcessed(id);
}
BENCHMARK(insert_by_c_interface)->Unit(benchmark::kMicrosecond);

void read_by_wrapper(benchmark::State& state) {
  Database database = fresh(bench_file());
  for (int i = 0; i < 100'000; ++i) database.run(kInsert, i, i / 100, Blob{"name"}, 5).value();
  std::int64_t rows = 0;
  for (auto _ : state) {
    auto select = database.cached("SELECT id, name, size FROM items");
    while (*select->step()) {
      benchmark::DoNotOptimize(select->column_int64(0) + select->column_int64(2));
      benchmark::DoNotOptimize(select->column_blob(1).size());
      ++rows;
    }
  }
  state.SetItemsProcessed(rows);
}
BENCHMARK(read_by_wrapper)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace dunlin::sql
