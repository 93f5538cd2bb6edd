// In which order and in how many transactions migrations apply: dependencies, repeatable ones,
// several directories, all in one, going on behind a failure; redo; rollbacks of a way down.
#include <gmock/gmock.h>

#include "schema/mariadb_fixture.h"
#include "schema/ordering.h"
#include "schema/postgresql_fixture.h"

namespace dunlin::schema {
namespace {

using engine::ItemStatus;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Ordering : public SchemaTest {
 protected:
  Result<std::vector<std::string>> order(const std::string& more = "") {
    std::vector<std::string> places = {directory_.native()};
    if (!more.empty()) places.push_back(more);
    DUNLIN_ASSIGN(const Migrations all, MigrationFiles::read(places, sql::Dialect::sqlite)
                                            .understand(TransactionMode::per_migration));
    std::vector<std::string> ids;
    for (const Migration* const one : in_order(all)) ids.push_back(one->id);
    return ids;
  }
  std::string problem() {
    const auto found = order();
    return found.ok() ? "none" : found.error().message;
  }
};

TEST_F(Ordering, IsThatOfVersionsAsFarAsDependenciesLetIt) {
  file("9_First.sql", "SELECT 1;");
  file("10_Tenth.sql", "-- dunlin:depends_on 12, 9\nSELECT 1;");
  file("11_Next.sql", "SELECT 1;");
  file("12_Early.sql", "SELECT 1;");
  file("R__views.sql", "SELECT 1;");
  file("13_Last.sql", "-- dunlin:depends_on 10_Tenth\nSELECT 1;");
  EXPECT_THAT(*order(),
              ElementsAre("9_First", "11_Next", "12_Early", "10_Tenth", "13_Last", "R__views"));
}

TEST_F(Ordering, ACircleAndWhatIsMissingAreNamed) {
  file("1_A.sql", "-- dunlin:depends_on 3\nSELECT 1;");
  file("2_B.sql", "-- dunlin:depends_on 1\nSELECT 1;");
  file("3_C.sql", "-- dunlin:depends_on 2\nSELECT 1;");
  file("4_D.sql", "-- dunlin:depends_on 1\nSELECT 1;");
  EXPECT_THAT(problem(), HasSubstr("1 depends on 3 depends on 2 depends on 1"));
  file("1_A.sql", "-- dunlin:depends_on 7\nSELECT 1;");
  EXPECT_THAT(problem(), HasSubstr("1_A.sql: depends on 7, which is not there"));
  file("1_A.sql", "-- dunlin:depends_on\nSELECT 1;");
  EXPECT_THAT(problem(), HasSubstr("1_A.sql:1: `-- dunlin:depends_on`: write what behind it"));
  file("1_A.sql", "-- dunlin:depends_on Early\nSELECT 1;");
  EXPECT_THAT(problem(), HasSubstr("write the number of a migration"));
}

TEST_F(Ordering, WhatIsForOtherDatabasesIsPassedOver) {
  file("1_Here.sql", "-- dunlin:provider sqlite, postgres\nSELECT 1;");
  file("2_There.sql", "-- dunlin:provider mysql\nCREATE PROCEDURE p() BEGIN SELECT 1; END;");
  file("2_There.down.sql", "DROP PROCEDURE `p; -- no end in the words of SQLite");
  file("3_Behind.sql", "-- dunlin:depends_on 2\n-- dunlin:tags big\nSELECT 1;");
  EXPECT_THAT(*order(), ElementsAre("1_Here", "3_Behind"));
  file("1_Here.sql", "-- dunlin:provider oracle\nSELECT 1;");
  EXPECT_THAT(problem(), HasSubstr("there is no 'oracle'"));
}

TEST_F(Ordering, SeveralDirectoriesAreOne) {
  file("1_A.sql", "SELECT 1;");
  file("3_C.sql", "SELECT 1;");
  const std::filesystem::path other = folder_ / "more";
  std::filesystem::create_directory(other);
  std::ofstream(other / "2_B.sql") << "SELECT 1;";
  EXPECT_THAT(*order(other.native()), ElementsAre("1_A", "2_B", "3_C"));
  std::ofstream(other / "3_Again.sql") << "SELECT 1;";
  const auto twice = order(other.native());
  ASSERT_FALSE(twice.ok());
  EXPECT_THAT(twice.error().message, HasSubstr("version 3 is used twice"));
}

TEST_F(Ordering, OneAloneBringsWhatItDependsOn) {
  file("1_A.sql", "CREATE TABLE a(x);");
  file("2_B.sql", "CREATE TABLE b(x);");
  file("3_C.sql", "-- dunlin:depends_on 1\nCREATE TABLE c(x);");
  settings_ = {{"only", "3"}};
  expect_up();
  EXPECT_EQ(history(), "1_A 3_C");
  settings_ = {{"only", "8"}};
  EXPECT_THAT(problems().front(), HasSubstr("there is no migration 8"));
  settings_ = Json::object();
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("'2_B' is not applied, but is older")));
}

