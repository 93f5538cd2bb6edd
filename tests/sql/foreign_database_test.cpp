// What the kinds use to look at databases that are not ours: addresses, catalogue, values.
#include <sys/stat.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include <gtest/gtest.h>

#include "sql/catalogue.h"
#include "sql/sqlite_address.h"
#include "sql/values.h"
#include "support/scratch.h"

namespace dunlin::sql {
namespace {

Database memory(const std::string& sql) {
  auto database = Database::open(":memory:", foreign_options(false));
  EXPECT_TRUE(database.ok());
  const Status status = database->exec(sql);
  EXPECT_TRUE(status.ok()) << status.error().text();
  return std::move(database).value();
}

TEST(SqliteAddress, IsTakenLiterallyAndMadeAbsolute) {
  EXPECT_EQ(sqlite_path("sqlite:/a/../b.db").value(), "/b.db");
  EXPECT_EQ(sqlite_path("sqlite:///b.db?mode=ro").value(), "/b.db?mode=ro");
  EXPECT_EQ(sqlite_path("sqlite:c.db").value(),
            (std::filesystem::current_path() / "c.db").native());
  for (const char* wrong : {"", "sqlite:", "sqlite::memory:", "sqlite://host/x.db",
                            "postgres://h/d", "/a.db", "csv:x"}) {
    const auto path = sqlite_path(wrong);
    ASSERT_FALSE(path.ok()) << wrong;
    EXPECT_EQ(path.error().type, ErrorType::invalid_input);
    EXPECT_NE(path.error().message.find("sqlite:"), std::string::npos) << "says what to write";
  }
}

TEST(SqliteAddress, SymbolicLinksAndTheirTargetAreOne) {
  const testing::ScratchDirectory scratch;
  ASSERT_TRUE(Database::open(scratch.file("real.db"), foreign_options(false)).ok());
  std::filesystem::create_symlink("real.db", scratch.file("link.db"));
  EXPECT_EQ(sqlite_path("sqlite:" + scratch.file("link.db")).value(),
            sqlite_path("sqlite:" + scratch.file("real.db")).value());
  std::filesystem::create_hard_link(scratch.file("real.db"), scratch.file("hard.db"));
  EXPECT_TRUE(same_file(scratch.file("real.db"), scratch.file("hard.db")));
  EXPECT_FALSE(same_file(scratch.file("real.db"), scratch.file("none.db")));
}

TEST(SqliteAddress, IdentityOfATargetIsTheSameBeforeAndAfterItIsMade) {
  const testing::ScratchDirectory scratch;
  const std::string path = scratch.file("new.db");
  const std::string before = sqlite_identity(path, true).value();
  EXPECT_FALSE(sqlite_identity(path, false).ok());
  ASSERT_TRUE(Database::open(path, foreign_options(false)).value().exec("CREATE TABLE t(a)").ok());
  EXPECT_EQ(sqlite_identity(path, true).value(), before);
  const std::string source = sqlite_identity(path, false).value();
  std::filesystem::copy_file(path, scratch.file("copy.db"));
  std::filesystem::rename(scratch.file("copy.db"), path);
  EXPECT_NE(sqlite_identity(path, false).value(), source) << "a restored file is another source";
}

TEST(SqliteAddress, TheWriteProbeLeavesNoTrace) {
  const testing::ScratchDirectory scratch;
  EXPECT_TRUE(probe_sqlite_write(scratch.file("new.db")).ok());
  EXPECT_FALSE(std::filesystem::exists(scratch.file("new.db")));
  EXPECT_FALSE(probe_sqlite_write(scratch.file("no/folder.db")).ok());
  EXPECT_FALSE(open_existing(scratch.file("new.db")).value().has_value());
}

TEST(Affinity, FollowsTheFiveRules) {
  EXPECT_EQ(affinity_of("BIGINT", false), Affinity::integer);
  EXPECT_EQ(affinity_of("CHARINT", false), Affinity::integer);
  EXPECT_EQ(affinity_of("varchar(10)", false), Affinity::text);
  EXPECT_EQ(affinity_of("", false), Affinity::blob);
  EXPECT_EQ(affinity_of("Double Precision", false), Affinity::real);
  EXPECT_EQ(affinity_of("FLOATING POINT", false), Affinity::integer) << "it holds INT";
  EXPECT_EQ(affinity_of("DECIMAL(10,5)", false), Affinity::numeric);
  EXPECT_EQ(affinity_of("ANY", false), Affinity::numeric);
  EXPECT_EQ(affinity_of("ANY", true), Affinity::blob);
}

TEST(Catalogue, TheKeyTellsEveryRowApart) {
  Database database = memory(
      "CREATE TABLE plain(a, b); CREATE TABLE pk(id INTEGER PRIMARY KEY, b); CREATE TABLE "
      "no_alias(id INT PRIMARY KEY);"
      "CREATE TABLE descending(id INTEGER PRIMARY KEY DESC); CREATE TABLE hidden(RowId TEXT, oid "
      "TEXT, \"_rowid_\" TEXT);"
      "CREATE TABLE half(rowid TEXT); CREATE TABLE two(a TEXT COLLATE NOCASE, b, c AS (a || b), "
      "PRIMARY KEY(b, a COLLATE RTRIM)) WITHOUT ROWID;");
  const auto key = [&](const char* table) {
    return joined(read_table(database, table).value().value().key);
  };
  EXPECT_EQ(key("plain"), "rowid");
  EXPECT_EQ(key("pk"), "\"id\"");
  EXPECT_EQ(key("no_alias"), "rowid");
  EXPECT_EQ(key("descending"), "rowid") << "a quirk of SQLite: not an alias of the rowid";
  EXPECT_EQ(key("hidden"), "");
  EXPECT_EQ(key("half"), "_rowid_");
  EXPECT_EQ(key("two"), "\"b\", \"a\" COLLATE \"RTRIM\"");
  EXPECT_EQ(joined(read_table(database, "TWO").value().value().writable()), "\"a\", \"b\"")
      << "names ignore case";
  EXPECT_FALSE(read_table(database, "none").value().has_value());
}

TEST(Catalogue, ATableIsRecreatedUnderAnotherName) {
  Database database = memory(
      "CREATE TABLE \"a b\"(id INTEGER PRIMARY KEY, up REFERENCES \"a b\"(id), other REFERENCES "
      "missing(x), CHECK(\"a b\".id > 0))");
  const auto sql = create_statement_as(read_table(database, "a b").value().value(), "new \"one\"");
  ASSERT_TRUE(sql.ok()) << sql.error().text();
  EXPECT_TRUE(memory(sql.value()).exec("INSERT INTO \"new \"\"one\"\"\"(id) VALUES(1)").ok());
}

TEST(Values, SurviveEncodingAndBinding) {
  Database database = memory("CREATE TABLE t(a, b, c, d, e, f)");
  Statement insert = database.prepare("INSERT INTO t VALUES(?, ?, ?, ?, ?, ?)").value();
  insert.bind(1, std::numeric_limits<std::int64_t>::min())
      .bind(2, -0.0)
      .bind(3, std::string_view("a\0b", 3));
  insert.bind(4, Blob{std::string_view("\0\xff", 2)})
      .bind(5, nullptr)
      .bind(6, -std::numeric_limits<double>::infinity());
  ASSERT_TRUE(insert.run().ok());
  ByteWriter first;
  {
    Statement row = database.prepare("SELECT * FROM t").value();
    ASSERT_TRUE(row.step().value());
    EXPECT_EQ(append_values(first, row, 0, 6), 8 + 8 + 3 + 2 + 0 + 8);
  }
  ByteReader in(first.view());
  ASSERT_TRUE(bind_values(insert, 1, in, 6).ok());
  ASSERT_TRUE(insert.run().ok());
  Statement rows = database.prepare("SELECT * FROM t").value();
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(rows.step().value());
    ByteWriter again;
    append_values(again, rows, 0, 6);
    EXPECT_EQ(again.view(), first.view());
  }
  EXPECT_EQ(show_values(first.view()),
            "-9223372036854775808,-0.000000,'a\\x00b',x'00ff',NULL,-inf");
}

TEST(Values, DamagedBytesAreRefused) {
  Database database = memory("CREATE TABLE t(a)");
  for (const std::string_view bytes : {std::string_view(""), std::string_view("\x09"),
                                       std::string_view("\x03\x7f"), std::string_view("\x01")}) {
    Statement insert = database.prepare("INSERT INTO t VALUES(?)").value();
    ByteReader in(bytes);
    EXPECT_EQ(bind_values(insert, 1, in, 1).error().type, ErrorType::state_corrupt);
  }
}

TEST(RowSum, KnowsNoOrderButEveryRow) {
  const auto sum = [](std::initializer_list<std::string_view> rows) {
    RowSum total = RowSum::create().value();
    for (const std::string_view row : rows) total.add(row);
    return total.text();
  };
  EXPECT_EQ(sum({"a", "b", "c"}), sum({"c", "a", "b"}));
  EXPECT_NE(sum({"a", "b"}), sum({"a", "c"}));
  EXPECT_NE(sum({"a", "a"}), sum({})) << "equal rows do not cancel out";
  EXPECT_NE(sum({"ab", "c"}), sum({"a", "bc"}));
}

}  // namespace
}  // namespace dunlin::sql
