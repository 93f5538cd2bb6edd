// SchemaRun; see schema_run.h.
#include "schema/schema_run.h"

#include <fnmatch.h>

#include <algorithm>
#include <future>
#include <mutex>
#include <set>

#include "base/binary.h"
#include "base/leave_to_exit.h"
#include "base/text.h"
#include "schema/comparison.h"
#include "schema/migrator.h"
#include "schema/outcomes.h"
#include "schema/preflight.h"
#include "schema/session.h"
#include "schema/work_list.h"

namespace dunlin::schema {

namespace {

using engine::BatchContext;
using engine::ItemOutcome;
using engine::ItemRow;
using engine::ItemStatus;
using engine::Problem;
using engine::RunContext;

constexpr auto kTurnPoll = std::chrono::milliseconds(50);
constexpr std::size_t kBatchesPerChunk = 5;
/// The ledger is written to once a batch, and at least so often.
constexpr std::size_t kMigrationsPerBatch = 100;
constexpr std::int64_t kFlushEvery_ms = 500;
constexpr std::uint8_t kCursorVersion = 2;

/// What an item says of a migration that is taken back where others of its run are applied.
constexpr std::string_view kBack = "back ";

NarrationWords words_of(const SchemaPlan& plan) {
  if (plan.direction == Direction::down) return kReverts;
  if (plan.mark == SchemaPlan::Mark::repair) return kRepairs;
  return plan.mark == SchemaPlan::Mark::no ? kApplies : kMarks;
}

class SchemaRun final : public engine::Run {
 public:
  SchemaRun(SchemaPlan plan, std::future<MigrationFiles> files)
      : plan_(std::move(plan)),
        files_(std::move(files)),
        session_({plan_.database, plan_.product_version, plan_.lock_timeout_ms,
                  plan_.statement_timeout_ms, plan_.ensure_created},
                 words_of(plan_)),
        migrator_(plan_, session_) {}
  ~SchemaRun() override {
    if (migrations_) leave_to_exit(*std::move(migrations_));
  }
  SchemaRun(const SchemaRun&) = delete;
  SchemaRun& operator=(const SchemaRun&) = delete;

  [[nodiscard]] engine::CommitScope commit_scope() const override {
    return engine::CommitScope::item;
  }
  [[nodiscard]] engine::Truth truth() const override { return engine::Truth::target; }
  [[nodiscard]] Result<std::string> root_identity(RunContext& context) override {
    DUNLIN_ASSIGN(const Turn turn, take_turn(context));
    read_files();
    const Target* target = nullptr;  // a file is known by its place
    if (plan_.database.dialect != sql::Dialect::sqlite) {
      DUNLIN_ASSIGN(target, session_.look(context));
    }
    DUNLIN_ASSIGN(const std::string database,
                  target_identity(plan_.database, target, call_of(context)));
    std::string places;
    for (const std::string& directory : plan_.directories) places += directory + " ";
    return places + database;
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
    if (!selector.entity.empty() && selector.entity != item.name &&
        selector.entity != version_of(item.name).text())
      return false;
    return selector.path_glob.empty() ||
           ::fnmatch(selector.path_glob.c_str(), item.name.c_str(), 0) == 0;
  }

 private:
  using Turn = std::unique_lock<std::timed_mutex>;

  using Chunk = engine::EnumerateContext::Chunk;

