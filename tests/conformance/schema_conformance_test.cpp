// Schema: the migrations of a folder, each one item in a batch and a transaction of its own.
#include <filesystem>
#include <fstream>

#include "schema/schema_kind.h"
#include "sql/sqlite.h"
#include "sql/sqlite_address.h"
#include "support/scratch.h"
#include "support/workload_conformance.h"

namespace dunlin::testing {

namespace {

class SchemaSubject final : public WorkloadSubject {
 public:
  Capabilities capabilities() const override {
    Capabilities capabilities;
    // A migration's name must begin with a version; what else it may hold is a test of discovery.
    capabilities.hostile_names = false;
    // Undo runs the SQL to go down: what somebody changed in a table is none of its business.
    capabilities.refuses_undo_of_changes = false;
    return capabilities;
  }
  std::int64_t items_of_several_chunks() const override { return 501; }
  void make_source(std::int64_t items) override {
    std::filesystem::create_directory(scratch_.file("migrations"));
    for (std::int64_t n = 1; n <= items; ++n) {
      const std::string number = std::to_string(n);
      write("00" + number + "_step.up.sql", "CREATE TABLE t" + number + "(a);\nINSERT INTO t" +
                                                number + " VALUES (" + number + ");\n");
      write("00" + number + "_step.down.sql", "DROP TABLE t" + number + ";\n");
    }
    exec("CREATE TABLE theirs(x); INSERT INTO theirs VALUES (1);");
  }
  std::unique_ptr<engine::Run> open() override {
    engine::Plan plan;
    plan.kind = "schema";
    plan.document = {{"kind", "schema"},
                     {"source", {{"directory", scratch_.file("migrations")}}},
                     {"destination", {{"url", "sqlite:" + scratch_.file("app.db")}}},
                     {"settings", {{"lock_timeout_seconds", 5}}}};
    auto run = schema::make_schema_kind("dunlin 9.9")->open(plan);
    EXPECT_TRUE(run.ok()) << run.error().text();
    return run.ok() ? std::move(run).value() : nullptr;
  }
  /// Its destructor gives the lock back; a killed process leaves the row behind.
  void bury(std::unique_ptr<engine::Run> run) override { dead_.push_back(std::move(run)); }
  Contents source() override {
    Contents all;
    for (const auto& entry : std::filesystem::directory_iterator(scratch_.file("migrations"))) {
      std::ifstream in(entry.path());
      all[entry.path().filename()] = std::string(std::istreambuf_iterator<char>(in), {});
    }
    return all;
  }
  Contents destination() override { return look(); }
  Contents expected() override {
    Contents all;
    all["theirs"] = "CREATE TABLE theirs(x): 1";
    for (const auto& [name, sql] : source()) {
      if (!name.ends_with("_step.up.sql")) continue;
      const std::string number = std::to_string(std::stoll(name));
      all["t" + number] = "CREATE TABLE t" + number + "(a): " + number;
      all["history " + name.substr(0, name.find(".up.sql"))] = "1";
    }
    return all;
  }
  std::vector<std::string> leftovers() override {
    sql::Database database = connect();
    const auto locks =
        database.query_int64("SELECT count(*) FROM sqlite_master WHERE name = '__MigrationsLock'");
    if (!locks.ok() || locks->value_or(0) == 0) return {};
    const auto held = database.query_int64("SELECT count(*) FROM __MigrationsLock");
    EXPECT_TRUE(held.ok());
    return held.ok() && held->value_or(0) > 0 ? std::vector<std::string>{"a lock row"}
                                              : std::vector<std::string>{};
  }
  std::optional<bool> holds(const engine::ItemRow& item) override {
    return destination().contains("history " + item.name);
  }
  void damage() override { exec("DELETE FROM __MigrationsHistory WHERE MigrationId LIKE '002%'"); }

 private:
  void write(const std::string& name, const std::string& text) {
    std::ofstream(scratch_.file("migrations/" + name)) << text;
  }
  [[nodiscard]] sql::Database connect() const {
    auto database = sql::Database::open(scratch_.file("app.db"), sql::foreign_options(false));
    EXPECT_TRUE(database.ok()) << database.error().text();
    return std::move(database).value();
  }
  void exec(const std::string& sql) {
    const Status status = connect().exec(sql);
    ASSERT_TRUE(status.ok()) << status.error().text();
  }
  [[nodiscard]] Contents look() const {
    sql::Database database = connect();
    Contents all;
    std::vector<std::pair<std::string, std::string>> found;
    auto list = database.prepare(
        "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'");
    EXPECT_TRUE(list.ok());
    for (auto more = list->step(); more.ok() && *more; more = list->step()) {
      found.emplace_back(list->column_text(0), list->column_text(1));
    }
    for (const auto& [name, sql] : found) {
      if (name.starts_with("__Migrations")) continue;
      const auto value = database.query_int64("SELECT max(rowid * 0 + CAST(" +
                                              std::string(name == "theirs" ? "x" : "a") +
                                              " AS INTEGER)) FROM " + name);
      all[name] = sql + ": " + std::to_string(value.ok() ? value->value_or(-1) : -2);
    }
    auto history = database.prepare("SELECT MigrationId FROM __MigrationsHistory");
    if (!history.ok()) return all;  // not made yet
    for (auto more = history->step(); more.ok() && *more; more = history->step()) {
      all["history " + std::string(history->column_text(0))] = "1";
    }
    return all;
  }
  ScratchDirectory scratch_ = ScratchDirectory::in_memory();
  std::vector<std::unique_ptr<engine::Run>> dead_;
};

}  // namespace

INSTANTIATE_TYPED_TEST_SUITE_P(Schema, WorkloadConformance, SchemaSubject);

}  // namespace dunlin::testing
