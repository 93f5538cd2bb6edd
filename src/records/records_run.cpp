// RecordsRun; see records_run.h.
#include "records/records_run.h"

#include <fnmatch.h>

#include <map>
#include <mutex>

#include "base/crash_point.h"
#include "base/text.h"
#include "records/bookkeeping.h"
#include "records/enumeration.h"
#include "records/preflight.h"
#include "records/range.h"
#include "sql/sqlite_address.h"

namespace dunlin::records {

namespace {

using engine::BatchContext;
using engine::ItemOutcome;
using engine::ItemRow;
using engine::ItemStatus;
using engine::RunContext;

constexpr auto kTurnPoll = std::chrono::milliseconds(50);

/// True when the data, not the machinery, is at fault: the range fails, the others go on.
bool fault_of_data(const Error& error) {
  return error.category() == ErrorCategory::constraint ||
         error.category() == ErrorCategory::validation;
}

ItemOutcome completed(ItemId item, const BatchRecord& record, std::string action) {
  ItemOutcome outcome;
  outcome.item = item;
  outcome.transferred_bytes = record.bytes;
  outcome.checksum = record.checksum;
  outcome.action = std::move(action);
  return outcome;
}

ItemOutcome failed(ItemId item, Error error) {
  ItemOutcome outcome;
  outcome.item = item;
  outcome.status = ItemStatus::failed;
  outcome.error = std::move(error);
  return outcome;
}

class RecordsRun final : public engine::Run {
 public:
  explicit RecordsRun(RecordsPlan plan) : plan_(std::move(plan)) {}

  [[nodiscard]] engine::CommitScope commit_scope() const override {
    return plan_.single ? engine::CommitScope::execution : engine::CommitScope::batch;
  }
  [[nodiscard]] engine::Truth truth() const override { return engine::Truth::target; }

  [[nodiscard]] Result<std::string> root_identity(RunContext&) override {
    DUNLIN_ASSIGN(const std::string source, sql::sqlite_identity(plan_.source_path, false));
    DUNLIN_ASSIGN(const std::string target, sql::sqlite_identity(plan_.target_path, true));
    return source + " " + target;
  }

  [[nodiscard]] Result<engine::Analysis> analyse(RunContext& context) override {
    return records::analyse(context, plan_);
  }
  [[nodiscard]] Result<std::vector<engine::Problem>> preflight(RunContext& context) override {
    return records::preflight(context, plan_);
  }

  [[nodiscard]] Status enumerate(engine::EnumerateContext& context) override {
    Enumeration enumeration(plan_, context);
    {
      DUNLIN_ASSIGN(const Turn turn, take_turn(context));
      DUNLIN_TRY(open_source(context));
      DUNLIN_TRY(enumeration.begin(*source_));
    }
    for (bool complete = false; !complete;) {
      engine::EnumerateContext::Chunk chunk;
      {
        DUNLIN_ASSIGN(const Turn turn, take_turn(context));
        DUNLIN_ASSIGN(chunk, enumeration.next(*source_));
      }
      complete = chunk.complete;
      DUNLIN_TRY(context.commit(std::move(chunk)));  // may wait for execute(), which needs the turn
    }
    return success();
  }

  [[nodiscard]] Status rehearse(BatchContext& context) override;
  [[nodiscard]] Status execute(BatchContext& context) override;
  [[nodiscard]] Status settle(BatchContext& context) override;
  [[nodiscard]] Status commit(RunContext& context) override;
  [[nodiscard]] Result<bool> committed(RunContext& context) override;
  void close(RunContext& context) override;
  [[nodiscard]] Status verify(BatchContext& context) override;
  [[nodiscard]] Status undo(BatchContext& context) override;
  [[nodiscard]] bool undoes_alone(const store::BatchRow& batch, const ItemRow&) const override;
  [[nodiscard]] Status release(RunContext& context) override;
  [[nodiscard]] bool matches(const engine::Selector& selector, const ItemRow& item) const override;
  [[nodiscard]] Json report_sections() const override;

 private:
  using Turn = std::unique_lock<std::timed_mutex>;

  Result<Turn> take_turn(RunContext& context);
  Status open_source(RunContext& context);
  /// Opens the target and records this epoch there, once per Run.
  Status open_target(RunContext& context);
  /// The target if it exists, without recording anything there: verification leaves no trace.
  Status open_target_to_look(RunContext& context);
  /// The shape of a source table, read once from the snapshot.
  Result<const sql::TableInfo*> shape_of(const std::string& table);
  [[nodiscard]] sql::Database& source() { return *source_; }
  [[nodiscard]] sql::Database& target() { return *target_; }

