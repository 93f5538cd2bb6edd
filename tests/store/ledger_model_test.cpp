// Random sequences of mutations against a model that is small enough to be read: batches and items
// with statuses, from which counters and readiness are derived anew after each step. What the model
// calls impossible must be refused.
//
// DUNLIN_MODEL_SEEDS sets how many sequences are run; a failure names its seed, which
// DUNLIN_MODEL_SEED runs alone.
#include <cstdlib>
#include <functional>
#include <set>

#include <gtest/gtest.h>

#include "base/rng.h"
#include "store/ledger_fixture.h"

namespace dunlin::store::test {
namespace {

using enum BatchStatus;

struct ModelBatch {
  std::vector<ItemStatus> items;
  std::int64_t first_item = 0;
  std::vector<std::size_t> needs;  // indices of other batches
  int stage = 0;
  bool barrier = false;
  BatchStatus status = pending;
  BatchStatus before = pending;
  Pass pass = Pass::work;
  std::int64_t token = 0;
  int verified = 0;
  bool undo_failed = false;
  std::vector<bool> committed;  ///< by item: a final commit holds it
  bool was_committed = false;

  [[nodiscard]] BatchStatus counted() const { return status == executing ? before : status; }
  [[nodiscard]] std::int64_t count(ItemStatus wanted) const {
    return std::count(items.begin(), items.end(), wanted);
  }
  [[nodiscard]] std::int64_t count_committed() const {
    std::int64_t n = 0;
    for (std::size_t i = 0; i < committed.size(); ++i)
      n += committed[i] && items[i] == ItemStatus::completed ? 1 : 0;
    return n;
  }
  [[nodiscard]] bool undoable() const {
    const bool half = (status == pending || status == failed || status == skipped) &&
                      count(ItemStatus::completed) > 0;
    return status == done || half;
  }
};

struct Model {
  std::vector<ModelBatch> batches;
  bool complete = false;

  [[nodiscard]] bool blocked(const ModelBatch& batch) const {
    for (const std::size_t need : batch.needs) {
      const BatchStatus status = batches[need].counted();
      if (status != done && status != staged && status != undone) return true;
    }
    if (!batch.barrier) return false;
    if (!complete) return true;
    return std::any_of(batches.begin(), batches.end(), [&](const ModelBatch& other) {
      return other.stage < batch.stage && other.counted() == pending;
    });
  }
  [[nodiscard]] bool startable(const ModelBatch& batch, Pass pass) const {
    if (pass == Pass::work) return batch.status == pending && !blocked(batch);
    if (pass == Pass::verify) return batch.status == done && batch.verified == 0;
    return batch.undoable();
  }
  [[nodiscard]] bool ready(std::size_t index, Pass pass) const {
    const ModelBatch& batch = batches[index];
    if (pass != Pass::undo) return startable(batch, pass);
    if (!batch.undoable() || batch.undo_failed) return false;
    for (const ModelBatch& other : batches) {  // what was built upon it is taken back first
      const bool waits = other.undoable() && !other.undo_failed;
      if (!waits && other.status != executing) continue;
      if (other.barrier && other.stage > batch.stage) return false;
      if (std::find(other.needs.begin(), other.needs.end(), index) != other.needs.end())
        return false;
    }
    return true;
  }
  void skip_dependants(std::size_t index) {
    for (std::size_t i = 0; i < batches.size(); ++i) {
      ModelBatch& other = batches[i];
      if (other.status != pending ||
          std::find(other.needs.begin(), other.needs.end(), index) == other.needs.end())
        continue;
      for (ItemStatus& item : other.items) {
        if (item == ItemStatus::pending) item = ItemStatus::skipped;
      }
      other.status = skipped;
      skip_dependants(i);
    }
  }
  /// Opens a batch; `which` chooses the failed items. In a skipped batch everything failed or
  /// skipped is opened.
  void reopen(std::size_t index, const std::function<bool(std::int64_t)>& which) {
    ModelBatch& batch = batches[index];
    const bool was_skipped = batch.status == skipped;
    if (batch.status == executing || batch.status == staged || batch.status == undone) return;
    if (was_skipped && std::any_of(batch.needs.begin(), batch.needs.end(), [&](std::size_t need) {
          return batches[need].status == failed || batches[need].status == skipped;
        })) {
      return;
    }
    bool any = was_skipped;
    for (std::size_t i = 0; i < batch.items.size(); ++i) {
      const bool hit = (batch.items[i] == ItemStatus::failed &&
                        (was_skipped || which(batch.first_item + static_cast<std::int64_t>(i)))) ||
                       (batch.items[i] == ItemStatus::skipped && was_skipped);
      if (hit) batch.items[i] = ItemStatus::pending;
      any = any || hit;
    }
    if (!any) return;
    const bool frees = batch.status == failed || was_skipped;
    batch.status = pending;
    batch.verified = 0;
    if (!frees) return;
    for (std::size_t i = index + 1; i < batches.size(); ++i) {
      const auto& needs = batches[i].needs;
      if (batches[i].status == skipped &&
          std::find(needs.begin(), needs.end(), index) != needs.end()) {
        reopen(i, [](std::int64_t) { return true; });
      }
    }
  }
};

class ModelRun {
 public:
  explicit ModelRun(std::uint64_t seed) : rng_(seed) {
    auto made = SqliteLedger::create_in_memory(execution_row(), clock_);
    EXPECT_TRUE(made.ok());
    ledger_ = std::move(*made);
  }

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      clock_.advance_ms(1);
      switch (rng_.below(13)) {
        case 0:
        case 1:
          append();
          break;
        case 2:
        case 3:
          start(Pass::work);
          break;
        case 4:
          start(rng_.chance(0.5) ? Pass::verify : Pass::undo);
          break;
        case 5:
          record();
          break;
        case 6:
        case 7:
        case 8:
          finish();
          break;
        case 9:
          reopen(rng_.chance(0.7));
          break;
        case 10:
          settle_staged(rng_.chance(0.5));
          break;
        case 11:
          doubt();
          break;
        default:
          reset_verification();
          break;
      }
      compare();
    }
  }

