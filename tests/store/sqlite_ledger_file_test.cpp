// What only a ledger on a disk can show: crashes, full disks, damaged and foreign files, readers
// beside the writer, and the SQL views.
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/crash_point.h"
#include "base/rng.h"
#include "sql/sqlite.h"
#include "store/ledger_fixture.h"
#include "store/spawn.h"

namespace dunlin::store::test {
namespace {

std::unique_ptr<SqliteLedger> create(const std::string& path, const Clock& clock) {
  auto made = SqliteLedger::create(path, execution_row(), clock);
  EXPECT_TRUE(made.ok()) << made.error().text();
  return made.ok() ? std::move(*made) : nullptr;
}

std::unique_ptr<SqliteLedger> open(const std::string& path, const Clock& clock,
                                   bool read_only = false) {
  auto opened = SqliteLedger::open(path, read_only, clock);
  EXPECT_TRUE(opened.ok()) << opened.error().text();
  return opened.ok() ? std::move(*opened) : nullptr;
}

/// A connection that bypasses the ledger, as a person with sqlite3 would.
sql::Database outside(const std::string& path) {
  sql::OpenOptions options;
  options.create = false;
  options.strict = false;  // as sqlite3: views may use json_object()
  auto database = sql::Database::open(path, options);
  EXPECT_TRUE(database.ok()) << database.error().text();
  return std::move(*database);
}

std::string text(sql::Database& database, std::string_view sql) {
  const auto value = database.query_text(sql);
  EXPECT_TRUE(value.ok()) << value.error().text();
  return value.ok() ? value->value_or("NULL") : "";
}

AppendWork first_work(std::int64_t batches, std::int64_t items) {
  AppendWork work;
  work.tasks.push_back(task(1));
  for (std::int64_t i = 0; i < batches; ++i)
    work.batches.push_back(batch(i + 1, 1, i * items + 1, items));
  work.complete = true;
  return work;
}

class LedgerFile : public ::testing::Test {
 protected:
  ScratchFolder folder_;
  std::string path_ = folder_ / "ledger.db";
  ManualClock clock_;
};

TEST_F(LedgerFile, KeepsEverythingOverAReopen) {
  {
    const auto ledger = create(path_, clock_);
    must_apply(*ledger,
               {first_work(2, 2), start({{1, 3}}), RecordOutcomes{BatchId(1), 3, {completed(1)}}});
    EXPECT_EQ(*ledger->take_over("{}"), 1);
  }
  const auto ledger = open(path_, clock_);
  EXPECT_EQ(ledger->execution()->epoch, 1);
  EXPECT_EQ(ledger->open_batches()->at(0).token, 3);
  EXPECT_EQ(ledger->execution()->counters.succeeded_items, 1);
  must_apply(*ledger, {end(1, 3, BatchResult::done, {skipped(2)})}, 1);
  EXPECT_TRUE(ledger->check().ok());
  EXPECT_EQ(SqliteLedger::create(path_, execution_row(), clock_).error().type,
            ErrorType::invalid_state);
}

TEST_F(LedgerFile, AReadOnlyLedgerSeesTheWriterAndWritesNothing) {
  const auto writer = create(path_, clock_);
  const auto reader = open(path_, clock_, true);
  must_apply(*writer, {first_work(1, 1)});
  EXPECT_EQ(ready_ids(*reader), (std::vector<std::int64_t>{1}));
  const std::vector<Mutation> one{SetPhase{"x"}};
  EXPECT_EQ(reader->apply(0, one).error().type, ErrorType::state_write_failed);
  EXPECT_FALSE(reader->take_over("{}").ok());
}

TEST_F(LedgerFile, ReadersSeeWholeGroupsWhileTheWriterWrites) {
  const auto ledger = create(path_, clock_);
  must_apply(*ledger, {first_work(40, 5)});
  std::atomic<bool> done_writing{false};
  std::atomic<int> torn{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!done_writing) {
        const auto row = ledger->execution();
        const auto ready = ledger->ready({});
        if (!row.ok() || !ready.ok()) ++torn;
        // One group writes all five items of a batch and ends it.
        if (row.ok() && row->counters.succeeded_items != 5 * row->counters.ended_batches) ++torn;
      }
    });
  }
  for (std::int64_t id = 1; id <= 40; ++id) {
    std::vector<ItemOutcome> outcomes;
    for (std::int64_t i = 1; i <= 5; ++i) outcomes.push_back(completed((id - 1) * 5 + i));
    must_apply(*ledger, {start({{id, 1}}), RecordOutcomes{BatchId(id), 1, outcomes}, end(id, 1)});
  }
  done_writing = true;
  for (std::thread& one : readers) one.join();
  EXPECT_EQ(torn, 0);
}

