// ObjectsRun against stores that lose answers, throttle, lie and change under our hands
// (anchors, traps 36 to 46).
#include <set>

#include <gtest/gtest.h>

#include "objects/fixture.h"

namespace dunlin::objects {
namespace {

using engine::ItemStatus;
using engine::VerificationLevel;

/// Every write at the destination, lost once each before and after it applied: the end is the same.
class LostOnce : public ObjectsTest,
                 public ::testing::WithParamInterface<std::tuple<Call, int, Fault>> {};

TEST_P(LostOnce, EndsAsAnUndisturbedRun) {
  const auto [call, nth, fault] = GetParam();
  put(destination_, "p/small", "old small");
  put(destination_, "large", random_bytes(300, 9));
  fill_source();
  put(source_, "new-large", random_bytes(200, 2));
  static_cast<void>(execution());
  destination_->set_fault_hook(at(call, nth, fault));
  run_to_end();
  EXPECT_EQ(completed(), 4);
  ASSERT_TRUE(execution().verify().ok());
  EXPECT_EQ(execution().verified(), 4);
  ASSERT_TRUE(execution().release().ok());
  expect_same();
}

INSTANTIATE_TEST_SUITE_P(
    Writes, LostOnce,
    ::testing::Combine(::testing::Values(Call::put, Call::begin_upload, Call::put_part,
                                         Call::complete_upload, Call::copy, Call::head, Call::get),
                       ::testing::Values(1, 2, 3),
                       ::testing::Values(Fault::refuse, Fault::throttle, Fault::lose_request,
                                         Fault::lose_reply)));

TEST_F(ObjectsTest, ALostAnswerIsReadBackAndNotSentAgain) {
  put(source_, "small", "content");
  put(source_, "large", random_bytes(250, 1));
  static_cast<void>(execution());
  std::map<Call, int> calls;
  destination_->set_fault_hook([&](Call call, std::string_view, std::int64_t nth) {
    ++calls[call];
    const bool visible = call == Call::put || call == Call::complete_upload;
    return visible && nth == 1 ? Fault::lose_reply : Fault::none;
  });
  run_to_end();
  EXPECT_EQ(calls[Call::put], 1);
  EXPECT_EQ(calls[Call::complete_upload], 1);
  EXPECT_EQ(calls[Call::begin_upload], 1);
  EXPECT_EQ(item("small").row.attempt, 0);
  EXPECT_EQ(item("large").row.attempt, 0);
  destination_->set_fault_hook({});
  expect_same();
}

/// What stands there after a lost answer is believed only when it reads back right, whatever level.
TEST_F(ObjectsTest, ALostAnswerIsProvenByReadingEvenWithoutVerification) {
  options_.settings.verification_level = VerificationLevel::none;
  put(source_, "large", random_bytes(250, 1));
  static_cast<void>(execution());
  destination_->set_fault_hook(at(Call::complete_upload, 1, Fault::lose_reply));
  run_to_end();
  EXPECT_EQ(item("large").row.proof, engine::Proof::remote);
}

TEST_F(ObjectsTest, ALostAnswerAndALostLookAreFoundByTheNextTry) {
  put(source_, "small", "content");
  static_cast<void>(execution());
  destination_->set_fault_hook([](Call call, std::string_view, std::int64_t nth) {
    if (call == Call::put && nth == 1) return Fault::lose_reply;
    return call == Call::head && nth == 2 ? Fault::refuse : Fault::none;
  });
  run_to_end();
  EXPECT_EQ(completed(), 1);
  EXPECT_EQ(item("small").row.attempt, 1);
  destination_->set_fault_hook({});
  expect_same();
}

TEST_F(ObjectsTest, ThrottlingIsARetriableErrorOfTheItemAlone) {
  fill_source();
  options_.settings.retry.max_attempts = 1;
  static_cast<void>(execution());
  destination_->set_fault_hook([](Call call, std::string_view key, std::int64_t) {
    return call == Call::put && key == "p/small" ? Fault::throttle : Fault::none;
  });
  run_to_end();
  EXPECT_EQ(completed(), 2);
  ASSERT_TRUE(item("p/small").error.has_value());
  EXPECT_EQ(item("p/small").error->type, ErrorType::throttled);
  EXPECT_TRUE(item("p/small").error->retriable());
  EXPECT_EQ(open_uploads(), 0U);
}

TEST_F(ObjectsTest, ASourceThatEndsEarlyIsAnErrorAndNothingIsLeft) {
  fill_source();
  static_cast<void>(execution());
  source_->set_fault_hook([](Call call, std::string_view key, std::int64_t) {
    return call == Call::get && key != "empty" ? Fault::short_body : Fault::none;
  });
  run_to_end();
  EXPECT_EQ(completed(), 1);
  for (const char* name : {"large", "p/small"}) {
    EXPECT_EQ(item(name).row.status, ItemStatus::failed);
    EXPECT_EQ(item(name).error->type, ErrorType::connection_reset);
  }
  EXPECT_EQ(everything(*destination_).size(), 1U);
  EXPECT_EQ(open_uploads(), 0U);
}

TEST_F(ObjectsTest, ATruncatedLaterRangeIsNoticedToo) {
  put(source_, "large", random_bytes(250, 1));
  static_cast<void>(execution());
  source_->set_fault_hook(at(Call::get, 4, Fault::short_body));
  run_to_end();
  EXPECT_EQ(item("large").row.attempt, 1);
  source_->set_fault_hook({});
  expect_same();
}

TEST_F(ObjectsTest, ASourceThatChangesBetweenRangesIsNeverMixed) {
  put(source_, "large", random_bytes(250, 1));
  options_.settings.retry.max_attempts = 1;
  static_cast<void>(execution());
  source_->set_fault_hook([&](Call call, std::string_view, std::int64_t nth) {
    if (call == Call::get && nth == 3) put(source_, "large", random_bytes(250, 2));
    return Fault::none;
  });
  run_to_end();
  EXPECT_EQ(item("large").error->type, ErrorType::source_changed);
  EXPECT_TRUE(everything(*destination_).empty());
  EXPECT_EQ(open_uploads(), 0U);
}

TEST_F(ObjectsTest, AStoreThatIgnoresIfMatchIsFoundOut) {
  put(source_, "large", random_bytes(250, 1));
  options_.settings.retry.max_attempts = 1;
  static_cast<void>(execution());
  source_->set_fault_hook([&](Call call, std::string_view, std::int64_t nth) {
    if (call == Call::get && nth == 3) put(source_, "large", random_bytes(250, 2));
    return Fault::any_version;
  });
  run_to_end();
  EXPECT_EQ(item("large").error->type, ErrorType::source_changed);
  EXPECT_TRUE(everything(*destination_).empty());
}

TEST_F(ObjectsTest, TheNextTryCopiesTheNewVersion) {
  put(source_, "large", random_bytes(250, 1));
  put(source_, "p/small", "listed");
  ASSERT_TRUE(execution().enumerate().ok());
  put(source_, "large", random_bytes(400, 2));
  put(source_, "p/small", "written after it was listed");
  run_to_end();
  EXPECT_EQ(completed(), 2);
  EXPECT_EQ(item("large").row.transferred_bytes, 400);
  expect_same();
  ASSERT_TRUE(execution().verify().ok());
  EXPECT_EQ(execution().verified(), 2);
}

TEST_F(ObjectsTest, AnObjectGoneSinceItWasListedIsSkipped) {
  fill_source();
  ASSERT_TRUE(execution().enumerate().ok());
  ASSERT_TRUE(source_->remove("large", (*source_->head("large", never_))->etag, never_).ok());
  run_to_end();
  EXPECT_EQ(item("large").row.status, ItemStatus::skipped);
  EXPECT_EQ(item("large").row.message, "source_gone");
  expect_same();
}

TEST_F(ObjectsTest, ACorruptCopyIsTakenBackAndReported) {
  put(destination_, "p/small", "old small", {{"old", "yes"}});
  put(destination_, "old-large", random_bytes(150, 7));
  const auto before = everything(*destination_);
  fill_source();
  put(source_, "old-large", random_bytes(250, 3));
  static_cast<void>(execution());
  destination_->set_fault_hook([](Call call, std::string_view key, std::int64_t) {
    static int hits = 0;
    if (call == Call::put && key == "p/small") return ++hits == 1 ? Fault::corrupt : Fault::none;
    if (call == Call::put_part && key == "large") return Fault::corrupt;
    return Fault::none;
  });
  run_to_end();
  for (const char* name : {"p/small", "large"}) {
    EXPECT_EQ(item(name).row.status, ItemStatus::failed);
    EXPECT_EQ(item(name).error->type, ErrorType::verification_mismatch) << name;
  }
  EXPECT_EQ(content(destination_, "p/small"), "old small");
  EXPECT_FALSE((*destination_->head("large", never_)).has_value());
  ASSERT_TRUE(execution().undo().ok());
  ASSERT_TRUE(execution().release().ok());
  EXPECT_EQ(everything(*destination_), before);
}

TEST_F(ObjectsTest, AnOldVersionThatCannotBeKeptIntactIsNotReplaced) {
  put(destination_, "p/small", "old small");
  fill_source();
  static_cast<void>(execution());
  destination_->set_fault_hook([](Call call, std::string_view key, std::int64_t) {
    const bool undo = key.find("dunlin-undo") != std::string_view::npos;
    return call == Call::copy && undo ? Fault::corrupt : Fault::none;
  });
  run_to_end();
  EXPECT_EQ(item("p/small").error->type, ErrorType::verification_mismatch);
  EXPECT_EQ(content(destination_, "p/small"), "old small");
}

TEST_F(ObjectsTest, SomebodyElsesWriteWinsOverOurs) {
  put(destination_, "p/small", "old small");
  fill_source();
  static_cast<void>(execution());
  std::set<std::string> done;
  destination_->set_fault_hook([&](Call call, std::string_view key, std::int64_t) {
    const bool ours = (call == Call::put && key == "p/small") ||
                      (call == Call::complete_upload && key == "large");
    if (ours && done.insert(std::string(key)).second) put(destination_, std::string(key), "theirs");
    return Fault::none;
  });
  run_to_end();
  EXPECT_EQ(item("p/small").error->type, ErrorType::destination_changed);
  EXPECT_EQ(item("large").error->type, ErrorType::destination_exists);
  EXPECT_EQ(content(destination_, "p/small"), "theirs");
  EXPECT_EQ(content(destination_, "large"), "theirs");
  EXPECT_EQ(open_uploads(), 0U);
}

// ---- Ownership, interruption, settle ----

TEST_F(ObjectsTest, AStaleOwnerMakesNothingVisible) {
  put(destination_, "p/small", "old small");
  const auto before = everything(*destination_);
  fill_source();
  options_.on_fence = [] { return Status(Error(ErrorType::stale_owner, "taken over")); };
  EXPECT_EQ(execution().run_to_end().error().type, ErrorType::stale_owner);
  EXPECT_EQ(everything(*destination_), before);
}

/// A process stopped right behind its fence, continued when the new owner has settled: its complete
/// meets an aborted upload, its put an existing object.
TEST_F(ObjectsTest, AnOwnerContinuedAfterATakeOverChangesNothing) {
  put(source_, "large", random_bytes(250, 1));
  put(source_, "p/small", "some content");
  static_cast<void>(execution());
  bool done = false;
  destination_->set_fault_hook([&](Call call, std::string_view key, std::int64_t) {
    if (call != Call::complete_upload || key != "large" || done) return Fault::none;
    done = true;
    auto uploads = destination_->list_uploads("", never_);
    for (const auto& upload : *uploads) {
      EXPECT_TRUE(destination_->abort_upload(upload.key, upload.id, never_).ok());
    }
    const Mark mark{options_.execution.value, 2, ItemId(2), "", ""};
    EXPECT_TRUE(destination_->put("p/small", "some content", {}, marked({}, mark), never_).ok());
    return Fault::none;
  });
  run_to_end();
  EXPECT_EQ(item("large").row.attempt, 1);
  expect_same();
}

TEST_F(ObjectsTest, APauseWithinALargeObjectLeavesItForTheNextAttempt) {
  put(source_, "large", random_bytes(2000, 1));
  static_cast<void>(execution());
  source_->set_fault_hook([&](Call call, std::string_view, std::int64_t nth) {
    if (call == Call::get && nth == 10) execution().cancel_source().request(CancelReason::pause);
    return Fault::none;
  });
  EXPECT_EQ(execution().run_to_end().error().type, ErrorType::interrupted);
  EXPECT_TRUE(everything(*destination_).empty());
  EXPECT_EQ(open_uploads(), 1U);
  source_->set_fault_hook({});
  execution().take_over(*run_);
  run_to_end();
  expect_same();
}

TEST_F(ObjectsTest, SettleAbortsItsOwnUploadsAndNoOthers) {
  put(source_, "large", random_bytes(250, 1));
  const auto foreign = destination_->begin_upload("large", {}, never_);
  const Mark other{"01890000-0000-7000-8000-ffffffffffff", 1, ItemId(1), "", ""};
  const auto anothers = destination_->begin_upload("large", marked({}, other), never_);
  static_cast<void>(execution());
  // Dies between begin_upload and the record of its id.
  int records = 0;
  destination_->set_fault_hook([&](Call call, std::string_view, std::int64_t) {
    if (call == Call::begin_upload) ++records;
    if (call == Call::abort_upload && records == 1) return Fault::lose_request;  // dead by then
    return Fault::none;
  });
  dunlin::testing::LocalExecution::Options options = options_;
  options.on_intents = [&](const std::vector<engine::ItemIntent>&) -> Status {
    if (records == 1) return Error(ErrorType::interrupted, "killed");
    return success();
  };
  dunlin::testing::LocalExecution dying(*run_, options);
  ASSERT_FALSE(dying.run_to_end().ok());
  EXPECT_EQ(open_uploads(), 3U);
  for (auto& [id, batch] : dying.mutable_ledger().batches) {
    batch.row.status = store::BatchStatus::executing;  // as a killed process leaves it
  }
  records = 2;
  dying.take_over(*run_);
  ASSERT_TRUE(dying.settle().ok());
  EXPECT_EQ(open_uploads(), 2U);
  ASSERT_TRUE(dying.run_to_end().ok());
  EXPECT_EQ(open_uploads(), 2U);
  EXPECT_EQ(content(destination_, "large"), random_bytes(250, 1));
  EXPECT_TRUE(destination_->put_part("large", *foreign, 1, "x", never_).ok());
  EXPECT_TRUE(destination_->put_part("large", *anothers, 1, "x", never_).ok());
}

TEST_F(ObjectsTest, AnOwnerThatMayNotRecordItsUploadTakesItBack) {
  put(source_, "large", random_bytes(250, 1));
  static_cast<void>(execution());
  dunlin::testing::LocalExecution::Options options = options_;
  options.on_intents = [&](const std::vector<engine::ItemIntent>&) -> Status {
    if (open_uploads() == 0) return success();
    return Error(ErrorType::stale_owner, "another process has taken over, and has settled");
  };
  dunlin::testing::LocalExecution stale(*run_, options);
  EXPECT_EQ(stale.run_to_end().error().type, ErrorType::stale_owner);
  EXPECT_EQ(open_uploads(), 0U);
}

TEST_F(ObjectsTest, SettleBelievesOnlyWhatReadsBackRight) {
  fill_source();
  ASSERT_TRUE(execution().enumerate().ok());
  // As left by a process that died after its writes, one of which went wrong.
  const auto etag = [&](const char* key) { return (*source_->head(key, never_))->etag; };
  const auto mark = [&](const char* key) {
    return marked({}, Mark{options_.execution.value, 1, item(key).row.id, etag(key), ""});
  };
  ASSERT_TRUE(destination_->put("empty", "", {}, mark("empty"), never_).ok());
  ASSERT_TRUE(destination_->put("p/small", "some c0ntent", {}, mark("p/small"), never_).ok());
  for (auto& [id, batch] : execution().mutable_ledger().batches) {
    batch.row.status = store::BatchStatus::executing;
  }
  ASSERT_TRUE(execution().settle().ok());
  EXPECT_EQ(item("empty").row.status, ItemStatus::completed);
  EXPECT_EQ(item("p/small").row.status, ItemStatus::pending);
  EXPECT_FALSE((*destination_->head("p/small", never_)).has_value());
  ASSERT_TRUE(execution().settle().ok());  // repeatable
  run_to_end();
  EXPECT_EQ(content(destination_, "p/small"), "some content");
  EXPECT_EQ(completed(), 3);
}

TEST_F(ObjectsTest, TroubleWithOneItemInSettleIsLeftToItsNextTry) {
  fill_source();
  ASSERT_TRUE(execution().enumerate().ok());
  const Mark mark{options_.execution.value, 1, item("p/small").row.id,
                  (*source_->head("p/small", never_))->etag, ""};
  ASSERT_TRUE(destination_->put("p/small", "some content", {}, marked({}, mark), never_).ok());
  for (auto& [id, batch] : execution().mutable_ledger().batches) {
    batch.row.status = store::BatchStatus::executing;
  }
  destination_->set_fault_hook(at(Call::get, 1, Fault::refuse));
  ASSERT_TRUE(execution().settle().ok());
  EXPECT_EQ(item("p/small").row.status, ItemStatus::pending);
  run_to_end();
  EXPECT_EQ(completed(), 3);
  destination_->set_fault_hook({});
  EXPECT_EQ(content(destination_, "p/small"), "some content");
}

TEST_F(ObjectsTest, AForeignObjectOfTheSameContentIsNotTakenForOurs) {
  fill_source();
  ASSERT_TRUE(execution().enumerate().ok());
  put(destination_, "p/small", "some content");
  for (auto& [id, batch] : execution().mutable_ledger().batches) {
    batch.row.status = store::BatchStatus::executing;
  }
  ASSERT_TRUE(execution().settle().ok());
  EXPECT_EQ(item("p/small").row.status, ItemStatus::pending);
  run_to_end();
  EXPECT_EQ(item("p/small").row.status, ItemStatus::skipped);
  ASSERT_TRUE(execution().undo().ok());
  EXPECT_EQ(content(destination_, "p/small"), "some content");  // not ours to remove
}

TEST_F(ObjectsTest, OnTheEnginesThreadsTheEndIsTheSame) {
  for (int n = 0; n < 200; ++n) {
    put(source_, "k" + std::to_string(n), random_bytes(static_cast<std::size_t>(n), 1));
  }
  options_.threads = 4;
  options_.settings.batch_size = 50;
  options_.settings.batch_size_set = true;
  run_to_end();
  EXPECT_EQ(completed(), 200);
  expect_same();
}

}  // namespace
}  // namespace dunlin::objects
