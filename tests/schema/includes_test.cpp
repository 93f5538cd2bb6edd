// Files that a script of PostgreSQL takes in: what they hold belongs to the migration, as psql has
// it, and what psql would look for elsewhere is refused.
#include <sys/stat.h>

#include <cstdlib>

#include <gmock/gmock.h>

#include "schema/postgresql_fixture.h"

namespace dunlin::schema {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TakenInFiles : public PostgresqlSchemaTest {
 protected:
  void SetUp() override {
    PostgresqlSchemaTest::SetUp();
    std::filesystem::create_directories(directory_ / "parts" / "deep");
  }
  /// What reading the migrations says against them.
  std::string problem() {
    const auto found = problems();
    return found.empty() ? "none" : found.front();
  }
  /// Of a migration that takes in `parts/x.sql`, which holds that.
  std::string problem_with(const std::string& taken_in) {
    file("1_A.sql", "SELECT 1;\n\\ir parts/x.sql\n");
    file("parts/x.sql", taken_in);
    return problem();
  }
  std::string log_sql(const std::string& column) const {
    return text("SELECT \"" + column +
                R"(" FROM "__MigrationsHistoryLog" WHERE "Event" = 'done' AND "Direction" = 'up')");
  }
  Status down() {
    settings_ = {{"direction", "down"}};
    const auto run = make_run();
    settings_ = Json::object();
    testing::LocalExecution local(*run, as("0077"));
    return local.run_to_end();
  }
};

TEST_F(TakenInFiles, AreAppliedAtTheirPlaceAndTheWayBackNeedsNone) {
  file(
      "1_A.up.sql",
      "CREATE TABLE first(x int);\n\\ir parts/second.sql\n  \\ir 'parts/it''s fourth.sql';\nCREATE "
      "TABLE fifth(x int);\n");
  file("1_A.down.sql", "DROP TABLE fifth;\n\\include_relative parts/deep/down.sql");
  file("parts/second.sql", "CREATE TABLE second AS SELECT * FROM first;\n\\ir deep/third.sql\n");
  file("parts/deep/third.sql",
       "COPY second FROM stdin;\n7\n\\.\nCREATE TABLE third AS SELECT * FROM second; -- no end");
  file("parts/it's fourth.sql",
       "\xEF\xBB\xBF"
       "CREATE TABLE fourth AS SELECT * FROM third;\r\n\\echo done\r\n");
  file("parts/deep/down.sql", "DROP TABLE fourth, third, second;\nDROP TABLE first;");
  expect_up();
  EXPECT_EQ(text("SELECT x FROM fourth"), "7");
  const std::string ours = schema();
  EXPECT_EQ(
      log_sql("UpSql"),
      "CREATE TABLE first(x int);\n-- dunlin:begin_file parts/second.sql\nCREATE TABLE second "
      "AS SELECT * FROM first;\n-- dunlin:begin_file parts/deep/third.sql\nCOPY second FROM "
      "stdin;\n7\n\\.\nCREATE TABLE third AS SELECT * FROM second; -- no end\n-- "
      "dunlin:end_file\n-- dunlin:end_file\n-- dunlin:begin_file parts/it's fourth.sql\nCREATE "
      "TABLE fourth AS SELECT * FROM third;\r\n\\echo done\r\n-- dunlin:end_file\nCREATE TABLE "
      "fifth(x int);\n");
  expect_up("0002");  // nothing is pending

  // psql itself, in another database.
  on(server().address(), "CREATE DATABASE " + database_ + "_psql");
  std::string other = server().address(database_ + "_psql");
  const std::string psql = "psql -Xqd '" + other + "' -v ON_ERROR_STOP=1 -f '" +
                           (directory_ / "1_A.up.sql").native() + "' >/dev/null";
  ASSERT_EQ(std::system(psql.c_str()), 0) << psql;
  url_.swap(other);
  EXPECT_EQ(schema(), ours);
  EXPECT_EQ(text("SELECT x FROM fourth"), "7");
  url_.swap(other);

  std::filesystem::remove_all(directory_);
  const Status back = down();
  ASSERT_TRUE(back.ok()) << back.error().text();
  EXPECT_EQ(schema(), "");
}

TEST_F(TakenInFiles, AnErrorNamesTheFileAndItsLine) {
  file("1_A.sql", "SELECT 1;\n\n\\ir parts/x.sql\nSELECT 2;\n");
  file("parts/x.sql", "SELECT 1;\n\\ir deep/y.sql\n");
  file("parts/deep/y.sql", "SELECT 1;\nSELECT\n  nothing_there;\n");
  Status failed = up();
  ASSERT_FALSE(failed.ok());
  const std::string folder = directory_.native();
  EXPECT_THAT(failed.error().message,
              HasSubstr(folder + "/parts/deep/y.sql:3, taken in by " + folder +
                        "/parts/x.sql:2, taken in by " + folder + "/1_A.sql:3: "));
  file("parts/deep/y.sql", "SELECT 1;\nSELECT\n  2;\n");
  file("1_A.sql", "SELECT 1;\n\n\\ir parts/x.sql\nSELECT nothing_there;\n");
  failed = up("0002");
  ASSERT_FALSE(failed.ok());
  EXPECT_THAT(failed.error().message, HasSubstr(folder + "/1_A.sql:4: "));
  file("1_A.sql", "\\ir parts/x.sql\nVACUUM;\n-- dunlin:transaction true\n");
  EXPECT_THAT(problem(), HasSubstr(folder + "/1_A.sql:2: the migration says"));
  file("1_A.sql", "\\ir parts/x.sql\nSELECT 'no end;\n");
  EXPECT_THAT(problem(), HasSubstr(folder + "/1_A.sql: line 2: the string that begins here"));
}

TEST_F(TakenInFiles, AnErrorOfWhatWasRecordedNamesThemToo) {
  file("1_A.up.sql", "CREATE TABLE a(x int);");
  file("1_A.down.sql", "\\ir parts/down.sql\n");
  file("parts/down.sql", "SELECT 1;\nDROP TABLE a;");
  expect_up();
  exec("DROP TABLE a");
  std::filesystem::remove_all(directory_);
  const Status failed = down();
  ASSERT_FALSE(failed.ok());
  EXPECT_THAT(failed.error().message, HasSubstr("parts/down.sql:2, taken in by 1_A (down):1: "));
}

TEST_F(TakenInFiles, AChangedOneIsAChangedMigration) {
  file("1_A.sql", "CREATE TABLE a(x int);\n\\ir parts/x.sql\n");
  file("parts/x.sql", "CREATE TABLE b(x int);\n");
  expect_up();
  file("parts/x.sql", "CREATE TABLE b(x int); -- b\n");
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("only in comments")));
  EXPECT_FALSE(preflight().front().critical);
  file("parts/x.sql", "CREATE TABLE b(y int);\n");
  const auto found = preflight();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(found.front().critical);
  EXPECT_THAT(found.front().error.message, HasSubstr("in its statements"));
  EXPECT_THAT(found.front().differences,
              ElementsAre(HasSubstr("\n-CREATE TABLE b(x int);\n+CREATE TABLE b(y int);\n")));
  file("1_A.sql", "CREATE TABLE a(x int);\nCREATE TABLE b(x int);\n");
  EXPECT_FALSE(preflight().front().critical) << "the same statements, in one file now";
}

