// Bytes of scripts as text, what clients' words mean, what statements are, their hashes.
#include "sql/script/script_text.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sql/script/client_command.h"
#include "sql/script/script_hash.h"
#include "sql/script/statement_traits.h"

namespace dunlin::sql {
namespace {

using ::testing::HasSubstr;

std::string text_of(const std::string& bytes) {
  const auto script = script_text(bytes);
  return script.ok() ? script->text : "error: " + script.error().message;
}

TEST(ScriptText, MarksAreTakenOffAndUtf16IsDecoded) {  // trap 10
  EXPECT_EQ(text_of("\xEF\xBB\xBFSELECT 1"), "SELECT 1");
  EXPECT_EQ(text_of(std::string("\xFF\xFE"
                                "a\0\n\0\xE4\0\x3D\xD8\x00\xDE",
                                12)),
            "a\n\xC3\xA4\xF0\x9F\x98\x80");
  EXPECT_EQ(text_of(std::string("\xFE\xFF"
                                "\0a\xD8\x3D\xDE\x00",
                                8)),
            "a\xF0\x9F\x98\x80");
  EXPECT_EQ(text_of(""), "");
  EXPECT_EQ(text_of("\xEF\xBB\xBF"), "");
  EXPECT_EQ(text_of("a\r\nb"), "a\r\nb") << "line ends stay";
  const auto script = script_text("\xEF\xBB\xBFx");
  ASSERT_TRUE(script.ok());
  EXPECT_TRUE(script->marked);
}

TEST(ScriptText, WhatIsNoTextIsNamedByLineAndByte) {  // trap 10
  EXPECT_THAT(text_of("a\nb\nsch\xF6n"), HasSubstr("line 3: the byte 0xf6 is no UTF-8 (byte 7)"));
  EXPECT_THAT(text_of("\xEF\xBB\xBF"
                      "a\n\xC3"),
              HasSubstr("line 2: the byte 0xc3 is no UTF-8 (byte 5)"));
  EXPECT_THAT(text_of(std::string(1000, 'x') + "\xED\xA0\x80"), HasSubstr("(byte 1000)"));
  EXPECT_THAT(text_of(std::string("a\n\0b", 4)), HasSubstr("line 2: a NUL byte"));
  EXPECT_THAT(text_of(std::string("\xFF\xFE"
                                  "a\0b",
                                  5)),
              HasSubstr("half a character"));
  EXPECT_THAT(text_of(std::string("\xFF\xFE"
                                  "\x3D\xD8"
                                  "a\0",
                                  6)),
              HasSubstr("half of a pair"));
}

TEST(ClientCommand, OnlyWhatChangesNothingIsPassedOver) {  // trap 8
  for (const char* line :
       {"\\set ON_ERROR_STOP 1", "\\unset ON_ERROR_STOP", "\\echo 'hello'", "\\qecho",
        "\\restrict x", "\\unrestrict x", "\\timing on", "\\encoding UTF8", "\\pset pager off"}) {
    const auto command = client_command(line);
    ASSERT_TRUE(command.ok()) << line;
    EXPECT_EQ(command->action, ClientAction::nothing);
  }
  for (const char* line : {"\\! rm -rf /", "\\copy t from program 'x'", "\\connect other",
                           "\\c other", "\\gexec", "\\if true", "\\set x 1", "\\encoding LATIN1",
                           "\\o file", "\\.", "\\", "\\i", "\\i a b", "\\bind 1", "\\gset"}) {
    const auto command = client_command(line);
    ASSERT_FALSE(command.ok()) << line;
    EXPECT_EQ(command.error().type, ErrorType::invalid_input);
    EXPECT_THAT(command.error().message, HasSubstr("psql's `\\"));
  }
}

TEST(ClientCommand, IncludesNameTheirFile) {  // trap 8
  const auto one = client_command("\\i 'sub dir/it''s.sql'");
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one->action, ClientAction::include);
  EXPECT_EQ(one->file, "sub dir/it's.sql");
  const auto other = client_command("\\include_relative a.sql\r");
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(other->action, ClientAction::include_relative);
  EXPECT_EQ(other->file, "a.sql");
}

TEST(ClientCommand, TheNameOfAFileIsReadAsPsqlReadsIt) {
  const auto file = [](const char* line) {
    const auto command = client_command(line);
    return command.ok() ? command->file : "refused: " + command.error().message;
  };
  EXPECT_EQ(file("\\ir a.sql ;"), "a.sql");
  EXPECT_EQ(file("\\ir 'a;b.sql';"), "a;b.sql");
  EXPECT_EQ(file("\\ir sub/'two words'.sql"), "sub/two words.sql");
  EXPECT_EQ(file("\\ir a:1.sql"), "a:1.sql");
  EXPECT_EQ(file("\\ir ':name'"), ":name");
  for (const char* line :
       {"\\ir :name", "\\ir dir/:'name'", "\\ir :\"name\"", "\\ir :{?name}", "\\ir `ls`",
        "\\ir \"a\"", "\\ir 'a", "\\ir ''", "\\ir -", "\\ir ~/a.sql", "\\ir '~/a.sql'", "\\ir a\\b",
        "\\ir 'a\\n'", "\\ir a b", "\\ir ;"})
    EXPECT_THAT(file(line), HasSubstr("refused: psql's `\\ir`")) << line;
}

TEST(StatementTraits, WhatServersRunOutsideOfTransactions) {  // trap 22
  using I = InTransaction;
  struct Case {
    Dialect dialect;
    const char* code;
    I expected;
  };
  const auto pg = Dialect::postgresql;
  for (const Case& one : std::initializer_list<Case>{
           {pg, "CREATE INDEX CONCURRENTLY i ON t (a)", I::refused},
           {pg, "create unique index concurrently if not exists i on t (a)", I::refused},
           {pg, "CREATE /* CONCURRENTLY */ INDEX i ON t (a)", I::allowed},
           {pg, "CREATE INDEX i ON t (concurrently)", I::allowed},
           {pg, "DROP INDEX CONCURRENTLY i", I::refused},
           {pg, "REINDEX (VERBOSE) INDEX CONCURRENTLY i", I::refused},
           {pg, "REINDEX TABLE t", I::allowed},
           {pg, "REINDEX SCHEMA s", I::refused},
           {pg, "VACUUM (ANALYZE) t", I::refused},
           {pg, "CREATE DATABASE d", I::refused},
           {pg, "DROP TABLESPACE d", I::refused},
           {pg, "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p", I::refused},
           {pg, "ALTER SYSTEM SET a = 1", I::refused},
           {pg, "ALTER TABLE a DETACH PARTITION b CONCURRENTLY", I::refused},
           {pg, "ALTER TABLE a DETACH PARTITION b", I::allowed},
           {pg, "CLUSTER", I::refused},
           {pg, "CLUSTER t USING i", I::allowed},
           {pg, "ALTER TYPE s.e ADD VALUE IF NOT EXISTS 'x'", I::usable_afterwards},
           {pg, "ALTER TYPE e RENAME VALUE 'a' TO 'b'", I::allowed},
           {pg, "SELECT 'VACUUM'", I::allowed},
           {pg, "", I::allowed},
           {Dialect::mysql, "CREATE TABLE t (a INT)", I::commits},
           {Dialect::mysql, "CREATE TEMPORARY TABLE t (a INT)", I::allowed},
           {Dialect::mysql, "/*!50001 ALTER TABLE t ADD b INT */", I::commits},
           {Dialect::mysql, "INSERT INTO t VALUES (1)", I::allowed},
           {Dialect::mysql, "BEGIN NOT ATOMIC SELECT 1; END", I::allowed},
           {Dialect::sqlite, "VACUUM INTO 'f'", I::refused},
           {Dialect::sqlite, "PRAGMA foreign_keys = OFF", I::refused},
           {Dialect::sqlite, "PRAGMA user_version = 3", I::allowed},
           {Dialect::sqlserver, "ALTER DATABASE d SET RECOVERY SIMPLE", I::refused},
           {Dialect::sqlserver, "CREATE FULLTEXT INDEX ON t (a) KEY INDEX k", I::refused},
           {Dialect::sqlserver, "ALTER DATABASE SCOPED CONFIGURATION SET MAXDOP = 1",
            I::allowed}}) {
    EXPECT_EQ(statement_traits(one.dialect, one.code).in_transaction, one.expected) << one.code;
  }
}

TEST(StatementTraits, TransactionsOwnWords) {  // trap 24
  using W = TransactionWord;
  struct Case {
    Dialect dialect;
    const char* code;
    W expected;
  };
  for (const Case& one : std::initializer_list<Case>{
           {Dialect::postgresql, "-- x\nbegin isolation level serializable", W::begin},
           {Dialect::postgresql, "START TRANSACTION", W::begin},
           {Dialect::postgresql, "END", W::commit},
           {Dialect::postgresql, "ROLLBACK TO SAVEPOINT a", W::savepoint},
           {Dialect::postgresql, "ROLLBACK", W::rollback},
           {Dialect::postgresql, "ABORT", W::rollback},
           {Dialect::postgresql, "DO $$ BEGIN COMMIT; END $$", W::none},
           {Dialect::postgresql, "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END",
            W::none},
           {Dialect::mysql, "BEGIN", W::begin},
           {Dialect::mysql, "START SLAVE", W::none},
           {Dialect::sqlite, "BEGIN IMMEDIATE", W::begin},
           {Dialect::sqlite, "END TRANSACTION", W::commit},
           {Dialect::sqlserver, "IF 1 = 1 BEGIN SELECT 1 END", W::none},
           {Dialect::sqlserver, "SELECT 1\nBEGIN TRAN\nSELECT 2", W::begin},
           {Dialect::sqlserver, "SELECT 'COMMIT' -- COMMIT", W::none},
           {Dialect::sqlserver, "INSERT t VALUES (1); COMMIT TRANSACTION", W::commit}}) {
    EXPECT_EQ(statement_traits(one.dialect, one.code).transaction, one.expected) << one.code;
  }
}

ScriptHashes hashes(const std::string& bytes, Dialect dialect = Dialect::postgresql) {
  const auto script = script_text(bytes);
  EXPECT_TRUE(script.ok());
  const auto result = script_hashes(dialect, bytes, script->text);
  EXPECT_TRUE(result.ok());
  return result.ok() ? *result : ScriptHashes();
}

TEST(ScriptHash, SaysWhatKindOfChangeWasMade) {  // trap 40
  const ScriptHashes before = hashes("CREATE TABLE t (a int);\nINSERT INTO t VALUES ('x  y');\n");
  const auto changed = [&](const std::string& text) {
    const ScriptHashes now = hashes(text);
    return now.exact == before.exact             ? "nothing"
           : now.normalised == before.normalised ? "bytes"
           : now.statements == before.statements ? "layout"
                                                 : "statements";
  };
  EXPECT_STREQ(changed("CREATE TABLE t (a int);\nINSERT INTO t VALUES ('x  y');\n"), "nothing");
  EXPECT_STREQ(
      changed("\xEF\xBB\xBF"
              "CREATE TABLE t (a int);  \r\n\r\nINSERT INTO t VALUES ('x  y'); -- why\r\n"),
      "bytes");
  EXPECT_STREQ(changed("create table T(a INT)\n;insert into t values('x  y')"), "layout");
  EXPECT_STREQ(changed("CREATE TABLE t (a int);\nINSERT INTO t VALUES ('x y');\n"), "statements");
  EXPECT_STREQ(changed("CREATE TABLE \"T\" (a int);\nINSERT INTO t VALUES ('x  y');\n"),
               "statements");
  EXPECT_STREQ(changed("CREATE TABLE t (a int) INSERT INTO t VALUES ('x  y');\n"), "statements");
  EXPECT_STREQ(changed("CREATE TABLE t (a int);\n"), "statements");
}

TEST(ScriptHash, LineBreaksInStringsAndBetweenWordsCount) {  // trap 40: Flyway's does not see them
  EXPECT_NE(hashes("SELECT 'a\nb'").normalised, hashes("SELECT 'a  \nb'").normalised);
  EXPECT_NE(hashes("SELECT a\nb").normalised, hashes("SELECT ab").normalised);
  EXPECT_NE(hashes("SELECT a\nb").statements, hashes("SELECT ab").statements);
  EXPECT_NE(hashes("SELECT a < = b").statements, hashes("SELECT a <= b").statements);
  EXPECT_NE(hashes("SELECT A", Dialect::mysql).statements,
            hashes("SELECT a", Dialect::mysql).statements)
      << "names of tables may tell cases apart there";
  EXPECT_NE(hashes("COPY t FROM STDIN;\na \n\\.\n").statements,
            hashes("COPY t FROM STDIN;\na\n\\.\n").statements);
  EXPECT_NE(hashes("SELECT /*+ A */ 1", Dialect::mysql).statements,
            hashes("SELECT 1", Dialect::mysql).statements)
      << "hints are read";
}

/// The name of the algorithm is stored: these never change under it.
TEST(ScriptHash, IsForEverWhatItIs) {
  EXPECT_EQ(kScriptHashName, "sha256-script-1");
  const ScriptHashes one = hashes("CREATE TABLE t (a int); -- x\nINSERT INTO t VALUES (1);\n");
  EXPECT_EQ(one.exact, "0e61222b1a4d3839a05776f933aca5fd33564925373ed95105c031f402740d31");
  EXPECT_EQ(one.normalised, "c788d6d385ed32fe09694c8d48f6189390b1d3b29fd972c6f4ba0a613eabf8aa");
  EXPECT_EQ(one.statements, "703d032e1f4f0e9d6f02352edefbe0b63535f32c8df03dca53fff573426faa1d");
}

}  // namespace
}  // namespace dunlin::sql
