// LedgerWriter: what batches have done is in doubt, and their next owner settles it (DoubtBatches).
#include <fmt/format.h>

#include "base/binary.h"
#include "base/json.h"
#include "store/ledger_codec.h"
#include "store/ledger_writer.h"

namespace dunlin::store {

LedgerWriter::Applied LedgerWriter::change(const DoubtBatches& mutation) {
  using enum ExecutionStatus;
  const ExecutionStatus from = state_.status;
  const bool possible = (from == paused || from == failed || from == completed) &&
                        state_.phase != "rolling_back" && !state_.committing;
  if (!possible) {
    return Status(Error(
        ErrorType::invalid_state,
        fmt::format("the execution is {}{}: what it has done cannot be doubted", to_string(from),
                    state_.phase == "rolling_back" ? " in a rollback" : "")));
  }
  DUNLIN_ASSIGN(
      const auto whole,
      database_.query_int64("SELECT 1 FROM batch WHERE committed = 1 OR status = 2 LIMIT 1"));
  if (whole) {
    return Status(Error(ErrorType::invalid_state,
                        "the execution commits all or nothing: no part of it can be doubted"));
  }
  std::vector<std::int64_t> ids;
  {
    DUNLIN_ASSIGN(sql::Statement row,
                  database_.cached("SELECT id FROM batch WHERE (id >= ?1 OR barrier = 1) AND "
                                   "(status IN (3, 4, 5) OR (status = 0 AND succeeded + failed + "
                                   "skipped > 0)) ORDER BY id"));
    row.bind(1, mutation.from.value);
    while (true) {
      DUNLIN_ASSIGN(const bool more, row.step());
      if (!more) break;
      ids.push_back(row.column_int64(0));
    }
  }
  std::int64_t items = 0;
  for (const std::int64_t id : ids) {
    DUNLIN_ASSIGN(auto batch, find_batch(id));
    if (batch->status == BatchStatus::skipped) {
      // It waits for one that stays failed: it would wait for ever.
      DUNLIN_ASSIGN(const bool blocked, has_failed_dependency(id));
      if (blocked) continue;
    }
    const std::int64_t ended = batch->tally.ended();
    DUNLIN_TRY(doubt(*batch));
    items += ended - batch->tally.ended();
  }
  state_.status = paused;
  state_.phase = "loading";
  state_.ended_ms = 0;
  if (state_.paused_since_ms == 0) state_.paused_since_ms = now_ms_;
  state_.reason_json.clear();
  Json detail = Json::object();
  detail["from"] = to_string(from);
  detail["batch"] = mutation.from.value;
  detail["batches"] = ids.size();
  detail["items"] = items;
  DUNLIN_TRY(add_audit(mutation.actor, "execution.doubted", dump_json(detail)));
  return success();
}

/// As a batch that is executing under its last token: by what is recorded then, its next owner
/// finds out what holds.
Status LedgerWriter::doubt(Batch& batch) {
  DUNLIN_TRY(doubt_items(batch));
  DUNLIN_TRY(reopen_batch(batch));
  batch.status = BatchStatus::executing;
  batch.before = BatchStatus::pending;
  batch.pass = Pass::work;
  batch.doubted = true;
  // One that was never started (its items were journaled as skipped) runs as one that was.
  batch.token = std::max<std::int64_t>(batch.token, 1);
  return save_batch(batch);
}

Status LedgerWriter::doubt_items(Batch& batch) {
  if (batch.item_count == 0) return success();
  const std::int64_t last = batch.first_item + batch.item_count - 1;
  struct Old {
    std::int64_t item;
    ItemStatus status;
    std::int64_t size;
    std::int64_t transferred;
  };
  std::vector<Old> old;
  ByteWriter intents;
  intents.u8(kIntentFormat);
  bool any = false;
  if (!words_loaded_) DUNLIN_TRY(load_words());
  // A number is a word; a frequent message is one.
  const auto message_of = [this](const sql::Statement& row, int column) {
    constexpr int kInteger = 1;
    if (row.column_type(column) != kInteger) return row.column_string(column);
    const auto number = static_cast<std::size_t>(row.column_int64(column));
    return number > 0 && number <= word_texts_.size() ? word_texts_[number - 1] : std::string();
  };
  {
    DUNLIN_ASSIGN(
        sql::Statement row,
        database_.cached(
            "SELECT o.item_id, o.status, i.size, coalesce(o.transferred_bytes, i.size), o.undo, "
            "coalesce(o.kept_bytes, 0), o.message FROM outcome o JOIN item i ON i.id = o.item_id "
            "WHERE o.item_id BETWEEN ?1 AND ?2 AND o.status IN (2, 3, 4) ORDER BY o.item_id"));
    row.bind(1, batch.first_item).bind(2, last);
    while (true) {
      DUNLIN_ASSIGN(const bool more, row.step());
      if (!more) break;
      const auto status = static_cast<ItemStatus>(row.column_int64(1));
      if (status == ItemStatus::skipped && message_of(row, 6).starts_with(kSkippedBy)) continue;
      old.push_back({row.column_int64(0), status, row.column_int64(2), row.column_int64(3)});
      if (status != ItemStatus::completed) continue;
      state_.counters.kept_bytes -= row.column_int64(5);
      const std::string_view undo = row.column_blob(4);
      if (undo.empty()) continue;
      any = true;
      intents.varint(static_cast<std::uint64_t>(old.back().item - batch.first_item)).bytes(undo);
    }
  }
  if (any) {
    DUNLIN_TRY(database_.run("INSERT INTO intent(batch_id, data) VALUES (?1, ?2)", batch.id,
                             sql::Blob{intents.view()}));
  }
  for (const Old& one : old) {
    count(batch, one.status, one.size, one.transferred, -1);
    if (one.status == ItemStatus::completed) {
      DUNLIN_TRY(
          database_.run("UPDATE outcome SET status = 0, action = NULL, transferred_bytes = NULL, "
                        "ended_after_ms = "
                        "NULL, attempt = NULL, undo = NULL, kept_bytes = NULL WHERE item_id = ?1",
                        one.item));
      DUNLIN_TRY(database_.run("DELETE FROM placed WHERE item_id = ?1", one.item));
    } else {
      DUNLIN_TRY(database_.run("DELETE FROM outcome WHERE item_id = ?1", one.item));
    }
    DUNLIN_TRY(settle_errors_of_item(one.item));
  }
  return success();
}

}  // namespace dunlin::store