// ---- Crashes ----------------------------------------------------------------------------------

/// The child's part: groups of three mutations for ever; after each that returned, its number on
/// standard output.
TEST(LedgerCrashChild, DISABLED_Applies) {
  const char* path = std::getenv("DUNLIN_TEST_LEDGER");
  ASSERT_NE(path, nullptr);
  const SystemClock clock;
  const auto ledger = open(path, clock);
  const auto last = *ledger->last_ids();
  std::int64_t done_groups = last.batch.value;
  while (true) {
    const std::int64_t id = ++done_groups;
    AppendWork work;
    if (id == 1) work.tasks.push_back(task(1));
    work.batches.push_back(batch(id, 1, (id - 1) * 50 + 1, 50));
    std::vector<ItemOutcome> outcomes;
    for (std::int64_t i = 1; i <= 50; ++i) outcomes.push_back(completed((id - 1) * 50 + i));
    must_apply(*ledger, {work, start({{id, 1}}), end(id, 1, BatchResult::done, outcomes)});
    const std::string line = std::to_string(id) + "\n";
    ASSERT_EQ(::write(STDOUT_FILENO, line.data(), line.size()), static_cast<ssize_t>(line.size()));
  }
}

/// Whole groups, none that was acknowledged is missing, and everything agrees with everything.
void expect_whole(const std::string& path, std::int64_t acknowledged) {
  const SystemClock clock;
  const auto ledger = open(path, clock);
  ASSERT_NE(ledger, nullptr);
  const Status checked = ledger->check();
  EXPECT_TRUE(checked.ok()) << checked.error().text();
  const auto row = ledger->execution();
  EXPECT_GE(row->counters.total_batches, acknowledged);
  EXPECT_LE(row->counters.total_batches, acknowledged + 1);
  EXPECT_EQ(*ledger->sequence(), 3 * row->counters.total_batches);
  EXPECT_EQ(row->counters.ended_batches, row->counters.total_batches);
  EXPECT_EQ(row->counters.succeeded_items, 50 * row->counters.total_batches);
  EXPECT_TRUE(ledger->open_batches()->empty());
}

/// Runs the child until it dies (or until `kill` says when); returns the last group that it
/// acknowledged.
std::int64_t last_acknowledged(Child& child) {
  std::int64_t last = 0;
  for (std::string line = child.read_line(); !line.empty(); line = child.read_line()) {
    if (line.find_first_not_of("0123456789") == std::string::npos) last = std::stoll(line);
  }
  return last;
}

/// Waits for it; 0: the child has ended.
std::int64_t first_acknowledged(Child& child) {
  std::string line = child.read_line();
  while (!line.empty() && line.find_first_not_of("0123456789") != std::string::npos)
    line = child.read_line();
  return line.empty() ? 0 : std::stoll(line);
}