TEST_F(Ordering, AServerThatIsTooOldIsSaidBefore) {
  file("1_A.sql", "CREATE TABLE a(x);");
  expect_up();
  file("2_B.sql", "CREATE TABLE b(x);\n-- dunlin:requires sqlite >= 99.1\n");
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("2_B.sql:2: it requires sqlite 99.1 or newer")));
  file("2_B.sql",
       "CREATE TABLE b(x);\n-- dunlin:requires sqlite >= 3.9\n-- dunlin:requires "
       "postgresql >= 99");
  EXPECT_THAT(problems(), IsEmpty());
  file("2_B.sql", "-- dunlin:requires sqlite\n");
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("write for example: postgresql >= 16")));
}

/// The same for every server.
template <typename Base>
class RunOrder : public Base {
 protected:
  void fill() {
    this->file("1_A.sql", "CREATE TABLE a(x int);\n-- dunlin:down\nDROP TABLE a;");
    this->file("2_B.sql", "CREATE TABLE b(x int);\n-- dunlin:down\nDROP TABLE b;");
    this->file("3_C.sql", "CREATE TABLE c(x int);\n-- dunlin:down\nDROP TABLE c;");
  }
  /// An execution of its own; what it could not do, an item a line.
  std::vector<std::string> run(Json settings = Json::object(), bool undo = false) {
    this->settings_ = std::move(settings);
    const auto run = this->make_run();
    testing::LocalExecution local(*run, this->as(std::to_string(6000 + ++runs_)));
    problems_.clear();
    const auto found = run->preflight(local.context());
    EXPECT_TRUE(found.ok()) << found.error().text();
    for (const auto& problem : *found) {
      if (problem.critical) problems_.push_back(problem.error.text());
    }
    this->settings_ = Json::object();
    std::vector<std::string> failures;
    if (!problems_.empty()) return failures;
    if (const Status status = local.run_to_end(); !status.ok())
      failures.push_back(status.error().text());
    EXPECT_TRUE(local.verify().ok());
    EXPECT_EQ(local.differences(), 0);
    completed_ = local.count(ItemStatus::completed);
    for (const testing::LocalItem* const item : local.items()) {
      if (item->row.status == ItemStatus::failed && item->error)
        failures.push_back(item->row.name + ": " + item->error->text());
    }
    if (undo) {
      EXPECT_TRUE(local.undo().ok());
    }
    return failures;
  }

  int runs_ = 0;
  std::int64_t completed_ = 0;
  std::vector<std::string> problems_;
};

template <typename Base>
class MigrationRuns : public RunOrder<Base> {};
using AllServers = ::testing::Types<SchemaTest, PostgresqlSchemaTest, MariadbSchemaTest>;
TYPED_TEST_SUITE(MigrationRuns, AllServers);

TYPED_TEST(MigrationRuns, RedoTakesBackAndAppliesTheFileAsItIsNow) {
  this->fill();
  this->expect_up();
  const std::string before = this->schema();
  this->file("3_C.sql", "CREATE TABLE c2(x int);\n-- dunlin:down\nDROP TABLE c2;");
  EXPECT_THAT(this->run({{"direction", "redo"}}), IsEmpty());
  EXPECT_THAT(this->problems_, ElementsAre(HasSubstr("was changed after it had been applied")));
  this->fill();
  EXPECT_THAT(this->run({{"direction", "redo"}, {"steps", 2}}), IsEmpty());
  EXPECT_EQ(this->completed_, 4);
  EXPECT_EQ(this->schema(), before);
  EXPECT_THAT(this->run({{"direction", "redo"}, {"target", "1"}}), IsEmpty());
  EXPECT_EQ(this->completed_, 4);
  EXPECT_THAT(this->run({{"direction", "redo"}, {"steps", 2}}, true), IsEmpty());
  EXPECT_EQ(this->schema(), before) << "and rolled back";
}

