#include "sql/sqlite.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>
#include <sqlite3.h>

#include "base/file_io.h"
#include "support/scratch.h"

namespace dunlin::sql {
namespace {

using std::string_literals::operator""s;
using std::chrono::steady_clock;

Database in_memory() {
  auto opened = Database::open(":memory:");
  EXPECT_TRUE(opened.ok());
  return std::move(opened).value();
}

Database with_table() {
  Database database = in_memory();
  EXPECT_TRUE(database.exec("CREATE TABLE t(id INTEGER PRIMARY KEY, v ANY) STRICT").ok());
  return database;
}

std::int64_t count(Database& database) {
  return database.query_int64("SELECT count(*) FROM t")->value();
}

TEST(SqliteOpen, MakesAFileInWalMode) {
  const testing::ScratchDirectory scratch;
  auto database = Database::open(scratch.file("state.db"));
  ASSERT_TRUE(database.ok()) << database.error().text();
  EXPECT_EQ(*database->query_text("PRAGMA journal_mode"), "wal");
  EXPECT_EQ(*database->query_int64("PRAGMA synchronous"), 3);  // EXTRA
  EXPECT_EQ(*database->query_int64("PRAGMA foreign_keys"), 1);
  EXPECT_EQ(database->path(), scratch.file("state.db"));
}

TEST(SqliteOpen, AMissingFileIsNotMadeUnlessAsked) {
  const testing::ScratchDirectory scratch;
  const auto missing = Database::open(scratch.file("none.db"), {.create = false});
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().type, ErrorType::not_found);
  EXPECT_NE(::access(scratch.file("none.db").c_str(), F_OK), 0);
  EXPECT_EQ(Database::open(scratch.file("none.db"), {.read_only = true}).error().type,
            ErrorType::not_found);
  EXPECT_EQ(Database::open(scratch.file("no/dir.db")).error().type, ErrorType::not_found);
  EXPECT_FALSE(Database::open(scratch.path()).ok());
}

TEST(SqliteOpen, AFileThatIsNoDatabaseIsCorrupt) {
  const testing::ScratchDirectory scratch;
  ASSERT_TRUE(write_file_durably(scratch.file("text"), std::string(5000, 'x')).ok());
  for (const bool read_only : {false, true}) {
    const auto opened = Database::open(scratch.file("text"), {.read_only = read_only});
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().type, ErrorType::state_corrupt);
    EXPECT_EQ(opened.error().native.code, "SQLITE_NOTADB");
  }
  EXPECT_EQ(*read_file(scratch.file("text")), std::string(5000, 'x'));
}

TEST(SqliteOpen, NamesAreTakenLiterally) {
  const testing::ScratchDirectory scratch;
  ASSERT_EQ(::chdir(scratch.path().c_str()), 0);
  for (const auto* name : {"file:a?mode=memory", ":odd:", "a\nb\xff"}) {
    ASSERT_TRUE(Database::open(name)->exec("CREATE TABLE t(a)").ok());
    EXPECT_EQ(::access(scratch.file(name).c_str(), F_OK), 0) << name;
  }
  EXPECT_EQ(Database::open("").error().type, ErrorType::invalid_input);
  EXPECT_EQ(Database::open("a\0b"s).error().type, ErrorType::invalid_input);
  ASSERT_EQ(::chdir("/"), 0);
}

TEST(SqliteOpen, ReadOnlyRefusesWrites) {
  const testing::ScratchDirectory scratch;
  ASSERT_TRUE(Database::open(scratch.file("a.db"))->exec("CREATE TABLE t(a)").ok());
  auto database = Database::open(scratch.file("a.db"), {.read_only = true});
  ASSERT_TRUE(database.ok());
  EXPECT_EQ(database->exec("INSERT INTO t VALUES(1)").error().type,
            ErrorType::read_only_destination);
}

TEST(SqliteOpen, ManyOpenersOfANewFileDoNotMeetALock) {
  const testing::ScratchDirectory scratch;
  for (int round = 0; round < 10; ++round) {
    const std::string path = scratch.file(std::to_string(round));
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&path] {
        auto database = Database::open(path);
        ASSERT_TRUE(database.ok()) << database.error().text();
        EXPECT_TRUE(
            database->exec("CREATE TABLE IF NOT EXISTS t(a); INSERT INTO t VALUES(1)").ok());
      });
    }
  }
}