  Result<Turn> take_turn(RunContext& context);
  /// Read once per Run: whoever corrects a file resumes, which is a new one. None are needed to go
  /// down.
  Result<Migrations*> migrations(RunContext& context);
  void read_files();
  Status read_pending(const std::map<Version, Applied>& done);
  /// What this run does, in its order.
  Result<std::vector<Work>> work(RunContext& context);
  Status check_unchanged(RunContext& context);
  [[nodiscard]] Direction direction_of(const ItemRow& item) const {
    if (!plan_.redo) return plan_.direction;
    return item.detail.starts_with(kBack) ? Direction::down : Direction::up;
  }
  Chunk chunk_of(engine::EnumerateContext& context, const std::vector<Work>& work,
                 std::size_t& next, TaskId& task, BatchId& last);
  /// The migration of an item that is to be applied; nullptr: it is applied, and its file gone.
  Result<const Migration*> file_of(BatchContext& context, const ItemRow& item);
  Status execute_item(BatchContext& context, const ItemRow& item);
  Status report_failure(BatchContext& context, const ItemRow& item, Error error);
  Status execute_together(BatchContext& context, const std::vector<ItemRow>& items);
  Status report_done(BatchContext& context, const ItemRow& item);
  /// This execution has done it.
  Status report_ours(BatchContext& context, const ItemRow& item);
  Status report_applied(BatchContext& context, const ItemRow& item);
  Status report_taken_back(BatchContext& context, const ItemRow& item);
  Status undo_item(BatchContext& context, const ItemRow& item);
  [[nodiscard]] std::string difference_of(const ItemRow& item, const Migrations& all,
                                          const std::optional<Applied>& row) const;

