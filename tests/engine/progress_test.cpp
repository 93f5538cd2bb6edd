// Progress: the originals' names, null for the unknown, 100 only when done, rates and ETA.
#include "engine/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/engine.h"

namespace dunlin::engine {
namespace {

using store::ExecutionRow;
using store::ExecutionStatus;

ExecutionRow halfway() {
  ExecutionRow row;
  row.status = ExecutionStatus::running;
  row.phase = "loading";
  row.settings_json = R"({"verification_level":"none"})";
  row.started_ms = 1'000'000;
  row.enumeration_complete = true;
  row.counters.total_items = 100;
  row.counters.total_bytes = 1'000'000'000;
  row.counters.succeeded_items = 40;
  row.counters.failed_items = 6;
  row.counters.skipped_items = 4;
  row.counters.processed_bytes = 500'000'000;
  row.counters.transferred_bytes = 450'000'000;
  row.counters.total_batches = 10;
  row.counters.ended_batches = 5;
  return row;
}

TEST(Progress, CarriesEveryFieldOfTheOriginals) {
  const Json json = progress_json(progress_of(halfway(), 1'010'000), "files");
  for (const char* field :
       {"total_files", "processed_files", "successful_files", "failed_files", "skipped_files",
        "total_bytes", "processed_bytes", "transferred_bytes", "current_batch", "total_batches",
        "completed_batches", "estimated_time_remaining", "transfer_speed", "percent_complete",
        "phase", "records_per_second", "paused_duration_seconds", "average_transfer_speed",
        "peak_transfer_speed"})
    EXPECT_TRUE(json.contains(field)) << field;
  EXPECT_EQ(json["processed_files"], 50);
  EXPECT_EQ(json["current_batch"], 6);
  EXPECT_EQ(json["percent_complete"], 50.0);
  EXPECT_EQ(json["average_transfer_speed"], 45'000'000);
  EXPECT_TRUE(progress_json(Progress{}, "records").contains("total_records"));
}

TEST(Progress, ATimeBeforeTheStartGivesNoNegativeDurationOrRate) {
  ExecutionRow row = halfway();
  row.paused_since_ms = 2'000'000;
  for (const std::int64_t now_ms : {0, 999'999, 1'000'000}) {
    Progress progress = progress_of(row, now_ms);
    RateMeter meter;
    meter.fill(progress, 50'000);
    meter.fill(progress, 40'000);  // cannot be, and does no harm
    EXPECT_EQ(progress.running_seconds, 0);
    EXPECT_EQ(progress.paused_seconds, 0);
    EXPECT_FALSE(progress.average_bytes_per_second.has_value());
    EXPECT_GE(progress.bytes_per_second.value_or(0), 0);
    EXPECT_GE(progress.estimated_seconds_remaining.value_or(0), 0);
  }
  row.ended_ms = 500'000;  // ended under a clock that was set back
  EXPECT_EQ(progress_of(row, 1'010'000).running_seconds, 0);
}

TEST(Progress, TheUnknownIsNullAndNeverZero) {
  ExecutionRow row;
  const Json json = progress_json(progress_of(row, 5), "records");
  for (const char* field :
       {"total_records", "total_bytes", "total_batches", "current_batch", "transfer_speed",
        "estimated_time_remaining", "phase", "records_per_second"})
    EXPECT_TRUE(json[field].is_null()) << field;
  EXPECT_EQ(json["processed_records"], 0);
}

TEST(Progress, AnEmptyMigrationHasZeroTotalsAndNotUnknownOnes) {
  ExecutionRow row;
  row.enumeration_complete = true;
  row.status = ExecutionStatus::completed;
  const Json json = progress_json(progress_of(row, 5), "files");
  EXPECT_EQ(json["total_files"], 0);
  EXPECT_EQ(json["percent_complete"], 100.0);
  EXPECT_EQ(json["estimated_time_remaining"], 0);
}

TEST(Progress, HundredPercentOnlyWhenDone) {
  ExecutionRow row = halfway();
  row.counters.succeeded_items = 90;
  row.counters.processed_bytes = row.counters.total_bytes;
  row.counters.ended_batches = row.counters.verified_batches = 10;
  for (const auto status : {ExecutionStatus::running, ExecutionStatus::failed,
                            ExecutionStatus::paused, ExecutionStatus::cancelled}) {
    row.status = status;
    EXPECT_EQ(progress_of(row, 1'010'000).percent_complete, 99.9);
  }
  row.status = ExecutionStatus::completed;
  EXPECT_EQ(progress_of(row, 1'010'000).percent_complete, 100);
}

TEST(Progress, TheVerificationPassCounts) {
  ExecutionRow row = halfway();
  row.settings_json = R"({"verification_level":"full"})";
  row.counters.succeeded_items = 90;
  row.counters.processed_bytes = row.counters.total_bytes;
  EXPECT_EQ(progress_of(row, 1'010'000).percent_complete, 90);
  row.counters.verified_batches = 5;
  EXPECT_EQ(progress_of(row, 1'010'000).percent_complete, 95);
}

TEST(Progress, ItemsWeighWhereBytesAreUnknownAndBytesWhereTheyDominate) {
  ExecutionRow row = halfway();
  row.counters.total_bytes = row.counters.processed_bytes = 0;
  EXPECT_EQ(progress_of(row, 1'010'000).percent_complete, 50);
  row.counters.total_bytes = 1'000'000'000'000;
  EXPECT_LT(progress_of(row, 1'010'000).percent_complete, 1);
}

TEST(Progress, RollbackCountsWhatIsTakenBack) {
  ExecutionRow row = halfway();
  row.status = ExecutionStatus::rolling_back;
  row.phase = "rolling_back";
  row.counters.undone_batches = 1;
  --row.counters.ended_batches;
  EXPECT_EQ(progress_of(row, 1'010'000).percent_complete, 20);
  row.counters.undone_batches = 3;
  row.counters.ended_batches = 2;
  EXPECT_EQ(progress_of(row, 1'010'000).percent_complete, 60);
}

TEST(Progress, ARollbackAdvancesWithEachItemBeforeItsBatchHasEnded) {
  ExecutionRow row = halfway();
  row.status = ExecutionStatus::rolling_back;
  row.phase = "rolling_back";
  row.counters.undone_batches = 0;
  row.counters.succeeded_items = 30;
  row.counters.rolled_back_items = 10;
  EXPECT_EQ(progress_of(row, 1'010'000).percent_complete, 25);
  row.counters.succeeded_items = 0;
  row.counters.rolled_back_items = 40;
  EXPECT_EQ(progress_of(row, 1'010'000).percent_complete, 99.9) << "not done until it says so";
}

TEST(Progress, PausesAreNotRunningTime) {
  ExecutionRow row = halfway();
  row.paused_ms_total = 2000;
  row.paused_since_ms = 1'007'000;
  const auto progress = progress_of(row, 1'010'000);
  EXPECT_EQ(progress.paused_seconds, 5);
  EXPECT_EQ(progress.running_seconds, 5);
}

TEST(RateMeter, GivesRatesOverTheWindowAndAnEta) {
  RateMeter meter;
  Progress progress;
  ExecutionRow row = halfway();
  for (std::int64_t second = 0; second <= 20; ++second) {
    progress = progress_of(row, 1'010'000);
    meter.fill(progress, second * 1000);
    meter.add_bytes(10'000'000);
    meter.add_items(1);
    row.counters.processed_bytes += 10'000'000;
    row.counters.transferred_bytes += 10'000'000;
    row.counters.succeeded_items += 1;
  }
  ASSERT_TRUE(progress.bytes_per_second.has_value());
  EXPECT_NEAR(*progress.bytes_per_second, 1e7, 1e5);
  EXPECT_NEAR(*progress.items_per_second, 1, 0.1);
  EXPECT_NEAR(*progress.peak_bytes_per_second, 1e7, 1e5);
  ASSERT_TRUE(progress.estimated_seconds_remaining.has_value());
  EXPECT_NEAR(static_cast<double>(*progress.estimated_seconds_remaining), 30, 2);
}

TEST(RateMeter, KnowsNoRateAfterAnInstant) {
  RateMeter meter;
  Progress progress = progress_of(halfway(), 1'010'000);
  meter.fill(progress, 5000);
  EXPECT_FALSE(progress.bytes_per_second.has_value());
  EXPECT_FALSE(progress.estimated_seconds_remaining.has_value());
}

TEST(RateMeter, OneHugeItemMovesThePercentBeforeItEnds) {
  RateMeter meter;
  ExecutionRow row;
  row.status = ExecutionStatus::running;
  row.phase = "loading";
  row.counters.total_items = 1;
  row.counters.total_bytes = 100LL << 30;
  double last = -1;
  for (int step = 0; step < 10; ++step) {
    Progress progress = progress_of(row, 0);
    meter.fill(progress, step * 1000);
    EXPECT_GT(progress.percent_complete, last);
    last = progress.percent_complete;
    meter.add_bytes(10LL << 30);
  }
  EXPECT_GT(last, 70);
  // The item is tried again: bytes move twice, the percent neither passes 100 nor goes back.
  meter.add_bytes(90LL << 30);
  Progress progress = progress_of(row, 0);
  meter.fill(progress, 20'000);
  EXPECT_GE(progress.percent_complete, last);
  EXPECT_LT(progress.percent_complete, 100);
  EXPECT_LE(progress.counters.processed_bytes, row.counters.total_bytes);
}

TEST(RateMeter, PercentGoesBackOnlyWhenEnumerationFindsMore) {
  RateMeter meter;
  ExecutionRow row = halfway();
  Progress before = progress_of(row, 0);
  meter.fill(before, 0);
  row.counters.processed_bytes -= 100'000'000;  // reopened by a retry
  Progress after = progress_of(row, 0);
  meter.fill(after, 1000);
  EXPECT_EQ(after.percent_complete, before.percent_complete);
  row.counters.total_bytes *= 10;
  Progress more = progress_of(row, 0);
  meter.fill(more, 2000);
  EXPECT_LT(more.percent_complete, before.percent_complete);
}

TEST(Snapshot, IsOneResourceUnderTheOriginalsNames) {
  Snapshot snapshot;
  snapshot.row = halfway();
  snapshot.row.id = ExecutionId("0193e0a0-0000-7000-8000-000000000001");
  snapshot.row.kind = "files";
  snapshot.row.description = "copy /a\n to /b";
  snapshot.shown_status = ExecutionStatus::paused;
  snapshot.interrupted = true;
  snapshot.noun = "files";
  snapshot.progress = progress_of(snapshot.row, 1'010'000);
  snapshot.error_counts = {{"permission_denied", 5}, {"read_error", 1}};
  const Json json = snapshot_json(snapshot);
  EXPECT_EQ(json["status"], "paused");
  EXPECT_EQ(json["interrupted"], true);
  EXPECT_EQ(json["execution_id"], snapshot.row.id.value);
  EXPECT_EQ(json["started_at"], "1970-01-01T00:16:40.000Z");
  EXPECT_TRUE(json["completed_at"].is_null());
  EXPECT_EQ(json["progress"]["total_files"], 100);
  EXPECT_EQ(json["error_summary"]["total"], 6);
  EXPECT_EQ(json["verification"]["verified_files"], 0);
  EXPECT_FALSE(json.contains("job_id"));
}

TEST(Snapshot, VerbsFollowTheStateMachine) {
  store::Counters counters;
  const auto has = [&](ExecutionStatus status, std::string_view verb,
                       std::string_view phase = "loading") {
    ExecutionRow row;
    row.counters = counters;
    row.phase = phase;
    const auto verbs = allowed_verbs(row, status);
    return std::find(verbs.begin(), verbs.end(), verb) != verbs.end();
  };
  EXPECT_TRUE(has(ExecutionStatus::running, "pause"));
  EXPECT_FALSE(has(ExecutionStatus::running, "resume"));
  EXPECT_TRUE(has(ExecutionStatus::paused, "resume"));
  EXPECT_TRUE(has(ExecutionStatus::paused, "retry"));
  EXPECT_FALSE(has(ExecutionStatus::paused, "retry", "rolling_back"));
  EXPECT_TRUE(has(ExecutionStatus::paused, "cancel", "rolling_back"));
  EXPECT_TRUE(has(ExecutionStatus::failed, "resume"));
  EXPECT_FALSE(has(ExecutionStatus::completed, "resume"));
  EXPECT_TRUE(has(ExecutionStatus::cancelled, "rollback"));
  EXPECT_FALSE(has(ExecutionStatus::failed, "verify"));
  EXPECT_FALSE(has(ExecutionStatus::rolled_back, "rollback"));
  EXPECT_TRUE(has(ExecutionStatus::completed, "accept"));
  EXPECT_FALSE(has(ExecutionStatus::paused, "delete"));
  counters.succeeded_directories = 1;
  counters.differences = 1;
  EXPECT_TRUE(has(ExecutionStatus::rolled_back, "rollback")) << "of what was left alone";
  EXPECT_TRUE(has(ExecutionStatus::failed, "verify")) << "what differed may have been mended";
}

TEST(Snapshot, WhatWasAcceptedIsNotTakenBack) {
  const auto verbs = allowed_verbs({}, ExecutionStatus::completed, Undo::given_up);
  EXPECT_THAT(verbs, ::testing::Not(::testing::Contains("rollback")));
  EXPECT_THAT(verbs, ::testing::Contains("accept")) << "some of it may be there still";
}

TEST(Snapshot, ADryRunHasNothingToProveOrTakeBack) {
  ExecutionRow row;
  row.mode = kDryRun;
  EXPECT_THAT(allowed_verbs(row, ExecutionStatus::completed),
              ::testing::ElementsAre("retry", "skip", "delete"));
}

TEST(RateMeter, WhatAnEarlierLifeHasMovedIsDoneAtNoRate) {
  ExecutionRow row = halfway();
  RateMeter meter;
  meter.begin(row.counters.transferred_bytes);
  meter.sample(50'000);
  meter.add_kept(300'000'000);
  meter.add_bytes(10'000'000);
  Progress progress = progress_of(row, 1'010'000);
  meter.fill(progress, 51'000);
  EXPECT_EQ(progress.counters.processed_bytes, 810'000'000);
  EXPECT_EQ(progress.bytes_per_second, 10'000'000);
  EXPECT_EQ(progress.estimated_seconds_remaining, 20);

  // Once the file has ended the ledger counts all of it, and nothing of the next one is hidden.
  row.counters.processed_bytes += 310'000'000;
  row.counters.transferred_bytes += 310'000'000;
  meter.add_bytes(5'000'000);
  progress = progress_of(row, 1'011'000);
  meter.fill(progress, 52'000);
  EXPECT_EQ(progress.counters.processed_bytes, 815'000'000);
}

TEST(RateMeter, WhoAsksForTheFirstTimeLearnsWhatIsInFlightAndItsRate) {
  RateMeter meter;
  meter.begin(halfway().counters.transferred_bytes);
  meter.sample(50'000);
  meter.add_bytes(40'000'000);
  Progress progress = progress_of(halfway(), 1'010'000);
  meter.fill(progress, 54'000);
  EXPECT_EQ(progress.counters.processed_bytes, 540'000'000);
  EXPECT_EQ(progress.bytes_per_second, 10'000'000);
}

TEST(RateMeter, WhoAsksRarelyGetsARateToo) {
  RateMeter meter;
  for (std::int64_t now_ms = 0; now_ms <= 60'000; now_ms += 20'000) {
    Progress progress = progress_of(halfway(), 1'010'000);
    meter.fill(progress, now_ms);
    EXPECT_EQ(progress.bytes_per_second.value_or(0), now_ms > 0 ? 1'000'000 : 0) << now_ms;
    meter.add_bytes(20'000'000);
  }
}

TEST(RateMeter, WhatIsTriedAgainInThisProcessCountsOnce) {
  ExecutionRow row = halfway();
  RateMeter meter;
  meter.begin(row.counters.transferred_bytes);
  const auto processed = [&](std::int64_t now_ms) {
    Progress progress = progress_of(row, 1'010'000);
    meter.fill(progress, now_ms);
    return progress.counters.processed_bytes;
  };
  meter.add_bytes(100'000'000);  // of a file of 200,000,000, which then fails
  EXPECT_EQ(processed(50'000), 600'000'000);
  meter.pass_ended(100'000'000, 0);
  EXPECT_EQ(processed(51'000), 500'000'000);
  meter.add_kept(90'000'000);  // the next try goes on behind what holds
  meter.add_bytes(110'000'000);
  EXPECT_EQ(processed(52'000), 700'000'000);
  meter.pass_ended(200'000'000, 200'000'000);
  row.counters.processed_bytes += 200'000'000;
  row.counters.transferred_bytes += 200'000'000;
  EXPECT_EQ(processed(53'000), 700'000'000) << "and nothing of it stays in flight";
  meter.add_bytes(5'000'000);
  EXPECT_EQ(processed(54'000), 705'000'000);
}

TEST(RateMeter, WhatOnlyTheLedgerKnowsOfHidesNothing) {
  ExecutionRow row = halfway();
  RateMeter meter;
  meter.begin(row.counters.transferred_bytes);
  const auto processed = [&](std::int64_t now_ms) {
    Progress progress = progress_of(row, 1'010'000);
    meter.fill(progress, now_ms);
    return progress.counters.processed_bytes;
  };
  meter.add_bytes(30'000'000);  // under way while a clone ends of which nobody has told
  row.counters.transferred_bytes += 200'000'000;
  row.counters.processed_bytes += 200'000'000;
  static_cast<void>(processed(50'000));
  meter.pass_ended(0, 200'000'000);
  EXPECT_EQ(processed(51'000), 730'000'000);
  meter.add_bytes(10'000'000);
  EXPECT_EQ(processed(52'000), 740'000'000);
}

TEST(RateMeter, TheTimeLeftKnowsOfWhatIsReadBack) {
  ExecutionRow row = halfway();
  RateMeter meter;
  meter.begin(row.counters.transferred_bytes);
  meter.sample(50'000);
  meter.add_bytes(100'000'000);
  Progress progress = progress_of(row, 1'010'000);
  meter.fill(progress, 60'000, {true, 0});
  // 400 MB are to be copied and 500 MB read back, at 10 MB/s.
  EXPECT_NEAR(static_cast<double>(progress.estimated_seconds_remaining.value_or(0)), 90, 1);
  progress = progress_of(row, 1'010'000);
  meter.fill(progress, 60'000);
  EXPECT_NEAR(static_cast<double>(progress.estimated_seconds_remaining.value_or(0)), 40, 1)
      << "where nothing is read back";

  meter.add_bytes(400'000'000);  // all of it is copied, and a part of it read back
  meter.add_read_back(200'000'000);
  progress = progress_of(row, 1'010'000);
  meter.fill(progress, 70'000, {true, 200'000'000});
  EXPECT_EQ(progress.counters.processed_bytes, 1'000'000'000);
  // 300 MB at 35 MB/s: what was copied in these twenty seconds was work as well.
  EXPECT_NEAR(static_cast<double>(progress.estimated_seconds_remaining.value_or(0)), 9, 1);
}

TEST(RateMeter, ClonesAreNotExpectedToBeReadBack) {
  ExecutionRow row = halfway();
  RateMeter meter;
  meter.begin(row.counters.transferred_bytes);
  meter.sample(50'000);
  meter.add_bytes(100'000'000);  // read for its hash
  meter.pass_ended(100'000'000, 100'000'000);
  row.counters.processed_bytes += 100'000'000;
  row.counters.transferred_bytes += 100'000'000;
  Progress progress = progress_of(row, 1'010'000);
  meter.fill(progress, 60'000, {true, 0});
  EXPECT_NEAR(static_cast<double>(progress.estimated_seconds_remaining.value_or(0)), 40, 1);
}

}  // namespace
}  // namespace dunlin::engine
