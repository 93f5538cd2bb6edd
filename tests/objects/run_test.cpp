// ObjectsRun against buckets in memory: what is copied, decided, listed and refused.
#include <gtest/gtest.h>

#include "base/hash.h"
#include "objects/fixture.h"

namespace dunlin::objects {
namespace {

using engine::ItemStatus;
using engine::Proof;
using engine::VerificationLevel;

TEST_F(ObjectsTest, CopiesSmallLargeAndEmptyWithProofAndMetadata) {
  fill_source();
  run_to_end();
  EXPECT_EQ(completed(), 3);
  expect_same();
  EXPECT_EQ(item("large").row.checksum,
            "md5:" + hex(*hash_bytes(HashKind::md5, random_bytes(250, 1))));
  EXPECT_EQ(item("large").row.proof, Proof::remote);
  EXPECT_EQ(item("large").row.action, "created");
  EXPECT_EQ(item("large").row.transferred_bytes, 250);
  ASSERT_TRUE(execution().verify().ok());
  EXPECT_EQ(execution().verified(), 3);
}

TEST_F(ObjectsTest, BasicTakesTheStoresChecksumAndNoneClaimsNothing) {
  fill_source();
  options_.settings.verification_level = VerificationLevel::basic;
  run_to_end();
  EXPECT_EQ(item("large").row.proof, Proof::target);
  EXPECT_EQ(item("p/small").row.proof, Proof::target);
  ASSERT_TRUE(execution().verify().ok());
  EXPECT_EQ(execution().verified(), 3);
}

TEST_F(ObjectsTest, NoneClaimsNothing) {
  fill_source();
  options_.settings.verification_level = VerificationLevel::none;
  run_to_end();
  EXPECT_EQ(item("large").row.proof, Proof::none);
  expect_same();
}

TEST_F(ObjectsTest, KeysAreKeptExactly) {
  for (const char* key : {"//", "/lead", "a/../b", ".", "..", "t/", "t/x", "a\\b", "%2e%2e",
                          "new\nline", " a ", "\xc3\xa9", "t"}) {
    put(source_, key, std::string("of ") + key);
  }
  run_to_end();
  EXPECT_EQ(completed(), 13);
  expect_same();
}

TEST_F(ObjectsTest, AKeyTheDestinationCannotHoldFailsAlone) {
  plan_.destination.prefix = "prefix/";
  put(source_, std::string(1020, 'k'), "too long with the prefix");
  put(source_, "ok", "content");
  run_to_end();
  EXPECT_EQ(completed(), 1);
  EXPECT_EQ(item(std::string(1020, 'k')).error->type, ErrorType::invalid_name);
}

TEST_F(ObjectsTest, ANamedPrefixGoesUnderItsNameAndItsNeighboursStay) {
  plan_.source.prefix = "photos";
  plan_.destination.prefix = "old";
  put(source_, "photos", "the object itself");
  put(source_, "photos/a", "below");
  put(source_, "photos-b", "a neighbour");
  run_to_end();
  EXPECT_EQ(everything(*destination_).size(), 2U);
  EXPECT_EQ(content(destination_, "old/photos"), "the object itself");
  EXPECT_EQ(content(destination_, "old/photos/a"), "below");
}

TEST_F(ObjectsTest, OneObjectMayTakeTheDestinationAsItsKey) {
  plan_.source.prefix = "a/photo";
  plan_.destination.prefix = "b/renamed";
  put(source_, "a/photo", "picture");
  put(source_, "a/photo2", "another");
  run_to_end();
  EXPECT_EQ(content(destination_, "b/renamed"), "picture");
  EXPECT_EQ(everything(*destination_).size(), 1U);
}

TEST_F(ObjectsTest, OneObjectGoesIntoADestinationThatHasSomethingBelow) {
  plan_.source.prefix = "a/photo";
  plan_.destination.prefix = "b";
  put(source_, "a/photo", "picture");
  put(destination_, "b/other", "x");
  run_to_end();
  EXPECT_EQ(content(destination_, "b/photo"), "picture");
}

// ---- Enumeration ----

TEST_F(ObjectsTest, BatchesEndWhereSettingsSayAndPagesDoNotShow) {
  for (int n = 0; n < 2500; ++n) put(source_, "k" + std::to_string(n), "");
  options_.settings.batch_size = 400;
  ASSERT_TRUE(execution().enumerate().ok());
  EXPECT_EQ(execution().ledger().batches.size(), 7U);
  EXPECT_EQ(execution().items().size(), 2500U);
}

TEST_F(ObjectsTest, AnInterruptedListingGoesOnBehindTheLastJournaledBatch) {
  for (int n = 0; n < 95; ++n) put(source_, "k" + std::to_string(n), "");
  options_.settings.batch_size = 10;
  int commits = 0;
  options_.on_commit = [&]() -> Status {
    if (++commits == 4) return Error(ErrorType::state_write_failed, "no space");
    return success();
  };
  EXPECT_FALSE(execution().enumerate().ok());
  EXPECT_EQ(execution().items().size(), 30U);
  execution().take_over(*run_);
  ASSERT_TRUE(execution().enumerate().ok());
  EXPECT_EQ(execution().items().size(), 95U);
  EXPECT_EQ(execution().ledger().tasks.size(), 1U);
  ASSERT_TRUE(execution().execute().ok());
  expect_same();
}

TEST_F(ObjectsTest, AFailedListingIsNeverAnEmptyOne) {
  fill_source();
  static_cast<void>(execution());
  source_->set_fault_hook(at(Call::list, 1, Fault::refuse));
  EXPECT_EQ(execution().enumerate().error().type, ErrorType::temporary_failure);
  EXPECT_FALSE(execution().ledger().enumeration_complete);
}

TEST_F(ObjectsTest, AnEmptyBucketIsDoneAtOnce) {
  run_to_end();
  EXPECT_TRUE(execution().ledger().enumeration_complete);
  EXPECT_EQ(execution().items().size(), 0U);
}

TEST_F(ObjectsTest, AnalysisCountsWithoutChanging) {
  fill_source();
  const auto analysis = (execution(), run_->analyse(execution().context()));
  ASSERT_TRUE(analysis.ok());
  EXPECT_EQ(analysis->items, 3);
  EXPECT_EQ(analysis->bytes, 262);
}

// ---- Preflight and roots ----

TEST_F(ObjectsTest, PreflightFindsNothingWrongAndLeavesNothing) {
  fill_source();
  const auto problems = (execution(), run_->preflight(execution().context()));
  ASSERT_TRUE(problems.ok()) << problems.error().text();
  EXPECT_TRUE(problems->empty()) << problems->front().error.text();
  EXPECT_TRUE(everything(*destination_).empty());
}

TEST_F(ObjectsTest, PreflightTellsAllProblemsAtOnce) {
  plan_.source.prefix = "nothing/here";
  static_cast<void>(execution());
  destination_->set_fault_hook([](Call call, std::string_view, std::int64_t) {
    return call == Call::put ? Fault::refuse : Fault::none;
  });
  const auto problems = run_->preflight(execution().context());
  ASSERT_TRUE(problems.ok());
  ASSERT_EQ(problems->size(), 2U);
  EXPECT_EQ(problems->at(0).error.type, ErrorType::not_found);
  EXPECT_EQ(problems->at(1).error.type, ErrorType::temporary_failure);
}

TEST(ObjectsPreflight, ADestinationWithinTheSourceIsRefused) {
  const ManualClock clock;
  ObjectsPlan plan;
  plan.source = {"/s", "b", "p/"};
  plan.destination = {"/s", "b", "p/copy/"};
  auto bucket = std::make_unique<MemoryBackend>(clock, "same");
  const CancelToken never;
  ASSERT_TRUE(bucket->put("p/x", "", {}, {}, never).ok());
  ObjectsRun run(plan, std::move(bucket), std::make_unique<MemoryBackend>(clock, "same"));
  dunlin::testing::LocalExecution execution(run);
  const auto problems = run.preflight(execution.context());
  ASSERT_TRUE(problems.ok());
  ASSERT_EQ(problems->size(), 1U);
  EXPECT_EQ(problems->front().error.type, ErrorType::plan_invalid);
}

TEST_F(ObjectsTest, TheRootsAreTheBuckets) {
  const auto identity = (execution(), run_->root_identity(execution().context()));
  EXPECT_EQ(*identity, "memory#source\nmemory#destination");
}

// ---- Decisions ----

TEST(Decide, EveryPolicyAgainstEveryStandingObject) {
  ObjectInfo source{"k", 5, "s", 2000, "same-md5........", {}};
  ObjectInfo same = source;
  same.modified_ms = 1000;
  ObjectInfo older = same;
  older.md5 = "other-md5.......";
  ObjectInfo newer = older;
  newer.modified_ms = 3000;
  using Action = Decision::Action;
  struct Row {
    Conflict conflict;
    Action same, older, newer;
  };
  for (const auto& row : std::initializer_list<Row>{
           {Conflict::skip, Action::skip, Action::skip, Action::skip},
           {Conflict::overwrite, Action::overwrite, Action::overwrite, Action::overwrite},
           {Conflict::overwrite_if_newer, Action::skip, Action::overwrite, Action::conflict},
           {Conflict::overwrite_if_different, Action::skip, Action::overwrite, Action::overwrite},
           {Conflict::fail, Action::skip, Action::conflict, Action::conflict}}) {
    EXPECT_EQ(decide(row.conflict, source, std::nullopt).action, Action::create);
    EXPECT_EQ(decide(row.conflict, source, same).action, row.same);
    EXPECT_EQ(decide(row.conflict, source, older).action, row.older);
    EXPECT_EQ(decide(row.conflict, source, newer).action, row.newer);
  }
}

TEST(Decide, WithoutChecksumsSizeAndTimeDecide) {
  const ObjectInfo source{"k", 5, "s", 2000, "", {}};
  ObjectInfo standing{"k", 5, "d", 2000, "", {}};
  EXPECT_EQ(decide(Conflict::overwrite_if_newer, source, standing).action, Decision::Action::skip);
  standing.modified_ms = 1999;
  EXPECT_EQ(decide(Conflict::overwrite_if_newer, source, standing).action,
            Decision::Action::overwrite);
  standing.modified_ms = 2001;
  standing.size = 4;
  EXPECT_EQ(decide(Conflict::overwrite_if_newer, source, standing).action,
            Decision::Action::conflict);
}

TEST_F(ObjectsTest, TheDryRunSaysWhatTheRunDoes) {
  put(destination_, "newer", "older content");
  fill_source();
  put(source_, "newer", "newer content");
  put(source_, "conflict", "source");
  put(destination_, "conflict", "written since");
  put(destination_, "p/small", "some content");
  ASSERT_TRUE(execution().enumerate().ok());
  const auto rehearsed = execution().rehearse();
  ASSERT_TRUE(rehearsed.ok());
  std::map<std::string, std::string> actions;
  for (const auto& item : *rehearsed)
    actions[item.row.name] =
        item.error ? std::string(to_string(item.error->type)) : item.row.action;
  EXPECT_EQ(actions, (std::map<std::string, std::string>{{"conflict", "destination_exists"},
                                                         {"empty", "created"},
                                                         {"large", "created"},
                                                         {"newer", "updated"},
                                                         {"p/small", "skipped"}}));
  EXPECT_EQ(content(destination_, "newer"), "older content");
  ASSERT_TRUE(execution().execute().ok());
  EXPECT_EQ(item("conflict").error->type, ErrorType::destination_exists);
  EXPECT_EQ(content(destination_, "conflict"), "written since");
  EXPECT_EQ(item("p/small").row.status, ItemStatus::skipped);
  EXPECT_EQ(item("newer").row.action, "updated");
  EXPECT_EQ(content(destination_, "newer"), "newer content");
  EXPECT_EQ(item("large").row.action, "created");
}

// ---- Undo, verify, release ----

TEST_F(ObjectsTest, UndoGivesBackContentAndMetadataOfBefore) {
  put(destination_, "large", random_bytes(333, 5), {{"old", "yes"}});
  put(destination_, "p/small", "old small", {{"old", "yes"}});
  put(destination_, "foreign", "untouched");
  const auto before = everything(*destination_);
  fill_source();
  run_to_end();
  EXPECT_EQ(completed(), 3);
  EXPECT_EQ(content(destination_, "large"), random_bytes(250, 1));
  ASSERT_TRUE(execution().undo().ok());
  EXPECT_EQ(execution().count(ItemStatus::rolled_back), 3);
  ASSERT_TRUE(execution().release().ok());
  EXPECT_EQ(everything(*destination_), before);
  EXPECT_EQ(open_uploads(), 0U);
}

TEST_F(ObjectsTest, UndoMayBeRepeatedAfterEachLostAnswer) {
  put(destination_, "p/small", "old small");
  const auto before = everything(*destination_);
  fill_source();
  run_to_end();
  destination_->set_fault_hook([](Call call, std::string_view, std::int64_t nth) {
    const bool write = call == Call::copy || call == Call::remove;
    return write && nth == 1 ? Fault::lose_reply : Fault::none;
  });
  while (!execution().undo().ok()) {
  }
  EXPECT_EQ(execution().count(ItemStatus::rolled_back), 3);
  ASSERT_TRUE(execution().release().ok());
  EXPECT_EQ(everything(*destination_), before);
}

TEST_F(ObjectsTest, UndoRefusesWhatWasChangedSince) {
  put(destination_, "p/small", "old small");
  fill_source();
  run_to_end();
  put(destination_, "p/small", "written by somebody else");
  put(destination_, "empty", "written by somebody else");
  ASSERT_TRUE(execution().undo().ok());
  EXPECT_EQ(item("p/small").error->type, ErrorType::destination_changed);
  EXPECT_EQ(item("empty").error->type, ErrorType::destination_changed);
  EXPECT_EQ(item("large").row.status, ItemStatus::rolled_back);
  EXPECT_EQ(content(destination_, "p/small"), "written by somebody else");
  EXPECT_EQ(content(destination_, "empty"), "written by somebody else");
}

TEST_F(ObjectsTest, AnUnreachableDestinationEndsVerifyAndUndoAndIsNoVerdict) {
  fill_source();
  run_to_end();
  destination_->set_fault_hook([](Call, std::string_view, std::int64_t) { return Fault::refuse; });
  EXPECT_FALSE(execution().verify().ok());
  EXPECT_EQ(execution().differences(), 0);
  EXPECT_FALSE(execution().undo().ok());
  EXPECT_EQ(completed(), 3);
  EXPECT_FALSE(item("large").error.has_value());
}

TEST_F(ObjectsTest, VerifyTellsWhatDiffers) {
  fill_source();
  put(source_, "gone", "x");
  run_to_end();
  put(destination_, "p/small", "some Content");
  put(destination_, "large", "short");
  ASSERT_TRUE(
      destination_->remove("gone", (*destination_->head("gone", never_))->etag, never_).ok());
  ASSERT_TRUE(execution().verify().ok());
  EXPECT_EQ(execution().differences(), 3);
  EXPECT_EQ(execution().verified(), 1);
  EXPECT_NE(item("p/small").difference->message.find("another content"), std::string::npos);
}

TEST_F(ObjectsTest, OldVersionsKeptByOthersAreNoSource) {
  put(source_, ".dunlin-undo-0123abcd/1", "old");
  put(source_, "p/.dunlin-undo-0123abcd/1", "old");
  fill_source();
  run_to_end();
  EXPECT_EQ(execution().items().size(), 3U);
}

TEST_F(ObjectsTest, ReleaseTakesOnlyWhatThisExecutionLeft) {
  put(destination_, "p/small", "old");
  put(destination_, ".dunlin-undo-0123abcd/1", "another execution's");
  fill_source();
  run_to_end();
  ASSERT_TRUE(destination_->begin_upload("large", {{"who", "somebody else"}}, never_).ok());
  const Mark other{"01890000-0000-7000-8000-ffffffffffff", 1, ItemId(1), "", ""};
  ASSERT_TRUE(destination_->begin_upload("large", marked({}, other), never_).ok());
  ASSERT_TRUE(execution().release().ok());
  EXPECT_EQ(open_uploads(), 2U);
  EXPECT_EQ(content(destination_, ".dunlin-undo-0123abcd/1"), "another execution's");
  EXPECT_EQ(everything(*destination_).size(), 4U);
}

}  // namespace
}  // namespace dunlin::objects
