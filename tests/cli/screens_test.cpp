// Status screen, last words, exit codes, JSON shapes: from values to what is shown.
#include "cli/screens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/exit_code.h"
#include "cli/ledger_json.h"

namespace dunlin::cli {
namespace {

using store::ExecutionStatus;
using ::testing::HasSubstr;
using ::testing::Not;

engine::Snapshot snapshot_of(ExecutionStatus status) {
  engine::Snapshot out;
  out.row.number = 3;
  out.row.id = ExecutionId("0193e0a0-0000-7000-8000-000000000003");
  out.row.kind = "files";
  out.row.description = "copy /a to /b";
  out.row.status = out.shown_status = status;
  out.row.settings_json = R"({"verification_level":"full"})";
  out.row.started_ms = 1'000'000;
  out.row.ended_ms = 1'022'000;
  out.row.attempt = 1;
  out.row.counters.total_items = 10;
  out.row.counters.succeeded_items = 10;
  out.row.counters.verified_items = 10;
  out.row.counters.total_bytes = out.row.counters.transferred_bytes = 1 << 30;
  out.noun = "files";
  out.allowed_verbs = engine::allowed_verbs(out.row, status);
  out.progress = engine::progress_of(out.row, 1'030'000);
  return out;
}

std::string summary_of(const engine::Snapshot& snapshot, std::optional<Error> reason = {}) {
  const Terminal plain(-1, false);
  return summary_text({snapshot, std::move(reason), {}, 1'030'000, -1}, plain);
}

TEST(Summary, SaysWhatWasDoneAndProven) {
  const auto text = summary_of(snapshot_of(ExecutionStatus::completed));
  EXPECT_EQ(text,
            "completed: copy /a to /b  (execution 3)\n"
            "  copied      10 files, 1.00 GiB in 22s (46.5 MiB/s)\n"
            "  verified    all 10 files compared equal to their source (full)\n");
}

TEST(Summary, NamesFailuresAndWhatToType) {
  auto snapshot = snapshot_of(ExecutionStatus::completed);
  snapshot.row.counters.succeeded_items = 7;
  snapshot.row.counters.failed_items = 2;
  snapshot.row.counters.skipped_items = 1;
  snapshot.error_counts = {{"permission_denied", 2}};
  const auto text = summary_of(snapshot);
  EXPECT_THAT(text, HasSubstr("failed      2 files: permission_denied 2"));
  EXPECT_THAT(text, HasSubstr("skipped     1 file\n"));
  EXPECT_THAT(text, HasSubstr("dunlin retry 3"));
}

TEST(Summary, DirectoriesStandBesideTheFilesAndTheirTimesNowhere) {
  auto snapshot = snapshot_of(ExecutionStatus::completed);
  auto& counters = snapshot.row.counters;
  counters.total_directories = counters.succeeded_directories = 2;
  counters.total_steps = counters.succeeded_steps = 3;
  EXPECT_THAT(summary_of(snapshot), HasSubstr("copied      10 files in 2 directories, 1.00 GiB"));
  EXPECT_THAT(summary_of(snapshot), Not(HasSubstr("steps")));
  EXPECT_EQ(exit_code_of(snapshot), kDone);

  counters.succeeded_directories = 1;
  counters.failed_directories = 1;
  counters.succeeded_steps = 1;
  counters.failed_steps = 2;
  snapshot.error_counts = {{"permission_denied", 3}};
  EXPECT_THAT(summary_of(snapshot),
              HasSubstr("failed      1 directory, 2 further steps: permission_denied 3"));
  EXPECT_THAT(summary_of(snapshot), HasSubstr("dunlin retry 3"));
  EXPECT_EQ(exit_code_of(snapshot), kItemsFailed);
  const Terminal plain(-1, false);
  const auto text = status_screen({snapshot, {}, {}, 1'030'000, -1}, plain);
  EXPECT_THAT(text, HasSubstr("directories 1 made or found, 1 failed of 2"));
  EXPECT_THAT(text, HasSubstr("failed      2 further steps"));
}

TEST(Summary, WhatIsLeftAndTakenBackNamesDirectories) {
  auto snapshot = snapshot_of(ExecutionStatus::paused);
  auto& counters = snapshot.row.counters;
  counters.total_directories = 3;
  counters.succeeded_directories = 1;
  counters.total_steps = 1;
  EXPECT_THAT(summary_of(snapshot), HasSubstr("left        2 directories"));
  counters.succeeded_directories = 3;
  EXPECT_THAT(summary_of(snapshot), HasSubstr("left        1 further step"));
  snapshot.shown_status = snapshot.row.status = ExecutionStatus::rolled_back;
  counters = {};
  counters.rolled_back_items = 10;
  counters.rolled_back_directories = 2;
  counters.succeeded_directories = 1;
  EXPECT_THAT(summary_of(snapshot), HasSubstr("taken back  10 files, 2 directories"));
  EXPECT_THAT(summary_of(snapshot), HasSubstr("left alone  1 directory:"));
  EXPECT_EQ(exit_code_of(snapshot), kItemsFailed);
}

TEST(Summary, APauseShowsCauseAndTheResumeCommand) {
  auto snapshot = snapshot_of(ExecutionStatus::paused);
  snapshot.row.counters.succeeded_items = 4;
  const auto text = summary_of(snapshot, Error(ErrorType::disk_full, "write '/b/x'"));
  EXPECT_THAT(text, HasSubstr("cause       write '/b/x'"));
  EXPECT_THAT(text, HasSubstr("try         free space"));
  EXPECT_THAT(text, HasSubstr("dunlin resume 3"));
  EXPECT_THAT(text, HasSubstr("left        6 files"));
}

TEST(Summary, ProblemsOfThePreflightComeAllWithTheirRemedies) {
  auto snapshot = snapshot_of(ExecutionStatus::failed);
  snapshot.row.counters = {};
  const Terminal plain(-1, false);
  const engine::Problem one{Error(ErrorType::disk_full, "needs 5 GiB"), true, false};
  const engine::Problem two{Error(ErrorType::permission_denied, "cannot write '/b'"), true, false};
  const auto text = summary_text({snapshot, {}, {one, two}, 0, -1}, plain);
  EXPECT_THAT(text, HasSubstr("problem     needs 5 GiB"));
  EXPECT_THAT(text, HasSubstr("problem     cannot write '/b'"));
  EXPECT_THAT(text, HasSubstr("grant access"));
}

TEST(Summary, HostileTextIsEscaped) {
  auto snapshot = snapshot_of(ExecutionStatus::paused);
  snapshot.row.description = "copy \x1b[2J to /b";
  const auto text = summary_of(snapshot, Error(ErrorType::disk_full, "write '\x1b[31m\n'"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(Verification, NeverClaimsMoreThanIsKnown) {
  auto snapshot = snapshot_of(ExecutionStatus::completed);
  snapshot.row.counters.verified_items = 4;
  EXPECT_EQ(verification_statement(snapshot), "4 files compared equal to their source (full)");
  snapshot.row.counters.verified_items = 0;
  EXPECT_EQ(verification_statement(snapshot), "");
  snapshot.row.settings_json = R"({"verification_level":"none"})";
  EXPECT_EQ(verification_statement(snapshot), "nothing was compared (--verify none)");
  snapshot.row.counters.differences = 1;
  EXPECT_EQ(verification_statement(snapshot), "1 file differs from its source");
}

TEST(StatusScreen, ShowsAnInterruptedOneAsPaused) {
  auto snapshot = snapshot_of(ExecutionStatus::running);
  snapshot.shown_status = ExecutionStatus::paused;
  snapshot.interrupted = true;
  snapshot.row.ended_ms = 0;
  snapshot.row.updated_ms = 1'010'000;
  snapshot.row.owner_json = R"({"pid":42,"host":"box"})";
  const Terminal plain(-1, false);
  const auto text = status_screen({snapshot, {}, {}, 1'030'000, -1}, plain);
  EXPECT_THAT(text, HasSubstr("paused (interrupted)"));
  EXPECT_THAT(text, HasSubstr("process 42 on box, which is gone"));
  EXPECT_THAT(text, HasSubstr("dunlin resume 3"));
}

engine::Snapshot halfway_back(ExecutionStatus status) {
  auto snapshot = snapshot_of(status);
  snapshot.row.phase = "rolling_back";
  snapshot.row.ended_ms = 0;
  auto& counters = snapshot.row.counters;
  counters.succeeded_items = 6;
  counters.rolled_back_items = 4;
  counters.total_directories = counters.succeeded_directories = 1;
  counters.total_batches = 3;
  counters.ended_batches = 2;
  counters.undone_batches = 1;
  snapshot.progress = engine::progress_of(snapshot.row, 1'030'000);
  return snapshot;
}

TEST(StatusScreen, OfARollbackSaysWhatHasBeenTakenBackAndNotWhatWasCopied) {
  const Terminal plain(-1, false);
  for (const auto status :
       {ExecutionStatus::rolling_back, ExecutionStatus::paused, ExecutionStatus::cancelled}) {
    const auto snapshot = halfway_back(status);
    const auto text = status_screen({snapshot, {}, {}, 1'030'000, -1, {}}, plain);
    EXPECT_THAT(text, HasSubstr("taken back  4 of 10 files, 0 of 1 directory\n"));
    EXPECT_THAT(text, HasSubstr(" 36.3%\n")) << "4 of 11";
    EXPECT_THAT(text, HasSubstr("batches     1 of 3 taken back\n"));
    EXPECT_THAT(text, Not(HasSubstr("copied of")));
    EXPECT_THAT(text, Not(HasSubstr("compared equal")));
  }
  EXPECT_EQ(status_words(halfway_back(ExecutionStatus::paused)), "paused (rollback)");
  EXPECT_THAT(summary_of(halfway_back(ExecutionStatus::paused)),
              HasSubstr("taken back  4 of 10 files, 0 of 1 directory\n"));
}

TEST(StatusScreen, ADeviceThatLostAWriteIsAWarningOfItsOwn) {
  auto snapshot = snapshot_of(ExecutionStatus::completed);
  snapshot.warning_counts = {{"lost_write", 2}};
  const Terminal plain(-1, false);
  const std::vector<store::Remark> remarks = {
      {store::ItemStatus::completed, "owner not preserved", 3}};
  for (const std::string& text :
       {status_screen({snapshot, {}, {}, 1'030'000, -1, remarks}, plain),
        summary_text({snapshot, {}, {}, 1'030'000, -1, remarks}, plain)}) {
    EXPECT_THAT(text, HasSubstr("  warning     2 files: the device did not hold"));
    EXPECT_THAT(text, HasSubstr("test the device"));
    EXPECT_THAT(text, HasSubstr("  noted       owner not preserved (3)\n"));
    EXPECT_THAT(text, Not(HasSubstr("failed")));
    EXPECT_THAT(text, Not(HasSubstr("errors  ")));
  }
  EXPECT_EQ(engine::snapshot_json(snapshot)["warning_summary"]["by_type"]["lost_write"], 2);
  EXPECT_EQ(engine::snapshot_json(snapshot)["error_summary"]["total"], 0);
}

TEST(Summary, SaysWhyItemsWereSkipped) {
  auto snapshot = snapshot_of(ExecutionStatus::completed);
  snapshot.row.counters.skipped_items = 4;
  const Terminal plain(-1, false);
  std::vector<store::Remark> remarks = {
      {store::ItemStatus::skipped, "unchanged: same type, size and time", 4}};
  EXPECT_THAT(summary_text({snapshot, {}, {}, 0, -1, remarks}, plain),
              HasSubstr("skipped     4 files: unchanged: same type, size and time\n"));
  remarks.push_back({store::ItemStatus::skipped, "", 2});
  EXPECT_THAT(summary_text({snapshot, {}, {}, 0, -1, remarks}, plain),
              HasSubstr("unchanged: same type, size and time (4); other reasons (2)\n"));
}

TEST(ExitCodes, AreThoseOfTheContract) {
  const auto code = [](ErrorType type) { return exit_code_of(Error(type, "")); };
  EXPECT_EQ(code(ErrorType::invalid_input), 2);
  EXPECT_EQ(code(ErrorType::plan_invalid), 2);
  EXPECT_EQ(code(ErrorType::not_found), 2);
  EXPECT_EQ(code(ErrorType::invalid_state), 2);
  EXPECT_EQ(code(ErrorType::preflight_refused), 3);
  EXPECT_EQ(code(ErrorType::interrupted), 4);
  EXPECT_EQ(code(ErrorType::lock_held), 5);
  EXPECT_EQ(code(ErrorType::destination_busy), 5);
  EXPECT_EQ(code(ErrorType::verification_mismatch), 6);
  EXPECT_EQ(code(ErrorType::auth_failure), 7);
  EXPECT_EQ(code(ErrorType::defect), 70);
}

TEST(ExitCodes, OfAnExecutionSeenFromOutside) {
  auto snapshot = snapshot_of(ExecutionStatus::completed);
  EXPECT_EQ(exit_code_of(snapshot), 0);
  snapshot.row.counters.failed_items = 1;
  EXPECT_EQ(exit_code_of(snapshot), 1);
  snapshot.shown_status = ExecutionStatus::paused;
  EXPECT_EQ(exit_code_of(snapshot), 4);
  snapshot.shown_status = ExecutionStatus::failed;
  snapshot.row.reason_json = R"({"type":"auth_failure"})";
  EXPECT_EQ(exit_code_of(snapshot), 7);
  snapshot.row.reason_json = R"({"type":"too_many_failures"})";
  EXPECT_EQ(exit_code_of(snapshot), 1);
  snapshot.row.reason_json = R"({"type":"preflight_refused"})";
  EXPECT_EQ(exit_code_of(snapshot), 3);
  snapshot.row.reason_json = R"({"type":"verification_mismatch"})";
  EXPECT_EQ(exit_code_of(snapshot), 6);
}

TEST(LedgerJson, PathsCarryTheirExactBytes) {
  store::ItemRow item;
  item.id = ItemId(7);
  item.directory_path = "d";
  item.name = "\xff";
  item.status = store::ItemStatus::completed;
  const Json json = item_json(item);
  EXPECT_EQ(json["path"], "d/\\xff");
  EXPECT_EQ(json["path_b64"], "ZC//");
  EXPECT_EQ(json["status"], "completed");
  EXPECT_TRUE(json["completed_at"].is_null());
  EXPECT_EQ(path_of("", ""), ".");
}

TEST(LedgerJson, AnErrorHasTheFieldsOfTheOriginals) {
  store::ErrorRow row;
  row.error = Error(ErrorType::permission_denied, "open 'a'");
  row.item = ItemId(3);
  row.batch = BatchId(2);
  row.name = "a";
  row.time_ms = 1;
  const Json json = error_json(row, snapshot_of(ExecutionStatus::completed));
  for (const char* field : {"type", "category", "message", "timestamp", "recoverable",
                            "batch_number", "retriable", "error_type", "remediation", "path"})
    EXPECT_TRUE(json.contains(field)) << field;
  EXPECT_EQ(json["category"], "constraint");
}

}  // namespace
}  // namespace dunlin::cli
