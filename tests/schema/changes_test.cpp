// What the log keeps of a migration, at each server: long contents are compressed and need no
// files, what was changed is shown as a difference, and nothing reads contents that nobody asks
// for.
#include <gmock/gmock.h>

#include "schema/content.h"
#include "schema/mariadb_fixture.h"
#include "schema/postgresql_fixture.h"

namespace dunlin::schema {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

template <typename Base>
class LogContents : public Base {
 protected:
  static constexpr int kTables = 30;

  static std::string up_sql() {
    std::string sql;
    for (int i = 0; i < kTables; ++i)
      sql += "CREATE TABLE big_" + std::to_string(i) + "(id int PRIMARY KEY, name varchar(99));\n";
    return sql;
  }
  static std::string down_sql() {
    std::string sql;
    for (int i = 0; i < kTables; ++i) sql += "DROP TABLE big_" + std::to_string(i) + ";\n";
    for (int i = 0; i < kTables; ++i) sql += "SELECT 'a long way back';\n";
    return sql;
  }
  void fill() {
    this->file("1_Big.up.sql", up_sql());
    this->file("1_Big.down.sql", down_sql());
    this->file("2_Small.sql", "CREATE TABLE small(x int);\n-- dunlin:down\nDROP TABLE small;");
  }

  [[nodiscard]] std::string quoted(const std::string& name) const {
    return this->url().starts_with("mysql") ? '`' + name + '`' : '"' + name + '"';
  }
  [[nodiscard]] std::string log() const { return quoted("__MigrationsHistoryLog"); }
  [[nodiscard]] std::string kept(const std::string& column, const std::string& id) {
    return this->text("SELECT " + quoted(column) + " FROM " + log() + " WHERE " +
                      quoted("MigrationId") + " = '" + id + "' ORDER BY " + quoted("Sequence"));
  }
  void keep(const std::string& column, const std::string& content) {
    this->exec("UPDATE " + log() + " SET " + quoted(column) + " = '" + content + "'");
  }

  /// A run of its own; with `back` its rollback, too. What pre-flight has found.
  std::vector<engine::Problem> run(Json settings = Json::object(), bool back = false) {
    this->settings_ = std::move(settings);
    const auto run = this->make_run();
    testing::LocalExecution local(*run, this->as(std::to_string(6000 + ++runs_)));
    const auto found = run->preflight(local.context());
    EXPECT_TRUE(found.ok()) << found.error().text();
    const bool refused =
        found.ok() && std::any_of(found->begin(), found->end(),
                                  [](const engine::Problem& one) { return one.critical; });
    if (!refused) {
      const Status status = local.run_to_end();
      error_ = status.ok() ? "" : status.error().text() + " | " + status.error().remediation;
      if (back && status.ok()) {
        EXPECT_TRUE(local.undo().ok());
      }
    }
    this->settings_ = Json::object();
    return found.ok() ? *found : std::vector<engine::Problem>();
  }
  Result<engine::Findings> look(std::vector<std::string> words,
                                std::map<std::string, std::string> options = {}) {
    options.insert({{"db", this->url()}, {"dir", this->directory_.native()}});
    return make_schema_kind("dunlin 9.9")
        ->look({"migrate", std::move(words), options}, CancelToken{});
  }
  std::string shown(std::map<std::string, std::string> options = {}) {
    const auto found = look({"show", "1"}, std::move(options));
    EXPECT_TRUE(found.ok()) << found.error().text();
    return found.ok() ? found->content.value_or("no content") : "";
  }

