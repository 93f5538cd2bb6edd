// ExecutionTest: whole executions on a real ledger, of a kind whose script says what happens to
// each item.
//
// Thread rule: a script's plain fields are set while no execution runs.
#pragma once

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/engine.h"
#include "engine/resume_point.h"
#include "support/scratch.h"

namespace dunlin::engine {

using store::ExecutionStatus;

/// What the tests' kind does with each item, and what it has done: its destination.
struct Script {
  std::int64_t items = 10;
  std::int64_t per_batch = 4;
  CommitScope scope = CommitScope::item;
  std::map<std::string, std::vector<ErrorType>>
      failures;                                      ///< item name -> error of each successive try
  std::set<std::string> lies;                        ///< reported as done, not done
  std::set<std::string> asks;                        ///< fail until a person has answered
  std::set<std::string> refuses_undo;                ///< somebody has changed them
  std::vector<std::string> undone;                   ///< tried to be taken back, in this order
  std::map<std::int64_t, ErrorType> batch_failures;  ///< batch id -> error of its first execute
  std::int64_t per_directory = 0;                    ///< items of a directory; 0: all in the root
  bool by_directory = false;               ///< the items of one are run one after the other
  bool refuse = false;                     ///< preflight
  std::int64_t keeps = 0;                  ///< bytes of each item, for a rollback
  std::optional<ErrorType> release_fails;  ///< interrupted: waits until it is told to stop
  bool undoes_alone = true;
  std::atomic<int> hold{0};          ///< items wait while it is above 0
  std::string held;                  ///< this one waits, whatever `hold` says
  std::atomic<int> listed{0};        ///< chunks
  std::atomic<int> hold_listing{0};  ///< no chunk after the first while above 0
  std::string identity = "roots";

  std::mutex mutex;
  std::map<std::string, int> applied;
  std::vector<std::pair<std::string, std::thread::id>> order;  ///< as items began, and where
  std::set<std::string> staged;
  bool committed = false;
  std::atomic<int> begun{0};
  std::atomic<int> settled{0};
  std::atomic<int> undoing{0};  ///< batches that were begun to be taken back
  std::atomic<int> released{0};
};

/// The machine's clock, whose wall time can be set.
class SetClock final : public Clock {
 public:
  std::int64_t monotonic_ms() const override { return machine_.monotonic_ms(); }
  std::int64_t boottime_ms() const override { return machine_.boottime_ms() + slept_ms; }
  std::int64_t wall_ms() const override { return machine_.wall_ms() + slept_ms + shift_ms; }
  std::atomic<std::int64_t> shift_ms{0};
  std::atomic<std::int64_t> slept_ms{0};  ///< of the whole machine

 private:
  SystemClock machine_;
};

class ScriptedRun final : public Run, public SettlesDoubt {
 public:
  explicit ScriptedRun(Script& script) : script_(script) {}
  CommitScope commit_scope() const override { return script_.scope; }
  Truth truth() const override { return Truth::ledger; }
  Result<std::string> root_identity(RunContext&) override { return script_.identity; }
  Result<Analysis> analyse(RunContext&) override { return Analysis{}; }
  Result<std::vector<Problem>> preflight(RunContext&) override {
    std::vector<Problem> problems;
    if (script_.refuse)
      problems.push_back({Error(ErrorType::permission_denied, "not readable"), true, false});
    return problems;
  }
  Status enumerate(EnumerateContext& context) override {
    std::int64_t next = context.cursor().empty() ? 1 : std::stoll(context.cursor());
    TaskId task(1);
    DirectoryId directory(1);
    bool first = !context.continued() && next == 1;
    while (true) {
      EnumerateContext::Chunk chunk;
      if (first) {
        task = context.new_task_id();
        NewTask row;
        row.id = task;
        row.task_type = "scripted";
        chunk.tasks.push_back(row);
        NewDirectory root;
        root.id = context.new_directory_id();
        chunk.directories.push_back(root);
      }
      first = false;
      if (next <= script_.items) {
        NewBatch batch;
        batch.id = context.new_batch_id();
        batch.task = task;
        const std::int64_t most =
            script_.per_batch > 0 ? script_.per_batch : context.settings().batch_size;
        for (std::int64_t n = 0; n < most && next <= script_.items; ++n, ++next) {
          if (script_.per_directory > 0 && (next - 1) % script_.per_directory == 0) {
            NewDirectory one;
            one.id = directory = context.new_directory_id();
            one.parent = DirectoryId(1);
            one.name = "directory" + std::to_string(next);
            chunk.directories.push_back(one);
          }
          batch.items.push_back(
              {context.new_item_id(), directory, "item" + std::to_string(next), 10, ""});
        }
        chunk.batches.push_back(std::move(batch));
      }
      chunk.cursor_after = std::to_string(next);
      chunk.complete = next > script_.items;
      const bool complete = chunk.complete;
      while (script_.listed > 0 && script_.hold_listing > 0) {
        if (context.cancel().wait_for(std::chrono::milliseconds(1)))
          return context.cancel().check();
      }
      DUNLIN_TRY(context.commit(std::move(chunk)));
      ++script_.listed;
      if (complete) return success();
    }
  }
  Status rehearse(BatchContext&) override { return success(); }