TYPED_TEST(MigrationRuns, ARollbackOfAWayDownPutsBackWhatWasThere) {
  this->fill();
  this->expect_up();
  const std::string before = this->schema();
  std::filesystem::remove_all(this->directory_);  // the log is enough
  EXPECT_THAT(this->run({{"direction", "down"}, {"steps", 2}}, true), IsEmpty());
  EXPECT_EQ(this->schema(), before);
}

TYPED_TEST(MigrationRuns, ARepeatableOneIsAppliedAgainWhenItsStatementsChange) {
  this->fill();
  this->file("R__seen.sql", "DROP VIEW IF EXISTS seen;\nCREATE VIEW seen AS SELECT x FROM a;");
  EXPECT_THAT(this->run(), IsEmpty());
  EXPECT_EQ(this->completed_, 4);
  this->file("R__seen.sql",
             "DROP VIEW IF EXISTS seen; -- again\nCREATE VIEW seen AS SELECT x FROM a;");
  EXPECT_THAT(this->run(), IsEmpty());
  EXPECT_EQ(this->completed_, 0) << "a comment is no reason";
  this->file("R__seen.sql", "DROP VIEW IF EXISTS seen;\nCREATE VIEW seen AS SELECT x AS y FROM b;");
  EXPECT_THAT(this->run(), IsEmpty());
  EXPECT_EQ(this->completed_, 1);
  EXPECT_EQ(this->text("SELECT y FROM seen"), "");
  EXPECT_THAT(this->run({{"direction", "down"}}), IsEmpty());
  EXPECT_EQ(this->completed_, 1) << "3_C: a repeatable one has no way back, and is in nobody's";
  std::filesystem::remove(this->directory_ / "R__seen.sql");
  EXPECT_THAT(this->run(), IsEmpty());
  EXPECT_EQ(this->completed_, 1);
}

TYPED_TEST(MigrationRuns, GoesOnWithWhatDoesNotDependOnTheFailedOne) {
  this->file("1_A.sql", "CREATE TABLE a(x int);");
  this->file("2_Bad.sql", "CREATE TABLE b(x int);\nINSERT INTO missing VALUES (1);");
  this->file("3_Needs.sql", "-- dunlin:depends_on 2\nCREATE TABLE c(x int);");
  this->file("4_NeedsThat.sql", "-- dunlin:depends_on 3\nCREATE TABLE d(x int);");
  this->file("5_Free.sql", "CREATE TABLE e(x int);");
  EXPECT_THAT(
      this->run({{"stop_on_error", false}}),
      ElementsAre(HasSubstr("2_Bad.sql:2"), HasSubstr("3_Needs: it depends on 2, which has failed"),
                  HasSubstr("4_NeedsThat: it depends on 3, which has failed")));
  EXPECT_EQ(this->history(), "1_A 5_Free");
}

/// Where a transaction can hold changes of a schema.
template <typename Base>
class AllInOne : public RunOrder<Base> {};
using Transactional = ::testing::Types<SchemaTest, PostgresqlSchemaTest>;
TYPED_TEST_SUITE(AllInOne, Transactional);

TYPED_TEST(AllInOne, AllOrNothing) {
  const Json settings = {{"transaction_mode", "all_in_one"}};
  this->fill();
  this->file("4_Bad.sql", "CREATE TABLE d(x int);\nINSERT INTO missing VALUES (1);");
  for (const std::string& failure : this->run(settings))
    EXPECT_THAT(failure, HasSubstr("4_Bad.sql:2"));
  EXPECT_EQ(this->completed_, 0);
  EXPECT_EQ(this->schema(), "");
  this->file("4_Bad.sql", "CREATE TABLE d(x int);");
  EXPECT_THAT(this->run(settings), IsEmpty());
  EXPECT_EQ(this->completed_, 4);
  EXPECT_EQ(this->history(), "1_A 2_B 3_C 4_Bad");
  EXPECT_THAT(this->run(settings), IsEmpty());
  EXPECT_EQ(this->completed_, 0);
}

