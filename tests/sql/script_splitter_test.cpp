// Scripts split as each dialect's own client would split them (schema.md S-5; the numbers in the
// names' comments are those of the project's list of traps).
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "sql/script/splitter.h"

namespace dunlin::sql {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Lines = std::vector<std::string>;

struct Split {
  std::vector<Piece> pieces;
  Lines statements;
  std::string rejoined;
  std::string error;
};

Split split(Dialect dialect, std::string_view text) {
  Split result;
  ScriptSplitter splitter(dialect, text);
  std::size_t at = 0;
  while (true) {
    const auto piece = splitter.next();
    if (!piece.ok()) {
      result.error = piece.error().message;
      EXPECT_EQ(splitter.next().error().message, result.error) << "it stays so";
      return result;
    }
    if (!*piece) break;
    const Piece& one = **piece;
    EXPECT_EQ(one.begin, at);
    EXPECT_LE(one.begin, one.code_begin);
    EXPECT_LE(one.code_begin, one.code_end);
    EXPECT_LE(one.code_end, one.end);
    EXPECT_LT(one.begin, one.end) << "no piece is empty";
    at = one.end;
    result.rejoined.append(text.substr(one.begin, one.end - one.begin));
    if (one.kind == PieceKind::statement) result.statements.emplace_back(one.code(text));
    result.pieces.push_back(one);
  }
  EXPECT_EQ(result.rejoined, text) << "byte for byte";
  return result;
}

Lines statements(Dialect dialect, std::string_view text) {
  Split result = split(dialect, text);
  EXPECT_EQ(result.error, "");
  return result.statements;
}
Lines postgresql(std::string_view text) {
  return statements(Dialect::postgresql, text);
}
Lines mysql(std::string_view text) {
  return statements(Dialect::mysql, text);
}
Lines sqlite(std::string_view text) {
  return statements(Dialect::sqlite, text);
}
Lines sqlserver(std::string_view text) {
  return statements(Dialect::sqlserver, text);
}

constexpr Dialect kAll[] = {Dialect::postgresql, Dialect::mysql, Dialect::sqlite,
                            Dialect::sqlserver};

TEST(ScriptSplitter, NothingIsNothing) {  // trap 11
  for (const Dialect dialect : kAll) {
    EXPECT_TRUE(split(dialect, "").pieces.empty());
    EXPECT_THAT(statements(dialect, " \n\t-- only a comment"), IsEmpty());
    EXPECT_THAT(statements(dialect, "/* a; b */\n"), IsEmpty());
  }
  EXPECT_THAT(postgresql(";;\n;"), IsEmpty());
  EXPECT_THAT(postgresql("a;;b"), ElementsAre("a", "b"));
}

TEST(ScriptSplitter, NeitherALastSemicolonNorALastLineEndIsNeeded) {  // trap 10
  for (const Dialect dialect : {Dialect::postgresql, Dialect::mysql, Dialect::sqlite})
    EXPECT_THAT(statements(dialect, "SELECT 1;\r\n\r\nSELECT 2 -- the last"),
                ElementsAre("SELECT 1", "SELECT 2"));
}

TEST(ScriptSplitter, SaysTheLineOfEachStatement) {  // trap 10
  const std::string text = "-- one\r\nSELECT 1;\r\n/* x\n */ SELECT\n2;\n\n  SELECT 3";
  const auto pieces = split(Dialect::postgresql, text).pieces;
  ASSERT_EQ(pieces.size(), 3U);
  EXPECT_EQ(pieces[0].line, 2);
  EXPECT_EQ(pieces[1].line, 4);
  EXPECT_EQ(pieces[2].line, 7);
}

TEST(ScriptSplitter, StringsNamesAndCommentsHoldSemicolons) {  // trap 1
  EXPECT_THAT(postgresql("SELECT 'a;''b;', \"c;\"\"d;\" -- e;\n/* f; */;g"),
              ElementsAre("SELECT 'a;''b;', \"c;\"\"d;\"", "g"));
  EXPECT_THAT(mysql("SELECT 'a;\\';', \"b;\\\"\", `c;``d`; e"),
              ElementsAre("SELECT 'a;\\';', \"b;\\\"\", `c;``d`", "e"));
  EXPECT_THAT(sqlite("SELECT 'a;\\', [b;], `c;`, \"d;\"; e"),
              ElementsAre("SELECT 'a;\\', [b;], `c;`, \"d;\"", "e"));
}

TEST(ScriptSplitter, PostgresqlDollarQuotes) {  // trap 2
  EXPECT_THAT(postgresql("DO $$ a; b $$; c"), ElementsAre("DO $$ a; b $$", "c"));
  EXPECT_THAT(postgresql("DO $x$ a; $y$ b; $y$ $$ c; $x$; d"),
              ElementsAre("DO $x$ a; $y$ b; $y$ $$ c; $x$", "d"));
  EXPECT_THAT(postgresql("SELECT a$b$c; SELECT d$b$"), ElementsAre("SELECT a$b$c", "SELECT d$b$"))
      << "a name opens no quote";
  EXPECT_THAT(postgresql("SELECT $1; SELECT $2"), ElementsAre("SELECT $1", "SELECT $2"));
  EXPECT_THAT(postgresql("SELECT $\xC3\xA9$ ; $\xC3\xA9$; b"),
              ElementsAre("SELECT $\xC3\xA9$ ; $\xC3\xA9$", "b"));
}

TEST(ScriptSplitter, PostgresqlBackslashesCountInEStringsOnly) {  // trap 2
  EXPECT_THAT(postgresql(R"(SELECT '\'; SELECT 2)"), ElementsAre(R"(SELECT '\')", "SELECT 2"));
  EXPECT_THAT(postgresql(R"(SELECT E'\';'; SELECT 2)"),
              ElementsAre(R"(SELECT E'\';')", "SELECT 2"));
  EXPECT_THAT(postgresql(R"(SELECT e'\\'; SELECT type'\'; SELECT U&'\'; x)"),
              ElementsAre(R"(SELECT e'\\')", R"(SELECT type'\')", R"(SELECT U&'\')", "x"));
}

TEST(ScriptSplitter, PostgresqlAStringGoesOnOnTheNextLineAsWhatItBegan) {
  EXPECT_THAT(postgresql("SELECT E'a'\n  '\\';b'; c"), ElementsAre("SELECT E'a'\n  '\\';b'", "c"));
  EXPECT_THAT(postgresql("SELECT E'a' -- x\n '\\''; c"),
              ElementsAre("SELECT E'a' -- x\n '\\''", "c"))
      << "comments may stand between the parts";
  EXPECT_THAT(postgresql("SELECT 'a'\n  '\\'; c"), ElementsAre("SELECT 'a'\n  '\\'", "c"));
}

TEST(ScriptSplitter, PostgresqlCommentsNest) {  // trap 2
  EXPECT_THAT(postgresql("a /* b; /* c; */ d; */; e"), ElementsAre("a", "e"));
  EXPECT_THAT(mysql("a /* b; /* c; */ d; e"), ElementsAre("a /* b; /* c; */ d", "e"));
}

TEST(ScriptSplitter, PostgresqlBodiesOfTheStandard) {  // trap 3
  const std::string body =
      "CREATE OR REPLACE FUNCTION f(a int) RETURNS int\nBEGIN ATOMIC\n  SELECT CASE WHEN a > 1 "
      "THEN 2 "
      "ELSE 3 END;\n  INSERT INTO t VALUES (1);\nEND";
  EXPECT_THAT(postgresql(body + ";SELECT 1"), ElementsAre(body, "SELECT 1"));
  EXPECT_THAT(postgresql("create procedure p() begin atomic end; b"),
              ElementsAre("create procedure p() begin atomic end", "b"));
  EXPECT_THAT(postgresql("BEGIN; a; END; b"), ElementsAre("BEGIN", "a", "END", "b"));
}

TEST(ScriptSplitter, PostgresqlRulesHaveStatementsInParentheses) {  // trap 3
  EXPECT_THAT(postgresql("CREATE RULE r AS ON INSERT TO t DO (a; b); c"),
              ElementsAre("CREATE RULE r AS ON INSERT TO t DO (a; b)", "c"));
}

TEST(ScriptSplitter, PostgresqlDataOfCopyAreNoStatements) {  // trap 9
  const std::string text =
      "COPY t (a, b) FROM stdin;\r\n1\t';\r\n\\N\t$$\n\\.\nSELECT 1;copy u FROM STDIN WITH (FORMAT "
      "csv);\n\\.\n";
  const Split result = split(Dialect::postgresql, text);
  EXPECT_EQ(result.error, "");
  EXPECT_THAT(result.statements, ElementsAre("COPY t (a, b) FROM stdin", "SELECT 1",
                                             "copy u FROM STDIN WITH (FORMAT csv)"));
  Lines data;
  for (const Piece& piece : result.pieces)
    if (piece.kind == PieceKind::copy_data) data.emplace_back(piece.code(text));
  EXPECT_THAT(data, ElementsAre("1\t';\r\n\\N\t$$\n", ""));
  EXPECT_THAT(
      postgresql("COPY t FROM '/file'; COPY t TO STDOUT; COPY (SELECT 1 FROM stdin) TO 'x'; a"),
      ElementsAre("COPY t FROM '/file'", "COPY t TO STDOUT", "COPY (SELECT 1 FROM stdin) TO 'x'",
                  "a"));
}

TEST(ScriptSplitter, PostgresqlClientsWordsAreToldApart) {  // trap 8
  const std::string text =
      "\\set ON_ERROR_STOP on\r\n\\restrict abc\nSELECT 1;\n  \\echo 'a;b'\nSELECT 2;";
  const Split result = split(Dialect::postgresql, text);
  EXPECT_THAT(result.statements, ElementsAre("SELECT 1", "SELECT 2"));
  Lines words;
  for (const Piece& piece : result.pieces)
    if (piece.kind == PieceKind::client_command) words.emplace_back(piece.code(text));
  EXPECT_THAT(words, ElementsAre("\\set ON_ERROR_STOP on", "\\restrict abc", "\\echo 'a;b'"));
  EXPECT_THAT(split(Dialect::postgresql, "a;\nSELECT 1\n\\gexec\n").error,
              HasSubstr("line 3: `\\gexec` stands in the midst of a statement"));
}

TEST(ScriptSplitter, MysqlDelimiterIsAWordForTheClient) {  // trap 5
  EXPECT_THAT(
      mysql("DELIMITER $$\nCREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW BEGIN a; "
            "END$$\ndelimiter ;\nSELECT 1;"),
      ElementsAre("CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW BEGIN a; END", "SELECT 1"));
  EXPECT_THAT(mysql("DELIMITER //\na; b //\nc//DELIMITER ;\nd;e"),
              ElementsAre("a; b", "c", "d", "e"));
  EXPECT_THAT(mysql("DELIMITER ;;\nSELECT ';;', `;;`; -- ;;\n;;\nDELIMITER ;\n"),
              ElementsAre("SELECT ';;', `;;`;"));
  EXPECT_THAT(mysql("DELIMITER 5\n/*!50001 SELECT 1 */5 b5"),
              ElementsAre("/*!50001 SELECT 1 */", "b"))
      << "found by the fuzzer";
  EXPECT_THAT(split(Dialect::mysql, "\nDELIMITER\n").error, HasSubstr("line 2: DELIMITER"));
  EXPECT_THAT(mysql("SELECT delimiter FROM t; b"), ElementsAre("SELECT delimiter FROM t", "b"));
}

/// Each is one statement without any DELIMITER.
TEST(ScriptSplitter, MysqlBlocksNeedNoDelimiter) {  // trap 5
  const Lines bodies = {
      "CREATE PROCEDURE p() BEGIN END",
      "CREATE PROCEDURE p(IN a INT, OUT b VARCHAR(10)) DETERMINISTIC COMMENT 'x; BEGIN' BEGIN "
      "SELECT 1; "
      "SELECT 2; END",
      "CREATE DEFINER=`root`@`localhost` PROCEDURE IF NOT EXISTS p() BEGIN a; END",
      "CREATE DEFINER=root@localhost FUNCTION f(a INT) RETURNS INT BEGIN RETURN IF(a, 1, 2); END",
      "CREATE FUNCTION f() RETURNS CHAR(5) CHARACTER SET utf8mb4 NO SQL BEGIN RETURN REPEAT('a', "
      "5); END",
      "create procedure p() begin if a > 1 then b; elseif c then d; else e; end if; f; end",
      "CREATE PROCEDURE p() IF a THEN b; END IF",
      "CREATE PROCEDURE p() BEGIN IF (a) THEN b; END IF; SELECT IF(a, b, c); END",
      "CREATE PROCEDURE p() BEGIN lbl: LOOP a; IF b THEN LEAVE lbl; END IF; END LOOP lbl; END",
      "CREATE PROCEDURE p() WHILE a DO SET b = 1; END WHILE",
      "CREATE PROCEDURE p() BEGIN REPEAT a; UNTIL b END REPEAT; END",
      "CREATE PROCEDURE p() BEGIN CASE a WHEN 1 THEN b; ELSE BEGIN END; END CASE; c; END",
      "CREATE PROCEDURE p() BEGIN SELECT CASE a WHEN 1 THEN IF(b, c, d) ELSE 2 END; e; END",
      "CREATE PROCEDURE p() BEGIN SET x = CASE WHEN a THEN CASE WHEN b THEN 1 END END; e; END",
      "CREATE PROCEDURE p() BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION, NOT FOUND BEGIN ROLLBACK; "
      "END; a; END",
      "CREATE PROCEDURE p() BEGIN DECLARE CONTINUE HANDLER FOR SQLSTATE '23000' SET x = 1; a; END",
      "CREATE PROCEDURE p() BEGIN DECLARE c CURSOR FOR SELECT 1; a; END",
      "CREATE PROCEDURE p() outer_block: BEGIN inner_block:BEGIN a; END inner_block; END "
      "outer_block",
      "CREATE PROCEDURE p() BEGIN UPDATE t SET t.end = 1, t.begin = 2; SELECT @end, @begin; b; END",
      "CREATE PROCEDURE p() BEGIN SELECT `end`, \"begin\"; b; END",
      "CREATE PROCEDURE p() BEGIN START TRANSACTION; a; COMMIT; END",
      "CREATE TRIGGER t AFTER UPDATE ON x FOR EACH ROW FOLLOWS u BEGIN a; b; END",
      "CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW IF NEW.a THEN SET NEW.b = 1; END IF",
      "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO BEGIN a; b; END",
      "ALTER EVENT e DO BEGIN a; END",
      "CREATE OR REPLACE AGGREGATE FUNCTION f(x INT) RETURNS INT BEGIN LOOP FETCH GROUP NEXT ROW; "
      "END LOOP; END",
      "BEGIN NOT ATOMIC a; b; END",
      "IF a THEN b; END IF",
      "FOR i IN 1..3 DO a; b; END FOR",
      "CREATE PROCEDURE p() BEGIN FOR r IN (SELECT 1) DO a; END FOR; b; END",
      "CREATE PROCEDURE p() BEGIN /* END; */ -- END;\n a; # END;\n END",
      "CREATE /*!50017 DEFINER=`a`@`b`*/ TRIGGER t BEFORE DELETE ON x FOR EACH ROW BEGIN a; END",
  };
  for (const std::string& body : bodies) {
    EXPECT_THAT(mysql(body + ";\nSELECT 1;"), ElementsAre(body, "SELECT 1")) << body;
    EXPECT_THAT(mysql(body), ElementsAre(body));
  }
}

TEST(ScriptSplitter, MysqlWhatIsNoBlockEndsAtItsSemicolon) {
  const Lines plain = {
      "BEGIN",
      "BEGIN WORK",
      "COMMIT",
      "CREATE TABLE IF NOT EXISTS event (`if` INT, begin DATE, end DATE)",
      "DROP PROCEDURE IF EXISTS p",
      "CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN IF(a, 1, CASE WHEN b THEN 2 END)",
      "CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW SET NEW.a = IF(NEW.b, 1, 2)",
      "CREATE TRIGGER t AFTER INSERT ON x FOR EACH ROW INSERT INTO y VALUES (NEW.begin)",
      "CREATE PROCEDURE p() SELECT CASE 1 WHEN 1 THEN 2 END",
      "CREATE EVENT e ON SCHEDULE EVERY 1 HOUR DO DELETE FROM t",
      "CREATE FUNCTION f RETURNS STRING SONAME 'f.so'",
      "SELECT IF(a, b, c), REPEAT('x', 2), CASE WHEN 1 THEN 2 END",
      "INSERT INTO begin VALUES (1)",
      "REPLACE INTO t VALUES (1)",
      "CREATE VIEW v AS SELECT CASE WHEN a THEN b END FROM event",
  };
  std::string all;
  for (const std::string& one : plain) all += one + ";\n";
  EXPECT_EQ(mysql(all), plain);
}

TEST(ScriptSplitter, MysqlCommentsAsTheServerReadsThem) {  // trap 5
  EXPECT_THAT(mysql("SELECT 5--1; SELECT 2 -- x; y\n; # z;\nSELECT 3"),
              ElementsAre("SELECT 5--1", "SELECT 2", "SELECT 3"));
  EXPECT_THAT(
      mysql("/*!40101 SET NAMES utf8 */;\n/*M! SELECT ';' */; /*! SELECT 1; */ a"),
      ElementsAre("/*!40101 SET NAMES utf8 */", "/*M! SELECT ';' */", "/*! SELECT 1; */ a"));
  EXPECT_THAT(mysql("SELECT /*+ HINT(a;) */ 1; b"), ElementsAre("SELECT /*+ HINT(a;) */ 1", "b"));
  EXPECT_THAT(mysql("DELIMITER ;;\n/*!50003 CREATE*/ /*!50017 DEFINER=`r`@`%`*/ /*!50003 TRIGGER t "
                    "BEFORE INSERT ON x FOR EACH ROW BEGIN a; END */;;\nDELIMITER ;\n"),
              ElementsAre("/*!50003 CREATE*/ /*!50017 DEFINER=`r`@`%`*/ /*!50003 TRIGGER t BEFORE "
                          "INSERT ON x FOR EACH ROW BEGIN a; END */"));
}

/// Found by ./dev oracles: MariaDB's own mysql_test_db.sql has such a line.
TEST(ScriptSplitter, MysqlDashesBeforeAStatementAreAComment) {
  EXPECT_THAT(mysql("--- it's \"db\"; x\nSELECT 1; --------\n--x\nSELECT 2\n--3;"),
              ElementsAre("SELECT 1", "SELECT 2\n--3"))
      << "within a statement they are two signs";
  EXPECT_THAT(mysql("DELIMITER $$\n--- a $$\nSELECT 1$$\n"), ElementsAre("SELECT 1"));
}

/// Found by ./dev oracles: the client ends them there.
TEST(ScriptSplitter, MysqlUseNeedsNoSemicolon) {
  EXPECT_THAT(mysql("use db  \r\nSELECT 1;\n  USE `e`;SELECT 2"),
              ElementsAre("use db", "SELECT 1", "USE `e`", "SELECT 2"));
  EXPECT_THAT(mysql("SELECT * FROM t\nuse index (i);"),
              ElementsAre("SELECT * FROM t\nuse index (i)"));
  EXPECT_THAT(split(Dialect::mysql, "a;\nsource b.sql\nc;").error,
              HasSubstr("line 2: mysql's own word source"));
}

TEST(ScriptSplitter, MysqlBackslashesOutsideOfStringsAreForTheClient) {
  EXPECT_THAT(mysql("SELECT 1\\G\nSELECT \\N, '\\G' \\g SELECT 3"),
              ElementsAre("SELECT 1", "SELECT \\N, '\\G'", "SELECT 3"));
  EXPECT_THAT(split(Dialect::mysql, "a;\nSELECT (1, \\\n2);").error,
              HasSubstr("line 2: a backslash"));
  EXPECT_THAT(split(Dialect::mysql, "a;\n\\! rm b\n").error, HasSubstr("line 2: a backslash"));
}

TEST(ScriptSplitter, MysqlABlockWithoutEndIsNamed) {
  EXPECT_THAT(
      split(Dialect::mysql, "SELECT 1;\nCREATE PROCEDURE p()\nBEGIN a;\n IF b THEN c;\n").error,
      HasSubstr("line 4: the block that begins here has no END"));
}

TEST(ScriptSplitter, SqliteTriggers) {  // trap 6
  const std::string trigger =
      "CREATE TEMP TRIGGER t AFTER INSERT ON x BEGIN SELECT CASE WHEN 1 THEN 2 END; DELETE FROM y; "
      "END";
  EXPECT_THAT(sqlite(trigger + "; SELECT 1"), ElementsAre(trigger, "SELECT 1"));
  EXPECT_THAT(sqlite("BEGIN; a; END; b"), ElementsAre("BEGIN", "a", "END", "b"));
  EXPECT_THAT(sqlite("CREATE TABLE trigger_ (a); b"),
              ElementsAre("CREATE TABLE trigger_ (a)", "b"));
}

TEST(ScriptSplitter, SqlserverGo) {  // trap 7
  EXPECT_THAT(sqlserver("SELECT 1; SELECT 2\nGO\nSELECT 3\r\n  go  \r\nSELECT 4"),
              ElementsAre("SELECT 1; SELECT 2", "SELECT 3", "SELECT 4"));
  EXPECT_THAT(sqlserver("a\nGO;\nb\nGO -- c\nd"), ElementsAre("a", "b", "d"));
  EXPECT_THAT(sqlserver("a\n/*\nGO\n*/ 'x\nGO\n' [y\nGO\n]]\nGO\n]\nGO\nb"),
              ElementsAre("a\n/*\nGO\n*/ 'x\nGO\n' [y\nGO\n]]\nGO\n]", "b"));
  EXPECT_THAT(sqlserver("SELECT 1 AS\nGO_ON\nGO AS x\n"),
              ElementsAre("SELECT 1 AS\nGO_ON\nGO AS x"));
  EXPECT_THAT(sqlserver("GO\nGO\n"), IsEmpty());
  const auto pieces = split(Dialect::sqlserver, "INSERT a\nGO 5\nb\nGO 0x\nc").pieces;
  ASSERT_EQ(pieces.size(), 2U);
  EXPECT_EQ(pieces[0].repeat, 5);
  EXPECT_EQ(pieces[1].repeat, 1);
}

TEST(ScriptSplitter, WhatHasNoEndIsNamedByTheLineItBeginsIn) {
  struct Case {
    Dialect dialect;
    const char* text;
    const char* what;
  };
  for (const Case& one : std::initializer_list<Case>{
           {Dialect::postgresql, "a;\nSELECT 'b;\nc", "line 2: the string"},
           {Dialect::postgresql, "a;\nSELECT $x$b;\n$y$", "line 2: the dollar-quoted string"},
           {Dialect::postgresql, "a;\n\n/* b /* */", "line 3: the comment"},
           {Dialect::postgresql, "a;\n\"b", "line 2: the quoted name"},
           {Dialect::postgresql, "\nCOPY t FROM STDIN;\n1\n2\n", "line 2: the data of this COPY"},
           {Dialect::postgresql, "\nCOPY t FROM STDIN", "line 2: no data"},
           {Dialect::postgresql, "COPY t FROM STDIN; SELECT 1;\n\\.\n",
            "line 1: the data of a COPY begin"},
           {Dialect::mysql, "a;\n`b", "line 2: the quoted name"},
           {Dialect::mysql, "a;\n\"b\\\"", "line 2: the string"},
           {Dialect::sqlite, "a;\n[b", "line 2: the quoted name"},
           {Dialect::sqlserver, "a\nGO\n[b]] ", "line 3: the quoted name"}}) {
    EXPECT_THAT(split(one.dialect, one.text).error, HasSubstr(one.what)) << one.text;
  }
  EXPECT_THAT(sqlite("a; /* b"), ElementsAre("a"))
      << "SQLite takes the end of the text for its end";
}

/// Anything made of what matters: it is covered byte by byte, and a statement that was cut out is
/// one statement.
TEST(ScriptSplitter, AnyTextIsCoveredAndCutOnce) {
  const Lines parts = {
      ";",   "'",         "''", "\"",   "`",      "[",        "]",       "$$",
      "$a$", "E'",        "\\", "/*",   "*/",     "--",       "-- ",     "#",
      "\n",  "\r\n",      " ",  "(",    ")",      "a",        "BEGIN",   "ATOMIC",
      "END", "CASE",      "IF", "THEN", "CREATE", "FUNCTION", "TRIGGER", "COPY t FROM STDIN",
      "\\.", "DELIMITER", "GO", "/*!",  "$1",     "1",        ".",       "\xC3\xA9"};
  std::mt19937 random(20251122);
  for (int i = 0; i < 20000; ++i) {
    const Dialect dialect = kAll[i % 4];
    std::string text;
    for (std::size_t n = random() % 24; n > 0; --n) {
      text += parts[random() % parts.size()];
      if (random() % 3 == 0) text += ' ';
    }
    const Split result = split(dialect, text);
    if (dialect == Dialect::sqlserver || text.find("DELIMITER") != std::string::npos) continue;
    for (const std::string& one : result.statements) {
      if (one.find("COPY t FROM") != std::string::npos) continue;  // its data are not in it
      if (one.ends_with("--")) continue;  // MySQL: a comment where nothing follows, and only there
      const Split again = split(dialect, one);
      EXPECT_EQ(again.error, "") << text;
      EXPECT_EQ(again.statements, Lines{one}) << text;
    }
    if (HasFailure()) return;
  }
}

/// sqlite3_prepare_v2's tail is where SQLite itself ends a statement; a script of statements that
/// it takes is split there.
TEST(ScriptSplitter, SqliteItselfEndsStatementsThere) {
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open(":memory:", &raw), SQLITE_OK);
  const std::unique_ptr<sqlite3, int (*)(sqlite3*)> database(raw, &sqlite3_close);
  ASSERT_EQ(sqlite3_exec(raw, "CREATE TABLE t(a, b); CREATE VIEW v AS SELECT a FROM t", nullptr,
                         nullptr, nullptr),
            SQLITE_OK);
  const Lines kinds = {
      "SELECT 1",
      "SELECT ';', \"a;\", [b;] FROM (SELECT 1 AS \"a;\", 2 AS [b;])",
      "INSERT INTO t VALUES ('a''b;', x'00')",
      "CREATE TRIGGER %n AFTER INSERT ON t BEGIN SELECT 1; SELECT CASE WHEN new.a THEN 1 END; END",
      "CREATE TEMP TRIGGER %n INSTEAD OF DELETE ON v BEGIN DELETE FROM t; END",
      "EXPLAIN QUERY PLAN SELECT 2",
      "SELECT CASE 1 WHEN 1 THEN 'END;' END",
      "UPDATE t SET a = 1 -- the; end",
      "/* a; */ DELETE FROM t WHERE b = '-- ;' /* ; */",
      "SELECT @a, :b, $c, ?1",
      "BEGIN",
      "COMMIT",
      ""};
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    for (std::size_t n = 1 + random() % 6; n > 0; --n) {
      std::string one = kinds[random() % kinds.size()];
      if (const auto at = one.find("%n"); at != std::string::npos)
        one.replace(at, 2, "n" + std::to_string(random() % 1000));
      text += one + (one.find("--") != std::string::npos ? "\n;" : ";") +
              (random() % 2 == 0 ? "\n" : " ");
    }
    Lines expected;
    for (const char* at = text.c_str(); *at != '\0';) {
      sqlite3_stmt* statement = nullptr;
      const char* tail = nullptr;
      ASSERT_EQ(sqlite3_prepare_v2(raw, at, -1, &statement, &tail), SQLITE_OK)
          << at << ": " << sqlite3_errmsg(raw);
      // An empty statement is passed over with the next one.
      while (*at == ';' || *at == ' ' || *at == '\n') ++at;
      if (statement != nullptr) expected.emplace_back(at, tail);
      sqlite3_finalize(statement);
      at = tail;
    }
    Lines found;
    for (const Piece& piece : split(Dialect::sqlite, text).pieces) {
      if (piece.kind != PieceKind::statement) continue;
      const std::size_t at = text.find_first_not_of(" \n", piece.begin);
      found.push_back(text.substr(at, piece.end - at));
    }
    ASSERT_EQ(found, expected) << text;
  }
}

}  // namespace
}  // namespace dunlin::sql
