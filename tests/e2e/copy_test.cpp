// A tree is copied: what the user sees, what is on disk, how scripts read it.
#include <algorithm>
#include <fstream>

#include "base/file_io.h"
#include "e2e/world.h"

namespace dunlin::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Copy : public World {};

TEST_F(Copy, ATreeIsCopiedProvenAndReported) {
  make_tree("src", 50, 3000);
  const Finished done = run({"copy", path("src"), path("dst")});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("completed: copy "));
  EXPECT_THAT(done.out, HasSubstr("compared equal to their source"));
  EXPECT_EQ(difference("src", "dst/src"), "");
  EXPECT_TRUE(leftovers("dst").empty());

  const Finished ps = run({"ps"});
  EXPECT_EQ(ps.code, 0);
  EXPECT_THAT(ps.out, HasSubstr("completed"));
  EXPECT_THAT(ps.out, HasSubstr("100.0%"));
  EXPECT_THAT(run({"status", "last"}).out, HasSubstr("execution 1: copy "));
  EXPECT_THAT(run({"items", "1", "--status", "completed"}).out, HasSubstr("d3/f8"));
  EXPECT_THAT(run({"errors", "1"}).out, HasSubstr("no errors"));
  EXPECT_THAT(run({"tasks", "1"}).out, HasSubstr("batch_file_operation"));
  EXPECT_THAT(run({"checkpoints", "1"}).out, HasSubstr("yes"));
  EXPECT_THAT(run({"report", "1"}).out, HasSubstr("Milestones"));
}

TEST_F(Copy, ASlashAtTheEndCopiesOnlyTheContents) {
  make_tree("src", 5, 10);
  EXPECT_EQ(run({"copy", path("src") + "/", path("dst")}).code, 0);
  EXPECT_EQ(difference("src", "dst"), "");
}