TEST(SqliteOpen, StrictModeHasNoDoubleQuotedStrings) {
  Database strict = in_memory();
  EXPECT_FALSE(strict.exec("SELECT \"no such column\"").ok());
  auto lax = Database::open(":memory:", {.strict = false});
  EXPECT_TRUE(lax->exec("SELECT \"no such column\"").ok());
}

TEST(SqliteStatement, EachTypeComesBackAsItWent) {
  Database database = with_table();
  auto insert = database.prepare("INSERT INTO t(v) VALUES(?1)");
  ASSERT_TRUE(insert.ok());
  ASSERT_TRUE(insert->bind(1, std::int64_t{-5}).run().ok());
  ASSERT_TRUE(insert->bind(1, 1.5).run().ok());
  ASSERT_TRUE(insert->bind(1, "text\0with nul"s).run().ok());
  ASSERT_TRUE(insert->bind(1, Blob{"\x00\xff"s}).run().ok());
  ASSERT_TRUE(insert->bind(1, nullptr).run().ok());
  ASSERT_TRUE(insert->bind(1, std::optional<std::string>{}).run().ok());
  ASSERT_TRUE(insert->bind(1, std::string_view{}).run().ok());
  ASSERT_TRUE(insert->bind(1, Blob{}).run().ok());
  ASSERT_TRUE(insert->bind(1, true).run().ok());
  auto select = database.prepare("SELECT v, typeof(v) AS kind FROM t ORDER BY id");
  ASSERT_TRUE(select.ok());
  EXPECT_EQ(select->column_count(), 2);
  EXPECT_EQ(select->column_name(1), "kind");
  std::vector<std::string> kinds;
  while (*select->step()) {
    kinds.emplace_back(select->column_text(1));
    switch (kinds.size()) {
      case 1:
        EXPECT_EQ(select->column_int64(0), -5);
        break;
      case 2:
        EXPECT_EQ(select->column_double(0), 1.5);
        break;
      case 3:
        EXPECT_EQ(select->column_text(0), "text\0with nul"s);
        break;
      case 4:
        EXPECT_EQ(select->column_blob(0), "\x00\xff"s);
        break;
      case 5:
        EXPECT_TRUE(select->column_is_null(0) && select->column_text(0).empty());
        break;
      default:
        break;
    }
  }
  // Empty is not NULL: a view of nothing has a null pointer.
  EXPECT_EQ(kinds, (std::vector<std::string>{"integer", "real", "text", "blob", "null", "null",
                                             "text", "blob", "integer"}));
}

RC_GTEST_PROP(SqliteStatementProperty, AnyBytesRoundTripAsBlobAndText, (const std::string& bytes)) {
  Database database = in_memory();
  RC_ASSERT(database.exec("CREATE TABLE t(b BLOB, x TEXT)").ok());
  RC_ASSERT(database.run("INSERT INTO t VALUES(?1, ?2)", Blob{bytes}, bytes).ok());
  auto select = database.cached("SELECT b, x FROM t");
  RC_ASSERT(*select->step());
  RC_ASSERT(select->column_blob(0) == bytes);
  RC_ASSERT(select->column_text(1) == bytes);
}

TEST(SqliteStatement, RunBindsAnythingInOneGo) {
  Database database = in_memory();
  ASSERT_TRUE(database.exec("CREATE TABLE t(a, b, c, d, e, f, g)").ok());
  const std::string text = "text";
  ASSERT_TRUE(database
                  .run("INSERT INTO t VALUES(?,?,?,?,?,?,?)", 1, "literal", text,
                       std::string_view("view"), Blob{"b"}, std::optional<std::int64_t>{},
                       std::size_t{7})
                  .ok());
  auto row = database.cached("SELECT * FROM t WHERE a = ?1 AND c = ?2");
  ASSERT_TRUE(*row->query(1, text));
  EXPECT_EQ(row->column_text(1), "literal");
  EXPECT_EQ(row->column_type(4), SQLITE_BLOB);
  EXPECT_EQ(row->column_optional_int64(5), std::nullopt);
  EXPECT_EQ(row->column_optional_int64(6), 7);
  EXPECT_FALSE(*row->query(2, text));
}

