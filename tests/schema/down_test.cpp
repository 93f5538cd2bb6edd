// `migrate down`, `up --target`, `migrate status`, on each server.
#include <gmock/gmock.h>

#include "schema/mariadb_fixture.h"
#include "schema/postgresql_fixture.h"

namespace dunlin::schema {
namespace {

using engine::ItemStatus;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

/// The same for every server.
template <typename Base>
class Versions : public Base {
 protected:
  void fill() {
    this->file("1_A.sql", "CREATE TABLE a(x int);\n-- dunlin:down\nDROP TABLE a;");
    this->file("2_B.sql", "CREATE TABLE b(x int);\n-- dunlin:down\nDROP TABLE b;");
    this->file("3_C.sql", "CREATE TABLE c(x int);\n-- dunlin:down\nDROP TABLE c;");
  }
  void up_to(const std::string& target) {
    this->settings_ = {{"target", target}};
    this->expect_up();
    this->settings_ = Json::object();
  }
  /// `migrate down` as an execution of its own.
  void down(Json settings) {
    settings["direction"] = "down";
    this->settings_ = std::move(settings);
    const auto run = this->make_run();
    testing::LocalExecution local(*run, this->as(std::to_string(5000 + ++downs_)));
    const auto found = run->preflight(local.context());
    ASSERT_TRUE(found.ok()) << found.error().text();
    for (const auto& problem : *found) problems_.push_back(problem.error.text());
    if (problems_.empty()) {
      const Status status = local.run_to_end();
      EXPECT_TRUE(status.ok()) << status.error().text();
      ASSERT_TRUE(local.verify().ok());
      EXPECT_EQ(local.differences(), 0);
      EXPECT_EQ(local.count(ItemStatus::failed), 0);
      taken_back_ = local.count(ItemStatus::completed);
    }
    this->settings_ = Json::object();
  }
  engine::Findings status() {
    const auto found =
        make_schema_kind("dunlin 9.9")
            ->look(
                {"migrate", {"status"}, {{"db", this->url()}, {"dir", this->directory_.native()}}},
                CancelToken{});
    EXPECT_TRUE(found.ok()) << found.error().text();
    return found.ok() ? *found : engine::Findings{};
  }

  /// As SQL of this server writes a name that is not folded.
  [[nodiscard]] static std::string quoted(const std::string& name) {
    return std::is_same_v<Base, MariadbSchemaTest> ? name : '"' + name + '"';
  }

