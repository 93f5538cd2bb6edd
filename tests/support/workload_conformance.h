// The Workload conformance suite: what every Run must keep, whatever it moves (engine/run.h).
//
// A kind brings a WorkloadSubject (how to make a source, open the plan, look at both ends) and
// instantiates the suite in tests/conformance/<kind>_conformance_test.cpp; where it cannot keep a
// promise it says so in its Capabilities, and why. Runs are driven by LocalExecution; "a crash" is
// a fence or a durable write that fails for ever, the outcomes of the open batch forgotten, the Run
// gone without a close(), and a new Run of the next epoch.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
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
  bool refuses_undo_of_changes = true;
  bool hostile_names = true;
  bool keeps_source = true;
};

class WorkloadSubject {
 public:
  virtual ~WorkloadSubject() = default;
  [[nodiscard]] virtual Capabilities capabilities() const { return {}; }
  /// Once: a source of about `items` items, and a destination in which something stands already.
  virtual void make_source(std::int64_t items) = 0;
  /// As many as are journaled in more than one chunk.
  [[nodiscard]] virtual std::int64_t items_of_several_chunks() const { return 10; }
  /// Instead of make_source: names that break careless code.
  virtual void make_hostile_source() {}
  /// The plan's Run, as a new process would open it.
  [[nodiscard]] virtual std::unique_ptr<engine::Run> open() = 0;
  /// The process of this Run dies: its connections and transactions end. A Run whose destructor
  /// does more than that (which no kill does) is kept instead, until the subject goes.
  virtual void bury(std::unique_ptr<engine::Run> run) { run.reset(); }
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

/// Somebody cancels while the nth permit is asked for. It is refused, as the governor does it, or
/// `granted` all the same, as when the request came an instant later: then only a look of the Run's
/// own can end it.
class CancellingPermits final : public Permits {
 public:
  CancellingPermits(int nth, bool granted) : nth_(nth), granted_(granted) {}
  /// From now on it counts.
  void cancels(CancelSource& source) { source_ = &source; }
  [[nodiscard]] Status acquire(std::int64_t, std::int64_t, const CancelToken& cancel) override {
    if (source_ == nullptr) return cancel.check();
    const int asked = ++asked_;
    if (asked == nth_) source_->request(CancelReason::pause);
    return granted_ && asked == nth_ ? success() : cancel.check();
  }
  [[nodiscard]] int asked() const { return asked_; }
  [[nodiscard]] bool reached() const { return asked_ >= nth_; }

 private:
  const int nth_;
  const bool granted_;
  CancelSource* source_ = nullptr;
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
    run_.reset();
    subject_ = std::make_unique<Subject>();
    subject_->make_source(items);
    if (::testing::Test::HasFatalFailure()) return;
    start(std::move(options));
  }
  /// A new execution of the same plan.
  void start(Options options = {}, const std::string& mode = {}) {
    options.settings = subject_->settings();
    if (!mode.empty()) options.settings.mode = mode;
    execution_.reset();
    run_ = subject_->open();
    ASSERT_NE(run_, nullptr);
    execution_ = std::make_unique<LocalExecution>(*run_, std::move(options));
  }
  LocalExecution& execution() { return *execution_; }
  Subject& subject() { return *subject_; }
  Capabilities capabilities() { return Subject().capabilities(); }

  engine::Run& run() { return *run_; }

