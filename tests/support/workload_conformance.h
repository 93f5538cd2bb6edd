// The Workload conformance suite: what every Run must keep, whatever it moves (engine/run.h).
//
// A kind brings a WorkloadSubject (how to make a source, open the plan, look at both ends) and
// instantiates the suite in tests/conformance/<kind>_conformance_test.cpp; where it cannot keep a
// promise it says so in its Capabilities, and why. Runs are driven by LocalExecution; "a crash" is
// a fence or a durable write that fails for ever, the outcomes of the open batch forgotten, and a
// new Run of the next epoch.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "engine/run.h"
#include "support/local_contexts.h"

namespace dunlin::testing {

/// What a person sees: name -> content (and whatever else of it is migrated).
using Contents = std::map<std::string, std::string>;

/// Declared deviations. Each is a promise that this kind cannot keep; the comment beside it in the
/// subject says why.
struct Capabilities {
  bool undo = true;
  bool refuses_undo_of_changes = true;
  bool finds_damage = true;
  bool hostile_names = true;
  bool waits_for_permits = true;  ///< asks the governor before it reads or writes
  bool cursor = true;             ///< enumerates in more than one step
};

class WorkloadSubject {
 public:
  virtual ~WorkloadSubject() = default;
  [[nodiscard]] virtual Capabilities capabilities() const { return {}; }
  /// Once: a source of about `items` items, and a destination in which something stands already.
  virtual void make_source(std::int64_t items) = 0;
  /// Instead of make_source: names that break careless code.
  virtual void make_hostile_source() {}
  /// The plan's Run, as a new process would open it.
  [[nodiscard]] virtual std::unique_ptr<engine::Run> open() = 0;
  [[nodiscard]] virtual engine::ExecutionSettings settings() const {
    engine::ExecutionSettings settings;
    settings.batch_size = 4;
    settings.batch_size_set = true;
    return settings;
  }
  [[nodiscard]] virtual Contents source() = 0;
  [[nodiscard]] virtual Contents destination() = 0;
  /// The destination after an undisturbed migration.
  [[nodiscard]] virtual Contents expected() = 0;
  /// Temporaries, undo data, open uploads, locks: names of what nobody should see in the end.
  [[nodiscard]] virtual std::vector<std::string> leftovers() = 0;
  /// Whether the destination holds this item now; nullopt: it cannot be told from outside.
  [[nodiscard]] virtual std::optional<bool> holds(const engine::ItemRow& item) = 0;
  /// Somebody changes one migrated thing at the destination.
  virtual void damage() {}
};

/// Gives every permit late, so that small sources last.
class SlowPermits final : public Permits {
 public:
  explicit SlowPermits(std::chrono::milliseconds delay) : delay_(delay) {}
  [[nodiscard]] Status acquire(std::int64_t, std::int64_t, const CancelToken& cancel) override {
    ++asked_;
    cancel.wait_for(delay_);
    return cancel.check();
  }
  [[nodiscard]] int asked() const { return asked_; }

 private:
  const std::chrono::milliseconds delay_;
  std::atomic<int> asked_{0};
};

template <typename Subject>
class WorkloadConformance : public ::testing::Test {
 protected:
  using Options = LocalExecution::Options;
  static constexpr std::int64_t kItems = 10;

  /// A new subject with a source of `items`.
  void begin(std::int64_t items = kItems, Options options = {}) {
    execution_.reset();
    runs_.clear();
    subject_ = std::make_unique<Subject>();
    subject_->make_source(items);
    if (::testing::Test::HasFatalFailure()) return;
    start(std::move(options));
  }
  void start(Options options = {}) {
    options.settings = subject_->settings();
    runs_.push_back(subject_->open());
    ASSERT_NE(runs_.back(), nullptr);
    execution_ = std::make_unique<LocalExecution>(*runs_.back(), std::move(options));
  }
  LocalExecution& execution() { return *execution_; }
  Subject& subject() { return *subject_; }
  Capabilities capabilities() { return Subject().capabilities(); }

