#include "store/ledger_reader.h"

#include <algorithm>
#include <limits>
#include <unordered_set>

#include <fmt/format.h>

#include "base/json.h"
#include "store/ledger_codec.h"
#include "store/ledger_writer.h"

namespace dunlin::store {
namespace {

constexpr std::size_t kMaxPaths = 8192;
constexpr int kMaxDepth = 4096;  // a longer chain of parents is a cycle

#define DUNLIN_BATCH_COLUMNS                                                                       \
  "b.id, b.task_id, t.task_type, b.stage, b.status, b.pass, b.token, b.attempt, b.not_before_ms, " \
  "b.first_item, "                                                                                 \
  "b.item_count, b.bytes, b.verified, b.doubted, b.payload, t.count_as"
// What undo looks at; the same rule as undoable() in ledger_batches.cpp.
#define DUNLIN_UNDOABLE(b)                                                            \
  "((" b ".status = 3 OR (" b ".status IN (0, 4, 5) AND " b ".succeeded > 0)) AND " b \
  ".undo_tried IS NULL)"

BatchRow batch_row(const sql::Statement& row) {
  BatchRow batch;
  int i = 0;
  batch.id = BatchId(row.column_int64(i++));
  batch.task = TaskId(row.column_int64(i++));
  batch.task_type = row.column_string(i++);
  batch.stage = static_cast<std::int32_t>(row.column_int64(i++));
  batch.status = static_cast<BatchStatus>(row.column_int64(i++));
  batch.pass = static_cast<Pass>(row.column_int64(i++));
  batch.token = row.column_int64(i++);
  batch.attempt = static_cast<std::int32_t>(row.column_int64(i++));
  batch.not_before_ms = row.column_int64(i++);
  batch.first_item = ItemId(row.column_int64(i++));
  batch.item_count = row.column_int64(i++);
  batch.bytes = row.column_int64(i++);
  batch.verified = row.column_int64(i++) == 1;
  batch.doubted = row.column_int64(i++) == 1;
  batch.payload = row.column_blob(i++);
  batch.count_as = static_cast<CountAs>(row.column_int64(i++));
  return batch;
}

Error no_such(std::string_view what, std::int64_t id) {
  return {ErrorType::not_found, fmt::format("the execution has no {} {}", what, id)};
}

std::vector<std::string> strings_of(std::string_view json) {
  std::vector<std::string> strings;
  const Result<Json> parsed = parse_json(json, "list");
  if (!parsed || !parsed->is_array())
    return strings;  // a damaged list only widens what may run at once
  for (const Json& one : *parsed) {
    if (one.is_string()) strings.push_back(one.get<std::string>());
  }
  return strings;
}

}  // namespace

Result<std::int64_t> LedgerReader::sequence() {
  DUNLIN_ASSIGN(const auto sequence, database_.query_int64("SELECT sequence FROM state"));
  return sequence.value_or(0);
}

Result<ExecutionRow> LedgerReader::execution() {
  DUNLIN_ASSIGN(sql::Transaction snapshot, sql::Transaction::begin_read(database_));
  DUNLIN_ASSIGN(LedgerState state, read_ledger_state(database_));
  DUNLIN_ASSIGN(
      sql::Statement row,
      database_.cached(
          "SELECT id, plan_id, number, kind, plan_json, settings_json, description, mode, "
          "created_ms, claims, depends_on, undo_retention_ms, drops_undo, baseline_json "
          "FROM execution"));
  DUNLIN_ASSIGN(const bool found, row.query());
  if (!found) return Error(ErrorType::state_corrupt, "the ledger has no row in `execution`");
  ExecutionRow execution;
  execution.id = ExecutionId(row.column_string(0));
  execution.plan_id = PlanId(row.column_string(1));
  execution.number = row.column_int64(2);
  execution.kind = row.column_string(3);
  execution.plan_json = row.column_string(4);
  execution.settings_json = row.column_string(5);
  execution.description = row.column_string(6);
  execution.mode = row.column_string(7);
  execution.created_ms = row.column_int64(8);
  execution.claims = strings_of(row.column_text(9));
  execution.depends_on = strings_of(row.column_text(10));
  execution.undo_retention_ms = row.column_int64(11);
  execution.drops_undo = row.column_int64(12) != 0;
  if (const std::string baseline = row.column_string(13); !baseline.empty()) {
    DUNLIN_ASSIGN(execution.baseline, baseline_from_json(baseline));
  }
  execution.status = state.status;
  execution.phase = std::move(state.phase);
  execution.reason_json = std::move(state.reason_json);
  execution.epoch = state.epoch;
  execution.attempt = state.attempt;
  execution.started_ms = state.started_ms;
  execution.ended_ms = state.ended_ms;
  execution.updated_ms = state.updated_ms;
  execution.paused_ms_total = state.paused_ms_total;
  execution.paused_since_ms = state.paused_since_ms;
  execution.cursor = std::move(state.cursor);
  execution.roots = std::move(state.roots);
  execution.owner_json = std::move(state.owner_json);
  execution.enumeration_complete = state.enumeration_complete;
  execution.committing = state.committing;
  execution.rollback_part = std::move(state.rollback_part);
  execution.counters = state.counters;
  return execution;
}

Result<std::int64_t> LedgerReader::barrier_floor(bool enumeration_complete) {
  if (!enumeration_complete) return std::int64_t{-1};
  DUNLIN_ASSIGN(const auto lowest,
                database_.query_int64("SELECT min(stage) FROM stage WHERE ended < batches"));
  return lowest.value_or(std::numeric_limits<std::int64_t>::max());
}

Result<ReadyBatches> LedgerReader::ready(const ReadyQuery& query) {
  DUNLIN_ASSIGN(sql::Transaction snapshot, sql::Transaction::begin_read(database_));
  ReadyBatches result;
  switch (query.pass) {
    case Pass::work: {
      DUNLIN_ASSIGN(const LedgerState state, read_ledger_state(database_));
      const Counters& counters = state.counters;
      result.unfinished = counters.total_batches - counters.ended_batches -
                          counters.staged_batches - counters.undone_batches;
      DUNLIN_TRY(ready_work(query, state.enumeration_complete, result));
      break;
    }
    case Pass::verify:
      DUNLIN_TRY(ready_verify(query, result));
      break;
    case Pass::undo:
      DUNLIN_TRY(ready_undo(query, result));
      break;
  }
  return result;
}

Status LedgerReader::take_batches(sql::Statement& row, const ReadyQuery& query,
                                  ReadyBatches& result) {
  std::unordered_set<std::int64_t> exclude;
  for (const BatchId id : query.exclude) exclude.insert(id.value);
  while (result.batches.size() < query.limit) {
    DUNLIN_ASSIGN(const bool more, row.step());
    if (!more) break;
    if (!exclude.contains(row.column_int64(0))) result.batches.push_back(batch_row(row));
  }
  return success();
}

Status LedgerReader::ready_work(const ReadyQuery& query, bool enumeration_complete,
                                ReadyBatches& result) {
  DUNLIN_ASSIGN(const std::int64_t floor, barrier_floor(enumeration_complete));
  DUNLIN_ASSIGN(
      sql::Statement row,
      database_.cached(
          "SELECT " DUNLIN_BATCH_COLUMNS
          " FROM batch b INDEXED BY batch_ready CROSS JOIN task t ON t.id = b.task_id "
          "WHERE b.status = 0 AND b.blocked_by = 0 AND (b.barrier = 0 OR b.stage <= ?1) AND "
          "coalesce(b.not_before_ms, 0) <= ?2 ORDER BY b.priority, b.stage, b.id"));
  row.bind(1, floor).bind(2, query.now_ms);
  DUNLIN_TRY(take_batches(row, query, result));
  DUNLIN_ASSIGN(
      const auto next,
      database_.query_int64("SELECT min(not_before_ms) FROM batch INDEXED BY batch_waiting "
                            "WHERE not_before_ms > ?2 AND not_before_ms < ?3 AND status = 0 AND "
                            "blocked_by = 0 AND (barrier = 0 OR stage <= ?1)",
                            floor, query.now_ms, kHeldMs));
  result.next_not_before_ms = next.value_or(0);
  DUNLIN_ASSIGN(const auto held,
                database_.query_int64("SELECT count(*) FROM batch INDEXED BY batch_waiting "
                                      "WHERE not_before_ms = ?1 AND status = 0",
                                      kHeldMs));
  result.held = held.value_or(0);
  return success();
}

Status LedgerReader::ready_verify(const ReadyQuery& query, ReadyBatches& result) {
  DUNLIN_ASSIGN(
      sql::Statement row,
      database_.cached(
          "SELECT " DUNLIN_BATCH_COLUMNS
          " FROM batch b INDEXED BY batch_unverified CROSS JOIN task t ON t.id = b.task_id "
          "WHERE b.status = 3 AND b.verified IS NULL AND coalesce(b.not_before_ms, 0) <= ?1 "
          "ORDER BY b.priority, b.stage, b.id"));
  row.bind(1, query.now_ms);
  DUNLIN_TRY(take_batches(row, query, result));
  DUNLIN_ASSIGN(
      const auto next,
      database_.query_int64("SELECT min(not_before_ms) FROM batch INDEXED BY batch_waiting "
                            "WHERE not_before_ms > ?1 AND status = 3 AND verified IS NULL",
                            query.now_ms));
  result.next_not_before_ms = next.value_or(0);
  DUNLIN_ASSIGN(const auto waiting,
                database_.query_int64("SELECT count(*) FROM batch INDEXED BY batch_unverified "
                                      "WHERE status = 3 AND verified IS NULL"));
  DUNLIN_ASSIGN(const auto open,
                database_.query_int64("SELECT count(*) FROM batch INDEXED BY batch_executing "
                                      "WHERE status = 1 AND pass = 1"));
  result.unfinished = waiting.value_or(0) + open.value_or(0);
  return success();
}

// Backwards through what was done: a batch waits for those that depend on it, and for the barrier
// stages above it.
Status LedgerReader::ready_undo(const ReadyQuery& query, ReadyBatches& result) {
  DUNLIN_ASSIGN(
      const auto barrier,
      database_.query_int64(
          "SELECT max(stage) FROM batch b INDEXED BY batch_barrier WHERE b.barrier = 1 AND "
          "(b.status = 1 OR " DUNLIN_UNDOABLE("b") ")"));
  DUNLIN_ASSIGN(
      sql::Statement row,
      database_.cached(
          "SELECT " DUNLIN_BATCH_COLUMNS " FROM batch b CROSS JOIN task t ON t.id = b.task_id "
          "WHERE " DUNLIN_UNDOABLE("b") " AND b.stage >= ?1 AND "
                                        "coalesce(b.not_before_ms, 0) <= ?2 AND NOT EXISTS ("
                                        "SELECT 1 FROM dependency d JOIN batch o ON o.id = "
                                        "d.dependant WHERE d.dependency = b.id "
                                        "AND (o.status = 1 OR " DUNLIN_UNDOABLE(
                                            "o") ")) ORDER BY b.id DESC"));
  row.bind(1, barrier.value_or(-1)).bind(2, query.now_ms);
  DUNLIN_TRY(take_batches(row, query, result));
  DUNLIN_ASSIGN(
      const auto next,
      database_.query_int64("SELECT min(not_before_ms) FROM batch b INDEXED BY batch_waiting "
                            "WHERE not_before_ms > ?1 AND " DUNLIN_UNDOABLE("b"),
                            query.now_ms));
  result.next_not_before_ms = next.value_or(0);
  DUNLIN_ASSIGN(const auto unfinished,
                database_.query_int64("SELECT count(*) FROM batch b WHERE " DUNLIN_UNDOABLE("b")));
  DUNLIN_ASSIGN(const auto open,
                database_.query_int64("SELECT count(*) FROM batch INDEXED BY batch_executing "
                                      "WHERE status = 1 AND pass = 2"));
  result.unfinished = unfinished.value_or(0) + open.value_or(0);
  return success();
}

Result<std::vector<BatchRow>> LedgerReader::open_batches() {
  std::vector<BatchRow> batches;
  DUNLIN_ASSIGN(
      sql::Statement row,
      database_.cached(
          "SELECT " DUNLIN_BATCH_COLUMNS
          " FROM batch b INDEXED BY batch_executing CROSS JOIN task t ON t.id = b.task_id "
          "WHERE b.status = 1 ORDER BY b.id"));
  while (true) {
    DUNLIN_ASSIGN(const bool more, row.step());
    if (!more) return batches;
    batches.push_back(batch_row(row));
  }
}

Result<bool> LedgerReader::begun() {
  DUNLIN_ASSIGN(const auto found,
                database_.query_int64("SELECT 1 FROM batch WHERE token > 0 LIMIT 1"));
  return found.has_value();
}

Result<BatchRow> LedgerReader::batch(BatchId id) {
  DUNLIN_ASSIGN(sql::Statement row,
                database_.cached("SELECT " DUNLIN_BATCH_COLUMNS
                                 " FROM batch b JOIN task t ON t.id = b.task_id WHERE b.id = ?1"));
  DUNLIN_ASSIGN(const bool found, row.query(id.value));
  if (!found) return no_such("batch", id.value);
  return batch_row(row);
}

Result<std::string> LedgerReader::path_of(std::int64_t directory) {
  std::vector<std::pair<std::int64_t, std::string>> chain;
  std::string path;
  for (std::int64_t id = directory; id > 0;) {
    if (const auto known = paths_.find(id); known != paths_.end()) {
      path = known->second;
      break;
    }
    DUNLIN_ASSIGN(sql::Statement row,
                  database_.cached("SELECT parent, name FROM directory WHERE id = ?1"));
    DUNLIN_ASSIGN(const bool found, row.query(id));
    if (!found || chain.size() >= kMaxDepth) {
      return Error(ErrorType::state_corrupt,
                   fmt::format("directory {} has no path to the root", directory));
    }
    chain.emplace_back(id, row.column_blob(1));
    id = row.column_int64(0);
  }
  if (paths_.size() + chain.size() > kMaxPaths) paths_.clear();
  for (auto step = chain.rbegin(); step != chain.rend(); ++step) {
    if (!path.empty() && !step->second.empty()) path += '/';
    path += step->second;
    paths_.emplace(step->first, path);
  }
  return path;
}

Result<DirectoryRow> LedgerReader::directory_row(const sql::Statement& row) {
  DirectoryRow directory;
  directory.id = DirectoryId(row.column_int64(0));
  directory.parent = DirectoryId(row.column_int64(1));
  directory.name = row.column_blob(2);
  directory.detail = row.column_blob(3);
  directory.open = row.column_int64(4) != 0;
  DUNLIN_ASSIGN(directory.path, path_of(directory.id.value));
  return directory;
}

Result<std::vector<DirectoryRow>> LedgerReader::open_directories(std::size_t limit) {
  std::vector<DirectoryRow> directories;
  DUNLIN_ASSIGN(
      sql::Statement row,
      database_.cached(
          "SELECT id, parent, name, detail, open FROM directory INDEXED BY directory_open "
          "WHERE open = 1 ORDER BY id"));
  while (directories.size() < limit) {
    DUNLIN_ASSIGN(const bool more, row.step());
    if (!more) break;
    DUNLIN_ASSIGN(DirectoryRow directory, directory_row(row));
    directories.push_back(std::move(directory));
  }
  return directories;
}

Result<std::vector<DirectoryRow>> LedgerReader::directories_before(DirectoryId before,
                                                                   std::size_t limit) {
  std::vector<DirectoryRow> directories;
  DUNLIN_ASSIGN(sql::Statement row,
                database_.cached("SELECT id, parent, name, detail, open FROM directory "
                                 "WHERE ?1 = 0 OR id < ?1 ORDER BY id DESC LIMIT ?2"));
  row.bind(1, before.value).bind(2, static_cast<std::int64_t>(limit));
  while (true) {
    DUNLIN_ASSIGN(const bool more, row.step());
    if (!more) return directories;
    DUNLIN_ASSIGN(DirectoryRow directory, directory_row(row));
    directories.push_back(std::move(directory));
  }
}

Result<DirectoryRow> LedgerReader::directory(DirectoryId id) {
  DUNLIN_ASSIGN(
      sql::Statement row,
      database_.cached("SELECT id, parent, name, detail, open FROM directory WHERE id = ?1"));
  DUNLIN_ASSIGN(const bool found, row.query(id.value));
  if (!found) return no_such("directory", id.value);
  return directory_row(row);
}

Result<bool> LedgerReader::is_open(DirectoryId directory) {
  DUNLIN_ASSIGN(
      const auto open,
      database_.query_int64("SELECT 1 FROM directory WHERE id = ?1 AND open = 1", directory.value));
  return open.has_value();
}

// Only a directory that is still open can be read again, so only the names in open directories are
// indexed: a table over all items would cost as much as the items. It is temporary and catches up
// before each question.
Status LedgerReader::refresh_names() {
  if (named_item_ < 0) {
    DUNLIN_TRY(database_.exec(
        "CREATE TEMP TABLE IF NOT EXISTS item_name(directory_id INTEGER, name BLOB, PRIMARY "
        "KEY(directory_id, name)) "
        "WITHOUT ROWID;"
        "CREATE TEMP TABLE IF NOT EXISTS directory_name(parent INTEGER, name BLOB, id INTEGER, "
        "PRIMARY KEY(parent, name)) WITHOUT ROWID"));
    named_item_ = 0;
  }
  DUNLIN_ASSIGN(const LedgerState state, read_ledger_state(database_));
  if (state.last_item > named_item_) {
    DUNLIN_TRY(database_.run(
        "INSERT OR IGNORE INTO temp.item_name SELECT directory_id, name FROM item WHERE id > ?1 "
        "AND id <= ?2 AND "
        "directory_id IN (SELECT id FROM directory INDEXED BY directory_open WHERE open = 1)",
        named_item_, state.last_item));
    named_item_ = state.last_item;
  }
  if (state.counters.listed_directories > named_directory_) {
    // Directories may come in any order of ids, so all are looked at; they are few beside the
    // items.
    DUNLIN_TRY(database_.run(
        "INSERT OR IGNORE INTO temp.directory_name SELECT parent, name, id FROM directory WHERE "
        "parent IN (SELECT id FROM directory INDEXED BY directory_open WHERE open = 1)"));
    named_directory_ = state.counters.listed_directories;
  }
  return success();
}

Result<bool> LedgerReader::has_item(DirectoryId directory, std::string_view name) {
  DUNLIN_ASSIGN(const bool open, is_open(directory));
  if (open) DUNLIN_TRY(refresh_names());
  DUNLIN_ASSIGN(
      const auto found,
      open ? database_.query_int64(
                 "SELECT 1 FROM temp.item_name WHERE directory_id = ?1 AND name = ?2",
                 directory.value, sql::Blob{name})
           : database_.query_int64("SELECT 1 FROM item WHERE directory_id = ?1 AND name = ?2",
                                   directory.value, sql::Blob{name}));
  return found.has_value();
}

Result<std::optional<DirectoryId>> LedgerReader::find_directory(DirectoryId parent,
                                                                std::string_view name) {
  DUNLIN_ASSIGN(const bool open, is_open(parent));
  if (open) DUNLIN_TRY(refresh_names());
  DUNLIN_ASSIGN(
      const auto found,
      open ? database_.query_int64(
                 "SELECT id FROM temp.directory_name WHERE parent = ?1 AND name = ?2", parent.value,
                 sql::Blob{name})
           : database_.query_int64("SELECT id FROM directory WHERE parent = ?1 AND name = ?2",
                                   parent.value, sql::Blob{name}));
  return found ? std::optional(DirectoryId(*found)) : std::nullopt;
}

Result<std::optional<ItemId>> LedgerReader::first_item(std::string_view key) {
  DUNLIN_ASSIGN(
      const auto found,
      database_.query_int64("SELECT item_id FROM first_item WHERE key = ?1", sql::Blob{key}));
  return found ? std::optional(ItemId(*found)) : std::nullopt;
}

Result<Ledger::LastIds> LedgerReader::last_ids() {
  DUNLIN_ASSIGN(const LedgerState state, read_ledger_state(database_));
  return Ledger::LastIds{TaskId(state.last_task), BatchId(state.last_batch),
                         ItemId(state.last_item), DirectoryId(state.last_directory)};
}

Result<std::vector<TaskRow>> LedgerReader::tasks(std::size_t limit) {
  constexpr std::array<TaskStatus, 7> kAll = {
      TaskStatus::pending, TaskStatus::executing, TaskStatus::paused, TaskStatus::complete,
      TaskStatus::failed,  TaskStatus::cancelled, TaskStatus::skipped};
  std::vector<TaskRow> tasks;
  DUNLIN_ASSIGN(
      sql::Statement row,
      database_.cached(
          "SELECT id, task_type, stage, barrier, priority, description, parameters_json, uid, "
          "status, batches, ended_batches, failed_batches, items, error_message, count_as, "
          "follows_contents FROM tasks "
          "ORDER BY id LIMIT ?1"));
  row.bind(1, limit);
  while (true) {
    DUNLIN_ASSIGN(const bool more, row.step());
    if (!more) return tasks;
    TaskRow task;
    task.id = TaskId(row.column_int64(0));
    task.task_type = row.column_string(1);
    task.stage = static_cast<std::int32_t>(row.column_int64(2));
    task.barrier = row.column_int64(3) != 0;
    task.priority = static_cast<Priority>(row.column_int64(4));
    task.description = row.column_string(5);
    task.parameters_json = row.column_string(6);
    task.uid = row.column_string(7);
    const auto status = std::find_if(kAll.begin(), kAll.end(), [&](TaskStatus one) {
      return to_string(one) == row.column_text(8);
    });
    task.status = status != kAll.end() ? *status : TaskStatus::pending;
    task.batches = row.column_int64(9);
    task.ended_batches = row.column_int64(10);
    task.failed_batches = row.column_int64(11);
    task.items = row.column_int64(12);
    task.error_message = row.column_string(13);
    task.count_as = static_cast<CountAs>(row.column_int64(14));
    task.follows_contents = row.column_int64(15) != 0;
    tasks.push_back(std::move(task));
  }
}

}  // namespace dunlin::store
