// Death, take-over, verification and undo of a load.
#include <csignal>
#include <fstream>
#include <set>

#include "base/crash_point.h"
#include "records/fixture.h"
#include "support/self_exec.h"

namespace dunlin::records {
namespace {

using engine::ItemStatus;

constexpr const char* kFolder = "DUNLIN_TEST_FOLDER";
constexpr const char* kMode = "DUNLIN_TEST_MODE";

class Recovery : public RecordsTest, public ::testing::WithParamInterface<const char*> {
 protected:
  testing::LocalExecution::Options journaled() {
    auto journaled = options(30);
    journaled.journal_path = (folder_ / "journal").native();
    return journaled;
  }
  void fill() {
    source(kThings);
    source(
        "CREATE TABLE empty(a); CREATE TABLE pairs(a, b, PRIMARY KEY(a, b)) WITHOUT ROWID;"
        "INSERT INTO pairs SELECT id % 7, id FROM things");
  }
  /// Ends what a dead process began, as the next owner.
  void finish_and_compare(const std::string& mode) {
    const auto run = make_run(mode);
    std::unique_ptr<testing::LocalExecution> local;
    if (std::filesystem::exists(folder_ / "journal")) {
      auto taken = testing::LocalExecution::take_over(*run, journaled());
      ASSERT_TRUE(taken.ok()) << taken.error().text();
      local = std::move(taken).value();
    } else {
      local = std::make_unique<testing::LocalExecution>(*run, journaled());
    }
    const Status status = local->run_to_end();
    ASSERT_TRUE(status.ok()) << status.error().text();
    ASSERT_TRUE(local->verify().ok());
    EXPECT_EQ(local->differences(), 0);
    EXPECT_EQ(local->count(ItemStatus::completed),
              static_cast<std::int64_t>(local->items().size()));
    std::int64_t bytes = 0;
    for (const auto* item : local->items()) bytes += item->row.transferred_bytes;
    EXPECT_EQ(bytes, expected_bytes_) << "counters equal those of an undisturbed run";
    ASSERT_TRUE(local->release().ok());
    for (const char* table : {"things", "empty", "pairs"})
      expect_same("SELECT * FROM " + std::string(table) + " ORDER BY 1");
    EXPECT_EQ(rows(target_path_, "SELECT name FROM sqlite_master ORDER BY 1"),
              rows(source_path_, "SELECT name FROM sqlite_master ORDER BY 1"))
        << "nothing is left over";
    std::filesystem::remove(target_path_);
    std::filesystem::remove(folder_ / "journal");
  }
  void measure() {
    const auto run = make_run();
    testing::LocalExecution local(*run, options(30));
    ASSERT_TRUE(local.run_to_end().ok());
    for (const auto* item : local.items()) expected_bytes_ += item->row.transferred_bytes;
    ASSERT_GT(expected_bytes_, 0);
    std::filesystem::remove(target_path_);
  }
  std::int64_t expected_bytes_ = 0;
};

/// The process that dies: loads, then takes everything back, in the folder that its parent made.
class RecordsChild : public RecordsTest {
 protected:
  void SetUp() override {
    folder_ = std::getenv(kFolder);
    source_path_ = folder_ / "source.db";
    target_path_ = folder_ / "target.db";
  }
  void TearDown() override {}
};

TEST_F(RecordsChild, DISABLED_Loads) {
  const auto run = make_run(std::getenv(kMode));
  auto journaled = options(30);
  journaled.journal_path = (folder_ / "journal").native();
  testing::LocalExecution local(*run, journaled);
  const Status status = local.run_to_end();
  ASSERT_TRUE(status.ok()) << status.error().text();
  if (std::getenv("DUNLIN_TEST_UNDO") == nullptr) return;
  ASSERT_TRUE(local.undo().ok());
  ASSERT_TRUE(local.release().ok());
}

TEST_F(RecordsChild, DISABLED_GoesOnAfterBeingStopped) {
  const auto run = make_run(std::getenv(kMode));
  testing::LocalExecution local(*run, options(30));
  const Status status = local.run_to_end();
  ::_exit(!status.ok() && status.error().type == ErrorType::stale_owner ? 0 : 1);
}

/// (crash point, hits) of an undisturbed child.
[[maybe_unused]] std::multiset<std::string> hits_of(const std::filesystem::path& log) {
  std::multiset<std::string> hits;
  std::ifstream file(log);
  for (std::string line; std::getline(file, line);) hits.insert(line);
  return hits;
}

#if DUNLIN_CRASH_POINTS
INSTANTIATE_TEST_SUITE_P(Modes, Recovery, ::testing::Values("per-batch", "single"),
                         [](const auto& mode) {
                           return mode.param[0] == 's' ? "Single" : "PerBatch";
                         });

TEST_P(Recovery, ADeathAtEveryStepEndsLikeAnUndisturbedRun) {
  fill();
  measure();
  const std::map<std::string, std::string> base{{kFolder, folder_.native()}, {kMode, GetParam()}};
  auto logged = base;
  logged["DUNLIN_CRASH_LOG"] = (folder_ / "log").native();
  ASSERT_TRUE(testing::succeeded(testing::run_self("RecordsChild.DISABLED_Loads", logged)));
  std::filesystem::remove(target_path_);
  std::filesystem::remove(folder_ / "journal");
  const auto hits = hits_of(folder_ / "log");
  const std::set<std::string> names(hits.begin(), hits.end());
  EXPECT_GE(names.size(), 8U);
  for (const std::string& name : names) {
    for (const std::size_t n : {std::size_t{1}, hits.count(name)}) {  // the first and the last time
      SCOPED_TRACE(name + ":" + std::to_string(n));
      auto dying = base;
      dying["DUNLIN_CRASH_AT"] = name + ":" + std::to_string(n);
      ASSERT_TRUE(testing::was_killed(testing::run_self("RecordsChild.DISABLED_Loads", dying)));
      finish_and_compare(GetParam());
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(Recovery, ADeathInUndoIsFinishedByTheNextOwner) {
  fill();
  target("CREATE TABLE before(a); INSERT INTO before VALUES(1)");
  const auto before = rows(target_path_, "SELECT name, sql FROM sqlite_master");
  for (const char* point : {"records.undo.before:1", "records.undo.after:1", "records.undo.after:4",
                            "records.release.before:1", "records.release.after:1"}) {
    SCOPED_TRACE(point);
    ASSERT_TRUE(testing::was_killed(
        testing::run_self("RecordsChild.DISABLED_Loads", {{kFolder, folder_.native()},
                                                          {kMode, GetParam()},
                                                          {"DUNLIN_TEST_UNDO", "1"},
                                                          {"DUNLIN_CRASH_AT", point}})));
    const auto run = make_run(GetParam());
    auto local = testing::LocalExecution::take_over(*run, journaled());
    ASSERT_TRUE(local.ok());
    const Status undone = (*local)->undo();
    ASSERT_TRUE(undone.ok()) << undone.error().text();
    ASSERT_TRUE((*local)->release().ok());
    EXPECT_EQ(rows(target_path_, "SELECT name, sql FROM sqlite_master"), before);
    std::filesystem::remove(folder_ / "journal");
  }
}

TEST_P(Recovery, AStoppedOwnerThatGoesOnAfterATakeOverWritesNothing) {
  fill();
  // Stopped outside of a transaction: inside one it holds the target's write lock, and no take-over
  // can pass it by.
  const pid_t child = testing::start_self("RecordsChild.DISABLED_GoesOnAfterBeingStopped",
                                          {{kFolder, folder_.native()},
                                           {kMode, GetParam()},
                                           {"DUNLIN_CRASH_STOP", "records.begin.before:1"}});
  ASSERT_TRUE(WIFSTOPPED(testing::wait_self(child, WUNTRACED)));
  const auto run = make_run(GetParam());
  auto second = options(30);
  testing::LocalExecution local(*run, second);
  local.mutable_ledger().epoch = 2;
  ASSERT_TRUE(local.run_to_end().ok());
  const auto before = rows(target_path_, "SELECT * FROM __dunlin_batches");
  ::kill(child, SIGCONT);
  EXPECT_TRUE(testing::succeeded(testing::wait_self(child))) << "it has to end with stale_owner";
  EXPECT_EQ(rows(target_path_, "SELECT * FROM __dunlin_batches"), before);
  EXPECT_EQ(count("things"), 95);
}
#endif

TEST_F(Recovery, ALoadRepeatedWithoutItsStateNeverDoublesRows) {
  source("CREATE TABLE heap(v); INSERT INTO heap VALUES(1), (1), (1)");
  load("per-batch", 1);
  const auto again = make_run();
  auto anew = options(1);
  anew.execution = ExecutionId("01890000-0000-7000-8000-00000000beef");
  testing::LocalExecution forgotten(*again, anew);
  ASSERT_TRUE(forgotten.run_to_end().ok());
  EXPECT_EQ(forgotten.count(ItemStatus::failed), 3);
  EXPECT_EQ(count("heap"), 3);
}

TEST_F(Recovery, ALedgerAndATargetThatDoNotBelongTogetherAreNotMixed) {
  source("CREATE TABLE heap(v); INSERT INTO heap VALUES(1), (1), (1)");
  load("per-batch", 1);
  const auto again = make_run();
  testing::LocalExecution other(
      *again, options(1));  // the same execution, but the table is there: other batch ids
  ASSERT_TRUE(other.enumerate().ok());
  const Status status = other.run_to_end();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().type, ErrorType::root_changed);
  EXPECT_EQ(count("heap"), 3);
}

TEST_F(Recovery, APauseGivesTheSingleTransactionBack) {
  fill();
  const auto run = make_run("single");
  testing::LocalExecution local(*run, options(30));
  ASSERT_TRUE(local.enumerate().ok());
  local.mutable_ledger().enumeration_complete = false;  // so that no commit follows
  ASSERT_TRUE(local.execute().ok());
  EXPECT_FALSE(target_has("things")) << "nothing is visible before the commit";
  run->close(local.context());
  ASSERT_TRUE(open(target_path_).exec("CREATE TABLE free(a)").ok())
      << "the write lock is free again";
  target("DROP TABLE free");
  const auto next = make_run("single");
  local.take_over(*next);
  local.mutable_ledger().enumeration_complete = true;
  ASSERT_TRUE(local.run_to_end().ok());
  EXPECT_EQ(count("things"), 95);
}

TEST_F(Recovery, CancellationLeavesTheRangePending) {
  fill();
  const auto run = make_run();
  testing::LocalExecution local(*run, options(30));
  ASSERT_TRUE(local.enumerate().ok());
  local.cancel_source().request(CancelReason::pause);
  const Status status = local.execute();
  EXPECT_TRUE(status.ok() || status.error().type == ErrorType::interrupted)
      << status.error().text();
  EXPECT_EQ(local.count(ItemStatus::completed, "load_table"), 0);
}

TEST_F(Recovery, VerificationFindsEachKindOfDamage) {
  fill();
  const auto run = make_run();
  testing::LocalExecution local(*run, options(30));
  ASSERT_TRUE(local.run_to_end().ok());
  target(
      "UPDATE things SET weight = weight + 1e-9 WHERE id = 3; DELETE FROM things WHERE id = 120;"
      "UPDATE things SET anything = CAST(anything AS TEXT) WHERE id = 240; UPDATE pairs SET b = -1 "
      "WHERE b = 285");
  ASSERT_TRUE(local.verify().ok());
  EXPECT_EQ(local.differences(), 4);
  EXPECT_NE(local.item("things[3,90]")
                ->difference->message.find("0 rows missing, 1 different, the first one at key 3"),
            std::string::npos);
}

TEST_F(Recovery, VerificationAfterReleaseLeavesNoTrace) {
  fill();
  const auto run = make_run();
  testing::LocalExecution local(*run, options(30));
  ASSERT_TRUE(local.run_to_end().ok());
  ASSERT_TRUE(local.release().ok());
  const auto later = make_run();
  local.take_over(*later);
  ASSERT_TRUE(local.verify().ok());
  EXPECT_EQ(local.differences(), 0);
  EXPECT_FALSE(target_has("__dunlin_epochs"));
  std::filesystem::remove(target_path_);
  const auto last = make_run();
  local.take_over(*last);
  ASSERT_TRUE(local.verify().ok());
  EXPECT_EQ(local.verified(), 0);
  ASSERT_TRUE(local.release().ok());
  EXPECT_FALSE(std::filesystem::exists(target_path_));
}

TEST_F(Recovery, UndoTakesBackExactlyWhatWasLoaded) {
  fill();
  target(
      "CREATE TABLE things(id INTEGER PRIMARY KEY, name TEXT NOT NULL, weight REAL, payload BLOB, "
      "anything);"
      "INSERT INTO things VALUES(4, 'between', 0, 0, 0), (1000, 'after', 0, 0, 0)");
  const auto run = make_run();
  testing::LocalExecution local(*run, options(30));
  ASSERT_TRUE(local.run_to_end().ok());
  ASSERT_TRUE(local.verify().ok());
  EXPECT_EQ(local.differences(), 0) << "rows that were there before are no difference";
  ASSERT_TRUE(local.undo().ok());
  EXPECT_EQ(local.count(ItemStatus::rolled_back), static_cast<std::int64_t>(local.items().size()));
  EXPECT_EQ(count("things"), 2);
  EXPECT_FALSE(target_has("pairs"));
  EXPECT_FALSE(target_has("empty"));
}

TEST_F(Recovery, UndoKeepsWhatSomebodyChanged) {
  fill();
  const auto run = make_run();
  testing::LocalExecution local(*run, options(30));
  ASSERT_TRUE(local.run_to_end().ok());
  target("UPDATE things SET name = 'mine' WHERE id = 3; INSERT INTO empty VALUES(1)");
  ASSERT_TRUE(local.undo().ok());
  EXPECT_EQ(count("things"), 30) << "the range that was changed stays as a whole";
  EXPECT_EQ(count("empty"), 1);
  EXPECT_EQ(local.item("things[3,90]")->error->type, ErrorType::destination_changed);
  EXPECT_EQ(local.item("empty")->error->type, ErrorType::destination_changed);
}

TEST_F(Recovery, UndoNeedsNoSource) {
  fill();
  const auto run = make_run();
  testing::LocalExecution local(*run, options(30));
  ASSERT_TRUE(local.run_to_end().ok());
  std::filesystem::rename(source_path_, folder_ / "gone.db");
  const auto later = make_run();
  local.take_over(*later);
  ASSERT_TRUE(local.undo().ok());
  EXPECT_FALSE(target_has("things"));
}

TEST_F(Recovery, AnEnumerationThatWasInterruptedGoesOnWithoutGapOrOverlap) {
  source(
      "CREATE TABLE a(v); CREATE TABLE b(v); CREATE TABLE e(v); INSERT INTO b VALUES(1);"
      "CREATE TABLE z(k TEXT PRIMARY KEY, v) WITHOUT ROWID;"
      "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 70) "
      "INSERT INTO a SELECT i FROM n; INSERT INTO z SELECT v, v FROM a LIMIT 3;");
  for (int allowed = 0; allowed < 5;
       ++allowed) {  // chunks that are journaled before the process dies
    SCOPED_TRACE(allowed);
    auto dying = options(1);
    int commits = 0;
    dying.on_commit = [&]() -> Status {
      if (commits++ == allowed) return Error(ErrorType::interrupted, "dies here");
      return success();
    };
    const auto first = make_run();
    testing::LocalExecution local(*first, dying);
    if (local.enumerate().ok()) break;
    const auto second = make_run();
    local.take_over(*second);
    const Status status = local.run_to_end();
    ASSERT_TRUE(status.ok()) << status.error().text();
    EXPECT_EQ(local.items("create_table").size(), 4U);
    EXPECT_EQ(local.items("load_table").size(), 74U);
    EXPECT_EQ(local.count(ItemStatus::completed), 78);
    for (const char* table : {"a", "b", "e", "z"})
      expect_same("SELECT * FROM " + std::string(table) + " ORDER BY 1");
    std::filesystem::remove(target_path_);
  }
}

TEST_F(Recovery, EnumerationAndBatchesShareTheReaderWithoutDeadlock) {
  source(kThings);
  const auto run = make_run();
  testing::LocalExecution local(*run, options(1));
  auto eager = options(1);
  testing::LocalExecution* self = nullptr;
  eager.on_commit = [&] {
    return self->execute();
  };  // the engine may wait in commit() for batches to make room
  testing::LocalExecution nested(*run, eager);
  self = &nested;
  const Status status = nested.enumerate();
  ASSERT_TRUE(status.ok()) << status.error().text();
  ASSERT_TRUE(nested.execute().ok());
  EXPECT_EQ(count("things"), 95);
}

TEST_F(Recovery, ADamagedPageFailsItsRangeOnly) {
  source(
      "PRAGMA page_size = 512; CREATE TABLE t(id INTEGER PRIMARY KEY, v);"
      "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 20) INSERT INTO t "
      "SELECT i, randomblob(3000) FROM n;");
  const auto run = make_run();
  testing::LocalExecution local(*run, options(5));
  ASSERT_TRUE(local.enumerate().ok());
  {  // an overflow page of a row in the middle: only who reads the row itself meets it
    std::fstream file(source_path_, std::ios::in | std::ios::out | std::ios::binary);
    const auto size = std::filesystem::file_size(source_path_);
    for (std::uintmax_t page = size / 2 / 512; page < size / 2 / 512 + 3; ++page) {
      file.seekp(static_cast<std::streamoff>(page * 512));
      file.write("\xff\xff\xff\xff", 4);
    }
  }
  const Status status = local.execute();
  ASSERT_TRUE(status.ok()) << status.error().text();
  const std::int64_t failed = local.count(ItemStatus::failed);
  EXPECT_TRUE(failed == 1 || failed == 2) << failed;
  EXPECT_EQ(count("t"), 20 - 5 * failed);
}

TEST_F(Recovery, TheReportCountsRowsByEntity) {
  fill();
  const auto run = make_run();
  testing::LocalExecution local(*run, options(30));
  ASSERT_TRUE(local.run_to_end().ok());
  const Json sections = run->report_sections();
  EXPECT_EQ(sections["results"]["total_created"], 190);
}

}  // namespace
}  // namespace dunlin::records
