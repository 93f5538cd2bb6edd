// Deaths in the midst of what is more than `up`: all migrations in one transaction, redo, several
// databases. Whoever takes over ends like an undisturbed run, with the ledger and without it.
#include <set>

#include <gmock/gmock.h>

#include "base/crash_point.h"
#include "schema/fixture.h"
#include "support/self_exec.h"

namespace dunlin::schema {
namespace {

using ::testing::AnyOf;

constexpr const char* kModesFolder = "DUNLIN_TEST_FOLDER";
constexpr const char* kModesPatch = "DUNLIN_TEST_PLAN";

/// What parent and child share: the folder, and the plan with a patch.
class ModesTest : public SchemaTest {
 protected:
  [[nodiscard]] std::unique_ptr<engine::Run> patched(const Json& patch) const {
    engine::Plan changed = plan();
    changed.document.merge_patch(patch);
    auto run = make_schema_kind("dunlin 9.9")->open(changed);
    EXPECT_TRUE(run.ok()) << run.error().text();
    return std::move(run).value();
  }
  [[nodiscard]] testing::LocalExecution::Options journaled() const {
    auto options = as("0001");
    options.journal_path = (folder_ / "journal").native();
    return options;
  }
};

class ModesChild : public ModesTest {
 protected:
  void SetUp() override { use(std::getenv(kModesFolder)); }
  void TearDown() override {}
};

TEST_F(ModesChild, DISABLED_Migrates) {
  const auto run = patched(parse_json(std::getenv(kModesPatch)).value());
  testing::LocalExecution local(*run, journaled());
  const Status status = local.run_to_end();
  ASSERT_TRUE(status.ok()) << status.error().text();
  local.close();
}

#if DUNLIN_CRASH_POINTS
class ModesRecovery : public ModesTest {
 protected:
  /// Each leaves a row, so that one that ran twice is seen.
  void fill() {
    file("1_A.sql",
         "CREATE TABLE trace(n int);\nINSERT INTO trace VALUES (1);\n-- dunlin:down\nDROP TABLE "
         "trace;");
    file("2_B.sql",
         "CREATE TABLE b(x int);\nINSERT INTO trace VALUES (2);\n-- dunlin:down\nDROP TABLE b;\n"
         "DELETE FROM trace WHERE n = 2;");
    file("3_C.sql",
         "CREATE TABLE c(x int);\nINSERT INTO trace VALUES (3);\n-- dunlin:down\nDROP TABLE c;\n"
         "DELETE FROM trace WHERE n = 3;");
  }
  [[nodiscard]] std::map<std::string, std::string> child(const Json& patch) const {
    return {{kModesFolder, folder_.native()}, {kModesPatch, dump_json(patch)}};
  }
  /// Where an undisturbed run comes by, as the crash facility names it: "schema.lock.before:2".
  std::vector<std::string> places(const Json& patch) {
    auto logged = child(patch);
    logged["DUNLIN_CRASH_LOG"] = (folder_ / "log").native();
    EXPECT_TRUE(testing::succeeded(testing::run_self("ModesChild.DISABLED_Migrates", logged)));
    std::map<std::string, int> hits;
    std::vector<std::string> places;
    std::ifstream log(folder_ / "log");
    for (std::string line; std::getline(log, line);)
      places.push_back(line + ":" + std::to_string(++hits[line]));
    EXPECT_GE(hits.size(), 8U);
    return places;
  }
  void die_at(const std::string& place, const Json& patch) {
    auto dying = child(patch);
    dying["DUNLIN_CRASH_AT"] = place;
    ASSERT_TRUE(testing::was_killed(testing::run_self("ModesChild.DISABLED_Migrates", dying)));
  }
  /// By the next owner of the same execution.
  void go_on(const Json& patch) {
    const auto run = patched(patch);
    if (!std::filesystem::exists(folder_ / "journal")) {
      testing::LocalExecution first(*run, journaled());
      ASSERT_TRUE(first.run_to_end().ok());
      return first.close();
    }
    auto taken = testing::LocalExecution::take_over(*run, journaled());
    ASSERT_TRUE(taken.ok()) << taken.error().text();
    const Status status = (*taken)->run_to_end();
    EXPECT_TRUE(status.ok()) << status.error().text();
    (*taken)->close();
  }
  void clean() const {
    for (const char* const name : {"app.db", "two.db", "journal", "log"})
      std::filesystem::remove(folder_ / name);
  }
  void expect_each_once() const {
    EXPECT_EQ(text("SELECT MigrationId FROM __MigrationsHistory ORDER BY MigrationId"),
              "1_A 2_B 3_C");
    EXPECT_EQ(text("SELECT n FROM trace ORDER BY n"), "1 2 3");
    EXPECT_EQ(text("SELECT name FROM sqlite_master WHERE name IN ('b', 'c') ORDER BY name"), "b c");
  }
};

TEST_F(ModesRecovery, AllInOneIsAllOrNothingWheneverItDies) {
  fill();
  const Json patch = {{"settings", {{"transaction_mode", "all_in_one"}}}};
  for (const std::string& place : places(patch)) {
    SCOPED_TRACE(place);
    for (const bool forgets : {false, true}) {
      clean();
      die_at(place, patch);
      EXPECT_THAT(text("SELECT count(*) FROM sqlite_master WHERE name IN ('trace', 'b', 'c')"),
                  AnyOf("0", "3"));
      if (forgets) {
        expect_up("0002");  // another execution, and each in a transaction of its own
      } else {
        go_on(patch);
      }
      expect_each_once();
    }
  }
}

TEST_F(ModesRecovery, RedoEndsWithEachAppliedOnceWheneverItDies) {
  fill();
  const Json patch = {{"settings", {{"direction", "redo"}, {"steps", 2}}}};
  expect_up("0009");
  for (const std::string& place : places(patch)) {
    SCOPED_TRACE(place);
    for (const bool forgets : {false, true}) {
      clean();
      expect_up("0009");
      die_at(place, patch);
      if (forgets) {
        expect_up("0002");  // what was taken back is pending
      } else {
        go_on(patch);
        EXPECT_EQ(text("SELECT count(*) FROM __MigrationsHistoryLog WHERE Direction = 'down'"),
                  "2");
      }
      expect_each_once();
    }
  }
}

TEST_F(ModesRecovery, EveryDatabaseIsBroughtUpOnceWheneverItDies) {
  fill();
  const std::string two = "sqlite:" + (folder_ / "two.db").native();
  const Json patch = {{"destination", {{"url", nullptr}, {"urls", {url(), two}}}}};
  for (const std::string& place : places(patch)) {
    SCOPED_TRACE(place);
    clean();
    die_at(place, patch);
    go_on(patch);
    expect_each_once();
    std::filesystem::rename(folder_ / "two.db", database_path_);
    expect_each_once();
  }
}
#endif

}  // namespace
}  // namespace dunlin::schema
