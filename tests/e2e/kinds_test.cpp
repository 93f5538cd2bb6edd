// The other kinds through the same verbs: rows, migrations of a schema.
#include <csignal>
#include <thread>

#include "e2e/world.h"
#include "support/postgresql_server.h"

namespace dunlin::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Kinds : public World {
 protected:
  /// SQL through the sqlite3 program.
  std::string sql(const std::string& database, const std::string& text) {
    ProcessOptions options;
    options.words = {"/usr/bin/sqlite3", path(database), text};
    const Finished done = testing::run_process(options);
    EXPECT_EQ(done.code, 0) << done.err;
    return done.out;
  }
};

TEST_F(Kinds, RowsAreLoaded) {
  if (!std::filesystem::exists("/usr/bin/sqlite3")) GTEST_SKIP() << "not run: needs sqlite3";
  sql("a.db",
      "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT);"
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1000)"
      "INSERT INTO t SELECT i, 'row ' || i FROM n;");
  sql("b.db", "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT);");
  const Finished done =
      run({"load", "sqlite:" + path("a.db"), "sqlite:" + path("b.db"), "--table", "t"});
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(sql("b.db", "SELECT count(*), max(name) FROM t"), "1000|row 999\n");
  EXPECT_THAT(run({"ps"}).out, HasSubstr("records"));
  sql("c.db", "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT);");
  EXPECT_EQ(run({"load", "sqlite:" + path("a.db"), "sqlite:" + path("c.db"), "--all",
                 "--transaction-mode", "single"})
                .code,
            0);
  EXPECT_EQ(sql("c.db", "SELECT count(*) FROM t"), "1000\n");
  EXPECT_EQ(run({"load", "sqlite:" + path("a.db"), "sqlite:" + path("b.db")}).code, 2);
}

TEST_F(Kinds, ARangeOfRowsIsTakenBackAloneAndATableThatWasMadeIsNot) {
  if (!std::filesystem::exists("/usr/bin/sqlite3")) GTEST_SKIP() << "not run: needs sqlite3";
  sql("a.db",
      "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT);"
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1000)"
      "INSERT INTO t SELECT i, 'row ' || i FROM n;");
  ASSERT_EQ(run({"load", "sqlite:" + path("a.db"), "sqlite:" + path("b.db"), "--table", "t",
                 "--batch-size", "100"})
                .code,
            0);
  // Item 1 is the table, 2 to 11 are ranges of it.
  const Finished part = run({"rollback", "1", "--item", "11", "--yes"});
  EXPECT_EQ(part.code, 0) << part.err;
  EXPECT_EQ(sql("b.db", "SELECT count(*) FROM t"), "900\n");
  EXPECT_EQ(status(), "completed");
  EXPECT_EQ(run({"rollback", "1", "--item", "1", "--yes"}).code, 2) << "it made the table";
  EXPECT_EQ(run({"rollback", "1", "--yes"}).code, 0);
  EXPECT_EQ(sql("b.db", "SELECT count(*) FROM sqlite_master WHERE name = 't'"), "0\n");
}

TEST_F(Kinds, MigrationsAreTakenBackAsAWhole) {
  if (!std::filesystem::exists("/usr/bin/sqlite3")) GTEST_SKIP() << "not run: needs sqlite3";
  write("migrations/1_first.up.sql", "CREATE TABLE a(x INTEGER);\n");
  ASSERT_EQ(
      run({"migrate", "up", "--db", "sqlite:" + path("s.db"), "--dir", path("migrations")}).code,
      0);
  const Finished part = run({"rollback", "1", "--batch", "1", "--yes"});
  EXPECT_EQ(part.code, 2);
  EXPECT_THAT(part.err, HasSubstr("can be taken back by itself"));
  EXPECT_THAT(sql("s.db", ".tables"), HasSubstr("a"));
}

