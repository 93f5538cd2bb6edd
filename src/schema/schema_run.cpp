// SchemaRun; see schema_run.h.
#include "schema/schema_run.h"

#include <fnmatch.h>

#include <mutex>

#include "base/binary.h"
#include "base/crash_point.h"
#include "base/text.h"
#include "schema/history.h"
#include "schema/script.h"
#include "sql/sqlite_address.h"

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

/// How the files and the history do not fit together. `changed` alone is never acceptable.
struct Misfits {
  std::vector<std::string> changed;       ///< applied, but the file is another one now
  std::vector<std::string> missing;       ///< applied, but the file is gone
  std::vector<std::string> out_of_order;  ///< not applied, but older than one that is
};

Misfits compare(const Migrations& migrations, const std::map<Version, Applied>& applied) {
  Misfits misfits;
  for (const auto& [version, row] : applied) {
    const auto file = migrations.find(version);
    if (file == migrations.end()) {
      misfits.missing.push_back("'" + printable(row.id) + "' is applied, but its file is missing");
    } else if (file->second.checksum != row.checksum) {
      misfits.changed.push_back("'" + printable(file->second.up.file) +
                                "' was changed after it had been applied");
    }
  }
  for (const auto& [version, migration] : migrations) {
    if (applied.empty() || !(version < applied.rbegin()->first)) break;
    if (!applied.contains(version)) {
      misfits.out_of_order.push_back("'" + printable(migration.id) +
                                     "' is not applied, but is older than '" +
                                     printable(applied.rbegin()->second.id) + "', which is");
    }
  }
  return misfits;
}

/// Rows that refer to none. Migrations run with enforcement off, because the rebuild of a table
/// would cascade otherwise; so they are compared as a whole before a migration commits.
Result<std::int64_t> foreign_key_violations(sql::Database& database) {
  DUNLIN_ASSIGN(const std::optional<std::int64_t> found,
                database.query_int64("SELECT count(*) FROM pragma_foreign_key_check"));
  return found.value_or(0);
}

/// Empty: the history has the migration as its file is.
std::string difference_of(const std::string& id, const Migrations& migrations,
                          const std::map<Version, Applied>& applied) {
  const auto row = applied.find(version_of(id));
  const auto file = migrations.find(version_of(id));
  if (row == applied.end()) return "is not in the history";
  if (file == migrations.end()) return "its file is missing";
  return row->second.checksum == file->second.checksum
             ? ""
             : "its file was changed after it had been applied";
}

class SchemaRun final : public engine::Run {
 public:
  explicit SchemaRun(SchemaPlan plan) : plan_(std::move(plan)) {}
  ~SchemaRun() override { give_lock_back(); }