 private:
  bool apply(const Mutation& mutation) {
    const std::vector<Mutation> one{mutation};
    const auto applied = ledger_->apply(0, one);
    EXPECT_TRUE(applied.ok()) << applied.error().text();
    return applied.ok() && applied->at(0).ok();
  }
  ModelBatch* any(const std::function<bool(const ModelBatch&)>& wanted) {
    std::vector<ModelBatch*> found;
    for (ModelBatch& batch : model_.batches) {
      if (wanted(batch)) found.push_back(&batch);
    }
    return found.empty() ? nullptr : found[rng_.below(found.size())];
  }
  /// Stage 0 counts as items, 1 as directories, 2 as steps.
  static CountAs count_as(int stage) { return static_cast<CountAs>(stage); }
  std::int64_t id_of(const ModelBatch& batch) const { return &batch - model_.batches.data() + 1; }

  void append() {
    if (model_.complete) return;
    AppendWork work;
    if (!std::exchange(has_tasks_, true))
      work.tasks = {task(1, 0), task(2, 1, true), task(3, 2, true, Priority::high)};
    for (NewTask& one : work.tasks) one.count_as = count_as(one.stage);
    for (std::uint64_t n = rng_.below(4); n > 0; --n) {
      ModelBatch made;
      made.stage = static_cast<int>(rng_.below(3));
      made.barrier = made.stage > 0;
      made.first_item = next_item_;
      made.items.resize(rng_.below(4), ItemStatus::pending);
      std::vector<std::int64_t> depends_on;
      for (std::size_t i = 0; i < model_.batches.size(); ++i) {
        // A barrier below a dependant would never open: plans have none.
        if (!rng_.chance(0.15) || model_.batches[i].stage > made.stage) continue;
        made.needs.push_back(i);
        depends_on.push_back(static_cast<std::int64_t>(i) + 1);
      }
      const auto items = static_cast<std::int64_t>(made.items.size());
      work.batches.push_back(batch(static_cast<std::int64_t>(model_.batches.size()) + 1,
                                   made.stage + 1, next_item_, items, depends_on));
      next_item_ += items;
      const bool lost = std::any_of(made.needs.begin(), made.needs.end(), [&](std::size_t need) {
        const BatchStatus status = model_.batches[need].counted();
        return status == failed || status == skipped;
      });
      if (lost) {
        made.status = skipped;
        made.items.assign(made.items.size(), ItemStatus::skipped);
      }
      model_.batches.push_back(std::move(made));
    }
    work.complete = rng_.chance(0.1);
    model_.complete = work.complete;
    EXPECT_TRUE(apply(work));
  }