TEST_F(LedgerFile, DiesAtEachCrashPointWithAllOrNothing) {
#if !DUNLIN_CRASH_POINTS
  GTEST_SKIP() << "this build has no crash points";
#endif
  create(path_, clock_).reset();
  std::int64_t before = 0;
  for (const std::string point :
       {"ledger.apply.before", "ledger.commit.before", "ledger.commit.after"}) {
    SCOPED_TRACE(point);
    Child child("LedgerCrashChild.DISABLED_Applies",
                {"DUNLIN_TEST_LEDGER=" + path_, "DUNLIN_CRASH_AT=" + point + ":4"});
    const std::int64_t acknowledged = std::max(before, last_acknowledged(child));
    EXPECT_EQ(child.wait(), SIGKILL);
    EXPECT_EQ(acknowledged, before + 3) << "it was to die in its fourth group";
    expect_whole(path_, acknowledged);
    before = open(path_, clock_)->last_ids()->batch.value;
    EXPECT_EQ(before, acknowledged + (point == "ledger.commit.after" ? 1 : 0));
  }
}

TEST_F(LedgerFile, SurvivesKillsAtAnyMoment) {
  create(path_, clock_).reset();
  Rng rng(20261120);
  std::int64_t acknowledged = 0;
  for (int round = 0; round < 15; ++round) {
    Child child("LedgerCrashChild.DISABLED_Applies", {"DUNLIN_TEST_LEDGER=" + path_});
    // Some are killed while they open it, some at work.
    if (round % 3 == 0)
      acknowledged = std::max(acknowledged, first_acknowledged(child));
    else
      child.read_line();
    ::usleep(static_cast<useconds_t>(rng.below(30'000)));
    child.signal(SIGKILL);
    acknowledged = std::max(acknowledged, last_acknowledged(child));
    EXPECT_EQ(child.wait(), SIGKILL);
    expect_whole(path_, open(path_, clock_)->last_ids()->batch.value);
    EXPECT_GE(open(path_, clock_)->last_ids()->batch.value, acknowledged)
        << "what was acknowledged is durable";
  }
  EXPECT_GT(acknowledged, 0);
}

// ---- Full disks -------------------------------------------------------------------------------

TEST_F(LedgerFile, AFullFileTakesTheWholeGroupBackAndGoesOnLater) {
  const auto ledger = create(path_, clock_);
  must_apply(*ledger, {first_work(1, 10)});
  ASSERT_TRUE(ledger->limit_growth(1).ok());
  AppendWork work;
  must_apply(*ledger, {start({{1, 1}})});
  std::vector<ItemOutcome> big;
  for (std::int64_t i = 1; i <= 10; ++i) {
    big.push_back(completed(i));
    big.back().undo.assign(9000, 'u');
    big.back().action = "action " + std::to_string(i);
  }
  const std::vector<Mutation> group{SetPhase{"loading"}, RecordOutcomes{BatchId(1), 1, big}};
  const auto refused = ledger->apply(0, group);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().type, ErrorType::state_write_failed);
  EXPECT_EQ(refused.error().native.code, "SQLITE_FULL");
  EXPECT_EQ(ledger->execution()->phase, "") << "the phase belonged to the same group";
  EXPECT_EQ(ledger->items_of(BatchId(1), true)->size(), 10U);
  ASSERT_TRUE(ledger->limit_growth(0).ok());
  must_apply(*ledger, {group[0], group[1]});
  EXPECT_EQ(ledger->items_of(BatchId(1), false)->at(9).action, "action 10")
      << "words of the failed group are not remembered";
  const Status checked = ledger->check();
  EXPECT_TRUE(checked.ok()) << checked.error().text();
}

/// A file system of 3 MiB.
class LedgerOnSmallDiskNeedsRoot : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::geteuid(), 0U) << "not run: needs root";
    if (::mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, "size=3m") != 0)
      GTEST_SKIP() << "tmpfs cannot be mounted here";
    mounted_ = true;
  }
  void TearDown() override {
    if (mounted_) ::umount2(folder_.path().c_str(), MNT_DETACH);
  }
  ScratchFolder folder_;
  bool mounted_ = false;
  ManualClock clock_;
};

