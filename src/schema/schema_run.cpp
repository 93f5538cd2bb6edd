// SchemaRun; see schema_run.h.
#include "schema/schema_run.h"

#include <fnmatch.h>

#include <mutex>

#include "base/binary.h"
#include "base/text.h"
#include "schema/comparison.h"
#include "schema/foreign_history.h"
#include "schema/session.h"

namespace dunlin::schema {

namespace {

using engine::BatchContext;
using engine::ItemOutcome;
using engine::ItemRow;
using engine::ItemStatus;
using engine::Problem;
using engine::RunContext;

constexpr auto kTurnPoll = std::chrono::milliseconds(50);
constexpr std::size_t kBatchesPerChunk = 500;
constexpr std::uint8_t kCursorVersion = 1;

ItemOutcome outcome(ItemId item, ItemStatus status, std::string action, std::string message = {}) {
  ItemOutcome result;
  result.item = item;
  result.status = status;
  result.action = std::move(action);
  result.message = std::move(message);
  return result;
}

ItemOutcome failed(ItemId item, ErrorType type, std::string message, std::string remediation = {}) {
  ItemOutcome result = outcome(item, ItemStatus::failed, {});
  result.error = Error(type, std::move(message));
  result.error->remediation = std::move(remediation);
  return result;
}

NarrationWords words_of(const SchemaPlan& plan) {
  if (plan.direction == Direction::down) return kReverts;
  if (plan.mark == SchemaPlan::Mark::repair) return kRepairs;
  return plan.mark == SchemaPlan::Mark::no ? kApplies : kMarks;
}

/// One migration that is to be applied, or to be taken back.
struct Work {
  std::string id;
  std::int64_t size = 0;     ///< bytes of SQL; 0: not known
  std::string place;         ///< in this run's order, for the cursor of the enumeration
  bool has_way_back = true;  ///< down
};

class SchemaRun final : public engine::Run {
 public:
  explicit SchemaRun(SchemaPlan plan)
      : plan_(std::move(plan)),
        session_({plan_.database, plan_.product_version, plan_.lock_timeout_ms,
                  plan_.statement_timeout_ms},
                 words_of(plan_)) {}

  [[nodiscard]] engine::CommitScope commit_scope() const override {
    return engine::CommitScope::batch;
  }
  [[nodiscard]] engine::Truth truth() const override { return engine::Truth::target; }
  [[nodiscard]] Result<std::string> root_identity(RunContext& context) override {
    DUNLIN_ASSIGN(const std::string database, target_identity(plan_.database, call_of(context)));
    return plan_.directory + " " + database;
  }
  [[nodiscard]] Result<engine::Analysis> analyse(RunContext& context) override;
  [[nodiscard]] Result<std::vector<Problem>> preflight(RunContext& context) override;
  [[nodiscard]] Status enumerate(engine::EnumerateContext& context) override;
  [[nodiscard]] Status rehearse(BatchContext& context) override;
  [[nodiscard]] Status execute(BatchContext& context) override;
  [[nodiscard]] Status settle(BatchContext& context) override;
  [[nodiscard]] Status commit(RunContext&) override { return success(); }
  [[nodiscard]] Result<bool> committed(RunContext&) override { return false; }
  void close(RunContext& context) override {
    const Turn turn(turn_);
    session_.close(context);
  }
  [[nodiscard]] Status verify(BatchContext& context) override;
  [[nodiscard]] Status undo(BatchContext& context) override;
  [[nodiscard]] Status release(RunContext&) override {
    return success();
  }  // the log at the target is kept for good
  [[nodiscard]] bool matches(const engine::Selector& selector, const ItemRow& item) const override {
    if (!selector.type.empty()) return false;  // it has none
    if (!selector.entity.empty() && selector.entity != item.name && selector.entity != item.detail)
      return false;
    return selector.path_glob.empty() ||
           ::fnmatch(selector.path_glob.c_str(), item.name.c_str(), 0) == 0;
  }

 private:
  using Turn = std::unique_lock<std::timed_mutex>;

  using Chunk = engine::EnumerateContext::Chunk;