  Status execute(BatchContext& context) override {
    {
      const std::lock_guard lock(script_.mutex);
      if (const auto found = script_.batch_failures.find(context.batch().id.value);
          found != script_.batch_failures.end()) {
        const Error error(found->second, "the batch as a whole");
        script_.batch_failures.erase(found);
        return error;
      }
    }
    DUNLIN_ASSIGN(std::vector<ItemRow> items, context.items());
    const auto run = [&](ItemRow& item) { one(context, item); };
    return script_.by_directory ? context.for_each_by_directory(items, run)
                                : context.for_each_item(items, run);
  }
  void one(BatchContext& context, const ItemRow& item) {
    ++script_.begun;
    {
      const std::lock_guard lock(script_.mutex);
      script_.order.emplace_back(item.name, std::this_thread::get_id());
    }
    while (script_.hold > 0 || item.name == script_.held) {
      if (context.cancel().wait_for(std::chrono::milliseconds(20))) return;
    }
    context.progress(10);
    ItemOutcome outcome;
    outcome.item = item.id;
    const std::lock_guard lock(script_.mutex);
    auto& failures = script_.failures[item.name];
    if (script_.asks.contains(item.name) && !context.was_answered(item.id)) {
      outcome.status = ItemStatus::failed;
      outcome.error = Error(ErrorType::destination_exists, "somebody else's");
    } else if (!failures.empty()) {
      outcome.status = ItemStatus::failed;
      outcome.error = Error(failures.front(), "as scripted");
      failures.erase(failures.begin());
    } else if (script_.scope == CommitScope::execution) {
      script_.staged.insert(item.name);
    } else if (!script_.lies.contains(item.name)) {
      ++script_.applied[item.name];
    }
    outcome.transferred_bytes = 10;
    outcome.kept_bytes = script_.keeps;
    context.report(std::move(outcome));
  }
  Status settle(BatchContext& context) override {
    ++script_.settled;
    DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
    const std::lock_guard lock(script_.mutex);
    for (const ItemRow& item : items) {
      if (!script_.applied.contains(item.name)) continue;
      ItemOutcome outcome;
      outcome.item = item.id;
      context.report(std::move(outcome));
    }
    return success();
  }
  Status commit(RunContext&) override {
    const std::lock_guard lock(script_.mutex);
    for (const std::string& name : script_.staged) ++script_.applied[name];
    script_.staged.clear();
    script_.committed = true;
    return success();
  }
  Result<bool> committed(RunContext&) override { return script_.committed; }
  void close(RunContext&) override {
    const std::lock_guard lock(script_.mutex);
    script_.staged.clear();
  }
  Status verify(BatchContext& context) override {
    DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
    const std::lock_guard lock(script_.mutex);
    for (const ItemRow& item : items) {
      if (script_.applied.contains(item.name)) {
        context.report_equal(item.id);
      } else {
        context.report_difference(
            item.id, Error(ErrorType::verification_mismatch, item.name + " is not there"));
      }
    }
    return success();
  }
  Status undo(BatchContext& context) override {
    DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
    ++script_.undoing;
    while (script_.hold > 0) {
      if (context.cancel().wait_for(std::chrono::milliseconds(1))) return context.cancel().check();
    }
    const std::lock_guard lock(script_.mutex);
    for (const ItemRow& item : items) {
      script_.undone.push_back(item.name);
      ItemOutcome outcome;
      outcome.item = item.id;
      outcome.status = ItemStatus::rolled_back;
      if (script_.refuses_undo.contains(item.name)) {
        outcome.status = ItemStatus::failed;
        outcome.error = Error(ErrorType::destination_changed, item.name + " was changed");
      } else {
        script_.applied.erase(item.name);
      }
      context.report(std::move(outcome));
    }
    return success();
  }
  Status release(RunContext& context) override {
    if (script_.release_fails == ErrorType::interrupted) {
      while (!context.cancel().wait_for(std::chrono::milliseconds(1))) {
      }
      return context.cancel().check();
    }
    if (script_.release_fails) return Error(*script_.release_fails, "as scripted");
    ++script_.released;
    return success();
  }
  bool undoes_alone(const store::BatchRow&, const ItemRow&) const override {
    return script_.undoes_alone;
  }
  bool matches(const Selector& selector, const ItemRow& item) const override {
    return item.name == selector.path_glob;
  }