  void start(Pass pass) {
    ModelBatch* chosen = any([](const ModelBatch&) { return true; });
    if (chosen == nullptr) return;
    const std::int64_t token = rng_.chance(0.9) ? ++token_ : chosen->token;
    const bool legal = model_.startable(*chosen, pass) && token > chosen->token;
    EXPECT_EQ(apply(test::start({{id_of(*chosen), token}}, pass)), legal)
        << "batch " << id_of(*chosen) << " for " << to_string(pass);
    if (!legal) return;
    chosen->before = chosen->status;
    chosen->status = executing;
    chosen->pass = pass;
    chosen->token = token;
  }

  std::vector<ItemOutcome> outcomes(ModelBatch& batch, bool all) {
    std::vector<ItemOutcome> list;
    for (std::size_t i = 0; i < batch.items.size(); ++i) {
      if (!all && rng_.chance(0.5)) continue;
      const std::int64_t id = batch.first_item + static_cast<std::int64_t>(i);
      ItemStatus& item = batch.items[i];
      if (batch.pass == Pass::undo) {
        ItemOutcome outcome = test::failed(id, ErrorType::destination_changed);
        if (rng_.chance(0.8)) outcome.status = ItemStatus::rolled_back, outcome.error.reset();
        if (item == ItemStatus::completed)
          item = outcome.status == ItemStatus::rolled_back ? ItemStatus::rolled_back : item;
        list.push_back(std::move(outcome));
        continue;
      }
      const std::array<ItemOutcome, 4> kinds = {completed(id, 60), test::failed(id),
                                                test::skipped(id), again(id)};
      const ItemOutcome& outcome = kinds[rng_.below(all ? 3 : 4)];
      list.push_back(outcome);
      if (rng_.chance(0.1)) list.push_back(outcome);  // reported twice
      if (batch.pass == Pass::work && item == ItemStatus::pending) item = outcome.status;
    }
    rng_.shuffle(list);
    return list;
  }

  void record() {
    ModelBatch* chosen = any([](const ModelBatch& batch) { return batch.status == executing; });
    if (chosen == nullptr) return;
    RecordOutcomes record{BatchId(id_of(*chosen)), chosen->token, outcomes(*chosen, false)};
    EXPECT_TRUE(apply(record));
    record.token += 1000000;
    EXPECT_FALSE(apply(record));
  }

  void finish() {
    ModelBatch* chosen = any([](const ModelBatch& batch) { return batch.status == executing; });
    if (chosen == nullptr) return;
    ModelBatch& batch = *chosen;
    constexpr std::array<BatchResult, 6> kResults = {BatchResult::done,   BatchResult::done,
                                                     BatchResult::staged, BatchResult::interrupted,
                                                     BatchResult::failed, BatchResult::retry};
    BatchResult result = kResults[rng_.below(kResults.size())];
    if (result == BatchResult::staged && batch.pass != Pass::work) result = BatchResult::done;
    EndBatch mutation = test::end(id_of(batch), batch.token, result, {}, batch.pass);
    const bool ends_all = result == BatchResult::done || result == BatchResult::staged;
    mutation.outcomes = outcomes(batch, ends_all);
    if (result == BatchResult::failed) mutation.error = Error(ErrorType::write_error, "broken");
    EXPECT_TRUE(apply(mutation));
    const std::size_t index = static_cast<std::size_t>(id_of(batch)) - 1;
    batch.status = batch.before;
    if (batch.pass == Pass::verify) {
      if (result == BatchResult::done) batch.verified = 1;
      if (result == BatchResult::failed) batch.verified = 2;
    } else if (batch.pass == Pass::undo) {
      if (result == BatchResult::done) batch.status = undone;
      if (result == BatchResult::failed) batch.undo_failed = true;
    } else if (ends_all) {
      batch.status = result == BatchResult::done ? done : staged;
    } else if (result == BatchResult::failed) {
      for (ItemStatus& item : batch.items) {
        if (item == ItemStatus::pending) item = ItemStatus::failed;
      }
      batch.status = failed;
      model_.skip_dependants(index);
    }
  }