  int downs_ = 0;
  std::int64_t taken_back_ = 0;
  std::vector<std::string> problems_;
};

template <typename Base>
class MigrationVersions : public Versions<Base> {};
using Servers = ::testing::Types<SchemaTest, PostgresqlSchemaTest, MariadbSchemaTest>;
TYPED_TEST_SUITE(MigrationVersions, Servers);

TYPED_TEST(MigrationVersions, DownTakesTheLastOneBackAndMoreWhereItIsTold) {
  this->fill();
  this->expect_up();
  this->down({});
  EXPECT_EQ(this->history(), "1_A 2_B");
  EXPECT_EQ(this->taken_back_, 1);
  this->expect_up("0002");
  std::filesystem::remove_all(this->directory_);  // the history is enough
  this->down({{"steps", 2}});
  EXPECT_EQ(this->history(), "1_A");
  this->down({{"steps", 10}});
  EXPECT_EQ(this->history(), "");
  EXPECT_EQ(this->schema(), "");
  this->down({});
  EXPECT_EQ(this->taken_back_, 0);
  EXPECT_THAT(this->problems_, ElementsAre());
}

TYPED_TEST(MigrationVersions, ATargetStaysAppliedAndNullIsNone) {
  this->fill();
  this->up_to("2");
  EXPECT_EQ(this->history(), "1_A 2_B");
  this->expect_up("0002");
  this->down({{"target", "1_A"}});
  EXPECT_EQ(this->history(), "1_A");
  this->expect_up("0003");
  this->down({{"target", "0"}});
  EXPECT_EQ(this->schema(), "");
  this->down({{"target", "7"}});
  EXPECT_THAT(this->problems_, ElementsAre(HasSubstr("migration 7 is not applied")));
}

TYPED_TEST(MigrationVersions, TheOrderIsThatOfApplying) {
  this->fill();
  std::filesystem::rename(this->directory_ / "2_B.sql", this->directory_ / "2_B.off");
  this->file("10_D.sql", "CREATE TABLE d(x int);\n-- dunlin:down\nDROP TABLE d;");
  this->expect_up();
  std::filesystem::rename(this->directory_ / "2_B.off", this->directory_ / "2_B.sql");
  this->expect_up("0002");  // out of order: pre-flight would have asked
  this->down({});
  EXPECT_EQ(this->history(), "1_A 3_C 10_D");
}

TYPED_TEST(MigrationVersions, WhatHasNoWayBackIsToldBeforeAnythingIsTakenBack) {
  this->fill();
  this->file("2_B.sql", "CREATE TABLE b(x int);");
  this->expect_up();
  this->down({{"steps", 3}});
  EXPECT_THAT(this->problems_, ElementsAre(HasSubstr("'2_B' is irreversible")));
  EXPECT_EQ(this->history(), "1_A 2_B 3_C");
}

TYPED_TEST(MigrationVersions, StatusShowsWhatIsAppliedPendingAndWrong) {
  this->fill();
  const engine::Findings before = this->status();
  EXPECT_THAT(before.text, HasSubstr("Current Version: none"));
  EXPECT_THAT(before.text, Not(HasSubstr("Applied Migrations")));
  EXPECT_EQ(before.json()["pending"].size(), 3U);
  this->up_to("2");
  this->file("1_A.sql", "CREATE TABLE a(y int);");
  const engine::Findings now = this->status();
  for (const char* part :
       {"Current Version: 2_B", "✓ 1_A (20", "✓ 2_B (20", "□ 3_C", "! '", "in its statements"})
    EXPECT_THAT(now.text, HasSubstr(part));
  EXPECT_EQ(now.json()["current_version"], "2_B");
  EXPECT_EQ(now.json()["applied"][0]["id"], "1_A");
  EXPECT_EQ(now.json()["applied"][0]["reversible"], true);
  EXPECT_EQ(now.json()["pending"][0], "3_C");
  EXPECT_EQ(now.json()["problems"].size(), 1U);
}

TYPED_TEST(MigrationVersions, AHistoryWhoseLogIsGoneIsNotBegunAnew) {
  this->file("1_A.sql", "CREATE TABLE IF NOT EXISTS a(x int);\nINSERT INTO a VALUES (1);");
  this->expect_up();
  const bool mysql = this->url().starts_with("mysql");
  this->exec(mysql ? "DROP TABLE `__MigrationsHistoryLog`"
                   : R"(DROP TABLE "__MigrationsHistoryLog")");
  for (const char* const execution : {"0002", "0003"}) {
    const Status again = this->up(execution);
    ASSERT_FALSE(again.ok());
    EXPECT_EQ(again.error().type, ErrorType::schema_mismatch) << again.error().text();
    EXPECT_THAT(again.error().text(), HasSubstr("__MigrationsHistoryLog"));
  }
  EXPECT_EQ(this->text("SELECT count(*) FROM a"), "1");
}

TYPED_TEST(MigrationVersions, AnUnknownTargetOfUpIsToldBefore) {
  this->fill();
  this->settings_ = {{"target", "9"}};
  ASSERT_EQ(this->problems().size(), 1U);
  EXPECT_THAT(this->problems().front(), HasSubstr("there is no migration 9"));
}

TYPED_TEST(MigrationVersions, ABaselineCallsAppliedAndRunsNothing) {
  this->fill();
  this->settings_ = {{"mark", "yes"}, {"target", "2"}};
  EXPECT_TRUE(this->problems().empty());
  this->expect_up();
  EXPECT_EQ(this->history(), "1_A 2_B");
  EXPECT_EQ(this->schema(), "");
  this->settings_ = {{"mark", "yes"}, {"only", "3"}};
  this->expect_up("0002");
  this->settings_ = Json::object();
  this->expect_up("0003");
  EXPECT_EQ(this->schema(), "") << "nothing is pending";
}

TYPED_TEST(MigrationVersions, RepairTakesTheFileForWhatWasApplied) {
  this->fill();
  this->expect_up();
  this->file("2_B.sql", "CREATE TABLE b(x bigint);\n-- dunlin:down\nDROP TABLE b;");
  EXPECT_FALSE(this->status().good);
  EXPECT_TRUE(this->preflight().front().critical);
  this->settings_ = {{"mark", "repair"}};
  EXPECT_FALSE(this->preflight().front().critical);
  this->expect_up("0002");
  this->settings_ = Json::object();
  EXPECT_TRUE(this->problems().empty());
  EXPECT_TRUE(this->status().good);
  EXPECT_EQ(this->history(), "1_A 2_B 3_C");
  this->expect_up("0003");
}

TYPED_TEST(MigrationVersions, OneAloneIsApplied) {
  this->fill();
  this->settings_ = {{"only", "2"}};
  this->expect_up();
  EXPECT_EQ(this->history(), "2_B");
}

TYPED_TEST(MigrationVersions, TheHistoryOfAnotherToolIsTakenOver) {
  this->fill();
  const std::vector<std::vector<std::string>> histories = {
      {"CREATE TABLE schema_migrations(version bigint NOT NULL PRIMARY KEY, dirty boolean NOT "
       "NULL)",
       "INSERT INTO schema_migrations VALUES (2, false)"},
      {"CREATE TABLE schema_migrations(version varchar(128) PRIMARY KEY)",
       "INSERT INTO schema_migrations VALUES ('1'), ('2')"},
      {"CREATE TABLE goose_db_version(id int PRIMARY KEY, version_id bigint NOT NULL, is_applied "
       "boolean NOT NULL)",
       "INSERT INTO goose_db_version VALUES (1, 0, true), (2, 1, true), (3, 2, true), (4, 3, "
       "true), "
       "(5, 3, false)"},
      {"CREATE TABLE flyway_schema_history(installed_rank int PRIMARY KEY, version varchar(50), "
       "type varchar(20), success boolean)",
       "INSERT INTO flyway_schema_history VALUES (1, '1', 'SQL', true), (2, '2', 'SQL', true), (3, "
       "NULL, 'SQL', true), (4, '3', 'SQL', true), (5, '3', 'UNDO_SQL', true)"},
      {"CREATE TABLE __diesel_schema_migrations(version varchar(50) PRIMARY KEY)",
       "INSERT INTO __diesel_schema_migrations VALUES ('00000000000000'), ('1'), ('2')"}};
  int execution = 0;
  for (const auto& history : histories) {
    SCOPED_TRACE(history.front());
    for (const std::string& sql : history) this->exec(sql);
    this->settings_ = Json::object();
    const auto refused = this->problems();
    ASSERT_EQ(refused.size(), 1U);
    EXPECT_THAT(refused.front(), HasSubstr("would be applied once more"));
    EXPECT_THAT(this->preflight().front().error.remediation, HasSubstr("import-history"));
    this->settings_ = {{"mark", "as_other_tool_did"}};
    EXPECT_TRUE(this->problems().empty());
    this->expect_up(std::to_string(7000 + ++execution));
    EXPECT_EQ(this->history(), "1_A 2_B");
    for (const char* table : {"__MigrationsHistory", "__MigrationsHistoryLog"})
      this->exec(std::string("DROP TABLE ") + this->quoted(table));
    this->exec("DROP TABLE " + history.front().substr(13, history.front().find('(') - 13));
  }
}

TYPED_TEST(MigrationVersions, AHistoryWhoseLastFileIsMissingIsRefusedAndAnEmptyOneIsNone) {
  this->fill();
  this->exec(
      "CREATE TABLE schema_migrations(version bigint NOT NULL PRIMARY KEY, dirty boolean NOT "
      "NULL)");
  EXPECT_THAT(this->problems(), ElementsAre()) << "that tool has applied nothing";
  this->exec("INSERT INTO schema_migrations VALUES (4, false)");
  this->settings_ = {{"mark", "as_other_tool_did"}};
  EXPECT_THAT(this->problems(),
              ElementsAre(HasSubstr("has applied migration 4, whose file is missing")));
  this->exec("DELETE FROM schema_migrations");
  this->settings_ = Json::object();
  this->expect_up();
  EXPECT_EQ(this->history(), "1_A 2_B 3_C");
}

TYPED_TEST(MigrationVersions, AnUnfinishedHistoryOfAnotherToolIsRefused) {
  this->fill();
  this->exec(
      "CREATE TABLE schema_migrations(version bigint NOT NULL PRIMARY KEY, dirty boolean NOT "
      "NULL)");
  this->exec("INSERT INTO schema_migrations VALUES (2, true)");
  this->settings_ = {{"mark", "as_other_tool_did"}};
  ASSERT_EQ(this->problems().size(), 1U);
  EXPECT_THAT(this->problems().front(), HasSubstr("calls migration 2 unfinished"));
}

TEST(SchemaPlanDirection, IsCheckedWhenItIsRead) {
  const auto kind = make_schema_kind();
  const auto problems = [&](const Json& settings) {
    return kind->check({{"source", {{"directory", "/m"}}},
                        {"destination", {{"url", "sqlite:/x.db"}}},
                        {"settings", settings}});
  };
  EXPECT_THAT(problems({{"direction", "down"}, {"steps", 2}}), ElementsAre());
  EXPECT_THAT(problems({{"direction", "sideways"}}), ElementsAre(HasSubstr("up, down or redo")));
  EXPECT_THAT(problems({{"steps", 2}}), ElementsAre(HasSubstr("direction down")));
  EXPECT_THAT(problems({{"direction", "down"}, {"steps", 0}}), ElementsAre(HasSubstr("1 or more")));
  EXPECT_THAT(problems({{"direction", "down"}, {"steps", 1}, {"target", "2"}}),
              ElementsAre(HasSubstr("beside a target")));
  EXPECT_THAT(problems({{"target", "first"}}), ElementsAre(HasSubstr("the number of a migration")));
}

}  // namespace
}  // namespace dunlin::schema