  /// The process dies here: what it reported of open batches and had not recorded is lost; another
  /// one goes on.
  void crash() {
    LocalLedger& ledger = execution_->mutable_ledger();
    for (auto& [id, batch] : ledger.batches) {
      if (batch.row.status != store::BatchStatus::executing) continue;
      for (std::int64_t n = 0; n < batch.row.item_count; ++n) {
        LocalItem& item = ledger.items.at(batch.row.first_item.value + n);
        const std::string intent = item.row.intent;
        item.error.reset();
        item.row.status = store::ItemStatus::pending;
        item.row.attempt = 0;
        item.row.undo.clear();
        item.row.intent = intent;
      }
    }
    runs_.push_back(subject_->open());
    ASSERT_NE(runs_.back(), nullptr);
    execution_->take_over(*runs_.back());
  }
  /// Everything that had been started looks as if it had been started only.
  void forget_everything_done() {
    for (auto& [id, batch] : execution_->mutable_ledger().batches) {
      batch.row.status = store::BatchStatus::executing;
      batch.row.pass = store::Pass::work;
    }
    execution_->mutable_ledger().committing = false;
  }

  static ::testing::AssertionResult ok(const Status& status) {
    if (status.ok()) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << status.error().text();
  }
  void expect_migrated() {
    EXPECT_EQ(subject_->destination(), subject_->expected());
    EXPECT_EQ(execution_->count(engine::ItemStatus::pending), 0);
    EXPECT_EQ(execution_->count(engine::ItemStatus::failed), 0);
  }
  void expect_nothing_left() {
    EXPECT_TRUE(ok(execution_->release()));
    EXPECT_EQ(subject_->leftovers(), std::vector<std::string>());
  }
  /// What settle() says of open items is what the destination shows.
  void expect_settled_truthfully(const std::set<std::int64_t>& open_batches) {
    for (const LocalItem* item : execution_->items()) {
      if (!open_batches.contains(item->row.batch.value)) continue;
      const std::optional<bool> holds = subject_->holds(item->row);
      if (!holds) continue;
      const bool done = item->row.status == engine::ItemStatus::completed ||
                        item->row.status == engine::ItemStatus::skipped;
      EXPECT_EQ(done, *holds) << "item '" << item->row.directory_path << "/" << item->row.name
                              << "' of batch " << item->row.batch.value;
    }
  }
  std::set<std::int64_t> open_batches() const {
    std::set<std::int64_t> open;
    for (const auto& [id, batch] : execution_->ledger().batches) {
      if (batch.row.status == store::BatchStatus::executing) open.insert(id);
    }
    return open;
  }
  /// What was journaled: an item is its task type, place and name.
  using Journaled = std::multiset<std::tuple<std::string, std::string, std::string>>;
  Journaled journaled() const {
    Journaled all;
    for (const LocalItem* item : execution_->items()) {
      const auto& batch = execution_->ledger().batches.at(item->row.batch.value);
      all.emplace(batch.row.task_type, item->row.directory_path, item->row.name);
    }
    return all;
  }
  /// Plays it with the nth call of a hook (and all later ones) failing as for a process that has
  /// lost its execution, recovers, and goes on to the end. False: there is no nth call.
  bool survives(const std::function<void(Options&, std::function<bool()>)>& install, int nth) {
    SCOPED_TRACE("call " + std::to_string(nth));
    const auto calls = std::make_shared<std::atomic<int>>(0);
    const auto dead = std::make_shared<std::atomic<bool>>(false);
    Options options;
    install(options, [=] {
      if (*dead) return false;  // only the first owner meets it
      return ++*calls >= nth;
    });
    begin(6, std::move(options));
    const Status first = execution().run_to_end();
    const bool reached = *calls >= nth;
    *dead = true;
    if (!reached) {
      EXPECT_TRUE(ok(first));
      return false;
    }
    crash();
    const std::set<std::int64_t> open = open_batches();
    EXPECT_TRUE(ok(execution().settle()));
    expect_settled_truthfully(open);
    EXPECT_TRUE(ok(execution().run_to_end()));
    expect_migrated();
    expect_nothing_left();
    return true;
  }
  static Error stale() { return {ErrorType::stale_owner, "another process has taken over"}; }

 private:
  std::unique_ptr<Subject> subject_;
  std::vector<std::unique_ptr<engine::Run>> runs_;
  std::unique_ptr<LocalExecution> execution_;
};

TYPED_TEST_SUITE_P(WorkloadConformance);

TYPED_TEST_P(WorkloadConformance, MigratesWhatIsThere) {
  typename WorkloadConformance<TypeParam>::Options options;
  options.threads = 4;
  this->begin(this->kItems, std::move(options));
  const Contents source = this->subject().source();
  ASSERT_TRUE(this->ok(this->execution().run_to_end()));
  this->expect_migrated();
  EXPECT_EQ(this->subject().source(), source) << "the source was changed";
  this->expect_nothing_left();
}

TYPED_TEST_P(WorkloadConformance, PreflightAndIdentityChangeNothing) {
  this->begin();
  const Contents source = this->subject().source();
  const Contents destination = this->subject().destination();
  const auto run = this->subject().open();
  const auto identity = run->root_identity(this->execution().context());
  ASSERT_TRUE(identity.ok()) << identity.error().text();
  const auto problems = run->preflight(this->execution().context());
  ASSERT_TRUE(problems.ok()) << problems.error().text();
  for (const auto& problem : *problems) EXPECT_FALSE(problem.critical) << problem.error.text();
  const auto again = this->subject().open()->root_identity(this->execution().context());
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*identity, *again);
  EXPECT_EQ(this->subject().source(), source);
  EXPECT_EQ(this->subject().destination(), destination);
  EXPECT_EQ(this->subject().leftovers(), std::vector<std::string>());
}

