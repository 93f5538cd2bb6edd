// What the tests of the schema kind share: a folder with migrations, a database of some server, and
// small ways to look at both.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "schema/schema_kind.h"
#include "sql/sqlite.h"
#include "sql/sqlite_address.h"
#include "support/local_contexts.h"

namespace dunlin::schema {

/// A folder with migrations; whoever derives says which database they are for.
class MigrationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "dunlin-schema-XXXXXX").native();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    use(pattern);
    std::filesystem::create_directory(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  virtual void use(const std::filesystem::path& folder) {
    folder_ = folder;
    directory_ = folder / "migrations";
  }
  [[nodiscard]] virtual std::string url() const = 0;

  void file(const std::string& name, const std::string& sql) {
    std::ofstream(directory_ / name, std::ios::binary) << sql;
  }
  engine::Plan plan(std::int64_t lock_timeout_s = 30) const {
    engine::Plan plan;
    plan.kind = "schema";
    plan.document = {{"kind", "schema"},
                     {"source", {{"directory", directory_.native()}}},
                     {"destination", {{"url", url()}}},
                     {"settings", {{"lock_timeout_seconds", lock_timeout_s}}}};
    if (statement_timeout_s_ >= 0)
      plan.document["settings"]["timeout_seconds"] = statement_timeout_s_;
    if (!mode_.empty()) plan.document["settings"]["transaction_mode"] = mode_;
    plan.document["settings"].update(settings_);
    return plan;
  }
  std::unique_ptr<engine::Run> make_run(std::int64_t lock_timeout_s = 30) const {
    auto run = make_schema_kind("dunlin 9.9")->open(plan(lock_timeout_s));
    EXPECT_TRUE(run.ok()) << run.error().text();
    return std::move(run).value();
  }
  static testing::LocalExecution::Options as(const std::string& last_digits) {
    testing::LocalExecution::Options options;
    options.execution = ExecutionId("01890000-0000-7000-8000-00000000" + last_digits);
    return options;
  }
  /// `migrate up` by an execution of its own.
  Status up(const std::string& last_digits = "0001") {
    const auto run = make_run();
    testing::LocalExecution local(*run, as(last_digits));
    DUNLIN_TRY(local.run_to_end());
    DUNLIN_TRY(local.verify());
    EXPECT_EQ(local.differences(), 0);
    return success();
  }
  void expect_up(const std::string& last_digits = "0001") {
    const Status status = up(last_digits);
    EXPECT_TRUE(status.ok()) << status.error().text();
  }
  std::vector<engine::Problem> preflight() const {
    const auto run = make_run();
    testing::LocalExecution local(*run);
    auto found = run->preflight(local.context());
    EXPECT_TRUE(found.ok()) << found.error().text();
    return found.ok() ? std::move(found).value() : std::vector<engine::Problem>();
  }
  std::vector<std::string> problems() const {
    std::vector<std::string> messages;
    for (const engine::Problem& problem : preflight()) messages.push_back(problem.error.text());
    return messages;
  }

  std::filesystem::path folder_;
  std::filesystem::path directory_;
  std::int64_t statement_timeout_s_ = -1;
  std::string mode_;
  Json settings_ = Json::object();  ///< more of them
};

/// A database file of SQLite beside them.
class SchemaTest : public MigrationTest {
 protected:
  void use(const std::filesystem::path& folder) override {
    MigrationTest::use(folder);
    database_path_ = folder / "app.db";
  }
  [[nodiscard]] std::string url() const override { return "sqlite:" + database_path_.native(); }

  sql::Database open() const {
    auto database = sql::Database::open(database_path_.native(), sql::foreign_options(false));
    EXPECT_TRUE(database.ok()) << database.error().text();
    return std::move(database).value();
  }
  void exec(const std::string& sql) {
    const Status status = open().exec(sql);
    ASSERT_TRUE(status.ok()) << status.error().text();
  }
  /// The first column of every row, joined by blanks.
  std::string text(const std::string& query) const {
    sql::Database database = open();
    auto rows = database.prepare(query);
    EXPECT_TRUE(rows.ok()) << rows.error().text();
    std::string result;
    if (!rows.ok()) return result;
    for (auto more = rows->step(); more.ok() && more.value(); more = rows->step()) {
      if (!result.empty()) result += ' ';
      result += rows->column_text(0);
    }
    return result;
  }
  std::string history() const {
    return text("SELECT MigrationId FROM __MigrationsHistory ORDER BY rowid");
  }
  /// Everything but dunlin's own tables.
  std::string schema() const {
    return text(
        "SELECT sql FROM sqlite_master WHERE tbl_name NOT LIKE '\\_\\_Migrations%' ESCAPE '\\' "
        "AND name NOT LIKE 'sqlite%' ORDER BY name");
  }

  std::filesystem::path database_path_;
};

}  // namespace dunlin::schema