// run() lends its arguments to SQLite; a later run without them must not see what is gone.
TEST(SqliteStatement, RunLeavesNoBorrowedBytesBehind) {
  Database database = with_table();
  auto insert = database.prepare("INSERT INTO t(v) VALUES(?1)");
  ASSERT_TRUE(insert->run(std::string(5000, 'x')).ok());
  ASSERT_TRUE(insert->run().ok());
  EXPECT_EQ(*database.query_int64("SELECT count(*) FROM t WHERE v IS NULL"), 1);
}

TEST(SqliteStatement, AFailedBindIsReportedByTheStep) {
  Database database = with_table();
  auto insert = database.prepare("INSERT INTO t(v) VALUES(?1)");
  const Status status = insert->bind(2, 1).bind(1, 1).run();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().native.code, "SQLITE_RANGE");
  EXPECT_EQ(count(database), 0);
  EXPECT_TRUE(insert->bind(1, 1).run().ok()) << "the failure is reported once";
}

TEST(SqliteStatement, CanBeUsedAgainAfterAnErrorAndInMidRow) {
  Database database = with_table();
  auto insert = database.prepare("INSERT INTO t(id) VALUES(?1)");
  ASSERT_TRUE(insert->bind(1, 1).run().ok());
  EXPECT_EQ(insert->run().error().native.code, "SQLITE_CONSTRAINT_PRIMARYKEY");
  EXPECT_TRUE(insert->bind(1, 2).run().ok());
  auto select = database.prepare("SELECT id FROM t WHERE id >= ?1 ORDER BY id");
  ASSERT_TRUE(*select->bind(1, 1).step());
  ASSERT_TRUE(*select->bind(1, 2).step());
  EXPECT_EQ(select->column_int64(0), 2);
}

TEST(SqliteStatement, ExactlyOneStatementIsPrepared) {
  Database database = with_table();
  EXPECT_TRUE(database.prepare("SELECT 1; -- a comment\n").ok());
  EXPECT_TRUE(database.prepare("SELECT 1").value().read_only());
  EXPECT_FALSE(database.prepare("DELETE FROM t").value().read_only());
  for (const auto* bad : {"", "-- nothing", "SELECT 1; SELECT 2", "SELECT 1; nonsense"}) {
    EXPECT_EQ(database.prepare(bad).error().type, ErrorType::defect) << bad;
  }
  const auto wrong = database.prepare("SELECT * FROM missing");
  EXPECT_EQ(wrong.error().text(),
            "prepare 'SELECT * FROM missing': no such table: missing [sqlite SQLITE_ERROR]");
}

TEST(SqliteCache, AStatementIsPreparedOnce) {
  Database database = with_table();
  sqlite3_stmt* handle = nullptr;
  for (int i = 0; i < 3; ++i) {
    auto statement = database.cached("SELECT ?1");
    ASSERT_TRUE(statement.ok());
    EXPECT_TRUE(handle == nullptr || statement->handle() == handle);
    handle = statement->handle();
    ASSERT_TRUE(*statement->step());
    EXPECT_TRUE(statement->column_is_null(0)) << "bindings of the last user are seen";
    statement->reset();
    ASSERT_TRUE(*statement->bind(1, 5).step());
  }
}

TEST(SqliteCache, ANestedUseGetsAStatementOfItsOwn) {
  Database database = with_table();
  ASSERT_TRUE(database.exec("INSERT INTO t(id) VALUES(1),(2)").ok());
  int rows = 0;
  auto outer = database.cached("SELECT id FROM t");
  while (*outer->step()) {
    auto inner = database.cached("SELECT id FROM t");
    while (*inner->step()) ++rows;
  }
  EXPECT_EQ(rows, 4);
}

TEST(SqliteCache, IsBoundedAndKeepsWhatIsInUse) {
  Database database = in_memory();
  auto kept = database.cached("SELECT 1000000");
  ASSERT_TRUE(*kept->step());
  for (int i = 0; i < 1000; ++i)
    ASSERT_TRUE(database.query_int64("SELECT " + std::to_string(i)).ok());
  EXPECT_EQ(kept->column_int64(0), 1'000'000);
  int prepared = 0;
  for (auto* at = sqlite3_next_stmt(database.handle(), nullptr); at != nullptr;
       at = sqlite3_next_stmt(database.handle(), at)) {
    ++prepared;
  }
  EXPECT_LE(prepared, 256);
}