TEST_F(Kinds, MigrationsAreAppliedAndAFailingOneIsFatal) {
  if (!std::filesystem::exists("/usr/bin/sqlite3")) GTEST_SKIP() << "not run: needs sqlite3";
  write("migrations/1_first.up.sql", "CREATE TABLE a(x INTEGER);\n");
  write("migrations/2_second.up.sql", "CREATE TABLE b(x INTEGER);\n");
  const std::vector<std::string> up = {
      "migrate", "up", "--db", "sqlite:" + path("s.db"), "--dir", path("migrations")};
  const Finished done = run(up);
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_THAT(sql("s.db", ".tables"), HasSubstr("b"));
  EXPECT_EQ(run(up).code, 0) << "nothing is pending";
  write("migrations/3_broken.up.sql", "CREATE TABL c(x INTEGER);\n");
  EXPECT_EQ(run(up).code, 7);
  const Finished unknown = run({"migrate", "upp"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("did you mean 'up'?"));
}

TEST_F(Kinds, MigrationsGoDownAgainAndTheirStatusIsShown) {
  write("migrations/1_first.up.sql", "CREATE TABLE a(x INTEGER);\n");
  write("migrations/1_first.down.sql", "DROP TABLE a;\n");
  write("migrations/2_second.up.sql", "CREATE TABLE b(x INTEGER);\n");
  const auto migrate = [&](std::vector<std::string> words) {
    words.insert(words.begin(), "migrate");
    words.insert(words.end(), {"--db", "sqlite:" + path("s.db"), "--dir", path("migrations")});
    return run(words);
  };
  EXPECT_THAT(migrate({"status"}).out, HasSubstr("□ 1_first"));
  EXPECT_EQ(migrate({"up", "--target", "1"}).code, 0);
  const Finished status = migrate({"status"});
  EXPECT_THAT(status.out, HasSubstr("Current Version: 1_first"));
  EXPECT_THAT(status.out, HasSubstr("✓ 1_first"));
  EXPECT_THAT(status.out, HasSubstr("□ 2_second"));
  EXPECT_THAT(migrate({"status", "--json"}).out, HasSubstr("\"pending\":[\"2_second\"]"));
  EXPECT_EQ(migrate({"up"}).code, 0);
  const Finished refused = migrate({"down", "--steps", "2"});
  EXPECT_EQ(refused.code, 3) << "the second has no way back";
  EXPECT_THAT(refused.out + refused.err, HasSubstr("'2_second' is irreversible"));
  EXPECT_THAT(migrate({"status"}).out, HasSubstr("Current Version: 2_second"));
  EXPECT_EQ(migrate({"down", "--steps", "two"}).code, 2);
  EXPECT_EQ(migrate({"up", "--steps", "2"}).code, 2);
}

TEST_F(Kinds, WhatWasChangedInAMigrationIsShownAndAccepted) {
  const std::string applied = "CREATE TABLE a(\n\tx INTEGER\n); -- \x1b[2J\n";
  write("migrations/1_first.up.sql", applied);
  const auto migrate = [&](std::vector<std::string> words) {
    words.insert(words.begin(), "migrate");
    words.insert(words.end(), {"--db", "sqlite:" + path("s.db"), "--dir", path("migrations")});
    return run(words);
  };
  ASSERT_EQ(migrate({"up"}).code, 0);
  EXPECT_EQ(migrate({"show", "1"}).out, applied) << "a pipe gets every byte";
  EXPECT_EQ(migrate({"show", "1", "--down"}).code, 2) << "it has no way back";
  write("migrations/1_first.up.sql", "CREATE TABLE a(\n\ty INTEGER\n); -- \x1b[2J\n");
  const std::string difference = "@@ -1,3 +1,3 @@\n CREATE TABLE a(\n-\tx INTEGER\n+\ty INTEGER\n";
  const Finished refused = migrate({"up"});
  EXPECT_EQ(refused.code, 3);
  EXPECT_THAT(refused.out, HasSubstr("    -\tx INTEGER\n    +\ty INTEGER\n"));
  EXPECT_THAT(refused.out, HasSubstr("dunlin migrate repair 1 --db "));
  EXPECT_THAT(refused.out, Not(HasSubstr("\x1b")));
  const Finished validated = migrate({"validate"});
  EXPECT_EQ(validated.code, 6);
  EXPECT_THAT(validated.out, HasSubstr(difference));
  EXPECT_THAT(validated.out, Not(HasSubstr("\x1b")));
  EXPECT_THAT(migrate({"show", "1", "--diff"}).out, HasSubstr(difference));
  EXPECT_THAT(migrate({"up", "--json"}).out, HasSubstr(R"(\n-\tx INTEGER\n+\ty INTEGER\n)"));
  EXPECT_EQ(migrate({"repair"}).code, 0);
  EXPECT_EQ(migrate({"validate"}).code, 0);
}

TEST_F(Kinds, MigrationsOfAServerSurviveAKillAndALostStateDirectory) {
  const testing::PostgresqlServer server;
  const std::string url = server.address();
  write("migrations/1_first.sql", "CREATE TABLE a(x int);\n-- dunlin:down\nDROP TABLE a;\n");
  write("migrations/2_long.sql",
        "INSERT INTO a VALUES (1);\nSELECT pg_sleep(600);\n-- dunlin:down\nDELETE FROM a;\n");
  const std::vector<std::string> up = {"migrate", "up", "--db", url, "--dir", path("migrations")};
  testing::Process process(dunlin(up));
  const std::vector<std::string> status = {"migrate", "status", "--db",
                                           url,       "--dir",  path("migrations")};
  while (run(status).out.find("✓ 1_first") == std::string::npos)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  process.signal(SIGKILL);
  static_cast<void>(process.wait());
  write("migrations/2_long.sql",
        "INSERT INTO a VALUES (1);\nSELECT 1;\n-- dunlin:down\nDELETE FROM a;\n");
  const Finished again = run(up);
  EXPECT_EQ(again.code, 0) << again.out << again.err;
  EXPECT_THAT(run(status).out, HasSubstr("Current Version: 2_long"));
  EXPECT_EQ(run({"verify", "last"}).code, 0);
  EXPECT_EQ(
      run({"migrate", "down", "--db", url, "--dir", path("migrations"), "--target", "0"}).code, 0);
  EXPECT_THAT(run(status).out, HasSubstr("Current Version: none"));
  const Finished password =
      run({"migrate", "up", "--db", "postgres://anna:hunter2@h/d", "--dir", path("migrations")});
  EXPECT_EQ(password.code, 2);
  EXPECT_EQ(password.err.find("hunter2"), std::string::npos);
}

}  // namespace
}  // namespace dunlin::e2e