  Result<Turn> take_turn(RunContext& context);
  /// Read once per Run: whoever corrects a file resumes, which is a new one.
  Result<const Migrations*> migrations();
  /// What this run does, in its order.
  Result<std::vector<Work>> work(RunContext& context);
  Result<std::vector<Work>> pending(RunContext& context);
  std::vector<Work> changed_since(const Migrations& all,
                                  const std::map<Version, Applied>& done) const;
  Result<std::vector<Work>> applied_last(RunContext& context);
  Status check_unchanged(RunContext& context);
  Status check_up(RunContext& context, std::vector<Problem>& problems);
  Status check_foreign(RunContext& context, const Migrations& all, std::vector<Problem>& problems);
  Status check_down(RunContext& context, std::vector<Problem>& problems);
  void refuse_by_proxy(const std::map<Version, Applied>& applied, std::vector<Problem>& problems);
  Chunk chunk_of(engine::EnumerateContext& context, const std::vector<Work>& work,
                 std::size_t& next, TaskId& task, BatchId& last);
  Status apply(BatchContext& context, const ItemRow& item, const Migration& migration);
  Status repair(BatchContext& context, const ItemRow& item, const Migration& migration);
  Status report_applied(BatchContext& context, const ItemRow& item);
  Status report_taken_back(BatchContext& context, const ItemRow& item);
  Status take_back(BatchContext& context, const ItemRow& item);
  /// False: it has been taken back already. The error, `failed` for the item, why it cannot be.
  Result<bool> go_down(BatchContext& context, const ItemRow& item, std::optional<Error>& refused);
  Status undo_item(BatchContext& context, const ItemRow& item);