TEST_F(TakenInFiles, WhatIsNotInTheDirectoryOfTheMigrationsIsRefused) {
  std::ofstream(folder_ / "secret.sql") << "SELECT 1;";
  std::filesystem::create_symlink(folder_ / "secret.sql", directory_ / "parts" / "link.sql");
  std::filesystem::create_directory_symlink(folder_, directory_ / "away");
  for (const std::string& name :
       {std::string("../secret.sql"), std::string("parts/link.sql"), std::string("away/secret.sql"),
        std::string("parts/../../secret.sql"), (folder_ / "secret.sql").native()}) {
    file("1_A.sql", "SELECT 1;\n\\ir " + name + "\n");
    EXPECT_THAT(problem(), HasSubstr("1_A.sql:2: the file '" + name + "' lies outside of"));
  }
  file("parts/inside.sql", "CREATE TABLE inside(x int);");
  std::filesystem::create_symlink("inside.sql", directory_ / "parts" / "other_name.sql");
  // What a link leads to looks for others where the link stands.
  file("parts/deep/linked.sql", "\\ir inside.sql\n");
  std::filesystem::create_symlink("deep/linked.sql", directory_ / "parts" / "linked.sql");
  file("1_A.sql", "\\ir parts/linked.sql\n\\i " + (directory_ / "parts/deep/y.sql").native());
  file("parts/inside.sql", "\\ir other_name.sql\n");
  EXPECT_THAT(problem(), HasSubstr("in a circle")) << "another name of itself";
  file("parts/inside.sql", "CREATE TABLE inside(x int);");
  file("parts/deep/y.sql", "CREATE TABLE absolute(x int);");
  expect_up();
  EXPECT_THAT(schema(), HasSubstr("absolute"));
}