TEST_F(LedgerOnSmallDiskNeedsRoot, LosesNothingAndGoesOnWhenThereIsRoom) {
  const std::string path = folder_ / "ledger.db";
  const std::string ballast = folder_ / "ballast";
  std::ofstream(ballast) << std::string(1 << 20, 'x');
  const auto ledger = create(path, clock_);
  std::int64_t groups = 0;
  Error full;
  while (groups < 1000 && full.message.empty()) {
    AppendWork work;
    if (groups == 0) work.tasks.push_back(task(1));
    work.batches.push_back(batch(groups + 1, 1, groups * 100 + 1, 100));
    const std::vector<Mutation> one{work};
    const auto applied = ledger->apply(0, one);
    if (applied.ok()) {
      ++groups;
    } else {
      full = applied.error();
    }
  }
  EXPECT_EQ(full.type, ErrorType::state_write_failed) << full.text();
  EXPECT_GT(groups, 5);
  EXPECT_EQ(ledger->execution()->counters.total_batches, groups);
  ::unlink(ballast.c_str());
  must_apply(*ledger, {start({{1, 1}}), SetStatus{ExecutionStatus::cancelled, "", "", "me"}});
  EXPECT_TRUE(ledger->check().ok());
}

// ---- Damaged and foreign files ----------------------------------------------------------------

TEST_F(LedgerFile, RefusesWhatIsNoLedger) {
  const auto type_of = [&](const std::string& path) {
    return SqliteLedger::open(path, false, clock_).error().type;
  };
  EXPECT_EQ(type_of(folder_ / "missing.db"), ErrorType::not_found);
  std::ofstream(folder_ / "text.db") << std::string(5000, 't');
  EXPECT_EQ(type_of(folder_ / "text.db"), ErrorType::state_corrupt);
  std::ofstream(folder_ / "empty.db").flush();
  EXPECT_EQ(type_of(folder_ / "empty.db"), ErrorType::state_corrupt);
  {
    auto other = sql::Database::open(folder_ / "other.db");
    ASSERT_TRUE(other->exec("CREATE TABLE t(a)").ok());
  }
  EXPECT_EQ(type_of(folder_ / "other.db"), ErrorType::state_corrupt);
}

TEST_F(LedgerFile, RefusesNewerVersionsAndNamesThem) {
  create(path_, clock_).reset();
  {
    sql::Database database = outside(path_);
    ASSERT_TRUE(database.set_user_version(9).ok());
    ASSERT_TRUE(database.exec("UPDATE meta SET value = '9' WHERE key = 'min_writer'").ok());
  }
  const auto refused = SqliteLedger::open(path_, false, clock_);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().type, ErrorType::state_version);
  EXPECT_NE(refused.error().message.find("version 9"), std::string::npos)
      << refused.error().message;
  EXPECT_TRUE(SqliteLedger::open(path_, true, clock_).ok()) << "it says that version 1 may read it";
  {
    sql::Database database = outside(path_);
    ASSERT_TRUE(database.exec("UPDATE meta SET value = '9' WHERE key = 'min_reader'").ok());
  }
  EXPECT_EQ(SqliteLedger::open(path_, true, clock_).error().type, ErrorType::state_version);
}

/// Format 3 did not keep what the sources of files were.
TEST_F(LedgerFile, RefusesAnOlderFormatAndSaysWhatToUse) {
  create(path_, clock_).reset();
  {
    sql::Database database = outside(path_);
    ASSERT_TRUE(database.set_user_version(3).ok());
  }
  for (const bool read_only : {false, true}) {
    const auto refused = SqliteLedger::open(path_, read_only, clock_);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().type, ErrorType::state_version);
    EXPECT_NE(refused.error().message.find("format version 3"), std::string::npos);
    EXPECT_NE(refused.error().remediation.find("format version 3"), std::string::npos);
  }
}

