// Scenario; see scenario.h.
#include "sim/scenario.h"

#include <algorithm>
#include <limits>
#include <set>

#include <fmt/format.h>

namespace dunlin::sim {

using engine::Goal;
using store::ItemStatus;

namespace {

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : rng_(seed) { scenario_.seed = seed; }

  Scenario generate() {
    choose_config();
    choose_knobs();
    choose_tasks();
    choose_batches();
    choose_skipped();
    cut_chunks();
    choose_refusals();
    choose_part();
    return std::move(scenario_);
  }

 private:
  bool chance(double p) { return rng_.chance(p); }

  void choose_config() {
    auto& config = scenario_.config;
    const auto scope = rng_.below(10);
    scenario_.scope = scope < 6 ? Scope::item : scope < 8 ? Scope::batch : Scope::execution;
    config.execution_scope = scenario_.scope == Scope::execution;
    config.parallel_batches = static_cast<std::int32_t>(rng_.between(1, 8));
    config.verify = chance(0.7);
    config.stop_on_first_error = chance(0.05);
    if (chance(0.06)) config.max_failures = rng_.between(0, 4);
    if (chance(0.04)) config.max_failures_percent = static_cast<double>(rng_.between(1, 60));
    static const char* const kFrequencies[] = {"every_batch", "every_n_batches", "time_based"};
    config.checkpoint.frequency = kFrequencies[rng_.below(3)];
    config.checkpoint.n_batches = static_cast<std::int32_t>(rng_.between(1, 12));
    config.checkpoint.keep_last_n = static_cast<std::int32_t>(rng_.between(1, 10));
    scenario_.goals.push_back(Goal::migrate);
    if (chance(0.25)) scenario_.goals.push_back(Goal::verify);
    if (chance(0.35)) scenario_.goals.push_back(Goal::roll_back);
    scenario_.refused = chance(0.02);
    if (chance(0.5)) {
      config.hold_up_to_items =
          chance(0.5) ? rng_.between(1, 40) : std::numeric_limits<std::int64_t>::max();
    }
  }