TEST_F(Copy, JsonIsALineAnEventAndEndsWithFinished) {
  make_tree("src", 20, 1000);
  const Finished done = run({"copy", path("src"), path("dst"), "--json"});
  EXPECT_EQ(done.code, 0);
  const auto lines = json_lines(done.out);
  ASSERT_GT(lines.size(), 2U);
  for (const Json& line : lines) {
    EXPECT_TRUE(line.contains("event"));
    EXPECT_TRUE(line.contains("time"));
  }
  const Json& last = lines.back();
  EXPECT_EQ(last["event"], "finished");
  EXPECT_EQ(last["status"], "completed");
  for (const char* field : {"execution_id", "plan_id", "progress", "verification", "errors"})
    EXPECT_TRUE(last.contains(field)) << field;
  EXPECT_EQ(last["progress"]["percent_complete"], 100.0);
  EXPECT_EQ(last["progress"]["total_bytes"], 20'000);
  EXPECT_EQ(last["errors"]["total"], 0);
  EXPECT_EQ(last["verification"]["error_count"], 0);

  const Json status = json({"status", last["execution_id"].get<std::string>()});
  EXPECT_EQ(status["status"], "completed");
  EXPECT_TRUE(status["errors"].is_array());
  EXPECT_TRUE(status["tasks"].is_array());
  const Json items = json({"items", "last"});
  ASSERT_TRUE(items.is_array());
  EXPECT_TRUE(std::any_of(items.begin(), items.end(),
                          [](const Json& item) { return item["path"] == "d3/f8"; }));
  EXPECT_TRUE(json({"ps"}).is_array());
  EXPECT_TRUE(json({"errors", "last"}).is_array());
  EXPECT_TRUE(json({"tasks", "last"}).is_array());
  EXPECT_TRUE(json({"checkpoints", "last"}).is_array());
  EXPECT_TRUE(json({"report", "last"}).contains("audit_summary"));
}

TEST_F(Copy, QuietSaysNothingWhenAllIsWell) {
  make_tree("src", 3, 10);
  const Finished done = run({"copy", path("src"), path("dst"), "--quiet"});
  EXPECT_EQ(done.code, 0);
  EXPECT_EQ(done.out + done.err, "");
}

TEST_F(Copy, SomeItemsFailedIsExitOneAndRetryMakesItGood) {
  make_tree("src", 10, 100);
  write("dst/src/d1/f1", "somebody else's");
  const Finished done = run({"copy", path("src"), path("dst"), "--conflict", "fail"});
  EXPECT_EQ(done.code, 1);
  EXPECT_THAT(done.out, HasSubstr("1 file"));
  EXPECT_THAT(done.out, HasSubstr("dunlin retry 1"));
  EXPECT_THAT(run({"errors", "1"}).out, HasSubstr("destination_exists"));
  EXPECT_EQ(run({"retry", "1"}).code, 1) << "the cause is still there";
  std::filesystem::remove(path("dst/src/d1/f1"));
  EXPECT_EQ(run({"retry", "1", "--type", "permission_denied"}).code, 2);
  EXPECT_EQ(run({"retry", "1", "--type", "destination_exists"}).code, 0);
  EXPECT_EQ(difference("src", "dst/src"), "");
}

TEST_F(Copy, AFailedItemCanBeSkipped) {
  make_tree("src", 10, 100);
  write("dst/src/d1/f1", "somebody else's");
  EXPECT_EQ(run({"copy", path("src"), path("dst"), "--conflict", "fail"}).code, 1);
  EXPECT_EQ(run({"skip", "1"}).code, 0);
  const Json status = json({"status", "1"});
  EXPECT_EQ(status["progress"]["failed_files"], 0);
  EXPECT_EQ(status["progress"]["skipped_files"], 1);
}

TEST_F(Copy, AskLeavesTheItemUntilRetryOrSkipAnswers) {
  make_tree("src", 4, 100);
  write("dst/src/d1/f1", "somebody else's");
  write("dst/src/d2/f2", "somebody else's, too");
  EXPECT_EQ(run({"copy", path("src"), path("dst"), "--conflict", "ask"}).code, 1);
  const auto item = [&](const std::string& name) {
    for (const Json& one : json({"items", "1", "--status", "failed"}))
      if (one["path"] == name) return std::to_string(one["item_id"].get<int>());
    return std::string("none");
  };
  const std::string first = item("d1/f1");
  const std::string second = item("d2/f2");
  EXPECT_THAT(run({"errors", "1"}).out, HasSubstr("--item " + first + " takes the source's"));
  EXPECT_EQ(run({"retry", "1"}).code, 1) << "to try everything again is no answer";
  EXPECT_EQ(*read_file(path("dst/src/d1/f1")), "somebody else's");
  EXPECT_EQ(run({"skip", "1", "--item", second}).code, 0);
  EXPECT_EQ(run({"retry", "1", "--item", first}).code, 0);
  const Json status = json({"status", "1"});
  EXPECT_EQ(status["progress"]["failed_files"], 0);
  EXPECT_EQ(status["progress"]["skipped_files"], 1);
  EXPECT_EQ(*read_file(path("dst/src/d1/f1")), *read_file(path("src/d1/f1")));
  EXPECT_EQ(*read_file(path("dst/src/d2/f2")), "somebody else's, too");
}

TEST_F(Copy, WhatChangedAtTheDestinationIsFoundByVerify) {
  make_tree("src", 10, 100);
  ASSERT_EQ(run({"copy", path("src"), path("dst")}).code, 0);
  EXPECT_EQ(run({"verify", "last"}).code, 0);
  write("dst/src/d1/f1", "bit rot");
  const Finished done = run({"verify", "last"});
  EXPECT_EQ(done.code, 6);
  EXPECT_THAT(done.out, HasSubstr("1 file differs from its source"));
  EXPECT_THAT(run({"errors", "last"}).out, HasSubstr("verification_mismatch"));
}

TEST_F(Copy, ChangedContentIsFoundByVerifyThoughSizeAndTimeAreTheSame) {
  make_tree("src", 10, 100);
  ASSERT_EQ(run({"copy", path("src"), path("dst")}).code, 0);
  const auto time = std::filesystem::last_write_time(path("dst/src/d1/f1"));
  std::fstream(path("dst/src/d1/f1"), std::ios::in | std::ios::out) << '\n';
  std::filesystem::last_write_time(path("dst/src/d1/f1"), time);
  const Finished done = run({"verify", "last"});
  EXPECT_EQ(done.code, 6);
  EXPECT_THAT(done.out, HasSubstr("1 file differs from its source"));
}

TEST_F(Copy, VerifyAndRollbackDoNotNeedTheSource) {
  make_tree("src", 10, 100);
  write("single", "one file");
  ASSERT_EQ(run({"copy", path("src"), path("dst")}).code, 0);
  ASSERT_EQ(run({"copy", path("single"), path("other/name")}).code, 0);
  std::filesystem::remove_all(path("src"));
  std::filesystem::remove(path("single"));
  const Finished first = run({"verify", "1"});
  EXPECT_EQ(first.code, 0) << first.out << first.err;
  EXPECT_EQ(run({"verify", "2"}).code, 0);
  write("dst/src/d1/f1", "bit rot");
  EXPECT_EQ(run({"verify", "1"}).code, 6);
  const Finished copied = run({"copy", path("src"), path("dst")});
  EXPECT_EQ(copied.code, 2) << "but there is nothing to copy";
  EXPECT_EQ(run({"rollback", "2", "--yes"}).code, 0);
  EXPECT_FALSE(std::filesystem::exists(path("other")));
  const Finished refused = run({"rollback", "1", "--yes"});
  EXPECT_EQ(refused.code, 1) << "somebody changed a file";
  EXPECT_THAT(refused.out, HasSubstr("left alone"));
  EXPECT_EQ(std::filesystem::file_size(path("dst/src/d1/f1")), 7U);
}

TEST_F(Copy, ASymlinkInPlaceOfTheDirectoryToMakeLeadsNowhere) {
  make_tree("src", 3, 10);
  write("outside/d1/f1", "theirs");
  std::filesystem::create_directory(path("dst"));
  std::filesystem::create_directory_symlink(path("outside"), path("dst/src"));
  const Finished refused = run({"copy", path("src"), path("dst"), "--conflict", "overwrite"});
  EXPECT_EQ(refused.code, 3) << refused.out << refused.err;
  EXPECT_THAT(refused.out + refused.err, HasSubstr("symlink at the destination"));
  EXPECT_EQ(std::filesystem::file_size(path("outside/d1/f1")), 6U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(path("outside")),
                          std::filesystem::directory_iterator()),
            1);
  // What a person names is followed.
  EXPECT_EQ(run({"copy", path("src") + "/", path("dst/src"), "--conflict", "skip"}).code, 0);
  EXPECT_TRUE(std::filesystem::exists(path("outside/d2")));
}