TEST_F(LedgerFile, NeverCrashesOnDamage) {
  {
    const auto ledger = create(path_, clock_);
    std::vector<ItemOutcome> outcomes;
    for (std::int64_t i = 1; i <= 200; ++i) outcomes.push_back(completed(i));
    must_apply(*ledger, {first_work(2, 200), start({{1, 1}}),
                         end(1, 1, BatchResult::done, outcomes), AddCheckpoint{}});
    ASSERT_TRUE(ledger->checkpoint_wal().ok());
  }
  ::unlink((path_ + "-wal").c_str());
  ::unlink((path_ + "-shm").c_str());
  std::ifstream file(path_, std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  Rng rng(7);
  int found = 0;
  for (int round = 0; round < 60; ++round) {
    std::string damaged = whole;
    if (round % 3 == 0) {
      damaged.resize(rng.below(whole.size()));
    } else {
      for (int i = 0; i < 40; ++i)
        damaged[rng.below(damaged.size())] = static_cast<char>(rng.below(256));
    }
    const std::string copy = folder_ / ("damaged-" + std::to_string(round));
    std::ofstream(copy, std::ios::binary) << damaged;
    const auto ledger = SqliteLedger::open(copy, false, clock_);
    if (!ledger.ok()) {
      EXPECT_TRUE(ledger.error().type == ErrorType::state_corrupt ||
                  ledger.error().type == ErrorType::state_version)
          << ledger.error().text();
      ++found;
      continue;
    }
    if (!(*ledger)->check().ok()) ++found;
    (*ledger)->items({}).ignore("any answer or error will do, as long as there is one");
    (*ledger)->ready({}).ignore("see above");
    (*ledger)->audit(0, 10).ignore("see above");
    const std::vector<Mutation> one{start({{2, 1}})};
    (*ledger)->apply(0, one).ignore("see above");
  }
  EXPECT_GT(found, 40) << "damage is hardly ever harmless";
}

class LedgerTampering : public LedgerFile {
 protected:
  void SetUp() override {
    ledger_ = create(path_, clock_);
    must_apply(*ledger_, {first_work(2, 2), SetStatus{}, start({{1, 1}, {2, 1}}),
                          end(1, 1, BatchResult::done, {completed(1), completed(2)}),
                          end(2, 1, BatchResult::done, {completed(3), failed(4)}), AddCheckpoint{},
                          AddCheckpoint{}});
    ASSERT_TRUE(ledger_->check().ok());
  }
  /// The fault that check() finds after somebody changed the file with `sql`.
  std::string fault_after(std::string_view sql) {
    {
      sql::Database database = outside(path_);
      const Status changed = database.exec(sql);
      EXPECT_TRUE(changed.ok()) << changed.error().text();
    }
    const Status checked = ledger_->check();
    EXPECT_FALSE(checked.ok()) << sql;
    if (checked.ok()) return {};
    EXPECT_EQ(checked.error().type, ErrorType::state_corrupt);
    return checked.error().message;
  }
  std::unique_ptr<SqliteLedger> ledger_;
};

TEST_F(LedgerTampering, AChangedAuditEntryIsFound) {
  EXPECT_NE(fault_after("UPDATE audit SET actor = 'nobody' WHERE sequence = 2")
                .find("entry 2 was changed"),
            std::string::npos);
}
TEST_F(LedgerTampering, ARemovedAuditEntryIsFound) {
  EXPECT_NE(fault_after("DELETE FROM audit WHERE sequence = 2").find("entry 2 is missing"),
            std::string::npos);
}
TEST_F(LedgerTampering, ACutTailOfTheAuditLogIsFound) {
  EXPECT_NE(fault_after("DELETE FROM audit WHERE sequence = 3").find("ends at entry 2"),
            std::string::npos);
}
TEST_F(LedgerTampering, AChangedOutcomeIsFound) {
  EXPECT_NE(
      fault_after("UPDATE outcome SET transferred_bytes = 7 WHERE item_id = 1").find("batch 1"),
      std::string::npos);
}
TEST_F(LedgerTampering, ARemovedOutcomeIsFound) {
  fault_after("DELETE FROM outcome WHERE item_id = 1");
}
TEST_F(LedgerTampering, AChangedCounterIsFound) {
  EXPECT_NE(fault_after("UPDATE state SET succeeded_items = 9").find("succeeded_items"),
            std::string::npos);
}
TEST_F(LedgerTampering, ARemovedItemIsFound) {
  fault_after("DELETE FROM item WHERE id = 3");
}
TEST_F(LedgerTampering, ARemovedErrorIsFound) {
  fault_after("INSERT INTO error(type, final, time_ms) VALUES ('x', 1, 0)");
}

TEST_F(LedgerTampering, ADamagedCheckpointIsMarkedAndTheOneBeforeStaysValid) {
  outside(path_)
      .exec("UPDATE checkpoint SET cumulative_stats = '{}' WHERE id = 2")
      .ignore("checked below");
  auto checkpoints = ledger_->checkpoints();
  ASSERT_EQ(checkpoints->size(), 2U);
  EXPECT_TRUE(checkpoints->at(0).valid);
  EXPECT_FALSE(checkpoints->at(1).valid);
  outside(path_)
      .exec("UPDATE checkpoint SET pending_batch_ids = 'nonsense' WHERE id = 1")
      .ignore("checked below");
  checkpoints = ledger_->checkpoints();
  EXPECT_FALSE(checkpoints->at(0).valid);
}

// ---- Views ------------------------------------------------------------------------------------

TEST_F(LedgerFile, TheOriginalsTablesAreViews) {
  const auto ledger = create(path_, clock_);
  AppendWork work = first_work(2, 3);
  for (std::int64_t i = 1; i <= 3; ++i) {
    NewDirectory one;
    one.id = DirectoryId(i);
    one.parent = DirectoryId(i - 1);
    one.name = i == 1 ? "" : "d" + std::to_string(i);
    work.directories.push_back(one);
  }
  for (std::int64_t i = 0; i < 3; ++i)
    work.batches[0].items[static_cast<std::size_t>(i)].directory = DirectoryId(i + 1);
  work.places = {{"", "/src", "/dst/"}};
  ItemOutcome proven = completed(1);
  proven.checksum = "md5:00112233445566778899aabbccddeeff sha256:" + std::string(64, 'a');
  proven.proof = Proof::evicted;
  ItemOutcome unproven = completed(2);
  unproven.checksum = "crc32:12345678";
  must_apply(*ledger, {work, SetStatus{}, start({{1, 1}}),
                       RecordOutcomes{BatchId(1), 1, {proven, unproven, failed(3)}},
                       start({{2, 1}}), RecordOutcomes{BatchId(2), 1, {skipped(4)}}});
  sql::Database database = outside(path_);
  const auto of = [&](std::int64_t id, std::string_view column) {
    return text(database,
                fmt::format("SELECT {} FROM file_operations WHERE id = '{}'", column, id));
  };
  EXPECT_EQ(of(1, "execution_id"), execution_row().id.value);
  EXPECT_EQ(of(1, "source_path"), "/src/item-1");
  EXPECT_EQ(of(3, "source_path"), "/src/d2/d3/item-3");
  EXPECT_EQ(of(3, "destination_path"), "/dst/d2/d3/item-3");
  EXPECT_EQ(of(4, "source_path"), "/src/item-4");
  EXPECT_EQ(of(1, "operation"), "move");
  EXPECT_EQ(of(1, "status"), "completed");
  EXPECT_EQ(of(3, "status"), "failed");
  EXPECT_EQ(of(4, "status"), "skipped");
  EXPECT_EQ(of(5, "status"), "executing");
  EXPECT_EQ(of(1, "file_size"), "100");
  EXPECT_EQ(of(1, "checksum_before"), "md5:00112233445566778899aabbccddeeff");
  EXPECT_EQ(of(1, "checksum_after"), "md5:00112233445566778899aabbccddeeff");
  EXPECT_EQ(of(2, "checksum_before"), "crc32:12345678");
  EXPECT_EQ(of(2, "checksum_after"), "NULL");
  EXPECT_EQ(of(1, "started_at"), std::to_string(clock_.wall_ms() / 1000));
  EXPECT_EQ(of(1, "completed_at"), std::to_string(clock_.wall_ms() / 1000));
  EXPECT_EQ(of(5, "completed_at"), "NULL");
  EXPECT_EQ(of(3, "error_message"), "item 3 cannot be read");
  EXPECT_EQ(of(4, "error_message"), "identical");
  EXPECT_EQ(text(database, "SELECT count(*) FROM file_operations"), "6");

  EXPECT_EQ(text(database, "SELECT status FROM migration_executions"), "running");
  EXPECT_EQ(text(database, "SELECT plan_id FROM migration_executions"),
            execution_row().plan_id.value);
  EXPECT_EQ(text(database, "SELECT started_at FROM migration_executions"),
            std::to_string(clock_.wall_ms() / 1000));
  EXPECT_EQ(text(database, "SELECT completed_at FROM migration_executions"), "NULL");
  EXPECT_EQ(text(database,
                 "SELECT json_extract(progress, '$.succeeded_items') FROM migration_executions"),
            "2");
  EXPECT_EQ(text(database, "SELECT json_extract(errors, '$[0].type') FROM migration_executions"),
            "permission_denied");
  EXPECT_EQ(text(database, "SELECT tasks FROM migration_executions"), R"(["files-1"])");
  EXPECT_EQ(text(database, "SELECT verification_result FROM migration_executions"), "NULL");
}

/// A folder `d2` with one item in it, and one beside it.
AppendWork work_below_a_root(std::vector<NewPlace> places) {
  AppendWork work = first_work(1, 2);
  for (std::int64_t i = 1; i <= 2; ++i) {
    NewDirectory one;
    one.id = DirectoryId(i);
    one.parent = DirectoryId(i - 1);
    one.name = i == 1 ? "" : "d2";
    work.directories.push_back(one);
  }
  for (std::int64_t i = 0; i < 2; ++i)
    work.batches[0].items[static_cast<std::size_t>(i)].directory = DirectoryId(i + 1);
  work.places = std::move(places);
  return work;
}

/// "source > destination" of each item, in order of their ids.
std::string shown_paths(sql::Database& database) {
  return text(database,
              "SELECT group_concat(source_path || ' > ' || destination_path, ', ') FROM "
              "(SELECT * FROM file_operations ORDER BY CAST(id AS INTEGER))");
}

TEST_F(LedgerFile, EveryPlaceIsShownWhereItStands) {
  const struct {
    std::vector<NewPlace> places;
    std::string shown;
  } cases[] = {
      {{{"", "/a/photos", "/mnt/photos"}},
       "/a/photos/item-1 > /mnt/photos/item-1, /a/photos/d2/item-2 > /mnt/photos/d2/item-2"},
      {{{"", "/", "/"}}, "/item-1 > /item-1, /d2/item-2 > /d2/item-2"},
      {{{"", "/a", "/b"}, {"item-1", "/a/item-1", "/b/other"}},
       "/a/item-1 > /b/other, /a/d2/item-2 > /b/d2/item-2"},
      {{{"", "", "/dst/"}, {"item-1", "/a/x/item-1", ""}, {"d2", "/c/d2", ""}},
       "/a/x/item-1 > /dst/item-1, /c/d2/item-2 > /dst/d2/item-2"},
      {{}, "item-1 > item-1, d2/item-2 > d2/item-2"},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.shown);
    const std::string path = path_ + std::to_string(&one - cases);
    auto ledger = SqliteLedger::create(path, execution_row(), clock_);
    ASSERT_TRUE(ledger.ok()) << ledger.error().text();
    must_apply(**ledger, {work_below_a_root(one.places)});
    sql::Database database = outside(path);
    EXPECT_EQ(shown_paths(database), one.shown);
  }
}