TYPED_TEST_P(WorkloadConformance, EnumerationGoesOnFromEachCursor) {
  this->begin();
  ASSERT_TRUE(this->ok(this->execution().enumerate()));
  const auto all = this->journaled();
  ASSERT_FALSE(all.empty());
  int nth = 1;
  for (bool reached = true; reached; ++nth) {
    SCOPED_TRACE("commit " + std::to_string(nth));
    const auto calls = std::make_shared<int>(0);
    typename WorkloadConformance<TypeParam>::Options options;
    options.on_commit = [calls, nth]() -> Status {
      if (++*calls == nth) return WorkloadConformance<TypeParam>::stale();
      return success();
    };
    this->begin(this->kItems, std::move(options));
    const Status first = this->execution().enumerate();
    reached = *calls >= nth;
    if (reached) {
      EXPECT_FALSE(first.ok());
      this->crash();
      ASSERT_TRUE(this->ok(this->execution().enumerate()));
    }
    EXPECT_EQ(this->journaled(), all);
  }
  if (this->capabilities().cursor) {
    EXPECT_GT(nth, 3) << "it enumerates in one step";
  }
}

TYPED_TEST_P(WorkloadConformance, ADryRunSaysWhatExecuteThenDoes) {
  this->begin();
  ASSERT_TRUE(this->ok(this->execution().enumerate()));
  const Contents source = this->subject().source();
  const Contents destination = this->subject().destination();
  const auto operations = this->execution().operations();
  ASSERT_TRUE(operations.ok()) << operations.error().text();
  EXPECT_EQ(this->subject().source(), source);
  EXPECT_EQ(this->subject().destination(), destination);
  EXPECT_EQ(this->subject().leftovers(), std::vector<std::string>());
  std::map<std::int64_t, std::string> said;
  for (const auto& operation : *operations) said[operation.item.value] = operation.action;
  ASSERT_TRUE(this->ok(this->execution().execute()));
  for (const LocalItem* item : this->execution().items()) {
    const auto found = said.find(item->row.id.value);
    ASSERT_NE(found, said.end()) << "nothing was said of '" << item->row.name << "'";
    // "create" and "created", "overwrite" and "overwritten".
    EXPECT_EQ(found->second.substr(0, 4), item->row.action.substr(0, 4)) << item->row.name;
  }
}

TYPED_TEST_P(WorkloadConformance, ExecuteAgainAfterEverythingWasForgotten) {
  this->begin();
  ASSERT_TRUE(this->ok(this->execution().run_to_end()));
  this->forget_everything_done();
  this->crash();
  ASSERT_TRUE(this->ok(this->execution().run_to_end()));
  this->expect_migrated();
  this->expect_nothing_left();
}

TYPED_TEST_P(WorkloadConformance, SettleIsTruthfulAtEachFence) {
  const auto install = [](LocalExecution::Options& options, std::function<bool()> fails) {
    options.on_fence = [fails = std::move(fails)]() -> Status {
      if (fails()) return WorkloadConformance<TypeParam>::stale();
      return success();
    };
  };
  int nth = 1;
  while (this->survives(install, nth) && !this->HasFailure()) ++nth;
  EXPECT_GT(nth, 1) << "it never asks whether it still owns the execution";
}

TYPED_TEST_P(WorkloadConformance, SettleIsTruthfulAtEachIntent) {
  const auto install = [](LocalExecution::Options& options, std::function<bool()> fails) {
    options.on_intents = [fails = std::move(fails)](const auto&) -> Status {
      if (fails()) return WorkloadConformance<TypeParam>::stale();
      return success();
    };
  };
  int nth = 1;
  while (this->survives(install, nth) && !this->HasFailure()) ++nth;
}