  int runs_ = 0;
  std::string error_;
};
using ContentServers = ::testing::Types<SchemaTest, PostgresqlSchemaTest, MariadbSchemaTest>;
TYPED_TEST_SUITE(LogContents, ContentServers);

TYPED_TEST(LogContents, LongOnesAreCompressedAndTheWayBackNeedsNoFiles) {
  this->fill();
  this->expect_up();
  EXPECT_THAT(this->kept("UpSql", "1_Big"), StartsWith("dunlin:content:1:zstd:"));
  EXPECT_THAT(this->kept("DownSql", "1_Big"), StartsWith("dunlin:content:1:zstd:"));
  EXPECT_LT(this->kept("UpSql", "1_Big").size(), this->up_sql().size() / 3);
  EXPECT_EQ(this->kept("UpSql", "2_Small"), "CREATE TABLE small(x int);\n");
  const std::string schema = this->schema();
  std::filesystem::remove_all(this->directory_);
  EXPECT_EQ(this->shown(), this->up_sql());
  EXPECT_EQ(this->shown({{"down", "true"}}), this->down_sql());
  EXPECT_THAT(this->run({{"direction", "down"}, {"steps", 2}}, true), IsEmpty());
  EXPECT_EQ(this->schema(), schema) << "put back by what was recorded";
  EXPECT_EQ(this->shown(), this->up_sql()) << "what was put back is recorded as it was";
  EXPECT_THAT(this->run({{"direction", "down"}, {"target", "0"}}), IsEmpty());
  EXPECT_EQ(this->schema(), "");
}

TYPED_TEST(LogContents, RowsOfVersionsThatCompressedNothingAreRead) {
  this->fill();
  this->expect_up();
  this->exec("UPDATE " + this->log() + " SET " + this->quoted("DownSql") +
             " = 'DROP TABLE small;' WHERE " + this->quoted("MigrationId") + " = '2_Small'");
  this->exec("UPDATE " + this->log() + " SET " + this->quoted("DownSql") + " = '" +
             std::string("CREATE TABLE an_older_way(x int);\n-- ") + std::string(3000, 'x') +
             "' WHERE " + this->quoted("MigrationId") + " = '1_Big'");
  EXPECT_THAT(this->run({{"direction", "down"}, {"steps", 2}}), IsEmpty());
  EXPECT_EQ(this->history(), "");
  EXPECT_THAT(this->schema(), HasSubstr("an_older_way"));
  EXPECT_THAT(this->schema(), Not(HasSubstr("small")));
}

TYPED_TEST(LogContents, AFormOfANewerVersionIsToldBeforeAnythingIsTakenBack) {
  this->fill();
  this->expect_up();
  this->exec("UPDATE " + this->log() + " SET " + this->quoted("DownSql") +
             " = 'dunlin:content:2:zstd:9:AAAA' WHERE " + this->quoted("MigrationId") +
             " = '1_Big'");
  const auto problems = this->run({{"direction", "down"}, {"steps", 2}});
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_TRUE(problems.front().critical);
  EXPECT_EQ(problems.front().error.type, ErrorType::state_version);
  EXPECT_THAT(problems.front().error.message, HasSubstr("'1_Big'"));
  EXPECT_THAT(problems.front().error.remediation, HasSubstr("ProductVersion"));
  EXPECT_EQ(this->history(), "1_Big 2_Small");
}

TYPED_TEST(LogContents, WhatIsDamagedIsNotRun) {
  this->fill();
  this->expect_up();
  std::string content = this->kept("DownSql", "1_Big");
  content[content.size() / 2] = content[content.size() / 2] == 'A' ? 'B' : 'A';
  this->keep("DownSql", content);
  const std::string schema = this->schema();
  EXPECT_THAT(this->run({{"direction", "down"}}), IsEmpty());
  EXPECT_THAT(this->error_, HasSubstr("reading '2_Small'"));
  EXPECT_THAT(this->error_, HasSubstr("damaged"));
  EXPECT_THAT(this->error_, HasSubstr("backup"));
  EXPECT_EQ(this->schema(), schema);
  EXPECT_EQ(this->history(), "1_Big 2_Small");
}

TYPED_TEST(LogContents, AreNotReadByWhoeverHasNothingToDo) {
  this->fill();
  this->expect_up();
  this->keep("UpSql", "dunlin:content:9:none reads it");
  this->keep("DownSql", "dunlin:content:9:none reads it");
  const auto status = this->look({"status"});
  ASSERT_TRUE(status.ok()) << status.error().text();
  EXPECT_TRUE(status->good);
  EXPECT_THAT(this->run(), IsEmpty());
  EXPECT_EQ(this->error_, "");
}

TYPED_TEST(LogContents, StatementsThatWereChangedAreShownAsADifference) {
  this->fill();
  this->expect_up();
  this->file("2_Small.sql", "CREATE TABLE small(y int);\n-- dunlin:down\nDROP TABLE small;");
  const std::string wanted =
      "--- 2_Small (up, as it was applied)\n+++ " + (this->directory_ / "2_Small.sql").native() +
      "\n@@ -1 +1 @@\n-CREATE TABLE small(x int);\n+CREATE TABLE small(y int);\n";
  const auto status = this->look({"validate"});
  ASSERT_TRUE(status.ok());
  EXPECT_FALSE(status->good);
  EXPECT_THAT(status->differences, ElementsAre(wanted));
  const Json changed = status->json()["changed"];
  ASSERT_EQ(changed.size(), 1U);
  EXPECT_EQ(changed[0]["id"], "2_Small");
  EXPECT_EQ(changed[0]["change"], "statements");
  EXPECT_EQ(changed[0]["accepted"], false);
  EXPECT_EQ(changed[0]["difference"], wanted);
  const auto refused = this->run();
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_TRUE(refused.front().critical);
  EXPECT_THAT(refused.front().differences, ElementsAre(wanted));
  EXPECT_THAT(refused.front().error.remediation, HasSubstr("dunlin migrate repair 2 --db "));

  const auto repaired = this->run({{"mark", "repair"}});
  ASSERT_EQ(repaired.size(), 1U);
  EXPECT_FALSE(repaired.front().critical);
  EXPECT_THAT(repaired.front().differences, ElementsAre(wanted)) << "what is accepted is shown";
  EXPECT_THAT(this->run(), IsEmpty());
  this->file("2_Small.sql", "CREATE TABLE small(z int);\n-- dunlin:down\nDROP TABLE small;");
  EXPECT_THAT(
      this->run().front().differences,
      ElementsAre(HasSubstr("\n-CREATE TABLE small(y int);\n+CREATE TABLE small(z int);\n")))
      << "against what was accepted";
}

TYPED_TEST(LogContents, WhatChangedWithoutEffectIsCalledWhatItIs) {
  this->fill();
  this->expect_up();
  this->file("1_Big.up.sql", "-- a comment\n" + this->up_sql());
  this->file("2_Small.sql", "CREATE TABLE  small(x int);\n-- dunlin:down\nDROP TABLE small;");
  const auto status = this->look({"status"});
  ASSERT_TRUE(status.ok());
  EXPECT_TRUE(status->good);
  EXPECT_THAT(status->differences, IsEmpty());
  const Json changed = status->json()["changed"];
  ASSERT_EQ(changed.size(), 2U);
  EXPECT_EQ(changed[0]["change"], "bytes");
  EXPECT_EQ(changed[1]["change"], "text");
  EXPECT_EQ(changed[1]["accepted"], true);
  for (const engine::Problem& warning : this->run()) {
    EXPECT_FALSE(warning.critical);
    EXPECT_THAT(warning.differences, IsEmpty());
  }
}

TYPED_TEST(LogContents, OneIsShownWithItsDifferenceToTheFile) {
  this->fill();
  this->expect_up();
  const auto same = this->look({"show", "2_Small"}, {{"diff", "true"}});
  ASSERT_TRUE(same.ok()) << same.error().text();
  EXPECT_THAT(same->text, HasSubstr("has what was applied"));
  EXPECT_EQ(same->json()["equal"], true);
  this->file("1_Big.down.sql", "DROP TABLE big_0;\n");
  const auto down = this->look({"show", "1"}, {{"diff", "true"}, {"down", "true"}});
  ASSERT_TRUE(down.ok()) << down.error().text();
  ASSERT_EQ(down->differences.size(), 1U);
  EXPECT_THAT(down->differences.front(), HasSubstr("\n-DROP TABLE big_29;\n"));
  EXPECT_THAT(down->differences.front(), HasSubstr("1_Big.down.sql\n"));
  EXPECT_EQ(this->look({"show", "1"})->json()["sql"], this->up_sql());
  for (const char* wrong : {"7", "R__nothing"}) {
    const auto missing = this->look({"show", wrong});
    ASSERT_FALSE(missing.ok());
    EXPECT_EQ(missing.error().type, ErrorType::not_found);
    EXPECT_THAT(missing.error().message, HasSubstr(wrong));
  }
}

class ManyChanges : public SchemaTest {};

TEST_F(ManyChanges, OnlySoManyDifferencesAreShownAtOnce) {
  for (int i = 1; i <= 8; ++i)
    file(std::to_string(i) + "_T.sql", "CREATE TABLE t" + std::to_string(i) + "(x int);");
  expect_up();
  for (int i = 1; i <= 8; ++i)
    file(std::to_string(i) + "_T.sql", "CREATE TABLE t" + std::to_string(i) + "(y int);");
  const auto found = preflight();
  ASSERT_EQ(found.size(), 8U);
  EXPECT_THAT(found[4].differences, Not(IsEmpty()));
  EXPECT_THAT(found[5].differences, IsEmpty());
  EXPECT_THAT(found[5].error.remediation, HasSubstr("dunlin migrate show 6 --diff --db "));
}

}  // namespace
}  // namespace dunlin::schema
