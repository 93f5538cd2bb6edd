// LedgerWriter: what has ended is opened again: retry and skip of failed items, a new verification,
// a further rollback.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/json.h"
#include "store/ledger_writer.h"

namespace dunlin::store {

LedgerWriter::Applied LedgerWriter::change(const ReopenItems& mutation) {
  if (mutation.to != ItemStatus::pending && mutation.to != ItemStatus::skipped) {
    return Status(Error(ErrorType::defect,
                        fmt::format("items cannot be reopened as {}", to_string(mutation.to))));
  }
  DUNLIN_ASSIGN(ByBatch batches, by_batch(mutation));
  if (mutation.to == ItemStatus::pending) {
    DUNLIN_TRY(retry_items(mutation, std::move(batches)));
  } else {
    DUNLIN_TRY(skip_items(mutation, batches));
  }
  return success();
}

Result<LedgerWriter::ByBatch> LedgerWriter::by_batch(const ReopenItems& mutation) {
  std::vector<std::int64_t> items;
  items.reserve(mutation.items.size());
  for (const ItemId id : mutation.items) items.push_back(id.value);
  std::sort(items.begin(), items.end());
  items.erase(std::unique(items.begin(), items.end()), items.end());
  ByBatch batches;
  for (const BatchId id : mutation.batches) batches.try_emplace(id.value);
  std::int64_t first = 0;
  std::int64_t end = 0;
  std::vector<std::int64_t>* list = nullptr;
  for (const std::int64_t item : items) {
    if (list == nullptr || item < first || item >= end) {
      list = nullptr;
      DUNLIN_ASSIGN(
          sql::Statement row,
          database_.cached("SELECT id, first_item, item_count FROM batch WHERE first_item <= ?1 "
                           "ORDER BY first_item DESC LIMIT 1"));
      DUNLIN_ASSIGN(const bool found, row.query(item));
      if (!found) continue;
      first = row.column_int64(1);
      end = first + row.column_int64(2);
      if (item >= end) continue;  // no such item: left alone
      list = &batches[row.column_int64(0)];
    }
    list->push_back(item);
  }
  return batches;
}

Result<bool> LedgerWriter::has_failed_dependency(std::int64_t batch) {
  DUNLIN_ASSIGN(
      const auto found,
      database_.query_int64("SELECT 1 FROM dependency d JOIN batch b ON b.id = d.dependency "
                            "WHERE d.dependant = ?1 AND b.status IN (4, 5) LIMIT 1",
                            batch));
  return found.has_value();
}

// In order of batch ids, so that a dependency is seen before its dependants: one that was skipped
// may only be reopened once nothing it waits for stands as failed, and is then reopened whole,
// whether or not its items were named.
Status LedgerWriter::retry_items(const ReopenItems& mutation, ByBatch batches) {
  Reopened sum;
  Directories directories;
  while (!batches.empty()) {
    const auto next = batches.extract(batches.begin());
    const std::int64_t id = next.key();
    const std::vector<std::int64_t>& items = next.mapped();
    DUNLIN_ASSIGN(auto batch, find_batch(id));
    if (!batch) continue;
    const BatchStatus was = batch->status;
    const bool named = std::any_of(mutation.batches.begin(), mutation.batches.end(),
                                   [id](BatchId one) { return one.value == id; });
    if (was == BatchStatus::executing || was == BatchStatus::staged || was == BatchStatus::undone)
      continue;
    const std::int64_t open_before = batch->item_count - batch->tally.ended();
    if (was == BatchStatus::skipped) {
      DUNLIN_ASSIGN(const bool blocked, has_failed_dependency(id));
      if (blocked) continue;
      DUNLIN_TRY(reopen_items_of(*batch, {}, true, directories));
      // What came after it has ended meanwhile: it runs as one that was begun before.
      batch->token = std::max<std::int64_t>(batch->token, 1);
    } else {
      // A batch that is named as a whole means all of its failed items.
      DUNLIN_ASSIGN(
          const bool any,
          reopen_items_of(*batch, named ? std::vector<std::int64_t>{} : items, false, directories));
      if (!any && !(named && was == BatchStatus::failed)) continue;
    }
    sum.items += batch->item_count - batch->tally.ended() - open_before;
    ++sum.batches;
    DUNLIN_TRY(reopen_batch(*batch));
    if (was != BatchStatus::failed && was != BatchStatus::skipped) continue;
    DUNLIN_ASSIGN(
        sql::Statement row,
        database_.cached("SELECT d.dependant FROM dependency d JOIN batch b ON b.id = d.dependant "
                         "WHERE d.dependency = ?1 AND b.status = 5"));
    row.bind(1, id);
    while (true) {
      DUNLIN_ASSIGN(const bool more, row.step());
      if (!more) break;
      batches.try_emplace(row.column_int64(0));
    }
  }
  DUNLIN_TRY(reopen_followers(directories, sum));
  Json detail = Json::object();
  if (mutation.answers) {
    DUNLIN_TRY(note_answers(mutation));
    for (const ItemId item : mutation.items) detail["answered"].push_back(item.value);
  }
  detail["items"] = sum.items;
  detail["batches"] = sum.batches;
  return add_audit(mutation.actor, "items.retried", dump_json(detail));
}

Status LedgerWriter::note_answers(const ReopenItems& mutation) {
  for (const ItemId item : mutation.items) {
    // Of one that was answered and is pending again the answer stands.
    DUNLIN_TRY(mutation.to == ItemStatus::pending
                   ? database_.run("INSERT OR IGNORE INTO answer(item_id) VALUES (?1)", item.value)
                   : database_.run("DELETE FROM answer WHERE item_id = ?1", item.value));
  }
  return success();
}

Result<LedgerWriter::ByBatch> LedgerWriter::followers_of(Directories directories) {
  ByBatch found;
  DUNLIN_ASSIGN(const auto any,
                database_.query_int64("SELECT 1 FROM task WHERE follows_contents = 1 LIMIT 1"));
  if (!any || directories.empty()) return found;
  std::vector<std::int64_t> above(directories.begin(), directories.end());
  while (!above.empty()) {
    DUNLIN_ASSIGN(
        const auto parent,
        database_.query_int64("SELECT parent FROM directory WHERE id = ?1", above.back()));
    above.pop_back();
    if (parent.value_or(0) > 0 && directories.insert(*parent).second) above.push_back(*parent);
  }
  // A scan of the directories that stay: no index, which every execution would pay for.
  DUNLIN_ASSIGN(
      sql::Statement row,
      database_.cached("SELECT b.id, i.id, i.directory_id FROM task t CROSS JOIN batch b CROSS "
                       "JOIN item i CROSS JOIN outcome o WHERE t.follows_contents = 1 AND "
                       "b.task_id = t.id AND b.status IN (0, 3, 4) AND i.id BETWEEN b.first_item "
                       "AND b.first_item + b.item_count - 1 AND o.item_id = i.id AND o.status IN "
                       "(3, 4)"));
  while (true) {
    DUNLIN_ASSIGN(const bool more, row.step());
    if (!more) return found;
    if (directories.contains(row.column_int64(2)))
      found[row.column_int64(0)].push_back(row.column_int64(1));
  }
}

Status LedgerWriter::reopen_followers(const Directories& directories, Reopened& sum) {
  DUNLIN_ASSIGN(const ByBatch followers, followers_of(directories));
  Directories unused;
  for (const auto& [id, items] : followers) {
    DUNLIN_ASSIGN(auto batch, find_batch(id));
    DUNLIN_TRY(reopen_items_of(*batch, items, true, unused));
    sum.items += static_cast<std::int64_t>(items.size());
    ++sum.batches;
    DUNLIN_TRY(reopen_batch(*batch));
  }
  return success();
}

/// Takes the outcomes of failed items (those listed, or all when none is) out of the ledger, with
/// those of skipped ones where that is asked for. True when there was one; `of` gets the
/// directories they are in.
Result<bool> LedgerWriter::reopen_items_of(Batch& batch, const std::vector<std::int64_t>& items,
                                           bool with_skipped, Directories& of) {
  struct Old {
    std::int64_t item;
    ItemStatus status;
    std::int64_t size;
    std::int64_t transferred;
  };
  std::vector<Old> old;
  const auto collect = [&](std::int64_t first, std::int64_t last) -> Status {
    DUNLIN_ASSIGN(
        sql::Statement row,
        database_.cached(
            "SELECT o.item_id, o.status, i.size, coalesce(o.transferred_bytes, i.size), "
            "i.directory_id FROM outcome o JOIN item i ON i.id = o.item_id "
            "WHERE o.item_id BETWEEN ?1 AND ?2 AND (o.status = 3 OR (o.status = 4 AND ?3))"));
    row.bind(1, first).bind(2, last).bind(3, with_skipped ? 1 : 0);
    while (true) {
      DUNLIN_ASSIGN(const bool more, row.step());
      if (!more) return success();
      old.push_back({row.column_int64(0), static_cast<ItemStatus>(row.column_int64(1)),
                     row.column_int64(2), row.column_int64(3)});
      of.insert(row.column_int64(4));
    }
  };
  if (items.empty() && batch.item_count > 0) {
    DUNLIN_TRY(collect(batch.first_item, batch.first_item + batch.item_count - 1));
  }
  for (const std::int64_t item : items) DUNLIN_TRY(collect(item, item));
  for (const Old& one : old) {
    count(batch, one.status, one.size, one.transferred, -1);
    DUNLIN_TRY(database_.run("DELETE FROM outcome WHERE item_id = ?1", one.item));
    DUNLIN_TRY(settle_errors_of_item(one.item));
  }
  return !old.empty();
}

Status LedgerWriter::reopen_batch(Batch& batch) {
  DUNLIN_TRY(keep_committed_items(batch));
  if (batch.verified == 1) --state_.counters.verified_batches;
  if (batch.count_as == CountAs::items) state_.counters.verified_items -= batch.verified_items;
  state_.counters.differences -= batch.differences;
  batch.verified = 0;
  batch.verified_items = 0;
  batch.differences = 0;
  batch.attempt = 0;
  batch.not_before_ms = 0;
  DUNLIN_TRY(settle_errors_of_batch(batch.id));
  return move_batch(batch, BatchStatus::pending);
}

Status LedgerWriter::skip_items(const ReopenItems& mutation, const ByBatch& batches) {
  DUNLIN_TRY(note_answers(mutation));
  const std::string message = std::string(kSkippedBy) + mutation.actor;
  for (const auto& [id, items] : batches) {
    DUNLIN_ASSIGN(auto batch, find_batch(id));
    if (!batch || batch->status == BatchStatus::executing) continue;
    std::int64_t skipped = 0;
    for (const std::int64_t item : items) {
      std::int64_t size = 0;
      std::int64_t transferred = 0;
      {
        DUNLIN_ASSIGN(sql::Statement row,
                      database_.cached(
                          "SELECT i.size, coalesce(o.transferred_bytes, i.size) FROM outcome o "
                          "JOIN item i ON i.id = o.item_id WHERE o.item_id = ?1 AND o.status = 3"));
        DUNLIN_ASSIGN(const bool failed, row.query(item));
        if (!failed) continue;
        size = row.column_int64(0);
        transferred = row.column_int64(1);
      }
      count(*batch, ItemStatus::failed, size, transferred, -1);
      count(*batch, ItemStatus::skipped, size, transferred, +1);
      DUNLIN_ASSIGN(
          sql::Statement update,
          database_.cached("UPDATE outcome SET status = 4, message = ?2 WHERE item_id = ?1"));
      update.bind(1, item);
      DUNLIN_TRY(bind_word(update, 2, message));
      DUNLIN_TRY(update.run());
      DUNLIN_TRY(settle_errors_of_item(item));
      ++skipped;
    }
    if (skipped == 0) continue;
    DUNLIN_TRY(save_batch(*batch));
    DUNLIN_ASSIGN(const Segment segment, segment_of(*batch));
    Json detail = Json::object();
    detail["batch"] = id;
    detail["items"] = skipped;
    detail["segment"] = segment.hash;
    DUNLIN_TRY(add_audit(mutation.actor, "items.skipped", dump_json(detail)));
  }
  return success();
}

Status LedgerWriter::open_left_alone() {
  std::vector<std::int64_t> found;
  {
    DUNLIN_ASSIGN(
        sql::Statement row,
        database_.cached("SELECT id FROM batch WHERE status = 6 AND succeeded > 0 ORDER BY id"));
    while (true) {
      DUNLIN_ASSIGN(const bool more, row.step());
      if (!more) break;
      found.push_back(row.column_int64(0));
    }
  }
  for (const std::int64_t id : found) {
    DUNLIN_ASSIGN(auto batch, find_batch(id));
    if (batch) DUNLIN_TRY(move_batch(*batch, BatchStatus::done));
  }
  return success();
}

LedgerWriter::Applied LedgerWriter::change(const ResetVerification&) {
  DUNLIN_TRY(
      database_.run("UPDATE batch SET verified = NULL, verified_items = 0, differences = 0 WHERE "
                    "verified IS NOT NULL"));
  DUNLIN_TRY(
      settle_errors("SELECT type, count(*) FROM error WHERE final = 1 AND pass = 1 GROUP BY type",
                    "UPDATE error SET final = 0 WHERE final = 1 AND pass = 1", 0));
  state_.counters.verified_items = 0;
  state_.counters.verified_batches = 0;
  state_.counters.differences = 0;
  DUNLIN_TRY(add_audit("engine", "verification.reset", "{}"));
  return success();
}

}  // namespace dunlin::store
