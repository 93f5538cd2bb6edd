// LedgerWriter: intents and outcomes of items. The hot path: one look-up and one insert per item,
// nothing allocated.
#include <algorithm>

#include <fmt/format.h>

#include "base/binary.h"
#include "base/redact.h"
#include "base/text.h"
#include "store/ledger_codec.h"
#include "store/ledger_writer.h"

namespace dunlin::store {
namespace {

bool has_ended(ItemStatus status) {
  return status != ItemStatus::pending && status != ItemStatus::executing;
}

}  // namespace

LedgerWriter::Applied LedgerWriter::change(const RecordIntents& mutation) {
  Batch batch;
  DUNLIN_ASSIGN(Status owned, own_batch(mutation.batch, mutation.token, batch));
  if (!owned) return owned;
  ByteWriter blob;
  blob.u8(kIntentFormat);
  for (const ItemIntent& one : mutation.intents) {
    const std::int64_t offset = one.item.value - batch.first_item;
    if (offset < 0 || offset >= batch.item_count) {
      return defect(fmt::format("item {} is none of batch {}", one.item.value, batch.id));
    }
    blob.varint(static_cast<std::uint64_t>(offset)).bytes(one.intent);
  }
  if (!mutation.intents.empty()) {
    DUNLIN_TRY(database_.run("INSERT INTO intent(batch_id, data) VALUES (?1, ?2)", batch.id,
                             sql::Blob{blob.view()}));
  }
  return success();
}

LedgerWriter::Applied LedgerWriter::change(const RecordOutcomes& mutation) {
  Batch batch;
  DUNLIN_ASSIGN(Status owned, own_batch(mutation.batch, mutation.token, batch));
  if (!owned) return owned;
  DUNLIN_ASSIGN(Status planned, plan(batch, batch.pass, mutation.outcomes));
  if (!planned) return planned;
  DUNLIN_TRY(write_changes(batch, batch.pass));
  DUNLIN_TRY(save_batch(batch));
  return success();
}

LedgerWriter::Applied LedgerWriter::plan(const Batch& batch, Pass pass,
                                         std::span<const ItemOutcome> outcomes) {
  changes_.clear();
  sorted_.clear();
  if (outcomes.empty() || pass == Pass::verify) return success();
  bool in_order = true;
  for (const ItemOutcome& outcome : outcomes) {
    const std::int64_t offset = outcome.item.value - batch.first_item;
    if (offset < 0 || offset >= batch.item_count) {
      return defect(fmt::format("item {} is none of batch {}", outcome.item.value, batch.id));
    }
    const bool impossible = outcome.status == ItemStatus::executing ||
                            (outcome.status == ItemStatus::rolled_back && pass != Pass::undo);
    if (impossible) {
      return defect(fmt::format("item {} cannot become {} in pass {}", outcome.item.value,
                                to_string(outcome.status), to_string(pass)));
    }
    in_order = in_order && (sorted_.empty() || sorted_.back()->item <= outcome.item);
    sorted_.push_back(&outcome);
  }
  if (!in_order) {
    std::stable_sort(sorted_.begin(), sorted_.end(),
                     [](const ItemOutcome* a, const ItemOutcome* b) { return a->item < b->item; });
  }
  DUNLIN_TRY(read_found());
  for (std::size_t i = 0; i < sorted_.size(); ++i) {
    const ItemOutcome& outcome = *sorted_[i];
    Found found = found_[i];
    if (!changes_.empty() &&
        changes_.back().item == outcome.item.value) {  // reported twice in one go
      const Change& earlier = changes_.back();
      found = earlier.found;
      found.has_row = true;
      found.status = earlier.outcome->status;
      if (earlier.outcome->error) ++found.attempt;
    }
    if (effective(found, outcome, pass)) changes_.push_back({outcome.item.value, &outcome, found});
  }
  return success();
}

bool LedgerWriter::effective(const Found& found, const ItemOutcome& outcome, Pass pass) const {
  if (pass == Pass::work) return !has_ended(found.status);
  // Undo: an item that was never completed has nothing to take back; one that cannot be taken back
  // stays completed.
  return found.status == ItemStatus::completed && outcome.status != ItemStatus::completed &&
         outcome.status != ItemStatus::skipped;
}

Status LedgerWriter::read_found() {
  found_.assign(sorted_.size(), Found{});
  const std::int64_t first = sorted_.front()->item.value;
  const std::int64_t last = sorted_.back()->item.value;
  // A few items out of many are looked up one by one; most of a range is read as a range.
  const bool dense = last - first < 4 * static_cast<std::int64_t>(sorted_.size());
  DUNLIN_ASSIGN(
      sql::Statement row,
      database_.cached(
          "SELECT i.id, i.size, o.status, o.attempt, o.transferred_bytes, o.kept_bytes FROM item i "
          "LEFT JOIN outcome o ON o.item_id = i.id WHERE i.id BETWEEN ?1 AND ?2 ORDER BY i.id"));
  if (dense) row.bind(1, first).bind(2, last);
  std::int64_t at = -1;
  for (std::size_t i = 0; i < sorted_.size(); ++i) {
    const std::int64_t wanted = sorted_[i]->item.value;
    if (i > 0 && sorted_[i - 1]->item.value == wanted) {
      found_[i] = found_[i - 1];
      continue;
    }
    if (!dense) {
      row.reset();
      row.bind(1, wanted).bind(2, wanted);
    }
    do {
      DUNLIN_ASSIGN(const bool more, row.step());
      if (!more) return Error(ErrorType::state_corrupt, fmt::format("item {} is missing", wanted));
      at = row.column_int64(0);
    } while (at < wanted);
    if (at != wanted)
      return Error(ErrorType::state_corrupt, fmt::format("item {} is missing", wanted));
    Found& found = found_[i];
    found.size = row.column_int64(1);
    found.has_row = !row.column_is_null(2);
    found.status = static_cast<ItemStatus>(row.column_int64(2));
    found.attempt = row.column_int64(3);
    found.transferred = row.column_is_null(4) ? found.size : row.column_int64(4);
    found.kept_bytes = row.column_int64(5);
  }
  return success();
}

std::int64_t LedgerWriter::ended_after(const Batch& batch) const {
  std::int64_t ended = batch.tally.ended();
  for (const Change& one : changes_) {
    if (!has_ended(one.found.status) && has_ended(one.outcome->status)) ++ended;
  }
  return ended;
}

void LedgerWriter::count(Batch& batch, ItemStatus status, std::int64_t size,
                         std::int64_t transferred, int sign) {
  Tally& tally = batch.tally;
  Counters& counters = state_.counters;
  const OutcomeCounters& members = outcome_counters(batch.count_as);
  switch (status) {
    case ItemStatus::completed:
      tally.succeeded += sign;
      tally.succeeded_bytes += sign * size;
      counters.*members.succeeded += sign;
      break;
    case ItemStatus::failed:
      tally.failed += sign;
      tally.other_bytes += sign * size;
      counters.*members.failed += sign;
      break;
    case ItemStatus::skipped:
      tally.skipped += sign;
      tally.other_bytes += sign * size;
      counters.*members.skipped += sign;
      break;
    case ItemStatus::rolled_back:
      tally.rolled_back += sign;
      tally.other_bytes += sign * size;
      counters.*members.rolled_back += sign;
      break;
    default:
      return;
  }
  counters.processed_bytes += sign * size;
  counters.transferred_bytes += sign * transferred;
  tally.transferred_bytes += sign * transferred;
}

Status LedgerWriter::write_changes(Batch& batch, Pass pass) {
  if (changes_.empty()) return success();
  DUNLIN_ASSIGN(
      sql::Statement insert,
      database_.cached("REPLACE INTO outcome(item_id, status, proof, action, transferred_bytes, "
                       "ended_after_ms, attempt, checksum, undo, message, kept_bytes) "
                       "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"));
  for (const Change& one : changes_) {
    const ItemOutcome& outcome = *one.outcome;
    if (pass == Pass::undo) {
      DUNLIN_TRY(write_undone(batch, one));
    } else {
      DUNLIN_TRY(write_worked(insert, one));
      count(batch, outcome.status, one.found.size, outcome.transferred_bytes, +1);
    }
    if (outcome.status == ItemStatus::pending) ++state_.counters.retries;
    if (outcome.error) {
      ErrorPlace place;
      place.item = one.item;
      place.batch = batch.id;
      place.task = batch.task;
      place.attempt = one.found.attempt + 1;
      place.final = outcome.status != ItemStatus::pending;
      place.pass = pass;
      DUNLIN_TRY(add_error(*outcome.error, place));
    }
  }
  insert.clear_bindings();
  return success();
}

Status LedgerWriter::write_worked(sql::Statement& insert, const Change& change) {
  const ItemOutcome& outcome = *change.outcome;
  // Of one that has completed its error is the warning of a try that was not good.
  const bool warned = outcome.status == ItemStatus::completed && outcome.error.has_value();
  const bool tried_in_vain =
      outcome.status == ItemStatus::pending || outcome.status == ItemStatus::failed || warned;
  const std::int64_t attempt = change.found.attempt + (tried_in_vain ? 1 : 0);
  insert.bind(1, change.item).bind(2, static_cast<int>(outcome.status));
  if (outcome.proof == Proof::none) {
    insert.bind(3, nullptr);
  } else {
    insert.bind(3, static_cast<int>(outcome.proof));
  }
  DUNLIN_TRY(bind_word(insert, 4, outcome.action));
  if (outcome.transferred_bytes == change.found.size) {
    insert.bind(5, nullptr);
  } else {
    insert.bind(5, outcome.transferred_bytes);
  }
  insert.bind(6, now_ms_ - created_ms_);
  if (attempt == 0) {
    insert.bind(7, nullptr);
  } else {
    insert.bind(7, attempt);
  }
  if (outcome.checksum.empty()) {
    insert.bind(8, nullptr);
  } else if (pack_checksum(outcome.checksum, checksum_)) {
    insert.bind_static(8, sql::Blob{checksum_});
  } else {
    insert.bind_static(8, std::string_view(outcome.checksum));
  }
  if (outcome.undo.empty()) {
    insert.bind(9, nullptr);
  } else {
    insert.bind_static(9, sql::Blob{outcome.undo});
  }
  std::string_view message = outcome.message;
  const bool by_error =
      message.empty() && outcome.status == ItemStatus::skipped && outcome.error.has_value();
  const std::string of_error = by_error ? redact(outcome.error->message) : std::string();
  if (by_error) message = of_error;
  // A failed item's message stands in its row of `error`, once.
  if (outcome.error && outcome.status != ItemStatus::skipped && !warned) message = {};
  DUNLIN_TRY(bind_word(insert, 10, message));
  if (outcome.kept_bytes > 0 && outcome.status == ItemStatus::completed) {
    insert.bind(11, outcome.kept_bytes);
    state_.counters.kept_bytes += outcome.kept_bytes;
  } else {
    insert.bind(11, nullptr);
  }
  DUNLIN_TRY(insert.run());
  if (outcome.placed_name.empty()) return success();
  DUNLIN_ASSIGN(sql::Statement placed,
                database_.cached("REPLACE INTO placed(item_id, name) VALUES (?1, ?2)"));
  placed.bind(1, change.item).bind(2, sql::Blob{outcome.placed_name});
  return placed.run();
}

Status LedgerWriter::bind_word(sql::Statement& statement, int index, std::string_view text) {
  if (text.empty()) {
    statement.bind(index, nullptr);
    return success();
  }
  DUNLIN_ASSIGN(const auto number, word(text));
  if (number) {
    statement.bind(index, *number);
  } else {
    statement.bind_static(index, text);
  }
  return success();
}

Status LedgerWriter::write_undone(Batch& batch, const Change& change) {
  const ItemOutcome& outcome = *change.outcome;
  std::string_view message = outcome.message;
  const bool by_error = message.empty() && outcome.error.has_value();
  const std::string of_error = by_error ? redact(outcome.error->message) : std::string();
  if (by_error) message = of_error;
  // Of an earlier rollback, or of a life of this one that was killed: it counts once.
  DUNLIN_TRY(settle_undo_errors_of_item(change.item));
  if (outcome.status == ItemStatus::rolled_back) {
    const std::int64_t transferred = change.found.transferred;
    count(batch, ItemStatus::completed, change.found.size, transferred, -1);
    count(batch, ItemStatus::rolled_back, change.found.size, transferred, +1);
    state_.counters.kept_bytes -= change.found.kept_bytes;
    DUNLIN_ASSIGN(
        sql::Statement update,
        database_.cached(
            "UPDATE outcome SET status = 5, ended_after_ms = ?2, action = coalesce(?3, action), "
            "message = ?4, kept_bytes = NULL WHERE item_id = ?1"));
    update.bind(1, change.item).bind(2, now_ms_ - created_ms_);
    DUNLIN_TRY(bind_word(update, 3, outcome.action));
    DUNLIN_TRY(bind_word(update, 4, message));
    return update.run();
  }
  DUNLIN_ASSIGN(sql::Statement update,
                database_.cached("UPDATE outcome SET message = ?2, attempt = coalesce(attempt, 0) "
                                 "+ 1 WHERE item_id = ?1"));
  update.bind(1, change.item);
  DUNLIN_TRY(bind_word(update, 2, message));
  return update.run();
}

Status LedgerWriter::end_rest(Batch& batch, ItemStatus status, const Error& error) {
  changes_.clear();
  if (batch.tally.ended() == batch.item_count) return success();
  ItemOutcome outcome;
  outcome.status = status;
  outcome.error = error;
  {
    DUNLIN_ASSIGN(sql::Statement row,
                  database_.cached(
                      "SELECT i.id, i.size, o.attempt, o.item_id FROM item i "
                      "LEFT JOIN outcome o ON o.item_id = i.id "
                      "WHERE i.id BETWEEN ?1 AND ?2 AND coalesce(o.status, 0) = 0 ORDER BY i.id"));
    row.bind(1, batch.first_item).bind(2, batch.first_item + batch.item_count - 1);
    while (true) {
      DUNLIN_ASSIGN(const bool more, row.step());
      if (!more) break;
      Found found;
      found.size = row.column_int64(1);
      found.attempt = row.column_int64(2);
      found.has_row = !row.column_is_null(3);
      changes_.push_back({row.column_int64(0), &outcome, found});
    }
  }
  const Status written = write_changes(batch, Pass::work);
  changes_.clear();  // they point to `outcome`
  return written;
}

Result<LedgerWriter::Segment> LedgerWriter::segment_of(const Batch& batch) {
  Segment segment;
  if (!words_loaded_) DUNLIN_TRY(load_words());
  segment_buffer_.clear();
  static const std::string sql = "SELECT " + std::string(kSegmentColumns) +
                                 " FROM outcome WHERE item_id BETWEEN ?1 AND ?2 ORDER BY item_id";
  std::vector<std::int64_t> by_word(word_texts_.size() + 1, 0);
  hasher_.reset();
  if (batch.item_count > 0) {
    DUNLIN_ASSIGN(sql::Statement row, database_.cached(sql));
    row.bind(1, batch.first_item).bind(2, batch.first_item + batch.item_count - 1);
    while (true) {
      DUNLIN_ASSIGN(const bool more, row.step());
      if (!more) break;
      std::string_view action;
      if (row.column_type(3) == 1) {
        const auto number = static_cast<std::size_t>(row.column_int64(3));
        if (number == 0 || number >= by_word.size()) {
          return Error(ErrorType::state_corrupt, fmt::format("word {} is missing", number));
        }
        ++by_word[number];
        action = word_texts_[number - 1];
      } else if (action = row.column_text(3); !action.empty()) {
        ++segment.actions[std::string(action)];
      }
      add_to_segment(segment_buffer_, row, action);
      if (segment_buffer_.size() > (std::size_t{1} << 16)) {
        hasher_.update(segment_buffer_);
        segment_buffer_.clear();
      }
    }
  }
  hasher_.update(segment_buffer_);
  segment.hash = hex(hasher_.finish());
  for (std::size_t i = 1; i < by_word.size(); ++i) {
    if (by_word[i] > 0) segment.actions[word_texts_[i - 1]] += by_word[i];
  }
  return segment;
}

}  // namespace dunlin::store