TEST(SqliteDeathTest, AStatementMustEndBeforeItsDatabase) {
  EXPECT_DEATH(
      {
        std::optional<Database> database(in_memory());
        auto statement = database->prepare("SELECT 1");
        database.reset();
      },
      "outlives its database");
  EXPECT_DEATH(
      {
        std::optional<Database> database(in_memory());
        auto statement = database->cached("SELECT 1");
        database.reset();
      },
      "outlives its database");
}

TEST(SqliteExec, SaysWhichStatementFailed) {
  Database database = in_memory();
  const Status status = database.exec(
      "CREATE TABLE t(a UNIQUE); INSERT INTO t VALUES(1); /* x */ INSERT INTO t VALUES(1); SELECT "
      "1");
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().type, ErrorType::constraint_violation);
  EXPECT_NE(status.error().text().find("running statement 3"), std::string::npos)
      << status.error().text();
  EXPECT_EQ(count(database), 1);
  EXPECT_NE(database.exec("SELECT 1; SELEC 2").error().text().find("statement 2"),
            std::string::npos);
  EXPECT_TRUE(database.exec("").ok());
}

TEST(SqliteTransaction, RollsBackUnlessCommitted) {
  Database database = with_table();
  {
    auto transaction = Transaction::begin(database);
    ASSERT_TRUE(transaction.ok());
    EXPECT_TRUE(transaction->active());
    ASSERT_TRUE(database.run("INSERT INTO t(id) VALUES(?1)", 1).ok());
  }
  EXPECT_EQ(count(database), 0);
  {
    auto transaction = Transaction::begin(database);
    ASSERT_TRUE(database.run("INSERT INTO t(id) VALUES(?1)", 1).ok());
    ASSERT_TRUE(transaction->commit().ok());
    EXPECT_FALSE(transaction->active());
  }
  EXPECT_EQ(count(database), 1);
  EXPECT_FALSE(database.in_transaction());
  EXPECT_EQ(Transaction::begin(database)->rollback().ok(), true);
}

TEST(SqliteTransaction, ARefusedCommitRollsBack) {
  Database database = in_memory();
  ASSERT_TRUE(database
                  .exec("CREATE TABLE parent(id INTEGER PRIMARY KEY);"
                        "CREATE TABLE t(p REFERENCES parent(id) DEFERRABLE INITIALLY DEFERRED)")
                  .ok());
  auto transaction = Transaction::begin(database);
  ASSERT_TRUE(database.run("INSERT INTO t VALUES(?1)", 7).ok());
  const Status status = transaction->commit();
  EXPECT_EQ(status.error().type, ErrorType::constraint_violation);
  EXPECT_FALSE(status.error().possibly_applied);
  EXPECT_FALSE(database.in_transaction());
  EXPECT_EQ(count(database), 0);
}

TEST(SqliteTransaction, SavepointsTakeBackTheirPart) {
  Database database = with_table();
  auto transaction = Transaction::begin(database);
  ASSERT_TRUE(database.run("INSERT INTO t(id) VALUES(?1)", 1).ok());
  {
    auto outer = Savepoint::begin(database);
    ASSERT_TRUE(database.run("INSERT INTO t(id) VALUES(?1)", 2).ok());
    {
      auto inner = Savepoint::begin(database);
      ASSERT_TRUE(database.run("INSERT INTO t(id) VALUES(?1)", 3).ok());
    }
    EXPECT_EQ(count(database), 2);
    ASSERT_TRUE(outer->release().ok());
  }
  {
    auto undone = Savepoint::begin(database);
    ASSERT_TRUE(database.run("INSERT INTO t(id) VALUES(?1)", 4).ok());
    ASSERT_TRUE(undone->rollback().ok());
  }
  ASSERT_TRUE(transaction->commit().ok());
  EXPECT_EQ(count(database), 2);
}