  SchemaPlan plan_;
  std::timed_mutex turn_;
  std::optional<Migrations> migrations_;
  Session session_;
};

Result<SchemaRun::Turn> SchemaRun::take_turn(RunContext& context) {
  Turn turn(turn_, std::defer_lock);
  while (!turn.try_lock_for(kTurnPoll)) DUNLIN_TRY(context.cancel().check());
  return turn;
}

Result<const Migrations*> SchemaRun::migrations() {
  if (!migrations_) {
    DUNLIN_ASSIGN(migrations_, discover(plan_.directory, plan_.database.dialect, plan_.mode));
  }
  return &*migrations_;
}

Result<engine::Analysis> SchemaRun::analyse(RunContext& context) {
  DUNLIN_ASSIGN(const Turn turn, take_turn(context));
  DUNLIN_ASSIGN(const std::vector<Work> all, work(context));
  DUNLIN_ASSIGN(const auto done, session_.applied(context));
  engine::Analysis analysis;
  analysis.items = static_cast<std::int64_t>(all.size());
  analysis.bytes = 0;
  Json names = Json::array();
  for (const Work& one : all) {
    analysis.bytes += one.size;
    names.push_back(printable(one.id));
  }
  analysis.details =
      Json{{"applied", done.size()},
           {plan_.direction == Direction::up ? "pending" : "to_take_back", std::move(names)}};
  return analysis;
}

Result<std::vector<Problem>> SchemaRun::preflight(RunContext& context) {
  DUNLIN_ASSIGN(const Turn turn, take_turn(context));
  std::vector<Problem> problems;
  if (Result<Target*> target = session_.look(context); !target.ok()) {
    problems.push_back(
        {std::move(target).error().with_context("opening the database"), true, false});
    return problems;
  }
  DUNLIN_TRY(plan_.direction == Direction::up ? check_up(context, problems)
                                              : check_down(context, problems));
  const bool lock = !context.settings().is_dry_run();
  if (Status writable = probe_target(plan_.database, lock, call_of(context)); !writable.ok()) {
    // A migration that runs elsewhere is waited for when ours begins, as long as the plan says.
    const bool busy = writable.error().type == ErrorType::database_locked;
    problems.push_back({std::move(writable).error().with_context("trying to write to the database"),
                        !busy, false});
  }
  return problems;
}

Status SchemaRun::check_up(RunContext& context, std::vector<Problem>& problems) {
  const Result<const Migrations*> all = migrations();
  if (!all.ok()) {
    problems.push_back({all.error(), true, false});
    return success();
  }
  for (const std::optional<Version>& named : {plan_.target, plan_.only}) {
    if (!named || (*all)->contains(*named)) continue;
    problems.push_back(
        {Error(ErrorType::invalid_input, "there is no migration " + named->digits + " in '" +
                                             printable(plan_.directory) + "'"),
         true, false});
  }
  DUNLIN_ASSIGN(Target* const target, session_.look(context));
  if (target == nullptr) return success();
  DUNLIN_ASSIGN(const auto done, session_.applied(context));
  const Misfits misfits = compare(**all, done);
  const auto add = [&](const std::vector<std::string>& messages, bool critical,
                       const char* what_to_do) {
    for (const std::string& message : messages) {
      Error error(ErrorType::schema_mismatch, message);
      error.remediation = what_to_do;
      problems.push_back({std::move(error), critical, !critical});
    }
  };
  add(misfits.changed, plan_.mark != SchemaPlan::Mark::repair,
      "put the file back as it was, and write a new migration");
  add(misfits.retouched, false, "");
  add(misfits.missing, !plan_.out_of_order,
      "get the newest files; or go on without it: --out-of-order");
  // What is only marked is not run in any order.
  add(misfits.out_of_order, !plan_.out_of_order && plan_.mark == SchemaPlan::Mark::no,
      "give it a number above those that are applied; or apply it as it is: --out-of-order");
  DUNLIN_ASSIGN(const bool has_history, target->has_tables(call_of(context)));
  if (!has_history) {
    DUNLIN_ASSIGN(const std::string elsewhere, target->history_elsewhere(call_of(context)));
    // Where the address says which schema is meant, each may have a history of its own.
    const bool is_meant = plan_.database.server.options.contains("options");
    if (!elsewhere.empty()) add({elsewhere}, !is_meant, "");
    DUNLIN_TRY(check_foreign(context, **all, problems));
  }
  if (target->connection().server().pooled) refuse_by_proxy(done, problems);
  return success();
}

/// Another tool's work would be done once more.
Status SchemaRun::check_foreign(RunContext& context, const Migrations& all,
                                std::vector<Problem>& problems) {
  DUNLIN_ASSIGN(Target* const target, session_.look(context));
  DUNLIN_ASSIGN(const auto foreign, foreign_history(*target, call_of(context)));
  if (!foreign) return success();
  const auto add = [&](const std::string& what, const char* what_to_do) {
    Error error(ErrorType::schema_mismatch, what);
    error.remediation = what_to_do;
    problems.push_back({std::move(error), true, false});
  };
  if (plan_.mark == SchemaPlan::Mark::no)
    add(foreign->tool + " has applied migrations to this database (table " + foreign->table +
            "), which would be applied once more",
        "take its history over: dunlin migrate import-history --db URL --dir DIR");
  if (plan_.mark != SchemaPlan::Mark::as_other_tool_did) return success();
  if (!foreign->broken.empty())
    add(foreign->tool + " calls migration " + printable(foreign->broken) + " unfinished",
        "put that right with that tool first");
  for (const Version& version : foreign->applied)
    if (!all.contains(version))
      add(foreign->tool + " has applied migration " + printable(version.digits) +
              ", whose file is missing in '" + printable(plan_.directory) + "'",
          "get the newest files");
  return success();
}

/// All that has no way back is told before anything is taken back.
Status SchemaRun::check_down(RunContext& context, std::vector<Problem>& problems) {
  const Result<std::vector<Work>> all = applied_last(context);
  if (!all.ok()) {
    problems.push_back({all.error(), true, false});
    return success();
  }
  for (const Work& one : all.value()) {
    if (one.has_way_back) continue;
    Error error(
        ErrorType::unsupported_item,
        "'" + printable(one.id) + "' is irreversible: it was applied without SQL to go down");
    error.remediation = "write a new migration that takes its effect back";
    problems.push_back({std::move(error), true, false});
  }
  return success();
}

/// What no transaction can hold is told before anything runs, where nothing else keeps others away.
void SchemaRun::refuse_by_proxy(const std::map<Version, Applied>& applied,
                                std::vector<Problem>& problems) {
  for (const auto& [version, migration] : *migrations_) {
    if (applied.contains(version)) continue;
    for (const Segment& segment : migration.up_steps.segments) {
      if (segment.in_transaction) continue;
      const Step& step = migration.up_steps.steps[segment.begin];
      Error error(ErrorType::invalid_state,
                  place_of(migration.up, step) + ": " + std::string(step.traits.what) +
                      " cannot run in a transaction, and behind a proxy that hands out sessions by "
                      "transaction nothing else keeps a second migration away");
      error.remediation = "name the server's own address, not the proxy's";
      problems.push_back({std::move(error), true, false});
    }
  }
}

Result<std::vector<Work>> SchemaRun::work(RunContext& context) {
  return plan_.direction == Direction::up ? pending(context) : applied_last(context);
}

Result<std::vector<Work>> SchemaRun::pending(RunContext& context) {
  DUNLIN_ASSIGN(const Migrations* all, migrations());
  DUNLIN_ASSIGN(const auto done, session_.applied(context));
  if (plan_.mark == SchemaPlan::Mark::repair) return changed_since(*all, done);
  std::vector<Work> work;
  std::optional<ForeignHistory> foreign;
  if (plan_.mark == SchemaPlan::Mark::as_other_tool_did) {
    DUNLIN_ASSIGN(Target* const target, session_.look(context));
    if (target != nullptr) {
      DUNLIN_ASSIGN(foreign, foreign_history(*target, call_of(context)));
    }
    if (!foreign)
      return Error(ErrorType::not_found,
                   "there is no history of another tool (schema_migrations, goose_db_version, "
                   "flyway_schema_history)");
  }
  for (const auto& [version, migration] : *all) {
    if (plan_.target && *plan_.target < version) break;
    if (done.contains(version) || (plan_.only && version != *plan_.only)) continue;
    if (foreign && !foreign->has(version)) continue;
    work.push_back(
        {migration.id, static_cast<std::int64_t>(migration.up.sql.size()), version.digits, true});
  }
  return work;
}

std::vector<Work> SchemaRun::changed_since(const Migrations& all,
                                           const std::map<Version, Applied>& done) const {
  std::vector<Work> work;
  for (const auto& [version, row] : done) {
    const auto file = all.find(version);
    if (file == all.end() || file->second.checksum == row.checksum) continue;
    if (plan_.only && version != *plan_.only) continue;
    work.push_back({file->second.id, static_cast<std::int64_t>(file->second.up.sql.size()),
                    version.digits, true});
  }
  return work;
}

/// In reverse order of applying, whatever files there are.
Result<std::vector<Work>> SchemaRun::applied_last(RunContext& context) {
  std::vector<Work> work;
  DUNLIN_ASSIGN(Target* const target, session_.look(context));
  if (target == nullptr) return work;
  DUNLIN_ASSIGN(const std::vector<AppliedEntry> all, History::in_order(*target, call_of(context)));
  const bool everything = plan_.target && plan_.target->digits == "0";
  bool found = !plan_.target || everything;
  for (const AppliedEntry& one : all) {
    if (plan_.target && version_of(one.id) == *plan_.target) {
      found = true;
      break;
    }
    if (plan_.steps > 0 && static_cast<std::int64_t>(work.size()) == plan_.steps) break;
    work.push_back({one.id, 0, std::to_string(one.sequence), one.has_way_back});
  }
  if (found) return work;
  return Error(ErrorType::invalid_input, "migration " + plan_.target->digits +
                                             " is not applied, so there is no going back to it; "
                                             "`dunlin migrate status` shows those that are");
}

/// Again: somebody may have migrated since pre-flight.
Status SchemaRun::check_unchanged(RunContext& context) {
  DUNLIN_ASSIGN(const auto done, session_.applied(context));
  const Misfits misfits = compare(*migrations_, done);
  if (misfits.changed.empty()) return success();
  return Error(ErrorType::schema_mismatch, misfits.changed.front());
}

/// Without the lock: who has nothing to do takes none, and what others do meanwhile is noticed when
/// each migration begins.
Status SchemaRun::enumerate(engine::EnumerateContext& context) {
  std::vector<Work> all;
  {
    DUNLIN_ASSIGN(const Turn turn, take_turn(context));
    DUNLIN_ASSIGN(all, work(context));
    if (plan_.direction == Direction::up && plan_.mark != SchemaPlan::Mark::repair)
      DUNLIN_TRY(check_unchanged(context));
    std::vector<std::string> ids;
    for (const Work& one : all) ids.push_back(one.id);
    session_.narration().list(ids);
  }
  std::size_t next = 0;
  TaskId task;
  BatchId last;
  if (!context.cursor().empty()) {
    ByteReader in(context.cursor());
    if (in.u8() != kCursorVersion) in.fail();
    const std::string listed(in.bytes());
    task.value = in.zigzag();
    last.value = in.zigzag();
    DUNLIN_TRY(in.finish("cursor of the enumeration"));
    // What was listed may be done by now, and so be gone from the list, but never what follows it.
    const bool up = plan_.direction == Direction::up;
    const auto is_behind = [&](const Work& one) {
      const Version here{one.place};
      const Version there{listed};
      return up ? there < here : here < there;
    };
    while (next < all.size() && !is_behind(all[next])) ++next;
  }
  do {
    DUNLIN_TRY(context.cancel().check());
    DUNLIN_TRY(context.commit(chunk_of(context, all, next, task, last)));
  } while (next < all.size());
  return success();
}

SchemaRun::Chunk SchemaRun::chunk_of(engine::EnumerateContext& context,
                                     const std::vector<Work>& work, std::size_t& next, TaskId& task,
                                     BatchId& last) {
  Chunk chunk;
  chunk.cursor_after = context.cursor();
  if (!task.valid() && next < work.size()) {
    store::NewTask created;
    created.id = task = context.new_task_id();
    created.task_type = plan_.direction == Direction::up ? "apply_migration" : "revert_migration";
    created.description = plan_.direction == Direction::up
                              ? "apply the pending migrations of " + printable(plan_.directory)
                              : "take back what was applied last";
    chunk.tasks.push_back(std::move(created));
  }
  for (; next < work.size() && chunk.batches.size() < kBatchesPerChunk; ++next) {
    const Work& one = work[next];
    store::NewItem item;
    item.id = context.new_item_id();
    item.name = one.id;
    item.size = one.size;
    item.detail = version_of(one.id).digits;
    store::NewBatch batch;
    batch.id = context.new_batch_id();
    batch.task = task;
    if (last.valid()) batch.depends_on.push_back(last);  // migrations apply in order
    batch.items.push_back(std::move(item));
    last = batch.id;
    chunk.batches.push_back(std::move(batch));
    ByteWriter cursor;
    cursor.u8(kCursorVersion).bytes(one.place).zigzag(task.value).zigzag(last.value);
    chunk.cursor_after = cursor.take();
  }
  chunk.complete = next == work.size();
  return chunk;
}

Status SchemaRun::execute(BatchContext& context) {
  DUNLIN_ASSIGN(const Turn turn, take_turn(context));
  DUNLIN_TRY(session_.open(context));
  DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
  if (plan_.direction == Direction::down) {
    for (const ItemRow& item : items)
      DUNLIN_TRY(take_back(context, item).with_context("taking back " + printable(item.name)));
    return success();
  }
  DUNLIN_ASSIGN(const Migrations* all, migrations());
  for (const ItemRow& item : items) {
    const auto found = all->find(version_of(item.name));
    if (found == all->end() || found->second.id != item.name) {
      DUNLIN_ASSIGN(const std::optional<Applied> applied,
                    session_.history().find(item.name, call_of(context)));
      if (applied) {
        DUNLIN_TRY(report_applied(context, item));
        continue;
      }
      return Error(ErrorType::migration_failed,
                   "the file of '" + printable(item.name) + "' is no longer there");
    }
    if (plan_.mark == SchemaPlan::Mark::repair) {
      DUNLIN_TRY(
          repair(context, item, found->second).with_context("repairing " + printable(item.name)));
      continue;
    }
    DUNLIN_TRY(
        apply(context, item, found->second).with_context("applying " + printable(item.name)));
  }
  return success();
}

/// What stands in the file is taken for what was applied.
Status SchemaRun::repair(BatchContext& context, const ItemRow& item, const Migration& migration) {
  const Steps nothing;
  Job job;
  job.id = migration.id;
  job.script = &migration.up;
  job.steps = &nothing;
  job.still_wanted = [&]() -> Result<bool> {
    DUNLIN_ASSIGN(const std::optional<Applied> row,
                  session_.history().find(item.name, call_of(context)));
    return row && row->checksum != migration.checksum;
  };
  job.record = [&](std::int64_t) { return session_.history().accept(migration, call_of(context)); };
  std::int64_t failed_statement = 0;
  DUNLIN_ASSIGN(const bool done, session_.change(context, job, failed_statement));
  context.report(done ? outcome(item.id, ItemStatus::completed, "repaired")
                      : outcome(item.id, ItemStatus::skipped, "skipped", "already repaired"));
  return success();
}

/// Ours: done. Somebody else's, meanwhile: nothing left to do.
Status SchemaRun::report_applied(BatchContext& context, const ItemRow& item) {
  DUNLIN_ASSIGN(const std::optional<Record> record,
                session_.history().record_of(item.name, call_of(context)));
  if (record && record->execution == context.execution().value) {
    ItemOutcome done = outcome(item.id, ItemStatus::completed, "applied");
    done.transferred_bytes = item.size;
    context.report(std::move(done));
  } else {
    context.report(outcome(item.id, ItemStatus::skipped, "skipped", "already applied"));
  }
  return success();
}

Status SchemaRun::apply(BatchContext& context, const ItemRow& item, const Migration& migration) {
  DUNLIN_TRY(context.permits().acquire(item.size, 1, context.cancel()));
  const auto is_pending = [&]() -> Result<bool> {
    DUNLIN_ASSIGN(const std::optional<Applied> applied,
                  session_.history().find(item.name, call_of(context)));
    return !applied.has_value();
  };
  if (plan_.mark == SchemaPlan::Mark::no &&
      !migration.up_steps.is_atomic()) {  // else it is asked within the only transaction
    DUNLIN_ASSIGN(const bool wanted, is_pending());
    if (!wanted) return report_applied(context, item);
  }
  Job job;
  job.id = migration.id;
  job.script = &migration.up;
  const Steps nothing;
  job.steps = plan_.mark == SchemaPlan::Mark::no ? &migration.up_steps : &nothing;
  job.still_wanted = is_pending;
  job.record = [&](std::int64_t duration_ms) {
    return session_.history().add(migration, duration_ms, call_of(context));
  };
  std::int64_t failed_statement = 0;
  const Result<bool> done = session_.change(context, job, failed_statement);
  if (done.ok()) return report_applied(context, item);
  if (done.error().type == ErrorType::migration_failed) {
    session_.history()
        .failed(migration, failed_statement, done.error().message, call_of(context))
        .ignore("the failure itself is what has to be reported");
  }
  return done.error();
}

Status SchemaRun::report_taken_back(BatchContext& context, const ItemRow& item) {
  DUNLIN_ASSIGN(const std::string by,
                session_.history().last_done(item.name, Direction::down, call_of(context)));
  if (by == context.execution().value) {
    context.report(outcome(item.id, ItemStatus::completed, "taken_back"));
  } else {
    context.report(outcome(item.id, ItemStatus::skipped, "skipped", "already taken back"));
  }
  return success();
}

Status SchemaRun::take_back(BatchContext& context, const ItemRow& item) {
  DUNLIN_TRY(context.permits().acquire(item.size, 1, context.cancel()));
  std::optional<Error> refused;
  DUNLIN_ASSIGN(const bool done, go_down(context, item, refused));
  static_cast<void>(done);
  if (refused) return *std::move(refused);
  return report_taken_back(context, item);
}

Status SchemaRun::settle(BatchContext& context) {
  DUNLIN_ASSIGN(const Turn turn, take_turn(context));
  DUNLIN_TRY(session_.open(
      context));  // takes the lock over: from here on an earlier owner commits nothing
  DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
  const bool up = plan_.direction == Direction::up;
  for (const ItemRow& item : items) {
    DUNLIN_ASSIGN(const std::optional<Applied> applied,
                  session_.history().find(item.name, call_of(context)));
    if (applied.has_value() != up || plan_.mark == SchemaPlan::Mark::repair) continue;
    DUNLIN_TRY(up ? report_applied(context, item) : report_taken_back(context, item));
  }
  return success();
}

/// What the database will say of a script is not foreseen.
Status SchemaRun::rehearse(BatchContext& context) {
  DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
  for (const ItemRow& item : items) {
    ItemOutcome applied = outcome(item.id, ItemStatus::completed,
                                  plan_.direction == Direction::up ? "applied" : "taken_back");
    applied.transferred_bytes = item.size;
    context.report(std::move(applied));
  }
  return success();
}

Status SchemaRun::verify(BatchContext& context) {
  DUNLIN_ASSIGN(const Turn turn, take_turn(context));
  DUNLIN_ASSIGN(const auto done,
                session_.applied(context));  // without the lock: it leaves no trace
  const bool up = plan_.direction == Direction::up;
  const Migrations* all = nullptr;
  if (up) {
    DUNLIN_ASSIGN(all, migrations());
  }
  DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
  for (const ItemRow& item : items) {
    std::string difference;
    if (up) {
      difference = difference_of(item.name, *all, done);
    } else if (done.contains(version_of(item.name))) {
      difference = "is still in the history";
    }
    if (difference.empty()) {
      context.report_equal(item.id);
    } else {
      context.report_difference(item.id, Error(ErrorType::verification_mismatch,
                                               printable(item.name) + ": " + difference));
    }
  }
  return success();
}

Status SchemaRun::undo(BatchContext& context) {
  DUNLIN_ASSIGN(const Turn turn, take_turn(context));
  DUNLIN_TRY(session_.open(context));
  DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
  for (const ItemRow& item : items)
    DUNLIN_TRY(undo_item(context, item).with_context("undoing " + printable(item.name)));
  return success();
}

Result<bool> SchemaRun::go_down(BatchContext& context, const ItemRow& item,
                                std::optional<Error>& refused) {
  const auto is_applied = [&]() -> Result<bool> {
    DUNLIN_ASSIGN(const std::optional<Applied> applied,
                  session_.history().find(item.name, call_of(context)));
    return applied.has_value();
  };
  DUNLIN_ASSIGN(const bool applied, is_applied());
  DUNLIN_ASSIGN(const std::optional<Record> record,
                session_.history().record_of(item.name, call_of(context)));
  if (!applied || !record) return false;  // an earlier attempt has committed
  const auto refuse = [&](ErrorType type, std::string why, std::string what_to_do) {
    refused = Error(type, std::move(why));
    refused->remediation = std::move(what_to_do);
    return false;
  };
  if (!record->down_sql) {
    return refuse(
        ErrorType::unsupported_item,
        "'" + printable(item.name) + "' is irreversible: it was applied without SQL to go down",
        "write a new migration that takes its effect back");
  }
  DUNLIN_ASSIGN(const std::string later,
                session_.history().applied_after(record->sequence, call_of(context)));
  if (!later.empty()) {
    return refuse(ErrorType::destination_changed,
                  "'" + printable(later) + "' was applied after '" + printable(item.name) + "'",
                  "take back what was applied after it first");
  }
  const Script script{item.name + " (down)", *record->down_sql, 1};
  DUNLIN_ASSIGN(const Steps steps, read_steps(session_.target().dialect(), script, plan_.mode));
  Job job;
  job.id = item.name;
  job.direction = Direction::down;
  job.script = &script;
  job.steps = &steps;
  job.still_wanted = is_applied;
  job.record = [&](std::int64_t) { return session_.history().remove(item.name, call_of(context)); };
  std::int64_t failed_statement = 0;
  return session_.change(context, job, failed_statement);
}

Status SchemaRun::undo_item(BatchContext& context, const ItemRow& item) {
  if (plan_.direction == Direction::down) {
    context.report(failed(item.id, ErrorType::unsupported_item,
                          "'" + printable(item.name) + "' was taken back",
                          "to apply it again: dunlin migrate up"));
    return success();
  }
  std::optional<Error> refused;
  DUNLIN_ASSIGN(const bool done, go_down(context, item, refused));
  static_cast<void>(done);
  if (refused) {
    context.report(failed(item.id, refused->type, refused->message, refused->remediation));
  } else {
    context.report(outcome(item.id, ItemStatus::rolled_back, "rolled_back"));
  }
  return success();
}

}  // namespace

std::unique_ptr<engine::Run> make_schema_run(SchemaPlan plan) {
  return std::make_unique<SchemaRun>(std::move(plan));
}

}  // namespace dunlin::schema