TYPED_TEST_P(WorkloadConformance, SettleMayItselfBeInterrupted) {
  this->begin();
  ASSERT_TRUE(this->ok(this->execution().run_to_end()));
  for (int deaths = 0; deaths < 3; ++deaths) {
    this->forget_everything_done();
    this->crash();
    ASSERT_TRUE(this->ok(this->execution().settle()));
  }
  ASSERT_TRUE(this->ok(this->execution().run_to_end()));
  this->expect_migrated();
  this->expect_nothing_left();
}

TYPED_TEST_P(WorkloadConformance, ACancelEndsItSoonAndLosesNothing) {
  if (!this->capabilities().waits_for_permits) GTEST_SKIP() << "it asks for no permits";
  SlowPermits permits(std::chrono::milliseconds(30));
  typename WorkloadConformance<TypeParam>::Options options;
  options.permits = &permits;
  this->begin(60, std::move(options));
  ASSERT_TRUE(this->ok(this->execution().enumerate()));
  std::chrono::steady_clock::time_point asked;
  std::thread person([&] {
    while (permits.asked() < 4) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    asked = std::chrono::steady_clock::now();
    this->execution().cancel_source().request(CancelReason::pause);
  });
  const Status status = this->execution().execute();
  const auto ended = std::chrono::steady_clock::now();
  person.join();
  ASSERT_FALSE(status.ok()) << "it was over before it could be cancelled";
  EXPECT_EQ(status.error().type, ErrorType::interrupted) << status.error().text();
  // The contract is 100 ms; the rest is for a machine that does something else as well.
  EXPECT_LT(ended - asked, std::chrono::milliseconds(600));
  this->crash();
  ASSERT_TRUE(this->ok(this->execution().run_to_end()));
  this->expect_migrated();
  this->expect_nothing_left();
}

TYPED_TEST_P(WorkloadConformance, VerifyIsSilentAboutWhatIsRight) {
  this->begin();
  ASSERT_TRUE(this->ok(this->execution().run_to_end()));
  ASSERT_TRUE(this->ok(this->execution().verify()));
  EXPECT_EQ(this->execution().differences(), 0);
  EXPECT_EQ(this->execution().verified(), this->execution().count(engine::ItemStatus::completed));
}

TYPED_TEST_P(WorkloadConformance, VerifyFindsDamage) {
  if (!this->capabilities().finds_damage) GTEST_SKIP() << "it does not compare content";
  this->begin();
  ASSERT_TRUE(this->ok(this->execution().run_to_end()));
  this->subject().damage();
  ASSERT_TRUE(this->ok(this->execution().verify()));
  EXPECT_EQ(this->execution().differences(), 1);
}

TYPED_TEST_P(WorkloadConformance, UndoGivesTheStartAgain) {
  if (!this->capabilities().undo) GTEST_SKIP() << "it takes nothing back";
  this->begin();
  const Contents before = this->subject().destination();
  ASSERT_TRUE(this->ok(this->execution().run_to_end()));
  ASSERT_NE(this->subject().destination(), before);
  ASSERT_TRUE(this->ok(this->execution().undo()));
  EXPECT_EQ(this->subject().destination(), before);
  EXPECT_EQ(this->execution().count(engine::ItemStatus::completed), 0);
  this->expect_nothing_left();
}

TYPED_TEST_P(WorkloadConformance, UndoGoesOnAfterEachFence) {
  if (!this->capabilities().undo) GTEST_SKIP() << "it takes nothing back";
  for (int nth = 1;; ++nth) {
    SCOPED_TRACE("fence " + std::to_string(nth));
    const auto calls = std::make_shared<std::atomic<int>>(-1);  // below 0: not counting
    typename WorkloadConformance<TypeParam>::Options options;
    options.on_fence = [calls, nth]() -> Status {
      if (*calls >= 0 && ++*calls >= nth) return WorkloadConformance<TypeParam>::stale();
      return success();
    };
    this->begin(6, std::move(options));
    const Contents before = this->subject().destination();
    ASSERT_TRUE(this->ok(this->execution().run_to_end()));
    *calls = 0;
    this->execution().undo().ignore("it may be told to stop");
    const bool reached = *calls >= nth;
    *calls = -1;
    if (reached) {
      const auto run = this->subject().open();
      this->execution().take_over(*run);
      ASSERT_TRUE(this->ok(this->execution().undo()));
      EXPECT_EQ(this->subject().destination(), before);
      this->expect_nothing_left();
    }
    if (!reached || this->HasFailure()) break;
  }
}