  void reopen(bool retry) {
    ReopenItems mutation;
    mutation.actor = "model";
    mutation.to = retry ? ItemStatus::pending : ItemStatus::skipped;
    for (std::int64_t item = 1; item < next_item_; ++item) {
      if (rng_.chance(0.2)) mutation.items.emplace_back(item);
    }
    rng_.shuffle(mutation.items);
    EXPECT_TRUE(apply(mutation));
    const auto named = [&](std::int64_t item) {
      return std::find(mutation.items.begin(), mutation.items.end(), ItemId(item)) !=
             mutation.items.end();
    };
    for (std::size_t index = 0; index < model_.batches.size(); ++index) {
      ModelBatch& batch = model_.batches[index];
      bool any_named = false;
      for (std::size_t i = 0; i < batch.items.size(); ++i) {
        const bool hit = named(batch.first_item + static_cast<std::int64_t>(i));
        any_named = any_named || hit;
        if (!retry && hit && batch.status != executing && batch.items[i] == ItemStatus::failed)
          skip_by_person(batch, i);
      }
      if (retry && any_named) model_.reopen(index, named);
    }
  }

  void skip_by_person(ModelBatch& batch, std::size_t index) {
    batch.items[index] = ItemStatus::skipped;
    by_person_.insert(batch.first_item + static_cast<std::int64_t>(index));
  }

  void settle_staged(bool commit) {
    EXPECT_TRUE(commit ? apply(CompleteStaged{}) : apply(UnstageAll{}));
    for (ModelBatch& batch : model_.batches) {
      if (batch.status != staged) continue;
      batch.status = commit ? done : pending;
      batch.was_committed = batch.was_committed || commit;
      batch.committed.resize(batch.items.size());
      for (std::size_t i = 0; i < batch.items.size(); ++i) {
        if (commit) batch.committed[i] = batch.items[i] == ItemStatus::completed;
        if (!commit && !batch.committed[i]) batch.items[i] = ItemStatus::pending;
      }
    }
  }

  /// All or nothing is never doubted; else what has ended from a batch on, and every barrier, is
  /// open.
  void doubt() {
    if (!rng_.chance(0.3) || model_.batches.empty()) return;
    const std::size_t from = rng_.below(model_.batches.size());
    const auto whole = [](const ModelBatch& batch) {
      return batch.status == staged || batch.was_committed;
    };
    const bool refused = std::any_of(model_.batches.begin(), model_.batches.end(), whole);
    EXPECT_TRUE(apply(SetStatus{}));
    EXPECT_TRUE(apply(SetStatus{ExecutionStatus::paused, "", "", "me"}));
    EXPECT_EQ(apply(DoubtBatches{BatchId(static_cast<std::int64_t>(from) + 1), "me"}), !refused);
    if (refused) return;
    for (std::size_t index = 0; index < model_.batches.size(); ++index) {
      ModelBatch& batch = model_.batches[index];
      const bool half = batch.status == pending &&
                        batch.count(ItemStatus::pending) + batch.count(ItemStatus::rolled_back) <
                            static_cast<std::int64_t>(batch.items.size());
      const bool ended =
          half || batch.status == done || batch.status == failed || batch.status == skipped;
      if (!ended || (index < from && !batch.barrier)) continue;
      const bool waits =
          batch.status == skipped &&
          std::any_of(batch.needs.begin(), batch.needs.end(), [&](std::size_t need) {
            return model_.batches[need].status == failed || model_.batches[need].status == skipped;
          });
      if (waits) continue;
      for (std::size_t i = 0; i < batch.items.size(); ++i) {
        const bool by_person = by_person_.contains(batch.first_item + static_cast<std::int64_t>(i));
        if (batch.items[i] != ItemStatus::rolled_back && !by_person)
          batch.items[i] = ItemStatus::pending;
      }
      batch.status = executing;
      batch.before = pending;
      batch.pass = Pass::work;
      batch.verified = 0;
      batch.token = std::max<std::int64_t>(batch.token, 1);
    }
  }