  SchemaPlan plan_;
  std::timed_mutex turn_;
  std::future<MigrationFiles> files_;  ///< being read
  std::optional<Migrations> migrations_;
  /// The state of the history (Session::applied_in) for which what is pending has been read, and
  /// with which pre-flight has found the files in order.
  std::optional<std::string> read_for_;
  std::optional<std::string> compared_with_;
  Session session_;
  Migrator migrator_;
  std::set<std::string> failed_;  ///< of the batch that goes on behind failures
};

Result<SchemaRun::Turn> SchemaRun::take_turn(RunContext& context) {
  Turn turn(turn_, std::defer_lock);
  while (!turn.try_lock_for(kTurnPoll)) DUNLIN_TRY(context.cancel().check());
  return turn;
}

/// Meanwhile the database is looked at.
void SchemaRun::read_files() {
  if (!migrations_ && !files_.valid() && needs_files(plan_)) files_ = read_files_of(plan_);
}

Result<Migrations*> SchemaRun::migrations(RunContext& context) {
  if (!migrations_ && needs_files(plan_)) {
    read_files();
    DUNLIN_ASSIGN(const auto* const done, session_.applied(context));
    DUNLIN_ASSIGN(migrations_, files_.get().understand(plan_.mode, *done));
  }
  if (!migrations_) migrations_.emplace();
  return &*migrations_;
}

/// Of what is to be applied the statements are known: of all that is not applied, and of what is
/// applied once more. Somebody may have taken something back since the files were read.
Status SchemaRun::read_pending(const std::map<Version, Applied>& done) {
  if (read_for_ && read_for_ == session_.applied_in()) return success();
  FindInOrder applied(done);
  for (auto& [version, migration] : *migrations_)
    if (!migration.is_read && (plan_.redo || applied.find(version) == nullptr))
      DUNLIN_TRY(read_statements(migration, plan_.database.dialect, plan_.mode));
  read_for_ = session_.applied_in();
  return success();
}

Result<std::vector<Work>> SchemaRun::work(RunContext& context) {
  DUNLIN_ASSIGN(const Migrations* const all, migrations(context));
  DUNLIN_ASSIGN(const auto* const done, session_.applied(context));
  DUNLIN_TRY(read_pending(*done));
  DUNLIN_ASSIGN(Target* const target, session_.look(context));
  return list_work(plan_, *all, *done, target, call_of(context));
}

Result<engine::Analysis> SchemaRun::analyse(RunContext& context) {
  DUNLIN_ASSIGN(const Turn turn, take_turn(context));
  DUNLIN_ASSIGN(const std::vector<Work> all, work(context));
  DUNLIN_ASSIGN(const auto* const done, session_.applied(context));
  engine::Analysis analysis;
  analysis.items = static_cast<std::int64_t>(all.size());
  analysis.bytes = 0;
  Json pending = Json::array();
  Json back = Json::array();
  for (const Work& one : all) {
    analysis.bytes += one.size;
    (one.direction == Direction::up ? pending : back).push_back(printable(one.id));
  }
  analysis.details = Json{{"applied", done->size()}};
  if (plan_.direction == Direction::up) analysis.details["pending"] = std::move(pending);
  if (plan_.direction == Direction::down || plan_.redo)
    analysis.details["to_take_back"] = std::move(back);
  return analysis;
}

Result<std::vector<Problem>> SchemaRun::preflight(RunContext& context) {
  DUNLIN_ASSIGN(const Turn turn, take_turn(context));
  std::vector<Problem> problems;
  const auto is_closed = [&](Error error) {
    problems.push_back({std::move(error), true, false});
    return std::move(problems);
  };
  read_files();
  Result<Target*> target = session_.look(context);
  if (!target.ok())
    return is_closed(std::move(target).error().with_context("opening the database"));
  if (target.value() == nullptr && !plan_.ensure_created && plan_.direction == Direction::up)
    return is_closed(Error(ErrorType::not_found, "there is no database " + plan_.database.text() +
                                                     ", and the plan says not to make it"));
  const Result<Migrations*> all = migrations(context);
  if (!all.ok()) return is_closed(all.error());
  DUNLIN_ASSIGN(const auto* const done, session_.applied(context));
  if (Status read = read_pending(*done); !read.ok()) return is_closed(std::move(read).error());
  DUNLIN_ASSIGN(problems, check_plan(plan_, context.execution(), *all.value(), *done,
                                     target.value(), call_of(context)));
  if (problems.empty()) compared_with_ = session_.applied_in();
  const bool lock = !context.settings().is_dry_run();
  if (Status writable = probe_target(plan_.database, target.value(), lock, call_of(context));
      !writable.ok()) {
    // A migration that runs elsewhere is waited for when ours begins, as long as the plan says.
    const bool busy = writable.error().type == ErrorType::database_locked;
    problems.push_back({std::move(writable).error().with_context("trying to write to the database"),
                        !busy, false});
  }
  return problems;
}

/// Again: somebody may have migrated since pre-flight.
Status SchemaRun::check_unchanged(RunContext& context) {
  if (plan_.direction == Direction::down || plan_.mark == SchemaPlan::Mark::repair ||
      !plan_.validate_checksums)
    return success();
  DUNLIN_ASSIGN(const auto* const done, session_.applied(context));
  if (compared_with_ && compared_with_ == session_.applied_in()) return success();
  const Misfits misfits = compare(*migrations_, *done);
  if (misfits.changed.empty()) return success();
  return Error(ErrorType::schema_mismatch, misfits.changed.front().words);
}

/// Without the lock: who has nothing to do takes none, and what others do meanwhile is noticed when
/// each migration begins.
Status SchemaRun::enumerate(engine::EnumerateContext& context) {
  std::vector<Work> all;
  {
    DUNLIN_ASSIGN(const Turn turn, take_turn(context));
    DUNLIN_ASSIGN(all, work(context));
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
    std::int64_t place = in.zigzag();
    task.value = in.zigzag();
    last.value = in.zigzag();
    DUNLIN_TRY(in.finish("cursor of the enumeration"));
    // What was listed may be done by now, and so be gone from the list, but never what follows it.
    const bool up = plan_.direction == Direction::up;
    const auto file = migrations_->find(version_of(listed));
    if (up && file != migrations_->end()) place = static_cast<std::int64_t>(file->second.rank);
    const auto is_behind = [&](const Work& one) {
      return up ? place < one.place : one.place < place;
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
    created.description =
        plan_.redo ? "take back what was applied last, and apply it again"
        : plan_.direction == Direction::up
            ? "apply the pending migrations of " + printable(plan_.directories.front())
            : "take back what was applied last";
    chunk.tasks.push_back(std::move(created));
  }
  // Of those that are in one batch, and of those that are taken back and applied again, the list
  // would be another one once some are done: so all of it is written down at once.
  const bool all_at_once = plan_.is_one_batch() || plan_.redo;
  // What is taken back is applied again only once the ledger has it that it was taken back.
  const std::size_t per_batch = plan_.redo ? 1 : kMigrationsPerBatch;
  for (; next < work.size(); ++next) {
    const Work& one = work[next];
    const bool begins = chunk.batches.empty() ||
                        (!plan_.is_one_batch() && chunk.batches.back().items.size() == per_batch);
    if (begins && !all_at_once && chunk.batches.size() == kBatchesPerChunk) break;
    store::NewItem item;
    item.id = context.new_item_id();
    item.name = one.id;
    item.size = one.size;
    item.detail = version_of(one.id).text();
    if (plan_.redo && one.direction == Direction::down) item.detail.insert(0, kBack);
    if (begins) {
      store::NewBatch batch;
      batch.id = context.new_batch_id();
      batch.task = task;
      if (last.valid()) batch.depends_on.push_back(last);  // migrations apply in order
      last = batch.id;
      chunk.batches.push_back(std::move(batch));
    }
    chunk.batches.back().items.push_back(std::move(item));
    ByteWriter cursor;
    cursor.u8(kCursorVersion).bytes(one.id).zigzag(one.place).zigzag(task.value).zigzag(last.value);
    chunk.cursor_after = cursor.take();
  }
  chunk.complete = next == work.size();
  return chunk;
}

Result<const Migration*> SchemaRun::file_of(BatchContext& context, const ItemRow& item) {
  DUNLIN_ASSIGN(Migrations* const all, migrations(context));
  const auto found = all->find(version_of(item.name));
  if (found != all->end() && found->second.id == item.name) {
    if (!found->second.is_read)
      DUNLIN_TRY(read_statements(found->second, plan_.database.dialect, plan_.mode));
    return &found->second;
  }
  DUNLIN_ASSIGN(const std::optional<Applied> applied,
                session_.history().find(item.name, call_of(context)));
  if (applied) return nullptr;
  return Error(ErrorType::migration_failed,
               "the file of '" + printable(item.name) + "' is no longer there");
}

Status SchemaRun::execute(BatchContext& context) {
  DUNLIN_ASSIGN(const Turn turn, take_turn(context));
  DUNLIN_TRY(session_.open(context));
  DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
  if (plan_.mode == TransactionMode::all_in_one) return execute_together(context, items);
  std::int64_t flushed_ms = context.clock().monotonic_ms();
  for (const ItemRow& item : items) {
    if (Status done = execute_item(context, item); !done.ok())
      DUNLIN_TRY(report_failure(context, item, std::move(done).error()));
    if (context.clock().monotonic_ms() - flushed_ms < kFlushEvery_ms) continue;
    DUNLIN_TRY(context.flush());
    flushed_ms = context.clock().monotonic_ms();
  }
  return success();
}

/// A failed migration ends the execution, and what follows it is not begun; or it is the only one
/// that fails.
Status SchemaRun::report_failure(BatchContext& context, const ItemRow& item, Error error) {
  if (plan_.stop_on_error || error.type != ErrorType::migration_failed) {
    const ErrorCategory category = error.category();
    if (error.retriable() || error.type == ErrorType::interrupted ||
        category == ErrorCategory::system || category == ErrorCategory::fatal)
      return error;
    // It would be called the fault of all that are left of the batch.
    context.report(failed(item.id, error));
    error.type = ErrorType::migration_failed;
    return error;
  }
  context.report(failed(item.id, of_one_item(std::move(error))));
  failed_.insert(version_of(item.name).text());
  return success();
}

Status SchemaRun::execute_item(BatchContext& context, const ItemRow& item) {
  DUNLIN_TRY(context.permits().acquire(item.size, 1, context.cancel()));
  if (direction_of(item) == Direction::down) {
    const Result<bool> done = migrator_.take_back(context, item.name);
    if (!done.ok()) return Error(done.error()).with_context("taking back " + printable(item.name));
    return done.value() ? report_ours(context, item) : report_taken_back(context, item);
  }
  DUNLIN_ASSIGN(const Migration* const migration, file_of(context, item));
  if (migration == nullptr) return report_applied(context, item);
  for (const Version& on : migration->depends_on)
    if (failed_.contains(on.text()))
      return Error(ErrorType::migration_failed,
                   "it depends on " + printable(on.text()) + ", which has failed");
  if (plan_.mark == SchemaPlan::Mark::repair) {
    DUNLIN_ASSIGN(const bool done, migrator_.repair(context, *migration));
    context.report(done ? outcome(item.id, ItemStatus::completed, "repaired")
                        : outcome(item.id, ItemStatus::skipped, "skipped", "already repaired"));
    return success();
  }
  const Result<bool> done = migrator_.apply(context, *migration);
  if (!done.ok()) return Error(done.error()).with_context("applying " + printable(item.name));
  return done.value() ? report_ours(context, item) : report_applied(context, item);
}

Status SchemaRun::report_ours(BatchContext& context, const ItemRow& item) {
  const bool up = direction_of(item) == Direction::up;
  ItemOutcome done = outcome(item.id, ItemStatus::completed, up ? "applied" : "taken_back");
  if (up) done.transferred_bytes = item.size;
  context.report(std::move(done));
  return success();
}

Status SchemaRun::execute_together(BatchContext& context, const std::vector<ItemRow>& items) {
  std::vector<Task> changes;
  for (const ItemRow& item : items) {
    DUNLIN_TRY(context.permits().acquire(item.size, 1, context.cancel()));
    Task change{item.name, nullptr};
    if (direction_of(item) == Direction::up) {
      DUNLIN_ASSIGN(change.migration, file_of(context, item));
      if (change.migration == nullptr) continue;
    }
    changes.push_back(std::move(change));
  }
  DUNLIN_ASSIGN(const std::vector<bool> done, migrator_.do_all(context, changes));
  static_cast<void>(done);  // the history says it, also of an earlier attempt
  for (const ItemRow& item : items) DUNLIN_TRY(report_done(context, item));
  return success();
}

Status SchemaRun::report_done(BatchContext& context, const ItemRow& item) {
  return direction_of(item) == Direction::up ? report_applied(context, item)
                                             : report_taken_back(context, item);
}

/// Ours: done. Somebody else's, meanwhile: nothing left to do.
Status SchemaRun::report_applied(BatchContext& context, const ItemRow& item) {
  DUNLIN_ASSIGN(const std::string by,
                session_.history().last_done(item.name, Direction::up, call_of(context)));
  if (by == context.execution().value) return report_ours(context, item);
  context.report(outcome(item.id, ItemStatus::skipped, "skipped", "already applied"));
  return success();
}

Status SchemaRun::report_taken_back(BatchContext& context, const ItemRow& item) {
  DUNLIN_ASSIGN(const std::string by,
                session_.history().last_done(item.name, Direction::down, call_of(context)));
  if (by == context.execution().value) return report_ours(context, item);
  context.report(outcome(item.id, ItemStatus::skipped, "skipped", "already taken back"));
  return success();
}

Status SchemaRun::settle(BatchContext& context) {
  // Nobody has begun it; else it would be found out when it is executed, too.
  if (context.epoch() <= 1 && context.batch().attempt == 0) return success();
  DUNLIN_ASSIGN(const Turn turn, take_turn(context));
  DUNLIN_TRY(session_.open(
      context));  // takes the lock over: from here on an earlier owner commits nothing
  DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
  for (const ItemRow& item : items) {
    DUNLIN_ASSIGN(const std::optional<Applied> applied,
                  session_.history().find(item.name, call_of(context)));
    const bool up = direction_of(item) == Direction::up;
    if (applied.has_value() != up || plan_.mark == SchemaPlan::Mark::repair) continue;
    if (up && plan_.redo) {
      // It was applied before, and is still to be taken back: only our own is done.
      DUNLIN_ASSIGN(const std::string by,
                    session_.history().last_done(item.name, Direction::up, call_of(context)));
      if (by != context.execution().value) continue;
    }
    if (up && version_of(item.name).is_repeatable()) {
      DUNLIN_ASSIGN(const Migration* const migration, file_of(context, item));
      if (migration != nullptr && is_to_be_repeated(*migration, *applied)) continue;
    }
    DUNLIN_TRY(report_done(context, item));
  }
  return success();
}

/// What the database will say of a script is not foreseen.
Status SchemaRun::rehearse(BatchContext& context) {
  DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
  for (const ItemRow& item : items) {
    ItemOutcome applied = outcome(item.id, ItemStatus::completed,
                                  direction_of(item) == Direction::up ? "applied" : "taken_back");
    applied.transferred_bytes = item.size;
    context.report(std::move(applied));
  }
  return success();
}

/// Without the lock: it leaves no trace.
Status SchemaRun::verify(BatchContext& context) {
  DUNLIN_ASSIGN(const Turn turn, take_turn(context));
  DUNLIN_ASSIGN(const Migrations* const all, migrations(context));
  DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
  std::vector<std::string> ids;
  for (const ItemRow& item : items) ids.push_back(item.name);
  DUNLIN_ASSIGN(const auto found, session_.find_all(context, ids));
  for (const ItemRow& item : items) {
    const auto row = found.find(item.name);
    const std::string difference =
        difference_of(item, *all, row == found.end() ? std::nullopt : std::optional(row->second));
    if (difference.empty()) {
      context.report_equal(item.id);
    } else {
      context.report_difference(item.id, Error(ErrorType::verification_mismatch,
                                               printable(item.name) + ": " + difference));
    }
  }
  return success();
}

std::string SchemaRun::difference_of(const ItemRow& item, const Migrations& all,
                                     const std::optional<Applied>& row) const {
  if (direction_of(item) == Direction::down)
    return row && !plan_.redo ? "is still in the history" : "";
  // What had failed half way, and may go on now, is not applied yet.
  if (plan_.mark == SchemaPlan::Mark::repair && !row) return "";
  return schema::difference_of(all, version_of(item.name), row);
}

Status SchemaRun::undo(BatchContext& context) {
  DUNLIN_ASSIGN(const Turn turn, take_turn(context));
  DUNLIN_TRY(session_.open(context));
  DUNLIN_ASSIGN(std::vector<ItemRow> items, context.items());
  std::reverse(items.begin(), items.end());  // what was done last is taken back first
  for (const ItemRow& item : items)
    DUNLIN_TRY(undo_item(context, item).with_context("undoing " + printable(item.name)));
  return success();
}

Status SchemaRun::undo_item(BatchContext& context, const ItemRow& item) {
  if (version_of(item.name).is_repeatable()) {
    Error error(ErrorType::unsupported_item,
                "'" + printable(item.name) + "' is repeatable, and has no way back");
    error.remediation = "put its file back as it was: dunlin migrate up applies it again";
    context.report(failed(item.id, std::move(error)));
    return success();
  }
  const Result<bool> done = direction_of(item) == Direction::up
                                ? migrator_.take_back(context, item.name)
                                : migrator_.put_back(context, item.name);
  if (done.ok()) {
    context.report(outcome(item.id, ItemStatus::rolled_back, "rolled_back"));
    return success();
  }
  if (!Migrator::is_refusal(done.error())) return done.error();
  context.report(failed(item.id, done.error()));
  return success();
}

}  // namespace

bool needs_files(const SchemaPlan& plan) {
  return plan.direction == Direction::up || plan.redo;
}

std::future<MigrationFiles> read_files_of(const SchemaPlan& plan) {
  return std::async(std::launch::async,
                    [directories = plan.directories, dialect = plan.database.dialect] {
                      return MigrationFiles::read(directories, dialect);
                    });
}

std::unique_ptr<engine::Run> make_schema_run(SchemaPlan plan, std::future<MigrationFiles> files) {
  return std::make_unique<SchemaRun>(std::move(plan), std::move(files));
}

}  // namespace dunlin::schema