 private:
  Script& script_;
};

class ScriptedKind final : public Kind {
 public:
  explicit ScriptedKind(Script& script) : script_(script) {}
  std::string_view name() const override { return "scripted"; }
  std::string_view item_noun() const override { return "files"; }
  bool accepts(const CommandLine&) const override { return false; }
  Result<Json> plan_for(const CommandLine&) const override { return Json::object(); }
  std::vector<std::string> check(const Json&) const override { return {}; }
  Result<std::vector<Claim>> claims(const Plan& plan) const override {
    return std::vector<Claim>{string_or(plan.document, "claim", "file:/destination")};
  }
  std::string describe(const Plan&) const override { return "a scripted migration"; }
  Json schema() const override { return Json::object(); }
  Result<std::unique_ptr<Run>> open(const Plan&) const override {
    return std::unique_ptr<Run>(std::make_unique<ScriptedRun>(script_));
  }

 private:
  Script& script_;
};

class ExecutionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ::setenv("XDG_RUNTIME_DIR", (directory_ + "/run").c_str(), 1);
    std::filesystem::create_directory(directory_ + "/run");
    std::filesystem::permissions(directory_ + "/run", std::filesystem::perms::owner_all);
    kinds_.add(std::make_unique<ScriptedKind>(script_));
    open();
  }
  void TearDown() override { engine_.reset(); }
  void open() {
    engine_.reset();
    auto opened = Engine::open(directory_ + "/state", kinds_, clock_);
    ASSERT_TRUE(opened.ok()) << opened.error().text();
    engine_ = *std::move(opened);
  }
  Plan plan(Json settings = Json::object()) {
    Json document{{"kind", "scripted"}, {"settings", std::move(settings)}};
    auto decoded = decode_plan(document, kinds_);
    if (!decoded.ok()) {
      // Sections that belong to no kind of this program are the scripted kind's own.
      ADD_FAILURE() << decoded.error().text();
      return {};
    }
    decoded->settings.retry.initial_delay_ms = 1;
    decoded->settings.retry.max_delay_ms = 5;
    return *decoded;
  }
  static Json fast() {
    return Json{
        {"retry_policy", {{"max_attempts", 3}, {"initial_delay_ms", 1}, {"max_delay_ms", 5}}}};
  }
  ExecutionId create(Json settings = fast()) {
    auto id = engine_->create(plan(std::move(settings)));
    EXPECT_TRUE(id.ok()) << id.error().text();
    return id.ok() ? *id : ExecutionId();
  }
  std::unique_ptr<Execution> attach(const ExecutionId& id, Goal goal = Goal::migrate) {
    auto execution = engine_->attach(id, goal);
    EXPECT_TRUE(execution.ok()) << execution.error().text();
    return execution.ok() ? *std::move(execution) : nullptr;
  }
  Outcome run(const ExecutionId& id, Goal goal = Goal::migrate) { return attach(id, goal)->run(); }
  Outcome take_back(const ExecutionId& id, const Json& part) {
    const auto execution = attach(id, Goal::roll_back);
    const Status named = execution->roll_back_part(part);
    EXPECT_TRUE(named.ok()) << named.error().text();
    return execution->run();
  }
  Snapshot look(const ExecutionId& id) {
    auto snapshot = engine_->snapshot(id);
    EXPECT_TRUE(snapshot.ok()) << snapshot.error().text();
    return *snapshot;
  }
  void expect_all_applied_once() {
    EXPECT_EQ(script_.applied.size(), static_cast<std::size_t>(script_.items));
    for (const auto& [name, times] : script_.applied) EXPECT_EQ(times, 1) << name;
  }

  Script script_;
  KindRegistry kinds_;
  SetClock machine_;
  SteadyClock clock_{machine_};
  const dunlin::testing::ScratchDirectory scratch_;
  const std::string& directory_ = scratch_.path();
  std::unique_ptr<Engine> engine_;
};

}  // namespace dunlin::engine