TEST_F(LedgerFile, ARootIsShownWithoutASlashUnlessItIsOne) {
  const auto ledger = create(path_, clock_);
  AppendWork work = work_below_a_root({{"", "/", "/dst/"}});
  work.batches[0].items[0].name.clear();
  must_apply(*ledger, {work});
  sql::Database database = outside(path_);
  EXPECT_EQ(shown_paths(database), "/ > /dst, /d2/item-2 > /dst/d2/item-2");
}

TEST_F(LedgerFile, WhatHasGotAnotherNameIsShownUnderIt) {
  const auto ledger = create(path_, clock_);
  AppendWork work = work_below_a_root({{"", "/a", "/b"}, {"item-1", "/a/item-1", "/b/item-1"}});
  ItemOutcome at_the_root = completed(1);
  at_the_root.placed_name = "item-1 (2)";
  ItemOutcome below = completed(2);
  below.placed_name = "item-2 (2)";
  must_apply(*ledger, {work, SetStatus{}, start({{1, 1}}),
                       RecordOutcomes{BatchId(1), 1, {at_the_root, below}}});
  sql::Database database = outside(path_);
  EXPECT_EQ(shown_paths(database), "/a/item-1 > /b/item-1 (2), /a/d2/item-2 > /b/d2/item-2 (2)");
}

