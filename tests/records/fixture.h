// What the tests of the records kind share: a folder with a source and a target database, and small
// ways to look at both.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "records/records_kind.h"
#include "sql/sqlite.h"
#include "sql/sqlite_address.h"
#include "sql/values.h"
#include "support/local_contexts.h"

namespace dunlin::records {

class RecordsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "dunlin-records-XXXXXX").native();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    source_path_ = folder_ / "source.db";
    target_path_ = folder_ / "target.db";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static sql::Database open(const std::filesystem::path& path) {
    auto database = sql::Database::open(path.native(), sql::foreign_options(false));
    EXPECT_TRUE(database.ok()) << database.error().text();
    return std::move(database).value();
  }
  static void exec(const std::filesystem::path& path, const std::string& sql) {
    const Status status = open(path).exec(sql);
    ASSERT_TRUE(status.ok()) << status.error().text();
  }
  void source(const std::string& sql) { exec(source_path_, sql); }
  void target(const std::string& sql) { exec(target_path_, sql); }

  /// Every row of a query, each value with its storage class: "1|'a'|x'00'".
  static std::vector<std::string> rows(const std::filesystem::path& path,
                                       const std::string& query) {
    sql::Database database = open(path);
    auto statement = database.prepare(query);
    EXPECT_TRUE(statement.ok()) << statement.error().text();
    std::vector<std::string> result;
    if (!statement.ok()) return result;
    for (auto more = statement->step(); more.ok() && more.value(); more = statement->step()) {
      ByteWriter row;
      sql::append_values(row, *statement, 0, statement->column_count());
      result.push_back(hex(row.view()));
    }
    return result;
  }
  void expect_same(const std::string& query) {
    EXPECT_EQ(rows(source_path_, query), rows(target_path_, query)) << query;
  }
  std::int64_t count(const std::string& table) {
    return open(target_path_).query_int64("SELECT count(*) FROM " + table).value().value_or(-1);
  }
  bool target_has(const std::string& table) {
    return open(target_path_)
        .query_int64("SELECT 1 FROM sqlite_master WHERE name = ?1", table)
        .value()
        .has_value();
  }

  std::unique_ptr<engine::Run> make_run(const std::string& mode = "per-batch",
                                        Json entities = "auto") {
    const auto kind = make_records_kind();
    engine::Plan plan;
    plan.kind = "records";
    plan.document = {{"kind", "records"},
                     {"source", {{"url", "sqlite:" + source_path_.native()}}},
                     {"destination", {{"url", "sqlite:" + target_path_.native()}}},
                     {"entities", std::move(entities)},
                     {"settings", {{"transaction_mode", mode}}}};
    auto run = kind->open(plan);
    EXPECT_TRUE(run.ok()) << run.error().text();
    return std::move(run).value();
  }
  static testing::LocalExecution::Options options(std::int64_t batch_size = 10) {
    testing::LocalExecution::Options options;
    options.settings.batch_size = batch_size;
    options.settings.batch_size_set = true;
    return options;
  }
  /// A whole undisturbed run, verified.
  void load(const std::string& mode = "per-batch", std::int64_t batch_size = 10) {
    const auto run = make_run(mode);
    testing::LocalExecution local(*run, options(batch_size));
    const Status status = local.run_to_end();
    ASSERT_TRUE(status.ok()) << status.error().text();
    ASSERT_TRUE(local.verify().ok());
    EXPECT_EQ(local.differences(), 0);
    EXPECT_EQ(local.count(engine::ItemStatus::completed),
              static_cast<std::int64_t>(local.items().size()));
  }

  std::filesystem::path folder_;
  std::filesystem::path source_path_;
  std::filesystem::path target_path_;
};

/// 95 rows of every storage class.
inline constexpr const char* kThings =
    "CREATE TABLE things(id INTEGER PRIMARY KEY, name TEXT NOT NULL, weight REAL, payload BLOB, "
    "anything);"
    "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 95) "
    "INSERT INTO things SELECT i * 3, 'thing ' || i, i / 7.0, randomblob(i), CASE i % 4 WHEN 0 "
    "THEN i WHEN 1 THEN 'x' "
    "WHEN 2 THEN NULL ELSE x'0001' END FROM n;";

}  // namespace dunlin::records
