// A Snapshot as JSON, and the verbs that the state machine (conventions.md) allows.
#include <algorithm>

#include "base/clock.h"
#include "engine/engine.h"
#include "engine/test_run.h"

namespace dunlin::engine {

namespace {

using store::ExecutionStatus;

Json time_or_null(std::int64_t ms) {
  return ms > 0 ? Json(rfc3339(ms)) : Json(nullptr);
}

Json json_or_null(const std::string& text) {
  if (text.empty()) return nullptr;
  auto parsed = parse_json(text);
  return parsed.ok() ? std::move(parsed).value() : Json(nullptr);
}

/// The original's VerificationResult: {plan_id, execution_id, verified_files, error_count, …}.
Json verification_json(const Snapshot& snapshot, const Json& settings) {
  const auto& counters = snapshot.row.counters;
  const std::string level = string_or(settings, "verification_level", "full");
  const bool all =
      counters.total_batches > 0 && counters.verified_batches >= counters.ended_batches;
  std::string result = "not_run";
  if (counters.differences > 0)
    result = "differences";
  else if (level != "none" && snapshot.row.status == ExecutionStatus::completed && all)
    result = "passed";
  else if (counters.verified_batches > 0)
    result = "incomplete";
  Json out = Json::object();
  out["plan_id"] = snapshot.row.plan_id.value;
  out["execution_id"] = snapshot.row.id.value;
  out["level"] = level;
  out["result"] = result;
  out["verified_" + snapshot.noun] = counters.verified_items;
  out["error_count"] = counters.differences;
  return out;
}

}  // namespace

namespace {

std::vector<std::string> verbs_of_state(ExecutionStatus status, const store::Counters& counters,
                                        std::string_view phase) {
  // What has been taken back would be done again in the midst of it.
  if (status == ExecutionStatus::paused && phase == "rolling_back")
    return {"resume", "cancel", "rollback", "limits", "priority"};
  switch (status) {
    case ExecutionStatus::pending:
      return {"resume", "cancel", "limits", "priority"};
    case ExecutionStatus::running:
      return {"pause", "cancel", "stop", "limits", "priority", "retry", "skip"};
    case ExecutionStatus::paused:
      return {"resume", "cancel", "retry", "skip", "rollback", "limits", "priority"};
    case ExecutionStatus::completed:
      return {"verify", "retry", "skip", "rollback"};
    case ExecutionStatus::failed:
      // What was found to differ may have been mended; any other failure has left work undone.
      if (counters.differences > 0) return {"verify", "resume", "retry", "skip", "rollback"};
      return {"resume", "retry", "skip", "rollback"};
    case ExecutionStatus::cancelled:
      return {"rollback"};
    case ExecutionStatus::rolling_back:
      return {"pause", "cancel", "stop", "limits", "priority"};
    case ExecutionStatus::rolled_back:
      if (store::all_succeeded(counters) > 0) return {"rollback"};  // what was left alone
      return {};
  }
  return {};
}

}  // namespace

std::vector<std::string> allowed_verbs(const store::ExecutionRow& row, ExecutionStatus status,
                                       Undo undo) {
  std::vector<std::string> verbs = verbs_of_state(status, row.counters, row.phase);
  const auto without = [&](std::string_view verb) {
    std::erase_if(verbs, [&](const std::string& one) { return one == verb; });
  };
  const bool dry = row.mode == kDryRun;
  const bool test = row.mode == kTest;
  if (test && has_ended(status)) verbs.clear();  // nothing of it is left to act upon
  if (dry || test) without("verify");
  if (dry || test || undo != Undo::kept) without("rollback");
  if (has_ended(status)) {
    // Of a test, where its place could not be removed.
    if (!dry && !(test && undo == Undo::removed)) verbs.emplace_back("accept");
    verbs.emplace_back("delete");
  }
  return verbs;
}

bool has_ended(ExecutionStatus status) {
  return status == ExecutionStatus::completed || status == ExecutionStatus::failed ||
         status == ExecutionStatus::cancelled || status == ExecutionStatus::rolled_back;
}

Error nothing_done(std::int64_t number) {
  Error error(ErrorType::invalid_state,
              "execution " + std::to_string(number) + " is a dry run: it has changed nothing");
  error.remediation = "`dunlin items " + std::to_string(number) + "` lists what would be done";
  return error;
}

Error undo_given_up(std::int64_t number) {
  return Error(
      ErrorType::invalid_state,
      "what execution " + std::to_string(number) +
          " kept for its rollback was given up (`dunlin accept`): it cannot be taken back");
}

Goal goal_of(const store::ExecutionRow& row) {
  return row.phase == "rolling_back" ? Goal::roll_back : Goal::migrate;
}

namespace {

/// As they were frozen; the defaults where they cannot be read.
ExecutionSettings settings_of(const store::ExecutionRow& row) {
  std::vector<std::string> problems;
  const auto stored = parse_json(row.settings_json, "settings");
  const auto settings = stored.ok() ? decode_settings(*stored, problems) : stored.error();
  return settings.ok() ? *settings : ExecutionSettings();
}

}  // namespace

bool is_to_be_taken_back(const Snapshot& snapshot) {
  const store::ExecutionRow& row = snapshot.row;
  if (row.status != ExecutionStatus::failed || snapshot.undo != Undo::kept) return false;
  if (row.mode == kDryRun || row.mode == kTest || store::all_succeeded(row.counters) == 0)
    return false;
  const auto reason = parse_json(row.reason_json, "reason");
  const auto type = error_type_from_name(reason.ok() ? string_or(*reason, "type", "") : "");
  if (!type || *type == ErrorType::verification_mismatch || *type == ErrorType::preflight_refused)
    return false;
  return settings_of(row).rolls_back_failure();
}

Json snapshot_json(const Snapshot& snapshot) {
  const auto& row = snapshot.row;
  const Json settings = json_or_null(row.settings_json);
  Json errors = Json::object();
  std::int64_t total = 0;
  for (const auto& [type, count] : snapshot.error_counts) {
    errors[type] = count;
    total += count;
  }
  Json warnings = Json::object();
  std::int64_t warned = 0;
  for (const auto& [type, count] : snapshot.warning_counts) {
    warnings[type] = count;
    warned += count;
  }
  Json out = Json::object();
  out["execution_id"] = row.id.value;
  if (row.kind == "objects") out["job_id"] = row.id.value;  // the original's name there
  out["number"] = row.number;
  out["plan_id"] = row.plan_id.value;
  out["kind"] = row.kind;
  put_path(out, "description", row.description);
  out["mode"] = row.mode;
  out["builds_on"] = nullptr;
  if (row.baseline)
    out["builds_on"] = {{"execution_id", row.baseline->execution.value},
                        {"number", row.baseline->number},
                        {"since", time_or_null(row.baseline->since_ms)}};
  out["status"] = std::string(store::to_string(snapshot.shown_status));
  out["interrupted"] = snapshot.interrupted;
  out["live"] = snapshot.live;
  out["pending_request"] =
      snapshot.pending_request.empty() ? Json(nullptr) : Json(snapshot.pending_request);
  out["reason"] = json_or_null(row.reason_json);
  out["attempt"] = row.attempt;
  out["created_at"] = time_or_null(row.created_ms);
  out["started_at"] = time_or_null(row.started_ms);
  out["updated_at"] = time_or_null(row.updated_ms);
  out["completed_at"] = time_or_null(row.ended_ms);
  out["progress"] = progress_json(snapshot.progress, snapshot.noun);
  out["verification"] = verification_json(snapshot, settings);
  out["left_out"] = snapshot.left_out.empty() ? Json(nullptr) : Json(snapshot.left_out);
  out["error_summary"] = {{"total", total}, {"by_type", errors}};
  out["warning_summary"] = {{"total", warned}, {"by_type", warnings}};
  out["settings"] = settings;
  out["limits"] = snapshot.limits;
  out["sharing"] = snapshot.sharing;
  out["allowed_verbs"] = snapshot.allowed_verbs;
  out["rollback_part"] =
      row.rollback_part ? json_or_null(row.rollback_part->of_json) : Json(nullptr);
  out["kept_bytes"] = row.counters.kept_bytes;
  out["keeps_until"] = time_or_null(store::keeps_until_ms(row));
  out["failure_taken_back"] = snapshot.failure_taken_back;
  out["undo"] = snapshot.undo == Undo::kept       ? "kept"
                : snapshot.undo == Undo::given_up ? "given_up"
                                                  : "removed";
  return out;
}

}  // namespace dunlin::engine
