// See ledger_json.h.
#include "cli/ledger_json.h"

#include <algorithm>

#include "base/clock.h"
#include "cli/remedy.h"
#include "engine/test_run.h"

namespace dunlin::cli {

namespace {

constexpr std::size_t kLatest = 100;  ///< tasks and errors in an execution resource (F-18)
constexpr std::size_t kSamples = 10;

Json time_or_null(std::int64_t ms) {
  return ms > 0 ? Json(rfc3339(ms)) : Json(nullptr);
}
Json text_or_null(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}
Json id_or_null(std::int64_t id) {
  return id > 0 ? Json(id) : Json(nullptr);
}

Json parsed_or_null(const std::string& text) {
  auto parsed = parse_json(text);
  return parsed.ok() ? std::move(parsed).value() : Json(nullptr);
}

std::vector<store::ErrorRow> last_errors(const store::Ledger& ledger, const std::string& type,
                                         std::size_t limit) {
  store::ItemFilter filter;
  filter.error_type = type;
  filter.limit = limit;
  auto errors = ledger.errors(filter, true);
  if (!errors.ok()) return {};
  if (type.empty())  // warnings have a list of their own
    std::erase_if(*errors, [](const auto& row) { return only_warns(row.error.type); });
  return std::move(errors).value();
}

Json errors_json(const std::vector<store::ErrorRow>& errors, const engine::Snapshot& snapshot) {
  Json out = Json::array();
  for (const auto& error : errors) out.push_back(error_json(error, snapshot));
  return out;
}

Json verification_with_errors(const Json& verification, const engine::Snapshot& snapshot,
                              const store::Ledger& ledger) {
  Json out = verification;
  const auto differences = last_errors(ledger, "verification_mismatch", kLatest);
  out["errors"] = errors_json(differences, snapshot);
  const auto milestones = ledger.milestones();
  out["verification_time"] = nullptr;
  if (milestones.ok())
    for (const auto& milestone : *milestones)
      if (milestone.name.starts_with("verif"))
        out["verification_time"] = rfc3339(milestone.time_ms);
  return out;
}

}  // namespace

std::string path_of(const std::string& directory, const std::string& name) {
  if (directory.empty()) return name.empty() ? "." : name;
  return name.empty() ? directory : directory + "/" + name;
}

Json item_json(const store::ItemRow& item) {
  Json out = Json::object();
  out["item_id"] = item.id.value;
  out["batch_number"] = item.batch.value;
  put_path(out, "path", path_of(item.directory_path, item.name));
  if (item.placed_name.empty())
    out["destination_name"] = nullptr;
  else
    put_path(out, "destination_name", item.placed_name);
  out["status"] = std::string(store::to_string(item.status));
  out["size"] = item.size;
  out["transferred_bytes"] = item.transferred_bytes;
  out["action"] = text_or_null(item.action);
  out["checksum"] = text_or_null(item.checksum);
  out["proof"] = std::string(store::to_string(item.proof));
  out["attempt"] = item.attempt;
  out["completed_at"] = time_or_null(item.ended_ms);
  out["message"] = text_or_null(item.message);
  return out;
}

Json error_json(const store::ErrorRow& row, const engine::Snapshot& snapshot) {
  const auto& error = row.error;
  const auto& about = info(error.type);
  Json out = Json::object();
  out["id"] = row.id;
  out["type"] = std::string(about.name);
  out["error_type"] = std::string(about.name);
  out["category"] = std::string(to_string(about.category));
  out["severity"] = std::string(to_string(about.severity));
  out["message"] = error.text();
  out["timestamp"] = time_or_null(row.time_ms);
  out["recoverable"] = about.retriable || about.user_action;
  out["retriable"] = about.retriable;
  out["user_action_required"] = about.user_action;
  out["batch_number"] = id_or_null(row.batch.value);
  out["item_id"] = id_or_null(row.item.value);
  out["task_id"] = id_or_null(row.task.value);
  if (row.item.valid())
    put_path(out, "path", path_of(row.directory_path, row.name));
  else
    out["path"] = nullptr;
  out["attempt"] = row.attempt;
  out["final"] = row.final;
  out["native_code"] = text_or_null(error.native.code);
  out["remediation"] = text_or_null(remedy_for(error, concern_of(row), snapshot));
  return out;
}

Json task_json(const store::TaskRow& task) {
  Json out = Json::object();
  out["uid"] = task.uid;
  out["task_type"] = task.task_type;
  out["status"] = std::string(store::to_string(task.status));
  out["execution_priority"] = std::string(store::to_string(task.priority));
  put_path(out, "description", task.description);
  out["stage"] = task.stage;
  out["batches"] = task.batches;
  out["completed_batches"] = task.ended_batches;
  out["failed_batches"] = task.failed_batches;
  out["items"] = task.items;
  out["count_as"] = std::string(store::to_string(task.count_as));
  out["error_message"] = text_or_null(task.error_message);
  out["parameters"] = parsed_or_null(task.parameters_json);
  return out;
}

Json checkpoint_json(const store::CheckpointRow& checkpoint) {
  Json out = Json::object();
  out["id"] = checkpoint.id;
  out["batch_number"] = checkpoint.last_processed_batch;
  out["last_processed_batch"] = checkpoint.last_processed_batch;
  out["last_processed_record_id"] = checkpoint.last_processed_record_id;
  const Json stats = parsed_or_null(checkpoint.cumulative_stats_json);
  out["cumulative_stats"] = stats;
  out["pending_batch_ids"] = checkpoint.pending_batch_ids;
  out["error_summary"] = parsed_or_null(checkpoint.error_summary_json);
  out["ledger_sequence"] = checkpoint.ledger_sequence;
  out["created_at"] = time_or_null(checkpoint.created_ms);
  out["valid"] = checkpoint.valid;
  return out;
}

Json error_summary(const engine::Snapshot& snapshot, const store::Ledger& ledger) {
  Json by_type = Json::object();
  std::int64_t total = 0;
  for (const auto& [type, count] : snapshot.error_counts) {
    by_type[type] = count;
    total += count;
  }
  return Json{{"total", total},
              {"by_type", std::move(by_type)},
              {"sample_errors", errors_json(last_errors(ledger, "", kSamples), snapshot)}};
}

Json warning_summary(const engine::Snapshot& snapshot, const store::Ledger& ledger) {
  Json out = engine::snapshot_json(snapshot)["warning_summary"];
  out["samples"] = Json::array();
  for (const auto& [type, count] : snapshot.warning_counts)
    for (const auto& row : last_errors(ledger, type, kSamples))
      out["samples"].push_back(error_json(row, snapshot));
  return out;
}

Json execution_json(const engine::Snapshot& snapshot, const store::Ledger& ledger) {
  Json out = engine::snapshot_json(snapshot);
  out["verification"] = verification_with_errors(out["verification"], snapshot, ledger);
  out["errors"] = errors_json(last_errors(ledger, "", kLatest), snapshot);
  out["warnings"] = warning_summary(snapshot, ledger);
  Json uids = Json::array();
  if (const auto tasks = ledger.tasks(kLatest); tasks.ok())
    for (const auto& task : *tasks) uids.push_back(task.uid);
  out["tasks"] = std::move(uids);
  Json milestones = Json::array();
  if (const auto rows = ledger.milestones(); rows.ok())
    for (const auto& row : *rows)
      milestones.push_back({{"name", row.name}, {"time", rfc3339(row.time_ms)}});
  out["milestones"] = std::move(milestones);
  if (auto test = engine::test_result(ledger); test.ok() && !test->is_null())
    out["test"] = *std::move(test);
  return out;
}

Json finished_fields(const engine::Snapshot& snapshot, const store::Ledger& ledger, int exit_code) {
  const Json resource = engine::snapshot_json(snapshot);
  Json out = Json::object();
  for (const char* key : {"execution_id", "plan_id", "status", "progress"})
    out[key] = resource[key];
  out["verification"] = verification_with_errors(resource["verification"], snapshot, ledger);
  out["errors"] = error_summary(snapshot, ledger);
  out["warnings"] = warning_summary(snapshot, ledger);
  out["number"] = resource["number"];
  out["kind"] = resource["kind"];
  out["description"] = resource["description"];
  out["reason"] = resource["reason"];
  out["exit_code"] = exit_code;
  if (auto test = engine::test_result(ledger); test.ok() && !test->is_null())
    out["test"] = *std::move(test);
  return out;
}

}  // namespace dunlin::cli