TEST(SqliteTransaction, AReadTransactionSeesOneState) {
  const testing::ScratchDirectory scratch;
  auto writer = Database::open(scratch.file("a.db"));
  ASSERT_TRUE(writer->exec("CREATE TABLE t(a)").ok());
  auto reader = Database::open(scratch.file("a.db"), {.read_only = true});
  auto snapshot = Transaction::begin_read(*reader);
  EXPECT_EQ(count(*reader), 0);
  ASSERT_TRUE(writer->run("INSERT INTO t VALUES(?1)", 1).ok());
  EXPECT_EQ(count(*reader), 0);
  ASSERT_TRUE(snapshot->commit().ok());
  EXPECT_EQ(count(*reader), 1);
}

class SqliteLocks : public ::testing::Test {
 protected:
  SqliteLocks() { EXPECT_TRUE(holder_.exec("CREATE TABLE t(a)").ok()); }
  Database open(int busy_timeout_ms) {
    return Database::open(scratch_.file("a.db"), {.busy_timeout_ms = busy_timeout_ms}).value();
  }
  testing::ScratchDirectory scratch_;
  Database holder_ = Database::open(scratch_.file("a.db")).value();
};

TEST_F(SqliteLocks, AreWaitedForAndThenReported) {
  Database other = open(50);
  auto transaction = Transaction::begin(holder_);
  const auto start = steady_clock::now();
  const auto refused = Transaction::begin(other);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().type, ErrorType::database_locked);
  EXPECT_TRUE(refused.error().retriable());
  EXPECT_GE(steady_clock::now() - start, std::chrono::milliseconds(40));
}

TEST_F(SqliteLocks, AWaitEndsWhenTheLockDoes) {
  std::optional<Transaction> transaction(Transaction::begin(holder_).value());
  std::jthread releaser([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    transaction.reset();
  });
  Database other = open(60'000);
  EXPECT_TRUE(Transaction::begin(other).ok());
  releaser.join();
}

TEST_F(SqliteLocks, CancellationEndsTheWait) {
  auto transaction = Transaction::begin(holder_);
  Database other = open(300'000);
  CancelSource source;
  other.set_cancel(source.token());
  std::jthread canceller([&source] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    source.request(CancelReason::pause);
  });
  const auto start = steady_clock::now();
  EXPECT_FALSE(Transaction::begin(other).ok());
  EXPECT_LT(steady_clock::now() - start, std::chrono::minutes(1));
}

// The reader's snapshot is old: no waiting helps, the transaction has to begin again.
TEST_F(SqliteLocks, AStaleSnapshotCannotBecomeAWriter) {
  Database other = open(50);
  auto snapshot = Transaction::begin_read(other);
  EXPECT_EQ(count(other), 0);
  ASSERT_TRUE(holder_.run("INSERT INTO t VALUES(?1)", 1).ok());
  const Status status = other.run("INSERT INTO t VALUES(?1)", 2);
  EXPECT_EQ(status.error().native.code, "SQLITE_BUSY_SNAPSHOT");
  EXPECT_EQ(status.error().type, ErrorType::database_locked);
}

constexpr std::string_view kEndless =
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";

TEST(SqliteInterrupt, EndsALongStatement) {
  Database database = in_memory();
  std::jthread breaker([&database](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      database.interrupt();
    }
  });
  const Status status = database.run(kEndless);
  breaker.request_stop();
  breaker.join();
  EXPECT_EQ(status.error().type, ErrorType::interrupted);
  EXPECT_TRUE(database.run("SELECT 1").ok()) << "the connection goes on";
}

TEST(SqliteInterrupt, CancellationEndsALongStatement) {
  Database database = in_memory();
  CancelSource source;
  database.set_cancel(source.token());
  std::jthread canceller([&source] {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    source.request(CancelReason::cancel);
  });
  EXPECT_EQ(database.run(kEndless).error().type, ErrorType::interrupted);
  canceller.join();
  database.set_cancel(CancelToken());
  EXPECT_TRUE(database
                  .run("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < "
                       "50000) SELECT count(*) FROM n")
                  .ok());
}

