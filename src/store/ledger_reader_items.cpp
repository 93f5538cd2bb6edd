// LedgerReader: items, errors, and the records about the execution.
#include <algorithm>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "base/binary.h"
#include "base/json.h"
#include "base/text.h"
#include "store/ledger_codec.h"
#include "store/ledger_reader.h"

namespace dunlin::store {
namespace {

#define DUNLIN_ITEM_COLUMNS                                                                    \
  "i.id, i.directory_id, i.name, i.size, i.detail, o.status, o.proof, o.action, "              \
  "o.transferred_bytes, "                                                                      \
  "o.ended_after_ms + (SELECT created_ms FROM execution), o.attempt, o.checksum, o.undo, "     \
  "o.message, "                                                                                \
  "CASE WHEN o.message IS NULL AND (o.status = 3 OR o.attempt > 0) "                           \
  "THEN (SELECT message FROM error r WHERE r.item_id = i.id ORDER BY r.id DESC LIMIT 1) END, " \
  "(SELECT p.name FROM placed p WHERE p.item_id = o.item_id)"

constexpr int kInteger = 1;
constexpr int kBlob = 4;

/// "type IN ('a','b')" for a type or a category; empty for an unknown name, which matches nothing.
std::string types_of(std::string_view name) {
  std::string list;
  for (const ErrorTypeInfo& one : all_error_types()) {
    if (one.name != name && to_string(one.category) != name) continue;
    list += fmt::format("{}'{}'", list.empty() ? "" : ",", one.name);
  }
  return list;
}

}  // namespace

Result<std::string> LedgerReader::word_or_text(const sql::Statement& row, int column) {
  if (row.column_type(column) != kInteger) return row.column_string(column);
  return word_text(row.column_int64(column));
}

Result<std::string> LedgerReader::word_text(std::int64_t word_id) {
  const auto number = static_cast<std::size_t>(word_id);
  if (number > words_.size()) {
    words_.clear();
    DUNLIN_ASSIGN(sql::Statement word, database_.cached("SELECT text FROM word ORDER BY id"));
    while (true) {
      DUNLIN_ASSIGN(const bool more, word.step());
      if (!more) break;
      words_.push_back(word.column_string(0));
    }
  }
  if (number == 0 || number > words_.size()) {
    return Error(ErrorType::state_corrupt, fmt::format("word {} is missing", number));
  }
  return words_[number - 1];
}

Status LedgerReader::take_items(sql::Statement& row, std::vector<ItemRow>& items) {
  while (true) {
    DUNLIN_ASSIGN(const bool more, row.step());
    if (!more) return success();
    ItemRow item;
    item.id = ItemId(row.column_int64(0));
    item.directory = DirectoryId(row.column_int64(1));
    item.name = row.column_blob(2);
    item.size = row.column_int64(3);
    item.detail = row.column_blob(4);
    if (!row.column_is_null(5)) {
      item.status = static_cast<ItemStatus>(row.column_int64(5));
      item.proof = static_cast<Proof>(row.column_int64(6));
      DUNLIN_ASSIGN(item.action, word_or_text(row, 7));
      item.transferred_bytes = row.column_is_null(8) ? item.size : row.column_int64(8);
      item.ended_ms = item.status == ItemStatus::pending ? 0 : row.column_int64(9);
      item.attempt = static_cast<std::int32_t>(row.column_int64(10));
      item.checksum = row.column_type(11) == kBlob ? unpack_checksum(row.column_blob(11))
                                                   : row.column_string(11);
      item.undo = row.column_blob(12);
      DUNLIN_ASSIGN(item.message, word_or_text(row, 13));
      if (item.message.empty()) item.message = row.column_string(14);
      if (item.status == ItemStatus::completed) item.placed_name = row.column_blob(15);
    }
    DUNLIN_ASSIGN(item.directory_path, path_of(item.directory.value));
    DUNLIN_TRY(fill_batch(item));
    items.push_back(std::move(item));
  }
}

Status LedgerReader::fill_batch(ItemRow& item) {
  if (item.id.value < last_batch_.first || item.id.value >= last_batch_.end) {
    DUNLIN_ASSIGN(
        sql::Statement row,
        database_.cached("SELECT id, first_item, item_count FROM batch WHERE first_item <= ?1 "
                         "ORDER BY first_item DESC LIMIT 1"));
    DUNLIN_ASSIGN(const bool found, row.query(item.id.value));
    if (!found)
      return Error(ErrorType::state_corrupt,
                   fmt::format("item {} belongs to no batch", item.id.value));
    last_batch_ = {row.column_int64(0), row.column_int64(1),
                   row.column_int64(1) + row.column_int64(2)};
  }
  item.batch = BatchId(last_batch_.id);
  return success();
}

Status LedgerReader::add_intents(std::int64_t batch, std::int64_t first_item,
                                 std::vector<ItemRow>& items) {
  if (items.empty()) return success();
  DUNLIN_ASSIGN(sql::Statement row,
                database_.cached("SELECT data FROM intent WHERE batch_id = ?1 ORDER BY id"));
  row.bind(1, batch);
  while (true) {
    DUNLIN_ASSIGN(const bool more, row.step());
    if (!more) return success();
    ByteReader blob(row.column_blob(0));
    if (blob.u8() != kIntentFormat) blob.fail();
    while (blob.ok() && blob.remaining() > 0) {
      const std::int64_t id = first_item + static_cast<std::int64_t>(blob.varint());
      const std::string_view intent = blob.bytes();
      const auto at = std::lower_bound(
          items.begin(), items.end(), id,
          [](const ItemRow& item, std::int64_t wanted) { return item.id.value < wanted; });
      if (blob.ok() && at != items.end() && at->id.value == id) at->intent = intent;
    }
    DUNLIN_TRY(blob.finish(fmt::format("the intents of batch {}", batch)));
  }
}

Result<std::vector<ItemRow>> LedgerReader::items_of(BatchId id, bool unfinished_only) {
  DUNLIN_ASSIGN(sql::Transaction snapshot, sql::Transaction::begin_read(database_));
  DUNLIN_ASSIGN(const BatchRow found, batch(id));
  std::vector<ItemRow> items;
  if (found.item_count == 0) return items;
  if (!unfinished_only)
    items.reserve(static_cast<std::size_t>(std::min<std::int64_t>(found.item_count, 1 << 16)));
  last_batch_ = {id.value, found.first_item.value, found.first_item.value + found.item_count};
  {
    DUNLIN_ASSIGN(
        sql::Statement row,
        database_.cached("SELECT " DUNLIN_ITEM_COLUMNS
                         " FROM item i LEFT JOIN outcome o ON o.item_id = i.id "
                         "WHERE i.id BETWEEN ?1 AND ?2 AND (?3 = 0 OR coalesce(o.status, 0) = 0) "
                         "ORDER BY i.id"));
    row.bind(1, last_batch_.first).bind(2, last_batch_.end - 1).bind(3, unfinished_only ? 1 : 0);
    DUNLIN_TRY(take_items(row, items));
  }
  DUNLIN_TRY(add_intents(id.value, found.first_item.value, items));
  return items;
}

Result<std::vector<ItemRow>> LedgerReader::items(const ItemFilter& filter) {
  DUNLIN_ASSIGN(sql::Transaction snapshot, sql::Transaction::begin_read(database_));
  std::vector<ItemRow> items;
  std::int64_t first = filter.after.value + 1;
  std::int64_t last = std::numeric_limits<std::int64_t>::max();
  const bool executing = filter.status == ItemStatus::executing;
  // Failed items have an index; it is only used when the outcome is the outer table.
  const bool failed = filter.status == ItemStatus::failed;
  std::string sql =
      failed ? "SELECT " DUNLIN_ITEM_COLUMNS
               " FROM outcome o INDEXED BY outcome_failed CROSS JOIN item i ON i.id = o.item_id "
               "WHERE o.status = 3 AND o.item_id BETWEEN ?1 AND ?2"
      : filter.unstarted
          ? "SELECT " DUNLIN_ITEM_COLUMNS
            " FROM batch b INDEXED BY batch_pending CROSS JOIN item i ON i.id BETWEEN "
            "max(?1, b.first_item) AND b.first_item + b.item_count - 1 "
            "LEFT JOIN outcome o ON o.item_id = i.id WHERE b.status = 0 AND i.id <= ?2"
          : "SELECT " DUNLIN_ITEM_COLUMNS
            " FROM item i LEFT JOIN outcome o ON o.item_id = i.id WHERE i.id BETWEEN ?1 AND ?2";
  if (filter.batch) {
    DUNLIN_ASSIGN(const BatchRow found, batch(*filter.batch));
    first = std::max(first, found.first_item.value);
    last = found.first_item.value + found.item_count - 1;
    if (found.item_count == 0) return items;
  }
  if (filter.item) {
    first = std::max(first, filter.item->value);
    last = std::min(last, filter.item->value);
  }
  if (executing) {
    sql +=
        " AND coalesce(o.status, 0) = 0 AND EXISTS (SELECT 1 FROM batch b INDEXED BY "
        "batch_executing "
        "WHERE b.status = 1 AND b.pass = 0 AND i.id >= b.first_item AND i.id < b.first_item + "
        "b.item_count)";
  } else if (filter.status && !failed) {
    sql += fmt::format(" AND coalesce(o.status, 0) = {}", static_cast<int>(*filter.status));
  }
  if (!filter.error_type.empty()) {
    sql += fmt::format(
        " AND EXISTS (SELECT 1 FROM error r WHERE r.item_id = i.id AND r.final = 1 AND r.type IN "
        "({}))",
        types_of(filter.error_type));
  }
  // Items and batches are numbered in one order.
  sql += failed             ? " ORDER BY o.item_id LIMIT ?3"
         : filter.unstarted ? " ORDER BY b.id, i.id LIMIT ?3"
                            : " ORDER BY i.id LIMIT ?3";
  DUNLIN_ASSIGN(sql::Statement row, database_.cached(sql));
  row.bind(1, first).bind(2, last).bind(3, filter.limit);
  DUNLIN_TRY(take_items(row, items));
  if (executing) {
    for (ItemRow& item : items) item.status = ItemStatus::executing;
  }
  return items;
}

Result<std::vector<ErrorRow>> LedgerReader::errors(const ItemFilter& filter, bool final_only) {
  DUNLIN_ASSIGN(sql::Transaction snapshot, sql::Transaction::begin_read(database_));
  std::string sql =
      "SELECT e.id, e.item_id, e.batch_id, e.task_id, e.type, e.message, e.native_domain, "
      "e.native_code, e.extra_json, "
      "e.attempt, e.final, e.time_ms, i.directory_id, i.name, e.pass FROM error e LEFT JOIN item i "
      "ON i.id "
      "= e.item_id "
      "LEFT JOIN outcome o ON o.item_id = e.item_id WHERE e.id > ?1";
  if (final_only) sql += " AND e.final = 1";
  if (filter.batch) sql += fmt::format(" AND e.batch_id = {}", filter.batch->value);
  if (filter.item) sql += fmt::format(" AND e.item_id = {}", filter.item->value);
  if (filter.status) {
    sql += fmt::format(" AND e.item_id IS NOT NULL AND coalesce(o.status, 0) = {}",
                       static_cast<int>(*filter.status));
  }
  if (!filter.error_type.empty())
    sql += fmt::format(" AND e.type IN ({})", types_of(filter.error_type));
  sql += " ORDER BY e.id LIMIT ?2";
  DUNLIN_ASSIGN(sql::Statement row, database_.prepare(sql));
  row.bind(1, filter.after.value).bind(2, filter.limit);
  std::vector<ErrorRow> errors;
  while (true) {
    DUNLIN_ASSIGN(const bool more, row.step());
    if (!more) return errors;
    ErrorRow error;
    error.id = row.column_int64(0);
    error.item = ItemId(row.column_int64(1));
    error.batch = BatchId(row.column_int64(2));
    error.task = TaskId(row.column_int64(3));
    error.error.type = error_type_from_name(row.column_text(4)).value_or(ErrorType::defect);
    error.error.message = row.column_string(5);
    error.error.native = {row.column_string(6), row.column_string(7)};
    add_error_extra(error.error, row.column_text(8));
    error.attempt = static_cast<std::int32_t>(row.column_int64(9));
    error.final = row.column_int64(10) != 0;
    error.time_ms = row.column_int64(11);
    if (!row.column_is_null(12)) {
      DUNLIN_ASSIGN(error.directory_path, path_of(row.column_int64(12)));
      error.name = row.column_blob(13);
    }
    error.pass = static_cast<Pass>(row.column_int64(14));
    errors.push_back(std::move(error));
  }
}

Result<std::vector<std::pair<std::string, std::int64_t>>> LedgerReader::error_counts() {
  std::vector<std::pair<std::string, std::int64_t>> counts;
  DUNLIN_ASSIGN(
      sql::Statement row,
      database_.cached(
          "SELECT type, errors FROM error_total WHERE errors > 0 ORDER BY errors DESC, type"));
  while (true) {
    DUNLIN_ASSIGN(const bool more, row.step());
    if (!more) return counts;
    counts.emplace_back(row.column_string(0), row.column_int64(1));
  }
}

/// Words are few; rarer messages, which may be as many as items, are counted as one group. Counted
/// here: SQLite would sort the rows.
Result<std::vector<Remark>> LedgerReader::remarks() {
  using Group = std::pair<std::int64_t, std::int64_t>;  // status, number of the word or 0
  std::map<Group, std::int64_t> groups;
  DUNLIN_ASSIGN(sql::Statement row,
                database_.cached("SELECT status, message FROM outcome WHERE message IS NOT NULL "
                                 "AND status IN (2, 4, 5)"));
  for (auto last = groups.end();;) {
    DUNLIN_ASSIGN(const bool more, row.step());
    if (!more) break;
    const Group group{row.column_int64(0),
                      row.column_type(1) == kInteger ? row.column_int64(1) : 0};
    if (last == groups.end() || last->first != group) last = groups.try_emplace(group).first;
    ++last->second;
  }
  std::vector<std::pair<Group, std::int64_t>> ordered(groups.begin(), groups.end());
  std::ranges::sort(ordered, {}, [](const auto& entry) {
    return std::tuple(-entry.second, entry.first.second, entry.first.first);
  });
  std::vector<Remark> remarks;
  for (const auto& [group, items] : ordered) {
    Remark remark{static_cast<ItemStatus>(group.first), "", items};
    if (group.second > 0) {
      DUNLIN_ASSIGN(remark.text, word_text(group.second));
    }
    remarks.push_back(std::move(remark));
  }
  return remarks;
}

Result<std::vector<ItemId>> LedgerReader::answered_items() {
  std::vector<ItemId> items;
  DUNLIN_ASSIGN(sql::Statement row,
                database_.cached("SELECT item_id FROM answer ORDER BY item_id"));
  while (true) {
    DUNLIN_ASSIGN(const bool more, row.step());
    if (!more) return items;
    items.emplace_back(row.column_int64(0));
  }
}

Result<std::vector<CheckpointRow>> LedgerReader::checkpoints() {
  std::vector<CheckpointRow> checkpoints;
  DUNLIN_ASSIGN(Hasher hasher, Hasher::create(HashKind::sha256));
  DUNLIN_ASSIGN(sql::Statement row,
                database_.cached(
                    "SELECT id, last_processed_batch, last_processed_record_id, cumulative_stats, "
                    "pending_batch_ids, error_summary, ledger_sequence, created_ms, checksum "
                    "FROM checkpoint ORDER BY id"));
  while (true) {
    DUNLIN_ASSIGN(const bool more, row.step());
    if (!more) return checkpoints;
    CheckpointRow one;
    one.id = row.column_int64(0);
    one.last_processed_batch = row.column_int64(1);
    one.last_processed_record_id = row.column_int64(2);
    one.cumulative_stats_json = row.column_string(3);
    const Result<Json> pending = parse_json(row.column_text(4), "pending_batch_ids");
    one.valid = pending.ok() && pending->is_array();
    if (one.valid) {
      for (const Json& id : *pending) {
        if (id.is_number_integer()) one.pending_batch_ids.push_back(id.get<std::int64_t>());
      }
    }
    one.error_summary_json = row.column_string(5);
    one.ledger_sequence = row.column_int64(6);
    one.created_ms = row.column_int64(7);
    one.checksum = row.column_string(8);
    one.valid = one.valid && one.checksum == checkpoint_checksum(hasher, one);
    checkpoints.push_back(std::move(one));
  }
}

Result<std::vector<AuditRow>> LedgerReader::audit(std::int64_t after_sequence, std::size_t limit) {
  std::vector<AuditRow> entries;
  DUNLIN_ASSIGN(
      sql::Statement row,
      database_.cached("SELECT sequence, time_ms, actor, action, detail_json, hash FROM audit "
                       "WHERE sequence > ?1 ORDER BY sequence LIMIT ?2"));
  row.bind(1, after_sequence).bind(2, limit);
  while (true) {
    DUNLIN_ASSIGN(const bool more, row.step());
    if (!more) return entries;
    AuditRow entry;
    entry.sequence = row.column_int64(0);
    entry.time_ms = row.column_int64(1);
    entry.actor = row.column_string(2);
    entry.action = row.column_string(3);
    entry.detail_json = row.column_string(4);
    entry.hash = hex(row.column_blob(5));
    entries.push_back(std::move(entry));
  }
}

Result<std::vector<MilestoneRow>> LedgerReader::milestones() {
  std::vector<MilestoneRow> milestones;
  DUNLIN_ASSIGN(sql::Statement row,
                database_.cached("SELECT name, time_ms FROM milestone ORDER BY sequence, rowid"));
  while (true) {
    DUNLIN_ASSIGN(const bool more, row.step());
    if (!more) return milestones;
    milestones.push_back({row.column_string(0), row.column_int64(1)});
  }
}

}  // namespace dunlin::store
