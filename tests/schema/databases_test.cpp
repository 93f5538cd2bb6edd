// Several databases in one run: tenants by name, a result for each, one that fails.
#include <gmock/gmock.h>

#include "schema/mariadb_fixture.h"
#include "schema/postgresql_fixture.h"

namespace dunlin::schema {
namespace {

using engine::ItemStatus;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Drives one run, and keeps what became of each database.
class DatabaseResults {
 public:
  DatabaseResults(const engine::Plan& plan, const std::string& last_digits, bool undo = false) {
    auto opened = make_schema_kind("dunlin 9.9")->open(plan);
    EXPECT_TRUE(opened.ok()) << opened.error().text();
    if (!opened.ok()) return;
    testing::LocalExecution::Options options;
    options.execution = ExecutionId("01890000-0000-7000-8000-00000000" + last_digits);
    testing::LocalExecution local(**opened, options);
    const auto found = (*opened)->preflight(local.context());
    EXPECT_TRUE(found.ok());
    for (const auto& problem : *found) problems.push_back(problem.error.text());
    if (!problems.empty()) return;
    const Status status = local.run_to_end();
    EXPECT_TRUE(status.ok()) << status.error().text();
    EXPECT_TRUE(local.verify().ok());
    EXPECT_EQ(local.differences(), 0);
    if (undo) {
      const Status undone = local.undo();
      EXPECT_TRUE(undone.ok()) << undone.error().text();
    }
    for (const testing::LocalItem* const item : local.items())
      results.push_back(item->row.name + ": " +
                        (item->error ? item->error->text() : item->row.message));
  }
  std::vector<std::string> problems;
  std::vector<std::string> results;
};

class PostgresqlTenants : public PostgresqlSchemaTest {
 protected:
  engine::Plan tenants(const std::string& pattern) {
    engine::Plan plan = this->plan();
    plan.document["destination"]["tenants"] = pattern;
    return plan;
  }
};

TEST_F(PostgresqlTenants, EachSchemaOfThatNameIsBroughtUp) {
  for (const char* name : {"tenant_1", "tenant_2", "\"tenant_a b\\\"\"\"", "other"})
    exec("CREATE SCHEMA " + std::string(name));
  file("1_A.sql", "CREATE TABLE a(x int);\n-- dunlin:down\nDROP TABLE a;");
  file("2_B.sql", "CREATE INDEX CONCURRENTLY ax ON a(x);\n-- dunlin:down\nDROP INDEX ax;");
  const DatabaseResults first(tenants("tenant_*"), "0001");
  EXPECT_THAT(first.problems, IsEmpty());
  EXPECT_THAT(first.results,
              ElementsAre("tenant_1: 2 migrations applied", "tenant_2: 2 migrations applied",
                          "tenant_a b\\\": 2 migrations applied"));
  EXPECT_EQ(text("SELECT count(*) FROM pg_tables WHERE tablename = 'a'"), "3");
  exec("CREATE SCHEMA tenant_3");
  const DatabaseResults again(tenants("tenant_?"), "0002", true);
  EXPECT_THAT(again.results, ElementsAre("tenant_1: up to date", "tenant_2: up to date",
                                         "tenant_3: 2 migrations taken back"));
  EXPECT_EQ(text("SELECT count(*) FROM pg_tables WHERE tablename = 'a'"), "3");
  EXPECT_THAT(DatabaseResults(tenants("nobody*"), "0003").problems,
              ElementsAre(HasSubstr("there is no tenant")));
}

TEST_F(PostgresqlTenants, OneThatFailsLeavesTheOthersAlone) {
  for (const char* name : {"t1", "t2", "t3"}) exec("CREATE SCHEMA " + std::string(name));
  exec("CREATE TABLE t2.a(y int)");
  file("1_A.sql", "CREATE TABLE a(x int);");
  const DatabaseResults done(tenants("t?"), "0001");
  ASSERT_EQ(done.results.size(), 3U);
  EXPECT_EQ(done.results[0], "t1: 1 migration applied");
  EXPECT_THAT(done.results[1], HasSubstr("1_A.sql:1"));
  EXPECT_EQ(done.results[2], "t3: 1 migration applied");
  exec("DROP TABLE t2.a");
  EXPECT_THAT(DatabaseResults(tenants("t?"), "0002").results,
              ElementsAre("t1: up to date", "t2: 1 migration applied", "t3: up to date"));
}

class MariadbTenants : public MariadbSchemaTest {};

TEST_F(MariadbTenants, EachDatabaseOfThatNameIsBroughtUp) {
  exec("CREATE DATABASE " + database_ + "_x1");
  exec("CREATE DATABASE " + database_ + "_x2");
  file("1_A.sql", "CREATE TABLE a(x int);");
  engine::Plan plan = this->plan();
  plan.document["destination"]["tenants"] = database_ + "_x*";
  EXPECT_THAT(
      DatabaseResults(plan, "0001").results,
      ElementsAre(database_ + "_x1: 1 migration applied", database_ + "_x2: 1 migration applied"));
}

class SqliteDatabases : public SchemaTest {};

TEST_F(SqliteDatabases, AreNamedOneByOne) {
  file("1_A.sql", "CREATE TABLE a(x int);");
  engine::Plan plan = this->plan();
  const std::string one = "sqlite:" + (folder_ / "one.db").native();
  const std::string two = "sqlite:" + (folder_ / "two.db").native();
  plan.document["destination"] = {{"urls", {one, two}}};
  const DatabaseResults done(plan, "0001");
  ASSERT_EQ(done.results.size(), 2U);
  EXPECT_THAT(done.results[0], HasSubstr("one.db: 1 migration applied"));
  EXPECT_THAT(done.results[1], HasSubstr("two.db: 1 migration applied"));
  plan.document["destination"] = {{"url", one}, {"tenants", "x*"}};
  EXPECT_THAT(DatabaseResults(plan, "0002").problems,
              ElementsAre(HasSubstr("SQLite has no tenants")));
}

}  // namespace
}  // namespace dunlin::schema
