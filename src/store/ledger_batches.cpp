// LedgerWriter: batches start, end, and let their dependants go or fall with them.
#include <limits>
#include <set>

#include <fmt/format.h>

#include "base/json.h"
#include "base/redact.h"
#include "store/ledger_writer.h"

namespace dunlin::store {
namespace {

/// A start or an end under a wrong token: of this owner still, so no stale_owner (which ends the
/// process's writing).
Status refused(std::string text) {
  return Error(ErrorType::invalid_state, std::move(text));
}

std::optional<std::int64_t> non_zero(std::int64_t value) {
  return value == 0 ? std::nullopt : std::optional<std::int64_t>(value);
}

/// A dependant may run once this is true of all it waits for.
bool satisfies(BatchStatus status) {
  return status == BatchStatus::done || status == BatchStatus::staged ||
         status == BatchStatus::undone;
}
/// Counts as ended for barriers: a staged batch has nothing left to do before the commit.
bool clears_stage(BatchStatus status) {
  return status != BatchStatus::pending && status != BatchStatus::executing;
}
bool ends_task(BatchStatus status) {
  return clears_stage(status) && status != BatchStatus::staged;
}

/// What a rollback has to look at: also batches that failed or were interrupted after some of their
/// items completed.
bool undoable(BatchStatus status, std::int64_t succeeded) {
  switch (status) {
    case BatchStatus::done:
      return true;
    case BatchStatus::pending:
    case BatchStatus::failed:
    case BatchStatus::skipped:
      return succeeded > 0;
    default:
      return false;
  }
}

}  // namespace

Result<std::optional<LedgerWriter::Batch>> LedgerWriter::find_batch(std::int64_t id) {
  DUNLIN_ASSIGN(
      sql::Statement row,
      database_.cached(
          "SELECT b.id, task_id, b.stage, b.barrier, count_as, status, before, pass, token, "
          "attempt, not_before_ms, started_ms, first_item, item_count, blocked_by, verified, "
          "undo_tried, succeeded, failed, skipped, rolled_back, succeeded_bytes, other_bytes, "
          "transferred_bytes, verified_items, differences, committed, doubted "
          "FROM batch b JOIN task t ON t.id = b.task_id WHERE b.id = ?1"));
  DUNLIN_ASSIGN(const bool found, row.query(id));
  if (!found) return std::optional<Batch>{};
  Batch batch;
  int i = 0;
  batch.id = row.column_int64(i++);
  batch.task = row.column_int64(i++);
  batch.stage = row.column_int64(i++);
  batch.barrier = row.column_int64(i++) != 0;
  batch.count_as = static_cast<CountAs>(row.column_int64(i++));
  batch.status = static_cast<BatchStatus>(row.column_int64(i++));
  batch.before = static_cast<BatchStatus>(row.column_int64(i++));
  batch.pass = static_cast<Pass>(row.column_int64(i++));
  for (std::int64_t* number :
       {&batch.token, &batch.attempt, &batch.not_before_ms, &batch.started_ms, &batch.first_item,
        &batch.item_count, &batch.blocked_by, &batch.verified}) {
    *number = row.column_int64(i++);
  }
  batch.undo_tried = row.column_int64(i++) != 0;
  Tally& tally = batch.tally;
  for (std::int64_t* number :
       {&tally.succeeded, &tally.failed, &tally.skipped, &tally.rolled_back, &tally.succeeded_bytes,
        &tally.other_bytes, &tally.transferred_bytes, &batch.verified_items, &batch.differences}) {
    *number = row.column_int64(i++);
  }
  batch.committed = row.column_int64(i++) != 0;
  batch.doubted = row.column_int64(i++) != 0;
  return std::optional(batch);
}

Status LedgerWriter::save_batch(const Batch& batch) {
  const Tally& tally = batch.tally;
  return database_.run(
      "UPDATE batch SET status = ?2, before = ?3, pass = ?4, token = ?5, attempt = ?6, "
      "not_before_ms = ?7, "
      "started_ms = ?8, verified = ?9, undo_tried = ?10, succeeded = ?11, failed = ?12, skipped = "
      "?13, "
      "rolled_back = ?14, succeeded_bytes = ?15, other_bytes = ?16, transferred_bytes = ?17, "
      "verified_items = ?18, "
      "differences = ?19, committed = ?20, doubted = ?21 WHERE id = ?1",
      batch.id, static_cast<int>(batch.status),
      batch.status == BatchStatus::executing ? std::optional<int>(static_cast<int>(batch.before))
                                             : std::nullopt,
      static_cast<int>(batch.pass), batch.token, batch.attempt, non_zero(batch.not_before_ms),
      non_zero(batch.started_ms), non_zero(batch.verified),
      batch.undo_tried ? std::optional<int>(1) : std::nullopt, tally.succeeded, tally.failed,
      tally.skipped, tally.rolled_back, tally.succeeded_bytes, tally.other_bytes,
      tally.transferred_bytes, batch.verified_items, batch.differences,
      batch.committed ? std::optional<int>(1) : std::nullopt,
      batch.doubted ? std::optional<int>(1) : std::nullopt);
}

LedgerWriter::Applied LedgerWriter::own_batch(BatchId id, std::int64_t token, Batch& batch) {
  DUNLIN_ASSIGN(auto found, find_batch(id.value));
  if (!found) return defect(fmt::format("there is no batch {}", id.value));
  if (found->status != BatchStatus::executing || found->token != token) {
    return refused(fmt::format("batch {} is {} under token {}, not executing under {}", id.value,
                               to_string(found->status), found->token, token));
  }
  batch = *found;
  return success();
}

Result<std::int64_t> LedgerWriter::barrier_floor() {
  if (!state_.enumeration_complete) return std::int64_t{-1};
  DUNLIN_ASSIGN(const auto lowest,
                database_.query_int64("SELECT min(stage) FROM stage WHERE ended < batches"));
  return lowest.value_or(std::numeric_limits<std::int64_t>::max());
}

LedgerWriter::Applied LedgerWriter::change(const StartBatches& mutation) {
  std::vector<Batch> batches;
  std::set<std::int64_t> seen;
  DUNLIN_ASSIGN(const std::int64_t floor, barrier_floor());
  for (const StartBatches::Start& start : mutation.starts) {
    DUNLIN_ASSIGN(auto batch, find_batch(start.batch.value));
    if (!batch || !seen.insert(start.batch.value).second) {
      return defect(
          fmt::format("start of batch {}, which is unknown or named twice", start.batch.value));
    }
    bool startable = false;
    switch (mutation.pass) {
      case Pass::work:
        startable = batch->status == BatchStatus::pending && batch->blocked_by == 0 &&
                    (!batch->barrier || batch->stage <= floor);
        break;
      case Pass::verify:
        startable = batch->status == BatchStatus::done && batch->verified == 0;
        break;
      case Pass::undo:
        startable = undoable(batch->status, batch->tally.succeeded);
        break;
    }
    if (!startable || start.token <= batch->token) {
      return refused(fmt::format(
          "batch {} is {} with token {}: not to be started for {} with token {}", start.batch.value,
          to_string(batch->status), batch->token, to_string(mutation.pass), start.token));
    }
    batch->token = start.token;
    batches.push_back(*batch);
  }
  for (Batch& batch : batches) {
    batch.before = batch.status;
    batch.status = BatchStatus::executing;
    batch.pass = mutation.pass;
    batch.started_ms = now_ms_;
    DUNLIN_TRY(save_batch(batch));
    if (mutation.pass == Pass::work) {
      DUNLIN_TRY(
          database_.run("UPDATE task SET started = 1 WHERE id = ?1 AND started = 0", batch.task));
    }
  }
  return success();
}

Status LedgerWriter::move_batch(Batch& batch, BatchStatus to) {
  const BatchStatus from = batch.counted();
  batch.status = to;
  DUNLIN_TRY(save_batch(batch));
  if (from == to) return success();
  const auto step = [&](auto&& is) {
    return static_cast<std::int64_t>(is(to)) - static_cast<std::int64_t>(is(from));
  };
  const auto is = [](BatchStatus one) {
    return [one](BatchStatus status) { return status == one; };
  };
  Counters& counters = state_.counters;
  const std::int64_t failed = step(is(BatchStatus::failed));
  const std::int64_t skipped = step(is(BatchStatus::skipped));
  counters.ended_batches += step(is(BatchStatus::done)) + failed + skipped;
  counters.failed_batches += failed;
  counters.staged_batches += step(is(BatchStatus::staged));
  counters.undone_batches += step(is(BatchStatus::undone));
  if (ends_task(to)) state_.last_ended_batch = std::max(state_.last_ended_batch, batch.id);
  if (const std::int64_t ended = step(clears_stage); ended != 0) {
    DUNLIN_TRY(
        database_.run("UPDATE stage SET ended = ended + ?2 WHERE stage = ?1", batch.stage, ended));
  }
  const std::int64_t task_ended = step(ends_task);
  if (task_ended != 0 || failed != 0 || skipped != 0) {
    DUNLIN_TRY(database_.run(
        "UPDATE task SET ended_batches = ended_batches + ?2, failed_batches = failed_batches + ?3, "
        "skipped_batches = skipped_batches + ?4 WHERE id = ?1",
        batch.task, task_ended, failed, skipped));
  }
  if (const std::int64_t satisfied = step(satisfies); satisfied != 0) {
    DUNLIN_TRY(
        database_.run("UPDATE batch SET blocked_by = blocked_by - ?2 "
                      "WHERE id IN (SELECT dependant FROM dependency WHERE dependency = ?1)",
                      batch.id, satisfied));
  }
  return success();
}

Status LedgerWriter::skip_dependants(std::int64_t failed, std::string_view cause) {
  std::vector<std::int64_t> work{failed};
  while (!work.empty()) {
    std::vector<std::int64_t> dependants;
    {
      DUNLIN_ASSIGN(
          sql::Statement row,
          database_.cached(
              "SELECT dependant FROM dependency WHERE dependency = ?1 ORDER BY dependant"));
      row.bind(1, work.back());
      work.pop_back();
      while (true) {
        DUNLIN_ASSIGN(const bool more, row.step());
        if (!more) break;
        dependants.push_back(row.column_int64(0));
      }
    }
    for (const std::int64_t id : dependants) {
      DUNLIN_ASSIGN(auto batch, find_batch(id));
      if (!batch || batch->status != BatchStatus::pending) continue;
      DUNLIN_TRY(skip_batch(*batch, cause));
      work.push_back(id);
    }
  }
  return success();
}

Status LedgerWriter::skip_batch(Batch& batch, std::string_view cause) {
  const Error error(ErrorType::dependency_failed, std::string(cause));
  DUNLIN_TRY(end_rest(batch, ItemStatus::skipped, error));
  if (batch.item_count == 0) {
    ErrorPlace place;
    place.batch = batch.id;
    place.task = batch.task;
    DUNLIN_TRY(add_error(error, place));
  }
  DUNLIN_TRY(move_batch(batch, BatchStatus::skipped));
  DUNLIN_TRY(database_.run("UPDATE task SET error_message = ?2 WHERE id = ?1", batch.task, cause));
  EndBatch end;
  end.result = BatchResult::failed;
  return audit_batch(end, batch, "batch.skipped");
}

LedgerWriter::Applied LedgerWriter::check_end(const EndBatch& end, const Batch& batch) {
  if (end.pass != batch.pass) {
    return defect(fmt::format("batch {} executes in pass {}, not {}", batch.id,
                              to_string(batch.pass), to_string(end.pass)));
  }
  if ((end.result == BatchResult::staged || end.result == BatchResult::held) &&
      end.pass != Pass::work) {
    return defect(
        fmt::format("batch {} cannot be staged or held in pass {}", batch.id, to_string(end.pass)));
  }
  for (const auto& difference : end.differences) {
    const std::int64_t item = difference.first.value;
    if (item < batch.first_item || item >= batch.first_item + batch.item_count) {
      return defect(fmt::format("item {} is none of batch {}", item, batch.id));
    }
  }
  DUNLIN_ASSIGN(Status planned, plan(batch, end.pass, end.outcomes));
  if (!planned) return planned;
  const bool all_ended = ended_after(batch) == batch.item_count;
  if (end.pass == Pass::work &&
      (end.result == BatchResult::done || end.result == BatchResult::staged) && !all_ended) {
    return defect(fmt::format("batch {} ends with {} of {} items accounted for", batch.id,
                              ended_after(batch), batch.item_count));
  }
  return success();
}

LedgerWriter::Applied LedgerWriter::change(const EndBatch& end) {
  Batch batch;
  DUNLIN_ASSIGN(Status owned, own_batch(end.batch, end.token, batch));
  if (!owned) return owned;
  DUNLIN_ASSIGN(Status checked, check_end(end, batch));
  if (!checked) return checked;
  DUNLIN_TRY(write_changes(batch, end.pass));
  // An interruption is no failure; what fails the items themselves stands with them (end_work).
  const bool of_items = end.pass == Pass::work && end.result == BatchResult::failed &&
                        batch.tally.ended() < batch.item_count;
  if (end.error && end.result != BatchResult::interrupted && !of_items) {
    ErrorPlace place;
    place.batch = batch.id;
    place.task = batch.task;
    place.attempt = batch.attempt + 1;
    place.final = end.result != BatchResult::retry;
    place.pass = end.pass;
    DUNLIN_TRY(add_error(*end.error, place));
  }
  batch.not_before_ms = 0;
  batch.doubted = false;
  if (end.result == BatchResult::retry) {
    ++batch.attempt;
    ++state_.counters.retries;
    batch.not_before_ms = end.not_before_ms;
  } else if (end.result == BatchResult::failed) {
    ++batch.attempt;
  } else if (end.result == BatchResult::held) {
    batch.not_before_ms = kHeldMs;
  } else if (end.result != BatchResult::interrupted) {
    batch.attempt = 0;  // the next pass counts its own
  }
  switch (end.pass) {
    case Pass::work:
      DUNLIN_TRY(end_work(end, batch));
      break;
    case Pass::verify:
      DUNLIN_TRY(end_verify(end, batch));
      break;
    case Pass::undo:
      DUNLIN_TRY(end_undo(end, batch));
      break;
  }
  return success();
}

Status LedgerWriter::end_work(const EndBatch& end, Batch& batch) {
  switch (end.result) {
    case BatchResult::done:
      DUNLIN_TRY(move_batch(batch, BatchStatus::done));
      DUNLIN_TRY(drop_intents(batch));
      return audit_batch(end, batch, "batch.completed");
    case BatchResult::staged: {
      // Counted at CompleteStaged; what failed or was skipped is known for good and counts at once,
      // and so does what an earlier commit holds.
      DUNLIN_ASSIGN(const Tally kept, kept_tally(batch));
      state_.counters.*outcome_counters(batch.count_as).succeeded -=
          batch.tally.succeeded - kept.succeeded;
      state_.counters.processed_bytes -= batch.tally.succeeded_bytes - kept.succeeded_bytes;
      state_.counters.transferred_bytes -= batch.tally.transferred_bytes - kept.transferred_bytes;
      DUNLIN_TRY(move_batch(batch, BatchStatus::staged));
      return audit_batch(end, batch, "batch.staged");
    }
    case BatchResult::retry:
    case BatchResult::interrupted:
    case BatchResult::held:
      return move_batch(batch, BatchStatus::pending);
    case BatchResult::failed:
      break;
  }
  const Error error =
      end.error ? *end.error : Error(ErrorType::defect, "the batch failed without a reason");
  const std::string message = redact(error.message);
  DUNLIN_TRY(end_rest(batch, ItemStatus::failed, error));
  DUNLIN_TRY(move_batch(batch, BatchStatus::failed));
  DUNLIN_TRY(
      database_.run("UPDATE task SET error_message = ?2 WHERE id = ?1", batch.task, message));
  DUNLIN_TRY(audit_batch(end, batch, "batch.failed"));
  return skip_dependants(batch.id,
                         fmt::format("depends on batch {}, which failed: {}", batch.id, message));
}

Status LedgerWriter::end_verify(const EndBatch& end, Batch& batch) {
  if (end.result == BatchResult::done || end.result == BatchResult::failed) {
    for (const auto& [item, error] : end.differences) {
      ErrorPlace place;
      place.item = item.value;
      place.batch = batch.id;
      place.task = batch.task;
      place.pass = Pass::verify;
      DUNLIN_TRY(add_error(error, place));
    }
    batch.verified = end.result == BatchResult::done ? 1 : 2;
    batch.verified_items = end.verified_items;
    batch.differences = static_cast<std::int64_t>(end.differences.size());
    if (batch.count_as == CountAs::items) state_.counters.verified_items += batch.verified_items;
    state_.counters.differences += batch.differences;
    if (batch.verified == 1) ++state_.counters.verified_batches;
    DUNLIN_TRY(audit_batch(end, batch,
                           batch.verified == 1 ? "batch.verified" : "batch.verification_failed"));
  }
  return move_batch(batch, batch.before);
}

Status LedgerWriter::end_undo(const EndBatch& end, Batch& batch) {
  // One that never had anything to take back stays, too: what it depends on waits for it, and for
  // what depends on it, in a later rollback of all.
  const bool stays = batch.tally.succeeded > 0 || batch.tally.rolled_back == 0;
  if (end.result == BatchResult::done && state_.rollback_part && stays) {
    batch.undo_tried = true;
    // One that the part has nothing of was only looked at.
    if (batch.tally.rolled_back > 0) DUNLIN_TRY(audit_batch(end, batch, "batch.undone_in_part"));
    return move_batch(batch, batch.before);
  }
  if (end.result == BatchResult::done) {
    DUNLIN_TRY(move_batch(batch, BatchStatus::undone));
    DUNLIN_TRY(drop_intents(batch));
    return audit_batch(end, batch, "batch.undone");
  }
  const bool failed = end.result == BatchResult::failed;
  batch.undo_tried = batch.undo_tried || failed;
  // Some items may be taken back already: the chain vouches for the outcomes as they are now.
  DUNLIN_TRY(audit_batch(end, batch, failed ? "batch.undo_failed" : "batch.undo_interrupted"));
  return move_batch(batch, batch.before);
}

Status LedgerWriter::audit_batch(const EndBatch& end, const Batch& batch, std::string_view action) {
  Json detail = Json::object();
  detail["batch"] = batch.id;
  detail["task"] = batch.task;
  detail["succeeded"] = batch.tally.succeeded;
  detail["failed"] = batch.tally.failed;
  detail["skipped"] = batch.tally.skipped;
  if (end.pass == Pass::verify) {
    detail["verified"] = batch.verified_items;
    detail["differences"] = batch.differences;
  } else {
    if (batch.tally.rolled_back > 0) detail["rolled_back"] = batch.tally.rolled_back;
    DUNLIN_ASSIGN(const Segment segment, segment_of(batch));
    Json actions = Json::object();
    for (const auto& [name, count] : segment.actions) actions[name] = count;
    detail["actions"] = std::move(actions);
    detail["segment"] = segment.hash;
  }
  return add_audit("engine", action, dump_json(detail));
}

Status LedgerWriter::drop_intents(const Batch& batch) {
  if (batch.tally.failed > 0) return success();  // a retry may want to know what was begun
  return database_.run("DELETE FROM intent WHERE batch_id = ?1", batch.id);
}

}  // namespace dunlin::store