  [[nodiscard]] engine::CommitScope commit_scope() const override {
    return engine::CommitScope::batch;
  }
  [[nodiscard]] engine::Truth truth() const override { return engine::Truth::target; }
  [[nodiscard]] Result<std::string> root_identity(RunContext&) override {
    DUNLIN_ASSIGN(const std::string database, sql::sqlite_identity(plan_.database_path, true));
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
  void close(RunContext& context) override;
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

  void give_lock_back() {
    if (!history_) return;
    database_->set_cancel({});  // a cancelled execution gives its lock back, too
    history_->unlock().ignore("whoever comes next sees that this process has ended");
    history_.reset();
  }

  using Chunk = engine::EnumerateContext::Chunk;

  Result<Turn> take_turn(RunContext& context);
  /// The database open, its history tables made, the lock taken; once per Run.
  Status open(RunContext& context);
  /// Read once per Run: whoever corrects a file resumes, which is a new one.
  Result<const Migrations*> migrations();
  Result<std::vector<const Migration*>> pending();
  Chunk chunk_of(engine::EnumerateContext& context, const std::vector<const Migration*>& pending,
                 std::size_t& next, TaskId& task, BatchId& last);
  Status apply(BatchContext& context, const ItemRow& item, const Migration& migration);
  Status change(BatchContext& context, const Script& script,
                const std::function<Status(std::int64_t)>& record);
  Status check_references();
  Status report_applied(BatchContext& context, const ItemRow& item);
  Status undo_item(BatchContext& context, const ItemRow& item);

  SchemaPlan plan_;
  std::timed_mutex turn_;
  std::optional<Migrations> migrations_;
  std::optional<sql::Database> database_;
  std::optional<History> history_;
};

Result<SchemaRun::Turn> SchemaRun::take_turn(RunContext& context) {
  Turn turn(turn_, std::defer_lock);
  while (!turn.try_lock_for(kTurnPoll)) DUNLIN_TRY(context.cancel().check());
  if (database_) database_->set_cancel(context.cancel());
  return turn;
}

Status SchemaRun::open(RunContext& context) {
  if (history_) return success();
  if (!database_) {
    DUNLIN_ASSIGN(database_, sql::open_foreign(plan_.database_path, false));
    database_->set_cancel(context.cancel());
  }
  History history(*database_,
                  Identity{context.execution(), context.epoch(), plan_.product_version});
  DUNLIN_TRY(history.ensure());
  DUNLIN_TRY(history.lock(context, plan_.lock_timeout_ms));
  history_.emplace(std::move(history));
  return success();
}

void SchemaRun::close(RunContext& context) {
  const Turn turn(turn_);
  if (history_ || context.epoch() <= 1) return give_lock_back();
  // An earlier owner of this execution may have been kept by a kill from giving its lock back.
  // Nothing is made or waited for here: this attempt may only have verified, or the database may be
  // gone.
  auto database = sql::open_existing(plan_.database_path);
  if (!database.ok() || !database.value()) return;
  History(*database.value(), Identity{context.execution(), context.epoch(), plan_.product_version})
      .unlock()
      .ignore("whoever comes next sees that the process has ended");
}

Result<const Migrations*> SchemaRun::migrations() {
  if (!migrations_) {
    DUNLIN_ASSIGN(migrations_, discover(plan_.directory));
  }
  return &*migrations_;
}

Result<engine::Analysis> SchemaRun::analyse(RunContext& context) {
  DUNLIN_ASSIGN(const Turn turn, take_turn(context));
  DUNLIN_ASSIGN(const Migrations* all, migrations());
  DUNLIN_ASSIGN(std::optional<sql::Database> database, sql::open_existing(plan_.database_path));
  std::map<Version, Applied> applied;
  if (database) {
    DUNLIN_ASSIGN(applied, History::applied(*database));
  }
  engine::Analysis analysis;
  analysis.items = 0;
  analysis.bytes = 0;
  Json names = Json::array();
  for (const auto& [version, migration] : *all) {
    if (applied.contains(version)) continue;
    ++analysis.items;
    analysis.bytes += static_cast<std::int64_t>(migration.up.sql.size());
    names.push_back(printable(migration.id));
  }
  analysis.details = Json{{"applied", applied.size()}, {"pending", std::move(names)}};
  return analysis;
}

Result<std::vector<Problem>> SchemaRun::preflight(RunContext& context) {
  DUNLIN_ASSIGN(const Turn turn, take_turn(context));
  std::vector<Problem> problems;
  if (Result<const Migrations*> all = migrations(); !all.ok()) {
    problems.push_back({std::move(all).error(), true, false});
  } else if (auto database = sql::open_existing(plan_.database_path); !database.ok()) {
    problems.push_back(
        {std::move(database).error().with_context("opening the database"), true, false});
  } else if (database.value()) {
    DUNLIN_ASSIGN(const auto applied, History::applied(*database.value()));
    const Misfits misfits = compare(**all, applied);
    const auto add = [&](const std::vector<std::string>& messages, bool can_continue) {
      for (const std::string& message : messages) {
        problems.push_back({Error(ErrorType::schema_mismatch, message), true, can_continue});
      }
    };
    add(misfits.changed, false);
    add(misfits.missing, true);
    add(misfits.out_of_order, true);
  }
  const auto how = context.settings().is_dry_run() ? sql::Probe::rights : sql::Probe::lock;
  if (Status writable = sql::probe_sqlite_write(plan_.database_path, how); !writable.ok()) {
    // A migration that runs elsewhere is waited for when ours begins, as long as the plan says.
    const bool busy = writable.error().type == ErrorType::database_locked;
    problems.push_back({std::move(writable).error().with_context("trying to write to the database"),
                        !busy, false});
  }
  return problems;
}

Result<std::vector<const Migration*>> SchemaRun::pending() {
  DUNLIN_ASSIGN(const Migrations* all, migrations());
  std::map<Version, Applied> applied;
  if (database_) {
    DUNLIN_ASSIGN(applied, History::applied(*database_));
  }
  // Again, now under the lock: somebody may have migrated since pre-flight.
  const Misfits misfits = compare(*all, applied);
  if (!misfits.changed.empty()) return Error(ErrorType::schema_mismatch, misfits.changed.front());
  std::vector<const Migration*> pending;
  for (const auto& [version, migration] : *all) {
    if (!applied.contains(version)) pending.push_back(&migration);
  }
  return pending;
}

Status SchemaRun::enumerate(engine::EnumerateContext& context) {
  std::vector<const Migration*> work;
  {
    DUNLIN_ASSIGN(const Turn turn, take_turn(context));
    if (context.settings().is_dry_run()) {
      DUNLIN_ASSIGN(database_,
                    sql::open_existing(
                        plan_.database_path));  // no tables, no lock: a dry run leaves no trace
    } else {
      DUNLIN_TRY(open(context));
    }
    DUNLIN_ASSIGN(work, pending());
  }
  std::size_t next = 0;
  TaskId task;
  BatchId last;
  if (!context.cursor().empty()) {
    ByteReader in(context.cursor());
    if (in.u8() != kCursorVersion) in.fail();
    const Version listed{std::string(in.bytes())};
    task.value = in.zigzag();
    last.value = in.zigzag();
    DUNLIN_TRY(in.finish("cursor of the enumeration"));
    while (next < work.size() && !(listed < work[next]->version)) ++next;
  }
  do {
    DUNLIN_TRY(context.cancel().check());
    DUNLIN_TRY(context.commit(chunk_of(context, work, next, task, last)));
  } while (next < work.size());
  return success();
}

SchemaRun::Chunk SchemaRun::chunk_of(engine::EnumerateContext& context,
                                     const std::vector<const Migration*>& pending,
                                     std::size_t& next, TaskId& task, BatchId& last) {
  Chunk chunk;
  chunk.cursor_after = context.cursor();
  if (!task.valid() && next < pending.size()) {
    store::NewTask created;
    created.id = task = context.new_task_id();
    created.task_type = "apply_migration";
    created.description = "apply the pending migrations of " + printable(plan_.directory);
    chunk.tasks.push_back(std::move(created));
  }
  for (; next < pending.size() && chunk.batches.size() < kBatchesPerChunk; ++next) {
    const Migration& migration = *pending[next];
    store::NewItem item;
    item.id = context.new_item_id();
    item.name = migration.id;
    item.size = static_cast<std::int64_t>(migration.up.sql.size());
    item.detail = migration.version.digits;
    store::NewBatch batch;
    batch.id = context.new_batch_id();
    batch.task = task;
    if (last.valid()) batch.depends_on.push_back(last);  // migrations apply in order
    batch.items.push_back(std::move(item));
    last = batch.id;
    chunk.batches.push_back(std::move(batch));
    ByteWriter cursor;
    cursor.u8(kCursorVersion).bytes(migration.version.digits).zigzag(task.value).zigzag(last.value);
    chunk.cursor_after = cursor.take();
  }
  chunk.complete = next == pending.size();
  return chunk;
}

Status SchemaRun::execute(BatchContext& context) {
  DUNLIN_ASSIGN(const Turn turn, take_turn(context));
  DUNLIN_TRY(open(context));
  DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
  DUNLIN_ASSIGN(const Migrations* all, migrations());
  for (const ItemRow& item : items) {
    DUNLIN_ASSIGN(const std::optional<Applied> applied, history_->find(item.name));
    if (applied) {
      DUNLIN_TRY(report_applied(context, item));
      continue;
    }
    const auto found = all->find(version_of(item.name));
    if (found == all->end() || found->second.id != item.name) {
      return Error(ErrorType::migration_failed,
                   "the file of '" + printable(item.name) + "' is no longer there");
    }
    DUNLIN_TRY(
        apply(context, item, found->second).with_context("applying " + printable(item.name)));
  }
  return success();
}

/// Ours: done. Somebody else's, meanwhile: nothing left to do.
Status SchemaRun::report_applied(BatchContext& context, const ItemRow& item) {
  DUNLIN_ASSIGN(const std::optional<Record> record, history_->record_of(item.name));
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
  Status applied = change(context, migration.up, [&](std::int64_t duration_ms) {
    return history_->add(migration, duration_ms, context.clock().wall_ms());
  });
  if (applied.ok()) return report_applied(context, item);
  if (applied.error().type == ErrorType::migration_failed) {
    history_->log_failure(migration, applied.error().message, context.clock().wall_ms())
        .ignore("the failure itself is what has to be reported");
  }
  return applied;
}

/// A script and its record, in one transaction behind the fence.
Status SchemaRun::change(BatchContext& context, const Script& script,
                         const std::function<Status(std::int64_t)>& record) {
  const std::int64_t begin_ms = context.clock().monotonic_ms();
  DUNLIN_CRASH_POINT("schema.begin.before");
  DUNLIN_ASSIGN(sql::Transaction transaction, sql::Transaction::begin(*database_));
  DUNLIN_TRY(history_->check_lock());
  DUNLIN_CRASH_POINT("schema.begin.after");
  DUNLIN_TRY(run_script(*database_, script));
  DUNLIN_TRY(check_references());
  DUNLIN_TRY(record(context.clock().monotonic_ms() - begin_ms));
  DUNLIN_CRASH_POINT("schema.history.after");
  DUNLIN_TRY(context.fence());
  DUNLIN_CRASH_POINT("schema.commit.before");
  DUNLIN_TRY(transaction.commit());
  DUNLIN_CRASH_POINT("schema.commit.after");
  return success();
}

Status SchemaRun::check_references() {
  DUNLIN_ASSIGN(const std::int64_t now, foreign_key_violations(*database_));
  if (now == 0) return success();
  // Only now is it worth looking what there was before; another connection still sees that.
  std::int64_t before = 0;
  if (auto other = sql::open_existing(plan_.database_path); other.ok() && other.value()) {
    if (auto counted = foreign_key_violations(*other.value()); counted.ok())
      before = counted.value();
  }
  if (now <= before) return success();
  return Error(ErrorType::migration_failed,
               "after it " + std::to_string(now - before) +
                   " more rows refer to rows that do not exist (PRAGMA foreign_key_check)");
}

Status SchemaRun::settle(BatchContext& context) {
  DUNLIN_ASSIGN(const Turn turn, take_turn(context));
  DUNLIN_TRY(open(context));  // takes the lock over: from here on an earlier owner commits nothing
  DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
  for (const ItemRow& item : items) {
    DUNLIN_ASSIGN(const std::optional<Applied> applied, history_->find(item.name));
    if (applied) DUNLIN_TRY(report_applied(context, item));
  }
  return success();
}

/// What the database will say of a script is not foreseen.
Status SchemaRun::rehearse(BatchContext& context) {
  DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
  for (const ItemRow& item : items) {
    ItemOutcome applied = outcome(item.id, ItemStatus::completed, "applied");
    applied.transferred_bytes = item.size;
    context.report(std::move(applied));
  }
  return success();
}

Status SchemaRun::verify(BatchContext& context) {
  DUNLIN_ASSIGN(const Turn turn, take_turn(context));
  std::map<Version, Applied> applied;  // read without the lock: verification leaves no trace
  if (database_) {
    DUNLIN_ASSIGN(applied, History::applied(*database_));
  } else {
    DUNLIN_ASSIGN(std::optional<sql::Database> database, sql::open_existing(plan_.database_path));
    if (database) {
      DUNLIN_ASSIGN(applied, History::applied(*database));
    }
  }
  DUNLIN_ASSIGN(const Migrations* all, migrations());
  DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
  for (const ItemRow& item : items) {
    const std::string difference = difference_of(item.name, *all, applied);
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
  DUNLIN_TRY(open(context));
  DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
  for (const ItemRow& item : items)
    DUNLIN_TRY(undo_item(context, item).with_context("undoing " + printable(item.name)));
  return success();
}

Status SchemaRun::undo_item(BatchContext& context, const ItemRow& item) {
  DUNLIN_ASSIGN(const std::optional<Applied> applied, history_->find(item.name));
  DUNLIN_ASSIGN(const std::optional<Record> record, history_->record_of(item.name));
  if (applied && record) {  // otherwise an earlier undo has committed
    if (!record->down_sql) {
      context.report(failed(
          item.id, ErrorType::unsupported_item,
          "'" + printable(item.name) + "' is irreversible: it was applied without SQL to go down",
          "write a new migration that takes its effect back"));
      return success();
    }
    DUNLIN_ASSIGN(const std::string later, history_->applied_after(record->sequence));
    if (!later.empty()) {
      context.report(
          failed(item.id, ErrorType::destination_changed,
                 "'" + printable(later) + "' was applied after '" + printable(item.name) + "'",
                 "take back what was applied after it first"));
      return success();
    }
    const Script script{item.name + " (down)", *record->down_sql, 1};
    DUNLIN_TRY(change(context, script, [&](std::int64_t) {
      return history_->remove(item.name, context.clock().wall_ms());
    }));
  }
  context.report(outcome(item.id, ItemStatus::rolled_back, "rolled_back"));
  return success();
}

}  // namespace

std::unique_ptr<engine::Run> make_schema_run(SchemaPlan plan) {
  return std::make_unique<SchemaRun>(std::move(plan));
}

}  // namespace dunlin::schema