TEST(SqliteVersions, AreStoredInTheFile) {
  const testing::ScratchDirectory scratch;
  {
    auto database = Database::open(scratch.file("a.db"));
    EXPECT_EQ(*database->user_version(), 0);
    ASSERT_TRUE(database->set_user_version(7).ok());
    ASSERT_TRUE(database->set_application_id(0x64756e6c).ok());
  }
  auto again = Database::open(scratch.file("a.db"), {.read_only = true});
  EXPECT_EQ(*again->user_version(), 7);
  EXPECT_EQ(*again->application_id(), 0x64756e6c);
}

TEST(SqliteChanges, CountTheRowsOfACompareAndSet) {
  Database database = with_table();
  ASSERT_TRUE(database.exec("INSERT INTO t(id, v) VALUES(5, 'a')").ok());
  EXPECT_EQ(database.last_insert_rowid(), 5);
  ASSERT_TRUE(database.run("UPDATE t SET v = ?1 WHERE v = ?2", "b", "a").ok());
  EXPECT_EQ(database.changes(), 1);
  ASSERT_TRUE(database.run("UPDATE t SET v = ?1 WHERE v = ?2", "b", "a").ok());
  EXPECT_EQ(database.changes(), 0);
}

TEST(SqliteCheckpoint, EmptiesTheLogUnlessSomebodyReads) {
  const testing::ScratchDirectory scratch;
  auto database = Database::open(scratch.file("a.db"), {.busy_timeout_ms = 20});
  ASSERT_TRUE(database->exec("CREATE TABLE t(a); INSERT INTO t VALUES(1)").ok());
  EXPECT_GT(std::filesystem::file_size(scratch.file("a.db-wal")), 0U);
  {
    auto reader = Database::open(scratch.file("a.db"));
    auto snapshot = Transaction::begin_read(*reader);
    EXPECT_EQ(count(*reader), 1);
    EXPECT_EQ(database->checkpoint_wal().error().type, ErrorType::database_locked);
    EXPECT_TRUE(database->checkpoint_wal(CheckpointMode::passive).ok());
  }
  EXPECT_TRUE(database->checkpoint_wal().ok());
  EXPECT_EQ(std::filesystem::file_size(scratch.file("a.db-wal")), 0U);
}

TEST(SqliteCheck, FindsADamagedPage) {
  const testing::ScratchDirectory scratch;
  const std::string path = scratch.file("a.db");
  {
    auto database = Database::open(path, {.wal = false});
    ASSERT_TRUE(
        database
            ->exec("CREATE TABLE t(a TEXT); INSERT INTO t SELECT hex(randomblob(2000)) FROM "
                   "(SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4)")
            .ok());
    EXPECT_TRUE(database->quick_check().ok());
    EXPECT_TRUE(database->integrity_check().ok());
  }
  const auto file = open_file(path, O_WRONLY);
  const std::string noise(64, '\xee');
  ASSERT_TRUE(pwrite_all(file->get(), noise.data(), noise.size(), 4096, "page 2").ok());
  auto database = Database::open(path, {.wal = false});
  ASSERT_TRUE(database.ok());
  const Status finding = database->quick_check();
  ASSERT_FALSE(finding.ok());
  EXPECT_EQ(finding.error().type, ErrorType::state_corrupt);
}

TEST(SqliteVacuumInto, CopiesAndNeverReplaces) {
  const testing::ScratchDirectory scratch;
  auto database = Database::open(scratch.file("a.db"));
  ASSERT_TRUE(database->exec("CREATE TABLE t(a); INSERT INTO t VALUES(1)").ok());
  ASSERT_TRUE(database->vacuum_into(scratch.file("copy.db")).ok());
  auto copy = Database::open(scratch.file("copy.db"));
  EXPECT_EQ(count(*copy), 1);
  EXPECT_EQ(database->vacuum_into(scratch.file("copy.db")).error().type,
            ErrorType::destination_exists);
  EXPECT_FALSE(database->vacuum_into(scratch.file("none/copy.db")).ok());
}

TEST(QuoteIdentifier, DoublesQuotes) {
  Database database = in_memory();
  const std::string name = "odd \"name\"; DROP TABLE x";
  ASSERT_TRUE(database.exec("CREATE TABLE " + quote_identifier(name) + "(a)").ok());
  EXPECT_EQ(*database.query_text("SELECT name FROM sqlite_schema"), name);
}

}  // namespace
}  // namespace dunlin::sql
