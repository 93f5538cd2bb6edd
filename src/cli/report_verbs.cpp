// report: everything known of one execution, as text or JSON.
#include <map>

#include <fmt/format.h>

#include "base/file_io.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/exit_code.h"
#include "cli/ledger_json.h"
#include "cli/screens.h"
#include "cli/session.h"
#include "cli/text_layout.h"
#include "cli/verb_families.h"

namespace dunlin::cli {

namespace {

constexpr std::size_t kAuditPage = 10'000;
constexpr std::size_t kSamples = 20;
constexpr std::size_t kTasksShown = 10'000;

/// {total_audit_entries, by_action}: counted page by page.
Result<Json> audit_summary(const store::Ledger& ledger) {
  std::map<std::string, std::int64_t> actions;
  std::int64_t total = 0;
  for (std::int64_t after = 0;;) {
    DUNLIN_ASSIGN(const auto page, ledger.audit(after, kAuditPage));
    for (const auto& entry : page) ++actions[entry.action];
    total += static_cast<std::int64_t>(page.size());
    if (page.size() < kAuditPage) break;
    after = page.back().sequence;
  }
  Json by_action = Json::object();
  for (const auto& [action, count] : actions) by_action[action] = count;
  return Json{{"total_audit_entries", total}, {"by_action", std::move(by_action)}};
}

/// Items, bytes and failures by type of task.
Result<Json> results(const store::Ledger& ledger) {
  DUNLIN_ASSIGN(const auto tasks, ledger.tasks(kTasksShown));
  struct Sums {
    std::int64_t tasks = 0, batches = 0, failed_batches = 0, items = 0;
  };
  std::map<std::string, Sums> by_type;
  for (const auto& task : tasks) {
    auto& sums = by_type[task.task_type];
    ++sums.tasks;
    sums.batches += task.batches;
    sums.failed_batches += task.failed_batches;
    sums.items += task.items;
  }
  Json out = Json::array();
  for (const auto& [type, sums] : by_type)
    out.push_back({{"task_type", type},
                   {"tasks", sums.tasks},
                   {"batches", sums.batches},
                   {"failed_batches", sums.failed_batches},
                   {"items", sums.items}});
  return out;
}

Json timing(const engine::Snapshot& snapshot) {
  const auto& row = snapshot.row;
  const auto time = [](std::int64_t ms) { return ms > 0 ? Json(rfc3339(ms)) : Json(nullptr); };
  return Json{{"started_at", time(row.started_ms)},
              {"completed_at", time(row.ended_ms)},
              {"duration_seconds", snapshot.progress.running_seconds},
              {"paused_duration_seconds", snapshot.progress.paused_seconds},
              {"attempts", row.attempt}};
}

Result<Json> report_json(const engine::Snapshot& snapshot, const store::Ledger& ledger) {
  Json out = execution_json(snapshot, ledger);
  out["timing"] = timing(snapshot);
  out["errors"] = error_summary(snapshot, ledger);
  DUNLIN_ASSIGN(out["results"], results(ledger));
  DUNLIN_ASSIGN(out["audit_summary"], audit_summary(ledger));
  Json checkpoints = Json::array();
  DUNLIN_ASSIGN(const auto rows, ledger.checkpoints());
  for (const auto& row : rows) checkpoints.push_back(checkpoint_json(row));
  out["checkpoints"] = std::move(checkpoints);
  return out;
}

std::string heading(std::string_view title) {
  return fmt::format("\n{}\n{}\n", title, std::string(title.size(), '-'));
}

Result<std::string> report_text(Session& session, const engine::Snapshot& snapshot,
                                const store::Ledger& ledger, const Terminal& terminal) {
  DUNLIN_ASSIGN(const Json json, report_json(snapshot, ledger));
  std::string out = status_screen({snapshot, {}, {}, session.clock().wall_ms(), -1}, terminal);
  out += heading("Results");
  Table kinds({{"TASK", Align::left, false},
               {"TASKS", Align::right, false},
               {"BATCHES", Align::right, false},
               {"FAILED", Align::right, false},
               {"ITEMS", Align::right, false}});
  for (const auto& row : json["results"])
    kinds.add({row["task_type"], format_count(row["tasks"]), format_count(row["batches"]),
               format_count(row["failed_batches"]), format_count(row["items"])});
  out += kinds.text(terminal.width(), terminal.charset());
  if (!snapshot.error_counts.empty()) {
    out += heading("Errors");
    for (const auto& [type, count] : snapshot.error_counts) {
      const auto known = error_type_from_name(type);
      out += fmt::format("{:>8}  {}{}\n", format_count(count), type,
                         known ? ": " + std::string(info(*known).summary) : "");
    }
    store::ItemFilter filter;
    filter.limit = kSamples;
    DUNLIN_ASSIGN(const auto errors, ledger.errors(filter, true));
    for (const auto& row : errors)
      out += fmt::format("  {}: {}\n", escape_bytes(path_of(row.directory_path, row.name)),
                         printable(row.error.text()));
  }
  out += heading("Milestones");
  for (const auto& row : json["milestones"])
    out +=
        fmt::format("  {}  {}\n", row["time"].get<std::string>(), row["name"].get<std::string>());
  out += heading("Audit");
  out += fmt::format("{:>8}  entries\n",
                     json["audit_summary"]["total_audit_entries"].get<std::int64_t>());
  for (const auto& [action, count] : json["audit_summary"]["by_action"].items())
    out += fmt::format("{:>8}  {}\n", count.get<std::int64_t>(), action);
  out += heading("Checkpoints");
  out += fmt::format("{:>8}  kept\n", json["checkpoints"].size());
  return out;
}

struct Flags {
  Text execution;
  Text format;
  Text file;
};

Result<int> report(Session& session, const Flags& flags) {
  const std::string format =
      flags.format->empty() ? (session.options().json ? "json" : "text") : *flags.format;
  if (format == "html")
    return Error(ErrorType::invalid_input,
                 "this version does not write HTML yet; use text or json");
  if (format != "text" && format != "json")
    return Error(ErrorType::invalid_input,
                 fmt::format("--format takes text or json, not '{}'", escape_bytes(format)));
  DUNLIN_ASSIGN(const auto snapshot, session.snapshot(*flags.execution));
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  DUNLIN_ASSIGN(const auto ledger, engine->open_ledger(snapshot.row.id));
  std::string text;
  if (format == "json") {
    DUNLIN_ASSIGN(const Json json, report_json(snapshot, *ledger));
    text = dump_json(json, session.options().json ? -1 : 2) + "\n";
  } else {
    const Terminal plain(-1, false);
    DUNLIN_ASSIGN(
        text, report_text(session, snapshot, *ledger, flags.file->empty() ? session.out() : plain));
  }
  if (flags.file->empty() || *flags.file == "-") {
    session.result(text);
  } else {
    DUNLIN_TRY(write_file_durably(*flags.file, text, 0644));
    session.print("written: " + escape_bytes(*flags.file) + "\n");
  }
  return kDone;
}

}  // namespace

void add_report_verbs(Verbs& verbs) {
  auto flags = std::make_shared<Flags>();
  CLI::App& app =
      verbs.add("report", "Reports one execution: timing, results, errors, proof, audit.",
                "dunlin report last\ndunlin report 3 --format json -o report.json",
                [flags](Session& session) { return report(session, *flags); });
  flags->execution =
      add_place(app, "EXEC", "the execution: its number in `dunlin ps`, its id, or last");
  flags->format = add_text(app, "--format", "FORMAT", "text or json");
  flags->file = add_text(app, "-o,--output", "FILE", "into this file");
}

}  // namespace dunlin::cli