  /// The process dies here, another one goes on.
  void take_over() {
    subject_->bury(std::move(run_));
    run_ = subject_->open();
    ASSERT_NE(run_, nullptr);
    execution_->take_over(*run_);
  }
  /// The same, and what it had reported of open batches is lost.
  void crash() {
    LocalLedger& ledger = execution_->mutable_ledger();
    for (auto& [id, batch] : ledger.batches) {
      if (batch.row.status != store::BatchStatus::executing) continue;
      for (std::int64_t n = 0; n < batch.row.item_count; ++n) {
        LocalItem& item = ledger.items.at(batch.row.first_item.value + n);
        item.error.reset();
        item.row.status = store::ItemStatus::pending;
        item.row.attempt = 0;
        item.row.undo.clear();
      }
    }
    take_over();
  }
  /// Everything that had been started looks as if it had been started only. Under commit_scope
  /// execution staged outcomes and the announcement of the commit are durable before it is made:
  /// there only its end can be lost.
  void forget_everything_done() {
    const bool one_step = run_->commit_scope() == engine::CommitScope::execution;
    for (auto& [id, batch] : execution_->mutable_ledger().batches) {
      batch.row.status = one_step ? store::BatchStatus::staged : store::BatchStatus::executing;
      batch.row.pass = store::Pass::work;
    }
    execution_->mutable_ledger().committing = one_step;
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
    execution_->close();
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
  using Place = std::tuple<std::string, std::string, std::string>;
  Place place_of(const engine::ItemRow& item) const {
    const auto& batch = execution_->ledger().batches.at(item.batch.value);
    return {batch.row.task_type, item.directory_path, item.name};
  }
  std::multiset<Place> journaled() const {
    std::multiset<Place> all;
    for (const LocalItem* item : execution_->items()) all.insert(place_of(item->row));
    return all;
  }
  /// Plays it with the nth call of a hook (and all later ones) failing as for a process that has
  /// lost its execution, recovers, and goes on to the end. False: there is no nth call.
  bool survives(const std::function<void(Options&, std::function<bool()>)>& install, int nth) {
    SCOPED_TRACE("call " + std::to_string(nth));
    if (!kept_) {
      begin(6);
      EXPECT_TRUE(ok(execution().run_to_end()));
      kept_ = subject().leftovers().size();
    }
    const auto calls = std::make_shared<std::atomic<int>>(0);
    const auto dead = std::make_shared<std::atomic<bool>>(false);
    Options options;
    install(options, [=] {
      if (*dead) return false;  // only the first owner meets it
      return ++*calls >= nth;
    });
    begin(6, std::move(options));
    frozen_.reset();
    const Status first = execution().run_to_end();
    const bool reached = *calls >= nth;
    *dead = true;
    if (!reached) {
      EXPECT_TRUE(ok(first));
      return false;
    }
    expect_frozen();
    crash();
    const std::set<std::int64_t> open = open_batches();
    EXPECT_TRUE(ok(execution().settle()));
    expect_settled_truthfully(open);
    EXPECT_TRUE(ok(execution().run_to_end()));
    expect_migrated();
    EXPECT_LE(subject().leftovers().size(), *kept_)
        << "settle() left what the dead attempt had made";
    expect_nothing_left();
    return true;
  }
  /// From the first refusal of a fence on nothing changes at the destination any more.
  Status refuse() {
    if (!frozen_) frozen_ = subject_->destination();
    return stale();
  }
  void expect_frozen() {
    if (!frozen_) return;
    EXPECT_EQ(subject_->destination(), *frozen_) << "changed though the fence refused";
  }
  std::optional<Contents> frozen_;
  static Error stale() { return {ErrorType::stale_owner, "another process has taken over"}; }

 private:
  std::unique_ptr<Subject> subject_;
  std::unique_ptr<engine::Run> run_;
  std::unique_ptr<LocalExecution> execution_;
  std::optional<std::size_t> kept_;  ///< leftovers of an undisturbed run: undo data, bookkeeping
};

TYPED_TEST_SUITE_P(WorkloadConformance);

TYPED_TEST_P(WorkloadConformance, MigratesWhatIsThere) {
  typename WorkloadConformance<TypeParam>::Options options;
  options.threads = 4;
  this->begin(this->kItems, std::move(options));
  const Contents source = this->subject().source();
  ASSERT_TRUE(this->ok(this->execution().run_to_end()));
  this->expect_migrated();
  if (this->capabilities().keeps_source) {
    EXPECT_EQ(this->subject().source(), source) << "the source was changed";
  }
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
  const std::int64_t items = TypeParam().items_of_several_chunks();
  this->begin(items);
  ASSERT_TRUE(this->ok(this->execution().enumerate()));
  const auto all = this->journaled();
  ASSERT_FALSE(all.empty());
  int commits = 0;
  for (bool reached = true; reached; commits += reached ? 1 : 0) {
    SCOPED_TRACE("commit " + std::to_string(commits + 1));
    const auto calls = std::make_shared<int>(0);
    typename WorkloadConformance<TypeParam>::Options options;
    options.on_commit = [calls, nth = commits + 1]() -> Status {
      if (++*calls == nth) return WorkloadConformance<TypeParam>::stale();
      return success();
    };
    this->execution().close();
    this->start(std::move(options));
    const Status first = this->execution().enumerate();
    reached = *calls > commits;
    if (reached) {
      EXPECT_FALSE(first.ok());
      this->crash();
      ASSERT_TRUE(this->ok(this->execution().enumerate()));
    }
    EXPECT_EQ(this->journaled(), all);
  }
  EXPECT_GT(commits, 1) << "too few items to go on from a cursor";
}

TYPED_TEST_P(WorkloadConformance, ADryRunSaysWhatExecuteThenDoes) {
  this->begin();
  const Contents source = this->subject().source();
  const Contents destination = this->subject().destination();
  using Said =
      std::multiset<std::tuple<typename TestFixture::Place, store::ItemStatus, std::string>>;
  const auto add = [&](Said& said, const LocalItem& item) {
    said.emplace(this->place_of(item.row), item.row.status, item.row.action);
  };
  this->start({}, "dry_run");
  const auto problems = this->run().preflight(this->execution().context());
  ASSERT_TRUE(problems.ok()) << problems.error().text();
  ASSERT_TRUE(this->ok(this->execution().enumerate()));
  const auto rehearsed = this->execution().rehearse();
  ASSERT_TRUE(rehearsed.ok()) << rehearsed.error().text();
  this->execution().close();
  EXPECT_EQ(this->subject().source(), source);
  EXPECT_EQ(this->subject().destination(), destination);
  EXPECT_EQ(this->subject().leftovers(), std::vector<std::string>());
  Said said;
  for (const LocalItem& item : *rehearsed) add(said, item);
  this->start();
  ASSERT_TRUE(this->ok(this->execution().run_to_end()));
  Said done;
  for (const LocalItem* item : this->execution().items()) add(done, *item);
  EXPECT_EQ(said, done);
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
  const auto install = [this](LocalExecution::Options& options, std::function<bool()> fails) {
    options.on_fence = [this, fails = std::move(fails)]() -> Status {
      return fails() ? this->refuse() : success();
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

/// "Soon" is counted, not measured: once it is cancelled, no more than the call at hand asks again.
TYPED_TEST_P(WorkloadConformance, ACancelEndsItSoonAndLosesNothing) {
  for (const bool granted : {false, true}) {
    for (const int nth : {1, 4}) {
      SCOPED_TRACE("permit " + std::to_string(nth) + (granted ? ", granted" : ", refused"));
      CancellingPermits permits(nth, granted);
      typename WorkloadConformance<TypeParam>::Options options;
      options.permits = &permits;
      this->begin(12, std::move(options));
      ASSERT_TRUE(this->ok(this->execution().enumerate()));
      permits.cancels(this->execution().cancel_source());
      const Status status = this->execution().execute();
      ASSERT_TRUE(permits.reached()) << "it was over before it could be cancelled";
      ASSERT_FALSE(status.ok()) << "it went on to the end";
      EXPECT_EQ(status.error().type, ErrorType::interrupted) << status.error().text();
      EXPECT_LE(permits.asked(), nth + 1);
      this->crash();
      ASSERT_TRUE(this->ok(this->execution().run_to_end()));
      this->expect_migrated();
      this->expect_nothing_left();
      if (this->HasFailure()) return;
    }
  }
}

TYPED_TEST_P(WorkloadConformance, VerifyIsSilentAboutWhatIsRight) {
  this->begin();
  ASSERT_TRUE(this->ok(this->execution().run_to_end()));
  ASSERT_TRUE(this->ok(this->execution().verify()));
  EXPECT_EQ(this->execution().differences(), 0);
  EXPECT_EQ(this->execution().verified(), this->execution().count(engine::ItemStatus::completed));
}

TYPED_TEST_P(WorkloadConformance, VerifyFindsDamage) {
  this->begin();
  ASSERT_TRUE(this->ok(this->execution().run_to_end()));
  this->subject().damage();
  ASSERT_TRUE(this->ok(this->execution().verify()));
  EXPECT_EQ(this->execution().differences(), 1);
}

TYPED_TEST_P(WorkloadConformance, UndoGivesTheStartAgain) {
  this->begin();
  const Contents source = this->subject().source();
  const Contents before = this->subject().destination();
  ASSERT_TRUE(this->ok(this->execution().run_to_end()));
  ASSERT_NE(this->subject().destination(), before);
  ASSERT_TRUE(this->ok(this->execution().undo()));
  EXPECT_EQ(this->subject().destination(), before);
  EXPECT_EQ(this->subject().source(), source);
  EXPECT_EQ(this->execution().count(engine::ItemStatus::completed), 0);
  this->expect_nothing_left();
}

TYPED_TEST_P(WorkloadConformance, UndoGoesOnAfterEachFence) {
  for (int nth = 1;; ++nth) {
    SCOPED_TRACE("fence " + std::to_string(nth));
    const auto calls = std::make_shared<std::atomic<int>>(-1);  // below 0: not counting
    typename WorkloadConformance<TypeParam>::Options options;
    options.on_fence = [this, calls, nth]() -> Status {
      return *calls >= 0 && ++*calls >= nth ? this->refuse() : success();
    };
    this->begin(6, std::move(options));
    const Contents source = this->subject().source();
    const Contents before = this->subject().destination();
    ASSERT_TRUE(this->ok(this->execution().run_to_end()));
    *calls = 0;
    this->frozen_.reset();
    this->execution().undo().ignore("it may be told to stop");
    this->expect_frozen();
    const bool reached = *calls >= nth;
    *calls = -1;
    if (reached) {
      this->take_over();
      ASSERT_TRUE(this->ok(this->execution().undo()));
      EXPECT_EQ(this->subject().destination(), before);
      EXPECT_EQ(this->subject().source(), source);
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
  if (this->run().commit_scope() != engine::CommitScope::execution) {
    GTEST_SKIP() << "its commit scope is smaller";
  }
  const Contents before = this->subject().destination();
  const auto owned = std::make_shared<bool>(false);
  typename WorkloadConformance<TypeParam>::Options options;
  options.on_fence = [owned]() -> Status {
    if (!*owned) return WorkloadConformance<TypeParam>::stale();
    return success();
  };
  this->begin(this->kItems, std::move(options));
  EXPECT_FALSE(this->execution().run_to_end().ok()) << "nothing asked before the commit";
  EXPECT_EQ(this->subject().destination(), before) << "seen before it was committed";
  *owned = true;
  this->crash();
  const auto before_it = this->run().committed(this->execution().context());
  ASSERT_TRUE(before_it.ok()) << before_it.error().text();
  EXPECT_FALSE(*before_it);
  ASSERT_TRUE(this->ok(this->execution().run_to_end()));
  this->expect_migrated();
  this->take_over();
  const auto after_it = this->run().committed(this->execution().context());
  ASSERT_TRUE(after_it.ok()) << after_it.error().text();
  EXPECT_TRUE(*after_it);
  this->execution().close();
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
  EXPECT_EQ(local.count(engine::ItemStatus::skipped), 0);
  ASSERT_TRUE(this->ok(local.verify()));
  EXPECT_EQ(local.differences(), 0);
  ASSERT_TRUE(this->ok(local.release()));
  local.close();
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