  void choose_knobs() {
    Knobs& knobs = scenario_.knobs;
    const auto some = [&](double share, double low, double high) {
      return chance(share) ? low + (high - low) * rng_.uniform() : 0.0;
    };
    knobs.event_loss = some(0.5, 0.01, 0.2);
    knobs.event_double = some(0.5, 0.01, 0.3);
    knobs.event_delay = some(0.5, 0.01, 0.4);
    knobs.delay_ms = rng_.between(1, chance(0.3) ? 12'000 : 300);
    knobs.command_loss = some(0.3, 0.01, 0.1);
    knobs.crash = some(0.6, 0.001, 0.03);
    knobs.stale_owner = some(0.5, 0.1, 1.0);
    knobs.persist_failure = some(0.3, 0.005, 0.1);
    knobs.call_failure = some(0.3, 0.01, 0.1);
    knobs.control = some(0.4, 0.002, 0.02);
    knobs.intents = some(0.6, 0.1, 1.0);
    knobs.early_outcomes = some(0.6, 0.1, 1.0);
    knobs.writer_ms = rng_.between(1, chance(0.2) ? 3'000 : 30);
    knobs.item_ms = rng_.between(1, chance(0.2) ? 8'000 : 100);
    knobs.wall_jump_ms = chance(0.2) ? rng_.between(1, 20'000) : 0;
    knobs.fault_events = rng_.between(0, 1500);
  }

  /// From a generator of its own: what is added here leaves the seeds otherwise as they were.
  void choose_refusals() {
    Rng rng(scenario_.seed ^ 0x5eed'f00d'0000'0002ULL);
    if (rng.chance(0.1)) scenario_.item_refusals = static_cast<std::int32_t>(rng.between(1, 2));
    if (rng.chance(0.02)) scenario_.item_refusals = -1;
    if (scenario_.goals.back() != Goal::roll_back || !rng.chance(0.4)) return;
    for (auto& [id, item] : scenario_.items) item.refuses_undo = rng.chance(0.2);
    scenario_.goals.push_back(Goal::roll_back);
  }

  /// Before everything is taken back, a part of it is. A generator of its own, as above.
  void choose_part() {
    Rng rng(scenario_.seed ^ 0x5eed'f00d'0000'0004ULL);
    auto& goals = scenario_.goals;
    const auto first = std::find(goals.begin(), goals.end(), Goal::roll_back);
    if (first == goals.end() || scenario_.scope != Scope::item || !rng.chance(0.5)) return;
    scenario_.part_goal = static_cast<std::size_t>(first - goals.begin());
    goals.insert(first, Goal::roll_back);
    for (auto& [id, item] : scenario_.items) item.of_part = rng.chance(0.4);
  }

  /// What the enumeration finds to need nothing (NewBatch::skip_reason). A generator of its own,
  /// as above. Only where what is done stands by itself.
  void choose_skipped() {
    Rng rng(scenario_.seed ^ 0x5eed'f00d'0000'0003ULL);
    if (scenario_.scope == Scope::execution || !rng.chance(0.3)) return;
    for (auto& [id, batch] : scenario_.batches) {
      if (batch.row.items.empty() || !rng.chance(0.3)) continue;
      batch = {batch.row, batch.stage, batch.barrier, batch.count_as};
      batch.row.depends_on.clear();
      batch.row.skip_reason = "unchanged";
    }
  }

  void choose_tasks() {
    const std::int64_t count = rng_.between(1, 5);
    std::int32_t stage = 0;
    for (std::int64_t n = 1; n <= count; ++n) {
      if (n > 1 && chance(0.7)) ++stage;
      store::NewTask task;
      task.id = TaskId(n);
      task.task_type = "task_" + std::to_string(n);
      task.stage = stage;
      task.barrier = chance(0.5);
      task.priority = static_cast<store::Priority>(rng_.between(0, 3));
      task.count_as = static_cast<store::CountAs>(n % 3);
      tasks_.push_back(task);
    }
    // A stage is a barrier or not as a whole: that is how kinds declare it.
    for (auto& task : tasks_) {
      for (const auto& other : tasks_) task.barrier |= other.stage == task.stage && other.barrier;
    }
  }

  void choose_batches() {
    std::int64_t count = rng_.between(1, 24);
    if (chance(0.03)) count = rng_.between(100, 160);
    if (chance(0.0005)) count = rng_.between(1'001, 1'200);
    if (chance(0.01)) count = 0;
    const std::int64_t items_max = count > 100 ? 1 : 8;
    const bool trouble = chance(0.7);
    std::int64_t item_id = 0;
    for (std::int64_t n = 1; n <= count; ++n) {
      BatchScript batch;
      batch.row.id = BatchId(n);
      const auto& task = tasks_[static_cast<std::size_t>(
          (n - 1) * static_cast<std::int64_t>(tasks_.size()) / count)];
      // Mostly in order of tasks, now and then for an earlier one, as enumeration does.
      const auto& chosen = chance(0.2) ? tasks_[rng_.below(tasks_.size())] : task;
      batch.row.task = chosen.id;
      batch.stage = chosen.stage;
      batch.barrier = chosen.barrier;
      batch.count_as = chosen.count_as;
      choose_dependencies(batch);
      if (trouble) choose_batch_trouble(batch);
      for (std::int64_t items = chance(0.03) ? 0 : rng_.between(1, items_max); items > 0; --items) {
        store::NewItem item;
        item.id = ItemId(++item_id);
        item.directory = DirectoryId(1);
        item.name = "item-" + std::to_string(item_id);
        item.size = rng_.between(0, 4096);
        batch.row.items.push_back(item);
        scenario_.items[item_id] = choose_item(trouble && !batch.fails);
      }
      // At least its last item is cut off, so that the failure shows whatever happened before.
      batch.fails_after =
          std::min(batch.fails_after, static_cast<std::int32_t>(batch.row.items.size()) - 1);
      scenario_.batches.emplace(n, std::move(batch));
    }
  }

  /// On batches of the same or a lower stage only: another could never run.
  void choose_dependencies(BatchScript& batch) {
    if (!chance(0.25)) return;
    std::set<BatchId> chosen;
    for (std::int64_t tries = rng_.between(1, 3); tries > 0 && batch.row.id.value > 1; --tries) {
      const std::int64_t other =
          rng_.between(std::max<std::int64_t>(1, batch.row.id.value - 10), batch.row.id.value - 1);
      if (scenario_.batches.at(other).stage <= batch.stage) chosen.insert(BatchId(other));
    }
    batch.row.depends_on.assign(chosen.begin(), chosen.end());
  }

  void choose_batch_trouble(BatchScript& batch) {
    if (chance(0.06)) batch.transient_failures = static_cast<std::int32_t>(rng_.between(1, 2));
    if (chance(0.03)) batch.fails = true;
    if (scenario_.scope == Scope::item)
      batch.fails_after = static_cast<std::int32_t>(rng_.between(0, 3));
    if (chance(0.03)) batch.system_errors = static_cast<std::int32_t>(rng_.between(1, 2));
    if (chance(0.02)) batch.fatal_errors = 1;
    if (chance(0.02)) batch.later_errors = 1;
  }

  ItemScript choose_item(bool trouble) {
    ItemScript item;
    if (!trouble) return item;
    if (chance(0.08))
      item = {ItemScript::Kind::transient, static_cast<std::int32_t>(rng_.between(1, 2)), false};
    if (chance(0.05)) item = {ItemScript::Kind::fail, 0, false};
    if (chance(0.03)) item = {ItemScript::Kind::lie, 0, false};
    if (item.kind == ItemScript::Kind::succeed && chance(0.05)) item.lose_reply = true;
    return item;
  }

  void cut_chunks() {
    store::NewDirectory root;
    root.id = DirectoryId(1);
    root.open = true;
    std::int64_t next = 1;
    const auto count = static_cast<std::int64_t>(scenario_.batches.size());
    std::int64_t announced = 0;
    do {
      ChunkScript chunk;
      if (scenario_.chunks.empty()) chunk.directories.push_back(root);
      for (std::int64_t n = rng_.between(1, std::max<std::int64_t>(6, count / 8));
           n > 0 && next <= count; --n, ++next) {
        chunk.batches.push_back(next);
        // Ids are given in order, so a task brings those below it along.
        while (announced < scenario_.batches.at(next).row.task.value)
          chunk.tasks.push_back(tasks_[static_cast<std::size_t>(announced++)]);
      }
      scenario_.chunks.push_back(std::move(chunk));
    } while (next <= count);
    scenario_.chunks.back().closed_directories.push_back(root.id);
  }

  Rng rng_;
  Scenario scenario_;
  std::vector<store::NewTask> tasks_;
};

}  // namespace

Scenario Scenario::from_seed(std::uint64_t seed) {
  return Generator(seed).generate();
}

std::map<std::int64_t, ItemStatus> Scenario::expected() const {
  std::map<std::int64_t, ItemStatus> statuses;
  std::set<BatchId> bad;  // failed, or skipped because of one that did
  for (const auto& [id, batch] : batches) {
    const bool skipped = std::any_of(batch.row.depends_on.begin(), batch.row.depends_on.end(),
                                     [&](BatchId before) { return bad.contains(before); });
    if (skipped || batch.fails) bad.insert(batch.row.id);
    for (std::size_t n = 0; n < batch.row.items.size(); ++n) {
      const auto& item = batch.row.items[n];
      if (!batch.row.skip_reason.empty()) {
        statuses[item.id.value] = ItemStatus::skipped;
        continue;
      }
      const bool cut_off = batch.fails && static_cast<std::int32_t>(n) >= batch.fails_after;
      const bool fails = cut_off || items.at(item.id.value).kind == ItemScript::Kind::fail;
      statuses[item.id.value] = skipped ? ItemStatus::skipped
                                : fails ? ItemStatus::failed
                                        : ItemStatus::completed;
    }
  }
  return statuses;
}

std::int64_t Scenario::expected_differences() const {
  std::int64_t count = 0;
  for (const auto& [id, status] : expected()) {
    if (status == ItemStatus::completed && items.at(id).kind == ItemScript::Kind::lie) ++count;
  }
  return count;
}

bool Scenario::may_stop_early() const {
  return config.stop_on_first_error || config.max_failures >= 0 || config.max_failures_percent >= 0;
}

std::string Scenario::describe() const {
  static const char* const kScopes[] = {"item", "batch", "execution"};
  std::string text = fmt::format(
      "{} batches, {} items, {} chunks, scope {}, {} at once, goals migrate", batches.size(),
      items.size(), chunks.size(), kScopes[static_cast<int>(scope)], config.parallel_batches);
  for (std::size_t n = 1; n < goals.size(); ++n)
    text += goals[n] == Goal::verify ? "+verify"
            : n == part_goal         ? "+roll_back_part"
                                     : "+roll_back";
  text += fmt::format(
      ", loss {:.2f}, doubled {:.2f}, late {:.2f} up to {} ms, commands lost {:.2f}, crash {:.3f}, "
      "stale {:.2f}, "
      "persist failures {:.2f}, control {:.3f}, faults for {} events",
      knobs.event_loss, knobs.event_double, knobs.event_delay, knobs.delay_ms, knobs.command_loss,
      knobs.crash, knobs.stale_owner, knobs.persist_failure, knobs.control, knobs.fault_events);
  if (config.hold_up_to_items > 0)
    text += fmt::format(", waits for up to {} items", config.hold_up_to_items);
  if (config.verify) text += ", verifies";
  if (refused) text += ", refused by preflight";
  if (item_refusals != 0) text += fmt::format(", its items refused {} times", item_refusals);
  if (may_stop_early()) text += ", may stop early";
  return text;
}

}  // namespace dunlin::sim