TYPED_TEST(AllInOne, TheWayDownToo) {
  this->fill();
  this->expect_up();
  const std::string before = this->schema();
  EXPECT_THAT(
      this->run({{"direction", "down"}, {"steps", 3}, {"transaction_mode", "all_in_one"}}, true),
      IsEmpty());
  EXPECT_EQ(this->completed_, 3);
  EXPECT_EQ(this->schema(), before) << "and rolled back";
}

class PostgresqlAllInOne : public RunOrder<PostgresqlSchemaTest> {};

TEST_F(PostgresqlAllInOne, WhatNoTransactionHoldsIsNamedBefore) {
  fill();
  file("4_Index.sql", "CREATE INDEX CONCURRENTLY ax ON a(x);");
  run({{"transaction_mode", "all_in_one"}});
  EXPECT_THAT(problems_, ElementsAre(HasSubstr("4_Index.sql:1: CREATE INDEX CONCURRENTLY cannot")));
  EXPECT_EQ(schema(), "");
}

TEST_F(PostgresqlAllInOne, WhatOneSetsDoesNotReachTheNext) {
  file("1_A.sql",
       "CREATE SCHEMA other;\nSET search_path = other;\nCREATE TABLE a(x int);\n"
       "SET ROLE pg_monitor;");
  file("2_B.sql", "CREATE TABLE b(x int);");
  EXPECT_THAT(run({{"transaction_mode", "all_in_one"}}), IsEmpty());
  EXPECT_EQ(
      text("SELECT schemaname FROM pg_tables WHERE tablename IN ('a', 'b') ORDER BY tablename"),
      "other public");
}

class MariadbAllInOne : public RunOrder<MariadbSchemaTest> {};

TEST_F(MariadbAllInOne, IsRefused) {
  fill();
  run({{"transaction_mode", "all_in_one"}});
  ASSERT_FALSE(problems_.empty());
  EXPECT_THAT(problems_.front(), HasSubstr("commit each change of a schema at once"));
}

/// S-11: what somebody has to look at is not gone on with by itself.
class AfterFailure : public RunOrder<MariadbSchemaTest> {};

TEST_F(AfterFailure, NothingGoesOnUntilSomebodyHasSaidSo) {
  file("1_Bad.sql",
       "CREATE TABLE a(x int);\nINSERT INTO missing VALUES (1);\nCREATE TABLE b(x int);");
  EXPECT_THAT(run(), Each(HasSubstr("1_Bad.sql:2")));
  file("1_Bad.sql", "CREATE TABLE a(x int);\nINSERT INTO a VALUES (1);\nCREATE TABLE b(x int);");
  run();
  ASSERT_EQ(problems_.size(), 1U);
  for (const char* part : {"'1_Bad' has failed at statement 2", "missing"})
    EXPECT_THAT(problems_.front(), HasSubstr(part));
  EXPECT_THAT(run({{"mark", "repair"}}), IsEmpty());
  EXPECT_EQ(completed_, 1);
  EXPECT_THAT(run(), IsEmpty());
  EXPECT_EQ(text("SELECT x FROM a"), "1");
  EXPECT_EQ(history(), "1_Bad");
}

TEST_F(AfterFailure, TheExecutionThatFailedGoesOnWhenItIsResumed) {
  file("1_Bad.sql", "CREATE TABLE a(x int);\nINSERT INTO missing VALUES (1);");
  EXPECT_FALSE(up("7001").ok());
  file("1_Bad.sql", "CREATE TABLE a(x int);\nINSERT INTO a VALUES (1);");
  const auto again = make_run();
  testing::LocalExecution local(*again, as("7001"));
  const auto found = again->preflight(local.context());
  ASSERT_TRUE(found.ok());
  EXPECT_THAT(*found, IsEmpty());
  expect_up("7001");
  EXPECT_EQ(text("SELECT x FROM a"), "1");
}

}  // namespace
}  // namespace dunlin::schema