  void reset_verification() {
    EXPECT_TRUE(apply(ResetVerification{}));
    for (ModelBatch& batch : model_.batches) batch.verified = 0;
  }

  void compare() {
    Counters expected;
    const auto row = ledger_->execution();
    for (std::size_t i = 0; i < model_.batches.size(); ++i) {
      const ModelBatch& batch = model_.batches[i];
      const auto id = BatchId(static_cast<std::int64_t>(i) + 1);
      const BatchStatus status = batch.counted();
      expected.total_batches += 1;
      const OutcomeCounters& members = outcome_counters(count_as(batch.stage));
      expected.*members.total += static_cast<std::int64_t>(batch.items.size());
      expected.*members.succeeded +=
          status == staged ? batch.count_committed() : batch.count(ItemStatus::completed);
      expected.*members.failed += batch.count(ItemStatus::failed);
      expected.*members.skipped += batch.count(ItemStatus::skipped);
      expected.*members.rolled_back += batch.count(ItemStatus::rolled_back);
      expected.ended_batches += status == done || status == failed || status == skipped;
      expected.failed_batches += status == failed;
      expected.staged_batches += status == staged;
      expected.undone_batches += status == undone;
      expected.verified_batches += batch.verified == 1;
      EXPECT_EQ(ledger_->batch(id)->status, batch.status) << "batch " << id.value;
      const auto items = ledger_->items_of(id, false);
      ASSERT_EQ(items->size(), batch.items.size());
      for (std::size_t k = 0; k < batch.items.size(); ++k) {
        EXPECT_EQ(items->at(k).status, batch.items[k]) << "item " << items->at(k).id.value;
        if (batch.items[k] != ItemStatus::skipped) by_person_.erase(items->at(k).id.value);
      }
    }
    const Counters& counters = row->counters;
    for (const CountAs one : {CountAs::items, CountAs::directories, CountAs::steps}) {
      const OutcomeCounters& members = outcome_counters(one);
      for (const auto member :
           {members.total, members.succeeded, members.failed, members.skipped, members.rolled_back})
        EXPECT_EQ(counters.*member, expected.*member) << to_string(one);
    }
    EXPECT_EQ(counters.processed_bytes, 100 * all_ended(counters));
    EXPECT_EQ(counters.total_batches, expected.total_batches);
    EXPECT_EQ(counters.ended_batches, expected.ended_batches);
    EXPECT_EQ(counters.failed_batches, expected.failed_batches);
    EXPECT_EQ(counters.staged_batches, expected.staged_batches);
    EXPECT_EQ(counters.undone_batches, expected.undone_batches);
    EXPECT_EQ(counters.verified_batches, expected.verified_batches);
    for (const Pass pass : {Pass::work, Pass::verify, Pass::undo}) {
      std::vector<std::int64_t> ready;
      for (std::size_t i = 0; i < model_.batches.size(); ++i) {
        if (model_.ready(i, pass)) ready.push_back(static_cast<std::int64_t>(i) + 1);
      }
      std::vector<std::int64_t> found = ready_ids(*ledger_, pass, clock_.wall_ms());
      std::sort(found.begin(), found.end());
      EXPECT_EQ(found, ready) << to_string(pass);
    }
    const Status checked = ledger_->check();
    EXPECT_TRUE(checked.ok()) << checked.error().text();
  }

  Rng rng_;
  ManualClock clock_;
  std::unique_ptr<SqliteLedger> ledger_;
  Model model_;
  std::int64_t next_item_ = 1;
  std::set<std::int64_t> by_person_;  ///< items that a person has skipped
  std::int64_t token_ = 0;
  bool has_tasks_ = false;
};

TEST(LedgerModel, RandomMutationsAgreeWithTheModel) {
  const char* wanted = std::getenv("DUNLIN_MODEL_SEEDS");
  const std::uint64_t seeds = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 60;
  const char* only = std::getenv("DUNLIN_MODEL_SEED");
  const std::uint64_t first = only != nullptr ? std::strtoull(only, nullptr, 10) : 1;
  const std::uint64_t last = only != nullptr ? first : seeds;
  for (std::uint64_t seed = first; seed <= last && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    ModelRun(seed).run(60);
  }
}

}  // namespace
}  // namespace dunlin::store::test