TEST_F(TakenInFiles, WhatCannotBeTakenInIsRefusedByName) {
  const auto refused = [&](const std::string& line, const std::string& why) {
    file("1_A.sql", "SELECT 1;\n" + line + "\n");
    EXPECT_THAT(problem(), HasSubstr("1_A.sql:2: ")) << line;
    EXPECT_THAT(problem(), HasSubstr(why)) << line;
  };
  refused("\\ir parts/none.sql", "'parts/none.sql' cannot be taken in: No such file");
  refused("\\ir parts", "'parts' is no file");
  refused("\\i parts/x.sql", "write `\\ir`");
  file("parts/x.sql", "SELECT 1;\n");
  refused("SELECT 1; \\ir parts/x.sql", "on a line of its own");
  ASSERT_EQ(::mkfifo((directory_ / "parts" / "pipe").c_str(), 0600), 0);
  refused("\\ir parts/pipe", "'parts/pipe' is no file");
  file("1_A.sql", "SELECT 1\n\\ir parts/x.sql\n;");
  EXPECT_THAT(problem(), HasSubstr("1_A.sql: line 2: `\\ir parts/x.sql` stands in the midst"));
  file("1_A.sql", "-- dunlin:begin_file x\nSELECT 1;\n-- dunlin:end_file\n");
  EXPECT_THAT(problem(), HasSubstr("1_A.sql:1: `-- dunlin:begin_file`: it is a mark"));
  file("1_A.sql", "\\ir parts/x.sql\n-- dunlin:end_file\n");
  EXPECT_THAT(problem(), HasSubstr("it is a mark of dunlin's own"));
}

TEST_F(TakenInFiles, WhatTheyHoldIsCheckedAsScriptsAre) {
  const std::string file_x = (directory_ / "parts" / "x.sql").native();
  EXPECT_THAT(problem_with("SELECT 1;\nSELECT 2 -- ;\n"),
              HasSubstr(file_x + ":2: the file ends within the statement that begins here"));
  EXPECT_THAT(problem_with("SELECT 1;\n\nSELECT 'a;\n"),
              HasSubstr(file_x + ": line 3: the string"));
  EXPECT_THAT(problem_with("COPY t FROM stdin;\n1\n"), HasSubstr(file_x + ": line 1: the data of"));
  EXPECT_THAT(problem_with("SELECT 1;\n-- \xff\n"), HasSubstr(file_x + ": line 2: the byte 0xff"));
  EXPECT_THAT(problem_with("SELECT 1;\n-- dunlin:transaction false\n"),
              HasSubstr(file_x + ":2: `-- dunlin:transaction false` says how a migration is read"));
  EXPECT_THAT(problem_with("-- dunlin:down\nSELECT 1;\n"), HasSubstr(file_x + ":1: "));
  EXPECT_THAT(problem_with("SELECT 1;\nCOMMIT;\n"),
              HasSubstr(file_x + ":2, taken in by " + (directory_ / "1_A.sql").native() + ":2: "));
  EXPECT_THAT(problem_with("SELECT 1;\n\\! rm -rf /\n"), HasSubstr(file_x + ":2, taken in by"));
  EXPECT_THAT(problem_with("\\ir y.sql\n"), HasSubstr(file_x + ":1: the file 'y.sql' cannot be"));
  EXPECT_EQ(problem_with(""), "none");
  EXPECT_EQ(problem_with("-- nothing; but a comment\n/* and */"), "none");
}

TEST_F(TakenInFiles, CirclesAndDepthAndNumberAreBounded) {
  file("1_A.sql", "\\ir parts/x.sql\n");
  file("parts/x.sql", "\\ir deep/y.sql\n");
  file("parts/deep/y.sql", "SELECT 1;\n\\ir ../x.sql\n");
  EXPECT_THAT(problem(),
              HasSubstr("parts/deep/y.sql:2: files take in each other in a circle: "
                        "1_A.sql takes in parts/x.sql takes in parts/deep/y.sql takes in "
                        "parts/x.sql"));
  file("parts/x.sql", "\\ir ../1_A.sql\n");
  EXPECT_THAT(problem(), HasSubstr("in a circle: 1_A.sql takes in parts/x.sql takes in 1_A.sql"));
  file("parts/x.sql", "\\ir 0.sql\n");
  for (int i = 0; i < 20; ++i)
    file("parts/" + std::to_string(i) + ".sql", "\\ir " + std::to_string(i + 1) + ".sql\n");
  EXPECT_THAT(problem(), HasSubstr("more than 16 deep"));
  for (int i = 0; i < 11; ++i) {
    file("parts/" + std::to_string(i) + ".sql",
         "\\ir " + std::to_string(i + 1) + ".sql\n\\ir " + std::to_string(i + 1) + ".sql\n");
  }
  file("parts/11.sql", "SELECT 1;\n");
  EXPECT_THAT(problem(), HasSubstr("more than 1000 files are taken in"));
}

}  // namespace
}  // namespace dunlin::schema
