// The coordinator step by step: what follows what. The simulator (tests/sim) does the same with
// 10,000 seeds.
#include "engine/coordinator.h"

#include <gtest/gtest.h>

namespace dunlin::engine::coordinator {
namespace {

/// Feeds events and keeps the commands of the last step.
class CoordinatorTest : public ::testing::Test {
 protected:
  std::vector<Command> feed(const Event& event) {
    last_ = step(state_, event, now_);
    return last_;
  }
  template <typename C>
  std::vector<C> of(const std::vector<Command>& commands) const {
    std::vector<C> found;
    for (const Command& command : commands) {
      if (const auto* c = std::get_if<C>(&command)) found.push_back(*c);
    }
    return found;
  }
  template <typename C>
  C only(const std::vector<Command>& commands) const {
    const auto found = of<C>(commands);
    EXPECT_EQ(found.size(), 1U);
    return found.empty() ? C{} : found.front();
  }
  Persisted durable(const Persist& persist) const {
    Persisted event;
    event.sequence = persist.sequence;
    event.results.assign(persist.mutations.size(), success());
    event.counters = counters_;
    event.as_of = persist.sequence;
    return event;
  }
  /// Answers every Persist of `commands` and whatever they lead to, until one of another kind
  /// comes.
  std::vector<Command> settle_persists(std::vector<Command> commands) {
    std::vector<Command> others;
    while (!commands.empty()) {
      std::vector<Command> next;
      for (const Command& command : commands) {
        if (const auto* persist = std::get_if<Persist>(&command)) {
          for (Command& more : feed(durable(*persist))) next.push_back(std::move(more));
        } else {
          others.push_back(command);
        }
      }
      commands = std::move(next);
    }
    return others;
  }
  /// Up to the point where work is asked for: returns {Enumerate, LoadWindow}.
  std::vector<Command> start(Begin begin = {}) {
    begin.row.epoch = 1;
    auto commands = settle_persists(feed(begin));
    const auto preflight = only<Preflight>(commands);
    return settle_persists(
        feed(PreflightDone{preflight.call, "roots", false, std::nullopt, std::nullopt}));
  }
  static BatchRow batch(std::int64_t id) {
    BatchRow row;
    row.id = BatchId(id);
    return row;
  }
  WindowLoaded window(const LoadWindow& load, std::vector<BatchRow> rows,
                      std::int64_t unfinished) const {
    WindowLoaded event;
    event.call = load.call;
    event.ready.batches = std::move(rows);
    event.ready.unfinished = unfinished;
    event.as_of = 1'000;
    event.counters = counters_;
    return event;
  }