  /// What one batch does inside the open transaction.
  Result<BatchRecord> apply(BatchContext& context, const Range& range);
  Result<BatchRecord> create_table(const Range& range);
  Status execute_alone(BatchContext& context, const ItemRow& item, const Range& range);
  Status execute_joined(BatchContext& context, const ItemRow& item, const Range& range);
  Status verify_item(BatchContext& context, const ItemRow& item, const Range& range);
  Status undo_item(BatchContext& context, const ItemRow& item, const Range& range);
  Status drop_created(const Range& range);
  Status delete_loaded(BatchContext& context, const Range& range, const BatchRecord& record);

  RecordsPlan plan_;
  std::timed_mutex turn_;
  std::optional<sql::Database> source_;
  std::optional<sql::Transaction> snapshot_;
  std::optional<sql::Database> target_;
  std::optional<Bookkeeping> bookkeeping_;
  std::optional<sql::Transaction>
      single_;                        ///< `single`: open from the first batch to commit or close
  std::optional<Error> single_lost_;  ///< why it is gone; until close() nothing is written
  std::map<std::string, sql::TableInfo> shapes_;
  ExecutionId execution_;
};

bool creates_table(const store::BatchRow& batch) {
  return batch.task_type == kCreateTable;
}

Result<RecordsRun::Turn> RecordsRun::take_turn(RunContext& context) {
  Turn turn(turn_, std::defer_lock);
  while (!turn.try_lock_for(kTurnPoll)) DUNLIN_TRY(context.cancel().check());
  if (source_) source_->set_cancel(context.cancel());
  if (target_) target_->set_cancel(context.cancel());
  return turn;
}

Status RecordsRun::open_source(RunContext& context) {
  if (snapshot_) return success();
  DUNLIN_ASSIGN(source_, sql::open_foreign(plan_.source_path, true));
  source_->set_cancel(context.cancel());
  DUNLIN_ASSIGN(sql::Transaction snapshot, sql::Transaction::begin_read(*source_));
  // SQLite takes the snapshot at the first read, not at BEGIN.
  DUNLIN_TRY(source_->query_int64("SELECT count(*) FROM sqlite_master"));
  snapshot_.emplace(std::move(snapshot));
  return success();
}

Status RecordsRun::open_target(RunContext& context) {
  if (bookkeeping_) return success();
  if (!target_) {
    DUNLIN_ASSIGN(target_, sql::open_foreign(plan_.target_path, false));
    target_->set_cancel(context.cancel());
    DUNLIN_TRY(match_encoding(plan_, *target_));
  }
  execution_ = context.execution();
  Bookkeeping bookkeeping(*target_, context.execution(), context.epoch());
  DUNLIN_TRY(bookkeeping.claim());
  bookkeeping_.emplace(std::move(bookkeeping));
  return success();
}

Status RecordsRun::open_target_to_look(RunContext& context) {
  if (target_) return success();
  DUNLIN_ASSIGN(target_, sql::open_existing(plan_.target_path));
  if (target_) target_->set_cancel(context.cancel());
  return success();
}

Result<const sql::TableInfo*> RecordsRun::shape_of(const std::string& table) {
  auto found = shapes_.find(table);
  if (found == shapes_.end()) {
    DUNLIN_ASSIGN(std::optional<sql::TableInfo> info, sql::read_table(*source_, table));
    if (!info)
      return Error(ErrorType::root_changed,
                   "the source no longer has the table '" + printable(table) + "'");
    found = shapes_.emplace(table, std::move(*info)).first;
  }
  return &found->second;
}

Result<BatchRecord> RecordsRun::create_table(const Range& range) {
  DUNLIN_ASSIGN(const sql::TableInfo* shape, shape_of(range.source));
  DUNLIN_ASSIGN(const std::string sql, sql::create_statement_as(*shape, range.target));
  if (Status created = target().exec(sql); !created.ok()) {
    Error error = std::move(created).error();
    // The statement is the source's: what the target refuses of it is no defect of ours.
    if (error.type == ErrorType::defect) error.type = ErrorType::schema_mismatch;
    return std::move(error).with_context("creating the table '" + printable(range.target) + "'");
  }
  return BatchRecord{range.target, encode(range), 0, 0, ""};
}

Result<BatchRecord> RecordsRun::apply(BatchContext& context, const Range& range) {
  if (creates_table(context.batch())) return create_table(range);
  DUNLIN_ASSIGN(const sql::TableInfo* shape, shape_of(range.source));
  DUNLIN_ASSIGN(const RangeTotals totals, copy_range(context, {source(), range.source},
                                                     {target(), range.target}, *shape, range));
  return BatchRecord{range.target, encode(range), totals.rows, totals.bytes, totals.checksum};
}

Status RecordsRun::execute(BatchContext& context) {
  DUNLIN_ASSIGN(const Turn turn, take_turn(context));
  DUNLIN_TRY(open_source(context));
  DUNLIN_TRY(open_target(context));
  DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
  DUNLIN_ASSIGN(const Range range, decode_range(context.batch().payload));
  for (const ItemRow& item : items) {  // a batch has one item
    DUNLIN_TRY(
        (plan_.single ? execute_joined(context, item, range) : execute_alone(context, item, range))
            .with_context("loading " + item.name));
  }
  return success();
}

Status RecordsRun::execute_alone(BatchContext& context, const ItemRow& item, const Range& range) {
  DUNLIN_CRASH_POINT("records.begin.before");
  DUNLIN_ASSIGN(sql::Transaction transaction, sql::Transaction::begin(target()));
  DUNLIN_TRY(bookkeeping_->check());
  DUNLIN_CRASH_POINT("records.begin.after");
  DUNLIN_ASSIGN(std::optional<BatchRecord> record,
                bookkeeping_->find(context.batch().id, context.batch().payload));
  if (!record) {
    Result<BatchRecord> applied = apply(context, range);
    if (!applied.ok()) {
      Error error = sql::foreign_error(std::move(applied).error());
      if (!fault_of_data(error)) return error;
      DUNLIN_TRY(transaction.rollback());
      context.report(failed(item.id, std::move(error)));
      return success();
    }
    record = std::move(applied).value();
    DUNLIN_CRASH_POINT("records.rows.after");
    DUNLIN_TRY(bookkeeping_->add(context.batch().id, *record, context.clock()));
    DUNLIN_CRASH_POINT("records.bookkeeping.after");
    DUNLIN_TRY(context.fence());
    DUNLIN_CRASH_POINT("records.commit.before");
    DUNLIN_TRY(transaction.commit());
    DUNLIN_CRASH_POINT("records.commit.after");
  }
  context.report(completed(item.id, *record, "created"));
  return success();
}

Status RecordsRun::execute_joined(BatchContext& context, const ItemRow& item, const Range& range) {
  if (single_lost_) return *single_lost_;
  if (!single_) {
    DUNLIN_CRASH_POINT("records.begin.before");
    DUNLIN_ASSIGN(sql::Transaction transaction, sql::Transaction::begin(target()));
    single_.emplace(std::move(transaction));
    DUNLIN_TRY(bookkeeping_->check());
    DUNLIN_CRASH_POINT("records.begin.after");
  }
  const auto write = [&]() -> Result<BatchRecord> {
    DUNLIN_ASSIGN(sql::Savepoint part, sql::Savepoint::begin(target()));
    DUNLIN_ASSIGN(BatchRecord record, apply(context, range));
    DUNLIN_CRASH_POINT("records.rows.after");
    DUNLIN_TRY(bookkeeping_->add(context.batch().id, record, context.clock()));
    DUNLIN_CRASH_POINT("records.bookkeeping.after");
    DUNLIN_TRY(part.release());
    return record;
  };
  Result<BatchRecord> record = write();
  if (!record.ok()) {
    Error error = sql::foreign_error(std::move(record).error());
    if (fault_of_data(error)) {
      // All or nothing: a range that the target refuses must not be left out, so it ends the
      // execution. As an item's error it would be counted, and the others committed.
      error.type = ErrorType::too_many_failures;
      error.message += " (transaction mode single: nothing is loaded)";
    }
    if (error.type == ErrorType::too_many_failures || !single_->active()) single_lost_ = error;
    return error;
  }
  context.report(completed(item.id, *record, "created"));
  return success();
}

Status RecordsRun::commit(RunContext& context) {
  DUNLIN_ASSIGN(const Turn turn, take_turn(context));
  DUNLIN_TRY(open_target(context));
  if (single_lost_) return *single_lost_;
  if (!single_) {  // nothing was loaded: still leave the mark that committed() looks for
    DUNLIN_ASSIGN(sql::Transaction transaction, sql::Transaction::begin(target()));
    single_.emplace(std::move(transaction));
    DUNLIN_TRY(bookkeeping_->check());
  }
  DUNLIN_TRY(bookkeeping_->add(Bookkeeping::kExecutionMark, {}, context.clock()));
  DUNLIN_CRASH_POINT("records.mark.after");
  DUNLIN_TRY(context.fence());
  DUNLIN_CRASH_POINT("records.commit.before");
  Status status = single_->commit();
  if (!status.ok()) {
    if (!single_->active()) single_lost_ = status.error();
    return status;
  }
  DUNLIN_CRASH_POINT("records.commit.after");
  single_.reset();
  return success();
}

Result<bool> RecordsRun::committed(RunContext& context) {
  DUNLIN_ASSIGN(const Turn turn, take_turn(context));
  DUNLIN_TRY(open_target(context));
  DUNLIN_ASSIGN(const std::optional<BatchRecord> mark,
                bookkeeping_->find(Bookkeeping::kExecutionMark, ""));
  return mark.has_value();
}

void RecordsRun::close(RunContext&) {
  const Turn turn(turn_);
  if (single_ && single_->active())
    single_->rollback().ignore("closing the connection rolls back, too");
  single_.reset();
  single_lost_.reset();
}

Status RecordsRun::settle(BatchContext& context) {
  DUNLIN_ASSIGN(const Turn turn, take_turn(context));
  DUNLIN_TRY(open_target(context));  // from here on an earlier owner commits nothing
  DUNLIN_ASSIGN(const std::optional<BatchRecord> record,
                bookkeeping_->find(context.batch().id, context.batch().payload));
  if (!record) return success();
  DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
  for (const ItemRow& item : items) context.report(completed(item.id, *record, "created"));
  return success();
}

/// What the target will say of the rows (a key that is taken, a constraint) is not foreseen.
Status RecordsRun::rehearse(BatchContext& context) {
  DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
  for (const ItemRow& item : items)
    context.report(completed(item.id, BatchRecord{{}, {}, 0, item.size, {}}, "created"));
  return success();
}

Status RecordsRun::verify(BatchContext& context) {
  DUNLIN_ASSIGN(const Turn turn, take_turn(context));
  DUNLIN_TRY(open_source(context));
  DUNLIN_TRY(open_target_to_look(context));
  DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
  DUNLIN_ASSIGN(const Range range, decode_range(context.batch().payload));
  for (const ItemRow& item : items)
    DUNLIN_TRY(verify_item(context, item, range).with_context("verifying " + item.name));
  return success();
}

Status RecordsRun::verify_item(BatchContext& context, const ItemRow& item, const Range& range) {
  const auto differs = [&](const std::string& in_what) {
    context.report_difference(item.id,
                              Error(ErrorType::verification_mismatch, item.name + ": " + in_what));
    return success();
  };
  if (!target_) return differs("the target is missing");
  DUNLIN_ASSIGN(const std::optional<sql::TableInfo> there, sql::read_table(target(), range.target));
  if (!there) return differs("the target has no table '" + printable(range.target) + "'");
  if (!creates_table(context.batch())) {
    DUNLIN_ASSIGN(const sql::TableInfo* shape, shape_of(range.source));
    const Side from{source(), range.source};
    const Side to{target(), range.target};
    DUNLIN_ASSIGN(const RangeTotals wanted, sum_range(context, from, *shape, range));
    DUNLIN_ASSIGN(const RangeTotals found, sum_range(context, to, *shape, range));
    if (wanted.rows != found.rows || wanted.checksum != found.checksum) {
      DUNLIN_ASSIGN(const Comparison comparison, compare_range(context, from, to, *shape, range));
      if (comparison.missing + comparison.different > 0) {
        return differs(std::to_string(comparison.missing) + " rows missing, " +
                       std::to_string(comparison.different) + " different, the first one at key " +
                       comparison.first);
      }
    }  // otherwise the target only has other rows besides, which were there before
  }
  context.report_equal(item.id);
  return success();
}

Status RecordsRun::undo(BatchContext& context) {
  DUNLIN_ASSIGN(const Turn turn, take_turn(context));
  DUNLIN_TRY(open_target(context));
  DUNLIN_ASSIGN(const std::vector<ItemRow> items, context.items());
  DUNLIN_ASSIGN(const Range range, decode_range(context.batch().payload));
  for (const ItemRow& item : items)
    DUNLIN_TRY(undo_item(context, item, range).with_context("undoing " + item.name));
  return success();
}

/// A table that it made is needed by all that is in it.
bool RecordsRun::undoes_alone(const store::BatchRow& batch, const ItemRow&) const {
  return !creates_table(batch);
}

Status RecordsRun::undo_item(BatchContext& context, const ItemRow& item, const Range& range) {
  DUNLIN_ASSIGN(sql::Transaction transaction, sql::Transaction::begin(target()));
  DUNLIN_TRY(bookkeeping_->check());
  DUNLIN_ASSIGN(const std::optional<BatchRecord> record,
                bookkeeping_->find(context.batch().id, context.batch().payload));
  if (record) {  // without one an earlier undo has committed
    Status undone = creates_table(context.batch()) ? drop_created(range)
                                                   : delete_loaded(context, range, *record);
    if (!undone.ok()) {
      if (!fault_of_data(undone.error())) return undone;
      DUNLIN_TRY(transaction.rollback());
      context.report(failed(item.id, std::move(undone).error()));
      return success();
    }
    DUNLIN_TRY(bookkeeping_->remove(context.batch().id));
    DUNLIN_TRY(context.fence());
    DUNLIN_CRASH_POINT("records.undo.before");
    DUNLIN_TRY(transaction.commit());
    DUNLIN_CRASH_POINT("records.undo.after");
  }
  ItemOutcome outcome;
  outcome.item = item.id;
  outcome.status = ItemStatus::rolled_back;
  context.report(std::move(outcome));
  return success();
}

Status RecordsRun::drop_created(const Range& range) {
  const std::string table = sql::quote_identifier(range.target);
  DUNLIN_ASSIGN(const std::optional<sql::TableInfo> info, sql::read_table(target(), range.target));
  if (!info) return success();
  DUNLIN_ASSIGN(const std::optional<std::int64_t> row,
                target().query_int64("SELECT 1 FROM " + table + " LIMIT 1"));
  if (row) {
    return Error(ErrorType::destination_changed,
                 "the table '" + printable(range.target) +
                     "' holds rows that were not loaded, so it is kept");
  }
  return target().exec("DROP TABLE " + table);
}

Status RecordsRun::delete_loaded(BatchContext& context, const Range& range,
                                 const BatchRecord& record) {
  const Error changed(ErrorType::destination_changed,
                      "rows of the range were changed, added or removed in '" +
                          printable(range.target) + "' since they were loaded");
  const Side to{target(), range.target};
  DUNLIN_ASSIGN(const std::optional<sql::TableInfo> there, sql::read_table(target(), range.target));
  if (!there) return changed;
  DUNLIN_ASSIGN(const RangeTotals found, sum_range(context, to, *there, range));
  if (found.rows == record.rows && found.checksum == record.checksum)
    return delete_range(to, *there, range);
  // The target may have had other rows within the bounds. The source, if it still is what was
  // loaded, tells them apart.
  if (Status opened = open_source(context); !opened.ok()) return changed;
  DUNLIN_ASSIGN(const sql::TableInfo* shape, shape_of(range.source));
  const Side from{source(), range.source};
  DUNLIN_ASSIGN(const RangeTotals loaded, sum_range(context, from, *shape, range));
  if (loaded.rows != record.rows || loaded.checksum != record.checksum) return changed;
  DUNLIN_ASSIGN(const Comparison comparison, compare_range(context, from, to, *shape, range));
  if (comparison.missing + comparison.different > 0) return changed;
  return delete_rows_of(context, from, to, *shape, range);
}

Status RecordsRun::release(RunContext& context) {
  DUNLIN_ASSIGN(const Turn turn, take_turn(context));
  DUNLIN_TRY(open_target_to_look(context));
  bookkeeping_.reset();
  if (!target_) return success();
  return Bookkeeping(*target_, context.execution(), context.epoch()).release();
}

bool RecordsRun::matches(const engine::Selector& selector, const ItemRow& item) const {
  if (!selector.type.empty()) return false;  // it has none
  if (!selector.entity.empty() && selector.entity != item.detail) return false;
  return selector.path_glob.empty() ||
         ::fnmatch(selector.path_glob.c_str(), item.name.c_str(), 0) == 0;
}

Json RecordsRun::report_sections() const {
  // A connection of its own: the report may be asked for while a batch has the turn.
  Json by_entity = Json::array();
  std::int64_t total = 0;
  auto database = sql::open_foreign(plan_.target_path, true);
  if (!database.ok()) return Json::object();
  auto rows = database->prepare(
      "SELECT target, sum(rows) FROM __dunlin_batches WHERE execution_id = ?1 AND batch_id > 0 "
      "GROUP BY target");
  if (!rows.ok()) return Json::object();
  for (Result<bool> more = rows->query(execution_.value); more.ok() && more.value();
       more = rows->step()) {
    by_entity.push_back(
        {{"entity", printable(rows->column_text(0))}, {"created", rows->column_int64(1)}});
    total += rows->column_int64(1);
  }
  return Json{{"results", {{"total_created", total}, {"by_entity", std::move(by_entity)}}}};
}

}  // namespace

std::unique_ptr<engine::Run> make_records_run(RecordsPlan plan) {
  return std::make_unique<RecordsRun>(std::move(plan));
}

}  // namespace dunlin::records