TEST_F(Copy, RollbackTakesBackWhatWasCopied) {
  make_tree("src", 10, 100);
  ASSERT_EQ(run({"copy", path("src"), path("dst")}).code, 0);
  EXPECT_EQ(run({"rollback", "last", "--yes"}).code, 0);
  EXPECT_EQ(status(), "rolled_back");
  EXPECT_FALSE(std::filesystem::exists(path("dst/src")));
  EXPECT_EQ(run({"resume", "last"}).code, 2) << "rolled back is final";
}

TEST_F(Copy, NamesWithControlCharactersAreShownEscaped) {
  const std::string evil = std::string("bad\x1b[31m\nname");
  write("src/" + evil, "x");
  EXPECT_EQ(run({"copy", path("src"), path("dst")}).code, 0);
  const Finished items = run({"items", "last"});
  EXPECT_THAT(items.out, HasSubstr("bad\\x1b[31m\\x0aname"));
  EXPECT_THAT(items.out, Not(HasSubstr("\x1b")));
  EXPECT_TRUE(std::filesystem::exists(path("dst/src/" + evil)));
}

TEST_F(Copy, BytesThatAreNoUtf8ComeExactlyInJson) {
  write("src/\xff\xfe", "x");
  EXPECT_EQ(run({"copy", path("src"), path("dst")}).code, 0);
  const Json items = json({"items", "last"});
  EXPECT_TRUE(std::any_of(items.begin(), items.end(), [](const Json& item) {
    return item["path"] == "\\xff\\xfe" && item.value("path_b64", "") == "//4=";
  }));
}

TEST_F(Copy, APlanFileDoesTheSameAndIsStoredUnderAnId) {
  make_tree("src", 5, 100);
  write("plan.yaml", "kind: files\nsource: {paths: [" + path("src") +
                         "]}\ndestination: {base_path: " + path("dst") +
                         "}\nsettings: {verify: basic}\n");
  EXPECT_THAT(run({"plan", "check", path("plan.yaml")}).out, HasSubstr("valid: copy "));
  const Json created = json({"plan", "create", path("plan.yaml")});
  const std::string id = created["id"].get<std::string>();
  EXPECT_EQ(created["status"], "draft");
  EXPECT_EQ(run({"plan", "check", id}).code, 0);
  EXPECT_EQ(json({"plan", "list"})[0]["status"], "ready");
  EXPECT_EQ(run({"run", id}).code, 0);
  EXPECT_EQ(difference("src", "dst/src"), "");
  EXPECT_EQ(json({"plan", "list"})[0]["status"], "completed");
  EXPECT_EQ(json({"ps", "--plan", id}).size(), 1U);
  EXPECT_EQ(run({"run", path("plan.yaml")}).code, 0);
  EXPECT_EQ(run({"plan", "delete", id}).code, 0);
  EXPECT_EQ(run({"run", id}).code, 2);
}

TEST_F(Copy, SettingsComeFromConfigurationEnvironmentPlanAndFlagsInThatOrder) {
  make_tree("src", 3, 10);
  write("config.yaml", "settings: {batch_size: 11, parallel_batches: 2, retries: 7}\n");
  auto options = dunlin(
      {"copy", path("src"), path("dst"), "--config", path("config.yaml"), "--batch-size", "33"});
  options.environment["DUNLIN_BATCH_SIZE"] = "22";
  options.environment["DUNLIN_PARALLEL_BATCHES"] = "3";
  EXPECT_EQ(testing::run_process(options).code, 0);
  const Json settings = json({"status", "last"})["settings"];
  EXPECT_EQ(settings["batch_size"], 33);
  EXPECT_EQ(settings["parallel_batches"], 3);
  EXPECT_EQ(settings["retry_policy"]["max_attempts"], 8);
}

TEST_F(Copy, AReaderThatGoesAwayIsNoError) {
  make_tree("src", 300, 10);
  ASSERT_EQ(run({"copy", path("src"), path("dst")}).code, 0);
  auto options = dunlin({});
  const std::string binary = options.words[0];
  options.words = {"/bin/sh", "-c", binary + " items last | head -n 1; exit ${PIPESTATUS:-0}"};
  const Finished done = testing::run_process(options);
  EXPECT_EQ(done.err, "");
}

}  // namespace
}  // namespace dunlin::e2e
