// LedgerWriter: what is recorded about the execution as a whole: status, audit, errors, milestones,
// checkpoints.
#include <fmt/format.h>

#include "base/json.h"
#include "base/redact.h"
#include "base/text.h"
#include "store/ledger_codec.h"
#include "store/ledger_writer.h"

namespace dunlin::store {

bool may_follow(ExecutionStatus from, ExecutionStatus to) {
  using enum ExecutionStatus;
  switch (from) {
    case pending:
      return to == running || to == cancelled;
    case running:
      return to == paused || to == completed || to == failed || to == cancelled ||
             to == rolling_back;
    case paused:
      return to == running || to == cancelled || to == rolling_back;
    case failed:
    case completed:
      return to == running || to == rolling_back;
    case cancelled:
      return to == rolling_back;
    case rolling_back:
      return to == rolled_back || to == paused;
    case rolled_back:
      return to == rolling_back;  // for what was left alone; change(SetStatus) looks for it
  }
  return false;
}

LedgerWriter::Applied LedgerWriter::change(const SetStatus& mutation) {
  using enum ExecutionStatus;
  // Of a part: the execution is again what it was before.
  const bool taken_back = state_.status == rolling_back && state_.rollback_part &&
                          state_.rollback_part->then == mutation.to;
  if (!taken_back && !may_follow(state_.status, mutation.to)) {
    return Status(Error(ErrorType::invalid_state,
                        fmt::format("the execution is {} and cannot become {}",
                                    to_string(state_.status), to_string(mutation.to))));
  }
  const ExecutionStatus from = state_.status;
  const std::int64_t left = all_succeeded(state_.counters);
  if (from == rolled_back && left == 0) {
    return Status(Error(ErrorType::invalid_state, "nothing is left that could be taken back"));
  }
  state_.status = mutation.to;
  if (!mutation.phase.empty()) state_.phase = mutation.phase;
  if (mutation.to == rolling_back) {
    state_.rollback_part = mutation.part;
  } else if (state_.phase != "rolling_back") {
    state_.rollback_part.reset();
  }
  state_.reason_json = mutation.reason_json;
  if (state_.paused_since_ms != 0) {
    state_.paused_ms_total += std::max<std::int64_t>(0, now_ms_ - state_.paused_since_ms);
    state_.paused_since_ms = 0;
  }
  std::string action = "execution." + std::string(to_string(mutation.to));
  state_.ended_ms = 0;
  switch (mutation.to) {
    case running:
      ++state_.attempt;
      if (state_.started_ms == 0) state_.started_ms = now_ms_;
      action = state_.attempt == 1 ? "execution.started" : "execution.resumed";
      break;
    case paused:
      state_.paused_since_ms = now_ms_;
      break;
    case rolling_back:
      // A rollback that is begun anew tries again what an earlier one gave up.
      if (from != rolling_back) {
        DUNLIN_TRY(
            database_.run("UPDATE batch SET undo_tried = NULL WHERE undo_tried IS NOT NULL"));
      }
      if (from == rolled_back) DUNLIN_TRY(open_left_alone());
      break;
    case completed:
    case failed:
    case cancelled:
    case rolled_back:
      state_.ended_ms = now_ms_;
      break;
    case pending:
      break;
  }
  Json detail = Json::object();
  detail["from"] = to_string(from);
  detail["attempt"] = state_.attempt;
  if (from == rolled_back) detail["left"] = left;
  if (mutation.part) {
    DUNLIN_ASSIGN(detail["part"], parse_json(mutation.part->of_json, "part"));
  }
  if (taken_back) detail["part"] = "taken back";
  DUNLIN_TRY(add_audit(mutation.actor, action, dump_json(detail)));
  return success();
}

LedgerWriter::Applied LedgerWriter::change(const SetPhase& mutation) {
  state_.phase = mutation.phase;
  return success();
}

LedgerWriter::Applied LedgerWriter::change(const AddMilestone& mutation) {
  DUNLIN_TRY(
      database_.run("INSERT OR IGNORE INTO milestone(name, time_ms, sequence) VALUES (?1, ?2, ?3)",
                    mutation.name, now_ms_, state_.sequence + 1));
  return success();
}

LedgerWriter::Applied LedgerWriter::change(const AddAudit& mutation) {
  DUNLIN_TRY(add_audit(mutation.actor, mutation.action, mutation.detail_json));
  return success();
}

LedgerWriter::Applied LedgerWriter::change(const AddError& mutation) {
  ErrorPlace place;
  place.item = mutation.item.value;
  place.batch = mutation.batch.value;
  if (mutation.batch.valid()) {
    DUNLIN_ASSIGN(const auto task,
                  database_.query_int64("SELECT task_id FROM batch WHERE id = ?1", place.batch));
    place.task = task.value_or(0);
  }
  DUNLIN_TRY(add_error(mutation.error, place));
  return success();
}

Status LedgerWriter::add_audit(std::string_view actor, std::string_view action,
                               std::string_view detail_json) {
  AuditRow row;
  row.sequence = state_.audit_entries + 1;
  row.time_ms = now_ms_;
  row.actor = actor;
  row.action = action;
  row.detail_json = detail_json;
  std::string hash = audit_hash(hasher_, state_.audit_head, row);
  std::string seal;
  if (key_) {
    DUNLIN_ASSIGN(seal, key_->seal(Sealed::entry, execution_, row.sequence, hash));
  }
  DUNLIN_TRY(database_.run(
      "INSERT INTO audit(sequence, time_ms, actor, action, detail_json, hash, seal) VALUES (?1, "
      "?2, ?3, ?4, ?5, ?6, ?7)",
      row.sequence, row.time_ms, row.actor, row.action, row.detail_json, sql::Blob{hash},
      key_ ? std::optional(sql::Blob{seal}) : std::optional<sql::Blob>()));
  state_.audit_entries = row.sequence;
  state_.audit_head = std::move(hash);
  return success();
}

Status LedgerWriter::add_error(const Error& error, const ErrorPlace& place) {
  const auto id_or_null = [](std::int64_t id) {
    return id > 0 ? std::optional<std::int64_t>(id) : std::optional<std::int64_t>();
  };
  const auto text_or_null = [](std::string_view text) {
    return text.empty() ? std::optional<std::string_view>() : std::optional<std::string_view>(text);
  };
  const std::string extra = error_extra_json(error);
  DUNLIN_TRY(database_.run(
      "INSERT INTO error(item_id, batch_id, task_id, type, message, native_domain, native_code, "
      "extra_json, attempt, "
      "final, pass, time_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
      id_or_null(place.item), id_or_null(place.batch), id_or_null(place.task),
      to_string(error.type), redact(error.message), text_or_null(error.native.domain),
      text_or_null(error.native.code), text_or_null(extra), place.attempt, place.final ? 1 : 0,
      static_cast<int>(place.pass), now_ms_));
  if (!place.final) return success();
  return database_.run(
      "INSERT INTO error_total(type, errors) VALUES (?1, 1) ON CONFLICT(type) DO UPDATE SET errors "
      "= errors + 1",
      to_string(error.type));
}

Status LedgerWriter::settle_errors_of_item(std::int64_t item) {
  return settle_errors(
      "SELECT type, count(*) FROM error WHERE item_id = ?1 AND final = 1 GROUP BY type",
      "UPDATE error SET final = 0 WHERE item_id = ?1 AND final = 1", item);
}

Status LedgerWriter::settle_undo_errors_of_item(std::int64_t item) {
  return settle_errors(
      "SELECT type, count(*) FROM error WHERE item_id = ?1 AND final = 1 AND pass = 2 GROUP BY "
      "type",
      "UPDATE error SET final = 0 WHERE item_id = ?1 AND final = 1 AND pass = 2", item);
}

Status LedgerWriter::settle_errors_of_batch(std::int64_t batch) {
  return settle_errors(
      "SELECT type, count(*) FROM error WHERE batch_id = ?1 AND item_id IS NULL AND final = 1 "
      "GROUP BY type",
      "UPDATE error SET final = 0 WHERE batch_id = ?1 AND item_id IS NULL AND final = 1", batch);
}

Status LedgerWriter::settle_errors(std::string_view select, std::string_view update,
                                   std::int64_t key) {
  std::vector<std::pair<std::string, std::int64_t>> counts;
  {
    DUNLIN_ASSIGN(sql::Statement row, database_.cached(select));
    if (row.parameter_count() > 0) row.bind(1, key);
    while (true) {
      DUNLIN_ASSIGN(const bool more, row.step());
      if (!more) break;
      counts.emplace_back(row.column_string(0), row.column_int64(1));
    }
  }
  if (counts.empty()) return success();
  for (const auto& [type, count] : counts) {
    DUNLIN_TRY(
        database_.run("UPDATE error_total SET errors = errors - ?2 WHERE type = ?1", type, count));
  }
  DUNLIN_ASSIGN(sql::Statement row, database_.cached(update));
  if (row.parameter_count() > 0) row.bind(1, key);
  return row.run();
}

LedgerWriter::Applied LedgerWriter::change(const AddCheckpoint& mutation) {
  CheckpointRow row;
  row.last_processed_batch = state_.last_ended_batch;
  row.ledger_sequence = state_.sequence + 1;
  row.created_ms = now_ms_;
  row.cumulative_stats_json = counters_json(state_.counters);
  {
    DUNLIN_ASSIGN(
        const auto last,
        database_.query_int64("SELECT first_item + item_count - 1 FROM batch WHERE id = ?1",
                              row.last_processed_batch));
    row.last_processed_record_id = last.value_or(0);
  }
  Json pending = Json::array();
  {
    DUNLIN_ASSIGN(
        sql::Statement id,
        database_.cached(
            "SELECT id FROM (SELECT id FROM batch INDEXED BY batch_executing WHERE status = 1 "
            "UNION ALL SELECT id FROM (SELECT id FROM batch INDEXED BY batch_pending "
            "WHERE status = 0 ORDER BY id LIMIT ?1)) ORDER BY id LIMIT ?1"));
    id.bind(1, static_cast<std::int64_t>(kPendingNamed));
    while (true) {
      DUNLIN_ASSIGN(const bool more, id.step());
      if (!more) break;
      row.pending_batch_ids.push_back(id.column_int64(0));
      pending.push_back(id.column_int64(0));
    }
  }
  Json summary = Json::object();
  {
    DUNLIN_ASSIGN(
        sql::Statement total,
        database_.cached(
            "SELECT type, errors FROM error_total WHERE errors > 0 ORDER BY errors DESC, type"));
    while (true) {
      DUNLIN_ASSIGN(const bool more, total.step());
      if (!more) break;
      summary[total.column_string(0)] = total.column_int64(1);
    }
  }
  row.error_summary_json = dump_json(summary);
  row.checksum = checkpoint_checksum(hasher_, row);
  DUNLIN_TRY(
      database_.run("INSERT INTO checkpoint(last_processed_batch, last_processed_record_id, "
                    "cumulative_stats, pending_batch_ids, "
                    "error_summary, ledger_sequence, created_ms, checksum) VALUES (?1, ?2, ?3, ?4, "
                    "?5, ?6, ?7, ?8)",
                    row.last_processed_batch, row.last_processed_record_id,
                    row.cumulative_stats_json, dump_json(pending), row.error_summary_json,
                    row.ledger_sequence, row.created_ms, row.checksum));
  // The one just written is the newest valid one and stays whatever the limits say (engine.md
  //
  const std::int64_t newest = database_.last_insert_rowid();
  const std::int64_t keep = std::max<std::int32_t>(1, mutation.keep_last_n);
  DUNLIN_TRY(
      database_.run("DELETE FROM checkpoint WHERE id < ?1 AND (created_ms < ?2 OR id NOT IN "
                    "(SELECT id FROM checkpoint "
                    "ORDER BY id DESC LIMIT ?3))",
                    newest, now_ms_ - mutation.expire_after_ms, keep));
  return success();
}

}  // namespace dunlin::store
