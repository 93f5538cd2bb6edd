// LedgerWriter: AppendWork. Everything is checked in memory (and by key look-ups) before the first
// row is written.
#include <unordered_set>

#include <fmt/format.h>

#include "store/ledger_writer.h"

namespace dunlin::store {
namespace {

Status bad_append(std::string text) {
  return Error(ErrorType::defect, "append of work: " + std::move(text));
}

std::optional<std::string_view> non_empty(std::string_view text) {
  return text.empty() ? std::nullopt : std::optional<std::string_view>(text);
}
std::optional<sql::Blob> blob_or_null(std::string_view bytes) {
  return bytes.empty() ? std::nullopt : std::optional<sql::Blob>(sql::Blob{bytes});
}

/// Ids known to exist, so that a directory of 10,000 items is looked up once.
class Known {
 public:
  Known(sql::Database& database, std::string_view sql) : database_(database), sql_(sql) {}
  void add(std::int64_t id) { ids_.insert(id); }
  Result<bool> has(std::int64_t id) {
    if (id == last_ || ids_.contains(id)) return true;
    DUNLIN_ASSIGN(const auto found, database_.query_int64(sql_, id));
    if (!found) return false;
    ids_.insert(id);
    last_ = id;
    return true;
  }

 private:
  sql::Database& database_;
  std::string_view sql_;
  std::unordered_set<std::int64_t> ids_;
  std::int64_t last_ = -1;
};

constexpr std::string_view kFindDirectory = "SELECT 1 FROM directory WHERE id = ?1";

}  // namespace

LedgerWriter::Applied LedgerWriter::change(const AppendWork& mutation) {
  DUNLIN_ASSIGN(const Status checked, check_append(mutation));
  if (!checked) return checked;
  DUNLIN_TRY(append_tasks(mutation));
  DUNLIN_TRY(append_directories(mutation));
  for (const NewBatch& batch : mutation.batches) DUNLIN_TRY(append_batch(batch));
  for (const NewFirstItem& first : mutation.first_items) {
    DUNLIN_TRY(database_.run("INSERT INTO first_item(key, item_id) VALUES (?1, ?2)",
                             sql::Blob{first.key}, first.item.value));
  }
  DUNLIN_TRY(append_places(mutation));
  state_.cursor = mutation.cursor_after;
  state_.enumeration_complete = mutation.complete;
  return success();
}

LedgerWriter::Applied LedgerWriter::check_append(const AppendWork& mutation) {
  if (state_.enumeration_complete) return bad_append("enumeration is complete already");
  std::int64_t task = state_.last_task;
  for (const NewTask& one : mutation.tasks) {
    if (one.id.value != ++task)
      return bad_append(fmt::format("task {} where {} is next", one.id.value, task));
    if (one.stage < 0 || one.task_type.empty())
      return bad_append(fmt::format("task {} has no stage or type", task));
  }
  DUNLIN_ASSIGN(Status directories, check_append_directories(mutation));
  if (!directories) return directories;
  DUNLIN_ASSIGN(Status places, check_append_places(mutation));
  if (!places) return places;
  return check_append_batches(mutation);
}

LedgerWriter::Applied LedgerWriter::check_append_directories(const AppendWork& mutation) {
  Known known(database_, kFindDirectory);
  std::unordered_set<std::int64_t> fresh;
  for (const NewDirectory& one : mutation.directories) {
    if (!one.id.valid() || !fresh.insert(one.id.value).second) {
      return bad_append(fmt::format("directory {} is given twice, or is none", one.id.value));
    }
    if (one.id.value <= state_.last_directory) {  // ids may come in any order, but each once
      DUNLIN_ASSIGN(const auto taken, database_.query_int64(kFindDirectory, one.id.value));
      if (taken) return bad_append(fmt::format("directory {} is journaled already", one.id.value));
    }
    if (one.parent.valid() && !fresh.contains(one.parent.value)) {
      DUNLIN_ASSIGN(const bool found, known.has(one.parent.value));
      if (!found)
        return bad_append(
            fmt::format("directory {} has an unknown parent {}", one.id.value, one.parent.value));
    }
  }
  for (const DirectoryId closed : mutation.closed_directories) {
    if (fresh.contains(closed.value)) continue;
    DUNLIN_ASSIGN(const bool found, known.has(closed.value));
    if (!found) return bad_append(fmt::format("closes the unknown directory {}", closed.value));
  }
  return success();
}

LedgerWriter::Applied LedgerWriter::check_append_batches(const AppendWork& mutation) {
  const std::int64_t last_task =
      state_.last_task + static_cast<std::int64_t>(mutation.tasks.size());
  Known directories(database_, kFindDirectory);
  for (const NewDirectory& one : mutation.directories) directories.add(one.id.value);
  std::int64_t batch = state_.last_batch;
  std::int64_t item = state_.last_item;
  for (const NewBatch& one : mutation.batches) {
    if (one.id.value != ++batch)
      return bad_append(fmt::format("batch {} where {} is next", one.id.value, batch));
    if (!one.task.valid() || one.task.value > last_task) {
      return bad_append(fmt::format("batch {} of the unknown task {}", batch, one.task.value));
    }
    for (const BatchId dependency : one.depends_on) {
      // Only older ones: that alone keeps the graph free of cycles.
      if (!dependency.valid() || dependency.value >= batch) {
        return bad_append(fmt::format("batch {} depends on batch {}", batch, dependency.value));
      }
    }
    if (!one.skip_reason.empty() && (one.items.empty() || !one.depends_on.empty()))
      return bad_append(fmt::format("batch {} is skipped, and has no items or waits", batch));
    for (const NewItem& row : one.items) {
      if (row.id.value != ++item)
        return bad_append(fmt::format("item {} where {} is next", row.id.value, item));
      if (row.size < 0) return bad_append(fmt::format("item {} has a negative size", item));
      if (!row.directory.valid()) continue;
      DUNLIN_ASSIGN(const bool found, directories.has(row.directory.value));
      if (!found)
        return bad_append(
            fmt::format("item {} in the unknown directory {}", item, row.directory.value));
    }
  }
  return check_append_first_items(mutation, item);
}

LedgerWriter::Applied LedgerWriter::check_append_first_items(const AppendWork& mutation,
                                                             std::int64_t last_item) {
  std::unordered_set<std::string_view> fresh;
  for (const NewFirstItem& first : mutation.first_items) {
    if (!first.item.valid() || first.item.value > last_item)
      return bad_append(fmt::format("the unknown item {} as the first", first.item.value));
    DUNLIN_ASSIGN(const auto taken,
                  database_.query_int64("SELECT item_id FROM first_item WHERE key = ?1",
                                        sql::Blob{first.key}));
    if (taken || !fresh.insert(first.key).second)
      return bad_append(fmt::format("item {} as the first where another is", first.item.value));
  }
  return success();
}

LedgerWriter::Applied LedgerWriter::check_append_places(const AppendWork& mutation) {
  std::unordered_set<std::string_view> fresh;
  for (const NewPlace& place : mutation.places) {
    DUNLIN_ASSIGN(const auto taken, database_.query_int64("SELECT 1 FROM place WHERE name = ?1",
                                                          sql::Blob{place.name}));
    if (taken || !fresh.insert(place.name).second)
      return bad_append("a place that is known already");
  }
  return success();
}

/// Without the slash at their ends, which the view adds: "/" is empty.
Status LedgerWriter::append_places(const AppendWork& mutation) {
  const auto path = [](std::string_view text) {
    const auto given = non_empty(text);
    while (text.ends_with('/')) text.remove_suffix(1);
    return given ? std::optional(text) : given;
  };
  for (const NewPlace& place : mutation.places) {
    DUNLIN_TRY(database_.run("INSERT INTO place(name, source, destination) VALUES (?1, ?2, ?3)",
                             sql::Blob{place.name}, path(place.source), path(place.destination)));
  }
  return success();
}

Status LedgerWriter::append_tasks(const AppendWork& mutation) {
  for (const NewTask& task : mutation.tasks) {
    DUNLIN_TRY(database_.run(
        "INSERT INTO task(id, task_type, stage, barrier, priority, description, parameters_json, "
        "count_as, follows_contents) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        task.id.value, task.task_type, task.stage, task.barrier ? 1 : 0,
        static_cast<int>(task.priority), non_empty(task.description),
        non_empty(task.parameters_json), static_cast<int>(task.count_as),
        task.follows_contents ? 1 : 0));
    state_.last_task = task.id.value;
  }
  return success();
}

Status LedgerWriter::append_directories(const AppendWork& mutation) {
  {
    DUNLIN_ASSIGN(sql::Statement insert,
                  database_.cached("INSERT INTO directory(id, parent, name, detail, open) "
                                   "VALUES (?1, ?2, ?3, ?4, ?5)"));
    for (const NewDirectory& one : mutation.directories) {
      DUNLIN_TRY(insert.run(one.id.value, one.parent.value, sql::Blob{one.name},
                            blob_or_null(one.detail),
                            one.open ? std::optional<int>(1) : std::nullopt));
      state_.last_directory = std::max(state_.last_directory, one.id.value);
    }
  }
  state_.counters.listed_directories += static_cast<std::int64_t>(mutation.directories.size());
  for (const DirectoryId closed : mutation.closed_directories) {
    DUNLIN_TRY(database_.run("UPDATE directory SET open = NULL WHERE id = ?1", closed.value));
  }
  return success();
}

Status LedgerWriter::append_batch(const NewBatch& batch) {
  std::int64_t bytes = 0;
  for (const NewItem& item : batch.items) bytes += item.size;
  const auto items = static_cast<std::int64_t>(batch.items.size());
  std::int64_t blocked_by = 0;
  std::int64_t failed_dependency = 0;
  for (const BatchId dependency : batch.depends_on) {
    DUNLIN_TRY(
        database_.run("INSERT OR IGNORE INTO dependency(dependency, dependant) VALUES (?1, ?2)",
                      dependency.value, batch.id.value));
    if (database_.changes() == 0) continue;  // named twice
    DUNLIN_ASSIGN(const auto found, find_batch(dependency.value));
    if (!found)
      return Error(ErrorType::state_corrupt, fmt::format("batch {} is missing", dependency.value));
    const BatchStatus status = found->counted();
    if (status == BatchStatus::failed || status == BatchStatus::skipped)
      failed_dependency = dependency.value;
    if (status != BatchStatus::done && status != BatchStatus::staged &&
        status != BatchStatus::undone)
      ++blocked_by;
  }
  DUNLIN_TRY(database_.run(
      "INSERT INTO batch(id, task_id, stage, barrier, priority, status, first_item, item_count, "
      "bytes, blocked_by, "
      "payload) SELECT ?1, id, stage, barrier, priority, 0, ?3, ?4, ?5, ?6, ?7 FROM task WHERE id "
      "= ?2",
      batch.id.value, batch.task.value,
      items > 0 ? std::optional<std::int64_t>(batch.items.front().id.value) : std::nullopt, items,
      bytes, blocked_by, blob_or_null(batch.payload)));
  DUNLIN_TRY(
      database_.run("UPDATE task SET batches = batches + 1, items = items + ?2 WHERE id = ?1",
                    batch.task.value, items));
  DUNLIN_TRY(database_.run(
      "INSERT INTO stage(stage, batches, ended) SELECT stage, 1, 0 FROM task WHERE id = ?1 "
      "ON CONFLICT(stage) DO UPDATE SET batches = batches + 1",
      batch.task.value));
  DUNLIN_TRY(append_items(batch));
  state_.last_batch = batch.id.value;
  state_.last_item += items;
  ++state_.counters.total_batches;
  DUNLIN_ASSIGN(auto row, find_batch(batch.id.value));
  state_.counters.*outcome_counters(row->count_as).total += items;
  state_.counters.total_bytes += bytes;
  if (!batch.skip_reason.empty()) return skip_listed(*row, bytes, batch.skip_reason);
  if (failed_dependency == 0) return success();
  return skip_batch(*row, fmt::format("depends on batch {}, which failed", failed_dependency));
}

Status LedgerWriter::append_items(const NewBatch& batch) {
  DUNLIN_ASSIGN(sql::Statement insert,
                database_.cached("INSERT INTO item(id, directory_id, name, size, detail) "
                                 "VALUES (?1, ?2, ?3, ?4, ?5)"));
  for (const NewItem& item : batch.items) {
    insert.bind(1, item.id.value)
        .bind(2, item.directory.value)
        .bind_static(3, sql::Blob{item.name});
    insert.bind(4, item.size);
    if (item.detail.empty()) {
      insert.bind(5, nullptr);
    } else {
      insert.bind_static(5, sql::Blob{item.detail});
    }
    DUNLIN_TRY(insert.run());
  }
  insert.clear_bindings();
  return success();
}

/// All that a start, outcomes and an end would have written, by one statement for all items.
Status LedgerWriter::skip_listed(Batch& batch, std::int64_t bytes, std::string_view reason) {
  {
    DUNLIN_ASSIGN(
        sql::Statement insert,
        database_.cached("INSERT INTO outcome(item_id, status, action, transferred_bytes, "
                         "ended_after_ms, message) SELECT id, 4, ?3, CASE WHEN size > 0 "
                         "THEN 0 END, ?4, ?5 FROM item WHERE id BETWEEN ?1 AND ?2"));
    insert.bind(1, batch.first_item).bind(2, batch.first_item + batch.item_count - 1);
    DUNLIN_TRY(bind_word(insert, 3, "skipped"));
    insert.bind(4, now_ms_ - created_ms_);
    DUNLIN_TRY(bind_word(insert, 5, reason));
    DUNLIN_TRY(insert.run());
    insert.clear_bindings();
  }
  batch.tally.skipped = batch.item_count;
  batch.tally.other_bytes = bytes;
  state_.counters.*outcome_counters(batch.count_as).skipped += batch.item_count;
  state_.counters.processed_bytes += bytes;
  DUNLIN_TRY(
      database_.run("UPDATE task SET started = 1 WHERE id = ?1 AND started = 0", batch.task));
  DUNLIN_TRY(move_batch(batch, BatchStatus::done));
  return audit_batch(EndBatch{}, batch, "batch.completed");
}

}  // namespace dunlin::store