TEST_F(LedgerFile, APlaceIsGivenOnce) {
  const auto ledger = create(path_, clock_);
  AppendWork work = first_work(1, 1);
  work.complete = false;
  work.places = {{"", "/a", "/b"}, {"", "/c", "/d"}};
  EXPECT_EQ(refusal(*ledger, work), ErrorType::defect);
  work.places.pop_back();
  must_apply(*ledger, {work});
  AppendWork more;
  more.places = {{"", "/c", "/d"}};
  EXPECT_EQ(refusal(*ledger, more), ErrorType::defect);
}

/// With many sources and many items each row is found by keys alone: nothing but `item` itself is
/// read from end to end, and nothing is copied or indexed for the query.
TEST_F(LedgerFile, ARowOfFileOperationsIsFoundByKeys) {
  const auto ledger = create(path_, clock_);
  AppendWork work = first_work(100, 1000);
  work.places.push_back({"", "", "/dst"});
  for (int n = 0; n < 1000; ++n)
    work.places.push_back({"source-" + std::to_string(n), "/src/" + std::to_string(n), ""});
  must_apply(*ledger, {work, SetStatus{}, start({{1, 1}}),
                       RecordOutcomes{BatchId(1), 1, {completed(1), failed(2)}}});
  sql::Database database = outside(path_);
  ASSERT_EQ(text(database, "SELECT count(*) FROM item"), "100000");
  database.exec("ANALYZE").ignore("with and without statistics the plan is the same");
  for (const char* const query :
       {"SELECT * FROM file_operations", "SELECT * FROM file_operations WHERE status = 'failed'",
        "SELECT source_path, destination_path FROM file_operations LIMIT 10"}) {
    auto plan = database.prepare("EXPLAIN QUERY PLAN " + std::string(query));
    ASSERT_TRUE(plan.ok()) << plan.error().text();
    int steps = 0;
    for (auto more = plan->step(); more.ok() && *more; more = plan->step(), ++steps) {
      const std::string step = plan->column_string(3);
      const bool whole = step.starts_with("SCAN") && step != "SCAN i" && step != "SCAN e" &&
                         step != "SCAN up" && step != "SCAN x" && step != "SCAN y" &&
                         step != "SCAN CONSTANT ROW";
      EXPECT_FALSE(whole) << step;
      EXPECT_EQ(step.find("AUTOMATIC"), std::string::npos) << step;
      EXPECT_EQ(step.find("MATERIALIZE"), std::string::npos) << step;
    }
    EXPECT_GT(steps, 10);
  }
}

TEST_F(LedgerFile, TheViewsBearAnyPlan) {
  ExecutionRow row = execution_row();
  row.plan_json = "not json";
  auto ledger = SqliteLedger::create(path_, row, clock_);
  ASSERT_TRUE(ledger.ok()) << ledger.error().text();
  must_apply(**ledger, {first_work(1, 1)});
  sql::Database database = outside(path_);
  EXPECT_EQ(text(database, "SELECT source_path FROM file_operations"), "item-1");
  EXPECT_EQ(text(database, "SELECT operation FROM file_operations"), "copy");
  EXPECT_EQ((*ledger)->execution()->plan_json, "not json");
}

}  // namespace
}  // namespace dunlin::store::test
