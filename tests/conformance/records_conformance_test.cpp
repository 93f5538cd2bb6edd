// Records: the tables of one SQLite database into another, batch by batch and in one transaction.
#include <filesystem>

#include "base/text.h"
#include "records/records_kind.h"
#include "sql/sqlite.h"
#include "sql/sqlite_address.h"
#include "sql/values.h"
#include "support/scratch.h"
#include "support/workload_conformance.h"

namespace dunlin::testing {

namespace {

template <bool kSingle>
class RecordsSubject final : public WorkloadSubject {
 public:
  std::int64_t items_of_several_chunks() const override { return 400; }
  void make_source(std::int64_t items) override {
    const std::string rows = std::to_string(items * 2);
    exec("source.db",
         "CREATE TABLE keyed(id INTEGER PRIMARY KEY, name TEXT, data BLOB);"
         "CREATE TABLE \"no key\"(a, \"b c\");"
         "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " +
             rows +
             ") "
             "INSERT INTO keyed SELECT i * 3, 'name ' || i, zeroblob(i) FROM n;"
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " +
             rows +
             ") "
             "INSERT INTO \"no key\" SELECT i % 3, 'same' FROM n;");
    make_target();
  }
  void make_hostile_source() override {
    exec("source.db",
         "CREATE TABLE \"a\"\"; DROP TABLE x; --\"(id INTEGER PRIMARY KEY, \"new\nline\" TEXT);"
         "INSERT INTO \"a\"\"; DROP TABLE x; --\" VALUES (1, 'one'), (2, x'00ff');"
         "CREATE TABLE \"select\"(\"from\" TEXT PRIMARY KEY) WITHOUT ROWID;"
         "INSERT INTO \"select\" VALUES ('a'), ('''; --');");
    make_target();
  }
  engine::ExecutionSettings settings() const override {
    engine::ExecutionSettings settings = WorkloadSubject::settings();
    settings.batch_size = 7;
    settings.transaction_mode = kSingle ? "single" : "per-batch";
    return settings;
  }
  std::unique_ptr<engine::Run> open() override {
    engine::Plan plan;
    plan.kind = "records";
    plan.document = {{"kind", "records"},
                     {"source", {{"url", "sqlite:" + scratch_.file("source.db")}}},
                     {"destination", {{"url", "sqlite:" + scratch_.file("target.db")}}},
                     {"entities", "auto"},
                     {"settings", {{"transaction_mode", kSingle ? "single" : "per-batch"}}}};
    auto run = records::make_records_kind()->open(plan);
    EXPECT_TRUE(run.ok()) << run.error().text();
    return run.ok() ? std::move(run).value() : nullptr;
  }
  Contents source() override { return tables("source.db"); }
  Contents destination() override { return tables("target.db"); }
  Contents expected() override {
    Contents all = source();
    all.insert(theirs_.begin(), theirs_.end());
    return all;
  }
  std::vector<std::string> leftovers() override {
    std::vector<std::string> names;
    sql::Database database = connect("target.db");
    auto rows = database.prepare("SELECT name FROM sqlite_master WHERE name LIKE '%dunlin%'");
    EXPECT_TRUE(rows.ok());
    for (auto more = rows->step(); more.ok() && *more; more = rows->step()) {
      names.emplace_back(rows->column_text(0));
    }
    return names;
  }
  /// A range's rows are one of many equal ones: from outside only the whole can be judged.
  std::optional<bool> holds(const engine::ItemRow&) override { return std::nullopt; }
  void damage() override { exec("target.db", "UPDATE keyed SET name = 'changed' WHERE id = 6"); }

 private:
  void make_target() {
    exec("target.db", "CREATE TABLE theirs(x); INSERT INTO theirs VALUES (1);");
    theirs_ = destination();
  }
  [[nodiscard]] sql::Database connect(const std::string& name) const {
    auto database = sql::Database::open(scratch_.file(name), sql::foreign_options(false));
    EXPECT_TRUE(database.ok()) << database.error().text();
    return std::move(database).value();
  }
  void exec(const std::string& name, const std::string& sql) {
    const Status status = connect(name).exec(sql);
    ASSERT_TRUE(status.ok()) << status.error().text();
  }
  /// Definition and each row, every value with its storage class. Of equal rows each one counts.
  [[nodiscard]] Contents tables(const std::string& name) const {
    sql::Database database = connect(name);
    Contents all;
    {
      auto list = database.prepare(
          "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%dunlin%'");
      EXPECT_TRUE(list.ok());
      for (auto more = list->step(); more.ok() && *more; more = list->step()) {
        all.emplace(list->column_text(0), list->column_text(1));
      }
    }
    const Contents definitions = all;
    for (const auto& [table, definition] : definitions) {
      auto rows = database.prepare("SELECT * FROM " + sql::quote_identifier(table));
      EXPECT_TRUE(rows.ok()) << rows.error().text();
      std::map<std::string, int> equal;
      for (auto more = rows->step(); more.ok() && *more; more = rows->step()) {
        ByteWriter row;
        sql::append_values(row, *rows, 0, rows->column_count());
        const std::string bytes = hex(row.view());
        all[table + " row " + std::to_string(++equal[bytes]) + " of " + bytes] = "there";
      }
    }
    return all;
  }
  ScratchDirectory scratch_ = ScratchDirectory::in_memory();
  Contents theirs_;
};

using Modes = ::testing::Types<RecordsSubject<false>, RecordsSubject<true>>;

}  // namespace

INSTANTIATE_TYPED_TEST_SUITE_P(Records, WorkloadConformance, Modes);

}  // namespace dunlin::testing