  State state_;
  Now now_{1'000, 1'000};
  Counters counters_;
  std::vector<Command> last_;
};

TEST_F(CoordinatorTest, EntersRunningBeforeAnythingElse) {
  const auto commands = feed(Begin{});
  ASSERT_EQ(commands.size(), 1U);
  const auto persist = only<Persist>(commands);
  EXPECT_EQ(std::get<store::SetStatus>(persist.mutations.back()).to, ExecutionStatus::running);
}

TEST_F(CoordinatorTest, ADeadOwnersRunningIsRecordedAsInterruptedFirst) {
  Begin begin;
  begin.row.status = ExecutionStatus::running;
  const auto persist = only<Persist>(feed(begin));
  EXPECT_EQ(std::get<store::SetStatus>(persist.mutations.front()).to, ExecutionStatus::paused);
  EXPECT_EQ(std::get<store::SetStatus>(persist.mutations.back()).to, ExecutionStatus::running);
}

TEST_F(CoordinatorTest, ABatchRunsOnlyAfterItsStartIsDurable) {
  const auto commands = start();
  const auto load = only<LoadWindow>(commands);
  const auto starting = feed(window(load, {batch(1)}, 1));
  EXPECT_TRUE(of<RunBatch>(starting).empty());
  const auto persist = only<Persist>(starting);
  const auto running = feed(durable(persist));
  EXPECT_EQ(only<RunBatch>(running).batch.id, BatchId(1));
}

TEST_F(CoordinatorTest, NothingBeginsBeforeEveryItemWasLookedAt) {
  state_.config.hold_up_to_items = 10;
  auto commands = start();
  EXPECT_TRUE(of<LoadWindow>(commands).empty());
  const auto listing = only<Enumerate>(commands);
  EXPECT_TRUE(of<LoadWindow>(feed(WorkAppended{10})).empty());
  commands = settle_persists(feed(EnumerationEnded{listing.call, true, std::nullopt}));
  const auto check = only<CheckItems>(commands);
  EXPECT_TRUE(of<LoadWindow>(commands).empty());
  EXPECT_TRUE(feed(WorkAppended{10}).empty()) << "it is asked once";
  commands = settle_persists(feed(ItemsChecked{check.call, false, std::nullopt, {}}));
  EXPECT_EQ(of<LoadWindow>(commands).size(), 1U);
}

TEST_F(CoordinatorTest, ItPausesOnceOnlyWhatIsHeldBackIsLeft) {
  auto commands = start();
  const auto load = only<LoadWindow>(commands);
  settle_persists(feed(EnumerationEnded{only<Enumerate>(commands).call, true, std::nullopt}));
  auto held = window(load, {}, 3);
  held.ready.held = 2;
  commands = feed(held);
  if (const auto again = of<LoadWindow>(commands); !again.empty()) {
    held.call = again.front().call;
    commands = feed(held);
  }
  settle_persists(commands);
  ASSERT_TRUE(state_.target.has_value());
  EXPECT_EQ(*state_.target, ExecutionStatus::paused);
  EXPECT_EQ(state_.reason->type, ErrorType::held_back);
}

TEST_F(CoordinatorTest, AnOrderThatHasChangedIsReadAgain) {
  const auto load = only<LoadWindow>(start());
  state_.config.parallel_batches = 1;
  std::vector<BatchRow> rows;
  for (std::int64_t id = 1; id <= 200; ++id) rows.push_back(batch(id));
  settle_persists(feed(window(load, rows, 200)));
  Control first{7, "priority", "{}", "somebody", {}, {}, false, {}, "first"};
  first.changes = {store::SetPriority{store::Priority::immediate, {BatchId(150)}, {}}};
  const auto persist = only<Persist>(feed(first));
  EXPECT_EQ(persist.mutations.size(), 2U) << "with its audit entry";
  const auto commands = feed(durable(persist));
  EXPECT_EQ(only<Answer>(commands).message, "first");
  EXPECT_EQ(of<LoadWindow>(commands).size(), 1U);
  EXPECT_TRUE(state_.window.empty());
}

TEST_F(CoordinatorTest, ALostCheckOfTheItemsIsAskedForAgain) {
  state_.config.hold_up_to_items = 10;
  const auto listing = only<Enumerate>(start());
  const auto check =
      only<CheckItems>(settle_persists(feed(EnumerationEnded{listing.call, true, std::nullopt})));
  now_.monotonic_ms += kReplyDeadlineMs;
  EXPECT_EQ(only<CheckItems>(feed(Tick{})).call, check.call);
}

TEST_F(CoordinatorTest, MoreItemsThanItWaitsForBeginAtOnceAndThatIsSaid) {
  state_.config.hold_up_to_items = 10;
  static_cast<void>(start());
  const auto commands = feed(WorkAppended{11});
  EXPECT_EQ(std::get<store::AddMilestone>(only<Persist>(commands).mutations.front()).name,
            "preflight_streaming");
  EXPECT_EQ(of<LoadWindow>(commands).size(), 1U);
}

TEST_F(CoordinatorTest, ItemsThatAreRefusedEndItWithNothingBegun) {
  state_.config.hold_up_to_items = 10;
  const auto listing = only<Enumerate>(start());
  const auto check =
      only<CheckItems>(settle_persists(feed(EnumerationEnded{listing.call, true, std::nullopt})));
  auto commands = settle_persists(feed(ItemsChecked{check.call, true, std::nullopt, {}}));
  EXPECT_TRUE(of<RunBatch>(commands).empty());
  commands = settle_persists(feed(Closed{only<CloseRun>(commands).call}));
  const auto finish = only<Finish>(commands);
  EXPECT_EQ(finish.status, ExecutionStatus::failed);
  EXPECT_EQ(finish.reason->type, ErrorType::preflight_refused);
}

/// Its first part has looked at them; and what was begun has to go on in any case.
TEST_F(CoordinatorTest, WhatWasBegunIsNotHeldAgain) {
  state_.config.hold_up_to_items = 10;
  Begin begin;
  begin.row.status = ExecutionStatus::paused;
  begin.begun = true;
  EXPECT_EQ(of<LoadWindow>(start(begin)).size(), 1U);
}

/// `dunlin retry` after a refusal begins nothing either.
TEST_F(CoordinatorTest, WhatIsReopenedBeforeAnythingWasBegunIsHeldToo) {
  state_.config.hold_up_to_items = 10;
  Begin begin;
  begin.row.enumeration_complete = true;
  begin.reopen_batches = {BatchId(1)};
  const auto commands = start(begin);
  EXPECT_TRUE(of<LoadWindow>(commands).empty());
  EXPECT_EQ(of<CheckItems>(commands).size(), 1U);
}

TEST_F(CoordinatorTest, WhatRefusesIsRecorded) {
  state_.config.hold_up_to_items = 10;
  const auto listing = only<Enumerate>(start());
  const auto check =
      only<CheckItems>(settle_persists(feed(EnumerationEnded{listing.call, true, std::nullopt})));
  const auto commands = feed(
      ItemsChecked{check.call, true, std::nullopt, {Error(ErrorType::disk_full, "too little")}});
  const auto persist = only<Persist>(commands);
  EXPECT_EQ(std::get<store::AddError>(persist.mutations.front()).error.message, "too little");
}

TEST_F(CoordinatorTest, APauseWhileItemsAreLookedAtIsNoRefusal) {
  state_.config.hold_up_to_items = 10;
  const auto listing = only<Enumerate>(start());
  const auto check =
      only<CheckItems>(settle_persists(feed(EnumerationEnded{listing.call, true, std::nullopt})));
  Control pause;
  pause.request = 1;
  pause.verb = "pause";
  static_cast<void>(settle_persists(feed(pause)));
  auto commands = settle_persists(
      feed(ItemsChecked{check.call, false, Error(ErrorType::interrupted, "paused"), {}}));
  commands = settle_persists(feed(Closed{only<CloseRun>(commands).call}));
  EXPECT_EQ(only<Finish>(commands).status, ExecutionStatus::paused);
}

TEST_F(CoordinatorTest, ARefusedStartIsDroppedAndLoadedAgain) {
  const auto load = only<LoadWindow>(start());
  const auto persist = only<Persist>(feed(window(load, {batch(1)}, 1)));
  Persisted refused = durable(persist);
  refused.results.front() = Error(ErrorType::invalid_state, "not pending");
  const auto commands = feed(refused);
  EXPECT_TRUE(of<RunBatch>(commands).empty());
  EXPECT_EQ(of<LoadWindow>(commands).size(), 1U);
}

TEST_F(CoordinatorTest, AStaleEpochEndsTheAttemptAtOnce) {
  const auto load = only<LoadWindow>(start());
  const auto persist = only<Persist>(feed(window(load, {batch(1)}, 1)));
  Persisted stale = durable(persist);
  stale.results.front() = Error(ErrorType::stale_owner, "taken over");
  const auto commands = feed(stale);
  EXPECT_TRUE(of<RunBatch>(commands).empty());
  EXPECT_FALSE(only<Finish>(commands).recorded);
}

TEST_F(CoordinatorTest, NeverMoreThanParallelBatchesAreOpen) {
  state_.config.parallel_batches = 2;
  const auto load = only<LoadWindow>(start());
  feed(window(load, {batch(1), batch(2), batch(3), batch(4)}, 4));
  EXPECT_EQ(state_.open.size(), 2U);
}

TEST_F(CoordinatorTest, OpenBatchesAreSettledBeforeNewWork) {
  Begin begin;
  begin.row.status = ExecutionStatus::running;
  BatchRow open = batch(7);
  open.token = 99;
  begin.open = {open};
  const auto commands = start(begin);
  EXPECT_TRUE(of<Enumerate>(commands).empty());
  const auto run = only<RunBatch>(commands);
  EXPECT_TRUE(run.settle);
  EXPECT_EQ(run.token, 99);
  BatchEnded ended;
  ended.batch = run.batch.id;
  ended.token = run.token;
  ended.result = store::BatchResult::interrupted;
  EXPECT_EQ(of<Enumerate>(feed(ended)).size(), 1U);
}

/// What is only doubted leaves nothing to clean up, however long it would take to look at it.
TEST_F(CoordinatorTest, APauseDoesNotWaitForWhatIsInDoubt) {
  state_.config.parallel_batches = 1;
  for (const bool doubted : {true, false}) {
    state_ = State{};
    state_.config.parallel_batches = 1;
    Begin begin;
    begin.row.status = ExecutionStatus::paused;
    for (const int id : {7, 8}) {
      BatchRow open = batch(id);
      open.token = 99;
      open.doubted = doubted;
      begin.open.push_back(open);
    }
    const auto run = only<RunBatch>(start(begin));
    Control pause;
    pause.request = 1;
    pause.verb = "pause";
    pause.actor = "test";
    EXPECT_EQ(of<CancelWork>(settle_persists(feed(pause))).size(), doubted ? 1U : 0U);
    BatchEnded ended;
    ended.batch = run.batch.id;
    ended.token = run.token;
    ended.result = store::BatchResult::interrupted;
    if (doubted) ended.persist_error = Error(ErrorType::interrupted, "paused");
    const auto commands = settle_persists(feed(ended));
    EXPECT_EQ(of<RunBatch>(commands).size(), doubted ? 0U : 1U);
    EXPECT_EQ(of<CloseRun>(commands).size(), doubted ? 1U : 0U);
  }
}

TEST_F(CoordinatorTest, APauseLetsWhatACrashHasLeftBeCleanedUpBesideWhatIsInDoubt) {
  state_.config.parallel_batches = 2;
  Begin begin;
  begin.row.status = ExecutionStatus::paused;
  for (const int id : {7, 8}) {
    BatchRow open = batch(id);
    open.token = 99;
    open.doubted = id == 8;
    begin.open.push_back(open);
  }
  const auto runs = of<RunBatch>(start(begin));
  ASSERT_EQ(runs.size(), 2U);
  Control pause;
  pause.request = 1;
  pause.verb = "pause";
  pause.actor = "test";
  EXPECT_TRUE(of<CancelWork>(settle_persists(feed(pause))).empty());
  BatchEnded ended;
  ended.batch = runs[0].batch.id;
  ended.token = runs[0].token;
  ended.result = store::BatchResult::interrupted;
  EXPECT_EQ(of<CancelWork>(settle_persists(feed(ended))).size(), 1U);
}

TEST_F(CoordinatorTest, DoubledAndUnknownEventsAreIgnored) {
  const auto load = only<LoadWindow>(start());
  const auto persist = only<Persist>(feed(window(load, {batch(1)}, 1)));
  feed(durable(persist));
  EXPECT_TRUE(of<RunBatch>(feed(durable(persist))).empty());
  BatchEnded unknown;
  unknown.batch = BatchId(5);
  unknown.token = 1;
  EXPECT_TRUE(feed(unknown).empty());
}

TEST_F(CoordinatorTest, WhatIsNotAnsweredIsAskedAgainUnderTheSameNumber) {
  const auto load = only<LoadWindow>(start());
  now_.monotonic_ms += kReplyDeadlineMs + 1;
  const auto again = of<LoadWindow>(feed(Tick{}));
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again.front().call, load.call);
}

TEST_F(CoordinatorTest, APauseAnswersWhenRecordedAndEndsWhenTheBatchesHave) {
  const auto load = only<LoadWindow>(start());
  const auto persist = only<Persist>(feed(window(load, {batch(1)}, 1)));
  const auto run = only<RunBatch>(feed(durable(persist)));
  auto commands = feed(Control{1, "pause", "{}", "somebody", {}, {}, false});
  EXPECT_TRUE(of<Answer>(commands).empty());
  EXPECT_EQ(only<CancelWork>(commands).reason, CancelReason::pause);
  commands = feed(durable(only<Persist>(commands)));
  EXPECT_TRUE(only<Answer>(commands).accepted);
  BatchEnded ended;
  ended.batch = run.batch.id;
  ended.token = run.token;
  ended.result = store::BatchResult::interrupted;
  feed(ended);
  EnumerationEnded listing;
  listing.call = state_.enumerate.call;
  listing.error = Error(ErrorType::interrupted, "pause");
  const auto close = only<CloseRun>(settle_persists(feed(listing)));
  commands = settle_persists(feed(Closed{close.call}));
  const auto finish = only<Finish>(commands);
  EXPECT_EQ(finish.status, ExecutionStatus::paused);
  EXPECT_TRUE(finish.recorded);
}

TEST_F(CoordinatorTest, ACancelWinsOverAPause) {
  start();
  feed(Control{1, "pause", "{}", "somebody", {}, {}, false});
  feed(Control{2, "cancel", "{}", "somebody", {}, {}, false});
  EXPECT_EQ(state_.target, ExecutionStatus::cancelled);
}

TEST_F(CoordinatorTest, AFullStateDiskReleasesTheReserveAndTriesAgain) {
  start();
  const auto persist = only<Persist>(feed(Control{1, "cancel", "{}", "somebody", {}, {}, false}));
  const auto commands =
      feed(PersistFailed{persist.sequence, Error(ErrorType::state_write_failed, "full")});
  EXPECT_EQ(of<ReleaseReserve>(commands).size(), 1U);
  EXPECT_EQ(only<Persist>(commands).sequence, persist.sequence);
}

TEST_F(CoordinatorTest, ACancelStandsEvenWhenNothingCanBeRecorded) {
  auto commands = start();
  const auto persist = only<Persist>(feed(Control{1, "cancel", "{}", "somebody", {}, {}, false}));
  const Error full(ErrorType::state_write_failed, "full");
  feed(PersistFailed{persist.sequence, full});
  EXPECT_TRUE(only<Answer>(feed(PersistFailed{persist.sequence, full})).accepted);
  EnumerationEnded listing;
  listing.call = state_.enumerate.call;
  listing.error = Error(ErrorType::interrupted, "cancel");
  const auto close = only<CloseRun>(feed(listing));
  const auto ending = only<Persist>(feed(Closed{close.call}));
  const auto finish = only<Finish>(feed(PersistFailed{ending.sequence, full}));
  EXPECT_EQ(finish.status, ExecutionStatus::cancelled);
  EXPECT_FALSE(finish.recorded);
}

TEST_F(CoordinatorTest, ASystemErrorPausesAndAFatalOneFails) {
  for (const auto& [type, status] : {std::pair{ErrorType::disk_full, ExecutionStatus::paused},
                                     std::pair{ErrorType::auth_failure, ExecutionStatus::failed}}) {
    state_ = State{};
    const auto load = only<LoadWindow>(start());
    const auto run =
        only<RunBatch>(feed(durable(only<Persist>(feed(window(load, {batch(1)}, 1))))));
    BatchEnded ended;
    ended.batch = run.batch.id;
    ended.token = run.token;
    ended.result = store::BatchResult::interrupted;
    ended.error = Error(type, "as told");
    feed(ended);
    EXPECT_EQ(state_.target, status);
  }
}

TEST_F(CoordinatorTest, MaxFailuresEndsTheExecution) {
  state_.config.max_failures = 2;
  const auto load = only<LoadWindow>(start());
  const auto run = only<RunBatch>(feed(durable(only<Persist>(feed(window(load, {batch(1)}, 1))))));
  BatchEnded ended;
  ended.batch = run.batch.id;
  ended.token = run.token;
  ended.counters.failed_items = 3;
  ended.as_of = 5'000;
  feed(ended);
  EXPECT_EQ(state_.target, ExecutionStatus::failed);
  EXPECT_EQ(state_.reason->type, ErrorType::too_many_failures);
}

/// engine.md X-8; what a person has named holds whatever the size.
TEST_F(CoordinatorTest, ALargeExecutionIsCheckpointedWithEachBatch) {
  const auto checkpoints = [this](std::int64_t items, bool named) {
    state_ = State();
    state_.config.checkpoint.named = named;
    const auto load = only<LoadWindow>(start());
    const auto run =
        only<RunBatch>(feed(durable(only<Persist>(feed(window(load, {batch(1)}, 1))))));
    BatchEnded ended;
    ended.batch = run.batch.id;
    ended.token = run.token;
    ended.counters.total_items = items;
    ended.as_of = 5'000;
    int found = 0;
    for (const Persist& persist : of<Persist>(feed(ended)))
      for (const Mutation& mutation : persist.mutations)
        if (std::holds_alternative<store::AddCheckpoint>(mutation)) ++found;
    return found;
  };
  EXPECT_EQ(checkpoints(100'000, false), 0) << "every tenth";
  EXPECT_EQ(checkpoints(100'001, false), 1);
  EXPECT_EQ(checkpoints(100'001, true), 0);
}

TEST_F(CoordinatorTest, BatchesThatCanNeverStartAreADefectAndNotAHang) {
  auto commands = start();
  const auto load = only<LoadWindow>(commands);
  commands = feed(EnumerationEnded{only<Enumerate>(commands).call, true, std::nullopt});
  commands = settle_persists(commands);
  feed(window(load, {}, 3));
  ASSERT_NE(state_.load.call, 0);
  LoadWindow again;
  again.call = state_.load.call;
  feed(window(again, {}, 3));
  EXPECT_EQ(state_.reason->type, ErrorType::defect);
}

TEST_F(CoordinatorTest, ExecutionScopeCommitsOnlyAfterTheIntentIsDurable) {
  state_.config.execution_scope = true;
  state_.config.verify = false;
  auto commands = start();
  const auto load = only<LoadWindow>(commands);
  settle_persists(feed(EnumerationEnded{only<Enumerate>(commands).call, true, std::nullopt}));
  counters_.staged_batches = 1;
  feed(window(load, {}, 0));
  LoadWindow again;
  again.call = state_.load.call;
  commands = feed(window(again, {}, 0));
  EXPECT_TRUE(of<CommitExecution>(commands).empty());
  const auto persist = only<Persist>(commands);
  EXPECT_TRUE(std::holds_alternative<store::BeginCommit>(persist.mutations.front()));
  const auto commit = only<CommitExecution>(feed(durable(persist)));
  commands = feed(Committed{commit.call, std::nullopt});
  EXPECT_TRUE(
      std::holds_alternative<store::CompleteStaged>(only<Persist>(commands).mutations.front()));
}

}  // namespace
}  // namespace dunlin::engine::coordinator