TYPED_TEST_P(WorkloadConformance, UndoLeavesAloneWhatSomebodyChanged) {
  if (!this->capabilities().refuses_undo_of_changes) GTEST_SKIP() << "it cannot tell";
  this->begin();
  ASSERT_TRUE(this->ok(this->execution().run_to_end()));
  const Contents migrated = this->subject().destination();
  this->subject().damage();
  const Contents damaged = this->subject().destination();
  ASSERT_TRUE(this->ok(this->execution().undo()));
  int refused = 0;
  for (const LocalItem* item : this->execution().items()) {
    if (item->error && item->error->type == ErrorType::destination_changed) ++refused;
  }
  EXPECT_GE(refused, 1);
  const Contents after = this->subject().destination();
  for (const auto& [name, content] : damaged) {
    const auto was = migrated.find(name);
    if (was != migrated.end() && was->second == content) continue;
    EXPECT_TRUE(after.contains(name) && after.at(name) == content)
        << "'" << name << "' was changed by somebody and is gone";
  }
}

TYPED_TEST_P(WorkloadConformance, ReleaseLeavesNothingOfAnInterruptedRun) {
  const auto calls = std::make_shared<std::atomic<int>>(0);
  typename WorkloadConformance<TypeParam>::Options options;
  options.on_fence = [calls]() -> Status {
    if (++*calls >= 2) return WorkloadConformance<TypeParam>::stale();
    return success();
  };
  this->begin(this->kItems, std::move(options));
  this->execution().run_to_end().ignore("it is told to stop");
  *calls = -1'000'000;
  this->crash();
  ASSERT_TRUE(this->ok(this->execution().settle()));
  this->expect_nothing_left();
}

TYPED_TEST_P(WorkloadConformance, OneTransactionIsAllOrNothing) {
  this->begin();
  if (this->subject().open()->commit_scope() != engine::CommitScope::execution) {
    GTEST_SKIP() << "its commit scope is smaller";
  }
  const Contents before = this->subject().destination();
  const auto calls = std::make_shared<bool>(false);
  typename WorkloadConformance<TypeParam>::Options options;
  options.on_fence = [calls]() -> Status {
    if (!*calls) return WorkloadConformance<TypeParam>::stale();
    return success();
  };
  this->begin(this->kItems, std::move(options));
  EXPECT_FALSE(this->execution().run_to_end().ok()) << "nothing asked before the commit";
  EXPECT_EQ(this->subject().destination(), before) << "seen before it was committed";
  this->crash();
  *calls = true;
  const auto run = this->subject().open();
  this->execution().take_over(*run);
  const auto committed = run->committed(this->execution().context());
  ASSERT_TRUE(committed.ok()) << committed.error().text();
  EXPECT_FALSE(*committed);
  ASSERT_TRUE(this->ok(this->execution().run_to_end()));
  this->expect_migrated();
  const auto now = run->committed(this->execution().context());
  ASSERT_TRUE(now.ok()) << now.error().text();
  EXPECT_TRUE(*now);
  run->close(this->execution().context());
}

TYPED_TEST_P(WorkloadConformance, HostileNames) {
  if (!this->capabilities().hostile_names) GTEST_SKIP() << "its items have no names of others";
  TypeParam hostile;
  hostile.make_hostile_source();
  const auto run = hostile.open();
  ASSERT_NE(run, nullptr);
  LocalExecution::Options options;
  options.settings = hostile.settings();
  LocalExecution local(*run, std::move(options));
  ASSERT_TRUE(this->ok(local.run_to_end()));
  EXPECT_EQ(hostile.destination(), hostile.expected());
  ASSERT_TRUE(this->ok(local.verify()));
  EXPECT_EQ(local.differences(), 0);
  ASSERT_TRUE(this->ok(local.release()));
  EXPECT_EQ(hostile.leftovers(), std::vector<std::string>());
}

REGISTER_TYPED_TEST_SUITE_P(WorkloadConformance, MigratesWhatIsThere,
                            PreflightAndIdentityChangeNothing, EnumerationGoesOnFromEachCursor,
                            ADryRunSaysWhatExecuteThenDoes, ExecuteAgainAfterEverythingWasForgotten,
                            SettleIsTruthfulAtEachFence, SettleIsTruthfulAtEachIntent,
                            SettleMayItselfBeInterrupted, ACancelEndsItSoonAndLosesNothing,
                            VerifyIsSilentAboutWhatIsRight, VerifyFindsDamage,
                            UndoGivesTheStartAgain, UndoGoesOnAfterEachFence,
                            UndoLeavesAloneWhatSomebodyChanged,
                            ReleaseLeavesNothingOfAnInterruptedRun, OneTransactionIsAllOrNothing,
                            HostileNames);

}  // namespace dunlin::testing
